"""A broker's records beside ours: what differs is kept, what agrees again is resolved, and the ledger stays as it is."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_instrument, make_user, post
from tests.trading.adapters.alpaca_standin import hangs_up
from tests.trading.adapters.test_alpaca import speaking_to
from tests.trading.factories import AT, make_break
from tests.trading.services.test_sending import (  # noqa: F401
    account,
    apple,
    clock,
    look,
    placed,
    seen,
    sent,
    server,
    server_headers,
)
from trading.adapters.alpaca import AlpacaBroker
from trading.adapters.base import BrokerFailed
from trading.domain.orders import Event, EventKind
from trading.models import Break, BrokerConnection, Door
from trading.services.connections import connect_broker, open_broker
from trading.services.order_rows import Cause, record_events
from trading.services.reconciliation import ON_ITS_WAY, reconcile_watched
from trading.services.sending import claim_orders, deliver
from trading.services.syncing import sync_account, watched

BODY = {"qty": "3", "side": "buy", "type": "market", "time_in_force": "day"}


@pytest.fixture
def agreed(account, apple, server, clock):  # noqa: F811
    """Return an account whose broker has what the ledger has."""
    post(account, "DEPOSIT", cash="1000000")
    placed(account, apple)
    sent(account, clock)
    server.market(apple.symbol, 99, 100)
    look(account, clock)
    return account


def open_breaks(of):
    with acting_as(of.owner_id):
        return {(one.kind, one.subject): (one.ours, one.theirs) for one in Break.objects.open().filter(account=of)}


def entries(of):
    with acting_as(of.owner_id):
        return LedgerEntry.objects.filter(account=of).count()


def reconciled(of, *, after=timedelta(0), kind=None, server=None):  # noqa: F811
    """Bring in what the broker knows and compare, some time from now; return how many differences are open."""
    (one,) = watched(account_id=of.pk)
    opener = open_broker if kind is None else lambda _account, _name, _clock: speaking_to(server, kind=kind)
    return reconcile_watched(one, clock=lambda: datetime.now(UTC) + after, opener=opener).open_breaks


def resolutions(of):
    with acting_as(of.owner_id):
        return [one.resolution for one in Break.objects.filter(account=of, resolved_at__isnull=False).order_by("found_at")]


def died_after_sending(of, instrument):
    """Return an order that the broker has, whose sender died before it could take the answer down."""
    order = placed(of, instrument, time_in_force="GTC")

    def die(step):
        if step == "sent":
            raise Died

    (claim,) = claim_orders(now=datetime.now(UTC), account_id=of.pk)
    with pytest.raises(Died):
        deliver(claim, clock=lambda: datetime.now(UTC), on_step=die)
    assert seen(order).sending == "SENT"
    return order


class Died(BaseException):
    """The worker is gone."""


def test_what_agrees_leaves_nothing(agreed):
    assert reconciled(agreed) == 0


def test_every_difference_is_kept_and_the_ledger_stays(agreed, apple, server):  # noqa: F811
    before = entries(agreed)
    server.answer("POST", "/v2/orders", {}, {**BODY, "symbol": apple.symbol, "client_order_id": "past us"}, server_headers())
    server.others.append(
        {"id": "29990101000000000::d", "activity_type": "DIV", "net_amount": "1.5", "symbol": apple.symbol,
         "transaction_time": "2999-01-01T00:00:00Z"}
    )  # fmt: skip
    assert reconciled(agreed) == 4
    assert open_breaks(agreed) == {
        ("POSITION", apple.symbol): (10, 13),
        ("CASH", "USD"): (999_000, 998_700),
        ("ORDER", "past us"): (None, 3),
        ("ACTIVITY", "29990101000000000::d"): (None, 1.5),
    }
    assert reconciled(agreed) == 4
    assert entries(agreed) == before


def test_an_order_that_one_of_the_two_takes_for_open_is_a_difference(agreed, apple, server, clock):  # noqa: F811
    orders = [placed(agreed, apple, type="LIMIT", limit_price="5") for _ in range(3)]
    sent(agreed, clock)
    canceled, gone, _kept = [seen(order) for order in orders]
    with acting_as(agreed.owner_id):
        record_events(order=canceled, events=[Event(EventKind.CANCELED)], cause=Cause(door=Door.API, at=clock(), now=clock()))
    del server.orders[gone.broker_order_id]
    assert reconciled(agreed) == 2
    assert set(open_breaks(agreed)) == {("ORDER", canceled.client_order_id), ("ORDER", gone.client_order_id)}
    assert [seen(order).status for order in orders[1:]] == ["ACCEPTED", "ACCEPTED"]  # nothing is corrected by itself


def test_an_execution_that_only_one_of_the_two_has_is_a_difference(agreed, server):  # noqa: F811
    (fill,) = server.fills
    server.fills[:] = [fill | {"id": "another"}]
    assert reconciled(agreed) == 1
    with acting_as(agreed.owner_id):
        told = Break.objects.open().get(account=agreed)
    assert (told.kind, "another" in told.detail, fill["id"] in told.detail) == ("FILL", True, True)
    server.fills[:] = [fill]
    assert reconciled(agreed) == 0


def test_what_trades_meanwhile_is_no_difference(agreed, apple, server, clock):  # noqa: F811
    placed(agreed, apple)
    sent(agreed, clock)
    (one,), moves = watched(account_id=agreed.pk), [1, 2]

    class Moving(AlpacaBroker):
        def cash(self):
            if moves:  # it is filled while we ask
                moves.pop()
                server.market(apple.symbol, 99, 100, 5)
            return super().cash()

    def opener(account, name, clock):  # noqa: F811
        return speaking_to(server, kind=Moving)

    assert reconcile_watched(one, clock=lambda: datetime.now(UTC), opener=opener).open_breaks == 0


def test_what_never_stops_trading_is_no_difference(agreed, apple, server, clock):  # noqa: F811
    """It is filled a little between any two questions, for longer than anybody asks."""
    server.market(apple.symbol, 99, 100, 1)
    placed(agreed, apple, quantity="1000")
    sent(agreed, clock)

    class Busy(AlpacaBroker):
        def look(self, *args, **fields):
            server.market(apple.symbol, 99, 100, 1)
            return super().look(*args, **fields)

        def cash(self):
            server.market(apple.symbol, 99, 101, 1)
            return super().cash()

    assert reconciled(agreed, kind=Busy, server=server) == 0
    assert server.fills[-1]["cum_qty"] != "1000"
    assert reconciled(agreed) == 0


def test_what_stands_is_told_while_others_trade(agreed, apple, server, clock):  # noqa: F811
    server.market(apple.symbol, 99, 100, 1)
    placed(agreed, apple, quantity="1000")
    sent(agreed, clock)
    past_us = {**BODY, "qty": "1", "symbol": apple.symbol, "client_order_id": "past us"}
    server.answer("POST", "/v2/orders", {}, past_us, server_headers())

    class Busy(AlpacaBroker):
        def cash(self):
            server.market(apple.symbol, 99, 101, 1)
            return super().cash()

    assert reconciled(agreed, kind=Busy, server=server) == 1
    assert open_breaks(agreed) == {("ORDER", "past us"): (None, 1)}


def test_an_order_whose_sender_died_is_under_way_and_no_difference(agreed, apple, server):  # noqa: F811
    order = died_after_sending(agreed, apple)
    server.market(apple.symbol, 99, 100)
    assert reconciled(agreed) == 0
    assert reconciled(agreed, after=ON_ITS_WAY) == 3  # nobody has asked for it for so long: now it is one
    assert set(open_breaks(agreed)) == {("FILL", order.client_order_id), ("POSITION", apple.symbol), ("CASH", "USD")}


def test_what_was_different_stays_so_while_an_order_is_under_way(agreed, apple, server):  # noqa: F811
    server.cash += 5
    assert reconciled(agreed) == 1
    died_after_sending(agreed, apple)
    server.market(apple.symbol, 99, 100)
    assert reconciled(agreed) == 1
    assert set(open_breaks(agreed)) == {("CASH", "USD")}


def test_executions_that_the_broker_shows_a_moment_later_are_no_difference(agreed, apple, server, clock):  # noqa: F811
    order = placed(agreed, apple)
    sent(agreed, clock)
    server.hides_fills = True
    server.market(apple.symbol, 99, 100)
    assert reconciled(agreed) == 0
    assert reconciled(agreed, after=timedelta(minutes=2)) == 4  # the first order's are not there any more either
    assert ("FILL", order.client_order_id) in open_breaks(agreed)
    server.hides_fills = False
    assert reconciled(agreed) == 0


def test_what_could_not_be_brought_in_is_not_compared(agreed, apple, server, clock):  # noqa: F811
    placed(agreed, apple)
    sent(agreed, clock)
    server.market(apple.symbol, 99, 100)

    class Lame(AlpacaBroker):
        def look(self, known, *, since):
            if datetime.now(UTC) - since < timedelta(days=20):
                raise BrokerFailed("not now")
            return super().look(known, since=since)

    with pytest.raises(BrokerFailed):
        reconciled(agreed, kind=Lame, server=server)
    assert open_breaks(agreed) == {}


def test_what_the_broker_does_not_tell_of_any_more_is_not_gone(agreed, apple, server):  # noqa: F811
    """Orders and activities are told of for a month: nobody has entered them for that."""
    server.answer("POST", "/v2/orders", {}, {**BODY, "symbol": apple.symbol, "client_order_id": "past us"}, server_headers())
    server.others.append(
        {"id": "20200101000000000::d", "activity_type": "DIV", "net_amount": "1.5", "symbol": apple.symbol,
         "transaction_time": datetime.now(UTC).isoformat()}
    )  # fmt: skip
    assert reconciled(agreed) == 4
    before = open_breaks(agreed)
    assert reconciled(agreed, after=timedelta(days=32)) == 4
    assert open_breaks(agreed) == before


def test_a_position_that_was_not_ours_is_gone_for_what_was_entered(agreed, server):  # noqa: F811
    other = make_instrument(exchange="XNAS")
    body = {**BODY, "qty": "1", "symbol": other.symbol, "client_order_id": "past us"}
    server.market(other.symbol, 99, 100)
    server.answer("POST", "/v2/orders", {}, body, server_headers())
    assert reconciled(agreed) == 3
    post(agreed, "BUY", instrument=other, quantity="1", price="100", external_id="by hand")
    assert reconciled(agreed) == 1
    assert resolutions(agreed) == ["The records agree again: the ledger has got BUY by hand."] * 2


def test_a_difference_that_is_gone_says_what_has_changed(agreed, server):  # noqa: F811
    server.cash += 5
    server.others.append(
        {"id": "29990101000000000::f", "activity_type": "FEE", "net_amount": "5", "transaction_time": "2999-01-01T00:00:00Z"}
    )
    assert reconciled(agreed) == 2
    post(agreed, "DEPOSIT", cash="5", external_id="29990101000000000::f")
    assert reconciled(agreed) == 0
    assert resolutions(agreed) == ["The records agree again: the ledger has got DEPOSIT 29990101000000000::f."] * 2
    (fill,) = server.fills
    server.fills[:] = [fill | {"id": "another"}]
    assert reconciled(agreed) == 1
    server.fills[:] = [fill]
    assert reconciled(agreed) == 0
    assert resolutions(agreed)[2:] == ["The records agree again: alpaca's have changed, and ours have not."]


def test_what_agrees_again_is_resolved(agreed, server):  # noqa: F811
    server.cash += 5
    assert reconciled(agreed) == 1
    server.cash -= 5
    assert reconciled(agreed) == 0
    with acting_as(agreed.owner_id):
        assert Break.objects.get(account=agreed).resolution


def test_the_command_fails_on_a_break(agreed, server):  # noqa: F811
    out = StringIO()
    call_command("reconcile", account=agreed.pk, fail_on_break=True, stdout=out)
    assert "0 open breaks" in out.getvalue()
    server.cash += 5
    call_command("reconcile", account=agreed.pk, stdout=out)
    with pytest.raises(CommandError, match="1 breaks are open"):
        call_command("reconcile", account=agreed.pk, fail_on_break=True, stdout=out)


def test_the_command_counts_breaks_of_brokers_that_are_not_asked_any_more():
    left, out = make_account(owner=make_user()), StringIO()
    call_command("reconcile", account=left.pk, fail_on_break=True, stdout=out)
    make_break(left, resolved_at=AT)
    call_command("reconcile", account=left.pk, fail_on_break=True, stdout=out)
    make_break(left)
    with pytest.raises(CommandError, match="1 breaks are open"):
        call_command("reconcile", account=left.pk, fail_on_break=True, stdout=out)
    assert f"{left.pk} alpaca: 1 open breaks, and nothing there to compare any more" in out.getvalue()


def test_the_command_knows_no_account_of_another_id():
    with pytest.raises(CommandError, match="There is no account"):
        call_command("reconcile", account=uuid4(), stdout=StringIO())


def test_the_command_leaves_with_a_status_of_its_own(agreed, server):  # noqa: F811
    """A shell sees 0 when all agrees, and 1 when a difference is open or a broker cannot be asked."""

    def status(**options):
        try:
            call_command("reconcile", account=agreed.pk, stdout=StringIO(), stderr=StringIO(), **options)
        except CommandError as refused:
            return refused.returncode
        return 0

    assert (status(), status(fail_on_break=True)) == (0, 0)
    server.cash += 5
    assert (status(), status(fail_on_break=True)) == (0, 1)
    server.always = hangs_up
    assert (status(), status(fail_on_break=True)) == (1, 1)


def test_the_command_says_whom_it_could_not_ask(agreed, server):  # noqa: F811
    server.shutdown()
    server.server_close()
    with pytest.raises(CommandError, match="could not be asked"):
        call_command("reconcile", account=agreed.pk, stdout=StringIO(), stderr=StringIO())
    with acting_as(agreed.owner_id):
        assert "reached" in BrokerConnection.objects.get(account=agreed).last_error


def test_a_sync_leaves_alone_what_was_connected_meanwhile(agreed, server, clock):  # noqa: F811
    def opener(of, name, now):
        broker = open_broker(of, name, now)
        Account.objects.filter(pk=of.pk).update(execution_mode="LIVE")
        of.execution_mode = "LIVE"
        connect_broker(account=of, broker=name, now=now(), key="another", secret="and its secret")
        return broker

    (one,) = watched(account_id=agreed.pk)
    sync_account(one, clock=clock, opener=opener)
    with acting_as(agreed.owner_id):
        link = BrokerConnection.objects.get(account=agreed)
    assert (link.cursor["mode"], "orders" in link.cursor, link.synced_at) == ("LIVE", False, None)


def test_a_sync_notes_how_far_it_has_read(agreed, apple, server, clock):  # noqa: F811
    placed(agreed, apple)
    sent(agreed, clock)
    (one,) = watched(account_id=agreed.pk)
    assert sync_account(one, clock=clock) == 1
    with acting_as(agreed.owner_id):
        link = BrokerConnection.objects.get(account=agreed)
    assert (link.last_error, bool(link.cursor["orders"]), link.synced_at is not None) == ("", True, True)
