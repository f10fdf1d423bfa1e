"""Entries of the plain kinds as columns: whole numbers in arrays instead of one object an entry.

Plain is what asks nothing but its own figures: purchases and sales, dividends, interest, fees and taxes of an instrument, and
money that came from outside or went there, in the currency of what they concern. All else is posted entry by entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accounts.domain.ledger import EntryKind
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, MONEY_PLACES, UNIT_PLACES, Fixed, widened

BUY, SELL, DIVIDEND, INTEREST, FEE, TAX, FLOW = range(7)
KINDS: tuple[str, ...] = (
    EntryKind.BUY,
    EntryKind.SELL,
    EntryKind.DIVIDEND,
    EntryKind.INTEREST,
    EntryKind.FEE,
    EntryKind.TAX,
    EntryKind.DEPOSIT,
    EntryKind.WITHDRAWAL,
)
CODES: dict[str, int] = {kind: code for code, kind in enumerate(KINDS)} | {EntryKind.WITHDRAWAL: FLOW}
OF_ACCOUNT = -1  # in place of an instrument
DAY = 86_400_000_000  # microseconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIX_DAY = EPOCH.toordinal()
MICROSECOND = timedelta(microseconds=1)
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """Plain entries: `what` is the place of the instrument among `instruments`, or `OF_ACCOUNT`; `at` counts microseconds."""

    instruments: Sequence[str]
    currencies: Sequence[str]
    what: Numbers
    kind: Numbers
    sequence: Numbers
    at: Numbers
    currency: Numbers
    quantity: Fixed
    cash: Fixed
    fee: Fixed
    tax: Fixed

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self.what)

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Columns:
        """Return entries, all of plain kinds, as columns."""
        instruments = {entry.instrument: OF_ACCOUNT for entry in entries if entry.instrument is None}
        named = sorted({entry.instrument for entry in entries if entry.instrument is not None})
        places = instruments | {name: place for place, name in enumerate(named)}
        currencies = sorted({entry.currency for entry in entries})
        return cls(
            named,
            currencies,
            np.array([places[entry.instrument] for entry in entries], dtype=np.int64),
            np.array([CODES[entry.kind] for entry in entries], dtype=np.int64),
            np.array([entry.sequence for entry in entries], dtype=np.int64),
            np.array([(entry.occurred_at - EPOCH) // MICROSECOND for entry in entries], dtype=np.int64),
            np.array([currencies.index(entry.currency) for entry in entries], dtype=np.int64),
            Fixed.of([entry.quantity for entry in entries], UNIT_PLACES),
            *(Fixed.of([getattr(entry, name) for entry in entries], MONEY_PLACES) for name in ("cash", "fee", "tax")),
        )

    @property
    def day(self) -> Numbers:
        """The days in UTC on which the entries happened, as ordinals."""
        return self.at // DAY + UNIX_DAY

    def only(self, chosen: NDArray[Any]) -> Columns:
        """Return some of the entries: those of a mask, or of indices in another order."""
        return Columns(
            self.instruments,
            self.currencies,
            *(column[chosen] for column in (self.what, self.kind, self.sequence, self.at, self.currency)),
            *(picked(column, chosen) for column in (self.quantity, self.cash, self.fee, self.tax)),
        )

    def in_order(self) -> Columns:
        """Return the entries by instrument, and in the order of happening within each: what arrives before what leaves."""
        what = self.what.astype(np.int16) if len(self.instruments) < 1 << 15 else self.what  # which is sorted in one go
        order = self._by_time()
        order = np.argsort(what, kind="stable") if order is None else order[np.argsort(what[order], kind="stable")]
        return self._turned(self._arrivals_first(order))

    def _by_time(self) -> NDArray[np.intp] | None:
        """Return the order of times and sequences; none where the entries are in it."""
        at, sequence = self.at, self.sequence
        ordered = bool((sequence[1:] > sequence[:-1]).all())
        if ordered and bool((at[1:] >= at[:-1]).all()):
            return None
        return np.argsort(at, kind="stable") if ordered else np.lexsort((sequence, at))

    @property
    def leaves(self) -> NDArray[np.bool_]:
        """Which entries take something out: they come after those of the same instant that bring something."""
        found: NDArray[np.bool_] = (self.kind == SELL) | ((self.kind == FLOW) & (self.cash.digits < 0).astype(bool))
        return found

    def _arrivals_first(self, order: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return entries ordered by instrument and time with what arrives before what leaves in the same instant."""
        at, what, leaves = self.at.take(order), self.what.take(order), self.leaves.take(order)
        alike = (at[1:] == at[:-1]) & (what[1:] == what[:-1])
        late = np.flatnonzero(alike & leaves[:-1] & ~leaves[1:])
        if len(late):
            groups = np.concatenate(([0], np.cumsum(~alike)))
            mixed = np.zeros(len(order), dtype=bool)
            mixed[groups[late]] = True
            chosen = np.flatnonzero(mixed[groups])
            order[chosen] = order[chosen][np.lexsort((leaves[chosen], groups[chosen]))]
        return order

    def _turned(self, order: NDArray[np.intp]) -> Columns:
        """Return all entries in another order; columns of zeros are as they were."""
        return Columns(
            self.instruments,
            self.currencies,
            self.what.take(order),
            self.kind.take(order),
            self.sequence.take(order),
            self.at.take(order),
            self.currency.take(order) if len(self.currencies) > 1 else self.currency,
            *(picked(column, order) if column.peak else column for column in (self.quantity, self.cash, self.fee, self.tax)),
        )

    def entries(self) -> list[Entry]:
        """Return the entries as values, as far as columns tell."""
        kinds = [str(KINDS[code]) for code in self.kind.tolist()]
        amounts = zip(self.cash.decimals(), self.fee.decimals(), self.tax.decimals(), strict=True)
        rows = zip(kinds, self.what.tolist(), self.sequence.tolist(), self.at.tolist(), self.currency.tolist(), strict=True)
        return [
            Entry(
                f"#{sequence}",
                sequence,
                EntryKind.WITHDRAWAL if code_is_flow(kind) and cash < 0 else kind,
                EPOCH + at * MICROSECOND,
                None if what == OF_ACCOUNT else self.instruments[what],
                quantity,
                None,
                cash,
                self.currencies[currency],
                fee,
                tax,
                {},
                None,
                None,
            )
            for (kind, what, sequence, at, currency), quantity, (cash, fee, tax) in zip(
                rows, self.quantity.decimals(), amounts, strict=True
            )
        ]


def code_is_flow(kind: str) -> bool:
    """Say whether a kind is money from outside."""
    return CODES[kind] == FLOW


def picked(values: Fixed, chosen: NDArray[Any]) -> Fixed:
    """Return some numbers of a vector."""
    return Fixed(values.digits[chosen], values.places, values.peak)


def halves_to_even(numerator: Any, denominator: Any) -> Any:
    """Return whole quotients nearest to fractions with denominators above zero, halves to the even neighbor.

    >>> halves_to_even(np.array([5, 7, -5, 8]), np.array([2, 2, 2, 3])).tolist()
    [2, 4, -2, 3]
    """
    quotient = numerator // denominator
    twice = (numerator - quotient * denominator) * 2
    up = (twice > denominator) | ((twice == denominator) & (quotient % 2 == 1))
    return quotient + up.astype(quotient.dtype)


def sums(values: Fixed, what: Numbers, count: int) -> Any:
    """Return the sum of numbers for each of so many places, in the type in which they fit."""
    digits = widened(values.digits, values.peak * max(len(values), 1))
    found = np.zeros(count, dtype=digits.dtype)
    np.add.at(found, what, digits)
    return found


def as_decimal(number: int, places: int) -> Decimal:
    """Return a whole number of a last place as a decimal."""
    return Decimal(number).scaleb(-places, EXACT)
