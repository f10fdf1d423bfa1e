"""Rates between currencies, from those stored: as they are, the other way round, or across a third currency."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from marketdata.domain.money import MINOR_UNITS, cross, inverse, major_unit, plain

Pair = tuple[str, str]
Day = date  # where a field is called date
Rates = Mapping[date, Decimal]

# Central banks publish against one of these two, so nearly every pair can be crossed over one of them.
HUBS = ("EUR", "USD")


def legs_of(pairs: Iterable[Pair]) -> set[Pair]:
    """Return every stored pair that may say something about the pairs asked for.

    >>> sorted(legs_of([("EUR", "USD")]))
    [('EUR', 'USD'), ('USD', 'EUR')]
    """
    legs = set()
    for base, quote in (_majors(pair) for pair in pairs):
        if base == quote:
            continue
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
    if pair[0] in MINOR_UNITS or pair[1] in MINOR_UNITS:
        return _of_small_coins(pair, stored)
    found = _either_way(pair, stored)
    base, quote = pair
    for hub in HUBS:
        if found or hub in pair:
            continue
        first, second = _either_way((base, hub), stored), _either_way((hub, quote), stored)
        found = {day: cross(rate, second[day]) for day, rate in first.items() if day in second}
    return dict(sorted(found.items()))


def _majors(pair: Pair) -> Pair:
    """Return the pair of the currencies that small coins are a part of."""
    base, quote = (major_unit(code)[0] if code in MINOR_UNITS else code for code in pair)
    return base, quote


def _of_small_coins(pair: Pair, stored: Mapping[Pair, Rates]) -> dict[date, Decimal]:
    """Return the rates of a pair in which pence or the like are: exactly a hundredth, or the hundredfold, of the currency's.

    Between pence and pounds it holds from the first day of the calendar on.
    """
    majors = _majors(pair)
    units, parts = (major_unit(code)[1] if code in MINOR_UNITS else Decimal(1) for code in pair)
    factor = cross(units, inverse(parts))
    found = {date.min: Decimal(1)} if majors[0] == majors[1] else rates_of(majors, stored)
    return {day: cross(rate, factor) for day, rate in found.items()}


def _either_way(pair: Pair, stored: Mapping[Pair, Rates]) -> dict[date, Decimal]:
    """Return the rates stored for a pair, filled from those of the pair turned round."""
    turned = {day: inverse(rate) for day, rate in stored.get(pair[::-1], {}).items()}
    return turned | dict(stored.get(pair, {}))


@dataclass(frozen=True, slots=True)
class Leg:
    """A rate that is stored: of the pair as it is written there, on the day it is of."""

    pair: Pair
    date: date
    rate: Decimal


@dataclass(frozen=True, slots=True)
class KnownRate:
    """What one unit of the base was worth on a day by what was known then, and what that follows from.

    `path` says how: `same` currency, `direct` as stored, `inverse`, or `via` a third currency.
    """

    rate: Decimal
    date: date
    path: str
    legs: tuple[Leg, ...]

    def age(self, day: Day) -> int:
        """Return how many days old the rate is on a day."""
        return (day - self.date).days

    def stale(self, day: Day, *, after: int) -> bool:
        """Say whether the rate has been carried further than a number of days.

        >>> rate = KnownRate(Decimal(1), date(2024, 1, 5), "direct", ())
        >>> rate.stale(date(2024, 1, 12), after=7), rate.stale(date(2024, 1, 13), after=7)
        (False, True)
        """
        return self.age(day) > after


def known_rate(pair: Pair, day: date, legs: Mapping[str, Sequence[Leg]]) -> KnownRate | None:
    """Return the rate of a pair by the last legs known on a day; None where no stored rate speaks of it by then.

    `legs` holds what is known by its path: `direct` and `inverse` one leg each, `via EUR` and `via USD` two of one day. As in
    `rates_of`, a pair that is stored beats a cross, the later day beats the earlier one, and on one day the pair itself beats
    its inverse. A rate is never taken from a later day.

    >>> monday = date(2024, 1, 1)
    >>> known_rate(("USD", "EUR"), monday, {"inverse": [Leg(("EUR", "USD"), monday, Decimal("1.25"))]}).rate
    Decimal('0.8')
    """
    if pair[0] == pair[1]:
        return KnownRate(Decimal(1), day, "same", ())
    ours = [path for path in ("direct", "inverse") if path in legs and legs[path][0].date <= day]
    if ours:
        path = max(ours, key=lambda name: (legs[name][0].date, name == "direct"))
        leg = legs[path][0]
        return KnownRate(leg.rate if path == "direct" else inverse(leg.rate), leg.date, path, (leg,))
    for hub in HUBS:
        found = legs.get(f"via {hub}", ())
        if found and found[0].date <= day:
            return KnownRate(_crossed(pair, hub, found), found[0].date, f"via {hub}", tuple(found))
    return None


def explain(pair: Pair, day: date, known: KnownRate | None, *, stale_after: int) -> str:
    """Return in words where a rate comes from.

    >>> leg = Leg(("EUR", "USD"), date(2024, 1, 5), Decimal("1.25"))
    >>> explain(("USD", "EUR"), date(2024, 1, 7), KnownRate(Decimal("0.8"), leg.date, "inverse", (leg,)), stale_after=7)
    'The inverse of EUR/USD 1.25. Carried forward 2 days from 2024-01-05.'
    """
    if known is None:
        return f"No rate of {pair[0]}/{pair[1]} is known on {day} or before; none is made up, nor taken from a later day."
    if known.path == "same":
        return "Both are the same currency."
    rates = " and ".join(f"{leg.pair[0]}/{leg.pair[1]} {plain(leg.rate)}" for leg in known.legs)
    said = {"direct": f"As stored: {rates}.", "inverse": f"The inverse of {rates}."}
    told = said.get(known.path) or f"Across {known.path.removeprefix('via ')}, from {rates}."
    age = known.age(day)
    if age:
        told += f" Carried forward {age} day{'s' if age > 1 else ''} from {known.date}."
    return told + (f" Stale: that is more than {stale_after} days." if known.stale(day, after=stale_after) else "")


def _crossed(pair: Pair, hub: str, legs: Sequence[Leg]) -> Decimal:
    """Return the rate of a pair from the rates of both its currencies against a third."""
    first, second = (
        leg.rate if leg.pair == wanted else inverse(leg.rate)
        for leg, wanted in zip(legs, ((pair[0], hub), (hub, pair[1])), strict=True)
    )
    return cross(first, second)
