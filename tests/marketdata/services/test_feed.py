"""A feed loses nothing and doubles nothing, whatever the vendor, the database and Redis do meanwhile."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
import redis.asyncio
from django.conf import settings as configured
from django.db import connection, connections

from marketdata.adapters.base import ProviderFailed
from marketdata.adapters.streams import StreamRefused
from marketdata.models import Bar, LatestQuote, QualityIssue
from marketdata.services.live import Publisher
from tests.factories import make_instrument
from tests.marketdata.feeds import Journal, Running, feeding, stored_quotes, stored_ticks, until
from tests.marketdata.vendor import Raw, Session, Vendor, quote, trade, vendor_in_thread


@pytest.fixture(autouse=True)
def _hosts(settings) -> None:
    settings.PROVIDER_HOSTS = ["127.0.0.1"]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return a vendor's memory."""
    return Journal(tmp_path / "journal.jsonl")


def now() -> datetime:
    return datetime.now(UTC)


def two_sides(number: int) -> tuple[str, str]:
    """Return a bid and an ask that nobody wonders at."""
    return f"{100 + number % 7}.{number % 100:02}", f"{100 + number % 7}.{number % 100:02}5"


def price(number: int) -> str:
    return f"{100 + number % 7}.{number % 100:02}"


class TestStoring:
    def test_keeps_every_figure_as_it_was_sent(self, journal):
        instrument = make_instrument()
        symbol, at = instrument.symbol, now()

        async def says(session: Session) -> None:
            await session.send(journal.keep(quote(symbol, at, "187.10", "187.1200000001")))
            await session.send(journal.keep(trade(symbol, at, "0.123456789", "0.000000000001")))
            await session.wait()

        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument]) as running:
            until(lambda: stored_quotes(instrument) == journal.quotes(symbol) != {})
            until(lambda: stored_ticks(instrument) == journal.ticks(symbol) != set())
            until(lambda: running.state.stored == 2)
            assert running.state.connected_at is not None
        assert LatestQuote.objects.get(instrument=instrument).timestamp == at
        state = running.state
        assert (state.connected_at, state.waiting, state.received, state.refused) == (None, 0, 2, 0)
        assert running.failure is None

    def test_keeps_the_minutes_that_are_over_too(self):
        instrument, start = make_instrument(), now().replace(second=0, microsecond=0) - timedelta(minutes=2)

        async def says(session: Session) -> None:
            await session.send({"T": "b", "S": instrument.symbol, "t": start.isoformat(), "n": 7, "v": 100}
                               | {name: Raw("1.5000000001") for name in ("o", "h", "l", "c", "vw")})  # fmt: skip
            await session.wait()

        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument]) as running:
            until(lambda: running.state.stored == 1)
        bar = Bar.objects.get(instrument=instrument)
        assert (bar.timeframe, bar.timestamp, bar.close, bar.trade_count) == ("1m", start, Decimal("1.5000000001"), 7)

    def test_stores_what_has_come_before_it_leaves(self, journal):
        instrument = make_instrument()

        async def says(session: Session) -> None:
            await session.send(*(journal.keep(quote(instrument.symbol, now(), *two_sides(n))) for n in range(500)))
            await session.wait()

        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument], pace={"within": 30}) as running:
            until(lambda: running.feed.backlog.waiting == 500)
            assert stored_quotes(instrument) == {}
        assert stored_quotes(instrument) == journal.quotes(instrument.symbol)

    def test_writes_down_what_is_no_message_and_what_breaks_a_rule(self):
        instrument = make_instrument()

        async def says(session: Session) -> None:
            await session.raw("no JSON at all")
            await session.send({"T": "q"}, quote("NOBODYASKED", now(), "1", "2"), quote(instrument.symbol, now(), "3", "2"))
            await session.send(quote(instrument.symbol, now() + timedelta(days=400), "1", "2"))
            await session.send(quote(instrument.symbol, now(), "1", "2"))
            await session.wait()

        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument]) as running:
            until(lambda: running.state.received == 6)
            assert running.state.stored == 1
            assert running.state.refused == 5
            assert running.state.stored_through <= now()
        rules = list(QualityIssue.objects.filter(source=running.name).values_list("rule", flat=True))
        assert rules.count("not_a_row") == 3
        assert {"ask_not_below_bid", "not_in_the_future"} <= set(rules)


class Restless:
    """A vendor who tells of three instruments and does everything that a bad line does."""

    def __init__(self, journal: Journal, symbols: list[str], *, seed: int, most: int = 1500) -> None:
        self.journal, self.symbols, self.chance, self.most = journal, symbols, Random(seed), most
        self.told = 0

    def next(self) -> dict[str, Any]:
        """Return something new, of which the history knows at once."""
        self.told += 1
        symbol, at = self.chance.choice(self.symbols), now()
        if self.told % 5 == 0:
            return self.journal.keep(trade(symbol, at, price(self.told), f"{self.told}"))
        return self.journal.keep(quote(symbol, at, *two_sides(self.told)))

    async def __call__(self, session: Session) -> None:
        """Tell, until it is time for a mishap."""
        until_mishap = self.chance.randint(50, 300)
        held: list[dict[str, Any]] = []
        while self.told < self.most:
            messages = [self.next() for _ in range(self.chance.randint(1, 4))]
            held += [messages.pop()] if self.chance.random() < 0.1 else []  # to come later, out of order
            if held and self.chance.random() < 0.1:
                messages.append(held.pop(0))
            if messages and self.chance.random() < 0.2:
                messages.append(self.chance.choice(self.journal.kept[-50:]))  # again
            if self.chance.random() < 0.02:
                await session.raw("]garbage[")
            if messages:
                await session.send(*messages)
            await asyncio.sleep(0.001)
            until_mishap -= 1
            if until_mishap < 0:
                for _ in range(self.chance.randint(0, 60)):
                    self.next()  # nobody is told of these
                return await session.break_off()
        await session.send(*held, *self.journal.kept[-20:])
        return await session.wait()


class TestReconnecting:
    @pytest.mark.parametrize("seed", [1, 2])
    def test_neither_loses_nor_doubles_anything(self, journal, seed):
        instruments = [make_instrument() for _ in range(3)]
        restless = Restless(journal, [each.symbol for each in instruments], seed=seed)
        with vendor_in_thread(Vendor(restless)) as vendor:
            with feeding(vendor, instruments, history=journal.history) as running:
                until(lambda: restless.told >= restless.most, 60)
                until(lambda: all(stored_quotes(each) == journal.quotes(each.symbol) for each in instruments), 30)
                until(lambda: all(stored_ticks(each) == journal.ticks(each.symbol) for each in instruments))
            assert vendor.connections > 2
            assert running.state.reconnects == vendor.connections - 1
            assert running.state.gaps_filled >= 1
            assert set(QualityIssue.objects.filter(source=running.name).values_list("rule", flat=True)) <= {
                "not_a_row",
                "in_order",
            }

    def test_does_not_move_the_mark_before_a_gap_is_filled(self, journal):
        instrument = make_instrument()

        class Sulking:
            """A history that can't answer yet."""

            name, answers = "sulking", False

            def quotes(self, *asked: Any) -> Iterator[Any]:
                if not self.answers:
                    raise ProviderFailed("not in the mood")
                return journal.history.quotes(*asked)

            def ticks(self, *asked: Any) -> Iterator[Any]:
                return journal.history.ticks(*asked)

        async def says(session: Session) -> None:
            journal.keep(quote(instrument.symbol, now(), "1", "2"))  # nobody is told of this one
            while True:
                await session.send(journal.keep(quote(instrument.symbol, now(), "3", "4")))
                await asyncio.sleep(0.01)

        history = Sulking()
        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument], history=history) as running:
            until(lambda: running.state.stored >= 20)
            mark = running.state.stored_through
            until(lambda: running.state.stored >= 40)
            assert running.state.stored_through == mark
            assert running.state.last_error.startswith("The gap since")
            assert "not in the mood" in running.state.last_error
            history.answers = True
            until(lambda: running.state.gaps_filled == 1)
            until(lambda: running.state.stored_through > mark)
        assert min(journal.quotes(instrument.symbol)) in stored_quotes(instrument)

    def test_gives_up_a_vendor_who_is_silent_and_answers_no_ping(self, journal):
        instrument = make_instrument()

        async def says(session: Session) -> None:
            if session.number == 1:
                return await session.go_deaf()
            await session.send(journal.keep(quote(instrument.symbol, now(), "1", "2")))
            return await session.wait()

        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument], history=journal.history) as running:
            until(lambda: len(stored_quotes(instrument)) == 1)
            assert "no answer to a ping" in running.state.last_error
            assert running.state.reconnects == 1

    def test_tries_again_where_the_vendor_says_later(self, journal):
        instrument = make_instrument()
        with vendor_in_thread(Vendor(errors=[406, 500])) as vendor, feeding(vendor, [instrument]) as running:
            until(lambda: running.state.connected_at is not None)
            assert vendor.connections == 3
            assert "406" in running.state.last_error or "500" in running.state.last_error

    def test_does_not_where_the_vendor_does_not_want_us(self):
        with vendor_in_thread(Vendor(errors=[402])) as vendor:
            running = Running(vendor, [make_instrument()])
            running.thread.start()
            running.thread.join(10)
        assert isinstance(running.failure, StreamRefused)
        assert "402" in str(running.failure)


class TestPressure:
    def test_makes_the_vendor_wait_while_the_database_does(self, journal):
        instrument, limit = make_instrument(), 500

        async def floods(session: Session) -> None:
            for start in range(0, 40_000, 50):
                await session.send(*(quote(instrument.symbol, now(), *two_sides(start + n)) for n in range(50)))
            await session.wait()

        with vendor_in_thread(Vendor(floods)) as vendor, connections["owner"].cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE marketdata_latestquote IN ACCESS EXCLUSIVE MODE")
            try:
                with feeding(vendor, [instrument], pace={"backlog": limit, "batch": 200, "within": 0.01}) as running:
                    until(lambda: running.feed.backlog.times_full > 0)
                    before = 0
                    while vendor.sent > before:  # until his side of the line is full
                        before = vendor.sent
                        running.thread.join(0.3)
                    until(lambda: running.state.waiting > 0)  # whoever looks can see it
                    assert running.feed.backlog.waiting <= limit
                    assert vendor.sent < 40_000
                    cursor.execute("ROLLBACK")
                    until(lambda: vendor.sent == 40_000, 60)
                    until(lambda: running.state.received == 40_000, 60)
                    until(lambda: running.state.waiting == 0)
            finally:
                cursor.execute("ROLLBACK")
        assert running.state.most_waiting <= limit
        assert running.state.reconnects == 0

    def test_waits_for_a_database_that_hangs_up(self, journal):
        instrument = make_instrument()

        async def says(session: Session) -> None:
            for number in range(300):
                await session.send(journal.keep(quote(instrument.symbol, now(), *two_sides(number))))
                await asyncio.sleep(0.005)
            await session.wait()

        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument]) as running:
            for more in (50, 150):
                until(lambda more=more: running.state.stored >= more)
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = session_user"
                    )
            until(lambda: stored_quotes(instrument) == journal.quotes(instrument.symbol))
        assert len(journal.kept) == 300
        assert running.failure is None


class TestTelling:
    def test_tells_redis_the_latest_of_what_is_stored(self, journal):
        instrument, at = make_instrument(), now()

        async def says(session: Session) -> None:
            await session.send(
                quote(instrument.symbol, at, "1.50", "2"), quote(instrument.symbol, at - timedelta(seconds=1), "1", "2")
            )
            await session.wait()

        with redis.Redis.from_url(configured.REDIS_URL).pubsub(ignore_subscribe_messages=True) as channel:
            channel.psubscribe("test:*")
            channel.get_message(timeout=5)
            with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument]) as running:
                until(lambda: running.state.stored == 2)
                told = None
                while told is None or told["channel"].decode() != f"test:{running.name}":
                    told = channel.get_message(timeout=5)
                (one,) = json.loads(told["data"])
        assert (one["instrument"], one["bid"], one["ask"]) == (instrument.key, "1.5", "2")
        assert one["id"] == str(instrument.pk)

    def test_goes_on_without_redis(self, journal):
        instrument = make_instrument()
        nobody = Publisher(redis.asyncio.Redis(port=1, socket_connect_timeout=0.1))

        async def says(session: Session) -> None:
            for number in range(200):
                await session.send(journal.keep(quote(instrument.symbol, now(), *two_sides(number))))
                await asyncio.sleep(0.002)
            await session.wait()

        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument], publisher=nobody) as running:
            until(lambda: stored_quotes(instrument) == journal.quotes(instrument.symbol) and len(journal.kept) == 200)
            until(lambda: nobody.failures >= 1)
            assert len(nobody._waiting) <= 1
        assert running.failure is None


class TestFollowing:
    def test_subscribes_what_is_followed_from_now_on_and_lets_go_of_the_rest(self, journal):
        first, second = make_instrument(), make_instrument()
        with vendor_in_thread(Vendor()) as vendor, feeding(vendor, [first]) as running:
            until(lambda: len(vendor.subscribed) == 1)
            running.instruments = [second]
            until(lambda: len(vendor.subscribed) == 3)
        orders = [(order["action"], order["quotes"]) for order in vendor.subscribed]
        assert orders == [("subscribe", [first.symbol]), ("subscribe", [second.symbol]), ("unsubscribe", [first.symbol])]

    def test_waits_until_something_is_followed(self):
        instrument = make_instrument()
        with vendor_in_thread(Vendor()) as vendor, feeding(vendor, []) as running:
            running.instruments = [instrument]
            until(lambda: len(vendor.subscribed) == 1)
            assert vendor.connections == 1
