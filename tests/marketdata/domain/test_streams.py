"""What waits between a socket and the database is bounded, in order, and never lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.frames import SCHEMAS
from marketdata.domain.quality import Dataset
from marketdata.domain.streams import Backlog, Garbled, StreamBar, StreamQuote, StreamTrade, frame_of, plain_number

AT = datetime(2024, 3, 1, 14, 30, tzinfo=UTC)


def messages(first: int, number: int) -> list[Garbled]:
    return [Garbled(str(first + each), "") for each in range(number)]


class TestBacklog:
    @given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 20), st.integers(1, 12))
    def test_hands_out_everything_once_and_in_order_and_holds_no_more_than_it_may(self, frames, limit, most):
        async def pass_through() -> tuple[list[str], int]:
            backlog, out, held = Backlog(limit=limit, most=most), [], 0

            async def bring() -> None:
                first = 0
                for size in frames:
                    await backlog.put(messages(first, size))
                    first += size
                backlog.close()

            bringing = asyncio.create_task(bring())
            while batch := await backlog.take(within=0.0):
                assert len(batch) <= most
                held = max(held, backlog.waiting)
                out += [message.text for message in batch]
                backlog.done(len(batch))
            await bringing
            assert backlog.waiting == 0
            return out, held

        out, held = asyncio.run(pass_through())
        assert out == [str(number) for number in range(sum(frames))]
        assert held <= max(limit, *frames, 0)

    def test_makes_who_brings_more_wait_until_what_is_there_is_stored(self):
        async def overfill() -> tuple[bool, bool, int]:
            backlog = Backlog(limit=10, most=5)
            await backlog.put(messages(0, 8))
            bringing = asyncio.create_task(backlog.put(messages(8, 5)))
            batch = await backlog.take(within=1)
            await asyncio.sleep(0)
            early = bringing.done()  # taken is not stored
            backlog.done(len(batch))
            await asyncio.wait_for(bringing, 1)
            return early, bringing.done(), backlog.times_full

        assert asyncio.run(overfill()) == (False, True, 1)

    def test_hands_out_what_there_is_when_the_time_is_over(self):
        async def take() -> int:
            backlog = Backlog(limit=10, most=5)
            await backlog.put(messages(0, 2))
            return len(await asyncio.wait_for(backlog.take(within=0.01), 1))

        assert asyncio.run(take()) == 2

    def test_ends_with_nothing_when_it_is_closed_and_empty(self):
        async def take() -> list[list[Garbled]]:
            backlog = Backlog(limit=10, most=5)
            await backlog.put(messages(0, 7))
            backlog.close()
            return [await backlog.take(within=60) for _ in range(3)]

        assert [len(batch) for batch in asyncio.run(take())] == [5, 2, 0]


class TestFrames:
    IDS = {"A": "01900000-0000-7000-8000-00000000000a", "B": "01900000-0000-7000-8000-00000000000b"}

    def test_of_quotes_have_the_columns_that_are_stored(self):
        quotes = [
            StreamQuote("A", AT, "1.10", "1.2", "3", None),
            StreamQuote("B", AT + timedelta(microseconds=1), "1", "2", "3", "4"),
        ]
        frame = frame_of(Dataset.QUOTES, quotes, self.IDS)
        assert frame.columns == SCHEMAS[Dataset.QUOTES].names()
        assert frame.row(0) == (self.IDS["A"], AT, "1.10", "1.2", "3", None)
        assert frame.schema["timestamp"] == SCHEMAS[Dataset.QUOTES]["timestamp"]

    def test_of_trades_and_bars_too(self):
        ticks = frame_of(Dataset.TICKS, [StreamTrade("A", AT, "1.10", "3", "@ I")], self.IDS)
        assert ticks.columns == SCHEMAS[Dataset.TICKS].names()
        bars = frame_of(Dataset.BARS, [StreamBar("A", AT, "1", "3", "1", "2", "100", None, 7)], self.IDS)
        assert set(bars.columns) <= set(SCHEMAS[Dataset.BARS].names())
        assert bars.row(0, named=True)["timeframe"] == "1m"


class TestNumbers:
    @given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15))
    def test_keep_their_value_in_plain_digits(self, number):
        text = plain_number(str(number))
        assert "E" not in text
        assert Decimal(text) == number

    @given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-9, max_value=1e9))
    def test_that_came_as_floats_are_the_shortest_that_mean_the_same(self, number):
        assert float(plain_number(number)) == number

    @pytest.mark.parametrize("odd", ["1e999999999", "NaN", "Infinity", "e", [1], True, "1_0"])
    def test_that_are_none_are_left_for_a_rule_to_refuse(self, odd):
        assert plain_number(odd) == str(odd)
