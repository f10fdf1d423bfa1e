"""Orders that are refused for how things stand, with the amounts that clients look at."""

from __future__ import annotations

from typing import Any

from marketdata.models import Instrument
from portfolio.domain.exact import EXACT, ZERO
from trading.api.alpaca.base import AccountView
from trading.api.alpaca.errors import SAID
from trading.api.alpaca.symbols import symbol_of
from trading.api.alpaca.words import digits
from trading.domain.drafts import OrderDraft
from trading.domain.orders import PositionEffect
from trading.models import Order
from trading.selectors.risk import standing_of
from trading.services.orders import preview_order
from trading.services.refusals import NotAsThingsStand

TOO_MANY, TOO_DEAR = frozenset({"crosses_zero", "reserved_by_orders"}), SAID["buying_power"]


class PlacingView(AccountView):
    """A view that places orders."""

    def not_placed(self, refusal: NotAsThingsStand, instrument: Instrument, draft: OrderDraft) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of a refusal; what was recorded of it is kept."""
        status, body = self.refused(refusal)
        if refusal.code in TOO_MANY:
            body |= self.left(instrument, draft)
        elif body["message"].startswith(TOO_DEAR):
            found = preview_order(account=self.account, instrument=instrument, draft=draft, by=self.by).assessment
            body |= {"buying_power": digits(found.standing.exposure.buying_power), "cost_basis": digits(found.value)}
        return status, body

    def left(self, instrument: Instrument, draft: OrderDraft) -> dict[str, Any]:
        """Return how much of a position is left to be closed, and which orders will close the rest."""
        standing = standing_of(self.account, at=self.by.at, instrument=instrument)
        existing = abs(standing.held)
        reserved = min(standing.reserves.closing.get(instrument.pk, ZERO), existing)
        closing = Order.objects.open().filter(account=self.account, instrument=instrument, effect=PositionEffect.CLOSE)
        free, asked = digits(EXACT.subtract(existing, reserved)), digits(draft.quantity or draft.notional)
        return {
            "message": f"insufficient qty available for order (requested: {asked}, available: {free})",
            "symbol": symbol_of(instrument),
            "existing_qty": digits(existing),
            "held_for_orders": digits(reserved),
            "available": free,
            "related_orders": list(closing.order_by("pk").values_list("pk", flat=True)),
        }
