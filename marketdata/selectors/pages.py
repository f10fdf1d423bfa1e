"""Pages of bars, quotes and trades as JSON, written by the database: ten times as fast as objects that are serialized one by one.

A row is what its serializer in the API writes, byte for byte. Pages go by key, so one far in costs what the first one does, and
rows of the archive stand where they stood when they were live.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import polars as pl
from django.db import connection

from marketdata.domain.bars import Timeframe
from marketdata.domain.money import plain
from marketdata.domain.quality import Dataset
from marketdata.domain.zones import market_day
from marketdata.selectors.actions import splits
from marketdata.selectors.adjustment import ratio_of, viewed
from marketdata.selectors.archive import archived
from marketdata.selectors.series import COLUMNS, DAY, ORDER, Asked, archived_days

MOMENT = timedelta(microseconds=1)
Key = tuple[Any, ...]  # a row's timestamp, its instrument, and what else tells two of an instant apart

# The grid of bars knows no fractions of a second; others are written without idle ones.
SECONDS = """btrim(to_json(live.timestamp AT TIME ZONE 'UTC')::text, '"')"""
INSTANT = """to_char(live.timestamp AT TIME ZONE 'UTC', CASE WHEN live.timestamp = date_trunc('second', live.timestamp)
             THEN 'YYYY-MM-DD"T"HH24:MI:SS' ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US' END)"""
NUMBER = "trim_scale(live.{name})"
OPTIONAL_NUMBER = """coalesce('"' || trim_scale(live.{name}) || '"', 'null')"""
OPTIONAL = ("volume", "vwap", "bid_size", "ask_size")

ROWS_OF_ONE = """
    FROM (SELECT %(id)s::uuid AS id, %(key)s::text AS key) AS wanted
    CROSS JOIN (
        SELECT * FROM {table} AS one
        WHERE one.instrument_id = %(id)s AND one.timestamp >= %(start)s AND one.timestamp < %(end)s {further}
        ORDER BY {order} LIMIT %(limit)s
    ) AS live
"""
ROWS_OF_SEVERAL = """
    FROM unnest(%(ids)s::uuid[], %(keys)s::text[]) AS wanted (id, key)
    CROSS JOIN LATERAL (
        SELECT * FROM {table} AS one
        WHERE one.instrument_id = wanted.id AND one.timestamp >= %(start)s AND one.timestamp < %(end)s {further}
        ORDER BY {order} LIMIT %(limit)s
    ) AS live
    ORDER BY {order_of_all} LIMIT %(limit)s
"""
PAGE = """
    SELECT string_agg(page.written, E'\\n'), count(page.changed)
    FROM (SELECT {written} AS written, {changed} AS changed {rows}) AS page
"""
# the same of one instrument by its name, looked up on the way; with the first and last day that the archive has of the period
PAGE_BY_NAME = """
    WITH wanted AS MATERIALIZED (
        SELECT id, to_json(symbol || ':' || exchange)::text AS key FROM marketdata_instrument
        WHERE symbol = %(symbol)s AND (exchange = %(exchange)s OR %(exchange)s = '')
    )
    SELECT (SELECT array_agg(id::text) FROM wanted), string_agg(page.written, E'\\n'), count(page.changed), {filed}
    FROM (
        SELECT {written} AS written, {changed} AS changed FROM wanted
        CROSS JOIN LATERAL (
            SELECT * FROM {table} AS one
            WHERE one.instrument_id = wanted.id AND one.timestamp >= %(start)s AND one.timestamp < %(end)s {further}
            ORDER BY {order} LIMIT %(limit)s
        ) AS live
    ) AS page
"""
FILED = """
    (SELECT min(day) FROM marketdata_archivesegment WHERE dataset = %(dataset)s AND day BETWEEN %(first)s AND %(last)s),
    (SELECT max(day) FROM marketdata_archivesegment WHERE dataset = %(dataset)s AND day BETWEEN %(first)s AND %(last)s)
"""
VALUES = "SELECT wanted.id, live.adjusted_through, {columns} {rows}"


def _written(dataset: Dataset) -> str:
    """Return the SQL that writes a row of a data set; numbers have no idle zeros."""
    pattern, values = '{"instrument":%%s,"timestamp":"%%sZ"', ["wanted.key", SECONDS if dataset is Dataset.BARS else INSTANT]
    for name in list(COLUMNS[dataset])[1:]:
        if name == "conditions":
            pattern, value = f'{pattern},"{name}":%%s', f"to_json(live.{name})"
        elif name == "trade_count":
            pattern, value = f'{pattern},"{name}":%%s', f"coalesce(live.{name}::text, 'null')"
        elif name in OPTIONAL:
            pattern, value = f'{pattern},"{name}":%%s', OPTIONAL_NUMBER.format(name=name)
        else:
            pattern, value = f'{pattern},"{name}":"%%s"', NUMBER.format(name=name)
        values.append(value)
    return f"format('{pattern}}}', {', '.join(values)})"


WRITTEN = {dataset: _written(dataset) for dataset in COLUMNS}


@dataclass(slots=True)
class Pages:
    """The rows asked for, to be read from a key on, in the order of time; of several instruments they are mixed."""

    asked: Asked

    def after(self, key: Sequence[str] | None, *, descending: bool, limit: int) -> list[str]:
        """Return up to so many rows beyond a key, each as its JSON."""
        if not self.asked.instruments:
            return []
        place = None if key is None else self._read(key)
        if self.asked.dataset is Dataset.BARS:
            written, changed = ([], 1) if self.asked.adjusted else self._live(place, descending, limit)
            return self._viewed(place, descending, limit) if changed else written
        live = self._live(place, descending, limit)[0]
        filed = self._filed(place, descending, limit, live)
        return self._merged(live, filed, descending)[:limit] if filed else live

    def key_of(self, row: str) -> list[str]:
        """Return where a row stands, as a cursor holds it."""
        values = orjson.loads(row)
        ids = {instrument.key: instrument.pk for instrument in self.asked.instruments}
        return [values["timestamp"], str(ids[values["instrument"]]), *(values[name] for name in ORDER[self.asked.dataset][1:])]

    def _live(self, place: Key | None, descending: bool, limit: int) -> tuple[list[str], int]:
        """Return the rows in the database as JSON, and how many of them are not as they were traded."""
        dataset = self.asked.dataset
        changed = "live.adjusted_through" if dataset is Dataset.BARS else "NULL"
        rows, values = self._query(place, descending, limit)
        with connection.cursor() as cursor:
            cursor.execute(PAGE.format(written=WRITTEN[dataset], changed=changed, rows=rows), values)
            text, count = cursor.fetchone()
        return text.split("\n") if text else [], count

    def _viewed(self, place: Key | None, descending: bool, limit: int) -> list[str]:
        """Return bars as they were traded, or adjusted, where that is not what is stored."""
        asked, names = self.asked, list(COLUMNS[self.asked.dataset])
        rows, values = self._query(place, descending, limit)
        with connection.cursor() as cursor:
            cursor.execute(VALUES.format(columns=", ".join(f"live.{name}" for name in names), rows=rows), values)
            found = cursor.fetchall()
        known = splits(instrument_ids=[instrument.pk for instrument in asked.instruments])
        listed = {instrument.pk: instrument for instrument in asked.instruments}
        written = []
        for instrument_id, through, *figures in found:
            bar = dict(zip(names, figures, strict=True))
            instrument = listed[instrument_id]
            day = market_day(bar["timestamp"], asked.timeframe or Timeframe.DAY, instrument.exchange)
            ratio = ratio_of(
                known.get(instrument_id, ()), day=day, adjusted_through=through, adjusted=asked.adjusted, as_of=asked.as_of
            )
            written.append(_json(instrument.key, bar if ratio == 1 else viewed(bar, ratio)))
        return written

    def _query(self, place: Key | None, descending: bool, limit: int) -> tuple[str, dict[str, Any]]:
        """Return the SQL of the rows beyond a key, and its values."""
        asked = self.asked
        shape, values = self._beyond(place, descending)
        ids = [instrument.pk for instrument in asked.instruments]
        keys = [orjson.dumps(instrument.key).decode() for instrument in asked.instruments]
        values |= {"ids": ids, "keys": keys, "id": ids[0], "key": keys[0], "limit": limit}
        return (ROWS_OF_ONE if len(ids) == 1 else ROWS_OF_SEVERAL).format(**shape), values

    def _beyond(self, place: Key | None, descending: bool) -> tuple[dict[str, str], dict[str, Any]]:
        """Return what the SQL of the rows beyond a key is made of, and its values."""
        dataset, timeframe, (start, end) = self.asked.dataset, self.asked.timeframe, self._rest(place, descending)
        names, way = _key_names(dataset), " DESC" if descending else ""
        further = "AND one.timeframe = %(timeframe)s" if timeframe else ""
        values: dict[str, Any] = {"timeframe": timeframe and timeframe.value, "start": start, "end": end}
        if place is not None:
            beyond, these = "<" if descending else ">", ", ".join(f"%({name})s" for name in names)
            further += f" AND ({', '.join(f'one.{name}' for name in names)}) {beyond} ({these})"
            values |= dict(zip(names, place, strict=True))
        return {
            "table": f"marketdata_{dataset.removesuffix('s')}",
            "further": further,
            "order": ", ".join(f"one.{name}{way}" for name in ORDER[dataset]),
            "order_of_all": ", ".join(f"live.{name}{way}" for name in names),
        }, values

    def _rest(self, place: Key | None, descending: bool) -> tuple[datetime, datetime]:
        """Return what is left of the period beyond a key."""
        start, end = self.asked.period
        if place is None:
            return start, end
        return (start, min(end, place[0] + MOMENT)) if descending else (max(start, place[0]), end)

    def _filed(self, place: Key | None, descending: bool, limit: int, live: Sequence[str]) -> dict[Key, str]:
        """Return rows of the archive beyond a key: no fewer than the page needs, or all there are."""
        start, end = self._rest(place, descending)
        if len(live) >= limit:  # nothing beyond the last live row gets onto the page
            last = self._read(self.key_of(live[-1]))[0]
            start, end = (max(start, last), end) if descending else (start, min(end, last + MOMENT))
        days = archived_days(replace(self.asked, start=start, end=end))[:: -1 if descending else 1]
        found: dict[Key, str] = {}
        step = 1
        while days and len(found) < limit:
            near, days = days[:step], days[step:]
            since, until = (datetime.combine(day, time(), UTC) for day in (min(near), max(near) + DAY))
            found |= self._of_days(max(start, since), min(end, until), place, descending, limit)
            step *= 2  # who is rarely traded is not looked for day by day
        return found

    def _of_days(self, start: datetime, end: datetime, place: Key | None, descending: bool, limit: int) -> dict[Key, str]:
        """Return the first rows of the archive in a period, beyond a key."""
        names = _key_names(self.asked.dataset)
        ids = {str(instrument.pk): instrument for instrument in self.asked.instruments}
        wanted = [instrument.pk for instrument in self.asked.instruments]
        frame = archived(dataset=self.asked.dataset, instrument_ids=wanted, start=start, end=end)
        frame = frame.rename({"instrument": "instrument_id"}).filter(_beyond(names, place, descending))
        rows = frame.sort(names, descending=descending).head(limit).iter_rows(named=True)
        found = {}
        for row in rows:
            instrument = ids[row.pop("instrument_id")]
            written = _json(instrument.key, {name: row[name] for name in COLUMNS[self.asked.dataset]})
            found[(row["timestamp"], instrument.pk, *(row[name] for name in names[2:]))] = written
        return found

    def _merged(self, live: Sequence[str], filed: dict[Key, str], descending: bool) -> list[str]:
        """Return live and filed rows in their order; one that is moving at this moment is in both, and counts once."""
        rows = filed | {self._read(self.key_of(row)): row for row in live}
        return [rows[key] for key in sorted(rows, reverse=descending)]

    def _read(self, key: Sequence[str]) -> Key:
        """Return a cursor's key as values."""
        timestamp, instrument_id, *numbers = key
        return (datetime.fromisoformat(timestamp), UUID(instrument_id), *map(Decimal, numbers))


class NotThatEasy(LookupError):
    """The rows are not to be had in one trip: the name means none or several, or they are adjusted, or some are archived."""


@dataclass(slots=True)
class PagesByName(Pages):
    """The live rows of one instrument, which is asked for by its name and looked up together with them."""

    symbol: str
    exchange: str
    instrument_id: str = ""

    def after(self, key: Sequence[str] | None, *, descending: bool, limit: int) -> list[str]:
        """Return up to so many rows beyond a key, each as its JSON.

        :raises NotThatEasy: if there is more to it
        """
        dataset, place = self.asked.dataset, None if key is None else self._read(key)
        shape, values = self._beyond(place, descending)
        of_bars = dataset is Dataset.BARS
        query = PAGE_BY_NAME.format(
            **shape,
            written=WRITTEN[dataset],
            changed="live.adjusted_through" if of_bars else "NULL",
            filed="NULL::date, NULL::date" if of_bars else FILED,
        )
        values |= {"symbol": self.symbol, "exchange": self.exchange, "limit": limit, "dataset": dataset.value}
        values |= {"first": values["start"].date(), "last": values["end"].date()}
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            ids, text, changed, first, last = cursor.fetchone()
        if changed or len(ids or ()) != 1:
            raise NotThatEasy
        self.instrument_id, rows = ids[0], text.split("\n") if text else []
        if first is not None and (len(rows) < limit or self._reaches(rows[-1], last if descending else first, descending)):
            raise NotThatEasy
        return rows

    def key_of(self, row: str) -> list[str]:
        """Return where a row stands, as a cursor holds it."""
        values = orjson.loads(row)
        return [values["timestamp"], self.instrument_id, *(values[name] for name in ORDER[self.asked.dataset][1:])]

    def _reaches(self, row: str, day: date, descending: bool) -> bool:
        """Say whether a full page goes as far as a day of the archive."""
        end = self._read(self.key_of(row))[0].date()
        return day >= end if descending else day <= end


def _key_names(dataset: Dataset) -> list[str]:
    """Return the columns that rows are ordered by and known by."""
    first, *others = ORDER[dataset]
    return [first, "instrument_id", *others]


def _beyond(names: Sequence[str], place: Key | None, descending: bool) -> pl.Expr:
    """Return the condition that a row lies beyond a key."""
    if place is None:
        return pl.lit(True)
    beyond = pl.lit(False)
    for name, value in reversed(list(zip(names, place, strict=True))):
        column, bound = pl.col(name), str(value) if isinstance(value, UUID) else value
        beyond = ((column < bound) if descending else (column > bound)) | ((column == bound) & beyond)
    return beyond


def _json(instrument: str, values: Mapping[str, Any]) -> str:
    """Return a row as the database writes it."""
    return orjson.dumps({"instrument": instrument} | {name: _plain(value) for name, value in values.items()}).decode()


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return plain(value) if isinstance(value, Decimal) else value
