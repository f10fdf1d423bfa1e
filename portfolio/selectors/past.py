"""An account's figures of a past day, or as they were known at a past time.

They are derived in memory by the same pure code that derives the tables, from the entries of that time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, DecimalException
from functools import cached_property

from accounts.models import Account, AccountKind
from marketdata.models import Instrument
from portfolio.domain.book import Book
from portfolio.domain.bridge import Daily
from portfolio.domain.daybook import Day
from portfolio.domain.derivation import Derivation, Gap, derive, quote
from portfolio.domain.entries import Entry, in_order
from portfolio.domain.lots import Method
from portfolio.domain.performance import Performance, Point
from portfolio.domain.pricing import Market
from portfolio.domain.valuation import Quoted
from portfolio.models import Closure, Lot, Position, Projection, Snapshot
from portfolio.selectors import projections as state
from portfolio.selectors.days import day_before
from portfolio.selectors.figures import Figures, FiguresBeyondLimits, KeptFigures
from portfolio.selectors.market import listings_of, load_market, reach_of_prices
from portfolio.selectors.pages import currencies_on

MARKET_FIGURES = ("market_price", "priced_on", "market_value", "value_in_base", "unrealized_gain", "day_gain")
CLOSURE_FIGURES = (
    "opened_at", "closed_at", "opening", "closing", "quantity", "cost", "proceeds", "gain", "holding_days", "long_term",
    "missing", "wash_sale", "disallowed_loss",
)  # fmt: skip


class PastFigures(Figures):
    """Figures at the end of a past day, from the entries that were known at a past time."""

    def __init__(self, account: Account, *, as_of: date | None = None, known_at: datetime | None = None) -> None:
        super().__init__(account)
        self.as_of, self.known_at = as_of, known_at

    @cached_property
    def derivation(self) -> Derivation:
        """Everything that follows from the entries of that time."""
        entries, book = history_of(self.account, as_of=self.as_of, known_at=self.known_at)
        until = self.as_of.toordinal() if self.as_of is not None else None
        try:
            return derive(book, entries, margin=self.account.kind == AccountKind.MARGIN, until=until)
        except DecimalException as error:
            raise FiguresBeyondLimits from error

    @cached_property
    def instruments(self) -> Mapping[str, Instrument]:
        """The instruments the figures speak of."""
        return {str(one.pk): one for one in Instrument.objects.filter(pk__in=list(self.derivation.book.holdings))}

    def positions(self) -> Sequence[Position]:
        """Return all positions, open and closed, with their instruments, by symbol."""
        found = []
        for market in self.derivation.positions:
            holding = self.derivation.book.holdings[market.instrument]
            position = Position(
                account=self.account,
                instrument=self.instruments[market.instrument],
                quantity=holding.quantity,
                cost_basis=holding.cost,
                realized_gain=holding.realized,
                income=holding.income,
                fees=holding.fees,
                taxes=holding.taxes,
                since=date.fromordinal(holding.since) if holding.since else None,
            )
            for name in MARKET_FIGURES:
                setattr(position, name, getattr(market, name))
            found.append(position)
        return sorted(found, key=lambda position: (position.instrument.symbol, position.instrument.exchange))

    def lots(self) -> Sequence[Lot]:
        """Return the open lots with their instruments, oldest first."""
        found = [
            Lot(
                account=self.account,
                instrument=self.instruments[instrument],
                number=number,
                opened_at=lot.opened_at,
                sequence=lot.sequence,
                quantity=lot.opened,
                remaining=lot.quantity,
                cost=lot.cost,
                missing=lot.missing,
                tacked_days=lot.tacked,
            )
            for instrument, holding in self.derivation.book.holdings.items()
            for number, lot in enumerate(holding.lots, 1)
        ]
        return sorted(found, key=lambda lot: (lot.opened_at, lot.instrument_id, lot.number))

    def closures(self) -> Sequence[Closure]:
        """Return what was closed with its instruments, oldest first."""
        return [
            Closure(
                account=self.account,
                instrument=self.instruments[closure.instrument],
                number=number,
                **{name: getattr(closure, name) for name in CLOSURE_FIGURES},
            )
            for number, closure in enumerate(self.derivation.book.closures, 1)
        ]

    def snapshots(self) -> Sequence[Snapshot]:
        """Return the daily values, oldest first."""
        return [
            Snapshot(
                account=self.account, date=date.fromordinal(figure.day), **dict(zip(figure._fields[1:], figure[1:], strict=True))
            )
            for figure in self.derivation.figures
        ]

    def last_snapshot(self) -> Snapshot | None:
        """Return the values of the last day, if there is one."""
        found = self.snapshots()
        return found[-1] if found else None

    def since_inception(self) -> Performance | None:
        """Return the performance from the first day on, or none where no day was valued."""
        return self.performance()

    def points(self, *, start: date | None, end: date | None) -> list[Point]:
        """Return the daily values in [start, end) that performance is measured from, after the day before them."""
        first = 0 if start is None else start.toordinal() - 1
        last = date.max.toordinal() if end is None else end.toordinal()
        return [
            Point(figure.day, figure.total_value, figure.net_flow, figure.twr_index, figure.priced, figure.complete)
            for figure in self.derivation.figures
            if first <= figure.day < last
        ]

    def days(self, *, start: date | None = None, end: date | None = None) -> list[Daily]:
        """Return the days in [start, end) with their causes, after the day before them."""
        first = day_before(start).toordinal()
        last = date.max.toordinal() if end is None else end.toordinal()
        rows = (figure._asdict() for figure in self.derivation.figures if first <= figure.day < last)
        return [Daily._make(row[name] for name in Daily._fields) for row in rows]

    def pages(self, *, start: date | None = None, end: date | None = None) -> dict[int, Day]:
        """Return what moved until the end, and so what was held before."""
        last = date.max.toordinal() if end is None else end.toordinal()
        return {day: page for day, page in self.derivation.pages.items() if day < last}

    def transfers(self) -> dict[int, Day]:
        """Return the days of that time; most have no transfers."""
        return self.derivation.pages

    def quoted(self, pages: Iterable[Day], *, currency: str, start: date, until: date | None = None) -> Quoted:
        """Return the market by which moves are valued in a currency."""
        own = quote(self.derivation.book)
        if currency == own.base:
            return own
        found = list(pages)
        sources = {one for page in found for one in currencies_on(page)} | {one.currency for one in own.listings.values()}
        pairs = {(one, currency) for one in sources if one != currency}
        rates = load_market(instruments=(), pairs=pairs, start=start, until=until, via=own.base).rates if pairs else {}
        return Quoted(currency, own.listings, own.prices, {one: points for (one, _), points in rates.items()})

    def reach(self) -> tuple[date, date] | None:
        """Return the first and the last valued day, none where there are none."""
        found = self.derivation.figures
        return (date.fromordinal(found[0].day), date.fromordinal(found[-1].day)) if found else None

    def balances(self) -> Mapping[str, Decimal]:
        """Return the cash in each currency."""
        return self.derivation.book.cash

    def gaps(self) -> Mapping[str, Gap]:
        """Return what lacked a price or rate, by instrument id or currency pair."""
        return self.derivation.missing

    def stale(self) -> Collection[str]:
        """Return what is valued at a price or rate from before the last day, by instrument id or currency pair."""
        return list(self.derivation.stale)


def entries_in_order(account: Account, *, as_of: date | None = None, known_at: datetime | None = None) -> list[Entry]:
    """Return the entries that counted at the end of a day, as known at a time, in the order in which they do."""
    return in_order(state.entries_after(account_id=account.pk, as_of=as_of, known_at=known_at))


def history_of(account: Account, *, as_of: date | None = None, known_at: datetime | None = None) -> tuple[list[Entry], Book]:
    """Return the entries that counted at the end of a day, as known at a time, and the empty book they are posted to."""
    entries = entries_in_order(account, as_of=as_of, known_at=known_at)
    named = state.instruments_named(entries)
    series = reach_of_prices({entry.instrument for entry in entries if entry.instrument} | set(named.values()))
    pairs = state.pairs_of(account.base_currency, series, (), entries)
    first = min((entry.day for entry in entries), default=None)
    market = Market()
    if first is not None:
        market = load_market(instruments=series, pairs=pairs, start=date.fromordinal(first), until=as_of)
    method = Method(account.cost_basis_method)
    return entries, Book(account.base_currency, method, listings_of(series), market, named, state.rules_of(account))


def figures_of(account: Account, *, as_of: date | None = None, known_at: datetime | None = None) -> Figures:
    """Return an account's figures: as they are kept, or as they were on a day or as known at a time."""
    if known_at is None and as_of is not None:
        reached = Projection.objects.filter(pk=account.pk).values_list("valued_until", flat=True).first()
        if reached is not None and as_of >= reached:
            as_of = None
    if as_of is None and known_at is None:
        return KeptFigures(account)
    return PastFigures(account, as_of=as_of, known_at=known_at)
