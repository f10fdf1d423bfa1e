"""The limits of an account, and which of them an order, or the day so far, would break. What is at its limit keeps it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from portfolio.domain.exact import EXACT, ZERO, plain
from trading.domain.fills import exact_sum
from trading.domain.orders import PositionEffect, Side
from trading.domain.problems import Problem, Refused

PERCENT = Decimal(100)
REMEDY = "An owner may resume trading."
ENDS = (".", "!", "?")
PRICED = "order with a limit price, or have its prices brought in first."


class Severity(enum.StrEnum):
    """How bad a breach is."""

    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Action(enum.StrEnum):
    """What a breach leads to."""

    REJECT = "REJECT"
    PAUSE = "PAUSE"


class Rule(enum.StrEnum):
    """What is watched."""

    TRADING_HALTED = "TRADING_HALTED"
    TRADING_PAUSED = "TRADING_PAUSED"
    RESTRICTED_INSTRUMENT = "RESTRICTED_INSTRUMENT"
    ORDER_QUANTITY = "ORDER_QUANTITY"
    ORDER_VALUE = "ORDER_VALUE"
    POSITION_SHARE = "POSITION_SHARE"
    BUYING_POWER = "BUYING_POWER"
    SHORT_SALE = "SHORT_SALE"
    OPEN_ORDERS = "OPEN_ORDERS"
    UNKNOWN_VALUE = "UNKNOWN_VALUE"
    DAILY_LOSS = "DAILY_LOSS"
    DRAWDOWN = "DRAWDOWN"
    LOSING_STREAK = "LOSING_STREAK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an account may do; shares are from 0 to 1, amounts in its currency, none means that nothing is watched."""

    max_position_share: Decimal | None = Decimal("0.25")
    max_daily_loss_share: Decimal | None = Decimal("0.03")
    max_drawdown_share: Decimal | None = Decimal("0.2")
    max_consecutive_losses: int | None = 5
    max_order_quantity: Decimal | None = Decimal(10_000)
    max_order_value: Decimal | None = Decimal(100_000)
    max_open_orders: int | None = 200
    restricted: frozenset[UUID] = frozenset()
    allow_short: bool = False
    close_while_paused: bool = True

    def as_record(self) -> dict[str, Any]:
        """Return the limits as a risk event keeps them: texts, as JSON carries them.

        >>> Limits().as_record()["max_daily_loss_share"]
        '0.03'
        """
        record: dict[str, Any] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            record[name] = plain(value) if isinstance(value, Decimal) else value
        return record | {"restricted": sorted(map(str, self.restricted))}


DEFAULTS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An order that is to be placed, as risk sees it: magnitudes, the value in the account's currency, none where unpriced.

    `rate_missing` says of which currency in which no rate is known, if that is why.
    """

    instrument_id: UUID
    side: Side
    effect: PositionEffect
    quantity: Decimal | None
    value: Decimal | None
    rate_missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How an account stands at the moment, in its currency: what it is worth, holds, has ordered, and how it has been doing.

    `positions` are signed market values and `opening` the values of open orders that add to a position, by instrument.
    `drawdown` is zero or below, `paid_out` what left the account today, zero or above. What is not known is none, and then breaks
    nothing but what an order needs it for.
    """

    equity: Decimal | None
    buying_power: Decimal | None = None
    day_gain: Decimal | None = None
    paid_out: Decimal = ZERO
    drawdown: Decimal | None = None
    losing_streak: int = 0
    positions: Mapping[UUID, Decimal] = field(default_factory=dict)
    opening: Mapping[UUID, Decimal] = field(default_factory=dict)
    open_orders: int = 0
    paused: str = ""
    halted: str = ""

    @property
    def day_gain_share(self) -> Decimal | None:
        """The day's gain as a fraction of what there was before it: what came in counts, and what was paid out does, too."""
        if self.equity is None or self.day_gain is None:
            return None
        before = EXACT.add(EXACT.subtract(self.equity, self.day_gain), self.paid_out)
        return EXACT.divide(self.day_gain, before) if before > 0 else None


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that is broken: by what, and what may be done about it."""

    rule: Rule
    detail: str
    value: Decimal | None = None
    limit: Decimal | None = None
    severity: Severity = Severity.WARNING
    action: Action = Action.REJECT
    field: str = ""

    @property
    def problem(self) -> Problem:
        """The breach as the refusal of an order."""
        return Problem(self.field, self.rule.lower(), self.detail)


class RiskRefused(Refused):
    """An order that would break a limit of the account; nothing was placed."""

    by_state = True

    def __init__(self, breaches: tuple[Breach, ...]) -> None:
        super().__init__([breach.problem for breach in breaches])
        self.breaches = breaches


def check_order(limits: Limits, exposure: Exposure, proposal: Proposal) -> list[Breach]:
    """Return every limit that an order would break, those of the account as a whole first.

    An order that closes keeps to the limits of one order alone: it makes the account's risk smaller.
    """
    if stopped := _stopped(limits, exposure, proposal):
        return [stopped]
    rules = ORDER_RULES if proposal.effect is PositionEffect.CLOSE else (*ORDER_RULES, *OPENING_RULES)
    found = [breach for rule in rules for breach in rule(limits, exposure, proposal)]
    return found if proposal.effect is PositionEffect.CLOSE else [*check_account(limits, exposure), *found]


def check_account(limits: Limits, exposure: Exposure) -> list[Breach]:
    """Return which limits the account has run into: each is reason to pause its trading until an owner resumes it."""
    found: list[Breach] = []
    loss = exposure.day_gain_share
    for rule, name, share, most in (
        (Rule.DAILY_LOSS, "The day's loss", loss, limits.max_daily_loss_share),
        (Rule.DRAWDOWN, "The fall from the highest value", exposure.drawdown, limits.max_drawdown_share),
    ):
        if share is not None and most is not None and -share > most:
            detail = f"{name} is {_percent(-share)}, more than {_percent(most)}. {REMEDY}"
            found.append(Breach(rule, detail, -share, most, Severity.CRITICAL, Action.PAUSE))
    streak, longest = exposure.losing_streak, limits.max_consecutive_losses
    if longest is not None and streak > longest:
        detail = f"{streak} losing trades in a row are more than {longest}. {REMEDY}"
        found.append(Breach(Rule.LOSING_STREAK, detail, Decimal(streak), Decimal(longest), Severity.CRITICAL, Action.PAUSE))
    return found


def with_remedy(reason: str) -> str:
    """Return why trading is paused with what is to be done about it, said once.

    >>> with_remedy("Looking into it."), with_remedy("A loss. An owner may resume trading.")
    ('Looking into it. An owner may resume trading.', 'A loss. An owner may resume trading.')
    """
    return reason if reason.endswith(REMEDY) else f"{sentence(reason)} {REMEDY}"


def sentence(text: str) -> str:
    """Return what somebody wrote with a full stop, so that more can be said after it.

    >>> sentence("Looking into it"), sentence("Why?")
    ('Looking into it.', 'Why?')
    """
    return text if text.endswith(ENDS) else f"{text}."


def _stopped(limits: Limits, exposure: Exposure, proposal: Proposal) -> Breach | None:
    """Return why nothing can be ordered at all."""
    if exposure.halted:
        return Breach(Rule.TRADING_HALTED, f"All trading is stopped: {exposure.halted}", severity=Severity.CRITICAL)
    if exposure.paused and not (limits.close_while_paused and proposal.effect is PositionEffect.CLOSE):
        detail = f"Trading in the account is paused: {with_remedy(exposure.paused)}"
        return Breach(Rule.TRADING_PAUSED, detail, severity=Severity.CRITICAL)
    return None


def _restricted(limits: Limits, _exposure: Exposure, proposal: Proposal) -> Iterator[Breach]:
    if proposal.instrument_id in limits.restricted and proposal.effect is PositionEffect.OPEN:
        detail = "The account may not buy or short this instrument; an owner may take it off the list."
        yield Breach(Rule.RESTRICTED_INSTRUMENT, detail, field="instrument")


def _order_quantity(limits: Limits, _exposure: Exposure, proposal: Proposal) -> Iterator[Breach]:
    most, asked = limits.max_order_quantity, proposal.quantity
    if most is not None and asked is not None and asked > most:
        detail = f"One order is for {plain(most)} at most; place several, or have an owner raise the limit."
        yield Breach(Rule.ORDER_QUANTITY, detail, asked, most, field="quantity")


def _order_value(limits: Limits, _exposure: Exposure, proposal: Proposal) -> Iterator[Breach]:
    most, value = limits.max_order_value, proposal.value
    if most is not None and value is not None and value > most:
        detail = f"The order is worth {_amount(value)}, more than the {_amount(most)} that one may be; order less."
        yield Breach(Rule.ORDER_VALUE, detail, value, most, field="quantity")


def _known_value(limits: Limits, exposure: Exposure, proposal: Proposal) -> Iterator[Breach]:
    needed = (limits.max_order_value, limits.max_position_share, exposure.buying_power)
    if proposal.value is None and any(one is not None for one in needed):
        why, remedy, where = "quote, trade or bar of it is known", PRICED, "limit_price"
        if proposal.rate_missing:
            why, remedy, where = f"rate of {proposal.rate_missing} is known", "have one stored first.", "instrument"
        detail = f"No {why}, so the order can't be held against the limits; {remedy}"
        yield Breach(Rule.UNKNOWN_VALUE, detail, field=where)


def _position_share(limits: Limits, exposure: Exposure, proposal: Proposal) -> Iterator[Breach]:
    most, equity = limits.max_position_share, exposure.equity
    if most is None or proposal.value is None:
        return
    held = abs(exposure.positions.get(proposal.instrument_id, ZERO))
    after = exact_sum([held, exposure.opening.get(proposal.instrument_id, ZERO), proposal.value])
    share = EXACT.divide(after, equity) if equity is not None and equity > 0 else None
    if share is None or share > most:
        told = f"{_percent(share)} of the account" if share is not None else "more than the account is worth"
        detail = f"The position would be {told}, more than {_percent(most)}; order less."
        yield Breach(Rule.POSITION_SHARE, detail, share, most, field="quantity")


def _buying_power(_limits: Limits, exposure: Exposure, proposal: Proposal) -> Iterator[Breach]:
    power, value = exposure.buying_power, proposal.value
    if power is not None and value is not None and value > power:
        detail = f"The order takes {_amount(value)}, and {_amount(power)} can be spent; order less or deposit more."
        yield Breach(Rule.BUYING_POWER, detail, value, power, field="quantity")


def _short_sale(limits: Limits, _exposure: Exposure, proposal: Proposal) -> Iterator[Breach]:
    if proposal.side is Side.SELL and not limits.allow_short:
        detail = "The account holds none of it and may not sell short; an owner may allow it."
        yield Breach(Rule.SHORT_SALE, detail, field="side")


def _open_orders(limits: Limits, exposure: Exposure, _proposal: Proposal) -> Iterator[Breach]:
    most = limits.max_open_orders
    if most is not None and exposure.open_orders >= most:
        detail = f"{exposure.open_orders} orders are open, and {most} may be; cancel some first."
        yield Breach(Rule.OPEN_ORDERS, detail, Decimal(exposure.open_orders + 1), Decimal(most))


Check = Callable[[Limits, Exposure, Proposal], Iterator[Breach]]
ORDER_RULES: tuple[Check, ...] = (_restricted, _order_quantity, _order_value)
OPENING_RULES: tuple[Check, ...] = (_known_value, _position_share, _buying_power, _short_sale, _open_orders)


def _percent(share: Decimal) -> str:
    return f"{plain(round(share * PERCENT, 2))} %"


def _amount(value: Decimal) -> str:
    return f"{value:,.2f}"
