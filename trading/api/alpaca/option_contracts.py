"""Options as contracts of their underlying."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.domain.instruments import AssetClass
from marketdata.models import Instrument
from trading.api.alpaca.base import AlpacaView
from trading.api.alpaca.errors import BadField, NotFound
from trading.api.alpaca.symbols import find, find_all, symbol_of
from trading.api.alpaca.words import as_uuid, choice, day, digits, listed, number, whole

PAGE, MOST = 100, 10_000
STATUSES = {"": Q(active=True), "active": Q(active=True), "inactive": Q(active=False)}
RIGHTS = {"": Q(), "call": Q(right="CALL"), "put": Q(right="PUT")}
STYLES = {"": Q(), "american": Q(), "european": Q(pk__in=[])}  # all are told as American
BOUNDS = {"": "exact", "_gte": "gte", "_lte": "lte"}


class OptionContractsView(AlpacaView):
    """The options of some underlyings, or of all."""

    def get(self, request: Request) -> Response:
        """Return a page of contracts."""
        query = request.query_params
        limit = whole(query.get("limit"), "limit", default=PAGE, most=MOST)
        asked = choice(query.get("status"), "status", STATUSES) & choice(query.get("type"), "type", RIGHTS)
        if names := listed(query.get("underlying_symbols")):
            asked &= Q(underlying__in=[each.pk for each in find_all(names).values()])
        if root := query.get("root_symbol"):
            asked &= Q(underlying=find(root))
        asked &= choice(query.get("style"), "style", STYLES)
        for suffix, word in BOUNDS.items():
            if on := day(query.get(f"expiration_date{suffix}"), f"expiration_date{suffix}"):
                asked &= Q(**{f"expiry__{word}": on})
            strike = number(query.get(f"strike_price{suffix}"), f"strike_price{suffix}")
            if strike is not None:
                asked &= Q(**{f"strike__{word}": strike})
        if token := query.get("page_token"):
            asked &= Q(pk__gt=_key(token))
        rows = Instrument.objects.filter(asked, asset_class=AssetClass.OPTION, underlying__isnull=False)
        found = list(rows.select_related("underlying").order_by("pk")[: limit + 1])
        after = str(found[limit - 1].pk) if len(found) > limit else None
        return Response({"option_contracts": [contract_row(one) for one in found[:limit]], "next_page_token": after})


class OptionContractView(AlpacaView):
    """One of them."""

    def get(self, request: Request, symbol: str) -> Response:
        """Return a contract by its symbol, key or id."""
        found = find(symbol)
        if found is None or found.asset_class != AssetClass.OPTION or found.underlying is None:
            raise NotFound(f"option contract not found for {symbol}")
        return Response(contract_row(found))


def contract_row(option: Instrument) -> dict[str, Any]:
    """Return an option as Alpaca tells a contract; how it may be exercised is not known here, and told as American."""
    assert option.underlying is not None  # noqa: S101  # asked for
    underlying = symbol_of(option.underlying)
    return {
        "id": option.pk,
        "symbol": symbol_of(option),
        "name": option.name,
        "status": "active" if option.active else "inactive",
        "tradable": option.active,
        "expiration_date": option.expiry,
        "root_symbol": underlying,
        "underlying_symbol": underlying,
        "underlying_asset_id": option.underlying_id,
        "type": option.right.lower(),
        "style": "american",
        "strike_price": digits(option.strike),
        "size": digits(option.multiplier),
        "multiplier": digits(option.multiplier),
        "open_interest": None,
        "open_interest_date": None,
        "close_price": None,
        "close_price_date": None,
    }


def _key(token: str) -> Any:
    """Return the id that a page token is.

    :raises BadField: if it is none
    """
    key = as_uuid(token)
    if key is None:
        raise BadField("page_token must be that of an answer")
    return key
