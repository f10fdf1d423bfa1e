"""Alpaca's market data of stocks, out of ours: bars, quotes and trades of a period, the latest of each, and snapshots."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from marketdata.domain.archive import ArchiveUnreadable
from marketdata.domain.bars import Bar, Timeframe
from marketdata.domain.instruments import BadSymbol, split_key
from marketdata.domain.quality import Dataset
from marketdata.models import Instrument
from marketdata.selectors.prices import LastQuote, LastTick, latest_quotes, latest_ticks
from marketdata.selectors.runs import View
from trading.api.alpaca.base import AlpacaView
from trading.api.alpaca.errors import BAD, BadField, NotFound, Refusal, answer
from trading.api.alpaca.market_words import FIRST, LAST, bar_body, place_of, quote_body, token_of, trade_body
from trading.api.alpaca.symbols import find_all
from trading.api.alpaca.words import choice, instant, listed, whole
from trading.domain.alpaca_periods import BadPeriod, Period, midnight
from trading.selectors.alpaca_data import Page, Place, Question, bar_page, newest_bars, row_page

log = logging.getLogger(__name__)

USUAL, MOST = 1_000, 10_000
MOST_SYMBOLS = 1_000
NEW_YORK = ZoneInfo("America/New_York")
MOMENT, A_DAY = timedelta(microseconds=1), len("2024-05-06")
FEEDS = {each: each for each in ("", "sip", "iex", "delayed_sip", "otc", "boats", "overnight")}
SPLITS, AS_TRADED = "split", "raw"


class MarketDataView(AlpacaView):
    """A view of market data, which is the same for everybody who is let in."""

    def handle_exception(self, exc: Exception) -> Any:
        """Answer as Alpaca's market data does: what makes no sense is a 400."""
        if isinstance(exc, BadField):
            exc = Refusal(BAD, str(exc))
        return super().handle_exception(exc)

    def instruments(self, symbol: str | None) -> dict[str, Instrument]:
        """Return the instruments that are asked for, by their symbols in order; one that nobody knows is left out.

        :raises Refusal: if none is named, too many are, or one can't be a symbol
        """
        query = self.request.query_params
        names = sorted(set(listed(query.get("symbols")) if symbol is None else [symbol]))
        if not names:
            raise Refusal(BAD, "symbols is required")
        if len(names) > MOST_SYMBOLS:
            raise Refusal(BAD, f"too many symbols: at most {MOST_SYMBOLS}")
        for name in names:
            try:
                split_key(name)
            except BadSymbol:
                raise Refusal(BAD, f"invalid symbol: {name[:40]}") from None
        choice(query.get("feed"), "feed", FEEDS)
        found = find_all(names)
        self.check_currency(found, query.get("currency", ""))
        return {name: found[name] for name in names if name in found}

    def check_currency(self, found: Mapping[str, Instrument], currency: str) -> None:
        """Refuse prices in another currency than they were quoted in: nothing is converted here.

        :raises Refusal: naming one that is quoted in another
        """
        for name, instrument in found.items():
            if currency and instrument.currency != currency.upper():
                raise Refusal(BAD, f"invalid currency: {name} is quoted in {instrument.currency}")


class SeriesView(MarketDataView):
    """Rows of a period in pages, of one symbol or of several."""

    kind: ClassVar[str]
    key_parts: ClassVar[int] = 1  # what a row is known by among those of its symbol

    def get(self, request: Request, symbol: str | None = None) -> HttpResponse:
        """Return a page of rows."""
        instruments = self.instruments(symbol)
        descending = choice(request.query_params.get("sort"), "sort", {"asc": False, "desc": True}, "asc")
        start, end = self.period()
        page = self.page(
            Question(instruments, start, end, descending),
            self.place(instruments),
            whole(request.query_params.get("limit"), "limit", default=USUAL, most=MOST),
        )
        rows = {name: self.written(page.rows[name], instruments[name]) for name in page.rows}
        body: dict[str, Any] = {self.kind: rows, "next_page_token": page.next and token_of(page.next)}
        if symbol is not None:
            body |= {self.kind: rows.get(symbol, []), "symbol": symbol}
        return answer(200, body)

    def page(self, asked: Question, after: Place, limit: int) -> Page:
        """Return the rows behind a place."""
        raise NotImplementedError

    def written(self, rows: list[Any], instrument: Instrument) -> list[dict[str, Any]]:
        """Return rows as Alpaca writes them."""
        raise NotImplementedError

    def period(self) -> tuple[datetime, datetime]:
        """Return from when up to and with when rows are asked for: today so far, unless said otherwise.

        :raises Refusal: if it ends before it starts
        """
        query, now = self.request.query_params, timezone.now()
        today = midnight(now.astimezone(NEW_YORK).date(), NEW_YORK)
        start = instant(query.get("start"), "start") or today
        said = query.get("end", "")
        end = instant(said, "end") or now
        if len(said) == A_DAY:  # the whole of that day
            end += timedelta(days=1) - MOMENT
        if end < start and query.get("start"):
            raise Refusal(BAD, "end should not be before start")
        return min(max(start, FIRST), LAST), min(max(end, FIRST), LAST)

    def place(self, instruments: Mapping[str, Instrument]) -> Place:
        """Return where the page before ended.

        :raises Refusal: if the token is none of ours
        """
        token = self.request.query_params.get("page_token")
        if not token:
            return Place()
        place = place_of(token)
        if place is None or place.symbol not in instruments or len(place.key) != self.key_parts:
            raise Refusal(BAD, "invalid page_token")
        return place


class BarsView(SeriesView):
    """Bars of any length that Alpaca knows."""

    kind = "bars"

    def page(self, asked: Question, after: Place, limit: int) -> Page:
        """Return the bars behind a place."""
        query = self.request.query_params
        try:
            period = Period.parse(query.get("timeframe", ""))
        except BadPeriod as refusal:
            raise Refusal(BAD, str(refusal)) from None
        return bar_page(asked, period, self.view(query.get("adjustment", "")), after=after, limit=limit)

    def view(self, adjustment: str) -> View:
        """Return how the bars are wanted.

        :raises Refusal: if they are to be adjusted for what we don't adjust for
        """
        if adjustment.lower() in {"", AS_TRADED}:
            return View()
        if adjustment.lower() != SPLITS:
            raise Refusal(BAD, f"invalid adjustment: {adjustment[:40]}; this server has {AS_TRADED} and {SPLITS}")
        return View(adjusted=True, as_of=timezone.now().date())

    def written(self, rows: list[Any], instrument: Instrument) -> list[dict[str, Any]]:
        """Return bars as Alpaca writes them."""
        return [bar_body(bar) for bar in rows]


class QuotesView(SeriesView):
    """What was bid and asked."""

    kind = "quotes"

    def page(self, asked: Question, after: Place, limit: int) -> Page:
        """Return the quotes behind a place."""
        return rows_of(asked, Dataset.QUOTES, after, limit)

    def written(self, rows: list[Any], instrument: Instrument) -> list[dict[str, Any]]:
        """Return quotes as Alpaca writes them."""
        return [quote_body(row, instrument) for row in rows]


class TradesView(SeriesView):
    """What was traded."""

    kind = "trades"
    key_parts = 3

    def page(self, asked: Question, after: Place, limit: int) -> Page:
        """Return the trades behind a place."""
        return rows_of(asked, Dataset.TICKS, after, limit)

    def written(self, rows: list[Any], instrument: Instrument) -> list[dict[str, Any]]:
        """Return trades as Alpaca writes them."""
        return [trade_body(row, instrument) for row in rows]


class LatestView(MarketDataView):
    """The newest row of each symbol."""

    kind: ClassVar[str]  # of one; of several it has an s

    def get(self, request: Request, symbol: str | None = None) -> HttpResponse:
        """Return the newest row of each that has one."""
        found = self.newest(self.instruments(symbol))
        if symbol is None:
            return answer(200, {f"{self.kind}s": found})
        if symbol not in found:
            raise NotFound(f"no {self.kind} found for {symbol}")
        return answer(200, {"symbol": symbol, self.kind: found[symbol]})

    def newest(self, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
        """Return the newest rows by symbol."""
        raise NotImplementedError


class LatestBarsView(LatestView):
    """The newest bar of a minute."""

    kind = "bar"

    def newest(self, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
        """Return the newest bars by symbol."""
        return {name: bar_body(bars[0]) for name, bars in newest_bars(instruments, Timeframe.MINUTE).items()}


class LatestQuotesView(LatestView):
    """The newest quote."""

    kind = "quote"

    def newest(self, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
        """Return the newest quotes by symbol."""
        return newest_quotes(instruments)


class LatestTradesView(LatestView):
    """The newest trade."""

    kind = "trade"

    def newest(self, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
        """Return the newest trades by symbol."""
        return newest_trades(instruments)


class SnapshotsView(MarketDataView):
    """What is newest of a symbol: trade, quote, the bar of a minute, that of a day and that of the day before."""

    def get(self, request: Request, symbol: str | None = None) -> HttpResponse:
        """Return the snapshots of the symbols of which anything is known."""
        known = self.shots(self.instruments(symbol))
        if symbol is None:
            return answer(200, known)
        if symbol not in known:
            raise NotFound(f"no snapshot found for {symbol}")
        return answer(200, {"symbol": symbol, **known[symbol]})

    def shots(self, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
        """Return what is newest of each of which anything is known."""
        days, minutes = newest_bars(instruments, Timeframe.DAY, each=2), newest_bars(instruments, Timeframe.MINUTE)
        trades, quotes = newest_trades(instruments), newest_quotes(instruments)
        found = {
            name: {
                "latestTrade": trades.get(name),
                "latestQuote": quotes.get(name),
                "minuteBar": _at(minutes.get(name), 0),
                "dailyBar": _at(days.get(name), 0),
                "prevDailyBar": _at(days.get(name), 1),
            }
            for name in instruments
        }
        return {name: shot for name, shot in found.items() if any(each is not None for each in shot.values())}


def rows_of(asked: Question, dataset: Dataset, after: Place, limit: int) -> Page:
    """Return quotes or trades behind a place.

    :raises Refusal: if a file of the archive can't be read
    """
    try:
        return row_page(asked, dataset, after=after, limit=limit)
    except ArchiveUnreadable as error:
        log.error("A period can't be answered: %s", error)
        raise Refusal(503, "a part of this period can't be read from the archive") from error


def newest_quotes(instruments: Mapping[str, Instrument]) -> dict[str, Any]:
    """Return the newest quote of each instrument that has one."""
    rows: dict[Any, LastQuote] = {row.instrument_id: row for row in latest_quotes(instrument_ids=_ids(instruments))}
    return {name: quote_body(rows[each.pk]._asdict(), each) for name, each in instruments.items() if each.pk in rows}


def newest_trades(instruments: Mapping[str, Instrument]) -> dict[str, Any]:
    """Return the newest trade in each instrument that has one."""
    rows: dict[Any, LastTick] = {row.instrument_id: row for row in latest_ticks(instrument_ids=_ids(instruments))}
    return {name: trade_body(rows[each.pk]._asdict(), each) for name, each in instruments.items() if each.pk in rows}


def _ids(instruments: Mapping[str, Instrument]) -> list[Any]:
    return [each.pk for each in instruments.values()]


def _at(bars: list[Bar] | None, place: int) -> dict[str, Any] | None:
    """Return one of some bars as Alpaca writes it, none if there are not so many."""
    return bar_body(bars[place]) if bars and len(bars) > place else None
