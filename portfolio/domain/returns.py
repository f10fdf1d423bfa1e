"""Returns: the time-weighted index, day by day, and the rate that the money itself earned.

TWR: r = (end + outflows) / (start + inflows) - 1 for each day, chained. What flows in counts from the start of its day, what
flows out until its end. The index starts at 1, is kept with 18 places and rounded each day, so that a chain taken up again
gives the figures of one never interrupted. A day that starts with nothing, or less, has no return: the index stands still.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import numpy as np
import pyxirr
from numpy.typing import NDArray

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


class Opening(NamedTuple):
    """Where a chain is taken up: the figures of the day before."""

    total_value: Decimal = ZERO
    total_gain: Decimal = ZERO
    twr_index: Decimal = ONE


def chain(valuation: Valuation, opening: Opening, *, margin: bool) -> Iterator[DayFigures]:
    """Yield the figures of each valued day, going on from an opening.

    Buying power is the cash, at least zero; on margin it is twice the total value less the size of all positions.
    """
    columns = _columns(valuation)
    nothing, uncaused = Flows(ZERO, ZERO), Causes()
    amount = cache(_decimal)  # on most days most amounts are those of the day before
    before, gain, index = _scaled(opening.total_value), _scaled(opening.total_gain), _scaled(opening.twr_index, INDEX_PLACES)
    for offset, (cash, positions, gross, owed, drift) in enumerate(zip(*columns, strict=True)):
        day = valuation.first + offset
        total = cash + positions - owed
        flows = valuation.flows.get(day, nothing)
        into, out = (_scaled(flows.into), _scaled(flows.out)) if flows is not nothing else (0, 0)
        index = linked(index, before + into, total + out)
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
            day in valuation.priced,
            amount(into),
            amount(out),
            amount(price),
            amount(currency),
            *causes[:4],
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


@dataclass(frozen=True, slots=True)
class MoneyWeighted:
    """The yearly rate at which the flows of a period are worth nothing together, or why there is none, or which others."""

    rate: float | None
    note: str = ""


def money_weighted(flows: Sequence[tuple[date, Decimal]]) -> MoneyWeighted:
    """Return the XIRR (actual days over 365) of flows seen from the investor: money put in is below zero.

    Where several rates solve it, it is the one nearest to zero and the note names the others.

    >>> money_weighted([(date(2023, 1, 1), Decimal(-100)), (date(2024, 1, 1), Decimal(110))]).rate.__round__(6)
    0.1
    """
    amounts = np.array([float(amount) for _, amount in flows])
    days = np.array([day.toordinal() for day, _ in flows], dtype=float)
    if not len(flows) or days.min() == days.max():
        return MoneyWeighted(None, "All money moved on one day.")
    if not (amounts.min() < 0 < amounts.max()):
        return MoneyWeighted(None, "Money only went in, or only came out.")
    order = np.argsort(days, kind="stable")
    amounts, years = amounts[order], (days[order] - days.min()) / DAYS_OF_YEAR
    roots = _roots(amounts, years)
    if not roots:
        return MoneyWeighted(None, "No yearly rate solves it.")
    if len(roots) == 1:
        return MoneyWeighted(roots[0])
    return MoneyWeighted(roots[0], f"Several rates solve it: {', '.join(f'{root:.6f}' for root in sorted(roots))}.")


def _roots(amounts: NDArray[np.float64], years: NDArray[np.float64]) -> list[float]:
    """Return the rates found at which flows are worth nothing, the nearest to zero first."""
    signs = np.sign(amounts[amounts != 0])
    quick = pyxirr.xirr([date.fromordinal(1 + round(year * DAYS_OF_YEAR)) for year in years], amounts, silent=True)
    roots = [float(quick)] if quick is not None and np.isfinite(quick) and -1 < quick <= HIGHEST_RATE else []
    if roots and np.count_nonzero(np.diff(signs)) == 1:  # one change of sign: one root (Descartes)
        return roots
    for low, high in _brackets(amounts, years):
        root = _bisected(amounts, years, low, high)
        if all(abs(root - known) > 1e-6 * (1 + abs(root)) for known in roots):
            roots.append(root)
    return sorted(roots, key=abs)


# Where roots are looked for, as ln(1 + rate): from nearly everything lost in a year to a million times the money.
_GRID = np.linspace(np.log(1e-6), np.log1p(HIGHEST_RATE), 321)


def _brackets(amounts: NDArray[np.float64], years: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return neighbors on the grid between which the worth of the flows changes its sign."""
    with np.errstate(over="ignore", invalid="ignore"):
        worth = np.array([float(amounts @ np.exp(-force * years)) for force in _GRID])
    changes = np.flatnonzero(np.isfinite(worth[:-1]) & np.isfinite(worth[1:]) & (np.sign(worth[:-1]) * np.sign(worth[1:]) < 0))
    return [(float(_GRID[index]), float(_GRID[index + 1])) for index in changes]


def _bisected(amounts: NDArray[np.float64], years: NDArray[np.float64], low: float, high: float) -> float:
    """Return the rate between two forces of interest at which the flows are worth nothing."""
    at_low = float(amounts @ np.exp(-low * years))
    for _ in range(100):
        middle = (low + high) / 2
        at_middle = float(amounts @ np.exp(-middle * years))
        if (at_middle < 0) is (at_low < 0):
            low = middle
        else:
            high = middle
    return float(np.expm1((low + high) / 2))
