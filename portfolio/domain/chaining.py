"""The time-weighted index of many days at once: the figures of `returns.linked`, one day after the other, to the last digit.

An index of 18 places times an amount is beyond machine integers, and each day's is rounded before the next one is taken from it.
So the index is first guessed with 64 bits, to whole last places A(t). How far the guess misses a day is small, and integers that
wrap around keep it exactly: m = A(t) end - A(t+1) start. Then the true index is A(t) + e(t), with
e(t+1) = e(t) + round((m + e(t) (end - start)) / start): whole numbers of a few digits, found by going over all days until none of
them moves any more. A quotient so near to a half that floats can't tell is worked out by itself, and so are all after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.columns import Numbers
from portfolio.domain.exact import Digits
from portfolio.domain.returns import INDEX_PLACES

ONE = 10**INDEX_PLACES
LONG = np.longdouble
BITS_OF_LONG, NEEDED = int(np.finfo(LONG).nmant), 63  # what a machine lacks costs time alone
BOUND = 1 << 62  # of the guess
STEEPEST, FARTHEST, DOUBT = 1e3, 1e6, 1e-7  # within them floats tell on which side of a half a quotient is
TURNS = 32
FEWEST, RESTLESS = 16, 25.0  # days that are worth it, and the sum of all moves from which on they don't settle soon


@dataclass(frozen=True, slots=True)
class Chained:
    """The time-weighted index: its values as whole numbers, one for each day it moved on, and which of them each day has."""

    values: Digits
    turns: Numbers  # how many of the values each day has behind it; the first is that before the first day

    def floats(self) -> NDArray[np.float64]:
        """Return the values as floats, each the nearest there is."""
        return nearest(self.values)

    def integers(self) -> list[int]:
        """Return the index of each day."""
        found: list[int] = self.values[self.turns].tolist()
        return found


def chained(
    total: Digits, into: Digits, out: Digits, gaps: NDArray[np.bool_] | None = None, *, before: int = 0, index: int = ONE
) -> Chained:
    """Return the index of successive days: the figures of `returns.chain`; all amounts are in the same places.

    `gaps` are the days that have no return, as something held lacked a price.
    """
    if gaps is not None:
        whole = np.flatnonzero(~gaps)
        flows = (np.diff(np.cumsum(flow)[whole], prepend=flow[:1] * 0) for flow in (into, out))
        few = chained(total[whole], *flows, before=before, index=index)
        return Chained(few.values, np.concatenate(([0], few.turns))[np.cumsum(~gaps)])
    start = np.concatenate((total[:1] * 0 + before, total[:-1])) + into
    end = total + out
    moved = ((start > 0) & (start != end)).astype(bool)
    return Chained(linked_all(start[moved], np.maximum(end[moved], 0), index), np.cumsum(moved))


def linked_all(starts: Digits, ends: Digits, index: int = ONE) -> Digits:
    """Return an index and what it is after each of some days that started with one amount and ended with another.

    >>> linked_all(np.array([100, 300]), np.array([110, 200]), 30).tolist()
    [30, 33, 22]
    """
    found = _at_once(starts, ends, index) if len(starts) >= FEWEST else None
    if found is None:
        return _as_array(_one_by_one(starts, ends, index))
    done = len(found) - 1
    if done == len(starts):
        return found
    return np.concatenate((found[:-1], _as_array(_one_by_one(starts[done:], ends[done:], int(found[-1])))))


def _one_by_one(starts: Digits, ends: Digits, index: int) -> list[int]:
    """Return an index and what it is after each of some days, in integers of any size."""
    values = [index]
    for start, half, end in zip(starts.tolist(), (starts // 2).tolist(), ends.tolist(), strict=True):
        index, rest = divmod(index * end + half, start)
        if not rest and index & 1 and not start & 1:  # it was half way: to the even neighbor
            index -= 1
        values.append(index)
    return values


def _as_array(values: list[int]) -> Digits:
    """Return whole numbers from zero on as an array of the type in which they fit."""
    return np.array(values, dtype=np.int64 if max(values) < BOUND else object)


def _at_once(starts: Digits, ends: Digits, index: int) -> Numbers | None:
    """Return an index and what it is after as many of the first days as machine numbers tell for sure."""
    if BITS_OF_LONG < NEEDED or object in (starts.dtype, ends.dtype) or index >= BOUND:
        return None
    steepness = (ends - starts) / starts
    if not bool(np.abs(steepness).sum() < RESTLESS):
        return None
    factors = np.empty(len(starts) + 1, dtype=LONG)
    factors[0] = index
    np.divide(ends.astype(LONG), starts, out=factors[1:])
    guess = np.rint(np.cumprod(factors))
    if not bool(guess.max() < BOUND):
        upto = int(np.argmin(guess < BOUND))
        return _at_once(starts[: upto - 1], ends[: upto - 1], index) if upto > FEWEST else None
    near = guess.astype(np.int64)
    missed = (near[:-1] * ends - near[1:] * starts) / starts
    beside = _beside(missed, steepness)
    sure = len(beside) - 1
    quotients = missed[:sure] + beside[:-1] * steepness[:sure]
    doubtful = np.abs(np.abs(quotients - np.rint(quotients)) - 0.5) < DOUBT
    doubtful |= (np.abs(quotients) > FARTHEST) | (steepness[:sure] > STEEPEST)
    if bool(doubtful.any()):
        sure = int(np.argmax(doubtful))
    found: Numbers = near[: sure + 1] + beside[: sure + 1]
    return found


def _beside(missed: NDArray[np.float64], steepness: NDArray[np.float64]) -> Numbers:
    """Return how far the index is beside the guess, from the first day on as far as it does not move any more."""
    count = len(missed)
    found = np.zeros(count + 1, dtype=np.int64)
    settled = 0
    for _ in range(TURNS):
        steps = np.rint(missed[settled:] + found[settled:-1] * steepness[settled:])
        after = np.cumsum(np.clip(steps, -FARTHEST, FARTHEST).astype(np.int64)) + found[settled]
        moved = after != found[settled + 1 :]
        found[settled + 1 :] = after
        if not bool(moved.any()):
            return found
        settled += int(np.argmax(moved)) + 1
    return found[: settled + 1]


def nearest(values: Digits) -> NDArray[np.float64]:
    """Return an index of whole last places as floats, each the nearest there is.

    >>> nearest(np.array([10**18, 10**17 + 1])).tolist()
    [1.0, 0.1]
    """
    if values.dtype == object or BITS_OF_LONG < NEEDED:
        return np.array([value / ONE for value in values.tolist()])
    wide = values.astype(LONG) / LONG(ONE)
    found = wide.astype(np.float64)
    # what was rounded to the very middle between two floats may belong to the other one
    twice = 2 * (wide - found).astype(np.float64)
    for place in np.flatnonzero((twice != 0) & ((found + twice) - found == twice)).tolist():
        found[place] = int(values[place]) / ONE
    return found


__all__ = ["ONE", "Chained", "chained", "linked_all", "nearest"]
