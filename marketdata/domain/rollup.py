"""Bars of every timeframe, made of ticks or quotes in one pass over all instruments.

What goes in is a canonical frame (see `frames`) and the sessions of its instruments: `instrument`, `day`, `open`, `close`.

- A row counts if it falls into a session of its instrument, [open, close); sessions open and close on whole minutes. What
  happens outside of them makes no bar. A minute in which nothing happens makes none either.
- A trade at the very instant of the close is the print of the closing auction: it belongs to the last minute of its session, and
  closes the day, as on the consolidated tape. Not so where another session opens at that instant, or the session ends at
  midnight UTC as markets do that never close: those have no auction.
- Minute bars are made of the rows, the longer ones of the minutes; those up to an hour lie on the grid of UTC. The daily bar
  is the session's, and starts at 00:00 UTC of the session's day, wherever in the world that session is.
- Rows of one instant are taken in the order of their prices: the lowest of the first instant opens, the highest of the last
  one closes. So a bar depends on its rows alone, and not on the order in which they came.
- A quote counts with the middle between bid and ask, rounded to ten places, halves to the even neighbor. Quotes have no
  volume, and neither do their bars.
- The volume-weighted average price is rounded once, from the exact sums, to ten places, halves to the even neighbor
  (`money.round_to`); where nothing has a size there is none. A volume that the column can't hold is left out.

Figures are whole numbers of the last decimal place all the way, never floats: 64 bits wide where they fit, 128 where not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import polars as pl

from marketdata.domain.bars import Timeframe
from marketdata.domain.frames import PRICE, SCHEMAS, SIZE
from marketdata.domain.quality import Dataset

PRICE_PLACES, SIZE_PLACES = 10, 12
SIZE_LIMIT = 10**24  # what no longer fits into the column, in last places
BITS_64, BITS_128 = 2**63 - 1, 2**127 - 1
# A product of numbers beyond 128 bits is added up in four parts, each of which stays far below.
PRICE_CUT, SIZE_CUT = 10**13, 10**12
EXTREMES = ("open", "high", "low", "close")
LONGER: Final = (Timeframe.FIVE_MINUTES, Timeframe.QUARTER_HOUR, Timeframe.HOUR)
BARS = SCHEMAS[Dataset.BARS]
SESSIONS = {"instrument": pl.String, "day": pl.Date, "open": pl.Datetime("us", "UTC"), "close": pl.Datetime("us", "UTC")}


@dataclass(frozen=True, slots=True)
class Scale:
    """How the figures of a frame are held: every price is a multiple of `price`, every size of `size`, in last places.

    `parts` are the sums that make up the notional, each with its weight.
    """

    price: int
    size: int
    parts: Sequence[tuple[str, int, pl.Expr]]


def bars_of_ticks(ticks: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of every timeframe that ticks make, by instrument, timeframe and time."""
    rows = in_order(ticks.select("instrument", "timestamp", price=_whole("price"), size=_whole("size")))
    rows = _with_auctions(rows, sessions)
    rows, scale = _scaled(rows)
    sums = [pl.lit(1, pl.Int64).alias("trade_count"), pl.col("size").alias("volume")]
    sums += [expression.alias(name) for name, _, expression in scale.parts]
    return _finished(_every_timeframe(_minutes(rows, sums), sessions), scale, "ticks")


def bars_of_quotes(quotes: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of every timeframe that quotes make, by instrument, timeframe and time."""
    both = _whole("bid") + _whole("ask")
    half = both // 2
    middle = half + pl.when((both % 2 == 1) & (half % 2 == 1)).then(1).otherwise(0)
    rows = in_order(quotes.select("instrument", "timestamp", price=middle.cast(pl.Int128)))
    rows, scale = _scaled(rows)
    return _finished(_every_timeframe(_minutes(rows, []), sessions), scale, "quotes")


def auctions(sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the instants at which instruments have a closing auction: `instrument`, `timestamp`."""
    whole = pl.col("close").dt.truncate("1d") == pl.col("close")
    closes = sessions.filter(~whole).select("instrument", timestamp=pl.col("close")).unique()
    return closes.join(sessions.select("instrument", timestamp="open"), on=["instrument", "timestamp"], how="anti")


def _with_auctions(rows: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return rows in order, with those of closing auctions put into the last moment of their session, where they stay last."""
    closing = auctions(sessions)
    instants = closing["timestamp"].unique()
    if not rows["timestamp"].is_in(instants.implode()).any():
        return rows
    marked = rows.join(closing.with_columns(auction=True), on=["instrument", "timestamp"], how="left", maintain_order="left")
    moment = pl.col("timestamp") - pl.duration(microseconds=1)
    return marked.with_columns(timestamp=pl.when(pl.col("auction")).then(moment).otherwise("timestamp")).drop("auction")


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows by instrument, time and price; rows that already are cost one look."""
    instrument, time, price = [pl.col(name) for name in ("instrument", "timestamp", "price")]
    later = (time > time.shift()) | ((time == time.shift()) & (price >= price.shift()))
    follows = (instrument > instrument.shift()) | ((instrument == instrument.shift()) & later)
    return rows if rows.select(follows.all()).item() else rows.sort("instrument", "timestamp", "price")


def _whole(name: str) -> pl.Expr:
    """Return a decimal as a whole number of its last place."""
    places = PRICE_PLACES if name in {"price", "bid", "ask"} else SIZE_PLACES
    return pl.col(name).cast(pl.Decimal(38, places)).to_physical().cast(pl.Int128)


def _minutes(rows: pl.DataFrame, sums: Sequence[pl.Expr]) -> pl.DataFrame:
    """Return the minute bars of rows in order: every row is a bar of its own to begin with."""
    prices = [pl.col("price").alias(name) for name in ("open", "high", "low", "close")]
    minute = pl.col("timestamp").to_physical() // 60_000_000 * 60_000_000
    starts = minute.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return _fold(rows.select("instrument", starts.alias("timestamp"), *prices, *sums), ("instrument", "timestamp"))


def _scaled(rows: pl.DataFrame) -> tuple[pl.DataFrame, Scale]:
    """Return rows with the smallest whole numbers that say the same, and how the notional is added up without overflow."""
    rows, price = _reduced(rows, "price", PRICE_PLACES)
    if "size" not in rows.columns or rows.is_empty():
        return rows, Scale(price, 1, ())
    rows, size = _reduced(rows, "size", SIZE_PLACES)
    highest, lowest, total = rows.select(
        pl.col("price").max(), pl.col("price").min().alias("lowest"), pl.col("size").cast(pl.Int128).sum()
    ).row(0)
    most = max(abs(highest), abs(lowest), 1) * total
    wide = [pl.col("price").cast(pl.Int128), pl.col("size").cast(pl.Int128)]
    if most <= BITS_64 and rows["price"].dtype == rows["size"].dtype == pl.Int64:
        return rows, Scale(price, size, [("notional", 1, pl.col("price") * pl.col("size"))])
    rows = rows.with_columns(pl.col("size").cast(pl.Int128))
    if most <= BITS_128:
        return rows, Scale(price, size, [("notional", 1, wide[0] * wide[1])])
    prices = [(PRICE_CUT, wide[0] // PRICE_CUT), (1, wide[0] % PRICE_CUT)]
    sizes = [(SIZE_CUT, wide[1] // SIZE_CUT), (1, wide[1] % SIZE_CUT)]
    pairs = [(one * other, left * right) for one, left in prices for other, right in sizes]
    return rows, Scale(price, size, [(f"notional{number}", *pair) for number, pair in enumerate(pairs)])


def _reduced(rows: pl.DataFrame, name: str, places: int) -> tuple[pl.DataFrame, int]:
    """Return rows whose column is divided by the largest power of ten that leaves no remainder, and that power."""
    column = rows.select(name)
    low, high = column.select(low=pl.col(name).min(), high=pl.col(name).max()).row(0)
    if max(abs(low or 0), abs(high or 0)) <= BITS_64:
        column = column.cast(pl.Int64)
    for some in (column.head(1000), column):  # a few rows tell most of the time, and then one pass proves it
        places = next(
            exponent for exponent in range(places, -1, -1) if not some.select((pl.col(name) % 10**exponent != 0).any()).item()
        )
    return rows.with_columns(column.select(pl.col(name) // 10**places)), 10**places


def _fold(bars: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return one bar for every run of bars with equal keys; what is no key and no price is added up."""
    changes = bars.select(pl.any_horizontal([pl.col(key).ne_missing(pl.col(key).shift()) for key in keys])).to_series()
    starts = changes.arg_true()
    if not starts.len():
        return bars.select(*keys, *[name for name in bars.columns if name not in keys])
    ends = starts.shift(-1, fill_value=bars.height) - 1
    sums = [name for name in bars.columns if name not in {*keys, *EXTREMES}]
    ways = {"high": "max", "low": "min"} | dict.fromkeys(sums, "sum")
    folded = {name: _over_runs(bars[name], changes, starts, way) for name, way in ways.items()}
    folded["close"] = bars["close"].gather(ends)
    return bars.select(*keys, "open")[starts].with_columns(**folded).select(*keys, *EXTREMES, *sums)


def _over_runs(column: pl.Series, changes: pl.Series, starts: pl.Series, way: str) -> pl.Series:
    """Return the greatest, the least or the sum of each run; numpy is the faster one, and knows 64 bits."""
    if column.dtype == pl.Int64:
        fold = {"max": np.maximum, "min": np.minimum, "sum": np.add}[way]
        return pl.Series(column.name, fold.reduceat(column.to_numpy(), starts.to_numpy()))
    runs = pl.DataFrame({"run": changes.cum_sum(), "figure": column}).group_by("run", maintain_order=True)
    return runs.agg(getattr(pl.col("figure"), way)())["figure"]


def _every_timeframe(minutes: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of every timeframe that minutes make, those outside of sessions left out."""
    dated = _in_session(minutes, sessions)
    midnight = pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    shorter = dated.drop("day")
    days = _fold(dated.drop("timestamp"), ("instrument", "day")).with_columns(timestamp=midnight).select(shorter.columns)
    made = {Timeframe.MINUTE: shorter, Timeframe.DAY: days}
    for timeframe in LONGER:
        starts = shorter.with_columns(pl.col("timestamp").dt.truncate(timeframe.value))
        made[timeframe] = shorter = _fold(starts, ("instrument", "timestamp"))
    return pl.concat([made[timeframe].select(pl.lit(timeframe.value).alias("timeframe"), pl.all()) for timeframe in Timeframe])


def _in_session(minutes: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the minutes that fall into a session of their instrument, with its day."""
    windows = sessions.select("instrument", "day", "close", timestamp="open", opens="open").sort("instrument", "timestamp")
    windows = windows.rename({"close": "closes"})
    joined = minutes.join_asof(windows, on="timestamp", by="instrument", strategy="backward", check_sortedness=False)
    return joined.filter(pl.col("timestamp") < pl.col("closes")).drop("opens", "closes")


def _finished(bars: pl.DataFrame, scale: Scale, rolled_from: str) -> pl.DataFrame:
    """Return bars with decimal figures, in the columns of the canonical frame."""
    wide = bars.with_columns([pl.col(name).cast(pl.Int128) * scale.price for name in EXTREMES])
    if scale.parts:
        wide = wide.with_columns([pl.col(name).cast(pl.Int128) for name in ("volume", *[name for name, _, _ in scale.parts])])
        wide = wide.with_columns(_averages(wide, scale), volume=pl.col("volume") * scale.size)
        wide = wide.with_columns(pl.when(pl.col("volume") < SIZE_LIMIT).then(pl.col("volume")).alias("volume"))
    else:
        nothing = {"volume": pl.Int128, "vwap": pl.Int128, "trade_count": pl.Int64}
        wide = wide.with_columns([pl.lit(None, dtype).alias(name) for name, dtype in nothing.items()])
    prices = [_decimal(name, PRICE) for name in (*EXTREMES, "vwap")]
    done = wide.with_columns(
        *prices,
        _decimal("volume", SIZE),
        pl.lit(None, pl.Date).alias("adjusted_through"),
        pl.lit(rolled_from).alias("rolled_from"),
    )
    return done.select([pl.col(name).cast(dtype) for name, dtype in BARS.items()])


def _averages(bars: pl.DataFrame, scale: Scale) -> pl.Series:
    """Return the notional by the volume, in last places of a price, rounded half to even."""
    most = max((abs(int(bars[name].max() or 0)) + abs(int(bars[name].min() or 0)) for name, _, _ in scale.parts), default=0)  # type: ignore[arg-type]
    if len(scale.parts) == 1 and most * scale.price * 2 <= BITS_128:
        total, by = pl.col(scale.parts[0][0]) * scale.price, pl.col("volume")
        down, rest = total // by, 2 * (total % by)
        up = (rest > by) | ((rest == by) & (down % 2 != 0))
        average = pl.when(by > 0).then(down + pl.when(up).then(1).otherwise(0))
        return bars.select(average.cast(pl.Int128).alias("vwap"))["vwap"]
    parts = [bars[name].to_list() for name, _, _ in scale.parts]
    weights = [weight * scale.price for _, weight, _ in scale.parts]
    totals = [sum(weight * part for weight, part in zip(weights, row, strict=True)) for row in zip(*parts, strict=True)]
    averages = [_divided(total, by) for total, by in zip(totals, bars["volume"].to_list(), strict=True)]
    return pl.Series("vwap", averages, pl.Int128)


def _divided(total: int, by: int) -> int | None:
    """Return the quotient, rounded half to even; nothing for nothing.

    >>> _divided(5, 2), _divided(7, 2), _divided(-5, 2), _divided(1, 0)
    (2, 4, -2, None)
    """
    if by == 0:
        return None
    down, rest = divmod(total, by)
    return down + (2 * rest > by or (2 * rest == by and down % 2 != 0))


def _decimal(name: str, dtype: pl.Decimal) -> pl.Expr:
    """Return a whole number of last places as a decimal."""
    last_place = pl.lit(Decimal(1).scaleb(-dtype.scale), pl.Decimal(38, dtype.scale))
    return (pl.col(name).cast(pl.Decimal(38, 0)) * last_place).cast(dtype)
