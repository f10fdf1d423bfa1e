"""An order that waits because nobody could be reached says why, once."""

import pytest

from accounts.models.tenancy import acting_as
from tests.factories import make_instrument
from tests.trading.adapters.alpaca_standin import status
from tests.trading.services import test_sending
from tests.trading.services.test_sending import kinds, placed, seen, sent
from trading.models import OrderEvent
from trading.services.delays import MOST

account, clock, server = test_sending.account, test_sending.clock, test_sending.server


@pytest.fixture
def order(account):
    return placed(account, make_instrument(exchange="XNAS"), time_in_force="GTC")


def test_why_it_waits_is_on_record_once(account, order, server, clock, settings):
    reached = settings.BROKERS
    settings.BROKERS = {"alpaca": {"paper_url": "http://127.0.0.1:9", "live_url": "http://127.0.0.1:9"}}  # nobody is there
    for _ in range(3):
        sent(account, clock)
        clock.later()
    assert (seen(order).attempts, kinds(order)) == (3, ["CREATED", "SENT", "PUT_OFF"])
    with acting_as(account.owner_id):
        assert "cannot be reached" in OrderEvent.objects.get(order=order, kind="PUT_OFF").detail
    settings.BROKERS, server.always = reached, status(429)
    sent(account, clock)
    clock.later()
    sent(account, clock)
    assert kinds(order) == ["CREATED", "SENT", "PUT_OFF", "PUT_OFF"]  # another reason
    server.always = None
    clock.later()
    sent(account, clock)
    assert (seen(order).status, kinds(order)[4:]) == ("ACCEPTED", ["ACCEPTED"])


def test_reasons_that_are_new_each_time_are_not_recorded_for_ever(account, order, server, clock):
    for number in range(MOST + 2):
        server.always = status(429, {"code": 42910000, "message": f"too many requests, number {number}"})
        sent(account, clock)
        clock.later()
    assert kinds(order) == ["CREATED", "SENT", *["PUT_OFF"] * MOST]
