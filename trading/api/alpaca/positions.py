"""Positions: listed, and closed one by one or all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.domain.instruments import AssetClass
from marketdata.domain.money import round_to
from portfolio.domain.exact import EXACT, ZERO
from trading.api.alpaca.errors import FORBIDDEN, UNPROCESSABLE, BadField, NotFound, Refusal, answer
from trading.api.alpaca.order_words import order_row
from trading.api.alpaca.placing import PlacingView
from trading.api.alpaca.symbols import class_of, exchange_of, find, symbol_of
from trading.api.alpaca.words import digits, flag, number
from trading.domain.drafts import OrderDraft
from trading.domain.orders import Side, TimeInForce
from trading.models import Order
from trading.selectors.holdings import Held, change_of, held_in
from trading.services.closing import close_after_cancels
from trading.services.orders import cancel_all, place_order
from trading.services.refusals import NotAsThingsStand

Place = Callable[..., list[Order]]  # as `place_order`
NO_POSITION = "position does not exist"
PLACES = 10
PERCENT = Decimal(100)
SMALLEST = Decimal("1e-9")
MULTI, PLACED = 207, 200


@dataclass(frozen=True, slots=True)
class Book:
    """What an account holds, and what open orders will close of it, by instrument."""

    positions: list[Held]
    closing: Mapping[UUID, Decimal]


class PositionsMixin(PlacingView):
    """Finds the positions of the account."""

    def book(self) -> Book:
        """Return what is held now."""
        closing = self.standing().reserves.closing
        return Book(held_in(self.account), closing)

    def held(self, book: Book, symbol: str) -> Held:
        """Return one position.

        :raises NotFound: if nothing is held
        """
        instrument = find(symbol)
        found = next((one for one in book.positions if instrument and one.instrument.pk == instrument.pk), None)
        if found is None:
            raise NotFound(NO_POSITION if instrument else f"symbol not found: {symbol}")
        return found

    def close(self, held: Held, quantity: Decimal, *, place: Place = place_order) -> tuple[int, dict[str, Any]]:
        """Place the order that closes some of a position; return the status and the body that tell of it, or of its refusal."""
        around_the_clock = held.instrument.asset_class == AssetClass.CRYPTO
        draft = OrderDraft(
            side=Side.SELL if held.quantity > 0 else Side.BUY,
            quantity=quantity,
            time_in_force=TimeInForce.GTC if around_the_clock else TimeInForce.DAY,
        )
        try:
            return PLACED, order_row(place(account=self.account, instrument=held.instrument, draft=draft, by=self.by)[0])
        except NotAsThingsStand as refusal:
            return self.not_placed(refusal, held.instrument, draft)
        except ValidationError as refusal:
            return self.refused(refusal)


class PositionsView(PositionsMixin):
    """All positions of the account."""

    def get(self, request: Request) -> Response:
        """List the positions."""
        book = self.book()
        return Response([position_row(one, book.closing) for one in book.positions])

    def delete(self, request: Request) -> Response:
        """Close all positions, and answer for each; with `cancel_orders` the open orders are canceled first.

        Where a broker has them the orders that close wait for its answers.
        """
        place: Place = place_order
        if flag(request.query_params.get("cancel_orders"), "cancel_orders"):
            cancel_all(account=self.account, by=self.by)
            place = close_after_cancels
        return Response([self.closed(one, place) for one in self.book().positions], MULTI)

    def closed(self, held: Held, place: Place) -> dict[str, Any]:
        """Close a position, and say what came of it."""
        status, body = self.close(held, abs(held.quantity), place=place)
        row = {"symbol": symbol_of(held.instrument), "status": status, "body": body}
        return row | {"order_id": body["id"]} if status == PLACED else row


class PositionView(PositionsMixin):
    """One position."""

    def get(self, request: Request, symbol: str) -> Response:
        """Return a position."""
        book = self.book()
        return Response(position_row(self.held(book, symbol), book.closing))

    def delete(self, request: Request, symbol: str) -> HttpResponse:
        """Close a position, or some of it, and answer the order that does."""
        held = self.held(self.book(), symbol)
        return answer(*self.close(held, part_of(held, request.query_params)))


class ExerciseView(PositionsMixin):
    """The exercise of an option that is held."""

    def post(self, request: Request, symbol: str) -> HttpResponse:
        """Say that it is not done here.

        :raises Refusal: always
        """
        held = self.held(self.book(), symbol)
        if held.instrument.asset_class != AssetClass.OPTION:
            raise Refusal(UNPROCESSABLE, f"{symbol_of(held.instrument)} is not an option contract")
        raise Refusal(FORBIDDEN, "options are not exercised by this API: tell the broker, and record what came of it")


def part_of(held: Held, query: Mapping[str, Any]) -> Decimal:
    """Return how much of a position is to be closed; a share of whole units is in whole units.

    :raises Refusal: if the query makes no sense
    """
    quantity, percentage = number(query.get("qty"), "qty"), number(query.get("percentage"), "percentage")
    if quantity is not None and percentage is not None:
        raise BadField("only one of qty or percentage can be given")
    whole = abs(held.quantity)
    if percentage is not None:
        if not 0 < percentage <= PERCENT:
            raise BadField("percentage must be above 0 and at most 100")
        if percentage == PERCENT:
            return whole
        is_whole = whole == whole.to_integral_value() and held.instrument.asset_class != AssetClass.CRYPTO
        quantity = EXACT.divide(EXACT.multiply(whole, percentage), PERCENT)
        quantity = quantity.quantize(Decimal(1) if is_whole else SMALLEST, rounding=ROUND_DOWN, context=EXACT)
    if quantity is not None and quantity <= 0:
        raise BadField("qty must be > 0")
    return whole if quantity is None else quantity


def position_row(held: Held, closing: Mapping[UUID, Decimal]) -> dict[str, Any]:
    """Return a position as Alpaca tells it; amounts are in the instrument's currency."""
    instrument, cost = held.instrument, abs(held.cost_basis)
    gain, day_gain, value = held.gain, held.day_gain, held.value
    before = None if value is None or day_gain is None else abs(EXACT.subtract(value, day_gain))
    left = max(EXACT.subtract(abs(held.quantity), closing.get(instrument.pk, ZERO)), ZERO)
    return {
        "asset_id": instrument.pk,
        "symbol": symbol_of(instrument),
        "exchange": exchange_of(instrument),
        "asset_class": class_of(instrument),
        "asset_marginable": False,
        "qty": digits(held.quantity),
        "qty_available": digits(left if held.quantity > 0 else EXACT.minus(left)),
        "avg_entry_price": rounded(held.average_price),
        "side": "long" if held.quantity > 0 else "short",
        "market_value": rounded(value),
        "cost_basis": rounded(held.cost_basis),
        "unrealized_pl": rounded(gain),
        "unrealized_plpc": rounded(share(gain, cost)),
        "unrealized_intraday_pl": rounded(day_gain),
        "unrealized_intraday_plpc": rounded(share(day_gain, before)),
        "current_price": rounded(held.price),
        "lastday_price": rounded(held.close),
        "change_today": rounded(change_of(held.price, held.close)),
    }


def share(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Return a part as a fraction of the whole, none where it cannot be told."""
    return None if part is None or not whole else EXACT.divide(part, whole)


def rounded(value: Decimal | None) -> str | None:
    """Return a derived number as text."""
    return None if value is None else digits(round_to(value, PLACES))
