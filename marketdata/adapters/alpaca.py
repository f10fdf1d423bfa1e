"""Alpaca as a source: bars, quotes, trades, corporate actions and the calendar of US shares, through the official alpaca-py.

Bars are asked for as they were traded (`adjustment=raw`): splits are our own to adjust for. alpaca-py makes floats of prices,
so its answers are taken as they come, in decimals, and paged here, each page checked before the next is asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alpaca.common.rest import RESTClient
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import CorporateActionsRequest, StockBarsRequest, StockQuotesRequest, StockTradesRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import GetCalendarRequest

from marketdata.adapters import alpaca_actions
from marketdata.adapters.answers import Forward, in_period, instant, mapping, number, sequence
from marketdata.adapters.base import Capabilities, Page, ProviderFailed, Session, Source
from marketdata.adapters.http import GuardedSession, Limits, open_session
from marketdata.domain.addresses import check_address
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import US_EXCHANGES, AssetClass, Listing

NEW_YORK = ZoneInfo("America/New_York")
FRAMES = {
    Timeframe.MINUTE: TimeFrame(1, TimeFrameUnit.Minute),
    Timeframe.FIVE_MINUTES: TimeFrame(5, TimeFrameUnit.Minute),
    Timeframe.QUARTER_HOUR: TimeFrame(15, TimeFrameUnit.Minute),
    Timeframe.HOUR: TimeFrame(1, TimeFrameUnit.Hour),
    Timeframe.DAY: TimeFrame(1, TimeFrameUnit.Day),
}
BAR = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "vwap": "vw", "trade_count": "n"}
QUOTE = {"bid": "bp", "ask": "ap", "bid_size": "bs", "ask_size": "as"}
TICK = {"price": "p", "size": "s"}
PAGE_LIMIT, ACTIONS_LIMIT = 10_000, 1_000
FIRST = datetime(2015, 1, 1, tzinfo=UTC)  # nothing older is kept there
HERE = "https://data.alpaca.markets"

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A list to be paged through: where it is, under which name it comes, and how its rows are read."""

    client: RESTClient
    path: str
    under: str
    fields: Mapping[str, Any]
    time_of: Callable[[Mapping[str, Any]], datetime]
    row_of: Callable[[Mapping[str, Any]], Row]

    def chosen(self, rows: list[tuple[datetime, Any]]) -> list[tuple[datetime, Any]]:
        """Return the last of the quotes of each microsecond: they come by the nanosecond; of anything else all."""
        return list(dict(rows).items()) if self.under == "quotes" else rows


class AlpacaProvider(Source):
    """Alpaca's market data, by a key of one's own; `feed` is `iex` (free, one exchange) or `sip` (all of them)."""

    def __init__(
        self,
        *,
        key_id: str,
        secret_key: str,
        url: str = HERE,
        trading_url: str = "https://paper-api.alpaca.markets",
        feed: str = "iex",
        per_minute: float = 200,
        name: str = "alpaca",
        limits: Limits | None = None,
    ) -> None:
        exchanges = frozenset(US_EXCHANGES)
        kinds = frozenset({AssetClass.EQUITY, AssetClass.ETF})
        super().__init__(
            name,
            Capabilities(
                timeframes=frozenset(Timeframe),
                quotes=True,
                ticks=True,
                corporate_actions=True,
                calendar=True,
                needs_credentials=True,
                asset_classes=kinds,
                exchanges=exchanges,
            ),
        )
        if not key_id or not secret_key:
            raise ValueError("Alpaca needs ALPACA_KEY_ID and ALPACA_SECRET_KEY.")
        self.feed = DataFeed(feed)
        self._session = open_session(
            name=name, per_minute=per_minute, traffic=self.traffic, secrets=(key_id, secret_key), limits=limits
        )
        hosts = self._session.gate.hosts
        keys: dict[str, Any] = {"api_key": key_id, "secret_key": secret_key, "raw_data": True}
        self._stocks = _guarded(StockHistoricalDataClient(url_override=check_address(url, hosts), **keys), self._session)
        self._actions = _guarded(CorporateActionsClient(url_override=check_address(url, hosts), **keys), self._session)
        self._trading = _guarded(TradingClient(url_override=check_address(trading_url, hosts), **keys), self._session)

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the bars of a share that start in [start, end), not adjusted for anything.

        :raises ProviderFailed: if it does not answer, or not what was asked
        """
        if not self.covers(listing, timeframe):
            self._refuse(f"{timeframe} bars of {listing.key}")
        start, daily = max(start, FIRST), timeframe is Timeframe.DAY
        request = StockBarsRequest(
            symbol_or_symbols=listing.symbol,
            timeframe=FRAMES[timeframe],
            start=_new_york(start) if daily else start,
            end=_new_york(end) if daily else end,
            adjustment=Adjustment.RAW,
            feed=self.feed,
            limit=PAGE_LIMIT,
        )
        # A day there begins at midnight in New York, here at midnight in UTC.
        time_of = _market_day if daily else _time
        asked = _Asked(self._stocks, "/stocks/bars", "bars", request.to_request_fields(), time_of, _bar)
        yield from self._pages(asked, listing, start, end)

    def quotes(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the quotes of a share in [start, end).

        :raises ProviderFailed: if it does not answer, or not what was asked
        """
        request = StockQuotesRequest(
            symbol_or_symbols=listing.symbol, start=start, end=end, feed=self.feed, limit=PAGE_LIMIT
        )  # fmt: skip
        yield from self._history("quotes", request.to_request_fields(), _quote, listing, (start, end))

    def ticks(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the trades in a share in [start, end).

        :raises ProviderFailed: if it does not answer, or not what was asked
        """
        request = StockTradesRequest(
            symbol_or_symbols=listing.symbol, start=start, end=end, feed=self.feed, limit=PAGE_LIMIT
        )  # fmt: skip
        yield from self._history("trades", request.to_request_fields(), _tick, listing, (start, end))

    def corporate_actions(self, listing: Listing, start: date, end: date) -> Iterator[Page]:
        """Yield what a company did to its shares, by ex-dates in [start, end).

        :raises ProviderFailed: if it does not answer, or not what was asked
        """
        if not self.capabilities.fits(listing):
            self._refuse(f"corporate actions of {listing.key}")
        start = max(start, FIRST.date())
        if start >= end:
            return
        fields = CorporateActionsRequest(start=start, end=end - timedelta(days=1), limit=ACTIONS_LIMIT).to_request_fields()
        fields |= {"symbols": listing.symbol}
        forward = Forward(f"{self.name}, corporate actions of {listing.key}")
        rows: list[Row] = []
        while True:
            answer = self._get(self._actions, "/corporate-actions", fields, "corporate_actions")
            rows += alpaca_actions.rows_of(answer.get("corporate_actions"), listing, forward.what, self.traffic.skip)
            token = forward.token(answer.get("next_page_token"))
            if token is None:
                break
            fields |= {"page_token": token}
        kept = [row for row in rows if str(start) <= str(row["ex_date"]) < str(end)]
        if kept:
            kept.sort(key=_by_day)
            yield Page(tuple(kept))

    def sessions(self, exchange: str, start: date, end: date) -> Iterator[Session]:
        """Yield the days of [start, end) on which the US exchanges trade.

        :raises ProviderFailed: if it does not answer
        """
        if exchange not in self.capabilities.exchanges:
            self._refuse(f"a calendar of {exchange}")
        if start >= end:
            return
        what = f"{self.name}, calendar"
        fields = GetCalendarRequest(start=start, end=end - timedelta(days=1)).to_request_fields()
        for each in sequence(self._asked(self._trading, "/calendar", fields), what):
            day = mapping(each, what)
            opens_at, closes_at = (_wall(day.get("date"), day.get(name), what) for name in ("open", "close"))
            if start <= opens_at.astimezone(NEW_YORK).date() < end:
                yield Session(opens_at.astimezone(NEW_YORK).date(), opens_at, closes_at)

    def _history(
        self, kind: str, fields: dict[str, Any], row_of: Callable[[Mapping[str, Any]], Row], listing: Listing,
        period: tuple[datetime, datetime],
    ) -> Iterator[Page]:  # fmt: skip
        if not self.capabilities.fits(listing):
            self._refuse(f"{kind} of {listing.key}")
        start, end = max(period[0], FIRST), period[1]
        fields |= {"start": start.isoformat()}
        yield from self._pages(_Asked(self._stocks, f"/stocks/{kind}", kind, fields, _time, row_of), listing, start, end)

    def _pages(self, asked: _Asked, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Page through a list, each page looked at before the next is asked for."""
        forward = Forward(f"{self.name}, {asked.under} of {listing.key}")
        fields = dict(asked.fields)
        while start < end:
            answer = self._get(asked.client, asked.path, fields, asked.under)
            lists = mapping(answer.get(asked.under) or {}, forward.what)
            if set(lists) - {listing.symbol}:
                others = ", ".join(sorted(set(lists) - {listing.symbol}))[:60]
                raise ProviderFailed(f"{forward.what}: it sends {others}.")
            came = [mapping(each, forward.what) for each in sequence(lists.get(listing.symbol) or [], forward.what)]
            timed = in_period(((asked.time_of(each), each) for each in came), start, end, forward.what)
            rows = tuple({"timestamp": at} | asked.row_of(each) for at, each in asked.chosen(forward.rows(timed)))
            if rows:
                yield Page(rows)
            token = forward.token(answer.get("next_page_token"))
            if token is None:
                return
            fields |= {"page_token": token}

    def _get(self, client: RESTClient, path: str, fields: Mapping[str, Any], under: str) -> Mapping[str, Any]:
        answer = mapping(self._asked(client, path, fields), f"{self.name}: the answer")
        if under not in answer:
            raise ProviderFailed(f"{self.name}: the answer holds no {under}.")
        return answer

    def _asked(self, client: RESTClient, path: str, fields: Mapping[str, Any]) -> Any:
        return client.get(path, dict(fields))


def _guarded(client: Any, session: GuardedSession) -> Any:
    """Return a client of alpaca-py that asks through our session: it alone tries again, and no key leaves by an error."""
    client._session = session
    client._one_request = _one_request_of(session)
    return client


def _one_request_of(session: GuardedSession) -> Callable[..., Any]:
    def one_request(method: str, url: str, opts: dict[str, Any], retry: int) -> Any:
        response = session.request(method, url, **opts)
        refusal = session.refusal_of(response)
        if refusal is not None:
            raise refusal
        return response.json()

    return one_request


def _by_day(row: Row) -> tuple[str, str]:
    return str(row["ex_date"]), str(row["kind"])


def _time(row: Mapping[str, Any]) -> datetime:
    """Return the time of a row; nanoseconds are cut to the microseconds that are stored."""
    return instant(row.get("t"), "Alpaca")


def _market_day(row: Mapping[str, Any]) -> datetime:
    """Return the day of the market that a daily bar is of, as its midnight in UTC."""
    return datetime.combine(_time(row).astimezone(NEW_YORK).date(), time(), UTC)


def _new_york(day: datetime) -> datetime:
    """Return when a day begins in New York that is given as a time in UTC."""
    return datetime.combine(day.astimezone(UTC).date(), time(), NEW_YORK) + (day - datetime.combine(day.date(), time(), UTC))


def _wall(day: object, clock: object, what: str) -> datetime:
    """Return the instant of a time in New York."""
    try:
        at = datetime.fromisoformat(f"{day}T{clock}")
    except ValueError:
        at = instant(f"{day}T{clock}", what)
    return at.replace(tzinfo=NEW_YORK).astimezone(UTC)


def _bar(row: Mapping[str, Any]) -> Row:
    return {name: number(name, row.get(key)) for name, key in BAR.items()}


def _quote(row: Mapping[str, Any]) -> Row:
    return {name: number(name, row.get(key)) for name, key in QUOTE.items()}


def _tick(row: Mapping[str, Any]) -> Row:
    conditions = row.get("c")
    text = " ".join(map(str, conditions)).strip() if isinstance(conditions, list) else ""
    return {name: number(name, row.get(key)) for name, key in TICK.items()} | {"conditions": text[:100]}
