"""A look at a broker takes many answers down at once, and none of them holds the others up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from accounts.models.tenancy import acting_as
from tests.factories import make_instrument
from tests.trading.factories import make_order
from trading.adapters.base import BrokerOrder
from trading.domain.fills import Fill as Filled
from trading.domain.orders import OrderStatus
from trading.models import Fill, Order
from trading.services.looking import look_at
from trading.services.order_rows import lock_orders

AT = datetime(2024, 5, 6, 14, 31, tzinfo=UTC)
NOW = datetime(2024, 5, 6, 14, 32, tzinfo=UTC)


@pytest.fixture
def instrument():
    return make_instrument()


class Told:
    """A broker that answers what it is told to."""

    local = pairs = False

    def __init__(self, answers):
        self.answers = answers

    def look(self, known, *, since):
        return [answer for answer in self.answers if answer.client_order_id in known]


def known(account, instrument, number):
    """Return orders that the broker has."""
    fields = {"broker": "alpaca", "sending": "SETTLED"}
    return [make_order(account, instrument, broker_order_id=f"b-{uuid4()}", **fields) for _ in range(number)]


def answer(order, **said):
    """Return what the broker says: filled whole, in two parts."""
    fills = tuple(Filled(f"{order.client_order_id}-{n}", Decimal(5), Decimal(10), AT) for n in range(2))
    fields = {
        "broker_order_id": order.broker_order_id, "status": OrderStatus.FILLED, "at": AT, "fills": fills,
        "quantity": order.quantity, "filled_quantity": Decimal(10),
    }  # fmt: skip
    return BrokerOrder(client_order_id=order.client_order_id, **fields | said)


def looked(account, answers, **more):
    def opener(*_asked):
        return Told(answers)

    return look_at(account=account, broker="alpaca", clock=lambda: NOW, since=NOW - timedelta(days=1), opener=opener, **more)


def statuses(account, orders):
    with acting_as(account.owner_id):
        found = dict(Order.objects.filter(account=account).values_list("pk", "status"))
    return [found[order.pk] for order in orders]


def test_many_answers_are_stored_as_often_as_two(account, instrument):
    def statements(number):
        answers = [answer(order) for order in known(account, instrument, number)]
        with CaptureQueriesContext(connection) as captured:
            assert looked(account, answers) == 2 * number
        return len(captured)

    few = statements(2)
    assert statements(20) <= few


def test_more_than_are_taken_together_are_all_taken(account, instrument):
    orders, steps = known(account, instrument, 60), []
    assert looked(account, [answer(order) for order in orders], on_step=steps.append) == 120
    assert statuses(account, orders) == ["FILLED"] * 60
    assert steps == ["looked", *["taking", "taken"] * 3]


def test_one_that_cannot_be_stored_holds_none_of_the_others_up(account, instrument):
    first, *orders = known(account, instrument, 4)
    with pytest.raises(DatabaseError):
        looked(account, [answer(first, mark=Decimal("1e30")), *map(answer, orders)])
    with acting_as(account.owner_id):
        assert Fill.objects.filter(account=account).count() == 6
    assert statuses(account, orders) == ["FILLED"] * 3


def test_one_that_somebody_is_at_waits_for_the_next_look(account, instrument):
    orders = known(account, instrument, 3)
    answers = [answer(order) for order in orders]
    with acting_as(account.owner_id):
        lock_orders([orders[0].pk])
        looker = Thread(target=lambda: (looked(account, answers), connection.close()))
        looker.start()
        looker.join(timeout=60)
        assert not looker.is_alive()
    assert statuses(account, orders)[1:] == ["FILLED", "FILLED"]
    assert looked(account, answers) == 2
    assert statuses(account, orders) == ["FILLED"] * 3
