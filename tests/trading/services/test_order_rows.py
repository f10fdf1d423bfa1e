"""Orders are written down before anything leaves, and change by events alone, each of them once."""

from datetime import UTC, datetime
from decimal import Decimal
from threading import Thread

import pytest
from django.db import connection

from accounts.models.tenancy import acting_as
from tests.factories import make_instrument
from tests.trading.factories import AT, make_decision, make_order, make_session
from trading.domain.drafts import OrderDraft, StopLoss, TakeProfit
from trading.domain.orders import Event, EventKind, OrderClass, Side
from trading.models import Door, Order, OrderEvent
from trading.services.order_rows import Cause, ClientOrderIdTaken, Origin, record_events, write_orders
from trading.services.refusals import NotAsThingsStand

NOW = datetime(2024, 5, 7, tzinfo=UTC)
TEN = Decimal(10)
BROKER = Cause(door=Door.BROKER, at=AT, now=NOW)


@pytest.fixture
def owner(account):
    """Act as the account's owner."""
    with acting_as(account.owner_id):
        yield account.owner


@pytest.fixture
def write(account, owner):
    """Return a way to write orders down."""
    instrument = make_instrument()

    def write(**fields):
        draft = OrderDraft(**{"side": Side.BUY, "quantity": TEN} | fields)
        origin = Origin(actor=owner, door=Door.API, broker="paper", reference_price=Decimal("9.9"))
        return write_orders(account=account, instrument=instrument, draft=draft, origin=origin, now=NOW)

    return write


class TestWrite:
    def test_stores_an_order_with_its_first_event(self, write):
        order = Order.objects.get(pk=write(client_order_id="mine")[0].pk)
        assert (order.client_order_id, order.sending, order.status, order.events) == ("mine", "PENDING", "NEW", 1)
        assert (order.reference_price, order.broker, order.door) == (Decimal("9.9"), "paper", "API")
        event = OrderEvent.objects.get(order=order)
        assert (event.sequence, event.kind, event.status, event.door, event.at) == (1, "CREATED", "NEW", "API", NOW)

    def test_gives_an_id_where_the_client_gave_none(self, write):
        order = write()[0]
        assert order.client_order_id == str(order.pk)

    def test_stores_a_bracket_as_three_orders_of_which_two_wait(self, account, owner, write):
        legs = {"take_profit": TakeProfit(Decimal(12)), "stop_loss": StopLoss(Decimal(9))}
        entry, profit, loss = write(order_class=OrderClass.BRACKET, client_order_id="mine", **legs)
        assert [(leg.role, leg.sending, leg.parent_id) for leg in (entry, profit, loss)] == [
            ("ENTRY", "PENDING", None),
            ("TAKE_PROFIT", "HELD", entry.pk),
            ("STOP_LOSS", "HELD", entry.pk),
        ]
        assert set(entry.legs.all()) == {profit, loss}

    def test_keeps_why_on_every_order_of_a_group(self, account, owner):
        instrument = make_instrument()
        session, decision = make_session(account), make_decision(account, instrument)
        origin = Origin(actor=owner, door=Door.STRATEGY, broker="paper", session=session, decision=decision)
        draft = OrderDraft(side=Side.BUY, quantity=TEN, order_class=OrderClass.OTO, stop_loss=StopLoss(Decimal(9)))
        rows = write_orders(account=account, instrument=instrument, draft=draft, origin=origin, now=NOW)
        assert {(row.session_id, row.decision_id) for row in rows} == {(session.pk, decision.pk)}

    def test_uses_a_client_order_id_once_and_leaves_the_transaction_usable(self, write):
        write(client_order_id="mine")
        with pytest.raises(ClientOrderIdTaken) as refused:
            write(client_order_id="mine")
        assert "client_order_id" in refused.value.error_dict
        assert write(client_order_id="other")


class TestRecord:
    def test_lets_events_happen_in_their_order_each_with_its_cause(self, write):
        order = write()[0]
        cause = Cause(door=Door.BROKER, at=AT, now=NOW, detail="Hello.", data={"x": 1}, external_id="b-1")
        events = [Event(EventKind.SENT), Event(EventKind.ACCEPTED)]
        after = record_events(order=order, events=events, cause=cause, sending="SETTLED", broker_order_id="b")
        found = Order.objects.get(pk=order.pk)
        assert (found.status, found.events, found.sending, found.broker_order_id) == ("ACCEPTED", 3, "SETTLED", "b")
        assert after.state == found.state
        rows = OrderEvent.objects.filter(order=order).order_by("sequence")
        assert [(row.sequence, row.kind, row.status, row.external_id) for row in rows][1:] == [
            (2, "SENT", "NEW", "b-1"),
            (3, "ACCEPTED", "ACCEPTED", ""),
        ]
        assert (rows[1].detail, rows[1].data, rows[1].at, rows[1].recorded_at) == ("Hello.", {"x": 1}, AT, NOW)

    def test_passes_over_what_it_has_heard(self, write):
        order = write()[0]
        cause = Cause(door=Door.BROKER, at=AT, now=NOW, external_id="b-1")
        for _ in range(3):
            record_events(order=order, events=[Event(EventKind.ACCEPTED)], cause=cause)
            record_events(order=order, events=[Event(EventKind.TRIGGERED)], cause=cause)
        assert OrderEvent.objects.filter(order=order).count() == 2

    def test_ends_an_order_when_it_ended_and_never_sends_it_then(self, write):
        order = record_events(order=write()[0], events=[Event(EventKind.CANCELED)], cause=BROKER)
        assert (order.status, order.ended_at, order.sending) == ("CANCELED", AT, "SETTLED")

    def test_refuses_what_cannot_follow_and_changes_nothing(self, write):
        order = record_events(order=write()[0], events=[Event(EventKind.REJECTED)], cause=BROKER)
        with pytest.raises(NotAsThingsStand) as refused:
            record_events(order=order, events=[Event(EventKind.SENT), Event(EventKind.CANCELED)], cause=BROKER)
        assert refused.value.code == "order_not_open"
        assert OrderEvent.objects.filter(order=order).count() == 2

    def test_changes_its_way_to_the_broker_without_an_event(self, write):
        order = record_events(order=write()[0], events=[], cause=BROKER, attempts=2)
        assert (Order.objects.get(pk=order.pk).attempts, order.events) == (2, 1)


def test_of_two_who_cancel_at_once_one_is_recorded(account):
    """Both hold an old copy of the row; the lock makes the second see what the first did."""
    order, failures = make_order(account, make_instrument()), []

    def cancel():
        try:
            with acting_as(account.owner_id):
                record_events(order=order, events=[Event(EventKind.CANCELED)], cause=BROKER)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [Thread(target=cancel) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with acting_as(account.owner_id):
        assert OrderEvent.objects.filter(order=order).count() == 2
