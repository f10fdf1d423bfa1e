"""What brokers say of many orders is taken down together, and one that cannot be so keeps none of the others back."""

from datetime import UTC, datetime
from decimal import Decimal
from threading import Thread

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from tests.factories import make_instrument
from tests.trading.factories import make_order
from trading.adapters.base import BrokerOrder
from trading.domain.fills import Fill as Filled
from trading.domain.orders import OrderStatus
from trading.models import Break, Fill, Order, OrderEvent
from trading.services.answers import take_down_all
from trading.services.order_rows import lock_orders

AT = datetime(2024, 5, 6, 14, 31, tzinfo=UTC)
NOW = datetime(2024, 5, 6, 14, 32, tzinfo=UTC)


@pytest.fixture
def instrument():
    return make_instrument()


def answer(order, *quantities, status=OrderStatus.FILLED, price="10"):
    """Return what the broker says: accepted, filled so many times, and how it stands."""
    fills = tuple(
        Filled(f"{order.client_order_id}-{number}", Decimal(some), Decimal(price), AT) for number, some in enumerate(quantities)
    )
    return BrokerOrder(
        client_order_id=order.client_order_id, broker_order_id=f"b-{order.client_order_id}", status=status, at=AT,
        quantity=order.quantity, filled_quantity=sum((fill.quantity for fill in fills), Decimal(0)), fills=fills,
    )  # fmt: skip


def taken(account, answers):
    with acting_as(account.owner_id):
        return take_down_all(account=account, answers={order.pk: said for order, said in answers}, now=NOW)


def seen(account):
    """Return how orders stand, what happened to them, and how many fills and entries there are."""
    with acting_as(account.owner_id):
        orders = {order.pk: order for order in Order.objects.filter(account=account)}
        kinds = {key: [] for key in orders}
        for key, kind in OrderEvent.objects.filter(account=account).order_by("sequence").values_list("order_id", "kind"):
            kinds[key].append(kind)
        entries = LedgerEntry.objects.filter(account=account, source="fill").count()
        return orders, kinds, (Fill.objects.filter(account=account).count(), entries)


class TestMany:
    def test_all_are_stored_with_their_fills_entries_and_events(self, account, instrument):
        one, two, three = (make_order(account, instrument, broker="alpaca") for _ in range(3))
        answers = [(one, answer(one, 4, 6)), (two, answer(two, 3, status=OrderStatus.CANCELED)), (three, answer(three, 1))]
        answers[2] = (three, answer(three, 1, status=OrderStatus.PARTIALLY_FILLED))
        assert len(taken(account, answers)) == 4
        orders, kinds, counts = seen(account)
        assert [(orders[each.pk].status, orders[each.pk].filled_quantity) for each in (one, two, three)] == [
            ("FILLED", 10),
            ("CANCELED", 3),
            ("PARTIALLY_FILLED", 1),
        ]
        assert kinds[one.pk] == ["CREATED", "ACCEPTED", "FILLED", "FILLED"]
        assert kinds[two.pk] == ["CREATED", "ACCEPTED", "FILLED", "CANCELED"]
        assert kinds[three.pk] == ["CREATED", "ACCEPTED", "FILLED"]
        assert counts == (4, 4)
        assert {orders[each.pk].sending for each in (one, two, three)} == {"SETTLED"}
        assert orders[one.pk].broker_order_id == f"b-{one.client_order_id}"

    def test_said_again_it_changes_nothing(self, account, instrument):
        orders = [make_order(account, instrument, broker="alpaca") for _ in range(3)]
        answers = [(order, answer(order, 10)) for order in orders]
        taken(account, answers)
        before = seen(account)
        assert taken(account, answers) == []
        assert seen(account)[1:] == before[1:]

    def test_one_that_cannot_be_is_a_difference_and_the_others_are_stored(self, account, instrument):
        good, bad, also_good = (make_order(account, instrument, broker="alpaca") for _ in range(3))
        new = taken(account, [(good, answer(good, 10)), (bad, answer(bad, 7, 7)), (also_good, answer(also_good, 10))])
        orders, kinds, counts = seen(account)
        assert (len(new), counts) == (2, (2, 2))
        assert [orders[each.pk].status for each in (good, also_good)] == ["FILLED", "FILLED"]
        assert kinds[bad.pk] == ["CREATED", "ACCEPTED"]
        assert (orders[bad.pk].status, orders[bad.pk].filled_quantity) == ("ACCEPTED", 0)
        with acting_as(account.owner_id):
            found = Break.objects.get(account=account)
        assert (found.subject, found.ours, found.theirs) == (bad.client_order_id, 0, 14)

    def test_many_are_asked_for_and_stored_as_often_as_two(self, account, instrument):
        def statements(number):
            orders = [make_order(account, instrument, broker="alpaca") for _ in range(number)]
            answers = [(order, answer(order, 4, 6)) for order in orders]
            with CaptureQueriesContext(connection) as captured:
                taken(account, answers)
            return len(captured)

        few = statements(2)
        assert statements(12) <= few

    def test_one_that_somebody_is_at_waits_for_the_next_look(self, account, instrument):
        one, other = (make_order(account, instrument, broker="alpaca") for _ in range(2))
        answers = [(one, answer(one, 10)), (other, answer(other, 10))]
        with acting_as(account.owner_id):
            lock_orders([one.pk])
            looker = Thread(target=lambda: (taken(account, answers), connection.close()))
            looker.start()
            looker.join(timeout=60)
            assert not looker.is_alive()
        assert [seen(account)[0][each.pk].status for each in (one, other)] == ["NEW", "FILLED"]
        assert len(taken(account, answers)) == 1
        assert [seen(account)[0][each.pk].status for each in (one, other)] == ["FILLED", "FILLED"]
