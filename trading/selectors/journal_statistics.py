"""The closed trades of a journal, put together, in the account's currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from accounts.models import Account
from marketdata.models import Instrument
from marketdata.selectors.prices import fx_rates
from portfolio.domain.collecting import collector_paused
from portfolio.domain.exact import EXACT, ONE
from portfolio.domain.minor import unit_of
from portfolio.domain.pricing import Points
from trading.domain.journal_statistics import (
    By,
    Closed,
    Group,
    figures_of,
    group_of_time,
    grouped_figures,
    in_currency,
    names_in_order,
)
from trading.domain.legs import LegRole
from trading.models import Order, Strategy, TradeTag
from trading.selectors.journal import Found, Journal, grouped


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """The figures of all closed trades and of each group; `missing` names rates without which trades were left out."""

    total: Group
    groups: Sequence[Group]
    missing: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Names:
    """What groups are called."""

    instruments: Mapping[UUID, Instrument]
    strategies: Mapping[UUID, str]
    tags: Mapping[UUID, Sequence[TradeTag]]


def statistics_of_journal(account: Account, journal: Journal, *, by: By, zone: ZoneInfo) -> JournalStatistics:
    """Return what the closed trades of a journal say, put together; hours and weekdays are those of the opening, in a zone."""
    with collector_paused():
        closed, missing = _closed(account, journal, by, zone)
        return JournalStatistics(figures_of("", closed), grouped_figures(closed, names=names_in_order(by)), sorted(missing))


def closed_trades(account: Account, journal: Journal) -> list[Closed]:
    """Return closed trades in the account's currency, the first closed first; those without a rate are left out."""
    closed, _ = _closed(account, journal, By.SYMBOL, ZoneInfo("UTC"))
    return sorted(closed, key=lambda one: one.closed_at)


def _closed(account: Account, journal: Journal, by: By, zone: ZoneInfo) -> tuple[list[Closed], set[str]]:
    """Return closed trades with the groups that they belong to, and the pairs without whose rates some are left out."""
    ended = [one for one in journal.trades if one.trip.closed_at is not None]
    names = _names(account, ended, by)
    stops = _stops(account) if any(one.facts.stop_loss is None for one in ended) else {}
    rates, missing = _rates(account, ended, names.instruments)
    closed = []
    for one, rate in zip(ended, rates, strict=True):
        trip, stop = one.trip, one.facts.stop_loss
        if rate is None or trip.closed_at is None:
            continue
        gross, net = in_currency(trip.gross, rate), in_currency(trip.net, rate)
        closed.append(
            Closed(
                closed_at=trip.closed_at,
                gross=gross,
                fees=gross - net,
                net=net,
                r_multiple=one.sized.r_multiple(stop if stop is not None else stops.get(one.order)),
                held_for=trip.closed_at - trip.opened_at,
                groups=_groups(one, by, names, zone),
            )
        )
    return closed, missing


def _names(account: Account, found: Sequence[Found], by: By) -> _Names:
    """Return what the groups of trades are called."""
    strategies = {one.facts.strategy for one in found if one.facts.strategy} if by is By.STRATEGY else set()
    called = Strategy.objects.filter(pk__in=strategies).values_list("pk", "name") if strategies else ()
    tags = TradeTag.objects.filter(account=account).order_by("tag") if by is By.TAG else ()
    return _Names(Instrument.objects.in_bulk({one.facts.instrument for one in found}), dict(called), grouped(tags))


def _stops(account: Account) -> Mapping[UUID, Decimal | None]:
    """Return the stops that entries of an account were placed with, the first of each."""
    rows = Order.objects.filter(account=account, role=LegRole.STOP_LOSS.value, parent__isnull=False)
    return dict(rows.order_by("-created_at", "-pk").values_list("parent_id", "stop_price"))


def _groups(found: Found, by: By, names: _Names, zone: ZoneInfo) -> Sequence[str]:
    """Return the groups that a trade belongs to; what says nothing belongs to one without a name."""
    facts = found.facts
    if by is By.TAG:
        return [row.tag for row in names.tags.get(found.order, ())] or [""]
    if by is By.STRATEGY:
        return [names.strategies.get(facts.strategy, "") if facts.strategy else ""]
    if by is By.SYMBOL:
        return [names.instruments[facts.instrument].key]
    if by is By.ENTRY_TYPE:
        return [facts.entry_type]
    return [group_of_time(by, found.trip.opened_at.astimezone(zone))]


def _rates(account: Account, found: Sequence[Found], traded: Mapping[UUID, Instrument]) -> tuple[list[Decimal | None], set[str]]:
    """Return the rate of each trade into the account's currency on the day it was closed, and the pairs that lack one."""
    base = account.base_currency
    quoted = {key: unit_of(instrument.currency) for key, instrument in traded.items()}
    days = [_day(one) for one in found if quoted[one.facts.instrument][0] != base]
    pairs = {(currency, base) for currency, _ in quoted.values() if currency != base}
    series = fx_rates(pairs=pairs, start=min(days), end=max(days) + timedelta(days=1)) if days else {}
    points = {
        pair: Points.of({day.toordinal(): rate for day, rate in zip(known.days, known.values, strict=True)})
        for pair, known in series.items()
    }
    rates: list[Decimal | None] = []
    missing: set[str] = set()
    for one in found:
        currency, unit = quoted[one.facts.instrument]
        known = points.get((currency, base))
        rate = ONE if currency == base else known.value_at(_day(one).toordinal()) if known is not None else None
        rates.append(None if rate is None else EXACT.multiply(rate, unit))
        if rate is None:
            missing.add(f"{currency}/{base}")
    return rates, missing


def _day(found: Found) -> date:
    """Return the day a trade was closed on, in UTC."""
    assert found.trip.closed_at is not None  # noqa: S101
    day: date = found.trip.closed_at.astimezone(UTC).date()
    return day
