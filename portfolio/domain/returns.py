"""Returns: the time-weighted index, day by day, and the rate that the money itself earned.

TWR: r = (end + outflows) / (start + inflows) - 1 for each day, chained. What flows in counts from the start of its day, what
flows out until its end. The index starts at 1, is kept with 18 places and rounded each day, so that a chain taken up again
gives the figures of one never interrupted. A day that starts with nothing, or less, has no return: the index stands still.

A day that lacks a price or rate of something held has none either. The next complete one has that of all days since the last
complete one: (end + outflows since) / (value then + inflows since) - 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from portfolio.domain.exact import EXACT, MONEY_PLACES, ONE, ZERO, Fixed, divided
from portfolio.domain.valuation import Causes, Flows, Valuation

INDEX_PLACES = 18
DAYS_OF_YEAR = 365
MARGIN_FACTOR = 2
HIGHEST_RATE = 1_000_000.0


DUST = 100  # of the last place: what rounding leaves of amounts in several currencies


class DayFigures(NamedTuple):
    """What an account came to at the end of a day, in its own currency.

    day_gain = price_gain + currency_gain + income + interest - fees - taxes, to the last place.
    """

    day: int
    total_value: Decimal
    cash: Decimal
    positions_value: Decimal
    buying_power: Decimal
    net_flow: Decimal
    day_gain: Decimal
    total_gain: Decimal
    twr_index: Decimal
    priced: bool
    inflow: Decimal
    outflow: Decimal
    price_gain: Decimal
    currency_gain: Decimal
    income: Decimal
    interest: Decimal
    fees: Decimal
    taxes: Decimal
    complete: bool = True


class Opening(NamedTuple):
    """Where a chain is taken up: the figures of the day before.

    If that was incomplete, `since` is the value of the last complete day and what came in since, and `out` what went out since.
    """

    total_value: Decimal = ZERO
    total_gain: Decimal = ZERO
    twr_index: Decimal = ONE
    since: Decimal | None = None
    out: Decimal = ZERO


def chain(valuation: Valuation, opening: Opening, *, margin: bool) -> Iterator[DayFigures]:
    """Yield the figures of each valued day, going on from an opening.

    Buying power is the cash, at least zero; on margin it is twice the total value less the size of all positions.
    """
    columns = _columns(valuation)
    nothing, uncaused = Flows(ZERO, ZERO), Causes()
    amount = cache(_decimal)  # on most days most amounts are those of the day before
    before, gain, index = _scaled(opening.total_value), _scaled(opening.total_gain), _scaled(opening.twr_index, INDEX_PLACES)
    start, gone = (before, 0) if opening.since is None else (_scaled(opening.since), _scaled(opening.out))
    gaps = valuation.gaps.tolist()
    for offset, (cash, positions, gross, owed, drift) in enumerate(zip(*columns, strict=True)):
        day = valuation.first + offset
        total = cash + positions - owed
        flows = valuation.flows.get(day, nothing)
        into, out = (_scaled(flows.into), _scaled(flows.out)) if flows is not nothing else (0, 0)
        start, gone, complete = start + into, gone + out, not gaps[offset]
        if complete:
            index, start, gone = linked(index, start, total + gone), total, 0
        day_gain = total - before - into + out
        gain += day_gain
        causes = valuation.causes.get(day, uncaused)
        price, currency = split_gain(day_gain, drift, causes) if causes is not uncaused or drift else (day_gain, 0)
        power = MARGIN_FACTOR * total - gross if margin else cash
        yield DayFigures(
            day,
            amount(total),
            amount(cash),
            amount(positions),
            amount(max(power, 0)),
            amount(into - out),
            amount(day_gain),
            amount(gain),
            _decimal(index, INDEX_PLACES),
            complete and day in valuation.priced,
            amount(into),
            amount(out),
            amount(price),
            amount(currency),
            *causes[:4],
            complete,
        )
        before = total


def split_gain(gain: int, drift: int, causes: Causes) -> tuple[int, int]:
    """Return what prices and what currencies made of a day's gain, in units of the last place.

    Prices made what nothing else did. What rounding leaves of amounts in other currencies is no price.
    """
    income, interest, fees, taxes, by_rates = map(_scaled, causes[:5])
    currency = drift + by_rates
    price = gain - currency - income - interest + fees + taxes
    if (drift or causes.foreign) and abs(price) < DUST:
        return 0, currency + price
    return price, currency


def linked(index: int, start: int, end: int) -> int:
    """Return an index after one more day that started with one amount and ended with another; all are whole numbers.

    >>> linked(10**18, 100, 110)
    1100000000000000000
    """
    if start <= 0 or start == end:
        return index
    return divided(index * max(end, 0), start)


def _columns(valuation: Valuation) -> tuple[list[int], ...]:
    """Return cash, positions, gross, owed and drift as whole numbers at ten places."""
    drift = valuation.drift or Fixed.zeros(len(valuation.cash))
    vectors = (valuation.cash, valuation.positions, valuation.gross, valuation.owed, drift)
    return tuple(vector.at(MONEY_PLACES).integers(MONEY_PLACES) for vector in vectors)


def _scaled(amount: Decimal, places: int = MONEY_PLACES) -> int:
    """Return a decimal as a whole number of its last place."""
    return int(amount.scaleb(places, EXACT))


def _decimal(number: int, places: int = MONEY_PLACES) -> Decimal:
    """Return a whole number of a last place as a decimal."""
    return Decimal(number).scaleb(-places, EXACT)


def annualized(growth: float, days: int) -> float | None:
    """Return a growth factor over some days as a rate a year (365 days), or none where there is no such rate.

    >>> round(annualized(1.21, 730), 6)
    0.1
    """
    if days <= 0 or growth < 0:
        return None
    try:
        rate = float(growth ** (DAYS_OF_YEAR / days) - 1.0)
    except OverflowError:
        return None
    return rate if rate <= HIGHEST_RATE else None
