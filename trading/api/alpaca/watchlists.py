"""Watchlists: those of the person whose token it is, the same for all their accounts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import caller
from accounts.domain.roles import Role
from accounts.models import Watchlist
from accounts.services.watchlists import NameTaken, change_watchlist, create_watchlist, delete_watchlist
from marketdata.models import Instrument
from trading.api.alpaca.assets import asset_row
from trading.api.alpaca.base import AccountView
from trading.api.alpaca.errors import UNPROCESSABLE, BadField, NotFound, Refusal
from trading.api.alpaca.symbols import find, find_all
from trading.api.alpaca.words import as_uuid, stamp

MOST, LONGEST = 1_000, 64
WRITES = frozenset({"POST", "PUT", "DELETE"})
NAME_TAKEN = "watchlist name must be unique"


class WatchlistsMixin(AccountView):
    """Finds the caller's lists; whoever may look at the account has lists of their own."""

    write_role = Role.VIEWER
    works_when_closed = WRITES

    def lists(self) -> QuerySet[Watchlist]:
        """Return the caller's lists."""
        return Watchlist.objects.visible_to(caller(self.request))

    def by_id(self, watchlist_id: str) -> Watchlist:
        """Return one of them.

        :raises NotFound: if there is none of that id
        """
        key = as_uuid(watchlist_id)
        return self.known(self.lists().filter(pk=key).first() if key else None)

    def by_name(self) -> Watchlist:
        """Return the one whose name the query gives.

        :raises NotFound: if there is none
        """
        name = self.request.query_params.get("name", "")
        return self.known(self.lists().filter(name=name).first() if name.isprintable() else None)

    def known(self, found: Watchlist | None) -> Watchlist:
        """Return a list that was found.

        :raises NotFound: if none was
        """
        if found is None:
            raise NotFound("watchlist not found")
        return found

    def changed(self, watchlist: Watchlist, **changes: Any) -> Response:
        """Change a list, and answer it."""
        try:
            return Response(self.row(change_watchlist(watchlist=watchlist, at=timezone.now(), **changes)))
        except NameTaken:
            raise Refusal(UNPROCESSABLE, NAME_TAKEN) from None

    def updated(self, watchlist: Watchlist) -> Response:
        """Give a list another name, other symbols, or both."""
        body = self.body
        name = name_of(body) if body.get("name") is not None else None
        symbols = symbols_of(body) if body.get("symbols") is not None else None
        return self.changed(watchlist, name=name, instruments=symbols)

    def added(self, watchlist: Watchlist) -> Response:
        """Put one more on a list."""
        return self.changed(watchlist, instruments=[*members(watchlist), one_of(self.body.get("symbol"))])

    def row(self, watchlist: Watchlist, *, assets: bool = True) -> dict[str, Any]:
        """Return a list as Alpaca tells it."""
        row: dict[str, Any] = {
            "id": watchlist.pk,
            "account_id": self.account.pk,
            "created_at": stamp(watchlist.created_at),
            "updated_at": stamp(watchlist.created_at),
            "name": watchlist.name,
        }
        return row | {"assets": [asset_row(one) for one in members(watchlist)]} if assets else row


class WatchlistsView(WatchlistsMixin):
    """All of the caller's lists."""

    def get(self, request: Request) -> Response:
        """List them, without what is on them."""
        return Response([self.row(one, assets=False) for one in self.lists().order_by("name")])

    def post(self, request: Request) -> Response:
        """Make a list."""
        body = self.body
        instruments = symbols_of(body) if body.get("symbols") is not None else []
        try:
            made = create_watchlist(user=caller(request), name=name_of(body), instruments=instruments, at=timezone.now())
        except NameTaken:
            raise Refusal(UNPROCESSABLE, NAME_TAKEN) from None
        return Response(self.row(made))


class WatchlistView(WatchlistsMixin):
    """One list by its id."""

    def get(self, request: Request, watchlist_id: str) -> Response:
        """Return the list."""
        return Response(self.row(self.by_id(watchlist_id)))

    def put(self, request: Request, watchlist_id: str) -> Response:
        """Change the list."""
        return self.updated(self.by_id(watchlist_id))

    def post(self, request: Request, watchlist_id: str) -> Response:
        """Put one more on the list."""
        return self.added(self.by_id(watchlist_id))

    def delete(self, request: Request, watchlist_id: str) -> Response:
        """Throw the list away."""
        delete_watchlist(watchlist=self.by_id(watchlist_id))
        return Response(status=204)


class WatchlistByNameView(WatchlistsMixin):
    """One list by its name."""

    def get(self, request: Request) -> Response:
        """Return the list."""
        return Response(self.row(self.by_name()))

    def put(self, request: Request) -> Response:
        """Change the list."""
        return self.updated(self.by_name())

    def post(self, request: Request) -> Response:
        """Put one more on the list."""
        return self.added(self.by_name())

    def delete(self, request: Request) -> Response:
        """Throw the list away."""
        delete_watchlist(watchlist=self.by_name())
        return Response(status=204)


class WatchlistAssetView(WatchlistsMixin):
    """One of those on a list."""

    def delete(self, request: Request, watchlist_id: str, symbol: str) -> Response:
        """Take it off the list."""
        watchlist, gone = self.by_id(watchlist_id), find(symbol)
        left = [one for one in members(watchlist) if gone is None or one.pk != gone.pk]
        if gone is None or len(left) == watchlist.instruments.count():
            raise NotFound(f"{symbol} is not on the watchlist")
        return self.changed(watchlist, instruments=left)


def members(watchlist: Watchlist) -> list[Instrument]:
    """Return what is on a list, in the order in which it was put there."""
    rows = Watchlist.instruments.through.objects.filter(watchlist=watchlist.pk).select_related("instrument").order_by("pk")
    return [row.instrument for row in rows]


def name_of(body: Any) -> str:
    """Return the name that a body gives.

    :raises BadField: if it gives none
    """
    name = body.get("name")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST:
        raise BadField(f"name must be a text of at most {LONGEST} characters")
    return name.strip()


def symbols_of(body: Any) -> list[Instrument]:
    """Return what the symbols of a body mean, each once, in their order.

    :raises Refusal: if one of them means nothing
    """
    symbols = body.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(each, str) for each in symbols) or len(symbols) > MOST:
        raise BadField(f"symbols must be a list of at most {MOST} texts")
    found = find_all(symbols)
    _refuse_unknown(each for each in symbols if each not in found)
    return list(dict.fromkeys(found[each] for each in symbols))


def one_of(symbol: Any) -> Instrument:
    """Return what a symbol means.

    :raises Refusal: if it means nothing
    """
    if not isinstance(symbol, str) or not symbol:
        raise BadField("symbol is required")
    found = find(symbol)
    if found is None:
        _refuse_unknown([symbol])
    assert found is not None  # noqa: S101  # just refused
    return found


def _refuse_unknown(symbols: Iterable[str]) -> None:
    for symbol in symbols:
        raise Refusal(UNPROCESSABLE, f'asset "{symbol}" not found')
