"""Alpaca's market data of crypto, which is that of stocks at other addresses: there are pairs alone, and several at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from marketdata.domain.instruments import AssetClass
from marketdata.models import Instrument
from trading.api.alpaca.errors import BAD, Refusal, answer
from trading.api.alpaca.market_data import (
    BarsView,
    LatestBarsView,
    LatestQuotesView,
    LatestTradesView,
    MarketDataView,
    QuotesView,
    SnapshotsView,
    TradesView,
)

LOCATIONS = frozenset({"us", "us-1", "eu-1"})  # at Alpaca places of trading; here it is all one


class CryptoView(MarketDataView):
    """A view of pairs."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a place that Alpaca does not know."""
        super().initial(request, *args, **kwargs)
        location = self.kwargs.pop("location")  # those who answer are not asked for it
        if location not in LOCATIONS:
            raise Refusal(BAD, f"invalid location: {location[:40]}")

    def instruments(self, symbol: str | None) -> dict[str, Instrument]:
        """Return the pairs that are asked for, by their names in order; what is none is left out."""
        found = super().instruments(symbol)
        return {name: one for name, one in found.items() if one.asset_class == AssetClass.CRYPTO}


class CryptoBarsView(CryptoView, BarsView):
    """Bars of pairs."""


class CryptoQuotesView(CryptoView, QuotesView):
    """What was bid and asked."""


class CryptoTradesView(CryptoView, TradesView):
    """What was traded."""


class LatestCryptoBarsView(CryptoView, LatestBarsView):
    """The newest bar of a minute."""


class LatestCryptoQuotesView(CryptoView, LatestQuotesView):
    """The newest quote."""


class LatestCryptoTradesView(CryptoView, LatestTradesView):
    """The newest trade."""


class LatestOrderbooksView(CryptoView, LatestQuotesView):
    """The newest quote as a book of one level: there is no deeper one here."""

    kind = "orderbook"

    def newest(self, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
        """Return the books by pair."""
        return {
            name: {"t": each["t"], "b": [{"p": each["bp"], "s": each["bs"]}], "a": [{"p": each["ap"], "s": each["as"]}]}
            for name, each in super().newest(instruments).items()
        }


class CryptoSnapshotsView(CryptoView, SnapshotsView):
    """What is newest of pairs."""

    def get(self, request: Request, symbol: str | None = None) -> HttpResponse:
        """Return the snapshots of the pairs of which anything is known."""
        return answer(200, {"snapshots": self.shots(self.instruments(symbol))})
