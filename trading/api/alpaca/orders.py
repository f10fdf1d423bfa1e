"""Orders: placed, listed, replaced and canceled as Alpaca's clients do it."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import caller
from marketdata.domain.instruments import AssetClass
from marketdata.models import Instrument
from trading.api.alpaca.base import AccountView
from trading.api.alpaca.errors import UNPROCESSABLE, BadField, NotFound, Refusal, answer
from trading.api.alpaca.order_words import SIDES, change_of, draft_of, intent_asked, intent_of, order_row, status_of
from trading.api.alpaca.placing import PlacingView
from trading.api.alpaca.symbols import find, find_all
from trading.api.alpaca.words import as_uuid, choice, flag, instant, listed, whole
from trading.models import Order
from trading.models.orders import IS_OPEN
from trading.selectors.order_groups import legs_of, replaced_by, rolled_up
from trading.services.orders import RiskBreached, cancel_all, cancel_order, place_order, replace_order
from trading.services.refusals import NotAsThingsStand

PAGE, MOST = 50, 500
GROUP = 3  # orders placed in one instant: a page ends after all of them
MULTI = 207
STATUSES = {"open": IS_OPEN, "closed": ~IS_OPEN, "all": Q()}
CURSORS = {"after_order_id": "gt", "before_order_id": "lt"}
CRYPTO, OPTIONS = Q(instrument__asset_class=AssetClass.CRYPTO), Q(instrument__asset_class=AssetClass.OPTION)
ALL, OPTION = "all", "us_option"
CLASSES = {ALL: Q(pk__isnull=False), "crypto": CRYPTO, OPTION: OPTIONS, "us_equity": ~CRYPTO & ~OPTIONS}
DIRECTIONS = {"desc": ("-created_at", "-pk"), "asc": ("created_at", "pk")}


class OrdersMixin(AccountView):
    """Finds the orders of the account."""

    def orders(self) -> QuerySet[Order]:
        """Return those that the caller may see."""
        rows = Order.objects.visible_to(caller(self.request)).filter(account=self.account)
        return rows.select_related("instrument", "account")

    def order(self, order_id: str) -> Order:
        """Return one of them.

        :raises NotFound: if there is none of that id
        """
        key = as_uuid(order_id)
        found = self.orders().filter(pk=key).first() if key else None
        if found is None:
            raise NotFound(f"order not found for {order_id}")
        return found

    def told(self, order: Order, *, nested: bool = True) -> dict[str, Any]:
        """Return an order, with its legs if they are to be nested."""
        return self.rows([order], nested=nested)[0]

    def rows(self, orders: list[Order], *, nested: bool) -> list[dict[str, Any]]:
        """Return orders, with their legs if they are to be nested."""
        legs: dict[UUID, list[Order]] = legs_of(self.account, orders) if nested else {}
        after = replaced_by(self.account, orders)
        return [order_row(one, legs=legs.get(one.pk), replaced_by=after.get(one.pk)) for one in orders]


class OrdersView(OrdersMixin, PlacingView):
    """All orders of the account."""

    works_when_closed = frozenset({"DELETE"})

    def get(self, request: Request) -> Response:
        """List orders: the open ones, unless others are asked for, the newest first."""
        query = request.query_params
        limit = whole(query.get("limit"), "limit", default=PAGE, most=MOST)
        nested = flag(query.get("nested"), "nested")
        matching = self.matching()
        rows = self.orders().filter(matching)
        rows = (rolled_up(rows, matching) if nested else rows).filter(self.beyond())
        direction = choice(query.get("direction"), "direction", DIRECTIONS, "desc")
        found = list(rows.order_by(*direction)[: limit + GROUP])
        page = [one for n, one in enumerate(found) if n < limit or one.created_at == found[limit - 1].created_at]
        return Response(self.rows(page, nested=nested))

    def post(self, request: Request) -> HttpResponse:
        """Place an order."""
        body = self.body
        draft, intent = draft_of(body), intent_asked(body)
        instrument = asset_of(body)
        try:
            rows = place_order(account=self.account, instrument=instrument, draft=draft, by=self.by)
        except NotAsThingsStand as refusal:
            return answer(*self.not_placed(refusal, instrument, draft))
        if intent and intent != intent_of(rows[0]):
            raise Refusal(UNPROCESSABLE, f"position_intent is {intent}, but as the position stands it is {intent_of(rows[0])}")
        return Response(self.told(rows[0]))

    def delete(self, request: Request) -> Response:
        """Cancel all open orders, and answer for each."""
        done = cancel_all(account=self.account, by=self.by)
        return Response([{"id": one.pk, "status": 200} for one in done], MULTI)

    def beyond(self) -> Q:
        """Return which orders come behind the one that a page ended with, or before it.

        :raises BadField: if there is no such order, or times are given as well
        """
        query = self.request.query_params
        said = {word: query[name] for name, word in CURSORS.items() if query.get(name)}
        if not said:
            return Q()
        if len(said) > 1 or query.get("after") or query.get("until"):
            raise BadField("only one of after_order_id, before_order_id, and after or until can be given")
        [(word, order_id)] = said.items()
        key = as_uuid(order_id)
        found = self.orders().filter(pk=key).first() if key else None
        if found is None:
            raise BadField(f"order not found for {order_id}")
        return Q(**{f"created_at__{word}": found.created_at}) | Q(created_at=found.created_at, **{f"pk__{word}": found.pk})

    def matching(self) -> Q:
        """Return which orders are asked for."""
        query = self.request.query_params
        found = choice(query.get("status"), "status", STATUSES, "open")
        if after := instant(query.get("after"), "after"):
            found &= Q(created_at__gt=after)
        if until := instant(query.get("until"), "until"):
            found &= Q(created_at__lt=until)
        if side := query.get("side"):
            found &= Q(side=choice(side, "side", SIDES))
        classes = listed(query.get("asset_class", "").lower()) or [ALL]
        found &= reduce(or_, (choice(each, "asset_class", CLASSES) for each in classes))
        if symbols := listed(query.get("symbols")):
            meant = [each.pk for each in find_all(symbols).values()]
            of_options = Q(instrument__underlying__in=meant) if OPTION in classes else Q()  # go by what they are options on, too
            found &= Q(instrument__in=meant) | of_options
        return found


class OrderView(OrdersMixin):
    """One order."""

    works_when_closed = frozenset({"DELETE"})

    def get(self, request: Request, order_id: str) -> Response:
        """Return an order."""
        return Response(self.told(self.order(order_id), nested=flag(request.query_params.get("nested"), "nested")))

    def patch(self, request: Request, order_id: str) -> HttpResponse:
        """Replace an order, and answer the one that takes its place."""
        order = self.order(order_id)
        try:
            made = replace_order(order=order, change=change_of(self.body, order), by=self.by)
        except RiskBreached as refusal:
            return self.keeping(refusal)
        return Response(self.told(made))

    def delete(self, request: Request, order_id: str) -> Response:
        """Cancel an order, or ask the broker to."""
        order = self.order(order_id)
        if not order.is_open:
            raise Refusal(UNPROCESSABLE, f'order is already in "{status_of(order)}" state')
        cancel_order(order=order, by=self.by)
        return Response(status=204)


class OrderByClientIdView(OrdersMixin):
    """One order by the id that the client gave it."""

    def get(self, request: Request) -> Response:
        """Return an order."""
        said = request.query_params.get("client_order_id", "")
        found = self.orders().filter(client_order_id=said).first() if said.isprintable() else None
        if not said:
            raise BadField("client_order_id is required")
        if found is None:
            raise NotFound(f"order not found for {said}")
        return Response(self.told(found, nested=flag(request.query_params.get("nested"), "nested")))


def asset_of(body: Any) -> Instrument:
    """Return the instrument that a body names.

    :raises Refusal: if there is none
    """
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise BadField("symbol is required")
    found = find(symbol)
    if found is None:
        raise Refusal(UNPROCESSABLE, f'asset "{symbol}" not found')
    return found
