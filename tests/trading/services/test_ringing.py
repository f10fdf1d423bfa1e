"""Who follows orders is told in which accounts to look, once it is stored; a Redis that is away holds nobody up."""

import asyncio
import json
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.db import transaction

from accounts.models.tenancy import acting_as
from tests.factories import make_instrument
from tests.trading.factories import make_order
from trading.domain.orders import Event, EventKind
from trading.models import Door
from trading.selectors.order_bells import CHANNEL, Bell, OrderHub
from trading.services import ringing
from trading.services.order_rows import Cause, record_events


@pytest.fixture(autouse=True)
def _rested():
    ringing._rest.clear()
    yield
    ringing._rest.clear()


class Undone(Exception):
    """Nothing is to be kept."""


def accept(order) -> None:
    """Let an order be accepted."""
    now = datetime.now(UTC)
    record_events(order=order, events=[Event(EventKind.ACCEPTED)], cause=Cause(door=Door.BROKER, at=now, now=now))


def heard(channel, account) -> bool:
    """Say whether an account is named within a moment; other tests may name others."""
    until = time.monotonic() + 1
    while time.monotonic() < until:
        message = channel.get_message(timeout=0.1)
        if message and message["type"] == "message" and json.loads(message["data"]) == [{"account": str(account.pk)}]:
            return True
    return False


class TestRing:
    @pytest.fixture
    def channel(self):
        with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as channel:
            channel.subscribe(CHANNEL)
            while channel.get_message(timeout=5)["type"] != "subscribe":
                pass
            yield channel

    def test_names_the_account_once_it_is_stored(self, account, channel):
        order = make_order(account, make_instrument())
        with acting_as(account.owner_id):
            accept(order)
            assert not heard(channel, account)
        assert heard(channel, account)

    def test_says_nothing_of_what_is_undone(self, account, channel):
        order = make_order(account, make_instrument())

        def undone() -> None:
            with acting_as(account.owner_id):
                accept(order)
                raise Undone

        with pytest.raises(Undone):
            undone()
        assert not heard(channel, account)

    def test_a_redis_that_is_away_is_left_alone_for_a_while(self, account, monkeypatch):
        asked = []

        def away():
            asked.append(1)
            raise redis.ConnectionError("gone")

        monkeypatch.setattr(ringing, "_client", away)
        order = make_order(account, make_instrument())
        with acting_as(account.owner_id):
            accept(order)
        for _ in range(3):
            with transaction.atomic():
                ringing.ring([account.pk])
        assert asked == [1]


class TestBell:
    def test_rings_for_its_accounts_alone(self):
        async def work():
            mine, other = uuid4(), uuid4()
            bell = Bell([mine])
            bell.offer({"account": str(other)})
            assert not await bell.rings(within=0.01)
            bell.offer({"account": str(mine)})
            assert await bell.rings(within=1)
            assert not await bell.rings(within=0.01)
            bell.want([other])
            bell.offer({"account": str(other)})
            assert await bell.rings(within=1)
            bell.note_missed()
            assert await bell.rings(within=1)

        asyncio.run(work())

    @pytest.mark.parametrize("told", [None, [], {}, {"account": 1}, "x"])
    def test_what_names_no_account_makes_no_sense(self, told):
        assert not OrderHub("x").makes_sense(told)
