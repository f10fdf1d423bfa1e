"""Groups at a broker that counts every order against what is held: their exits go as one, and what it does to them is ours."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models.tenancy import acting_as
from tests.trading.adapters.alpaca_standin import hangs_up, status
from tests.trading.services.test_sending import (  # noqa: F401
    account,
    apple,
    asked_to_cancel,
    clock,
    kinds,
    look,
    placed,
    posted,
    seen,
    sent,
    server,
)
from trading.domain.drafts import Replacement
from trading.models import Break, Door
from trading.services.orders import Ordering, cancel_order, replace_order
from trading.services.reconciliation import reconcile_account
from trading.services.sending import LEASE

HELD = {"side": "SELL", "effect": "CLOSE", "sending": "HELD", "order_class": "BRACKET"}


class Group:
    """A bracket: ten bought at the market, to be sold at 110 or below 90."""

    def __init__(self, account, stock, clock, **more):  # noqa: F811
        self.account, self.clock = account, clock
        self.entry = placed(account, stock, order_class="BRACKET", role="ENTRY", **more)
        self.profit = placed(account, stock, type="LIMIT", limit_price="110", role="TAKE_PROFIT", parent=self.entry, **HELD)
        self.loss = placed(account, stock, type="STOP", stop_price="90", role="STOP_LOSS", parent=self.entry, **HELD)

    def on(self, times=1):
        """Let those who send and look do so."""
        for _ in range(times):
            self.clock.later()
            sent(self.account, self.clock)
            look(self.account, self.clock)

    @property
    def statuses(self):
        return [seen(one).status for one in (self.entry, self.profit, self.loss)]

    @property
    def sending(self):
        return [seen(one).sending for one in (self.entry, self.profit, self.loss)]


@pytest.fixture
def group(account, apple, clock):  # noqa: F811
    return Group(account, apple, clock)


def writes(server):  # noqa: F811
    return [(verb, body.get("order_class", "")) for verb, _, body in server.seen if verb != "GET"]


def test_the_exits_go_as_one_once_the_entry_is_filled(group, apple, server):  # noqa: F811
    server.market(apple.symbol, 99, 100)
    group.on()
    assert (group.statuses, group.sending) == (["FILLED", "NEW", "NEW"], ["SETTLED", "PENDING", "PENDING"])
    group.on()
    assert (group.statuses, group.sending) == (["FILLED", "ACCEPTED", "ACCEPTED"], ["SETTLED"] * 3)
    assert writes(server) == [("POST", ""), ("POST", "oco")]
    assert len({seen(one).broker_order_id for one in (group.profit, group.loss)}) == 2
    assert kinds(group.loss) == ["CREATED", "RELEASED", "SENT", "ACCEPTED"]


def test_one_exit_cancels_the_other(group, apple, server, account):  # noqa: F811
    server.market(apple.symbol, 99, 100)
    group.on(2)
    server.market(apple.symbol, 89, 90)
    group.on(2)
    assert group.statuses == ["FILLED", "CANCELED", "FILLED"]
    assert posted(account) == (2, 2)
    assert sum(Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1) for fill in server.fills) == 0


def test_an_entry_that_is_partly_filled_and_canceled_has_its_exits_for_that(group, apple, server):  # noqa: F811
    server.market(apple.symbol, 99, 100, 4)
    group.on()
    assert (group.statuses, group.sending[1:]) == (["PARTIALLY_FILLED", "NEW", "NEW"], ["HELD", "HELD"])
    asked_to_cancel(group.entry)
    group.on(2)
    assert group.statuses == ["CANCELED", "ACCEPTED", "ACCEPTED"]
    assert [one["qty"] for one in server.orders.values()] == ["10", "4", "4"]


def test_an_exit_that_is_partly_filled_leaves_the_rest_to_the_other(group, apple, server):  # noqa: F811
    server.market(apple.symbol, 99, 100)
    group.on(2)
    server.market(apple.symbol, 111, 112, 3)
    group.on()
    assert [(seen(one).quantity, seen(one).filled_quantity) for one in (group.profit, group.loss)] == [(10, 3), (7, 0)]
    server.market(apple.symbol, 89, 90)
    group.on(2)
    assert (group.statuses, seen(group.loss).filled_quantity) == (["FILLED", "CANCELED", "FILLED"], 7)
    assert [verb for verb, _ in writes(server)] == ["POST", "POST"] or [verb for verb, _ in writes(server)][2:] == ["DELETE"]


def test_what_was_not_answered_is_found_with_its_leg(group, apple, server):  # noqa: F811
    server.market(apple.symbol, 99, 100)
    group.on()
    server.after.append(hangs_up)
    group.on()
    assert group.sending == ["SETTLED", "UNKNOWN", "UNKNOWN"]
    group.on(2)
    assert (group.statuses, group.sending) == (["FILLED", "ACCEPTED", "ACCEPTED"], ["SETTLED"] * 3)
    assert writes(server) == [("POST", ""), ("POST", "oco")]


def test_what_never_came_ends_for_both_and_members_are_told(group, apple, server):  # noqa: F811
    server.market(apple.symbol, 99, 100)
    group.on()
    server.before.append(hangs_up)
    group.on(6)
    assert (group.statuses, group.sending) == (["FILLED", "REJECTED", "REJECTED"], ["SETTLED"] * 3)
    assert writes(server) == [("POST", ""), ("POST", "oco")]


def test_a_no_ends_both(group, apple, server):  # noqa: F811
    server.market(apple.symbol, 99, 100)
    group.on()
    server.before.append(status(422, {"code": 42210000, "message": "stop price must be below the market"}))
    group.on(2)
    assert group.statuses == ["FILLED", "REJECTED", "REJECTED"]


def test_what_did_not_leave_goes_later(group, apple, server):  # noqa: F811
    server.market(apple.symbol, 99, 100)
    group.on()
    server.before.append(status(429))
    group.on()
    assert group.sending == ["SETTLED", "PENDING", "PENDING"]
    group.on()
    assert group.statuses == ["FILLED", "ACCEPTED", "ACCEPTED"]


def test_a_leg_is_replaced_and_both_are_canceled(group, account, apple, server, clock):  # noqa: F811
    server.market(apple.symbol, 99, 100)
    group.on(2)
    with acting_as(account.owner_id):
        by = Ordering(actor=account.owner, door=Door.API, at=clock())
        new = replace_order(order=seen(group.loss), change=Replacement(stop_price=Decimal(95)), by=by)
    group.on(2)
    assert (group.statuses, seen(new).status) == (["FILLED", "ACCEPTED", "REPLACED"], "ACCEPTED")
    patched = next(body for verb, _, body in server.seen if verb == "PATCH")
    assert "qty" not in patched
    with acting_as(account.owner_id):
        cancel_order(order=seen(group.profit), by=by)
    group.on(3)
    assert (group.statuses[1], seen(new).status) == ("CANCELED", "CANCELED")
    assert not [one for one in server.orders.values() if one["status"] in {"accepted", "held"}]


def test_a_pair_that_stands_alone_goes_as_one(account, apple, server, clock):  # noqa: F811
    group = Group(account, apple, clock)
    server.market(apple.symbol, 99, 100)
    group.on(3)
    asked_to_cancel(group.profit)
    group.on(3)
    common = {"side": "SELL", "effect": "CLOSE", "order_class": "OCO"}
    profit = placed(account, apple, type="LIMIT", limit_price="120", role="TAKE_PROFIT", **common)
    loss = placed(account, apple, type="STOP_LIMIT", stop_price="80", limit_price="79", role="STOP_LOSS", parent=profit, **common)
    group.on()
    assert [seen(one).status for one in (profit, loss)] == ["ACCEPTED", "ACCEPTED"]
    assert [one for _, one in writes(server)] == ["", "oco", "", "oco"]


def test_legs_with_ids_of_the_brokers_own_are_no_difference(group, account, apple, server, clock):  # noqa: F811
    server.market(apple.symbol, 99, 100)
    group.on(2)
    clock.later(LEASE + timedelta(minutes=5))
    reconcile_account(account=account, broker="alpaca", clock=clock)
    with acting_as(account.owner_id):
        assert not Break.objects.open().filter(account=account, kind__in=("ORDER", "FILL", "POSITION")).exists()
