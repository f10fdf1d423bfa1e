"""Why figures are what they are: from the entries, prices and rates that the person who asks may read, and no others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import DecimalException
from functools import cached_property
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import AccountKind, LedgerEntry
from marketdata.models import Instrument
from portfolio.domain.benchmark import compare
from portfolio.domain.bridge import BEGINNING, UNKNOWN, Daily, Link, links
from portfolio.domain.contributions import of_instruments
from portfolio.domain.daybook import Day
from portfolio.domain.exact import ONE
from portfolio.domain.explain import Cited, Explanation, Table
from portfolio.domain.explain_contributions import explain_contribution, explain_rest, whole_of
from portfolio.domain.explain_currency import Rated, RatedGain, explain_closure_in, explain_day_in, explain_position_in
from portfolio.domain.explain_days import OF_DAY, Around, cited, explain_day
from portfolio.domain.explain_details import explain_benchmark, explain_excluded
from portfolio.domain.explain_gains import Span, explain_gains
from portfolio.domain.explain_ledger import CHANGES, Effect, Watch, entry_row, note, traced
from portfolio.domain.explain_periods import explain_period
from portfolio.domain.explain_positions import Standing, explain_closure, explain_position
from portfolio.domain.performance import Performance
from portfolio.domain.valuation import Course
from portfolio.models import Closure, Position
from portfolio.selectors.benchmark import beside
from portfolio.selectors.contributions import contributions_of
from portfolio.selectors.conversion import EARLIEST, InCurrency, in_currency, no_rate
from portfolio.selectors.days import day_before, since
from portfolio.selectors.figures import Figures, FiguresBeyondLimits
from portfolio.selectors.household import Household
from portfolio.selectors.past import PastFigures, entries_in_order, history_of
from portfolio.selectors.performance import periods_of
from portfolio.selectors.regarded import Regarded
from portfolio.selectors.valued import Rates, Valued

AT_A_GLANCE = frozenset({"days", "investor_flows", "twr", "xirr", "left_over", "max_drawdown"})
ENTRY = ("id", "sequence", "kind", "quantity", "price", "cash", "currency", "fee", "tax")


class Explained:
    """The explanations of one account's figures: of what it holds in its own currencies, of periods in the one asked for."""

    def __init__(self, figures: Figures) -> None:
        self.told = figures
        self.figures = figures.inner if isinstance(figures, InCurrency) else figures
        self.account = self.figures.account
        past = self.figures if isinstance(self.figures, PastFigures) else None
        self.as_of, self.known_at = (past.as_of, past.known_at) if past else (None, None)
        self.watch: Watch  # of the last look at what entries did

    def effects(self, *, closing: Iterable[int] = (), watch: bool = False) -> Iterator[Effect]:
        """Yield what each entry did to each holding, with what those of some sequences closed; `watch` what put off losses.

        :raises FiguresBeyondLimits: if the entries are too large to be computed with
        """
        entries, book = history_of(self.account, as_of=self.as_of, known_at=self.known_at)
        self.watch = Watch(book)
        try:
            yield from traced(book, entries, wanted=frozenset(closing), watch=self.watch if watch else None)
        except DecimalException as error:
            raise FiguresBeyondLimits from error

    @cached_property
    def last(self) -> Daily | None:
        """The last valued day."""
        snapshot = self.figures.last_snapshot()
        days = self.figures.days(start=snapshot.date) if snapshot else []
        return days[-1] if days else None

    def around(self, pages: Mapping[int, Day], first: date, last: date, currency: str = "") -> Around:
        """Return what days are explained from, in a currency or in the account's."""
        told = currency or self.figures.currency
        quoted = self.figures.quoted(pages.values(), currency=told, start=first, until=last)
        rows = Instrument.objects.filter(pk__in=list(quoted.listings))
        called = {str(one.pk): one.key for one in rows}
        return Around(Course.of(pages), quoted, called, self.account.kind == AccountKind.MARGIN)

    def gains(self, found: Mapping[str, Explanation], currency: str, *, last_day: bool) -> None:
        """Add what each instrument made since the beginning in a currency, and on the last day if asked for."""
        told = in_currency(self.figures, currency)
        days = told.days()
        if not days or told.gap() or not found:
            return
        pages = told.pages()
        around = self.around(pages, EARLIEST, days[-1].date, currency)
        last = days[-1].day
        for name, first in (("gains", days[0].day), ("last_day", last))[: 1 + last_day]:
            span = Span(pages, around, first, last)
            for row in of_instruments(pages, around.quoted, first, last):
                if (explanation := found.get(row.instrument or "")) is not None:
                    explain_gains(explanation, row, span, name=name)

    def contributions(self, *, start: date | None = None, end: date | None = None) -> dict[str | None, Explanation]:
        """Return why instruments, by their keys, and the account itself contributed what they did over [start, end)."""
        told = self.told
        rows, days = contributions_of(told, start=start, end=end), told.days(start=start, end=end)
        if not rows:
            return {}
        period, pages = since(days, start), told.pages(start=start, end=end)
        opening = days[0] if len(days) > len(period) else None
        around = self.around(pages, day_before(period[0].date), period[-1].date, told.currency)
        span = Span(pages, around, period[0].day, period[-1].day)
        whole = whole_of(period, opening)
        found: dict[str | None, Explanation] = {
            around.name(row.instrument): explain_contribution(row, span, whole) for row in rows if row.instrument
        }
        bridge = told.bridge(start=start, end=end)
        found[None] = explain_rest(rows[-1], rows[:-1], bridge, period[-1].total_value, whole)
        return found

    def positions(self, positions: Sequence[Position]) -> dict[str, Explanation]:
        """Return why positions are what they are, by the ids of their instruments."""
        if not positions or self.last is None:
            return {}
        wanted = {str(position.instrument_id): position for position in positions}
        found = {key: Explanation() for key in wanted}
        for explanation in found.values():
            explanation.table("entries", summed=CHANGES)
        for effect in self.effects():
            if effect.instrument in found:
                note(found[effect.instrument], effect)
        day = self.last.date
        pages = self.figures.pages(start=day, end=day + timedelta(days=1))
        around = self.around(pages, day - timedelta(days=1), day)
        for key, position in wanted.items():
            standing = Standing(key, day.toordinal(), pages.get(day.toordinal(), Day()), around, self.last.total_value)
            explain_position(position, found[key], standing)
        return found

    def closures(self, closures: Sequence[Closure]) -> dict[int, Explanation]:
        """Return why closures are what they are, by their numbers."""
        if not closures:
            return {}
        sequences = {one.closing for one in closures}
        wanted = sequences | {one.opening for one in closures}
        by_place: dict[tuple[str, int], list[Effect]] = defaultdict(list)
        for effect in self.effects(closing=sequences, watch=self.account.wash_sales):
            if effect.entry.sequence in wanted:
                by_place[effect.instrument, effect.entry.sequence].append(effect)
        found = {}
        for one in closures:
            key = str(one.instrument_id)
            opening = next(iter(by_place[key, one.opening]), None)
            put_off = self.watch.replaced.get(one.number, ())
            found[one.number] = explain_closure(one, by_place[key, one.closing], opening, put_off)
        return found

    def days(self, dates: Iterable[date]) -> dict[date, Explanation]:
        """Return why an account was worth what it was at the end of days."""
        wanted = sorted(dates)
        if not wanted:
            return {}
        first, last = wanted[0], wanted[-1]
        rows = {day.day: day for day in self.figures.days(start=first, end=last + timedelta(days=1))}
        pages = self.figures.pages(start=first, end=last + timedelta(days=1))
        around = self.around(pages, max(first, date.min + timedelta(days=1)) - timedelta(days=1), last)
        entries = self.entries_of(first, last)
        found = {}
        for day in wanted:
            number = day.toordinal()
            if number in rows:
                before = rows.get(number - 1)
                link = link_after(self.figures, before)
                found[day] = explain_day(rows[number], before, pages_of(pages, number), around, link)
                found[day].tables["entries"] = entries.get(day, Table())
        if isinstance(self.told, InCurrency):
            self._convert_days(self.told, found, rows)
        return found

    def _convert_days(self, told: InCurrency, found: Mapping[date, Explanation], rows: Mapping[int, Daily]) -> None:
        """Add how days are read in another currency."""
        series = told.days()
        days, begun = {day.day: day for day in series}, min(day.day for day in self.figures.days())
        linked = links(series, BEGINNING if series and series[0].day == begun else UNKNOWN)
        for day, explanation in found.items():
            number = day.toordinal()
            rate = cited(told.pair, told.rates, number)
            if rate is None:
                explanation.notes.append(no_rate(told.pair, day))
                continue
            link = BEGINNING if number == begun else linked.get(number - 1)
            explain_day_in(explanation, rows[number], days.get(number), days.get(number - 1), rate, link)

    def positions_in(self, found: Mapping[str, Explanation], rows: Iterable[Valued], currency: str) -> None:
        """Add how positions are read in a currency: each lot and each closure at the rates of its days."""
        rates = Rates(self.figures, currency)
        lots, closed = defaultdict(list), defaultdict(list)
        for lot in self.figures.lots():
            rate = rates.on(lot.instrument.money, lot.opened_at.date(), lot.sequence)
            if rate is not None:
                lots[lot.instrument_id].append(Rated(lot.sequence, lot.cost, rate))
        for one in self.figures.closures():
            if (rated := rated_gain(one, rates)) is not None:
                closed[one.instrument_id].append(rated)
        own = {position.instrument_id: (position.market_price, position.market_value) for position in self.figures.positions()}
        for row in rows:
            explanation, pk = found.get(str(row.instrument_id)), row.instrument_id
            if explanation is None or self.last is None:
                continue
            explain_position_in(
                explanation,
                row,
                lots=lots[pk],
                closed=closed[pk],
                own=own[pk],
                rate=cited_on(rates, row.instrument.money, self.last.date),
                multiplier=row.instrument.multiplier,
            )

    def closures_in(self, found: Mapping[int, Explanation], closures: Iterable[Closure], currency: str) -> None:
        """Add how closures are read in a currency."""
        rates = Rates(self.figures, currency)
        for one in closures:
            rate = rates.on(one.instrument.money, one.closed_at.date(), one.closing)
            explain_closure_in(found[one.number], rated_gain(one, rates), (one.disallowed_loss, rate))

    def period(
        self,
        *,
        start: date | None = None,
        end: date | None = None,
        risk_free: float = 0.0,
        benchmark: tuple[Instrument, bool] | None = None,
        exclude: Sequence[str] = (),
    ) -> tuple[Explanation, Performance] | None:
        """Return why the performance over [start, end) is what it is, and that; none where there is none.

        `benchmark` is the instrument it is compared with, and whether its dividends count; `exclude` are causes left out.
        """
        told = Regarded(self.told, exclude) if exclude else self.told
        return explained_period(told, kind=self.account.kind, start=start, end=end, risk_free=risk_free, benchmark=benchmark)

    def summary(self) -> Explanation | None:
        """Return why an account at a glance is what it is; none where no day was valued."""
        if self.last is None:
            return None
        found = self.days([self.last.date])[self.last.date]
        whole = self.period()
        if whole is None:
            return found
        explanation, measured = whole
        found.tables |= {name: table for name, table in explanation.tables.items() if name in AT_A_GLANCE}
        found.steps += [step for step in explanation.steps if step.figure in AT_A_GLANCE]
        self._cash(found)
        last = self.told.days()[-1]
        found.tell("net_deposits", "sum(days.net_flow)", last.total_value - last.total_gain)
        found.tell("gain", "sum(days.day_gain)", last.total_gain)
        found.notes += [f"{name}: {why}" for name, why in measured.reasons.items() if name in AT_A_GLANCE]
        return found

    def _cash(self, found: Explanation) -> None:
        """Add the entries that each balance of cash is the sum of."""
        balances = {currency: balance for currency, balance in self.figures.balances().items() if balance}
        tables = {currency: found.table(f"cash_{currency}", summed=("cash",)) for currency in balances}
        for entry in entries_in_order(self.account, as_of=self.as_of, known_at=self.known_at):
            if entry.cash and entry.currency in tables:
                tables[entry.currency].add(entry_row(entry))
        for currency, balance in sorted(balances.items()):
            found.tell(f"cash.{currency}", f"sum(cash_{currency}.cash)", balance)

    def entries_of(self, first: date, last: date) -> dict[date, Table]:
        """Return the entries of some days that count, by the day."""
        found: dict[date, Table] = defaultdict(lambda: Table(("cash",)))
        for row in self.standing().filter(occurred_at__gte=_start(first), occurred_at__lt=_start(last + timedelta(days=1))):
            day = row["occurred_at"].astimezone(UTC).date()
            cells: dict[str, Any] = {name: row[name] for name in ENTRY} | {"id": str(row["id"]), "day": day.isoformat()}
            found[day].add(cells)
        return found

    def standing(self) -> QuerySet[LedgerEntry, dict[str, Any]]:
        """Return the entries that count, as far as they were known."""
        entries = LedgerEntry.objects.filter(account=self.account)
        if self.known_at is not None:
            entries = entries.filter(recorded_at__lte=self.known_at)
        taken_back = entries.filter(reverses=OuterRef("pk"))
        standing = entries.filter(~Exists(taken_back), reverses=None).exclude(kind="NOTE")
        return standing.order_by("sequence").values(*ENTRY, "occurred_at")


def explained_period(
    told: Figures | Household | Regarded,
    *,
    kind: str,
    start: date | None,
    end: date | None,
    risk_free: float = 0.0,
    benchmark: tuple[Instrument, bool] | None = None,
) -> tuple[Explanation, Performance] | None:
    """Return why the performance of an account, or of several, over [start, end) is what it is, and that."""
    measured = told.performance(start=start, end=end, risk_free=risk_free)
    days = told.days(start=start, end=end)
    within = since(days, start)
    if measured is None or not within:
        return None
    opening = days[0] if len(days) > len(within) else None
    periods, bridge = periods_of(kind), told.bridge(start=start, end=end)
    link = link_after(told, opening)
    found = explain_period(within, opening, measured, bridge, periods=periods, risk_free=risk_free, link=link)
    if isinstance(told, Regarded):
        explain_excluded(found, since(told.inner.days(start=start, end=end), start), told.causes)
    if benchmark is not None:
        instrument, dividends = benchmark
        other = beside([day.point for day in days], instrument, currency=told.currency, dividends=dividends)
        points, begun = [day.point for day in within], opening.point if opening else None
        comparison = compare(points, other, periods=periods, opening=begun, risk_free=risk_free)
        explain_benchmark(found, within, opening, other, comparison, periods=periods, risk_free=risk_free)
    return found, measured


def link_after(figures: Figures | Household | Regarded, day: Daily | None) -> Link:
    """Return what the return of the day after another is measured from."""
    if day is None:
        return BEGINNING
    if day.complete:
        return Link(day.total_value)
    return links(figures.days(end=day.date + timedelta(days=1)))[day.day]


def rated_gain(one: Closure, rates: Rates) -> RatedGain | None:
    """Return what was paid and received with the rates of those days, none where one is missing."""
    opened, closed = (one.opened_at.date(), one.opening), (one.closed_at.date(), one.closing)
    bought, sold = (closed, opened) if one.quantity < 0 else (opened, closed)
    paid, received = rates.on(one.instrument.money, *bought), rates.on(one.instrument.money, *sold)
    put_off = rates.on(one.instrument.money, *closed)
    if paid is None or received is None or put_off is None:
        return None
    return RatedGain(one.opening, one.closing, one.cost, paid, one.proceeds, received, one.disallowed_loss, put_off)


def cited_on(rates: Rates, currency: str, day: date) -> Cited | None:
    """Return the rate of a currency on a day; one, of the currency itself."""
    number = day.toordinal()
    if currency == rates.currency:
        return Cited(f"{currency}/{currency}", number, number, ONE, OF_DAY)
    return cited(f"{currency}/{rates.currency}", rates.points[currency], number)


def pages_of(pages: Mapping[int, Day], number: int) -> Day:
    """Return the page of a day, an empty one if nothing moved."""
    return pages.get(number, Day())


def _start(day: date) -> datetime:
    """Return the instant at which a day begins."""
    return datetime.combine(day, time(), UTC)
