"""Fills as entries of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from accounts.domain.ledger import EntryDraft, EntryKind, cash_of_trade
from portfolio.domain.exact import EXACT, ZERO, plain
from trading.domain.fills import Fill
from trading.domain.orders import PositionEffect, Side, entry_kind

SOURCE = "fill"


@dataclass(frozen=True, slots=True)
class Entries:
    """What the ledger entries of an order's fills have in common."""

    kind: EntryKind
    sign: int
    instrument_id: UUID
    currency: str
    multiplier: Decimal
    data: Mapping[str, str]

    @classmethod
    def of_order(
        cls,
        *,
        side: Side,
        effect: PositionEffect,
        order_id: UUID,
        instrument_id: UUID,
        currency: str,
        multiplier: Decimal = Decimal(1),
    ) -> Entries:
        """Return them for an order; side and effect say what a fill of it is."""
        return cls(entry_kind(side, effect), side.sign, instrument_id, currency, multiplier, {"order": str(order_id)})

    def of(self, fill: Fill) -> EntryDraft:
        """Return the ledger entry of a fill: its cash by quantity, price and fee; posted once by its id.

        The ledger knows no fee below zero: a rebate is in the cash, and the entry says so.
        """
        quantity, fee = fill.quantity * self.sign, max(fill.fee, ZERO)
        draft = EntryDraft(
            kind=self.kind,
            occurred_at=fill.at,
            currency=self.currency,
            instrument_id=self.instrument_id,
            quantity=quantity,
            price=fill.price,
            cash=cash_of_trade(quantity, fill.price, self.multiplier, fee),
            fee=fee,
            multiplier=self.multiplier,
            data=self.data,
            source=SOURCE,
            external_id=fill.execution_id,
        )
        if fill.fee >= 0:
            return draft
        said = {"rounding": f"The market paid {plain(-fill.fee)} for the trade."}
        return replace(draft, cash=EXACT.subtract(draft.cash, fill.fee), data={**draft.data, **said})
