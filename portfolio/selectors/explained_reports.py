"""Why the figures of a report are what they are: of what was closed in a period, and of what is held."""

from __future__ import annotations

from itertools import islice

from portfolio.domain.explain import Explanation
from portfolio.domain.reports import Period
from portfolio.models import Closure
from portfolio.selectors.explained import Explained
from portfolio.selectors.figures import Figures
from portfolio.selectors.reports import within
from portfolio.selectors.valued import Valued, positions_in


def closed_within(figures: Figures, period: Period, *, most: int) -> list[Closure]:
    """Return what was closed in a period, in order: one more than so many where there are more."""
    return list(islice(within(figures.closures(), period), most + 1))


def explained_closed(figures: Figures, closed: list[Closure], currency: str) -> list[Explanation]:
    """Return why what was closed brought what it did, in the currencies of the instruments, then in the one asked for."""
    explained = Explained(figures)
    found = explained.closures(closed)
    if currency:
        explained.closures_in(found, closed, currency)
    return [found[one.number] for one in closed]


def explained_held(figures: Figures, currency: str) -> list[Explanation]:
    """Return why what is held is what it is, by symbol, in the currencies of the instruments, then in the one asked for."""
    explained = Explained(figures)
    held = [one for one in figures.positions() if one.quantity]
    found = explained.positions(held)
    if currency:
        explained.gains(found, currency, last_day=True)
        rows: list[Valued] = [one for one in positions_in(figures, currency) if one.quantity]
        explained.positions_in(found, rows, currency)
    return [found.get(str(one.instrument_id), Explanation()) for one in held]
