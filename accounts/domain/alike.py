"""Drafts that are looked at together: trades of one order differ in their figures alone."""

from collections.abc import Iterable
from operator import attrgetter

from accounts.domain.ledger import (
    CENT_OF_CENTS,
    EARLIEST,
    EXACT,
    MONEY_LIMITS,
    QUANTITY_LIMITS,
    SMALLEST_UNIT,
    TAKES_CASH,
    TEXT_LIMITS,
    TRADES,
    ZERO,
    EntryDraft,
    cash_of_trade,
)

_SHARED = attrgetter(  # by trades of one order
    *("kind", "currency", "instrument_id", "tax", "multiplier", "source", "tags", "reason_primary", "reason_explanation", "notes")
)


def check_all(drafts: Iterable[EntryDraft]) -> None:
    """Refuse drafts as `check` does; one that is as good as the one before, which has passed, is passed at a glance.

    :raises EntryRefused: naming every field that is wrong with the first that breaks the rules
    """
    before = None
    for draft in drafts:
        if before is None or not as_good_as(draft, before):
            draft.check()
        before = draft


def as_good_as(draft: EntryDraft, passed: EntryDraft) -> bool:
    """Say whether a trade is like one that has passed, say of the same order, but for figures that are good at a glance.

    Where it says no, the draft may be good all the same: a look at all of its fields tells.
    """
    quantity, price, cash, fee, at = draft.quantity, draft.price, draft.cash, draft.fee, draft.occurred_at
    return (
        draft.data is passed.data
        and draft.kind in TRADES
        and _SHARED(draft) == _SHARED(passed)
        and len(draft.external_id) <= TEXT_LIMITS["external_id"]
        and draft.external_id.isprintable()
        and at.tzinfo is not None
        and at >= EARLIEST
        and price is not None
        and quantity.is_finite()
        and price.is_finite()
        and fee.is_finite()
        and quantity.adjusted() < QUANTITY_LIMITS["digits"]
        and max(price.adjusted(), fee.adjusted(), cash.adjusted()) < MONEY_LIMITS["digits"]
        and quantity != ZERO
        and (quantity > ZERO) is (passed.quantity > ZERO)
        and price >= ZERO
        and fee >= ZERO
        and EXACT.quantize(quantity, SMALLEST_UNIT) == quantity
        and EXACT.quantize(price, CENT_OF_CENTS) == price
        and EXACT.quantize(fee, CENT_OF_CENTS) == fee
        and cash == cash_of_trade(quantity, price, draft.multiplier, fee + draft.tax)
        and (cash <= ZERO if draft.kind in TAKES_CASH else cash >= -(fee + draft.tax))
    )
