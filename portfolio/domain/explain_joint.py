"""Why several accounts together were worth what they were: from the days and the positions of each, in one currency."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.bridge import Daily, Leg, Link
from portfolio.domain.contributions import Contribution
from portfolio.domain.exact import ONE, ZERO
from portfolio.domain.explain import RATIO_PLACES, Explanation, Rule
from portfolio.domain.explain_currency import REST
from portfolio.domain.explain_days import chained

ADDED = ("total_value", "cash", "positions_value", "buying_power", "price_gain", "income", "interest", "fees", "taxes")
FLOWS = ("inflow", "outflow", "inflow_between", "outflow_between")
MADE = ("price_gain", "currency_gain", "income", "interest", "fees", "taxes")
NAMES = ("price", "currency", "income", "interest", "fees", "taxes")
VALUE = Rule("value_in_base * rate")
TOTAL = "price + income + currency + interest - fees - taxes"


class OfAccount(NamedTuple):
    """The day of one account in the currency of all, what of its flows came from another or went there, and where it is told."""

    account: str
    day: Daily
    between: Leg
    why: str


class HeldBy(NamedTuple):
    """What one account holds of an instrument, and made of it; none where it has no value or no rate."""

    account: str
    quantity: Decimal
    value_in_base: Decimal | None
    rate: Decimal | None
    gains: Contribution | None
    why: str


def explain_joint_day(day: Daily, before: Daily, accounts: Iterable[OfAccount], link: Link) -> Explanation:
    """Return why accounts together were worth what they were at the end of a day.

    `before` is the day before it, and its return is measured from `link`.
    """
    found = Explanation()
    table = found.table("accounts", summed=(*ADDED, *FLOWS))
    for account, own, between, why in accounts:
        flows = {"inflow": own.inflow, "outflow": own.outflow, "inflow_between": between.into, "outflow_between": between.out}
        table.add({"account": account, **{name: getattr(own, name) for name in ADDED}, **flows, "why": why})
    for name in ADDED:
        found.tell(name, f"sum(accounts.{name})", getattr(day, name))
    for name in ("inflow", "outflow"):
        found.tell(name, f"sum(accounts.{name}) - sum(accounts.{name}_between)", getattr(day, name))
    found.tell("net_flow", "inflow - outflow", day.inflow - day.outflow, inflow=day.inflow, outflow=day.outflow)
    chained(found, day, before, link)
    parts = {name: getattr(day, name) for name in ("day_gain", "price_gain", "income", "interest", "fees", "taxes")}
    found.tell("currency_gain", REST, day.currency_gain, **parts)
    return found


def explain_joint_position(
    accounts: Iterable[HeldBy], *, price: Decimal | None, value: Decimal | None, weight: Decimal | None, total: Decimal
) -> Explanation:
    """Return why accounts hold together what they do of an instrument, and what it made."""
    found = Explanation()
    rows = list(accounts)
    rules = {"value": VALUE} if all(row.value_in_base is not None and row.rate is not None for row in rows) else {}
    table = found.table("accounts", summed=("quantity", "value", *NAMES), rules=rules)
    for account, quantity, in_base, rate, gains, why in rows:
        numbers = {"value_in_base": in_base, "rate": rate}
        worth = found.compute(VALUE.formula, numbers, VALUE.places) if in_base is not None and rate is not None else None
        made = {name: ZERO if gains is None else getattr(gains, own) for name, own in zip(NAMES, MADE, strict=True)}
        table.add({"account": account, "quantity": quantity, **numbers, "value": worth, **made, "why": why})
    found.tell("quantity", "sum(accounts.quantity)", sum((row.quantity for row in rows), ZERO), 12)
    found.tell("market_price", "price", price, price=price)
    found.tell("market_value", "sum(accounts.value)", value)
    found.tell("weight", "market_value / total_value", weight, RATIO_PLACES, market_value=value, total_value=total or ONE)
    if any(row.gains is not None for row in rows):
        for name in NAMES:
            found.tell(f"gains.{name}", f"sum(accounts.{name})", table.total(name))
        found.tell(
            "gains.total", TOTAL, sum((row.gains.gain for row in rows if row.gains), ZERO), **{n: table.total(n) for n in NAMES}
        )
    return found
