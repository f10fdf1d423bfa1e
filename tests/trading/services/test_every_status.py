"""Cancel and replace in every status, on every way to the broker: what follows, and what each event says was its cause."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from accounts.models.tenancy import acting_as
from tests.factories import day, make_account, make_bars, make_instrument, make_user, post
from tests.trading.factories import make_order, move_order
from trading.domain.drafts import OrderDraft, Replacement
from trading.domain.fills import Fill
from trading.domain.orders import Event, EventKind, Side
from trading.models import Door, Order, OrderEvent
from trading.services.order_rows import ClientOrderIdTaken
from trading.services.orders import Ordering, cancel_order, place_order, replace_order
from trading.services.refusals import NotAsThingsStand

NOW = datetime(2020, 1, 7, 15, tzinfo=UTC)
PART, REST = (Event(EventKind.FILLED, fill=Fill(name, Decimal(number), Decimal(9), NOW)) for name, number in (("a", 4), ("b", 6)))
ACCEPTED, SENT, REPLACE = Event(EventKind.ACCEPTED), Event(EventKind.SENT), Event(EventKind.REPLACE_REQUESTED)
WAYS = {
    "new and waiting": ("PENDING", []),
    "new and held": ("HELD", []),
    "new and sent": ("SENT", [SENT]),
    "new and unknown": ("UNKNOWN", [SENT, Event(EventKind.UNANSWERED)]),
    "accepted": ("SETTLED", [ACCEPTED]),
    "partly filled": ("SETTLED", [ACCEPTED, PART]),
    "being replaced": ("SETTLED", [ACCEPTED, REPLACE]),
    "being canceled": ("SETTLED", [ACCEPTED, Event(EventKind.CANCEL_REQUESTED)]),
    "filled": ("SETTLED", [ACCEPTED, PART, REST]),
    "canceled": ("SETTLED", [ACCEPTED, Event(EventKind.CANCELED)]),
    "rejected": ("SETTLED", [SENT, Event(EventKind.REJECTED)]),
    "expired": ("SETTLED", [ACCEPTED, Event(EventKind.EXPIRED)]),
    "replaced": ("SETTLED", [ACCEPTED, Event(EventKind.REPLACED)]),
}
CANCELED = {
    "new and waiting": ("CANCELED", False, "CANCELED"),
    "new and held": ("CANCELED", False, "CANCELED"),
    "new and sent": ("NEW", True, "CANCEL_REQUESTED"),
    "new and unknown": ("NEW", True, "CANCEL_REQUESTED"),
    "accepted": ("ACCEPTED", True, "CANCEL_REQUESTED"),
    "partly filled": ("PARTIALLY_FILLED", True, "CANCEL_REQUESTED"),
    "being replaced": ("ACCEPTED", True, "CANCEL_REQUESTED"),
    "being canceled": ("ACCEPTED", True, "CANCEL_REQUESTED"),
}
REPLACED = {
    "new and waiting": ("REPLACED", False, "REPLACED", 10),
    "new and held": ("REPLACED", False, "REPLACED", 10),
    "accepted": ("ACCEPTED", True, "REPLACE_REQUESTED", 10),
    "partly filled": ("PARTIALLY_FILLED", True, "REPLACE_REQUESTED", 6),
}


@pytest.fixture
def stock():
    made = make_instrument()
    make_bars(made, [("2020-01-02", "10"), ("2020-01-06", "10")])
    return made


@pytest.fixture
def account():
    made = make_account(owner=make_user())
    post(made, "DEPOSIT", cash="10000", occurred_at=day("2020-01-02"))
    return made


@pytest.fixture
def order(account, stock):
    """Return a way to have an order that stands in a way; what is held waits for another."""

    def made(way):
        sending, events = WAYS[way]
        parent = {"parent": make_order(account, stock, role="ENTRY"), "role": "ENTRY"} if sending == "HELD" else {}
        known = {"broker_order_id": f"there-{way}"} if sending == "SETTLED" else {}
        one = make_order(account, stock, type="LIMIT", limit_price="9", sending=sending, broker="alpaca", **parent | known)
        return move_order(one, *events)

    return made


def by(account):
    return Ordering(actor=account.owner, door=Door.API, at=NOW)


def last(order):
    with acting_as(order.account.owner_id):
        return OrderEvent.objects.filter(order=order).latest("sequence")


@pytest.mark.parametrize("way", WAYS)
def test_cancel(account, order, way):
    one = order(way)
    if way not in CANCELED:
        with acting_as(account.owner_id), pytest.raises(NotAsThingsStand) as refused:
            cancel_order(order=one, by=by(account))
        assert refused.value.code == "order_not_open"
        return
    with acting_as(account.owner_id):
        done = cancel_order(order=one, by=by(account))
        again = cancel_order(order=one, by=by(account)) if done.is_open else done
    assert (done.status, done.pending_cancel, last(one).kind) == CANCELED[way]
    assert again.events == done.events
    if way != "being canceled":
        assert (last(one).door, last(one).actor_id, last(one).at) == ("API", account.owner_id, NOW)


@pytest.mark.parametrize("way", WAYS)
def test_replace(account, order, way):
    one, change = order(way), Replacement(limit_price=Decimal(8))
    if way not in REPLACED:
        with acting_as(account.owner_id), pytest.raises(NotAsThingsStand) as refused:
            replace_order(order=one, change=change, by=by(account))
        assert refused.value.code == ("order_pending" if WAYS[way][0] != "SETTLED" or "being" in way else "order_not_open")
        return
    with acting_as(account.owner_id):
        made = replace_order(order=one, change=change, by=by(account))
        old = Order.objects.get(pk=one.pk)
    assert (old.status, old.pending_replace, last(one).kind, made.quantity) == REPLACED[way]
    assert (last(one).data["by"], made.replaces_id, made.limit_price) == (str(made.pk), one.pk, 8)
    assert made.sending == ("HELD" if way == "new and held" else "PENDING")


@pytest.mark.parametrize("way", ["canceled", "rejected", "expired", "filled", "new and waiting"])
def test_a_client_order_id_is_taken_once_whatever_became_of_its_order(account, stock, order, way):
    draft = OrderDraft(side=Side.BUY, quantity=Decimal(1), client_order_id=order(way).client_order_id)
    with acting_as(account.owner_id), pytest.raises(ClientOrderIdTaken):
        place_order(account=account, instrument=stock, draft=draft, by=by(account))
    other = make_account(owner=make_user())
    post(other, "DEPOSIT", cash="10000", occurred_at=day("2020-01-02"))
    with acting_as(other.owner_id):  # another account may use it
        assert place_order(account=other, instrument=stock, draft=draft, by=by(other))


def test_a_replacement_of_another_type_says_which_price_it_takes(account, order):
    with acting_as(account.owner_id), pytest.raises(Exception, match="takes no stop price"):
        replace_order(order=order("accepted"), change=Replacement(stop_price=Decimal(8)), by=by(account))
