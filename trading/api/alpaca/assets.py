"""Instruments as assets."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.domain.instruments import CRYPTO_MARKET, US_EXCHANGES, AssetClass
from marketdata.models import Instrument
from trading.api.alpaca.base import AlpacaView
from trading.api.alpaca.errors import NotFound
from trading.api.alpaca.symbols import EXCHANGES, class_of, exchange_of, find, symbol_of
from trading.api.alpaca.words import choice, digits, listed
from trading.domain.alpaca_symbols import OPTION_MARKETS

STATUSES = {"": Q(), "all": Q(), "active": Q(active=True), "inactive": Q(active=False)}
SHARES = (AssetClass.EQUITY, AssetClass.ETF)
CLASSES = {
    "": Q(asset_class__in=SHARES, exchange__in=US_EXCHANGES),
    "us_equity": Q(asset_class__in=SHARES, exchange__in=US_EXCHANGES),
    "us_option": Q(asset_class=AssetClass.OPTION, exchange__in=(*US_EXCHANGES, *OPTION_MARKETS)),
    "crypto": Q(asset_class=AssetClass.CRYPTO, exchange=CRYPTO_MARKET),
    "all": ~Q(asset_class=AssetClass.INDEX),
}
WHOLE = frozenset({AssetClass.OPTION, AssetClass.FUTURE})


class AssetsView(AlpacaView):
    """What can be traded."""

    def get(self, request: Request) -> Response:
        """List the assets: shares and funds in the US, unless another class, or `all`, is asked for."""
        query = request.query_params
        asked = choice(query.get("status"), "status", STATUSES) & choice(query.get("asset_class"), "asset_class", CLASSES)
        if exchange := query.get("exchange"):
            asked &= Q(exchange__in=[mic for mic, name in EXCHANGES.items() if name == exchange.upper()])
        if listed(query.get("attributes")):
            return Response([])  # none has any
        rows = Instrument.objects.filter(asked).order_by("symbol", "exchange")
        return Response([asset_row(one) for one in rows.iterator()])


class AssetView(AlpacaView):
    """One of them."""

    def get(self, request: Request, symbol: str) -> Response:
        """Return the asset of a symbol, a key or an id."""
        found = find(symbol)
        if found is None:
            raise NotFound(f"asset not found for {symbol}")
        return Response(asset_row(found))


def asset_row(instrument: Instrument) -> dict[str, Any]:
    """Return an instrument as Alpaca tells an asset."""
    tradable = instrument.active and instrument.asset_class != AssetClass.INDEX
    is_share = instrument.asset_class in SHARES
    row: dict[str, Any] = {
        "id": instrument.pk,
        "class": class_of(instrument),
        "exchange": exchange_of(instrument),
        "symbol": symbol_of(instrument),
        "name": instrument.name,
        "status": "active" if instrument.active else "inactive",
        "tradable": tradable,
        "marginable": False,
        "maintenance_margin_requirement": 100,
        "shortable": tradable and is_share,
        "easy_to_borrow": tradable and is_share,
        "fractionable": tradable and instrument.asset_class not in WHOLE,
        "attributes": [],
    }
    if instrument.tick_size is not None:
        row["price_increment"] = digits(instrument.tick_size)
    return row
