"""A crypto exchange as a source, through ccxt: bars, and trades where the exchange hands out its past.

`BTC/USD:CRYPTO` is the exchange's market BTC/USD. Figures come as text, so that none has been a float. ccxt itself keeps to the
exchange's rate.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import ccxt

from marketdata.adapters.answers import Forward, instant, number
from marketdata.adapters.base import Capabilities, Page, ProviderAway, ProviderFailed, ProviderThrottled, Source
from marketdata.adapters.http import Limits, open_session
from marketdata.domain.addresses import check_address
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import CRYPTO_MARKET, AssetClass, Listing

FIRST = datetime(2011, 1, 1, tzinfo=UTC)  # nobody traded before
BARS_AT_ONCE, TRADES_AT_ONCE = 300, 1_000
HANDS_OUT_OLD_TRADES = frozenset({"binance", "binanceus", "kraken"})  # the others know the latest ones alone
QUOTES = ("USDT", "USDC", "USD", "EUR", "GBP", "JPY", "BTC", "ETH")
COLUMNS = ("open", "high", "low", "close", "volume")
MOST_TOLD = 200
NO_SENSE = (TypeError, KeyError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError)


class CryptoProvider(Source):
    """The market data of one exchange, which needs no key; `url` leads to another address of it."""

    def __init__(
        self,
        *,
        exchange: str,
        url: str = "",
        per_minute: float = 600,
        milliseconds_between: int | None = None,
        name: str = "crypto",
        limits: Limits | None = None,
    ) -> None:
        if exchange not in ccxt.exchanges:
            raise ValueError(f"ccxt knows no exchange {exchange}.")
        self._exchange: Any = getattr(ccxt, exchange)({"enableRateLimit": True})
        super().__init__(
            name,
            Capabilities(
                timeframes=frozenset(Timeframe(each) for each in self._exchange.timeframes or () if each in set(Timeframe)),
                ticks=exchange in HANDS_OUT_OLD_TRADES,
                asset_classes=frozenset({AssetClass.CRYPTO}),
                exchanges=frozenset({CRYPTO_MARKET}),
            ),
        )
        session = open_session(name=name, per_minute=per_minute, traffic=self.traffic, limits=limits)
        self._exchange.session = session
        self._exchange.number = str
        self._exchange.on_json_response = partial(json.loads, parse_float=str, parse_constant=str)
        if milliseconds_between is not None:
            self._exchange.rateLimit = milliseconds_between
        if url:
            self._exchange.urls["api"] = _moved(self._exchange.urls["api"], check_address(url, session.gate.hosts))

    def bars(self, listing: Listing, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the bars of a pair that start in [start, end).

        :raises ProviderFailed: if the exchange does not answer, or has no such pair
        """
        if not self.covers(listing, timeframe):
            self._refuse(f"{timeframe} bars of {listing.key}")
        market = self._market(listing)
        since = max(start, FIRST)
        if timeframe is not Timeframe.DAY and since < end:
            since = max(since, self._first_day(market, since, end))
        for page in self._bars(market, timeframe, since, end):
            yield Page(tuple({"timestamp": at, **_figures(figures)} for at, figures in page))

    def ticks(self, listing: Listing, start: datetime, end: datetime) -> Iterator[Page]:
        """Yield the trades in a pair in [start, end).

        :raises ProviderFailed: if the exchange does not answer, or does not hand out old trades
        """
        if not self.capabilities.ticks or not self.capabilities.fits(listing):
            self._refuse(f"trades in {listing.key}")
        market = self._market(listing)
        forward = Forward(f"{self.name}, trades in {market}")
        since, seen = max(start, FIRST), set[tuple[object, ...]]()
        while since < end:
            came = self._ask(partial(self._exchange.fetch_trades, market, _milliseconds(since), TRADES_AT_ONCE))
            timed = [(instant(each.get("timestamp"), forward.what), each) for each in came]
            fresh = [(at, each) for at, each in timed if start <= at < end and _known_by(each) not in seen]
            if rows := forward.rows(fresh):
                yield Page(tuple(_tick(at, each) for at, each in rows))
            last = max((at for at, _ in timed), default=end)
            if last >= end:
                return
            if not fresh:
                if len(came) >= TRADES_AT_ONCE:
                    raise ProviderFailed(f"{forward.what}: more at {last} than it hands out at once.")
                return
            # The trades of the last millisecond come again with the next page: there may be more of them.
            seen = {_known_by(each) for at, each in timed if at == last}
            since = last

    def _bars(self, market: str, timeframe: Timeframe, since: datetime, end: datetime) -> Iterator[list[tuple[datetime, Any]]]:
        what = f"{self.name}, {timeframe} bars of {market}"
        while since < end:
            ask = partial(self._exchange.fetch_ohlcv, market, timeframe.value, _milliseconds(since), BARS_AT_ONCE)
            came = [(instant(each[0], what), each[1:]) for each in self._ask(ask)]
            if rows := [(at, figures) for at, figures in came if since <= at < end]:
                yield rows
            window = since + BARS_AT_ONCE * timeframe.duration
            since = max(at for at, _ in came) + timeframe.duration if came else window

    def _first_day(self, market: str, since: datetime, end: datetime) -> datetime:
        """Return the first day on which a pair was traded, so that years of nothing are not asked for minute by minute."""
        if Timeframe.DAY not in self.capabilities.timeframes:
            return since
        page = next(self._bars(market, Timeframe.DAY, Timeframe.DAY.start_of(since), end), None)
        return page[0][0] if page else end

    def _market(self, listing: Listing) -> str:
        """Return what the exchange calls a pair."""
        self._ask(self._exchange.load_markets)
        names = [listing.symbol]
        names += [f"{listing.symbol.removesuffix(each)}/{each}" for each in QUOTES if listing.symbol.endswith(each)]
        found = next((name for name in names if name in self._exchange.markets), None)
        if found is None:
            self._refuse(f"market {listing.symbol}")
        return found

    def _ask(self, request: Callable[[], Any]) -> Any:
        """Return what the exchange answers.

        :raises ProviderFailed: if it does not
        """
        try:
            return request()
        except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as error:
            raise ProviderThrottled(f"{self.name}: {str(error)[:MOST_TOLD]}") from error
        except (ccxt.NetworkError, ccxt.AuthenticationError) as error:
            raise ProviderAway(f"{self.name}: {str(error)[:MOST_TOLD]}") from error
        except ccxt.BaseError as error:
            raise ProviderFailed(f"{self.name}: {str(error)[:MOST_TOLD]}") from error
        except NO_SENSE as error:
            raise ProviderFailed(f"{self.name}: its answer makes no sense ({type(error).__name__}: {error}).") from error


def _figures(figures: list[Any]) -> dict[str, object]:
    return {name: number(name, value) for name, value in zip(COLUMNS, figures, strict=False)}


def _tick(at: datetime, trade: Mapping[str, Any]) -> dict[str, object]:
    return {
        "timestamp": at,
        "price": number("price", trade.get("price")),
        "size": number("size", trade.get("amount")),
        "conditions": str(trade.get("side") or ""),
    }


def _known_by(trade: Mapping[str, Any]) -> tuple[object, ...]:
    return trade.get("timestamp"), str(trade.get("price")), str(trade.get("amount")), trade.get("side")


def _milliseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _moved(urls: Any, to: str) -> Any:
    """Return the addresses of an exchange with another server in front of their paths."""
    if isinstance(urls, Mapping):
        return {name: _moved(url, to) for name, url in urls.items()}
    return to + urlsplit(str(urls)).path
