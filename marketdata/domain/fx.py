"""Rates between currencies, from those stored: as they are, the other way round, or across a third currency."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from marketdata.domain.money import cross, inverse

Pair = tuple[str, str]
Rates = Mapping[date, Decimal]

# Central banks publish against one of these two, so nearly every pair can be crossed over one of them.
HUBS = ("EUR", "USD")


def legs_of(pairs: Iterable[Pair]) -> set[Pair]:
    """Return every stored pair that may say something about the pairs asked for.

    >>> sorted(legs_of([("EUR", "USD")]))
    [('EUR', 'USD'), ('USD', 'EUR')]
    """
    legs = set()
    for base, quote in pairs:
        ends = [(base, quote)] + [leg for hub in HUBS if hub not in {base, quote} for leg in ((base, hub), (hub, quote))]
        legs |= {leg for end in ends for leg in (end, end[::-1])}
    return legs


def rates_of(pair: Pair, stored: Mapping[Pair, Rates]) -> dict[date, Decimal]:
    """Return the rates of a pair in the order of their days; a day that no stored rate speaks of is left out.

    A stored rate beats the inverse of one, and either beats a cross. A cross is made on days on which both its legs
    have a rate, so that it is never older on one side than it looks.

    >>> monday = date(2024, 1, 1)
    >>> rates_of(("GBP", "USD"), {("EUR", "USD"): {monday: Decimal("1.2")}, ("EUR", "GBP"): {monday: Decimal("0.8")}})
    {datetime.date(2024, 1, 1): Decimal('1.500')}
    """
    found = _either_way(pair, stored)
    base, quote = pair
    for hub in HUBS:
        if found or hub in pair:
            continue
        first, second = _either_way((base, hub), stored), _either_way((hub, quote), stored)
        found = {day: cross(rate, second[day]) for day, rate in first.items() if day in second}
    return dict(sorted(found.items()))


def _either_way(pair: Pair, stored: Mapping[Pair, Rates]) -> dict[date, Decimal]:
    """Return the rates stored for a pair, filled from those of the pair turned round."""
    turned = {day: inverse(rate) for day, rate in stored.get(pair[::-1], {}).items()}
    return turned | dict(stored.get(pair, {}))
