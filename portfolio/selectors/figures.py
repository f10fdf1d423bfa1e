"""An account's figures as they are kept; `selectors.past` answers the same questions for a past day or a past knowledge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property

from django.core.exceptions import ValidationError
from django.db.models import QuerySet, Subquery

from accounts.models import Account
from marketdata.models import Instrument
from portfolio.domain.bridge import Bridge, Daily, bridge_of
from portfolio.domain.daybook import Day
from portfolio.domain.derivation import Gap
from portfolio.domain.inception import Inception, measure_whole
from portfolio.domain.joint import Vectors
from portfolio.domain.performance import Performance, Point
from portfolio.domain.valuation import Quoted
from portfolio.models import Closure, Lot, Position, Projection, Snapshot
from portfolio.models import Performance as KeptPerformance
from portfolio.selectors import performance as daily
from portfolio.selectors import projections as state
from portfolio.selectors.days import days_of, since, vectors_of
from portfolio.selectors.pages import pages_in, quoted_for, transfers_in

ZERO = Decimal(0)
NO_DAY = "No day has been valued yet."


class FiguresBeyondLimits(ValidationError):
    """Entries so large that nothing can hold their products; they are in the ledger, but nothing can be derived from them."""

    def __init__(self) -> None:
        super().__init__(
            "The entries of this account lead to numbers beyond all limits; reverse the one that is wrong.",
            code="figures_beyond_limits",
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """An account at a glance; `stale` and `missing` name instruments and currency pairs."""

    as_of: date | None
    currency: str
    total_value: Decimal | None = ZERO
    cash: Mapping[str, Decimal] = field(default_factory=dict)
    positions_value: Decimal | None = ZERO
    net_deposits: Decimal | None = ZERO
    gain: Decimal | None = ZERO
    day_gain: Decimal | None = ZERO
    twr: Decimal | None = None
    xirr: Decimal | None = None
    max_drawdown: Decimal | None = None
    stale: Sequence[str] = ()
    missing: Sequence[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)


class Figures(ABC):
    """The figures of one account, from wherever they come."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.currency = account.base_currency

    @abstractmethod
    def days(self, *, start: date | None = None, end: date | None = None) -> list[Daily]:
        """Return the days in [start, end) with their causes, after the day before them."""

    def vectors(self, names: Sequence[str], *, start: date | None = None, end: date | None = None) -> Vectors | None:
        """Return some amounts of the days in [start, end), maybe of others, too; none without days."""
        found = self.days(end=end)
        return Vectors.of(found, names) if found else None

    def bridge(self, *, start: date | None = None, end: date | None = None) -> Bridge:
        """Return what each cause made of the gain over [start, end)."""
        return bridge_of(since(self.days(start=start, end=end), start))

    @abstractmethod
    def pages(self, *, start: date | None = None, end: date | None = None) -> dict[int, Day]:
        """Return what moved in [start, end), and what was held before it."""

    @abstractmethod
    def transfers(self) -> dict[int, Day]:
        """Return the days on which something came from an account of one's own, or went to one."""

    @abstractmethod
    def quoted(self, pages: Iterable[Day], *, currency: str, start: date, until: date | None = None) -> Quoted:
        """Return the market by which moves are valued in a currency."""

    @abstractmethod
    def reach(self) -> tuple[date, date] | None:
        """Return the first and the last valued day, none where there are none."""

    def gap(self, *, start: date | None = None, end: date | None = None) -> str:
        """Return why no figure of [start, end) can be told, empty if they can."""
        return ""

    @abstractmethod
    def positions(self) -> Sequence[Position]:
        """Return all positions, open and closed, with their instruments, by symbol."""

    @abstractmethod
    def lots(self) -> QuerySet[Lot] | Sequence[Lot]:
        """Return the open lots with their instruments, oldest first."""

    @abstractmethod
    def closures(self) -> QuerySet[Closure] | Sequence[Closure]:
        """Return what was closed with its instruments, oldest first."""

    @abstractmethod
    def snapshots(self) -> QuerySet[Snapshot] | Sequence[Snapshot]:
        """Return the daily values, oldest first."""

    @abstractmethod
    def last_snapshot(self) -> Snapshot | None:
        """Return the values of the last day, if there is one."""

    @abstractmethod
    def since_inception(self) -> Performance | KeptPerformance | Inception | None:
        """Return the performance from the first day on, or none where no day was valued."""

    @abstractmethod
    def points(self, *, start: date | None, end: date | None) -> list[Point]:
        """Return the daily values in [start, end) that performance is measured from, after the day before them."""

    @abstractmethod
    def balances(self) -> Mapping[str, Decimal]:
        """Return the cash in each currency."""

    @abstractmethod
    def gaps(self) -> Mapping[str, Gap]:
        """Return what lacked a price or rate, by instrument id or currency pair."""

    @abstractmethod
    def stale(self) -> Collection[str]:
        """Return what is valued at a price or rate from before the last day, by instrument id or currency pair."""

    def performance(self, *, start: date | None = None, end: date | None = None, risk_free: float = 0.0) -> Performance | None:
        """Return the performance over [start, end), or none where no day of it was valued."""
        found = self.points(start=start, end=end)
        return daily.performance_of(found, kind=self.account.kind, start=start, risk_free=risk_free)

    def missing(self, *, start: date | None = None, end: date | None = None) -> list[str]:
        """Return the names of what lacked a price or rate on some day in [start, end)."""
        return names_of(self.lacking(start=start, end=end))

    def lacking(self, *, start: date | None = None, end: date | None = None) -> list[str]:
        """Return what lacked a price or rate on some day in [start, end), by instrument id or currency pair."""
        return [
            key
            for key, gap in self.gaps().items()
            if (end is None or gap.since < end) and (start is None or gap.known is None or gap.known > start)
        ]

    def summary(self, *, named: bool = True) -> Summary:
        """Return the account at a glance; unless `named`, instruments in `stale` and `missing` stand there by their ids."""
        name = names_of if named else list
        last, whole = self.last_snapshot(), self.since_inception()
        if last is None or whole is None:
            return Summary(None, self.currency, reasons=dict.fromkeys(("twr", "xirr", "max_drawdown"), NO_DAY))
        return Summary(
            as_of=last.date,
            currency=self.currency,
            total_value=last.total_value,
            cash={currency: balance for currency, balance in sorted(self.balances().items()) if balance},
            positions_value=last.positions_value,
            net_deposits=last.total_value - last.total_gain,
            gain=last.total_gain,
            day_gain=last.day_gain,
            twr=whole.twr,
            xirr=whole.xirr,
            max_drawdown=whole.max_drawdown,
            stale=name(self.stale()),
            missing=name(key for key, gap in self.gaps().items() if gap.known is None),
            reasons={figure: why for figure, why in whole.reasons.items() if figure in {"twr", "xirr"}},
        )


class KeptFigures(Figures):
    """Figures as they are kept in the tables."""

    @cached_property
    def projection(self) -> Projection:
        """How far the figures reach."""
        return Projection.objects.filter(pk=self.account.pk).first() or Projection(account=self.account)

    def positions(self) -> Sequence[Position]:
        """Return all positions, open and closed, with their instruments, by symbol."""
        found = Position.objects.filter(account=self.account).select_related("instrument")
        return list(found.order_by("instrument__symbol", "instrument__exchange"))

    def lots(self) -> QuerySet[Lot]:
        """Return the open lots with their instruments, oldest first."""
        found = Lot.objects.filter(account=self.account).select_related("instrument")
        return found.order_by("opened_at", "instrument_id", "number")

    def closures(self) -> QuerySet[Closure]:
        """Return what was closed with its instruments, oldest first."""
        return Closure.objects.filter(account=self.account).select_related("instrument").order_by("number")

    def snapshots(self) -> QuerySet[Snapshot]:
        """Return the daily values, oldest first."""
        return Snapshot.objects.filter(account=self.account).defer("moves", "held").order_by("date")

    def last_snapshot(self) -> Snapshot | None:
        """Return the values of the last day, if there is one."""
        return self.snapshots().last()

    def since_inception(self) -> KeptPerformance | Inception | None:
        """Return the performance from the first day on, or none where no day was valued.

        What was kept may stop before the last day, or be gone, as the end of a day and new entries write the values alone: then
        it is measured from those.
        """
        last = Snapshot.objects.filter(account=self.account).order_by("-date").values("date")[:1]
        kept = KeptPerformance.objects.filter(account=self.account).annotate(last=Subquery(last)).first()
        if kept is not None and kept.as_of == kept.last:
            return kept
        course = daily.whole_course(account_id=self.account.pk)
        return None if course is None else measure_whole(course, periods=daily.periods_of(self.account.kind))

    def points(self, *, start: date | None, end: date | None) -> list[Point]:
        """Return the daily values in [start, end) that performance is measured from, after the day before them."""
        return daily.points(account_id=self.account.pk, start=start, end=end)

    def days(self, *, start: date | None = None, end: date | None = None) -> list[Daily]:
        """Return the days in [start, end) with their causes, after the day before them."""
        return days_of(account_id=self.account.pk, start=start, end=end)

    def vectors(self, names: Sequence[str], *, start: date | None = None, end: date | None = None) -> Vectors | None:
        """Return some amounts of the days in [start, end), maybe of others, too; none without days."""
        return vectors_of(account_id=self.account.pk, names=names, start=start, end=end)

    def pages(self, *, start: date | None = None, end: date | None = None) -> dict[int, Day]:
        """Return what moved in [start, end), and what was held before it."""
        return pages_in(account_id=self.account.pk, start=start, end=end)

    def transfers(self) -> dict[int, Day]:
        """Return the days on which something came from an account of one's own, or went to one."""
        return transfers_in(account_id=self.account.pk)

    def quoted(self, pages: Iterable[Day], *, currency: str, start: date, until: date | None = None) -> Quoted:
        """Return the market by which moves are valued in a currency."""
        return quoted_for(self.projection, pages, currency=currency, start=start, until=until, via=self.account.base_currency)

    def reach(self) -> tuple[date, date] | None:
        """Return the first and the last valued day, none where there are none."""
        first, last = self.projection.first_date, self.projection.valued_until
        return None if first is None or last is None else (first, last)

    def balances(self) -> Mapping[str, Decimal]:
        """Return the cash in each currency."""
        return {currency: Decimal(balance) for currency, balance in self.projection.memory.get("cash", {}).items()}

    def gaps(self) -> Mapping[str, Gap]:
        """Return what lacked a price or rate, by instrument id or currency pair."""
        return state.gaps_of(self.projection.missing)

    def stale(self) -> Collection[str]:
        """Return what is valued at a price or rate from before the last day, by instrument id or currency pair."""
        return list(self.projection.stale)


def names_of(keys: Iterable[str]) -> list[str]:
    """Return what keys of gaps are called: the key of an instrument, or the currency pair as it is."""
    found = list(keys)
    ids = [key for key in found if "/" not in key]
    called = {str(one.pk): one.key for one in Instrument.objects.filter(pk__in=ids)} if ids else {}
    return sorted(called.get(key, key) for key in found)
