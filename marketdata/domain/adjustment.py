"""Prices before a split, made comparable with those after it, and back again.

A split of two for one halves the price and doubles the number of shares. So a bar of a day before the ex-date is *adjusted* by
dividing its prices, and multiplying its volume, by the ratio of every split that came after its day. Some sources send bars that
are adjusted already; such a bar says through which day, and those splits are not applied to it a second time. The *raw* view
takes them out again: it shows what was traded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction

from marketdata.domain.actions import ActionKind

PRICE_PLACES, SIZE_PLACES = 10, 12
ONE = Fraction(1)
_EXACT = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Split:
    """From its ex-date on, `ratio` units stand for each unit before."""

    ex_date: date
    ratio: Decimal


def split_of(kind: str, ex_date: date, ratio: Decimal) -> Split:
    """Return the split that a corporate action amounts to; a stock dividend adds to each share.

    >>> split_of("STOCK_DIVIDEND", date(2024, 6, 10), Decimal("0.05")).ratio
    Decimal('1.05')
    """
    return Split(ex_date, ratio + 1 if kind == ActionKind.STOCK_DIVIDEND else ratio)


def raw_ratio(splits: Iterable[Split], *, day: date, adjusted_through: date | None) -> Fraction:
    """Return what the stored prices of a day have to be multiplied by to become those that were traded.

    >>> splits = [Split(date(2020, 8, 31), Decimal(4)), Split(date(2024, 6, 10), Decimal(10))]
    >>> raw_ratio(splits, day=date(2020, 1, 2), adjusted_through=None)  # as traded
    Fraction(1, 1)
    >>> raw_ratio(splits, day=date(2020, 1, 2), adjusted_through=date(2022, 12, 30))  # the first split is in the price
    Fraction(4, 1)
    """
    if adjusted_through is None:
        return ONE
    return _product(split for split in splits if day < split.ex_date <= adjusted_through)


def adjusted_ratio(splits: Iterable[Split], *, day: date, adjusted_through: date | None, as_of: date | None) -> Fraction:
    """Return what the stored prices of a day have to be multiplied by to be comparable with those of `as_of`.

    A split that is only announced on that day has not happened; without `as_of` every split that is known counts.

    >>> splits = [Split(date(2020, 8, 31), Decimal(4)), Split(date(2024, 6, 10), Decimal(10))]
    >>> adjusted_ratio(splits, day=date(2020, 1, 2), adjusted_through=None, as_of=None)
    Fraction(1, 40)
    >>> adjusted_ratio(splits, day=date(2020, 1, 2), adjusted_through=date(2022, 12, 30), as_of=None)  # not a second time
    Fraction(1, 10)
    >>> adjusted_ratio(splits, day=date(2020, 1, 2), adjusted_through=None, as_of=date(2024, 6, 9))
    Fraction(1, 4)
    >>> adjusted_ratio(splits, day=date(2024, 6, 10), adjusted_through=None, as_of=None)  # the ex-date itself trades new shares
    Fraction(1, 1)
    """
    splits = list(splits)
    wanted = _product(split for split in splits if day < split.ex_date and (as_of is None or split.ex_date <= as_of))
    return raw_ratio(splits, day=day, adjusted_through=adjusted_through) / wanted


def scaled(values: Sequence[Decimal | None], ratio: Fraction, *, places: int = PRICE_PLACES) -> list[Decimal | None]:
    """Return exact multiples of numbers, rounded to places, halves to the even neighbor.

    A price of 500 before splits of four and of ten for one, and the volume of that day, which goes the other way:

    >>> scaled([Decimal("500.25"), None], Fraction(1, 40))
    [Decimal('12.5062500000'), None]
    >>> scaled([Decimal(1000)], 1 / Fraction(1, 40), places=SIZE_PLACES)
    [Decimal('40000.000000000000')]
    >>> scaled([Decimal(100)], Fraction(1, 3))
    [Decimal('33.3333333333')]
    """
    numerator, denominator = ratio.numerator * 10**places, ratio.denominator
    return [None if value is None else _quotient(value, numerator, denominator, places) for value in values]


def scaled_one(value: Decimal, ratio: Fraction, *, places: int = PRICE_PLACES) -> Decimal:
    """Return the exact multiple of one number, rounded likewise."""
    return _quotient(value, ratio.numerator * 10**places, ratio.denominator, places)


def _quotient(value: Decimal, numerator: int, denominator: int, places: int) -> Decimal:
    """Return value x numerator / denominator of the last place, halves to the even neighbor."""
    top, bottom = value.as_integer_ratio()
    return Decimal(round(Fraction(top * numerator, bottom * denominator))).scaleb(-places, _EXACT)


def _product(splits: Iterable[Split]) -> Fraction:
    """Return the product of ratios."""
    product = ONE
    for split in splits:
        product *= Fraction(split.ratio)
    return product
