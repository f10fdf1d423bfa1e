"""An account's performance without what fees, taxes or income made of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from portfolio.domain.bridge import Bridge, Daily, bridge_of
from portfolio.domain.performance import Performance, Point
from portfolio.domain.regarded import without
from portfolio.selectors import performance as daily
from portfolio.selectors.days import since
from portfolio.selectors.figures import Figures


class Regarded:
    """What performance is measured from, with some causes left out."""

    def __init__(self, inner: Figures, causes: Collection[str]) -> None:
        self.inner, self.causes = inner, causes
        self.currency = inner.currency

    def days(self, *, start: date | None = None, end: date | None = None) -> list[Daily]:
        """Return the days in [start, end), after the day before them."""
        found = self.inner.days(start=start, end=end)
        return without(found, self.causes, opened=bool(found) and start is not None and found[0].day < start.toordinal())

    def points(self, *, start: date | None, end: date | None) -> list[Point]:
        """Return the days that performance is measured from; none where one has no value."""
        return [] if self.gap(start=start, end=end) else [day.point for day in self.days(start=start, end=end)]

    def performance(self, *, start: date | None = None, end: date | None = None, risk_free: float = 0.0) -> Performance | None:
        """Return the performance over [start, end), or none where no day of it was valued."""
        found = self.points(start=start, end=end)
        return daily.performance_of(found, kind=self.inner.account.kind, start=start, risk_free=risk_free)

    def bridge(self, *, start: date | None = None, end: date | None = None) -> Bridge:
        """Return what each cause that is left made of the gain."""
        return bridge_of(since(self.days(start=start, end=end), start))

    def gap(self, *, start: date | None = None, end: date | None = None) -> str:
        """Return why no figure of [start, end) can be told, empty if they can."""
        return self.inner.gap(start=start, end=end)

    def lacking(self, *, start: date | None = None, end: date | None = None) -> list[str]:
        """Return what lacked a price or rate on some day in [start, end)."""
        return self.inner.lacking(start=start, end=end)
