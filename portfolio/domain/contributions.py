"""What each instrument contributed to the gain of a period, by cause; what is the account's own is a row of its own.

    gain = end value - start value - paid in + paid out + income + interest - fees - taxes
         = price + currency + income + interest - fees - taxes
    contribution = gain / (start value of the account + what flowed into it)

The gains of the rows add up to the account's: the account's own row is what its bridge says beyond those of the instruments. In
it are interest on cash, fees and taxes of the account, what rates made of cash, and what exchanges of units (mergers, spin-offs)
were worth by the prices of their day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.bridge import Bridge, Daily, bridge_of
from portfolio.domain.daybook import Cause, Day
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.performance import exact_ratio
from portfolio.domain.valuation import CHARGES, Course, Quoted, counted, drift_of_units, position_value, transfer_value


class Contribution(NamedTuple):
    """What an instrument made over a period, in one currency; the row of the account itself has no instrument."""

    instrument: str | None
    start_value: Decimal
    end_value: Decimal
    paid_in: Decimal
    paid_out: Decimal
    price_gain: Decimal
    currency_gain: Decimal
    income: Decimal
    interest: Decimal
    fees: Decimal
    taxes: Decimal
    contribution: Decimal | None = None

    @property
    def gain(self) -> Decimal:
        """What all causes made together."""
        return self.price_gain + self.currency_gain + self.income + self.interest - self.fees - self.taxes

    def plus(self, other: Contribution) -> Contribution:
        """Return what it and another of the same instrument made together."""
        sums = [mine + theirs for mine, theirs in zip(self[1:11], other[1:11], strict=True)]
        return Contribution._make([self.instrument, *sums, None])


def contributions(
    pages: Mapping[int, Day], quoted: Quoted, days: Sequence[Daily], opening: Daily | None = None
) -> list[Contribution]:
    """Return what each instrument contributed over successive days, at least one, and the account itself in the end.

    `pages` tell what moved on those days, and what was held before; `opening` is the day before the first.
    """
    rows = of_instruments(pages, quoted, days[0].day, days[-1].day)
    begun = ZERO if opening is None else opening.total_value
    whole = begun + sum((day.inflow for day in days), ZERO)
    rows.append(_rest(bridge_of(days), rows, begun, days[-1].total_value))
    return [row._replace(contribution=exact_ratio(EXACT.divide(row.gain, whole)) if whole > 0 else None) for row in rows]


def of_instruments(pages: Mapping[int, Day], quoted: Quoted, first: int, last: int) -> list[Contribution]:
    """Return what each instrument made from the start of the first day to the end of the last."""
    course = Course.of(pages)
    sums: dict[str, Sums] = defaultdict(Sums)
    for day in sorted(pages):
        if first <= day <= last:
            _add(sums, pages[day], quoted, day)
    keys = [*course.units, *(key for key in sums if key not in course.units)]
    rows = (_row(key, course.units.get(key, {}), sums[key], quoted, first, last) for key in keys)
    return [row for row in rows if any(row[1:11])]


@dataclass(slots=True)
class Sums:
    """What was put into an instrument and taken out, and what its entries made, over some days."""

    paid_in: Decimal = ZERO
    paid_out: Decimal = ZERO
    causes: dict[Cause, Decimal] = field(default_factory=lambda: dict.fromkeys(Cause, ZERO))
    by_rates: Decimal = ZERO


def _add(sums: dict[str, Sums], page: Day, quoted: Quoted, day: int) -> None:
    """Add what a page says of each instrument."""
    put: dict[str, Decimal] = defaultdict(Decimal)
    for key, paid in page.paid.items():
        put[key] += quoted.worth(quoted.listings[key].currency, paid, day) or ZERO
    for move in page.transfers:
        put[move.instrument] += transfer_value(move, quoted, day, {})
    for item, amount in page.items.items():
        if item.instrument:
            value = counted(item.currency, amount, item.rate, quoted, day, {})
            own, charge = sums[item.instrument], item.cause in CHARGES
            own.causes[item.cause] += value
            put[item.instrument] += -value if charge else value
            if item.rate is not None and item.currency != quoted.base:
                gain = (quoted.worth(item.currency, amount, day) or ZERO) - value
                own.by_rates += -gain if charge else gain
    for key, amount in put.items():
        sums[key].paid_in += max(amount, ZERO)
        sums[key].paid_out += max(-amount, ZERO)


def _row(key: str, moves: dict[int, Decimal], sums: Sums, quoted: Quoted, first: int, last: int) -> Contribution:
    """Return what one instrument made."""
    held = [next((units for day, units in reversed(moves.items()) if day <= end), ZERO) for end in (first - 1, last)]
    values = [position_value(key, units, quoted, day) for units, day in zip(held, (first - 1, last), strict=True)]
    start, end = (ZERO if value is None else value.in_base for value in values)
    currency = drift_of_units(key, moves, quoted, first, last) + sums.by_rates
    price = end - start - sums.paid_in + sums.paid_out - currency
    return Contribution(key, start, end, sums.paid_in, sums.paid_out, price, currency, *sums.causes.values())


def _rest(whole: Bridge, rows: Sequence[Contribution], start: Decimal, end: Decimal) -> Contribution:
    """Return the row of the account itself: what all of it made less what the instruments did."""
    started = start - sum((row.start_value for row in rows), ZERO)
    ended = end - sum((row.end_value for row in rows), ZERO)
    own = {
        name: total - sum((getattr(row, name) for row in rows), ZERO)
        for name, total in zip(
            ("price_gain", "currency_gain", "income", "interest", "fees", "taxes"),
            (whole.price, whole.currency, whole.income, whole.interest, whole.fees, whole.taxes),
            strict=True,
        )
    }
    return Contribution(None, started, ended, ZERO, ZERO, **own)
