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
from config.celery import app as celery
from tests.factories import make_instrument
from tests.trading.factories import make_order
from trading.domain.orders import Event, EventKind
from trading.models import Door
from trading.selectors.order_bells import CHANNEL, Bell, OrderHub
from trading.services import ringing
from trading.services.order_rows import Cause, record_events, to_send
from trading.services.watching import to_watch
from trading.tasks import send_orders, watch_accounts


@pytest.fixture(autouse=True)
def _rested():
    celery.silent_until = 0.0
    yield
    celery.silent_until = 0.0


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

        monkeypatch.setattr(ringing, "_line", away)
        order = make_order(account, make_instrument())
        with acting_as(account.owner_id):
            accept(order)
        for _ in range(3):
            with transaction.atomic():
                ringing.ring([account.pk])
        assert asked == [1]


class TestHint:
    @pytest.fixture
    def sent(self, monkeypatch):
        """Return the messages that are sent."""
        messages = []
        monkeypatch.setattr(celery, "send_task", lambda task, **said: messages.append((task, said["kwargs"])))
        return messages

    @pytest.fixture
    def hint(self):
        return ringing.Hint("trading.tasks.send_orders", {"account_id": str(uuid4())})

    def leave(self, hint):
        with transaction.atomic():
            ringing.leave(hint)

    def test_is_not_left_twice_while_nobody_has_looked(self, hint, sent):
        for _ in range(3):
            self.leave(hint)
        assert sent == [(hint.task, hint.arguments)]

    def test_is_left_again_once_somebody_has_begun_to_look(self, hint, sent):
        self.leave(hint)
        ringing.heard(hint)
        self.leave(hint)
        assert len(sent) == 2

    def test_of_another_account_is_left(self, hint, sent):
        self.leave(hint)
        self.leave(ringing.Hint(hint.task, {"account_id": str(uuid4())}))
        assert len(sent) == 2

    def test_holds_others_back_for_a_moment_alone(self, hint, sent):
        self.leave(hint)
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            assert 0 < client.pttl(hint.key) <= 3_000
            client.delete(hint.key)  # Redis forgets: so does the hint
        self.leave(hint)
        assert len(sent) == 2

    def test_a_task_that_looks_has_heard_it(self, account, sent):
        hint = to_send(account.pk)
        self.leave(hint)
        send_orders(account_id=str(account.pk))
        watched = to_watch(account.pk, account.owner_id)
        self.leave(watched)
        watch_accounts(accounts=[[str(account.pk), str(account.owner_id)]])
        self.leave(hint)
        self.leave(watched)
        assert [task for task, _ in sent] == [hint.task, watched.task] * 2


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
