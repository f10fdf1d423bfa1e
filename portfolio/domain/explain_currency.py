"""The last steps to figures in another currency: days at their rates, costs and proceeds at those of the days they arose."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, Protocol

from portfolio.domain.bridge import NO_DAY, Daily, Link
from portfolio.domain.exact import ZERO
from portfolio.domain.explain import RATIO_PLACES, Cited, Explanation, Rule
from portfolio.domain.explain_days import chained

AMOUNTS = ("total_value", "cash", "positions_value", "buying_power", "inflow", "outflow", "price_gain", "income", "interest")
CHARGES = ("fees", "taxes")
REST = "day_gain - price_gain - income - interest + fees + taxes"
CONVERTED = Rule("amount * rate")
GAIN = Rule("round(proceeds * rate_of_proceeds, 10) - round(cost * rate_of_cost, 10) + round(put_off * rate_of_put_off, 10)")


class Rated(NamedTuple):
    """An amount with the rate it is read at, and the entry it is of."""

    sequence: int
    amount: Decimal
    rate: Decimal


class RatedGain(NamedTuple):
    """What was paid and received for what was closed, and of a loss what does not count, each with the rate it is read at."""

    opening: int
    closing: int
    cost: Decimal
    rate_of_cost: Decimal
    proceeds: Decimal
    rate_of_proceeds: Decimal
    put_off: Decimal
    rate_of_put_off: Decimal


class InAnother(Protocol):
    """A position in another currency than its instrument's."""

    @property
    def quantity(self) -> Decimal:
        """What is held."""

    @property
    def cost_basis(self) -> Decimal | None:
        """What it cost."""

    @property
    def market_value(self) -> Decimal | None:
        """What it is worth."""

    @property
    def market_price(self) -> Decimal | None:
        """What a unit is worth."""

    @property
    def unrealized_gain(self) -> Decimal | None:
        """The value less the cost."""

    @property
    def unrealized_gain_pct(self) -> Decimal | None:
        """The same as a fraction of the cost."""

    @property
    def average_price(self) -> Decimal | None:
        """What a unit cost."""

    @property
    def realized_gain(self) -> Decimal | None:
        """What was realized."""

    @property
    def day_gain(self) -> Decimal | None:
        """What the last day made of it."""

    @property
    def income(self) -> Decimal | None:
        """What it earned."""

    @property
    def fees(self) -> Decimal | None:
        """What was charged for it."""

    @property
    def taxes(self) -> Decimal | None:
        """What was taxed of it."""


def explain_day_in(
    found: Explanation, own: Daily, told: Daily | None, before: Daily | None, rate: Cited, link: Link | None
) -> None:
    """Add how a day is read in another currency; `told` is the day there, `before` the one before it, if it has a rate.

    `link` is what its return is measured from; none where no day before it has a rate.
    """
    found.cite(rates=[rate])
    if told is None:
        return
    for name in (*AMOUNTS, *CHARGES):
        found.tell(name, "own * rate", getattr(told, name), own=getattr(own, name), rate=rate.value)
    found.tell("net_flow", "inflow - outflow", told.inflow - told.outflow, inflow=told.inflow, outflow=told.outflow)
    if link is not None:
        chained(found, told, before or NO_DAY, link)
    else:
        found.tell("day_gain", "own * rate", told.day_gain, own=own.day_gain, rate=rate.value)
    parts = {name: getattr(told, name) for name in ("day_gain", "price_gain", "income", "interest", "fees", "taxes")}
    found.tell("currency_gain", REST, told.currency_gain, **parts)


def explain_position_in(
    found: Explanation,
    told: InAnother,
    *,
    lots: Iterable[Rated],
    closed: Iterable[RatedGain],
    own: tuple[Decimal | None, Decimal | None],
    rate: Cited | None,
    multiplier: Decimal,
) -> None:
    """Add how a position is read in another currency; `own` are its price and value in the instrument's."""
    found.cite(rates=[rate] if rate else [])
    table = found.table("lots", summed=("converted",), rules={"converted": CONVERTED})
    for lot in lots:
        table.add(lot._asdict() | {"converted": found.compute(CONVERTED.formula, lot._asdict(), CONVERTED.places)})
    gains = found.table("closures", summed=("gain",), rules={"gain": GAIN})
    for one in closed:
        gains.add(one._asdict() | {"gain": found.compute(GAIN.formula, one._asdict(), GAIN.places)})
    cost = found.tell("cost_basis", "sum(lots.converted)", told.cost_basis)
    found.tell("realized_gain", "sum(closures.gain)", told.realized_gain)
    if cost is not None and told.quantity:
        unit = {"cost_basis": cost, "quantity": told.quantity, "multiplier": multiplier}
        found.tell("average_price", "cost_basis / (quantity * multiplier)", told.average_price, **unit)
    if rate is not None:
        for name, amount, kept in zip(("market_price", "market_value"), own, (told.market_price, told.market_value), strict=True):
            found.tell(name, "own * rate", kept, own=amount, rate=rate.value)
    gain = told.unrealized_gain
    if gain is not None:
        parts = {"market_value": told.market_value, "cost_basis": cost}
        found.tell("unrealized_gain", "market_value - cost_basis", gain, **parts)
        share = {"unrealized_gain": gain, "cost_basis": cost}
        found.tell("unrealized_gain_pct", "unrealized_gain / abs(cost_basis)", told.unrealized_gain_pct, RATIO_PLACES, **share)
    _by_gains(found, told)


def _by_gains(found: Explanation, told: InAnother) -> None:
    """Add the figures that are sums over days, each at its rate: what `gains` and `last_day` were explained from, if at all."""
    made = "gains" in found.tables
    found.tell("income", "sum(gains.income) + sum(gains.interest)" if made else "0", told.income)
    found.tell("fees", "sum(gains.fees)" if made else "0", told.fees)
    found.tell("taxes", "sum(gains.taxes)" if made else "0", told.taxes)
    today = next((step.value for step in found.steps if step.figure == "last_day.total"), ZERO)
    found.tell("day_gain", "last_day", told.day_gain, last_day=today)


def explain_closure_in(found: Explanation, rated: RatedGain | None, disallowed: tuple[Decimal, Decimal | None]) -> None:
    """Add how a closure is read in another currency; `disallowed` is the loss that does not count, and its rate."""
    loss, rate = disallowed
    if rated is None or rate is None:
        found.notes.append("A rate is missing: the amounts are null.")
        return
    cost = found.find("cost", "own * rate", own=rated.cost, rate=rated.rate_of_cost)
    proceeds = found.find("proceeds", "own * rate", own=rated.proceeds, rate=rated.rate_of_proceeds)
    gain = found.find("gain", "proceeds - cost", proceeds=proceeds, cost=cost)
    put_off = found.find("disallowed_loss", "own * rate", own=loss or ZERO, rate=rate)
    found.find("taxable_gain", "gain + disallowed_loss", gain=gain, disallowed_loss=put_off)
