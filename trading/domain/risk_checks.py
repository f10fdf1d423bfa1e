"""Every rule that an order is held against, with its limit and how it comes out: what a person sees before they place it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from portfolio.domain.exact import EXACT, ZERO, money
from trading.domain.fills import exact_sum
from trading.domain.orders import PositionEffect, Side
from trading.domain.risk import Exposure, Limits, Proposal, Rule, check_account, check_order


class Outcome(enum.StrEnum):
    """How a rule comes out."""

    KEPT = "KEPT"
    BROKEN = "BROKEN"
    NOT_WATCHED = "NOT_WATCHED"
    NOT_ASKED = "NOT_ASKED"


class Unit(enum.StrEnum):
    """What the numbers of a rule are."""

    SHARE = "SHARE"
    MONEY = "MONEY"
    QUANTITY = "QUANTITY"
    COUNT = "COUNT"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: what is compared with which limit, and how it comes out; `detail` says what to do about one that is broken."""

    rule: Rule
    unit: Unit
    outcome: Outcome
    value: Decimal | None = None
    limit: Decimal | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """A rule with the numbers that it compares; `watched` says whether there is a limit at all."""

    rule: Rule
    unit: Unit
    value: Decimal | None
    limit: Decimal | None
    watched: bool
    opening: bool = False


def checks_of(limits: Limits, exposure: Exposure, proposal: Proposal) -> list[Check]:
    """Return how every rule comes out for an order; also those that nobody gets to while trading is stopped.

    What is broken here is what `check_order` says of the order, and of the same order if trading were not stopped.
    """
    goes_on = replace(exposure, paused="", halted="")
    found = {
        breach.rule: breach
        for breach in (*check_order(limits, goes_on, proposal), *check_order(limits, exposure, proposal))
    }  # fmt: skip
    closes = proposal.effect is PositionEffect.CLOSE
    checks = []
    for row in (*_stops(exposure, limits), *_of_the_order(limits, exposure, proposal), *_of_the_account(limits, exposure)):
        breach = found.get(row.rule)
        if breach is not None:
            outcome, value, limit = Outcome.BROKEN, breach.value, breach.limit
        else:
            asked = Outcome.NOT_ASKED if closes and row.opening else Outcome.KEPT
            outcome, value, limit = asked if row.watched else Outcome.NOT_WATCHED, row.value, row.limit
        if value is not None and row.unit is Unit.SHARE:
            value = money(value)  # of a division
        checks.append(Check(row.rule, row.unit, outcome, value, limit, breach.detail if breach else ""))
    return [one for one in checks if one.rule is not Rule.UNKNOWN_VALUE or one.outcome is Outcome.BROKEN]


def account_checks(limits: Limits, exposure: Exposure) -> list[Check]:
    """Return how far an account has come towards each limit that is of it as a whole."""
    broken = {breach.rule: breach for breach in check_account(limits, exposure)}
    return [
        Check(
            row.rule,
            row.unit,
            (Outcome.BROKEN if row.rule in broken else Outcome.KEPT) if row.watched else Outcome.NOT_WATCHED,
            row.value,
            row.limit,
            broken[row.rule].detail if row.rule in broken else "",
        )
        for row in _of_the_account(limits, exposure)
    ]


def _stops(exposure: Exposure, limits: Limits) -> Iterator[_Row]:
    """Yield the rules by which nothing can be ordered at all."""
    yield _Row(Rule.TRADING_HALTED, Unit.NONE, None, None, watched=True)
    yield _Row(Rule.TRADING_PAUSED, Unit.NONE, None, None, watched=True)


def _of_the_order(limits: Limits, exposure: Exposure, proposal: Proposal) -> Iterator[_Row]:
    """Yield the rules about the one order."""
    most, value = limits.max_position_share, proposal.value
    yield _Row(Rule.UNKNOWN_VALUE, Unit.NONE, None, None, watched=True, opening=True)
    yield _Row(Rule.RESTRICTED_INSTRUMENT, Unit.NONE, None, None, watched=True)
    quantity = limits.max_order_quantity
    yield _Row(Rule.ORDER_QUANTITY, Unit.QUANTITY, proposal.quantity, quantity, watched=quantity is not None)
    yield _Row(Rule.ORDER_VALUE, Unit.MONEY, value, limits.max_order_value, watched=limits.max_order_value is not None)
    yield _Row(Rule.POSITION_SHARE, Unit.SHARE, _share_after(exposure, proposal), most, watched=most is not None, opening=True)
    power = exposure.buying_power
    yield _Row(Rule.BUYING_POWER, Unit.MONEY, value, power, watched=power is not None, opening=True)
    yield _Row(Rule.SHORT_SALE, Unit.NONE, None, None, watched=not limits.allow_short, opening=proposal.side is Side.SELL)
    count = Decimal(exposure.open_orders + 1)
    yield _Row(Rule.OPEN_ORDERS, Unit.COUNT, count, _number(limits.max_open_orders), limits.max_open_orders is not None, True)


def _of_the_account(limits: Limits, exposure: Exposure) -> Iterator[_Row]:
    """Yield the rules about the account as a whole."""
    loss, fall = exposure.day_gain_share, exposure.drawdown
    for rule, share, most in (
        (Rule.DAILY_LOSS, loss, limits.max_daily_loss_share),
        (Rule.DRAWDOWN, fall, limits.max_drawdown_share),
    ):
        value = None if share is None else max(EXACT.minus(share), ZERO)
        yield _Row(rule, Unit.SHARE, value, most, watched=most is not None, opening=True)
    streak = Decimal(exposure.losing_streak)
    longest = limits.max_consecutive_losses
    yield _Row(Rule.LOSING_STREAK, Unit.COUNT, streak, _number(longest), watched=longest is not None, opening=True)


def _share_after(exposure: Exposure, proposal: Proposal) -> Decimal | None:
    """Return which part of the account the position would be, open orders included."""
    equity = exposure.equity
    if proposal.value is None or equity is None or equity <= 0:
        return None
    held = abs(exposure.positions.get(proposal.instrument_id, ZERO))
    if proposal.effect is PositionEffect.CLOSE:
        return EXACT.divide(max(EXACT.subtract(held, proposal.value), ZERO), equity)
    return EXACT.divide(exact_sum([held, exposure.opening.get(proposal.instrument_id, ZERO), proposal.value]), equity)


def _number(count: int | None) -> Decimal | None:
    """Return a count as a number."""
    return None if count is None else Decimal(count)
