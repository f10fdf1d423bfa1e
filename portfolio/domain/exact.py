"""Exact arithmetic: how amounts are rounded and shared out, and vectors of decimals as fast as machine integers allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

ZERO = Decimal(0)
ONE = Decimal(1)
UNIT_PLACES = 12
MONEY_PLACES = 10
UNIT = Decimal(1).scaleb(-UNIT_PLACES)
MONEY = Decimal(1).scaleb(-MONEY_PLACES)

# Digits enough for any product of a quantity, a price and a rate: within it nothing is lost.
RATE_PLACES = 48  # a rate turned round has 28 digits that say something, wherever they start
EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)

Digits = NDArray[Any]  # int64, or Python's own ints where those could overflow
_FITS = 1 << 62
_GLANCE = 15  # numbers looked at before all of them are
_MOST_ZEROS = 18  # that a power of ten in int64 has


def money(amount: Decimal) -> Decimal:
    """Return an amount with the ten decimal places that are kept, halves to the even neighbor.

    >>> money(Decimal("0.12345678905"))
    Decimal('0.1234567890')
    """
    return amount.quantize(MONEY, ROUND_HALF_EVEN, EXACT)


def units(quantity: Decimal) -> Decimal:
    """Return a quantity with the twelve decimal places that are kept, halves to the even neighbor."""
    return quantity.quantize(UNIT, ROUND_HALF_EVEN, EXACT)


def plain(number: Decimal) -> str:
    """Return a number as digits, without exponent and without zeros that say nothing.

    >>> plain(Decimal("1E+3")), plain(Decimal("-0.2500"))
    ('1000', '-0.25')
    """
    return f"{number.normalize(EXACT):f}"


def share(amount: Decimal, part: Decimal, whole: Decimal, place: Decimal = MONEY) -> Decimal:
    """Return what a part of the whole gets of an amount; the whole gets all of it.

    >>> share(Decimal(100), Decimal(1), Decimal(3))
    Decimal('33.3333333333')
    """
    if part == whole:
        return amount
    return EXACT.divide(EXACT.multiply(amount, part), whole).quantize(place, ROUND_HALF_EVEN, EXACT)


def spread(amount: Decimal, weights: Sequence[Decimal], place: Decimal = MONEY) -> list[Decimal]:
    """Return an amount shared out by weights; the shares are rounded, their sum is the amount.

    Each share is the rounded total up to it less the rounded total before it, so no residue is left over.

    >>> spread(Decimal(100), [Decimal(1), Decimal(1), Decimal(1)])
    [Decimal('33.3333333333'), Decimal('33.3333333334'), Decimal('33.3333333333')]
    """
    if len(weights) == 1:
        return [amount]
    whole = sum(weights, ZERO)
    reached = given = ZERO
    shares = []
    for weight in weights:
        reached += weight
        upto = share(amount, reached, whole, place)
        shares.append(upto - given)
        given = upto
    return shares


@dataclass(frozen=True, slots=True)
class Fixed:
    """A vector of exact decimals: whole numbers in units of 10 ** -places, none above `peak` in size.

    The numbers are int64 as long as `peak` proves that they fit, and Python's own integers beyond; results are the same.

    >>> (Fixed.of([Decimal("1.5"), Decimal(2)]) * Fixed.of([Decimal("0.25"), Decimal(3)])).decimals()
    [Decimal('0.375'), Decimal('6.000')]
    """

    digits: Digits
    places: int
    peak: int

    @classmethod
    def of(cls, values: Iterable[Decimal], places: int = UNIT_PLACES) -> Fixed:
        """Return decimals of at most so many places as a vector with as few places as they need."""
        return cls.whole([int(value.scaleb(places, EXACT)) for value in values], places)

    @classmethod
    def whole(cls, numbers: Sequence[int], places: int = 0) -> Fixed:
        """Return whole numbers in units of 10 ** -places as a vector with as few places as they need."""
        peak = max(map(abs, numbers), default=0)
        if peak and len(numbers) <= _GLANCE:  # those are trimmed sooner than a vector of them
            zeros = min(places, *(_zeros_at_end(number) for number in numbers if number))
            numbers, places, peak = [number // 10**zeros for number in numbers], places - zeros, peak // 10**zeros
            return cls(np.array(numbers, dtype=np.int64 if peak < _FITS else object), places, peak)
        return cls.trimmed(np.array(numbers, dtype=np.int64 if peak < _FITS else object), places, peak)

    @classmethod
    def trimmed(cls, digits: Digits, places: int, peak: int) -> Fixed:
        """Return an array of whole numbers as a vector, without the last places if those are zero in all of them."""
        if not peak:
            return cls.zeros(len(digits))
        zeros = min((_zeros_at_end(int(number)) for number in digits[:_GLANCE] if number), default=_MOST_ZEROS)
        zeros = min(zeros, places)
        while zeros and np.any(digits % 10**zeros):
            zeros -= 1
        if zeros:
            digits, places, peak = digits // 10**zeros, places - zeros, peak // 10**zeros
        return cls(digits.astype(np.int64) if peak < _FITS else digits, places, peak)

    @classmethod
    def zeros(cls, length: int) -> Fixed:
        """Return a vector of nothing but zeros."""
        return cls(np.zeros(length, dtype=np.int64), 0, 0)

    def __len__(self) -> int:
        """Return how many numbers there are."""
        return len(self.digits)

    def __mul__(self, other: Fixed) -> Fixed:
        """Return the products, number by number."""
        peak = self.peak * other.peak
        return Fixed(_wide(self.digits, peak) * _wide(other.digits, peak), self.places + other.places, peak)

    def __add__(self, other: Fixed) -> Fixed:
        """Return the sums, number by number."""
        places = max(self.places, other.places)
        ours, theirs = self.at(places), other.at(places)
        peak = ours.peak + theirs.peak
        return Fixed(_wide(ours.digits, peak) + _wide(theirs.digits, peak), places, peak)

    def __neg__(self) -> Fixed:
        """Return the numbers with their signs turned."""
        return Fixed(-self.digits, self.places, self.peak)

    def __abs__(self) -> Fixed:
        """Return the sizes of the numbers."""
        return Fixed(np.abs(self.digits), self.places, self.peak)

    def at(self, places: int) -> Fixed:
        """Return the numbers with other decimal places: more are exact, fewer are rounded, halves to the even neighbor.

        >>> Fixed.of([Decimal("0.125"), Decimal("-0.375")]).at(2).decimals()
        [Decimal('0.12'), Decimal('-0.38')]
        """
        if places == self.places:
            return self
        factor = 10 ** abs(places - self.places)
        if places > self.places:
            peak = self.peak * factor
            return Fixed(_wide(self.digits, peak) * factor, places, peak)
        digits = _wide(self.digits, max(self.peak, factor) * 2)
        floor = digits // factor
        twice = (digits - floor * factor) * 2
        up = (twice > factor) | ((twice == factor) & (floor % 2 == 1))
        return Fixed(floor + up.astype(floor.dtype), places, self.peak // factor + 1)

    def upto(self, places: int) -> Fixed:
        """Return the numbers with at most that many decimal places."""
        return self.at(min(places, self.places))

    def repeated(self, times: NDArray[np.intp]) -> Fixed:
        """Return the vector with each number repeated so many times."""
        return Fixed(np.repeat(self.digits, times), self.places, self.peak)

    def between(self, start: int, stop: int) -> Fixed:
        """Return the numbers from one index up to another."""
        return Fixed(self.digits[start:stop], self.places, self.peak)

    def set_in(self, length: int, start: int) -> Fixed:
        """Return a longer vector of zeros that holds the numbers from an index on."""
        digits = np.zeros(length, dtype=self.digits.dtype)
        digits[start : start + len(self.digits)] = self.digits
        return Fixed(digits, self.places, self.peak)

    def decimal(self, index: int) -> Decimal:
        """Return one number as a decimal."""
        return Decimal(int(self.digits[index])).scaleb(-self.places, EXACT)

    def decimals(self) -> list[Decimal]:
        """Return the numbers as decimals."""
        return [Decimal(number).scaleb(-self.places, EXACT) for number in self.digits.tolist()]

    def integers(self, places: int) -> list[int]:
        """Return the numbers as Python's own integers in units of 10 ** -places, of which there must be enough."""
        factor = 10 ** (places - self.places)
        return [number * factor for number in self.digits.tolist()]


def _wide(digits: Digits, peak: int) -> Digits:
    """Return the numbers in a type in which sizes up to the peak are exact."""
    return digits if peak < _FITS or digits.dtype == object else digits.astype(object)


def widened(digits: Digits, peak: int) -> Digits:
    """Return whole numbers in a type in which sizes up to a peak are exact, and twice that."""
    return _wide(digits, peak * 2)


def _zeros_at_end(number: int) -> int:
    """Return how many zeros a whole number ends in."""
    text = str(number)
    return len(text) - len(text.rstrip("0"))


def divided(numerator: int, denominator: int) -> int:
    """Return the whole quotient nearest to a fraction, halves to the even neighbor.

    >>> divided(5, 2), divided(7, 2), divided(-5, 2), divided(8, 3)
    (2, 4, -2, 3)
    """
    quotient, rest = divmod(numerator, denominator)
    twice = abs(rest) * 2
    return quotient + (twice > abs(denominator) or (twice == abs(denominator) and quotient % 2 == 1))
