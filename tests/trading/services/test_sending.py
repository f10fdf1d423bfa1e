"""Orders reach their broker once, and what it says comes back as rows: from an answer, from a question, from a look."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread

import pytest
from django.db import connection

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_instrument, make_quotes, make_user, quiet_day
from tests.trading.adapters.alpaca_standin import KEY, SECRET, AlpacaStandIn, hangs_up, status
from tests.trading.adapters.test_alpaca import serving
from tests.trading.factories import make_order
from trading.domain.legs import LegRole
from trading.domain.orders import Event, EventKind, Sending
from trading.models import Break, BrokerConnection, Door, Fill, Order, OrderEvent, TradingHalt
from trading.services.connections import connect_broker
from trading.services.order_rows import Cause, record_events
from trading.services.sending import LEASE, WANTED, claim_orders, look_at, send_orders

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

    def test_without_credentials_it_waits(self, account, apple, clock):
        with acting_as(account.owner_id):
            BrokerConnection.objects.filter(account=account).update(sealed=b"")
        order = placed(account, apple)
        sent(account, clock)
        assert (seen(order).status, seen(order).sending) == ("NEW", "PENDING")


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

    def test_what_never_came_is_sent_under_its_id(self, account, apple, server, clock):
        server.before.append(hangs_up)
        order = placed(account, apple)
        sent(account, clock)
        clock.later()
        sent(account, clock, 2)
        assert [verb for verb, *_ in server.seen] == ["POST", "GET", "POST"]
        assert (seen(order).status, seen(order).attempts, len(server.orders)) == ("ACCEPTED", 2, 1)

    def test_what_never_came_and_is_late_ends(self, account, apple, server, clock):
        server.before.append(hangs_up)
        order = placed(account, apple)
        sent(account, clock)
        clock.later(WANTED)
        sent(account, clock, 2)
        assert (seen(order).status, server.orders) == ("REJECTED", {})
        with acting_as(account.owner_id):
            assert "never got it" in OrderEvent.objects.get(order=order, kind="REJECTED").detail

    def test_what_did_not_leave_is_sent_later(self, account, apple, server, clock):
        server.before.append(status(429))
        order = placed(account, apple)
        sent(account, clock)
        assert (seen(order).sending, kinds(order)) == ("PENDING", ["CREATED", "SENT"])
        clock.later()
        sent(account, clock)
        assert (seen(order).status, len(server.orders)) == ("ACCEPTED", 1)

    def test_what_arrived_though_we_thought_not_is_found_there(self, account, apple, server, clock):
        order = placed(account, apple)
        server.answer("POST", "/v2/orders", {}, {"symbol": apple.symbol, "qty": "10", "side": "buy", "type": "market",
                      "time_in_force": "day", "client_order_id": order.client_order_id}, server_headers())  # fmt: skip
        sent(account, clock)
        assert (seen(order).status, len(server.orders)) == ("ACCEPTED", 1)


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
    def test_exits_go_once_the_entry_is_filled(self, account, apple, server, clock):
        entry = placed(account, apple, order_class="BRACKET", role=LegRole.ENTRY)
        common = {"parent": entry, "side": "SELL", "effect": "CLOSE", "sending": "HELD", "order_class": "BRACKET"}
        profit = placed(account, apple, type="LIMIT", limit_price="110", role=LegRole.TAKE_PROFIT, **common)
        loss = placed(account, apple, type="STOP", stop_price="90", role=LegRole.STOP_LOSS, **common)
        server.market(apple.symbol, 99, 100)
        sent(account, clock)
        look(account, clock)
        assert (seen(entry).status, seen(profit).sending, seen(loss).sending) == ("FILLED", "PENDING", "PENDING")
        sent(account, clock)
        server.market(apple.symbol, 111, 112)
        look(account, clock)
        assert (seen(profit).status, seen(loss).pending_cancel) == ("FILLED", True)
        clock.later()
        sent(account, clock)
        assert seen(loss).status == "CANCELED"
        assert posted(account) == (2, 2)

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


class TestPaper:
    @pytest.fixture
    def account(self):
        return make_account(owner=make_user())

    def test_an_order_is_filled_by_recorded_quotes(self, account):
        day = quiet_day("quotes")
        noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
        stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
        make_quotes(stock, [(noon + timedelta(seconds=30), "99", "100"), (noon + timedelta(seconds=90), "90", "91")])
        order = make_order(account, stock, time_in_force="GTC")
        limit = make_order(account, stock, time_in_force="GTC", type="LIMIT", limit_price="95")
        sent(account, clock)
        assert (seen(order).status, look(account, clock, "paper")) == ("ACCEPTED", 0)
        clock.later(timedelta(seconds=40))
        assert (look(account, clock, "paper"), look(account, clock, "paper")) == (1, 0)
        assert (seen(order).status, seen(order).average_price, seen(limit).status) == ("FILLED", 100, "ACCEPTED")
        clock.later(timedelta(seconds=60))
        assert (look(account, clock, "paper"), seen(limit).average_price) == (1, 91)
        assert posted(account) == (2, 2)

    def test_a_canceled_order_keeps_what_was_filled_before(self, account):
        day = quiet_day("quotes")
        noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
        stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
        make_quotes(stock, [(noon + timedelta(seconds=30), "99", "100")])
        order = make_order(account, stock, time_in_force="GTC", quantity=Decimal(500))
        sent(account, clock)
        clock.later(timedelta(seconds=40))
        asked_to_cancel(order)
        sent(account, clock)
        assert (seen(order).status, seen(order).filled_quantity, posted(account)) == ("CANCELED", 200, (1, 1))

    def test_for_the_day_it_expires(self, account):
        stock, clock = make_instrument(exchange="XNYS"), Clock(NOW)
        order = make_order(account, stock, type="LIMIT", limit_price="5")
        sent(account, clock)
        clock.later(timedelta(days=1))
        look(account, clock, "paper")
        assert (seen(order).status, seen(order).ended_at) == ("EXPIRED", datetime(2024, 5, 6, 20, tzinfo=UTC))

    def test_one_that_is_replaced_keeps_its_fills(self, account):
        stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(NOW)
        old = make_order(account, stock, time_in_force="GTC", type="LIMIT", limit_price="5")
        sent(account, clock)
        with acting_as(account.owner_id):
            record_events(order=old, events=[Event(EventKind.REPLACE_REQUESTED)], cause=Cause(door=Door.API, at=NOW, now=NOW))
        new = make_order(account, stock, time_in_force="GTC", type="LIMIT", limit_price="6", replaces=seen(old))
        sent(account, clock)
        assert (seen(old).status, seen(new).status) == ("REPLACED", "ACCEPTED")

    def test_a_better_price_that_is_no_longer_quoted_is_not_had(self, account):
        noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
        stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
        make_quotes(stock, [(noon - timedelta(seconds=50), "90", "91"), (noon - timedelta(seconds=5), "99", "100")])
        order = make_order(account, stock, time_in_force="GTC", type="LIMIT", limit_price="95")
        sent(account, clock)
        assert (look(account, clock, "paper"), seen(order).status) == (0, "ACCEPTED")

    def test_a_stop_is_set_off_and_takes_the_market_after_it(self, account):
        noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
        stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
        rows = [(30, "98", "99"), (40, "104", "105"), (50, "100", "101")]
        make_quotes(stock, [(noon + timedelta(seconds=number), bid, ask) for number, bid, ask in rows])
        order = make_order(account, stock, time_in_force="GTC", type="STOP", stop_price="104", quantity=Decimal(300))
        sent(account, clock)
        clock.later(timedelta(seconds=60))
        assert [look(account, clock, "paper") for _ in range(3)] == [1, 1, 0]
        assert (seen(order).status, seen(order).filled_value) == ("FILLED", 200 * 105 + 100 * 101)
