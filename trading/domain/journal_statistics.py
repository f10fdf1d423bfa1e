"""What closed trades say when they are put together by strategy, symbol, entry type, hour, weekday or tag."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from portfolio.domain.exact import EXACT, money
from portfolio.domain.trades import Trade, TradeStatistics, statistics_of
from trading.domain.fills import exact_sum


class By(enum.StrEnum):
    """What trades are put together by."""

    STRATEGY = "strategy"
    SYMBOL = "symbol"
    ENTRY_TYPE = "entry_type"
    HOUR = "hour"
    WEEKDAY = "weekday"
    TAG = "tag"


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A trade that has ended, in the account's currency; `groups` are the names of those it belongs to."""

    closed_at: datetime
    gross: Decimal
    fees: Decimal
    net: Decimal
    r_multiple: Decimal | None
    held_for: timedelta
    groups: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of trades that belong together; `average_r` is of those that had a stop."""

    name: str
    statistics: TradeStatistics
    gross: Decimal
    fees: Decimal
    net: Decimal
    best: Decimal | None
    worst: Decimal | None
    average_r: Decimal | None
    average_hold_seconds: int | None


def figures_of(name: str, trades: Iterable[Closed]) -> Group:
    """Return the figures of trades, whatever order they come in."""
    ordered = sorted(trades, key=lambda one: one.closed_at)
    nets = [one.net for one in ordered]
    multiples = [one.r_multiple for one in ordered if one.r_multiple is not None]
    held = sum((one.held_for for one in ordered), timedelta())
    return Group(
        name=name,
        statistics=statistics_of([Trade(one.closed_at, one.net) for one in ordered]),
        gross=exact_sum(one.gross for one in ordered),
        fees=exact_sum(one.fees for one in ordered),
        net=exact_sum(nets),
        best=max(nets, default=None),
        worst=min(nets, default=None),
        average_r=money(EXACT.divide(exact_sum(multiples), Decimal(len(multiples)))) if multiples else None,
        average_hold_seconds=int((held / len(ordered)).total_seconds()) if ordered else None,
    )


def grouped_figures(trades: Sequence[Closed], *, names: Sequence[str] | None = None) -> list[Group]:
    """Return the figures of each group, those of `names` in their order, else by name; a trade counts in all its groups."""
    found: dict[str, list[Closed]] = {}
    for trade in trades:
        for name in dict.fromkeys(trade.groups):
            found.setdefault(name, []).append(trade)
    order = sorted(found) if names is None else [name for name in names if name in found]
    return [figures_of(name, found[name]) for name in order]


def group_of_time(by: By, opened_at: datetime) -> str:
    """Return the hour or weekday of a time, as the clock there has it.

    >>> group_of_time(By.HOUR, datetime(2024, 5, 6, 9, 31)), group_of_time(By.WEEKDAY, datetime(2024, 5, 6, 9, 31))
    ('09', 'Monday')
    """
    return f"{opened_at.hour:02}" if by is By.HOUR else WEEKDAYS[opened_at.weekday()]


def names_in_order(by: By) -> Sequence[str] | None:
    """Return the names of groups in an order of their own, where they have one."""
    return WEEKDAYS if by is By.WEEKDAY else None


def in_currency(amount: Decimal, rate: Decimal) -> Decimal:
    """Return an amount at a rate, rounded once."""
    return money(EXACT.multiply(amount, rate))
