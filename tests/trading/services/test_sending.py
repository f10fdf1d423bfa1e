"""Orders reach their broker once, and what it says comes back as rows: from an answer, from a question, from a look."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread

import pytest
from django.db import connection

from accounts.models import LedgerEntry, Notification
from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_instrument, make_user
from tests.trading.adapters.alpaca_standin import KEY, SECRET, AlpacaStandIn, hangs_up, status
from tests.trading.adapters.test_alpaca import serving
from tests.trading.factories import make_order
from trading.domain.orders import Event, EventKind, Sending
from trading.models import Break, BrokerConnection, Door, Fill, Order, OrderEvent, TradingHalt
from trading.services.connections import connect_broker
from trading.services.looking import look_at
from trading.services.order_rows import Cause, record_events
from trading.services.sending import LEASE, WANTED, claim_orders, send_orders

NOW = datetime(2024, 5, 6, 15, tzinfo=UTC)


class Clock:
    """A clock that the test sets."""

    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        self.now += timedelta(milliseconds=1)
        return self.now

    def later(self, by=LEASE):
        self.now += by + timedelta(seconds=1)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(settings):
    with serving(AlpacaStandIn()) as made:
        settings.PROVIDER_HOSTS = ["127.0.0.1"]
        settings.BROKERS = {"alpaca": {"paper_url": made.url, "live_url": made.url}}
        yield made


@pytest.fixture
def account(server):
    made = make_account(owner=make_user())
    with acting_as(made.owner_id):
        connect_broker(account=made, broker="alpaca", now=NOW, key=KEY, secret=SECRET)
    return made


@pytest.fixture
def apple():
    return make_instrument(exchange="XNAS")


def placed(account, instrument, **fields):
    return make_order(account, instrument, **{"broker": "alpaca"} | fields)


def seen(order):
    """Return an order as it stands."""
    with acting_as(order.account.owner_id):
        return Order.objects.get(pk=order.pk)


def kinds(order):
    """Return what happened to an order."""
    with acting_as(order.account.owner_id):
        return [kind for (kind,) in OrderEvent.objects.filter(order=order).order_by("sequence").values_list("kind")]


def posted(account):
    """Return how many fills and entries of fills an account has."""
    with acting_as(account.owner_id):
        entries = LedgerEntry.objects.filter(account=account, source="fill").count()
        return Fill.objects.filter(account=account).count(), entries


def sent(account, clock, times=1):
    """Send what waits, as often as it takes."""
    for _ in range(times):
        send_orders(clock=clock, account_id=account.pk)


def look(account, clock, broker="alpaca"):
    return look_at(account=account, broker=broker, clock=clock, since=clock.now - timedelta(days=3000))


class TestSent:
    def test_an_order_is_accepted_and_filled(self, account, apple, server, clock):
        order = placed(account, apple)
        sent(account, clock, 3)
        assert [verb for verb, *_ in server.seen] == ["POST"]
        assert (seen(order).status, seen(order).sending, bool(seen(order).broker_order_id)) == ("ACCEPTED", "SETTLED", True)
        server.market(apple.symbol, 99, 100, 4)
        server.market(apple.symbol, 99, 101)
        assert (look(account, clock), look(account, clock)) == (2, 0)
        assert (seen(order).status, seen(order).filled_quantity, seen(order).average_price) == ("FILLED", 10, Decimal("100.6"))
        assert kinds(order) == ["CREATED", "SENT", "ACCEPTED", "FILLED", "FILLED"]
        assert posted(account) == (2, 2)

    def test_a_refusal_ends_it(self, account, server, clock):
        order = placed(account, make_instrument(exchange="XETR"))
        sent(account, clock)
        assert (seen(order).status, seen(order).sending) == ("REJECTED", "SETTLED")
        with acting_as(account.owner_id):
            assert "does not trade" in OrderEvent.objects.get(order=order, kind="REJECTED").detail

    def test_claimed_by_one_it_is_nobody_elses_for_a_while(self, account, apple, clock):
        order = placed(account, apple)
        assert [one.order_id for one in claim_orders(now=clock(), account_id=account.pk)] == [order.pk]
        assert claim_orders(now=clock(), account_id=account.pk) == []
        clock.later()
        assert len(claim_orders(now=clock(), account_id=account.pk)) == 1

    def test_several_at_once_send_each_once(self, account, apple, server):
        orders, failures = [placed(account, apple) for _ in range(12)], []

        def work():
            try:
                for _ in range(4):
                    send_orders(clock=Clock(), limit=3, account_id=account.pk)
            except Exception as error:
                failures.append(error)
            finally:
                connection.close()

        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert {seen(order).status for order in orders} == {"ACCEPTED"}
        assert len(server.orders) == len([verb for verb, *_ in server.seen if verb == "POST"]) == 12

    def test_nothing_leaves_while_all_trading_is_stopped(self, account, apple, server, clock):
        order = placed(account, apple)
        halt = TradingHalt.objects.using("system").create(reason="fire", started_at=NOW)
        try:
            sent(account, clock)
        finally:
            TradingHalt.objects.using("system").filter(pk=halt.pk).update(ended_at=NOW)
        assert (server.seen, seen(order).sending) == ([], "PENDING")
        clock.later()
        sent(account, clock)
        assert seen(order).status == "ACCEPTED"

    def test_what_could_not_be_sent_in_its_time_is_over(self, account, apple, server, clock):
        day, until_canceled = placed(account, apple), placed(account, apple, time_in_force="GTC")
        at_once = placed(account, apple, time_in_force="IOC")
        clock.now = datetime(2024, 5, 6, 20, 1, tzinfo=UTC)  # a minute after the close
        sent(account, clock)
        assert [seen(one).status for one in (day, at_once, until_canceled)] == ["EXPIRED", "EXPIRED", "ACCEPTED"]
        assert len(server.orders) == 1
        with acting_as(account.owner_id):
            assert "before it could leave" in OrderEvent.objects.get(order=day, kind="EXPIRED").detail

    def test_for_the_day_given_after_the_close_is_for_the_next_session(self, account, apple, clock):
        order = placed(account, apple, created_at=datetime(2024, 5, 3, 20, 30, tzinfo=UTC))  # on Friday
        sent(account, clock)
        assert seen(order).status == "ACCEPTED"

    def test_without_credentials_it_waits(self, account, apple, clock):
        with acting_as(account.owner_id):
            BrokerConnection.objects.filter(account=account).update(sealed=b"")
        order = placed(account, apple)
        sent(account, clock)
        assert (seen(order).status, seen(order).sending) == ("NEW", "PENDING")
        clock.later()
        sent(account, clock)
        assert kinds(order) == ["CREATED", "PUT_OFF"]


class TestUnknown:
    def test_is_asked_for_and_not_sent_again(self, account, apple, server, clock):
        server.after.append(hangs_up)
        order = placed(account, apple)
        sent(account, clock)
        assert seen(order).sending == Sending.UNKNOWN
        clock.later()
        sent(account, clock)
        assert [verb for verb, *_ in server.seen] == ["POST", "GET"]
        assert (seen(order).status, len(server.orders)) == ("ACCEPTED", 1)
        assert kinds(order) == ["CREATED", "SENT", "UNANSWERED", "ACCEPTED"]

    def test_is_asked_for_until_there_is_an_answer(self, account, apple, server, clock):
        server.after.append(hangs_up)
        order = placed(account, apple)
        sent(account, clock)
        server.always = status(503)
        clock.later()
        sent(account, clock, 2)
        assert seen(order).sending == Sending.UNKNOWN
        server.always = None
        clock.later()
        sent(account, clock)
        assert (seen(order).status, len(server.orders)) == ("ACCEPTED", 1)

    def test_what_left_and_never_came_is_not_sent_again(self, account, apple, server, clock):
        server.before.append(hangs_up)
        order, left = placed(account, apple), clock.now
        sent(account, clock)
        while seen(order).is_open and clock.now - left < timedelta(minutes=2):
            clock.later()
            sent(account, clock)
        assert clock.now - left <= timedelta(seconds=60)
        assert [verb for verb, *_ in server.seen if verb != "GET"] == ["POST"]
        assert (seen(order).status, seen(order).sending, server.orders) == ("REJECTED", "SETTLED", {})
        assert kinds(order) == ["CREATED", "SENT", "UNANSWERED", "REJECTED"]
        with acting_as(account.owner_id):
            assert "is not sent again; place it anew" in OrderEvent.objects.get(order=order, kind="REJECTED").detail
            told = Notification.objects.get(user=account.owner)
        assert ("rejected" in told.title, order.client_order_id in told.body) == (True, True)

    def test_what_comes_late_is_found_before_it_is_given_up(self, account, apple, server, clock):
        server.before.append(hangs_up)
        order = placed(account, apple)
        sent(account, clock)
        clock.later()
        sent(account, clock)
        assert seen(order).sending == "UNKNOWN"
        arrives(server, order)
        clock.later()
        sent(account, clock)
        assert (seen(order).status, len(server.orders)) == ("ACCEPTED", 1)

    def test_what_was_canceled_while_unknown_is_not_sent(self, account, apple, server, clock):
        server.before.append(hangs_up)
        order = placed(account, apple)
        sent(account, clock)
        asked_to_cancel(order)
        for _ in range(3):
            clock.later()
            sent(account, clock)
        assert (seen(order).status, seen(order).pending_cancel, server.orders) == ("CANCELED", False, {})
        assert [verb for verb, *_ in server.seen if verb != "GET"] == ["POST"]

    def test_what_arrived_is_canceled_as_was_asked_meanwhile(self, account, apple, server, clock):
        server.after.append(hangs_up)
        order = placed(account, apple)
        sent(account, clock)
        asked_to_cancel(order)
        for _ in range(3):
            clock.later()
            sent(account, clock)
        assert (seen(order).status, [one["status"] for one in server.orders.values()]) == ("CANCELED", ["canceled"])

    def test_what_its_dead_sender_may_not_have_sent_is_sent(self, account, apple, server, clock):
        order = left_by_the_dead(placed(account, apple), clock)
        clock.later()
        sent(account, clock)
        assert (seen(order).sending, [verb for verb, *_ in server.seen]) == ("SENT", ["GET"])  # it may be on its way
        clock.later()
        sent(account, clock, 2)
        assert [verb for verb, *_ in server.seen] == ["GET", "GET", "POST"]
        assert (seen(order).status, seen(order).attempts, len(server.orders)) == ("ACCEPTED", 2, 1)

    def test_what_its_dead_sender_left_too_long_ago_ends(self, account, apple, server, clock):
        order = left_by_the_dead(placed(account, apple), clock)
        clock.later(WANTED)
        sent(account, clock, 2)
        assert (seen(order).status, server.orders) == ("REJECTED", {})

    def test_a_no_to_what_may_have_arrived_is_asked_about(self, account, apple, server, clock):
        order = left_by_the_dead(placed(account, apple), clock)
        for _ in range(2):
            clock.later()
            sent(account, clock)
        arrives(server, order)
        server.before.append(status(403, {"code": 40310000, "message": "insufficient buying power"}))
        sent(account, clock)
        assert (seen(order).status, len(server.orders)) == ("ACCEPTED", 1)

    def test_what_did_not_leave_is_sent_later(self, account, apple, server, clock):
        server.before.append(status(429))
        order = placed(account, apple)
        sent(account, clock)
        assert (seen(order).sending, kinds(order)) == ("PENDING", ["CREATED", "SENT", "PUT_OFF"])
        clock.later()
        sent(account, clock)
        assert (seen(order).status, len(server.orders)) == ("ACCEPTED", 1)

    def test_what_arrived_though_we_thought_not_is_found_there(self, account, apple, server, clock):
        order = placed(account, apple)
        arrives(server, order)
        sent(account, clock)
        assert (seen(order).status, len(server.orders)) == ("ACCEPTED", 1)


def left_by_the_dead(order, clock):
    """Mark an order as somebody does who dies before anything leaves."""
    now = clock()
    with acting_as(order.account.owner_id):
        columns = {"sending": Sending.SENT, "attempts": 1, "submitted_at": now, "claimed_at": now}
        record_events(order=order, events=[Event(EventKind.SENT)], cause=Cause(door=Door.BROKER, at=now, now=now), **columns)
    return order


def arrives(server, order):
    """Let an order arrive at the broker past us."""
    body = {"symbol": order.instrument.symbol, "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
    server.answer("POST", "/v2/orders", {}, body | {"client_order_id": order.client_order_id}, server_headers())


def server_headers():
    return {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}


def asked_to_cancel(order):
    with acting_as(order.account.owner_id):
        record_events(order=order, events=[Event(EventKind.CANCEL_REQUESTED)], cause=Cause(door=Door.API, at=NOW, now=NOW))


class TestCancelAndReplace:
    def test_the_broker_is_asked_to_cancel(self, account, apple, server, clock):
        order = placed(account, apple)
        sent(account, clock)
        asked_to_cancel(order)
        clock.later()
        sent(account, clock)
        assert (seen(order).status, seen(order).pending_cancel) == ("CANCELED", False)

    def test_what_was_filled_meanwhile_is_not_canceled(self, account, apple, server, clock):
        order = placed(account, apple)
        sent(account, clock)
        asked_to_cancel(order)
        server.market(apple.symbol, 99, 100)
        clock.later()
        sent(account, clock)
        assert (seen(order).status, kinds(order)[-1]) == ("ACCEPTED", "CANCEL_REFUSED")
        look(account, clock)
        assert seen(order).status == "FILLED"

    def test_what_the_broker_does_not_know_any_more_can_be_left(self, account, apple, server, clock):
        order = placed(account, apple)
        sent(account, clock)
        server.orders.clear()  # it was put back to its beginning
        asked_to_cancel(order)
        clock.later()
        sent(account, clock)
        assert (seen(order).status, seen(order).pending_cancel) == ("CANCELED", False)
        with acting_as(account.owner_id):
            assert "does not know" in OrderEvent.objects.get(order=order, kind="CANCELED").detail

    def test_one_order_takes_the_place_of_another(self, account, apple, server, clock):
        old = placed(account, apple, type="LIMIT", limit_price="90")
        sent(account, clock)
        with acting_as(account.owner_id):
            record_events(order=old, events=[Event(EventKind.REPLACE_REQUESTED)], cause=Cause(door=Door.API, at=NOW, now=NOW))
        new = placed(account, apple, type="LIMIT", limit_price="95", replaces=seen(old))
        sent(account, clock)
        assert (seen(old).status, seen(new).status) == ("REPLACED", "ACCEPTED")
        assert [order["status"] for order in server.orders.values()] == ["replaced", "accepted"]

    def test_where_it_is_refused_the_old_one_stays(self, account, apple, server, clock):
        old = placed(account, apple, type="LIMIT", limit_price="90")
        sent(account, clock)
        with acting_as(account.owner_id):
            record_events(order=old, events=[Event(EventKind.REPLACE_REQUESTED)], cause=Cause(door=Door.API, at=NOW, now=NOW))
        server.before.append(status(422, {"code": 1, "message": "cannot replace"}))
        new = placed(account, apple, type="LIMIT", limit_price="95", replaces=seen(old))
        sent(account, clock)
        assert (seen(old).status, seen(old).pending_replace, seen(new).status) == ("ACCEPTED", False, "REJECTED")


class TestLook:
    def test_more_filled_than_ordered_is_a_difference(self, account, apple, server, clock):
        order = placed(account, apple)
        sent(account, clock)
        server.market(apple.symbol, 99, 100)
        server.fills.append({**server.fills[0], "id": server.fills[0]["id"] + "x"})
        look(account, clock)
        with acting_as(account.owner_id):
            (difference,) = Break.objects.filter(account=account)
        assert (difference.kind, difference.order_id, posted(account)) == ("FILL", order.pk, (0, 0))

    def test_an_end_waits_for_the_executions_that_it_tells_of(self, account, apple, server, clock):
        order = placed(account, apple)
        sent(account, clock)
        server.market(apple.symbol, 99, 100, 4)
        server.answer("DELETE", f"/v2/orders/{seen(order).broker_order_id}", {}, {}, server_headers())
        server.hides_fills = True
        look(account, clock)
        assert seen(order).status == "ACCEPTED"
        server.hides_fills = False
        look(account, clock)
        assert (seen(order).status, seen(order).filled_quantity) == ("CANCELED", 4)
