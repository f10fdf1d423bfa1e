"""Fills as entries of the ledger."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from accounts.domain.ledger import EntryDraft, cash_of_trade
from portfolio.domain.exact import EXACT, ZERO, plain
from trading.domain.fills import Fill
from trading.domain.orders import PositionEffect, Side, entry_kind

SOURCE = "fill"


def entry_of(
    fill: Fill,
    *,
    side: Side,
    effect: PositionEffect,
    order_id: UUID,
    instrument_id: UUID,
    currency: str,
    multiplier: Decimal = Decimal(1),
) -> EntryDraft:
    """Return the ledger entry of a fill: its kind by side and effect, its cash by quantity, price and fee; posted once by its id.

    The ledger knows no fee below zero: a rebate is in the cash, and the entry says so.
    """
    quantity, fee = fill.quantity * side.sign, max(fill.fee, ZERO)
    draft = EntryDraft(
        kind=entry_kind(side, effect),
        occurred_at=fill.at,
        currency=currency,
        instrument_id=instrument_id,
        quantity=quantity,
        price=fill.price,
        cash=cash_of_trade(quantity, fill.price, multiplier, fee),
        fee=fee,
        multiplier=multiplier,
        data={"order": str(order_id)},
        source=SOURCE,
        external_id=fill.execution_id,
    )
    if fill.fee >= 0:
        return draft
    said = {"rounding": f"The market paid {plain(-fill.fee)} for the trade."}
    return replace(draft, cash=EXACT.subtract(draft.cash, fill.fee), data={**draft.data, **said})
