"""Whoever waits for quotes hears the latest of each, from Redis as it comes, and from the database where Redis was away."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import redis
from django.conf import settings as configured

from marketdata.selectors.live import Hub, Mailbox, latest_told, micros
from tests.factories import make_instrument, make_quotes, unique_symbol

AT = datetime(2024, 3, 1, 14, 30, 0, 123456, tzinfo=UTC)


def told(key: UUID, at: int, bid: str = "1") -> dict[str, Any]:
    others = {"instrument": "A:XTST", "timestamp": "2024-03-01T14:30:00Z", "ask": "2", "bid_size": None, "ask_size": "1"}
    return {"id": str(key), "at": at, "recorded": at, "bid": bid, **others}


def test_the_latest_are_told_as_the_api_writes_them():
    first, second = make_instrument(), make_instrument()
    make_quotes(first, [(AT, "1.50", "2"), (AT - timedelta(days=1), "1", "2")], at=AT)
    (quote,) = latest_told([first.pk, second.pk])
    assert quote == {
        "id": str(first.pk), "instrument": first.key, "timestamp": "2024-03-01T14:30:00.123456Z", "at": micros(AT),
        "bid": "1.5", "ask": "2", "bid_size": "100", "ask_size": "200", "recorded": micros(AT),
    }  # fmt: skip


class TestMailbox:
    def test_keeps_the_latest_of_each_and_nothing_of_others(self):
        async def fill() -> list[Any]:
            mine, other = uuid4(), uuid4()
            box = Mailbox([mine])
            for at in (3, 1, 5, 4):
                box.offer(told(mine, at))
                box.offer(told(other, at))
            assert len(box) == 1
            first = await box.take(within=1)
            box.offer(told(mine, 5))  # known
            assert await box.take(within=0.01) == []
            box.want([other])
            box.offer(told(mine, 9))
            box.offer(told(other, 9))
            return [each["at"] for each in first + await box.take(within=1)]

        assert asyncio.run(fill()) == [5, 9]


class TestHub:
    def publish(self, channel: str, message: bytes) -> int:
        with redis.Redis.from_url(configured.REDIS_URL) as client:
            return client.publish(channel, message)

    def test_hears_once_for_all_and_passes_over_what_is_no_quote(self):
        async def listen() -> tuple[list[Any], list[Any]]:
            hub, mine, other = Hub(f"test:{unique_symbol()}"), uuid4(), uuid4()
            async with hub.mailbox([mine]) as one, hub.mailbox([mine, other]) as two:
                while not hub.hears:
                    await asyncio.sleep(0.01)
                assert one.missed  # something may have come before
                rubbish = (b"no JSON", b"\xff", b"[1]", b"5", b"null", b'{"id": 1}', b"[[]]")
                half = [{**told(mine, 9), "recorded": None}, {**told(mine, 9), "at": "9"}, {"id": str(mine), "at": 9}]
                for message in (*rubbish, orjson.dumps([*half, told(mine, 1), told(other, 2)])):
                    assert self.publish(hub.channel, message) == 1
                found = []
                for box, number in ((one, 1), (two, 2)):
                    got: list[Any] = []
                    while len(got) < number:
                        got += await box.take(within=5)
                    found.append([each["at"] for each in got])
            assert not hub.mailboxes
            return found[0], found[1]

        assert asyncio.run(listen()) == ([1], [1, 2])

    def test_has_everybody_read_again_after_redis_was_away(self, settings):
        async def listen() -> bool:
            hub = Hub(f"test:{unique_symbol()}")
            url, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1"
            async with hub.mailbox([uuid4()]) as box:
                assert await box.take(within=0.2) == []
                assert not box.missed
                settings.REDIS_URL = url
                while not hub.hears:
                    await asyncio.sleep(0.01)
                return box.missed

        assert asyncio.run(asyncio.wait_for(listen(), 20))
