"""What each instrument made of an account's gain, from stored days and prices."""

from __future__ import annotations

from datetime import date, timedelta

from portfolio.domain.contributions import Contribution, contributions
from portfolio.selectors.days import since
from portfolio.selectors.figures import Figures


def contributions_of(figures: Figures, *, start: date | None = None, end: date | None = None) -> list[Contribution]:
    """Return what each instrument contributed over [start, end), and the account itself in the end; nothing without days."""
    days = figures.days(start=start, end=end)
    period = since(days, start)
    if not period or figures.gap(start=start, end=end):
        return []
    pages = figures.pages(start=start, end=end)
    first, last = period[0].date, period[-1].date
    before = max(first, date.min + timedelta(days=1)) - timedelta(days=1)
    quoted = figures.quoted(pages.values(), currency=figures.currency, start=before, until=last)
    return contributions(pages, quoted, period, days[0] if len(days) > len(period) else None)
