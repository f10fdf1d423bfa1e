"""What each instrument contributed to the gain of a period, by cause; what is the account's own is a row of its own.

    gain = end value - start value - paid in + paid out + income + interest - fees - taxes
         = price + currency + income + interest - fees - taxes
    contribution = gain / (start value of the account + what flowed into it)

The gains of the rows add up to the account's: the account's own row is what its bridge says beyond those of the instruments. In
it are interest on cash, fees and taxes of the account, what rates made of cash, and what exchanges of units (mergers, spin-offs)
were worth by the prices of their day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.bridge import Bridge, Daily, bridge_of
from portfolio.domain.daybook import Day
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.performance import exact_ratio
from portfolio.domain.valuation import Causes, Course, Quoted, causes_of, drift_of_units, position_value, transfer_value


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
    period = {day: pages[day] for day in sorted(pages) if first <= day <= last}
    touched = {key: None for key in course.units}
    touched |= {key: None for page in period.values() for key in (*page.paid, *(item.instrument for item in page.items)) if key}
    rows = (_of_instrument(key, course.units.get(key, {}), period, quoted, first, last) for key in touched)
    return [row for row in rows if any(row[1:11])]


def _of_instrument(
    instrument: str, moves: Mapping[int, Decimal], period: Mapping[int, Day], quoted: Quoted, first: int, last: int
) -> Contribution:
    """Return what one instrument made."""
    held = [next((units for day, units in reversed(moves.items()) if day <= end), ZERO) for end in (first - 1, last)]
    values = [position_value(instrument, units, quoted, day) for units, day in zip(held, (first - 1, last), strict=True)]
    start, end = (ZERO if value is None else value.in_base for value in values)
    currency = drift_of_units(instrument, moves, quoted, first, last)
    sums = [ZERO] * 4
    paid_in = paid_out = ZERO
    for day, page in period.items():
        causes = causes_of(page, quoted, day, {}, instrument) or Causes()
        moved = _paid(instrument, page, quoted, day)
        put = moved + causes.income + causes.interest - causes.fees - causes.taxes
        paid_in, paid_out = paid_in + max(put, ZERO), paid_out + max(-put, ZERO)
        sums = [total + own for total, own in zip(sums, causes[:4], strict=True)]
        currency += causes.currency
    income, interest, fees, taxes = sums
    price = end - start - paid_in + paid_out - currency
    return Contribution(instrument, start, end, paid_in, paid_out, price, currency, income, interest, fees, taxes)


def _paid(instrument: str, page: Day, quoted: Quoted, day: int) -> Decimal:
    """Return what was put into an instrument on a day less what was taken out, in cash and in units, at the day's rates."""
    paid = page.paid.get(instrument, ZERO)
    cash = quoted.worth(quoted.listings[instrument].currency, paid, day) if paid else ZERO
    units = (transfer_value(move, quoted, day, {}) for move in page.transfers if move.instrument == instrument)
    return (cash or ZERO) + sum(units, ZERO)


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
