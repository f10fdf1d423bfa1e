"""A broker's records beside ours: what differs is kept, what agrees again is resolved, and the ledger stays as it is."""

from datetime import UTC, datetime
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from tests.factories import post
from tests.trading.adapters.alpaca_standin import hangs_up
from tests.trading.adapters.test_alpaca import speaking_to
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
from trading.domain.orders import Event, EventKind
from trading.models import Break, BrokerConnection, Door
from trading.services.order_rows import Cause, record_events
from trading.services.reconciliation import reconcile_account, reconcile_watched
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


def reconciled(of):
    return reconcile_account(account=of, broker="alpaca", clock=lambda: datetime.now(UTC)).open_breaks


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


def test_a_sync_notes_how_far_it_has_read(agreed, apple, server, clock):  # noqa: F811
    placed(agreed, apple)
    sent(agreed, clock)
    (one,) = watched(account_id=agreed.pk)
    assert sync_account(one, clock=clock) == 1
    with acting_as(agreed.owner_id):
        link = BrokerConnection.objects.get(account=agreed)
    assert (link.last_error, bool(link.cursor["orders"]), link.synced_at is not None) == ("", True, True)
