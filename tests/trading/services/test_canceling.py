"""Orders are canceled while others are at them: nobody waits in a circle, and what has ended meanwhile stops nothing."""

from datetime import UTC, datetime
from threading import Thread
from time import sleep

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_instrument, make_user
from tests.trading.factories import make_order
from tests.trading.services.test_sending import seen
from trading.domain.orders import Event, EventKind
from trading.models import Door
from trading.services.order_rows import Cause, lock_orders, record_events
from trading.services.orders import Ordering, cancel_all, cancel_order

NOW = datetime(2024, 5, 6, 15, tzinfo=UTC)


@pytest.fixture
def account():
    return make_account(owner=make_user())


def ordering(account):
    return Ordering(actor=account.owner, door=Door.API, at=NOW)


def test_what_ends_meanwhile_does_not_keep_the_others_from_being_canceled(account):
    stock = make_instrument()
    first, second = (make_order(account, stock, sending="SETTLED", broker_order_id=name) for name in "ab")
    failures = []

    def cancel():
        try:
            with acting_as(account.owner_id):
                cancel_all(account=account, by=ordering(account))
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    with acting_as(account.owner_id):
        lock_orders([first.pk])
        canceling = Thread(target=cancel)
        canceling.start()
        sleep(1)  # it has read what is open by then, and waits
        cause = Cause(door=Door.BROKER, at=NOW, now=NOW)
        record_events(order=first, events=[Event(EventKind.EXPIRED)], cause=cause)
    canceling.join(timeout=60)
    assert (failures, seen(first).status, seen(second).pending_cancel) == ([], "EXPIRED", True)


def test_a_leg_is_canceled_after_all_of_its_group_are_locked(account):
    stock, exits = make_instrument(), {"side": "SELL", "effect": "CLOSE", "order_class": "OCO", "sending": "SETTLED"}
    profit = make_order(account, stock, type="LIMIT", limit_price="11", role="TAKE_PROFIT", broker_order_id="p", **exits)
    loss = make_order(account, stock, type="STOP", stop_price="9", role="STOP_LOSS", parent=profit, broker_order_id="l", **exits)
    with CaptureQueriesContext(connection) as asked, acting_as(account.owner_id):
        cancel_order(order=loss, by=ordering(account))
    first = next(one["sql"] for one in asked.captured_queries if "FOR UPDATE" in one["sql"])
    assert all(str(one.pk) in first or one.pk.hex in first for one in (profit, loss))
