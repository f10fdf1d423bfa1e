"""Market data in pages as Alpaca's API cuts them: all of the first symbol, then all of the second, so many rows together.

A place is what was given last; the page after it goes on behind. Bars of lengths that we don't store are put together on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from marketdata.domain.bars import Bar, Timeframe
from marketdata.domain.quality import Dataset
from marketdata.domain.zones import zone_of
from marketdata.models import Instrument
from marketdata.selectors.pages import Pages
from marketdata.selectors.runs import Span, View, read_runs
from marketdata.selectors.series import Asked
from trading.domain.alpaca_periods import Period, put_together

MOMENT = timedelta(microseconds=1)
MOST_READ = 50_000  # bars of ours at once; a page may have fewer rows than asked for, and yet not be the last
NEVER, ALWAYS = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Question:
    """Which rows are wanted: of instruments by the names they were asked by, in order, from `start` up to and with `end`."""

    instruments: Mapping[str, Instrument]
    start: datetime
    end: datetime
    descending: bool = False

    def rest(self, symbol: str) -> list[str]:
        """Return the names from one on."""
        names = list(self.instruments)
        return names[names.index(symbol) :] if symbol else names


@dataclass(frozen=True, slots=True)
class Place:
    """The row that was given last: of which symbol, and where it stands among that symbol's rows."""

    symbol: str = ""
    key: tuple[str, ...] = ()


@dataclass(slots=True)
class Page:
    """Rows by symbol, and the place to go on from; none at the end."""

    rows: dict[str, list[Any]] = field(default_factory=dict)
    next: Place | None = None


def bar_page(asked: Question, period: Period, view: View, *, after: Place, limit: int) -> Page:
    """Return so many bars that lie behind a place."""
    page, left, last = Page(), limit, after
    names, step = asked.rest(after.symbol), 1
    while names:
        near, names = names[:step], names[step:]
        spans = [_span(asked, name, period, after) for name in near]
        most = min((left + 1) * max(period.most(span.timeframe) for span in spans), MOST_READ)
        found = read_runs(spans, view=view, each=most, limit=most, descending=asked.descending)
        made = [
            (near[place], bar)
            for place, run in groupby(found, key=lambda row: row[0])
            for bar in put_together((bar for _, bar in run), period, _zone(asked, near[place]))
        ]
        if cut := len(found) == most:
            made.pop()  # of which more may come
        for name, bar in made[:left]:
            page.rows.setdefault(name, []).append(bar)
            last = Place(name, (bar.timestamp.isoformat(),))
        if cut or len(made) > left:
            page.next = last
            return page
        left -= len(made)
        step *= 2  # where one symbol does not fill the page, several are read at once
    return page


def row_page(asked: Question, dataset: Dataset, *, after: Place, limit: int) -> Page:
    """Return so many quotes or trades that lie behind a place; each as the API of ours has it.

    :raises ArchiveUnreadable: if a file of the archive is missing or damaged
    """
    page, left, last = Page(), limit, after
    for name in asked.rest(after.symbol):
        instrument = asked.instruments[name]
        pages = Pages(Asked(dataset, (instrument,), asked.start, asked.end + MOMENT))
        key = [after.key[0], str(instrument.pk), *after.key[1:]] if name == after.symbol and after.key else None
        found = pages.after(key, descending=asked.descending, limit=left + 1)
        if found[:left]:
            stands, _, *others = pages.key_of(found[:left][-1])
            last = Place(name, (stands, *others))
            page.rows[name] = orjson.loads(f"[{','.join(found[:left])}]")
        if len(found) > left:
            page.next = last
            return page
        left -= len(found)
    return page


def newest_bars(instruments: Mapping[str, Instrument], timeframe: Timeframe, *, each: int = 1) -> dict[str, list[Bar]]:
    """Return the last bars of instruments as they were traded, the newest first; who has none is left out."""
    period = Period.parse({Timeframe.DAY: "1Day"}.get(timeframe, "1Min"))
    names = list(instruments)
    spans = [Span(instruments[name], timeframe, NEVER, ALWAYS) for name in names]
    found: dict[str, list[Bar]] = {}
    for place, run in groupby(read_runs(spans, view=View(), each=each, descending=True), key=lambda row: row[0]):
        zone = zone_of(instruments[names[place]].exchange)
        found[names[place]] = list(put_together((bar for _, bar in run), period, zone))
    return found


def _span(asked: Question, name: str, period: Period, after: Place) -> Span:
    """Return which of our bars are to be read for those of a symbol that are still to be given."""
    instrument, zone = asked.instruments[name], _zone(asked, name)
    start, end = period.bounds(asked.start, asked.end, zone)
    if name == after.symbol and after.key:
        given = datetime.fromisoformat(after.key[0])
        if asked.descending:
            end = min(end, period.ours(given, zone))
        else:
            start = max(start, period.ours(period.after(given, zone), zone))
    return Span(instrument, period.base(zone, asked.end), start, end)


def _zone(asked: Question, name: str) -> ZoneInfo:
    """Return where a symbol is traded."""
    return zone_of(asked.instruments[name].exchange)
