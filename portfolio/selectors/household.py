"""Several accounts as one, in one currency. What went from one of them to another is no flow."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from accounts.models import AccountKind
from marketdata.models import Instrument
from portfolio.domain.bridge import Bridge, Daily, Leg, bridge_of, converted, prolonged
from portfolio.domain.contributions import Contribution
from portfolio.domain.daybook import Day
from portfolio.domain.exact import EXACT, ZERO, money
from portfolio.domain.joint import DETAILS, EVERY_DAY, JointDays, Member, Vectors
from portfolio.domain.performance import Performance, Point, exact_ratio
from portfolio.domain.pricing import Points
from portfolio.domain.valuation import flows_of
from portfolio.models import Position
from portfolio.selectors import performance as daily
from portfolio.selectors.conversion import no_rate, rates_into, span_of
from portfolio.selectors.days import day_before, since
from portfolio.selectors.figures import NO_DAY, Figures, Summary, names_of
from portfolio.selectors.valued import gains_of

RETURNS = ("twr", "xirr", "max_drawdown")
Rated = Points | None  # the rates into the currency, none for an account that is in it


@dataclass(frozen=True, slots=True)
class Joint:
    """What several accounts hold of one instrument; values are in the currency of the household, null without a rate."""

    instrument: Instrument
    quantity: Decimal
    market_price: Decimal | None
    priced_on: date | None
    market_value: Decimal | None
    weight: Decimal | None
    gains: Contribution | None
    accounts: Sequence[str]


class Household:
    """The figures of several accounts together; `members` are those of each, in its own currency."""

    def __init__(self, members: Sequence[Figures], currency: str) -> None:
        self.members, self.currency = members, currency

    @cached_property
    def rates(self) -> Mapping[str, Points]:
        """The rates into the currency, by the members' own."""
        return rates_into(self.currency, {member.currency for member in self.members})

    @cached_property
    def parts(self) -> tuple[list[list[Daily]], list[dict[int, Leg]], str]:
        """The days of each member and what it counted as flows from or to another, and why there are none: a day has no rate."""
        own = [member.days() for member in self.members]
        last = max((days[-1].day for days in own if days), default=0)
        internal = transfers_between(self.members)
        series, legs = [], []
        for member, days, moved in zip(self.members, own, internal, strict=True):
            rates = self.rates.get(member.currency)
            longer = prolonged(days, last)
            found, gap = (longer, None) if rates is None else converted(longer, rates)
            if gap:
                return [], [], no_rate(f"{member.currency}/{self.currency}", date.fromordinal(gap))
            series.append(found)
            legs.append({day: _at(leg, rates, day) for day, leg in moved.items()})
        return series, legs, ""

    @cached_property
    def own(self) -> list[Vectors | None]:
        """What is told of every day of each member, in its own currency."""
        return [member.vectors(EVERY_DAY) for member in self.members]

    @cached_property
    def whole(self) -> tuple[JointDays | None, str]:
        """What is told of every day of all together, none without days, and why there are none: a day has no rate."""
        found = []
        for member, vectors, moved in zip(self.members, self.own, transfers_between(self.members), strict=True):
            if vectors is not None:
                rates = self.rates.get(member.currency)
                one = Member(vectors, rates, {day: _at(leg, rates, day) for day, leg in moved.items()})
                if one.unrated:
                    return None, no_rate(f"{member.currency}/{self.currency}", date.fromordinal(one.unrated))
                found.append(one)
        return JointDays.of(found) if found else None, ""

    @cached_property
    def joined(self) -> tuple[list[Daily], str]:
        """All days together, and why there are none: a day of a member has no rate."""
        return self.days(), self.gap()

    @property
    def reach(self) -> tuple[date, date] | None:
        """The first and the last day, none where there are none."""
        whole = self.whole[0]
        return None if whole is None else (date.fromordinal(whole.first), date.fromordinal(whole.last))

    def days(self, *, start: date | None = None, end: date | None = None) -> list[Daily]:
        """Return the days in [start, end), after the day before them."""
        whole = self.whole[0]
        if whole is None:
            return []
        details = [(member, member.vectors(DETAILS, start=day_before(start), end=end)) for member in self.members]
        members = [Member(found, self.rates.get(member.currency), {}) for member, found in details if found is not None]
        return whole.days(members, *span_of(start, end))

    def gap(self, *, start: date | None = None, end: date | None = None) -> str:
        """Return why no figure can be told, empty if they can."""
        return self.whole[1]

    def performance(self, *, start: date | None = None, end: date | None = None, risk_free: float = 0.0) -> Performance | None:
        """Return the performance over [start, end), or none where no day of it was valued."""
        points = self.points(start=start, end=end)
        return daily.performance_of(points, kind=self.kind, start=start, risk_free=risk_free)

    @property
    def kind(self) -> str:
        """The kind of all accounts, if it is one: it says how many priced days make a year."""
        kinds = {member.account.kind for member in self.members}
        return kinds.pop() if len(kinds) == 1 else AccountKind.CASH

    def points(self, *, start: date | None = None, end: date | None = None) -> list[Point]:
        """Return the daily values in [start, end) that performance is measured from, after the day before them."""
        whole = self.whole[0]
        return [] if whole is None else whole.points(*span_of(start, end))

    def bridge(self, *, start: date | None = None, end: date | None = None) -> Bridge:
        """Return what each cause made of the gain over [start, end)."""
        return bridge_of(since(self.days(start=start, end=end), start))

    def lacking(self, *, start: date | None = None, end: date | None = None) -> list[str]:
        """Return what lacked a price or rate on some day in [start, end), by instrument id or currency pair."""
        found = {key for member in self.members for key in member.lacking(start=start, end=end)}
        return sorted(found | self.lacking_rates())

    def lacking_rates(self) -> set[str]:
        """Return the pairs into the currency that lack a rate on some day."""
        found = set()
        for member, vectors in zip(self.members, self.own, strict=True):
            rates = self.rates.get(member.currency)
            if vectors is not None and Member(vectors, rates, {}).unrated:
                found.add(f"{member.currency}/{self.currency}")
        return found

    def balances(self) -> Mapping[str, Decimal]:
        """Return the cash in each currency."""
        found: dict[str, Decimal] = defaultdict(Decimal)
        for member in self.members:
            for currency, balance in member.balances().items():
                found[currency] += balance
        return found

    def summary(self) -> Summary:
        """Return all accounts at a glance."""
        gap = self.gap()
        missing = {key for member in self.members for key, own in member.gaps().items() if own.known is None}
        names = names_of(missing | self.lacking_rates())
        cash = {currency: balance for currency, balance in sorted(self.balances().items()) if balance}
        whole = self.performance()
        if whole is None or self.reach is None:
            money_ = ("total_value", "positions_value", "net_deposits", "gain", "day_gain") if gap else ()
            reasons = dict.fromkeys((*money_, *RETURNS), gap or NO_DAY)
            nothing: dict[str, Any] = dict.fromkeys(money_)
            return Summary(None, self.currency, cash=cash, missing=names, reasons=reasons, **nothing)
        last = self.days(start=self.reach[1])[-1]
        return Summary(
            as_of=last.date,
            currency=self.currency,
            total_value=last.total_value,
            cash=cash,
            positions_value=last.positions_value,
            net_deposits=last.total_value - last.total_gain,
            gain=last.total_gain,
            day_gain=last.day_gain,
            twr=whole.twr,
            xirr=whole.xirr,
            max_drawdown=whole.max_drawdown,
            stale=names_of({key for member in self.members for key in member.stale()}),
            missing=names,
            reasons={figure: why for figure, why in whole.reasons.items() if figure in {"twr", "xirr"}},
        )

    def positions(self) -> list[Joint]:
        """Return what the accounts hold together, by symbol."""
        held: dict[Instrument, list[tuple[Figures, Position]]] = defaultdict(list)
        for member in self.members:
            for position in member.positions():
                if position.quantity:
                    held[position.instrument].append((member, position))
        last = self.points(start=self.reach[1])[-1:] if self.reach else []
        total = last[0].total_value if last else ZERO
        gains = self._gains()
        rows = [self._joint(instrument, rows, total, gains.get(str(instrument.pk))) for instrument, rows in held.items()]
        return sorted(rows, key=lambda row: (row.instrument.symbol, row.instrument.exchange))

    def _joint(
        self, instrument: Instrument, rows: Sequence[tuple[Figures, Position]], total: Decimal, gains: Contribution | None
    ) -> Joint:
        """Return what accounts hold of one instrument."""
        values = [self._value(member, position) for member, position in rows]
        known = [value for value in values if value is not None]
        value = sum(known, ZERO) if len(known) == len(values) else None
        newest = max((position for _, position in rows), key=lambda position: position.priced_on or date.min)
        return Joint(
            instrument,
            sum((position.quantity for _, position in rows), ZERO),
            newest.market_price,
            newest.priced_on,
            value,
            exact_ratio(EXACT.divide(value, total)) if value is not None and total else None,
            gains,
            [str(member.account.pk) for member, _ in rows],
        )

    def _value(self, member: Figures, position: Position) -> Decimal | None:
        """Return what a position is worth in the currency, at the rate of the last day."""
        rates = self.rates.get(member.currency)
        if position.value_in_base is None or rates is None:
            return position.value_in_base
        rate = rates.value_at(self.reach[1].toordinal()) if self.reach else None
        return None if rate is None else money(EXACT.multiply(position.value_in_base, rate))

    def _gains(self) -> dict[str, Contribution]:
        """Return what each instrument made in all accounts since their beginnings; nothing where a rate is missing."""
        if self.gap():
            return {}
        found: dict[str, Contribution] = {}
        for member in self.members:
            for key, row in gains_of(member, self.currency).items():
                known = found.get(key)
                found[key] = row if known is None else known.plus(row)
        return found


def transfers_between(members: Sequence[Figures]) -> list[dict[int, Leg]]:
    """Return for each member what of its flows came from another one or went there, by day, in its own currency."""
    pages = [member.transfers() for member in members]
    seen = Counter(group for found in pages for group in {one for page in found.values() for one in _groups(page)})
    common = {group for group, number in seen.items() if number > 1}
    return [
        _legs(member, {day: _between(page, common) for day, page in found.items()})
        for member, found in zip(members, pages, strict=True)
    ]


def _legs(member: Figures, pages: Mapping[int, Day]) -> dict[int, Leg]:
    """Return what flowed by transfers, each day, as the account's own flows count it."""
    moving = {day: page for day, page in pages.items() if page.flows or page.transfers}
    if not moving:
        return {}
    first, last = (date.fromordinal(day) for day in (min(moving), max(moving)))
    quoted = member.quoted(moving.values(), currency=member.currency, start=first, until=last)
    return {day: Leg(*flows_of(page, quoted, day, {})) for day, page in moving.items()}


def _groups(page: Day) -> Iterable[str]:
    """Return the groups of the transfers of a day."""
    moves: Collection[str | None] = [*(flow.group for flow in page.flows), *(move.group for move in page.transfers)]
    return [group for group in moves if group is not None]


def _between(page: Day, common: Collection[str]) -> Day:
    """Return a day with nothing but transfers of some groups."""
    flows = [flow for flow in page.flows if flow.group in common]
    return Day(flows=flows, transfers=[move for move in page.transfers if move.external and move.group in common])


def _at(leg: Leg, rates: Rated, day: int) -> Leg:
    """Return a flow in the currency of the household."""
    rate = None if rates is None else rates.value_at(day)
    return leg if rate is None else Leg(*(money(EXACT.multiply(amount, rate)) for amount in leg))
