"""Lots by FIFO, whole columns at a time: the figures of `Book.trade`, to the last digit.

Laid end to end, the units bought of an instrument fill a line, and so do those sold, in the order of happening. Where the two
overlap, a sale closes a lot. The cost of a part is rounded, so the parts of one lot follow each other: all first parts are
computed together, then all second ones, until none is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.columns import BUY, OF_ACCOUNT, SELL, Columns, Numbers, halves_to_even, picked
from portfolio.domain.exact import MONEY_PLACES, Digits, Fixed, widened


@dataclass(frozen=True, slots=True)
class Holdings:
    """Entries of instruments, by instrument and in the order of happening, and the units held after each."""

    columns: Columns
    starts: Numbers  # where the entries of each instrument begin, and where the last ones end
    held: Fixed

    @classmethod
    def of(cls, ordered: Columns) -> Holdings:
        """Return what entries, given in order, make of holdings; those of the account itself come first and are left out."""
        starts = np.searchsorted(ordered.what, np.arange(len(ordered.instruments) + 1))
        quantity = ordered.quantity
        digits = widened(quantity.digits, quantity.peak * max(len(ordered), 1))
        running = np.cumsum(digits)
        before = np.concatenate((running[:1] * 0, running))[starts[:-1]] if len(running) else starts[:-1]
        counts = np.diff(starts)
        held = running.copy()
        held[starts[0] :] -= np.repeat(before, counts)
        return cls(ordered, starts, Fixed(held, quantity.places, quantity.peak * max(len(ordered), 1)))

    def went_short(self) -> Numbers:
        """Return the places of instruments of which more was sold than held at some time."""
        below = (self.held.digits < 0).astype(bool) & (self.columns.what != OF_ACCOUNT)
        return np.unique(self.columns.what[below])


@dataclass(frozen=True, slots=True)
class Matched:
    """What sales took of purchases, part by part, and what is left of each purchase; indices are those of the columns.

    Quantities are in the places of the columns, amounts in those of money; both whole numbers.
    """

    opening: Numbers
    closing: Numbers
    quantity: Digits
    cost: Digits
    proceeds: Digits
    lots: Numbers
    left: Digits
    left_cost: Digits

    def in_order(self, columns: Columns) -> NDArray[np.intp]:
        """Return the order in which the parts were closed over all instruments."""
        firsts, counts = runs(self.closing)  # the parts of a sale lie side by side, in order
        sales = self.closing[firsts]
        order = np.lexsort((columns.sequence[sales], columns.at[sales]))
        counts = counts[order]
        return np.repeat(firsts[order] - (np.cumsum(counts) - counts), counts) + np.arange(len(self.closing))


def by_fifo(holdings: Holdings) -> Matched:
    """Return which sale closed how much of which purchase; nothing may have been held short."""
    columns, starts = holdings.columns, holdings.starts
    quantity = columns.quantity
    cash = columns.cash.at(MONEY_PLACES)
    digits = widened(quantity.digits, quantity.peak * max(len(columns), 1))
    bought, sold = np.flatnonzero(columns.kind == BUY), np.flatnonzero(columns.kind == SELL)
    ends, sizes = np.cumsum(digits[bought]), -digits[sold]
    sold_ends = np.cumsum(sizes)
    # the sales of an instrument start where its purchases do
    shift = _before(ends, bought, starts) - _before(sold_ends, sold, starts)
    sold_ends = sold_ends + np.repeat(shift, np.diff(np.searchsorted(sold, starts)))
    sold_starts = sold_ends - sizes
    first, last = np.searchsorted(ends, sold_starts, side="right"), np.searchsorted(ends, sold_ends, side="left")
    counts = last - first + 1
    sale = np.repeat(np.arange(len(sold)), counts)
    offsets = np.cumsum(counts) - counts
    lot = np.arange(len(sale)) - np.repeat(offsets - first, counts)
    reached = np.minimum(ends[lot], sold_ends[sale]) - sold_starts[sale]
    parts = np.diff(reached, prepend=reached[:1] * 0)
    parts[offsets] = reached[offsets]
    received = widened(cash.digits[sold], cash.peak * quantity.peak)
    upto = halves_to_even(received[sale] * reached, widened(sizes, cash.peak * quantity.peak)[sale])
    proceeds = np.diff(upto, prepend=upto[:1] * 0)
    proceeds[offsets] = upto[offsets]
    left, left_cost = digits[bought], widened(-cash.digits[bought], cash.peak * quantity.peak)
    cost = _costs(lot, parts, left, left_cost)
    kept = np.flatnonzero(left)
    return Matched(bought[lot], sold[sale], parts, cost, proceeds, bought[kept], left[kept], left_cost[kept])


def runs(numbers: Numbers) -> tuple[Numbers, Numbers]:
    """Return where each run of equal numbers begins, and how long it is.

    >>> [found.tolist() for found in runs(np.array([7, 7, 9]))]
    [[0, 2], [2, 1]]
    """
    firsts = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1]))[: len(numbers)])
    return firsts, np.diff(firsts, append=len(numbers))


def _before(running: Digits, indices: Numbers, starts: Numbers) -> Digits:
    """Return how far a running sum was before the first entry of each instrument."""
    return np.concatenate((running[:1] * 0, running))[np.searchsorted(indices, starts[:-1])] if len(running) else starts[:-1] * 0


def _costs(lot: Numbers, parts: Digits, left: Digits, left_cost: Digits) -> Digits:
    """Return the cost of each part, and take units and cost out of what is left of the lots."""
    cost = np.zeros(len(lot), dtype=left_cost.dtype)
    turns = np.arange(len(lot)) - np.repeat(*runs(lot))  # the parts of a lot lie side by side
    order = np.argsort(turns.astype(np.int16) if len(lot) < 1 << 15 or turns.max() < 1 << 15 else turns, kind="stable")
    bounds = np.cumsum(np.bincount(turns)) if len(turns) else np.zeros(0, dtype=np.int64)
    begin = 0
    for end in bounds.tolist():
        these = order[begin:end]
        lots, units = lot[these], parts[these]
        share = halves_to_even(left_cost[lots] * units, left[lots])
        cost[these] = share
        left[lots] -= units
        left_cost[lots] -= share
        begin = end
    return cost


def total(digits: Any, what: Numbers, count: int) -> Digits:
    """Return the sum of whole numbers for each of so many places."""
    peak = int(np.abs(digits).max()) if len(digits) else 0
    wide = widened(digits, peak * max(len(digits), 1))
    found = np.zeros(count, dtype=wide.dtype)
    np.add.at(found, what, wide)
    return found


__all__ = ["Holdings", "Matched", "by_fifo", "picked", "total"]
