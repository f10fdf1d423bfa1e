"""Columns of texts read as numbers, instants and words, many rows at once and exactly as `figures` and `moments` read each.

What most files write is read by expressions; whatever is written otherwise goes through the function that reads a single cell,
once for each text that differs. A cell that this refuses, or that is beyond what fits here, is None in a column that says so.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from accounts.domain.figures import Style, figure
from accounts.domain.ledger import EXACT
from accounts.domain.moments import day, moment, stamp
from accounts.domain.statements import LineRefused

PLACES = 8
SCALE = 10**PLACES
WHOLE = 9  # digits before the point: a product of two numbers, times 200, still fits into 128 bits
LARGEST: int = 10 ** (WHOLE + PLACES)
DAY, SECOND = 86_400_000_000, 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WRITTEN = {
    Style.POINT: (r"^[-+]?[$€£]?(?:[0-9]{1,3}(?:,[0-9]{3}){1,2}|[0-9]{1,9})(?:\.[0-9]{1,8})?$", r"[,$€£+]"),
    Style.COMMA: (r"^[-+]?[$€£]?(?:[0-9]{1,3}(?:\.[0-9]{3}){1,2}|[0-9]{1,9})(?:,[0-9]{1,8})?$", r"[.$€£+]"),
}
STAMP = r"^([0-9./-]{8,10})[T ]([0-9]{2}:[0-9]{2}.*)$"
CLOCK = r"^([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,6}))?)?(Z|UTC|GMT)?$"


def by_distinct(texts: pl.Series, meaning: Callable[[Any], Any], dtype: Any) -> pl.Series:
    """Return what each text of a column means, asked once for each that differs."""
    if not len(texts):
        return pl.Series(texts.name, [], dtype=dtype)
    known = texts.unique()
    return texts.replace_strict(known, pl.Series([meaning(text) for text in known], dtype=dtype, strict=True), return_dtype=dtype)


def numbers(cells: pl.Series, style: Style) -> tuple[pl.Series, pl.Series]:
    """Return the numbers of a column of bare texts in units of 1e-8, None where there is none, and which cells could be read.

    >>> read, good = numbers(pl.Series(["1,234.50", "", "(2)", "x"]), Style.POINT)
    >>> read.to_list(), good.to_list()
    ([123450000000, None, -200000000, None], [True, True, True, False])
    """
    pattern, signs = WRITTEN[style]
    texts = cells.rename("cell").to_frame().with_columns(plain=pl.col("cell").str.contains(pattern))
    bare: pl.Expr = pl.when("plain").then(pl.col("cell").str.replace_all(signs, ""))
    if style is Style.COMMA:
        bare = bare.str.replace(",", ".", literal=True)
    read = texts.select(bare.str.to_decimal(scale=PLACES).to_physical().cast(pl.Int64)).to_series()
    good = texts["plain"] | (texts["cell"] == "")
    if good.all():
        return read, good
    others = texts["cell"].filter(~good)
    told = by_distinct(others, lambda cell: _number(cell, style), pl.Int64)
    places = pl.arange(len(good), eager=True).filter(~good)
    read = read.scatter(places, told.replace(LARGEST, None))
    return read, good.scatter(places, told.is_not_null())


def _number(cell: str, style: Style) -> int | None:
    """Return the number of a cell in units of 1e-8; LARGEST, which is none, where there is none; None if it can't be read so."""
    try:
        number = figure(cell, "", style)
    except LineRefused:
        return None
    if number is None:
        return LARGEST
    scaled = EXACT.multiply(number, Decimal(SCALE))
    return int(scaled) if abs(scaled) < LARGEST and scaled == int(scaled) else None


def instants(dates: pl.Series, times: pl.Series, order: str, zone: ZoneInfo) -> tuple[pl.Series, pl.Series]:
    """Return the instants of two columns, days and their times, in microseconds, None where one can't be read; and days alone.

    >>> at, alone = instants(pl.Series(["2024-01-02", "2024-01-02 00:00:01"]), pl.Series(["", ""]), "YYYY-MM-DD", ZoneInfo("UTC"))
    >>> at.to_list(), alone.to_list()
    ([1704153600000000, 1704153601000000], [True, False])
    """
    frame = pl.DataFrame({"date": dates, "time": times})
    stamped = (pl.col("time") == "") & pl.col("date").str.contains(STAMP)
    frame = frame.with_columns(
        day=pl.when(stamped).then(pl.col("date").str.extract(STAMP, 1)).otherwise("date"),
        clock=pl.when(stamped).then(pl.col("date").str.extract(STAMP, 2)).otherwise("time"),
    )
    starts = by_distinct(frame["day"], lambda text: _start(text, order), pl.Int64)
    if (frame["clock"] == "").all():
        alone = pl.repeat(value=True, n=len(frame), dtype=pl.Boolean, eager=True).alias("alone")
        return _with_others(frame, pl.DataFrame([starts.alias("at"), alone]), order, zone)
    offsets = by_distinct(starts, lambda start: _offset(start, zone), pl.Int64)
    parts = pl.col("clock").str.extract_groups(CLOCK).struct.rename_fields(["h", "m", "s", "f", "zone"])
    frame = frame.with_columns(parts.alias("parts"), start=starts, offset=offsets).unnest("parts")
    hours, minutes, seconds = pl.col("h").cast(pl.Int64), pl.col("m").cast(pl.Int64), pl.col("s").cast(pl.Int64).fill_null(0)
    fraction = pl.col("f").str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    clock = (hours * 3600 + minutes * 60 + seconds) * SECOND + fraction
    shift = pl.when(pl.col("zone").is_null()).then("offset").otherwise(0)
    no_clock = (pl.col("clock") == "").alias("alone")
    told = frame.select(no_clock, at=pl.when(no_clock).then("start").otherwise(pl.col("start") + clock - shift))
    return _with_others(frame, told, order, zone)


def _with_others(frame: pl.DataFrame, told: pl.DataFrame, order: str, zone: ZoneInfo) -> tuple[pl.Series, pl.Series]:
    """Return instants with those among them that are written in a way of their own."""
    missing = told["at"].is_null()
    if not missing.any():
        return told["at"], told["alone"]
    pairs = frame.filter(missing).select(pair=pl.concat_str("date", "time", separator="\n")).to_series()
    read = by_distinct(pairs, lambda pair: _instant(pair, order, zone), pl.Int64)
    only = by_distinct(pairs, lambda pair: not pair.endswith("\n") or _is_day(pair[:-1], order), pl.Boolean)
    places = pl.arange(len(told), eager=True).filter(missing)
    return told["at"].scatter(places, read), told["alone"].scatter(places, only & pairs.str.ends_with("\n"))


def _start(text: str, order: str) -> int | None:
    """Return the start of a day in UTC."""
    try:
        return _since(datetime.combine(day(text, "", order), time(), UTC))
    except LineRefused:
        return None


def _offset(start: int | None, zone: ZoneInfo) -> int | None:
    """Return how far a zone is ahead of UTC on a day; None if that changes in its course."""
    if start is None or zone.key == "UTC":
        return None if start is None else 0
    on: date = (EPOCH + timedelta(microseconds=start)).date()
    ends = (datetime.combine(on + timedelta(days=days), time(), zone) for days in (0, 1))
    offsets = {end.replace(fold=fold).utcoffset() for end in ends for fold in (0, 1)}
    return None if len(offsets) > 1 else (offsets.pop() or timedelta()) // timedelta(microseconds=1)


def _instant(pair: str, order: str, zone: ZoneInfo) -> int | None:
    """Return the instant that two cells, joined, state."""
    text, _, clock = pair.rpartition("\n")
    try:
        return _since(moment(day(text, "", order), clock, "", zone) if clock else stamp(text, "", zone, order)[0])
    except LineRefused:
        return None


def _is_day(text: str, order: str) -> bool:
    """Say whether a stamp is a day alone."""
    try:
        return stamp(text, "", ZoneInfo("UTC"), order)[1]
    except LineRefused:
        return False


def _since(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def written(number: pl.Expr) -> pl.Expr:
    """Return numbers in units of 1e-8 as digits, without zeros that say nothing.

    >>> pl.select(written(pl.lit(pl.Series([150000000, -5, 0, 20000000000])))).to_series().to_list()
    ['1.5', '-0.00000005', '0', '200']
    """
    digits = number.abs().cast(pl.Int64)
    whole, rest = (digits // SCALE).cast(pl.String), digits % SCALE
    fraction = (rest + SCALE).cast(pl.String).str.slice(1).str.strip_chars_end("0")
    text = pl.when(rest == 0).then(whole).otherwise(whole + "." + fraction)
    return pl.when(number < 0).then("-" + text).otherwise(text)
