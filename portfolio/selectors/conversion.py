"""An account's figures in another currency than its own: each day's values at that day's rate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from portfolio.domain.bridge import Daily, converted
from portfolio.domain.daybook import Day
from portfolio.domain.derivation import Gap
from portfolio.domain.joint import DETAILS, EVERY_DAY, JointDays, Member
from portfolio.domain.performance import Performance, Point
from portfolio.domain.pricing import NOTHING, Points
from portfolio.domain.valuation import Quoted
from portfolio.models import Closure, Lot, Position, Snapshot
from portfolio.selectors.days import day_before
from portfolio.selectors.figures import Figures, Summary
from portfolio.selectors.market import load_market
from portfolio.selectors.pages import restated

EARLIEST = date(1970, 1, 1)
MONEY = ("total_value", "positions_value", "net_deposits", "gain", "day_gain")
RETURNS = ("net_deposits", "gain", "twr", "xirr", "max_drawdown")
SHOWN = (
    "total_value", "cash", "positions_value", "buying_power", "inflow", "outflow", "day_gain", "price_gain", "currency_gain",
    "income", "interest", "fees", "taxes", "total_gain", "twr_index",
)  # fmt: skip


def rates_into(currency: str, sources: Iterable[str], *, via: str = "") -> Mapping[str, Points]:
    """Return the rates of currencies into another, by the currency; those that are not known across that of an account."""
    pairs = {(source, currency) for source in sources if source != currency}
    found = load_market(instruments=(), pairs=pairs, start=EARLIEST, via=via).rates if pairs else {}
    return {source: found.get((source, currency), NOTHING) for source, _ in pairs}


def span_of(start: date | None, end: date | None) -> tuple[int, int]:
    """Return a period, with the day before it, as numbers of days."""
    return (0 if start is None else start.toordinal() - 1), (date.max.toordinal() if end is None else end.toordinal())


def no_rate(pair: str, day: date) -> str:
    """Return why a figure is null where a rate is missing."""
    return f"No rate of {pair} is known on {day}, or before."


class InCurrency(Figures):
    """The figures of an account in another currency.

    Each day is converted at its own rate, so returns have the move of the currency in them. Where the rate of a day is missing,
    figures that need it are null, and the pair is named as missing.
    """

    def __init__(self, inner: Figures, currency: str) -> None:
        super().__init__(inner.account)
        self.inner, self.currency = inner, currency

    @property
    def pair(self) -> str:
        """The pair of currencies whose rates are asked for."""
        return f"{self.inner.currency}/{self.currency}"

    @cached_property
    def rates(self) -> Points:
        """The rates from the account's currency."""
        return rates_into(self.currency, [self.inner.currency])[self.inner.currency]

    @cached_property
    def whole(self) -> JointDays | None:
        """What is told of every day, none where one has no rate, or there are none."""
        found = None if self.unrated() else self.inner.vectors(EVERY_DAY)
        return None if found is None else JointDays.of([Member(found, self.rates, {})])

    def days(self, *, start: date | None = None, end: date | None = None) -> list[Daily]:
        """Return the days that have a rate."""
        return self._converted(start, end)[0]

    def pages(self, *, start: date | None = None, end: date | None = None) -> dict[int, Day]:
        """Return what moved, with recorded rates as rates into the currency."""
        return restated(self.inner.pages(start=start, end=end), self.rates)

    def transfers(self) -> dict[int, Day]:
        """Return the days on which something came from an account of one's own, or went to one."""
        return self.inner.transfers()

    def quoted(self, pages: Iterable[Day], *, currency: str, start: date, until: date | None = None) -> Quoted:
        """Return the market by which moves are valued in a currency."""
        return self.inner.quoted(pages, currency=currency, start=start, until=until)

    def reach(self) -> tuple[date, date] | None:
        """Return the first and the last valued day, none where there are none."""
        return self.inner.reach()

    def gap(self, *, start: date | None = None, end: date | None = None) -> str:
        """Return why there is no performance: a day has no rate; empty, if all have one."""
        first = self.unrated(start, end)
        return no_rate(self.pair, first) if first else ""

    def unrated(self, start: date | None = None, end: date | None = None) -> date | None:
        """Return the first day in [start, end), or the one before it, that has no rate."""
        reach = self.inner.reach()
        if reach is None:
            return None
        first = max(reach[0], day_before(start))
        known = date.fromordinal(int(self.rates.days[0])) if len(self.rates.days) else date.max
        return first if first < min(known, end or date.max) and first <= reach[1] else None

    def points(self, *, start: date | None, end: date | None) -> list[Point]:
        """Return the days of a period; none of them, if one has no rate."""
        if self.gap(start=start, end=end):
            return []
        whole = self.whole
        return whole.points(*span_of(start, end)) if whole else [day.point for day in self._converted(start, end)[0]]

    def snapshots(self) -> Sequence[Snapshot]:
        """Return the daily values; those of days without a rate, and sums over them, are null."""
        found, gap = self._converted(None, None)
        by_day = {day.day: day for day in found}
        return [self._snapshot(row.day, by_day.get(row.day), gap) for row in self.inner.days()]

    def last_snapshot(self) -> Snapshot | None:
        """Return the values of the last day, if there is one."""
        found = self.snapshots()
        return found[-1] if found else None

    def since_inception(self) -> Performance | None:
        """Return the performance from the first day on, or none where a day has no rate."""
        return self.performance()

    def summary(self, *, named: bool = True) -> Summary:
        """Return the account at a glance; cash is in its own currencies."""
        whole = replace(self.inner.summary(named=named), currency=self.currency)
        if whole.as_of is None:
            return whole
        found, gap = self._converted(None, None)
        if not gap:
            last, measured = found[-1], self.performance()
            amounts: tuple[Any, ...] = (
                last.total_value,
                last.positions_value,
                last.total_value - last.total_gain,
                last.total_gain,
                last.day_gain,
            )
            returns = {name: getattr(measured, name) for name in ("twr", "xirr", "max_drawdown")}
            reasons = measured.reasons if measured else {}
            told = {name: why for name, why in reasons.items() if name in {"twr", "xirr"}}
            figures: dict[str, Any] = dict(zip(MONEY, amounts, strict=True)) | returns
            return replace(whole, **figures, reasons=told)
        why = no_rate(self.pair, date.fromordinal(gap))
        nothing: dict[str, Any] = dict.fromkeys((*MONEY, *RETURNS))
        if found and found[-1].date == whole.as_of:
            last = found[-1]
            nothing |= {"total_value": last.total_value, "positions_value": last.positions_value}
        reasons = {name: why for name, value in nothing.items() if value is None}
        return replace(whole, **nothing, missing=sorted({*whole.missing, self.pair}), reasons=reasons)

    def positions(self) -> Sequence[Position]:
        """Return the positions, in the currencies of their instruments."""
        return self.inner.positions()

    def lots(self) -> QuerySet[Lot] | Sequence[Lot]:
        """Return the open lots, in the currencies of their instruments."""
        return self.inner.lots()

    def closures(self) -> QuerySet[Closure] | Sequence[Closure]:
        """Return what was closed, in the currencies of the instruments."""
        return self.inner.closures()

    def balances(self) -> Mapping[str, Decimal]:
        """Return the cash in each currency."""
        return self.inner.balances()

    def gaps(self) -> Mapping[str, Gap]:
        """Return what lacked a price or rate, and the pair if a day had no rate."""
        gap = self.unrated()
        known = date.fromordinal(int(self.rates.days[0])) if len(self.rates.days) else None
        own = {self.pair: Gap(gap, known)} if gap else {}
        return {**self.inner.gaps(), **own}

    def stale(self) -> Collection[str]:
        """Return what is valued at a price or rate from before the last day."""
        return self.inner.stale()

    def _converted(self, start: date | None, end: date | None) -> tuple[list[Daily], int | None]:
        """Return the days of a period at their rates, and the first that has none."""
        whole, details = self.whole, self.inner.vectors(DETAILS, start=day_before(start), end=end)
        if whole is not None and details is not None:
            return whole.days([Member(details, self.rates, {})], *span_of(start, end)), None
        first, last = span_of(start, end)
        found, _ = converted(self.inner.days(end=end), self.rates)
        gap = self.unrated(start, end)
        return [day for day in found if first <= day.day < last], gap.toordinal() if gap else None

    def _snapshot(self, number: int, day: Daily | None, gap: int | None) -> Snapshot:
        """Return the snapshot of a day; what chains over a day without a rate is null."""
        values: dict[str, Any] = dict.fromkeys(SHOWN) if day is None else {name: getattr(day, name) for name in SHOWN}
        if gap:
            values |= dict.fromkeys(("total_gain", "twr_index"))
        values["net_flow"] = None if day is None else day.inflow - day.outflow
        complete = day is not None and day.complete
        return Snapshot(account=self.account, date=date.fromordinal(number), complete=complete, **values)


def in_currency(figures: Figures, currency: str) -> Figures:
    """Return figures in a currency: as they are, if it is theirs."""
    return figures if currency == figures.currency else InCurrency(figures, currency)
