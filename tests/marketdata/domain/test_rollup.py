"""Bars made of ticks and quotes, beside a slow maker of bars that knows nothing but decimals, and beside pandas."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext

import pandas as pd
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata.domain.bars import Timeframe
from marketdata.domain.frames import PRICE, SIZE
from marketdata.domain.money import round_to
from marketdata.domain.rollup import BARS, SESSIONS, bars_of_quotes, bars_of_ticks

NEW_YORK, TOKYO, ALWAYS = "00000000-aaaa", "11111111-bbbb", "22222222-cccc"
MINUTE = timedelta(minutes=1)
DAY = date(2024, 1, 3)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def sessions() -> list[tuple[str, date, datetime, datetime]]:
    """Return three days of three markets: one by day, one that opens on the evening before, and one that never closes."""
    days = [DAY + timedelta(days=number) for number in (-1, 0, 1)]
    return [
        window
        for day in days
        for window in (
            (NEW_YORK, day, at(day, 14, 30), at(day, 21)),
            (TOKYO, day, at(day, 0) - timedelta(hours=1), at(day, 5)),
            (ALWAYS, day, at(day, 0), at(day, 0) + timedelta(days=1)),
        )
    ]


def frame_of(rows, columns) -> pl.DataFrame:
    types = {"instrument": pl.String, "timestamp": pl.Datetime("us", "UTC")} | columns
    return pl.DataFrame(rows, schema=types, orient="row")


def ticks_of(rows) -> pl.DataFrame:
    return frame_of(rows, {"price": PRICE, "size": SIZE})


def quotes_of(rows) -> pl.DataFrame:
    return frame_of(rows, {"bid": PRICE, "ask": PRICE})


SESSION_FRAME = pl.DataFrame(sessions(), schema=SESSIONS, orient="row")


def slow_bars(rows, *, sized: bool) -> dict:
    """Return bars by (instrument, timeframe, start), made one row at a time; a row is instrument, time, price, size."""
    buckets = defaultdict(list)
    for instrument, when, price, size in rows:
        for owner, day, opens, closes in sessions():
            auction = sized and when == closes and owner != ALWAYS
            if owner == instrument and (opens <= when < closes or auction):
                for timeframe in Timeframe:
                    within = when - timedelta(microseconds=1) if auction else when
                    start = timeframe.start_of(within) if timeframe is not Timeframe.DAY else at(day, 0)
                    buckets[instrument, timeframe.value, start].append((when, price, size))
    return {key: slow_bar(sorted(found), sized=sized) for key, found in buckets.items()}


def slow_bar(found, *, sized: bool):
    prices = [price for _, price, _ in found]
    figures = (prices[0], max(prices), min(prices), prices[-1])
    if not sized:
        return (*figures, None, None, None)
    with localcontext(prec=120):
        volume = sum(size for _, _, size in found)
        vwap = round_to(sum(price * size for _, price, size in found) / volume, 10) if volume else None
    return (*figures, volume if volume < 10**12 else None, vwap, len(found))


def as_dict(bars: pl.DataFrame) -> dict:
    names = ["open", "high", "low", "close", "volume", "vwap", "trade_count"]
    return {row[:3]: row[3:] for row in bars.select("instrument", "timeframe", "timestamp", *names).rows()}


times = st.integers(0, 3 * 86_400 * 4 - 1).map(lambda quarter: at(DAY, 0) - timedelta(days=1) + quarter * timedelta(seconds=0.25))
near_open = st.integers(-90, 90).map(lambda second: at(DAY, 14, 30) + timedelta(seconds=second))
instruments = st.sampled_from([NEW_YORK, TOKYO, ALWAYS, "33333333-unknown"])
cents = st.integers(1, 100_000).map(lambda number: Decimal(number) / 100)
prices = st.one_of(cents, st.decimals("-999999999999999", "999999999999999", places=10))
sizes = st.one_of(st.integers(0, 1000).map(Decimal), st.decimals(0, "999999999999", places=12))
ticks = st.lists(st.tuples(instruments, st.one_of(near_open, times), prices, sizes), max_size=40)
quotes = st.lists(st.tuples(instruments, st.one_of(near_open, times), prices, prices), max_size=40, unique_by=lambda row: row[:2])


class TestBarsOfTicks:
    @settings(max_examples=300)
    @given(ticks)
    def test_are_those_a_slow_maker_of_bars_makes(self, rows):
        bars = bars_of_ticks(ticks_of(rows), SESSION_FRAME)
        assert as_dict(bars) == slow_bars(rows, sized=True)
        assert dict(bars.schema) == BARS
        assert set(bars["rolled_from"]) <= {"ticks"}

    @given(ticks, st.randoms())
    def test_depend_on_no_order(self, rows, random):
        mixed = random.sample(rows, len(rows))
        assert bars_of_ticks(ticks_of(rows), SESSION_FRAME).equals(bars_of_ticks(ticks_of(mixed), SESSION_FRAME))

    def test_leave_out_what_happens_outside_of_the_session(self):
        rows = [
            (NEW_YORK, at(DAY, 14, 29), Decimal(1), Decimal(1)),
            (NEW_YORK, at(DAY, 14, 30), Decimal(2), Decimal(1)),
            (NEW_YORK, at(DAY, 20, 59), Decimal(3), Decimal(1)),
            (NEW_YORK, at(DAY, 21) + timedelta(microseconds=1), Decimal(4), Decimal(1)),
        ]
        found = as_dict(bars_of_ticks(ticks_of(rows), SESSION_FRAME))
        assert found[NEW_YORK, "1d", at(DAY, 0)] == (2, 3, 2, 3, 2, Decimal("2.5"), 2)
        assert [key[2] for key in found if key[1] == "1h"] == [at(DAY, 14), at(DAY, 20)]

    def test_take_the_print_of_the_closing_auction_for_the_close_of_the_day(self):
        moment = timedelta(microseconds=1)
        rows = [
            (NEW_YORK, at(DAY, 14, 30), Decimal(2), Decimal(1)),
            (NEW_YORK, at(DAY, 21) - moment, Decimal(9), Decimal(1)),
            (NEW_YORK, at(DAY, 21), Decimal(4), Decimal(1000)),  # lower than what was traded last, and later all the same
            (TOKYO, at(DAY, 21), Decimal(1), Decimal(1)),  # nothing closes there then
            (ALWAYS, at(DAY, 0), Decimal(5), Decimal(1)),  # midnight parts two days, and belongs to the second
        ]
        found = as_dict(bars_of_ticks(ticks_of(rows), SESSION_FRAME))
        assert found[NEW_YORK, "1m", at(DAY, 20, 59)][:5] == (9, 9, 4, 4, 1001)
        assert found[NEW_YORK, "1h", at(DAY, 20)][3] == found[NEW_YORK, "1d", at(DAY, 0)][3] == 4
        assert found[NEW_YORK, "1d", at(DAY, 0)][4] == 1002
        assert (NEW_YORK, "1m", at(DAY, 21)) not in found
        assert not [key for key in found if key[0] == TOKYO]
        assert [key[2] for key in found if key[0] == ALWAYS and key[1] == "1d"] == [at(DAY, 0)]

    def test_belong_to_the_day_of_a_session_that_opens_on_the_evening_before(self):
        rows = [(TOKYO, at(DAY, 23, 15), Decimal(7), Decimal(2))]
        found = as_dict(bars_of_ticks(ticks_of(rows), SESSION_FRAME))
        assert found[TOKYO, "1d", at(DAY + timedelta(days=1), 0)][:4] == (7, 7, 7, 7)
        assert (TOKYO, "1h", at(DAY, 23)) in found

    def test_round_the_average_price_once_and_to_the_even_neighbor(self):
        rows = [
            (ALWAYS, at(DAY, 1), Decimal("1.0000000001"), Decimal(1)),
            (ALWAYS, at(DAY, 1, 1), Decimal("1.0000000002"), Decimal(1)),
        ]
        found = as_dict(bars_of_ticks(ticks_of(rows), SESSION_FRAME))
        assert found[ALWAYS, "1h", at(DAY, 1)][5] == Decimal("1.0000000002")

    def test_say_nothing_about_a_volume_that_the_column_cannot_hold(self):
        size = Decimal("999999999999.999999999999")
        rows = [(ALWAYS, at(DAY, 1, minute), Decimal("0.0000000003"), size) for minute in range(2)]
        found = as_dict(bars_of_ticks(ticks_of(rows), SESSION_FRAME))
        assert found[ALWAYS, "1m", at(DAY, 1)][4:] == (size, Decimal("0.0000000003"), 1)
        assert found[ALWAYS, "1d", at(DAY, 0)][4:] == (None, Decimal("0.0000000003"), 2)

    def test_are_those_of_pandas(self):
        rows = [
            (NEW_YORK, at(DAY, 14, 30) + timedelta(seconds=7 * number), Decimal(100 + number * 37 % 50), Decimal(1 + number % 9))
            for number in range(3000)
        ]
        series = pd.Series([float(row[2]) for row in rows], index=pd.DatetimeIndex([row[1] for row in rows], name="timestamp"))
        bars = bars_of_ticks(ticks_of(rows), SESSION_FRAME)
        for timeframe, rule in {"1m": "1min", "5m": "5min", "15m": "15min", "1h": "1h", "1d": "1D"}.items():
            expected = series.resample(rule, label="left", closed="left").ohlc().dropna()
            ours = bars.filter(pl.col("timeframe") == timeframe)
            assert ours["timestamp"].to_list() == expected.index.to_pydatetime().tolist()
            for name in ("open", "high", "low", "close"):
                assert ours[name].cast(pl.Float64).to_list() == expected[name].tolist()

    def test_of_nothing_are_none(self):
        assert bars_of_ticks(ticks_of([]), SESSION_FRAME).is_empty()
        assert bars_of_ticks(ticks_of([(ALWAYS, at(DAY, 1), Decimal(1), Decimal(1))]), SESSION_FRAME.clear()).is_empty()


class TestBarsOfQuotes:
    @settings(max_examples=200)
    @given(quotes)
    def test_are_those_of_the_middle(self, rows):
        bars = bars_of_quotes(quotes_of(rows), SESSION_FRAME)
        with localcontext(prec=60):
            middles = [(instrument, when, round_to((bid + ask) / 2, 10), Decimal(0)) for instrument, when, bid, ask in rows]
        assert as_dict(bars) == slow_bars(middles, sized=False)
        assert dict(bars.schema) == BARS
        assert set(bars["rolled_from"]) <= {"quotes"}
