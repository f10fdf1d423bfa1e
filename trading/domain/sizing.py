"""How much to buy or short so that the stop costs what one is willing to lose, and no cap is broken."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from portfolio.domain.exact import EXACT, ZERO, money
from trading.domain.orders import Side
from trading.domain.problems import Problem, Refused, refuse_if


class SizeRefused(Refused):
    """Figures from which no size follows."""


class Cap(enum.StrEnum):
    """What a size was limited by."""

    RISK = "RISK"
    POSITION = "POSITION"
    ORDER_QUANTITY = "ORDER_QUANTITY"
    ORDER_VALUE = "ORDER_VALUE"
    BUYING_POWER = "BUYING_POWER"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRequest:
    """What a trade is to look like; `risk_share` of the equity is what the stop may cost, fees of both ways included.

    `rate` is what one unit of the instrument's currency is worth in the account's. `step` is the smallest part that trades.
    """

    side: Side
    entry: Decimal
    stop: Decimal
    equity: Decimal
    risk_share: Decimal = Decimal("0.01")
    target: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    rate: Decimal = Decimal(1)
    fees: Decimal = ZERO
    step: Decimal = Decimal(1)
    max_position_share: Decimal | None = None
    max_order_quantity: Decimal | None = None
    max_order_value: Decimal | None = None
    buying_power: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """How much, what it costs, what it risks (all in the account's currency), and what limited it; zero if nothing fits."""

    quantity: Decimal
    value: Decimal
    risk: Decimal
    capped_by: Cap
    risk_reward: Decimal | None = None


def size(request: SizeRequest) -> Size:
    """Return the largest quantity that keeps to the risk and to every cap, in whole steps.

    :raises SizeRefused: by field, if the figures contradict each other

    >>> found = size(SizeRequest(side=Side.BUY, entry=Decimal(100), stop=Decimal(95), equity=Decimal(50_000)))
    >>> found.quantity, found.value, found.risk, found.capped_by
    (Decimal('100'), Decimal('10000.0000000000'), Decimal('500.0000000000'), <Cap.RISK: 'RISK'>)
    """
    refuse_if(_problems(request), SizeRefused)
    unit = EXACT.multiply(request.multiplier, request.rate)
    at_risk = EXACT.multiply(abs(EXACT.subtract(request.entry, request.stop)), unit)
    worth = EXACT.multiply(request.entry, unit)
    room = max(EXACT.subtract(EXACT.multiply(request.equity, request.risk_share), request.fees), ZERO)
    ways: list[tuple[Decimal, Cap]] = [(EXACT.divide(room, at_risk), Cap.RISK)]
    if request.max_position_share is not None:
        ways.append((EXACT.divide(EXACT.multiply(request.equity, request.max_position_share), worth), Cap.POSITION))
    if request.max_order_quantity is not None:
        ways.append((request.max_order_quantity, Cap.ORDER_QUANTITY))
    for amount, cap in ((request.max_order_value, Cap.ORDER_VALUE), (request.buying_power, Cap.BUYING_POWER)):
        if amount is not None:
            ways.append((EXACT.divide(max(amount, ZERO), worth), cap))
    most, cap = min(ways, key=lambda way: way[0])
    steps = EXACT.divide(most, request.step).to_integral_value(ROUND_FLOOR)
    quantity = EXACT.multiply(steps, request.step)
    risk = EXACT.add(EXACT.multiply(quantity, at_risk), request.fees) if quantity else ZERO
    return Size(quantity, money(EXACT.multiply(quantity, worth)), money(risk), cap, risk_reward(request))


def risk_reward(request: SizeRequest) -> Decimal | None:
    """Return what is to be won for each unit at risk, without fees; none without a target."""
    if request.target is None:
        return None
    return money(EXACT.divide(abs(request.target - request.entry), abs(request.entry - request.stop)))


def _problems(request: SizeRequest) -> list[Problem]:
    """Return which figures contradict each other."""
    found = [
        Problem(name, "not_positive", "Write a number above zero.")
        for name in ("entry", "stop", "equity", "multiplier", "rate", "step")
        if not (getattr(request, name).is_finite() and getattr(request, name) > 0)
    ]
    if not (request.risk_share.is_finite() and 0 < request.risk_share <= 1):
        found.append(Problem("risk_share", "not_a_share", "The risk is a share of the equity, such as 0.01."))
    if found:
        return found
    below = "below" if request.side is Side.BUY else "above"
    if (request.entry - request.stop) * request.side.sign <= 0:
        found.append(Problem("stop", "stop_not_beyond_entry", f"The stop of this trade has to lie {below} the entry."))
    above = "above" if request.side is Side.BUY else "below"
    if request.target is not None and (request.target - request.entry) * request.side.sign <= 0:
        found.append(Problem("target", "target_not_beyond_entry", f"The target of this trade has to lie {above} the entry."))
    return found
