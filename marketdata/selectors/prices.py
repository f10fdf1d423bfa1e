"""Prices and rates over a period: for people as rows, for those who compute as arrays in one query."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, connections
from django.db.models import QuerySet

from marketdata.domain.adjustment import Split, raw_ratio, scaled_one
from marketdata.domain.bars import Timeframe
from marketdata.domain.fx import Pair, legs_of, rates_of
from marketdata.models.fx import FxHistory
from marketdata.models.instruments import Instrument
from marketdata.models.prices import Bar, PriceHistory, Quote, Tick
from marketdata.selectors.actions import splits

UNIX_DAY = date(1970, 1, 1).toordinal()

# One string per instrument instead of one row per day: a quarter of a million closes arrive in a tenth of the time.
# The index hands each series over in order; the one row before the period is the price to carry into it.
CLOSES = """
    SELECT wanted.id, series.days, series.closes, {changed}
    FROM unnest(%(ids)s::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT string_agg(((bar.timestamp AT TIME ZONE 'UTC')::date - DATE '1970-01-01')::text, ',') AS days,
               string_agg(bar.close::text, ',') AS closes,
               {changes}
        FROM (
            (SELECT timestamp, close, adjusted_through FROM marketdata_bar
             WHERE instrument_id = wanted.id AND timeframe = '1d' AND timestamp < %(start)s
             ORDER BY timestamp DESC LIMIT 1)
            UNION ALL
            (SELECT timestamp, close, adjusted_through FROM marketdata_bar
             WHERE instrument_id = wanted.id AND timeframe = '1d' AND timestamp >= %(start)s AND timestamp < %(end)s
             ORDER BY timestamp)
        ) AS bar
    ) AS series
    WHERE series.days IS NOT NULL
"""
STORED_CLOSES = CLOSES.format(changed="series.adjusted > 0", changes="count(bar.adjusted_through) AS adjusted")
# the same of those few series that a source has adjusted, with the day through which each close is
ADJUSTED_CLOSES = CLOSES.format(
    changed="series.through",
    changes="string_agg(coalesce((bar.adjusted_through - DATE '1970-01-01')::text, ''), ',') AS through",
)
LATEST_CLOSES = """
    SELECT wanted.id, bar.timestamp, bar.close, bar.adjusted_through
    FROM unnest(%(ids)s::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT timestamp, close, adjusted_through FROM marketdata_bar
        WHERE instrument_id = wanted.id AND timeframe = '1d' AND timestamp < %(end)s
        ORDER BY timestamp DESC LIMIT 1
    ) AS bar
"""
LATEST = "SELECT {columns} FROM marketdata_latest{kind} WHERE instrument_id = ANY (%s::uuid[])"
# who has no row there has none here either, unless it was written past the ingest
NEWEST = """
    SELECT {columns} FROM unnest(%s::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT * FROM marketdata_{kind} WHERE instrument_id = wanted.id ORDER BY timestamp DESC LIMIT 1
    ) AS newest
"""
CLOSES_BEFORE = """
    SELECT wanted.id, wanted.timeframe, wanted.start, bar.close::float8
    FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS wanted (id, timeframe, start)
    CROSS JOIN LATERAL (
        SELECT close FROM marketdata_bar
        WHERE instrument_id = wanted.id AND timeframe = wanted.timeframe AND timestamp < wanted.start
        ORDER BY timestamp DESC LIMIT 1
    ) AS bar
"""
RATES_BEFORE = """
    SELECT wanted.base, wanted.quote, wanted.start, known.rate::float8
    FROM unnest(%s::text[], %s::text[], %s::date[]) AS wanted (base, quote, start)
    CROSS JOIN LATERAL (
        SELECT rate FROM marketdata_fxrate
        WHERE base = wanted.base AND quote = wanted.quote AND date < wanted.start
        ORDER BY date DESC LIMIT 1
    ) AS known
"""
RATES = """
    SELECT rate.base, rate.quote,
           string_agg((rate.date - DATE '1970-01-01')::text, ',' ORDER BY rate.date),
           string_agg(trim_scale(rate.rate)::text, ',' ORDER BY rate.date)
    FROM marketdata_fxrate AS rate
    JOIN unnest(%(bases)s::text[], %(quotes)s::text[]) AS wanted (base, quote) USING (base, quote)
    WHERE rate.date < %(end)s
    GROUP BY rate.base, rate.quote
"""


@dataclass(frozen=True, slots=True)
class Series:
    """Values by day, oldest first; both lists have the same length."""

    days: tuple[date, ...]
    values: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """The last close known on a day, and the day it is of."""

    day: date
    value: Decimal


class LastQuote(NamedTuple):
    """The last quote of an instrument."""

    instrument_id: UUID
    timestamp: datetime
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None
    ask_size: Decimal | None


class LastTick(NamedTuple):
    """The last trade in an instrument."""

    instrument_id: UUID
    timestamp: datetime
    price: Decimal
    size: Decimal
    conditions: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a series reaches and how often its past has changed; nothing stored yet is revision 0."""

    revision: int = 0
    first: date | None = None
    last: date | None = None


def bars(
    *, instrument: Instrument, timeframe: Timeframe, start: datetime | None = None, end: datetime | None = None
) -> QuerySet[Bar]:
    """Return the bars of an instrument that start in [start, end), oldest first, as they are stored."""
    found = Bar.objects.filter(instrument=instrument, timeframe=timeframe).order_by("timestamp")
    if start is not None:
        found = found.filter(timestamp__gte=start)
    return found if end is None else found.filter(timestamp__lt=end)


def quotes(*, instrument: Instrument, start: datetime | None = None, end: datetime | None = None) -> QuerySet[Quote]:
    """Return the live quotes of an instrument in [start, end), oldest first."""
    found = Quote.objects.filter(instrument=instrument).select_related("instrument").order_by("timestamp")
    if start is not None:
        found = found.filter(timestamp__gte=start)
    return found if end is None else found.filter(timestamp__lt=end)


def ticks(*, instrument: Instrument, start: datetime | None = None, end: datetime | None = None) -> QuerySet[Tick]:
    """Return the live trades in an instrument in [start, end), oldest first."""
    found = Tick.objects.filter(instrument=instrument).select_related("instrument").order_by("timestamp", "price", "size")
    if start is not None:
        found = found.filter(timestamp__gte=start)
    return found if end is None else found.filter(timestamp__lt=end)


def closes(*, instrument_ids: Iterable[UUID], start: date, end: date) -> dict[UUID, Series]:
    """Return the daily closes of instruments in [start, end) as traded, preceded by the last one before, if there is one.

    An instrument without any is left out. One query, however many instruments and days.
    """
    days = cache(_days)  # instruments of one exchange share their days
    rows = written_closes(instrument_ids=instrument_ids, start=start, end=end)
    return {instrument: Series(days(numbers), _decimals(prices)) for instrument, numbers, prices in rows}


def written_closes(
    *, instrument_ids: Iterable[UUID | str], start: date, end: date, using: str = "default"
) -> list[tuple[UUID, str, str]]:
    """Return what `closes` returns as it comes: per instrument its days since 1970 and its closes, with commas between.

    Every close has ten places, so that without the points it is a list of whole numbers: numpy reads that fifty times faster
    than Python reads as many decimals. They are as traded: where a source sent adjusted ones, the splits are taken out again.
    """
    asked: dict[str, Any] = {"ids": list(set(instrument_ids)), "start": _midnight(start), "end": _midnight(end)}
    with connections[using].cursor() as cursor:
        cursor.execute(STORED_CLOSES, asked)
        found = cursor.fetchall()
        changed = [row[0] for row in found if row[3]]
        if not changed:
            return [row[:3] for row in found]
        cursor.execute(ADJUSTED_CLOSES, asked | {"ids": changed})
        known = splits(instrument_ids=changed, using=using)
        traded = {row[0]: (row[0], row[1], _as_traded(known.get(row[0], ()), *row[1:])) for row in cursor.fetchall()}
    return [traded.get(row[0], row[:3]) for row in found]


def latest_closes(*, instrument_ids: Iterable[UUID], day: date) -> dict[UUID, Close]:
    """Return the last close of each instrument on a day or before it, as traded; one that has none is left out."""
    tomorrow = date.fromordinal(day.toordinal() + 1)
    with connection.cursor() as cursor:
        cursor.execute(LATEST_CLOSES, {"ids": list(set(instrument_ids)), "end": _midnight(tomorrow)})
        rows = cursor.fetchall()
    changed = [row[0] for row in rows if row[3]]
    known = splits(instrument_ids=changed) if changed else {}
    found = {}
    for instrument_id, timestamp, close, through in rows:
        on = timestamp.astimezone(UTC).date()
        ratio = raw_ratio(known.get(instrument_id, ()), day=on, adjusted_through=through)
        found[instrument_id] = Close(on, close if ratio == 1 else scaled_one(close, ratio))
    return found


def closes_before(keys: Iterable[tuple[UUID, str, datetime]]) -> dict[tuple[UUID, str, datetime], float]:
    """Return the close before each bar, as a float to compare with; a bar that is the first has none."""
    return _before(CLOSES_BEFORE, keys)


def rates_before(keys: Iterable[tuple[str, str, date]]) -> dict[tuple[str, str, date], float]:
    """Return the rate before each day of a pair, as a float to compare with; the first has none."""
    return _before(RATES_BEFORE, keys)


def latest_quotes(*, instrument_ids: Iterable[UUID]) -> list[LastQuote]:
    """Return the last quote of each instrument that has one, in no order."""
    return list(map(LastQuote._make, _latest("quote", LastQuote._fields, instrument_ids)))


def latest_ticks(*, instrument_ids: Iterable[UUID]) -> list[LastTick]:
    """Return the last trade in each instrument that has one, in no order."""
    return list(map(LastTick._make, _latest("tick", LastTick._fields, instrument_ids)))


def fx_rates(*, pairs: Iterable[Pair], start: date, end: date) -> dict[Pair, Series]:
    """Return the rates of currency pairs in [start, end), preceded by the last rate before it, if there is one.

    A pair that is not stored is answered by its inverse or across EUR or USD; one without any rate is left out.
    """
    wanted = set(pairs)
    stored = _stored_rates(legs_of(wanted), end=end)
    found = {}
    for pair in wanted:
        rates = rates_of(pair, stored)
        days = tuple(rates)
        before = sum(1 for _, following in pairwise(days) if following < start)
        if days:
            found[pair] = Series(days[before:], tuple(rates.values())[before:])
    return found


def price_reach(*, instrument_ids: Iterable[UUID], timeframe: Timeframe = Timeframe.DAY) -> dict[UUID, Reach]:
    """Return how far the bars of each instrument reach, and their revision; every instrument gets an answer."""
    wanted = set(instrument_ids)
    known = PriceHistory.objects.filter(instrument__in=wanted, timeframe=timeframe)
    found = {history.instrument_id: Reach(history.revision, _day(history.first_at), _day(history.last_at)) for history in known}
    return {instrument_id: found.get(instrument_id, Reach()) for instrument_id in wanted}


def fx_reach(*, pairs: Iterable[Pair]) -> dict[Pair, Reach]:
    """Return how far the rates behind each pair reach, and a revision that grows whenever one changes in its past."""
    wanted = set(pairs)
    known = {(history.base, history.quote): history for history in FxHistory.objects.filter(revision__gt=0)}
    found = {}
    for pair in wanted:
        legs = [known[leg] for leg in legs_of([pair]) if leg in known]
        days = [day for leg in legs for day in (leg.first_date, leg.last_date) if day]
        found[pair] = Reach(sum(leg.revision for leg in legs), min(days, default=None), max(days, default=None))
    return found


def _latest(kind: str, columns: Iterable[str], instrument_ids: Iterable[UUID]) -> list[tuple[Any, ...]]:
    """Return the latest rows of instruments: those kept apart, and for who has none there the newest of the table."""
    wanted = set(instrument_ids)
    shape = {"columns": ", ".join(columns), "kind": kind}
    with connection.cursor() as cursor:
        cursor.execute(LATEST.format(**shape), [list(wanted)])
        found: list[tuple[Any, ...]] = cursor.fetchall()
        if len(found) < len(wanted):
            cursor.execute(NEWEST.format(**shape), [list(wanted.difference(row[0] for row in found))])
            found += cursor.fetchall()
    return found


def _as_traded(known: Sequence[Split], days: str, closes: str, through: str) -> str:
    """Return closes as they were traded, from a list of those stored and of the days through which they are adjusted."""
    found = []
    for day, close, until in zip(_days(days), closes.split(","), through.split(","), strict=True):
        ratio = raw_ratio(known, day=day, adjusted_through=date.fromordinal(UNIX_DAY + int(until)) if until else None)
        found.append(close if ratio == 1 else f"{scaled_one(Decimal(close), ratio):f}")
    return ",".join(found)


def _before(query: str, keys: Iterable[tuple[Any, Any, Any]]) -> dict[tuple[Any, Any, Any], float]:
    """Return what was before each key."""
    columns = [list(column) for column in zip(*keys, strict=True)]
    if not columns:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(query, columns)
        return {row[:3]: row[3] for row in cursor.fetchall()}


def _stored_rates(legs: Iterable[Pair], *, end: date) -> Mapping[Pair, dict[date, Decimal]]:
    """Return the stored rates of pairs before a day."""
    bases, quotes = zip(*legs, strict=True) if legs else ((), ())
    with connection.cursor() as cursor:
        cursor.execute(RATES, {"bases": list(bases), "quotes": list(quotes), "end": end})
        return {
            (base, quote): dict(zip(_days(days), _decimals(rates), strict=True)) for base, quote, days, rates in cursor.fetchall()
        }


def _days(text: str) -> tuple[date, ...]:
    """Return the days of a list of day numbers."""
    return tuple([date.fromordinal(UNIX_DAY + number) for number in map(int, text.split(","))])


def _decimals(text: str) -> tuple[Decimal, ...]:
    """Return the numbers of a list of numbers."""
    return tuple(map(Decimal, text.split(",")))


def _midnight(day: date) -> datetime:
    """Return the instant a day starts."""
    return datetime.combine(day, time(), UTC)


def _day(instant: datetime | None) -> date | None:
    """Return the day an instant falls on."""
    return None if instant is None else instant.astimezone(UTC).date()
