"""Why a position is what it is, and what a closure made: down to the entries that opened and closed, and the price of the day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from portfolio.domain.daybook import Day
from portfolio.domain.exact import MONEY_PLACES, ONE, ZERO
from portfolio.domain.explain import RATIO_PLACES, Explanation, Row, Rule
from portfolio.domain.explain_days import Around, position_row
from portfolio.domain.explain_ledger import CHANGES, PUT_OFF, Effect, Replaced, note
from portfolio.domain.lots import Lot

UNIT_PLACES = 12
SUMMED = {
    "quantity": ("quantity_change", UNIT_PLACES),
    "cost_basis": ("cost_change", MONEY_PLACES),
    "realized_gain": ("realized_change", MONEY_PLACES),
    "income": ("income_change", MONEY_PLACES),
    "fees": ("fees_change", MONEY_PLACES),
    "taxes": ("taxes_change", MONEY_PLACES),
}
AVERAGE = "round(cost_of_all * reached / held, 10) - round(cost_of_all * reached_before / held, 10)"
BOUGHT_AGAIN = "Units bought within 30 days replaced what was sold at a loss: so much of it became cost of theirs."
CLOSED = Rule("round(brought * reached / closing, 10) - round(brought * reached_before / closing, 10)")


class PositionLike(Protocol):
    """The figures of a position, kept or derived anew, in the currency of its instrument."""

    quantity: Decimal
    cost_basis: Decimal
    market_price: Decimal | None
    market_value: Decimal | None
    value_in_base: Decimal | None
    unrealized_gain: Decimal | None
    day_gain: Decimal | None


class ClosureLike(Protocol):
    """What was closed of one lot."""

    number: int
    opened_at: datetime
    closed_at: datetime
    opening: int
    closing: int
    quantity: Decimal
    cost: Decimal
    proceeds: Decimal
    gain: Decimal
    disallowed_loss: Decimal
    holding_days: int


@dataclass(slots=True)
class Standing:
    """What a position is explained from: its instrument, the last day, and the whole of the account."""

    instrument: str
    day: int
    page: Day
    around: Around
    total_value: Decimal


def explain_position(position: PositionLike, found: Explanation, standing: Standing) -> Explanation:
    """Add why a position is what it is to an explanation that has the table of its entries."""
    for figure, (column, places) in SUMMED.items():
        found.tell(figure, f"sum(entries.{column})", getattr(position, figure), places)
    quantity, cost = position.quantity, position.cost_basis
    listing = standing.around.quoted.listings[standing.instrument]
    if quantity:
        unit = {"cost_basis": cost, "quantity": quantity, "multiplier": listing.multiplier}
        average = cost / (quantity * listing.multiplier)
        found.tell("average_price", "cost_basis / (quantity * multiplier)", average, **unit)
    row = position_row(found, standing.instrument, quantity, standing.day, standing.around)
    value = position.market_value
    if row is None or value is None:
        found.notes.append("What depends on the market is null: no price or rate was known.")
        return found
    price = found.tell("market_price", "price", position.market_price, price=row["price"])
    numbers: dict[str, Any] = {"quantity": quantity, "market_price": price, "multiplier": row["multiplier"]}
    found.tell("market_value", "quantity * market_price * multiplier", value, **numbers)
    found.tell("value_in_base", "market_value * rate", position.value_in_base, market_value=value, rate=row["rate"])
    gain = found.tell(
        "unrealized_gain", "market_value - cost_basis", position.unrealized_gain, market_value=value, cost_basis=cost
    )
    if cost and gain is not None:
        share, parts = gain / abs(cost), {"unrealized_gain": gain, "cost_basis": cost}
        found.tell("unrealized_gain_pct", "unrealized_gain / abs(cost_basis)", share, RATIO_PLACES, **parts)
    if standing.total_value and position.value_in_base is not None:
        whole = {"value_in_base": position.value_in_base, "total_value": standing.total_value}
        share = position.value_in_base / standing.total_value
        found.tell("weight", "value_in_base / total_value", share, RATIO_PLACES, **whole)
    _day_gain(position, found, standing, row)
    return found


def _day_gain(position: PositionLike, found: Explanation, standing: Standing, now: Row) -> None:
    """Add the steps to the gain of the last day."""
    around, key, day = standing.around, standing.instrument, standing.day
    units = around.units(key, day - 1)
    then = position_row(found, key, units, day - 1, around) if units else None
    if position.day_gain is None:
        return
    names = {"quantity_before": units, "price_before": then["price"] if then else ZERO, "multiplier": now["multiplier"]}
    before = found.find("value_before", "quantity_before * price_before * multiplier", **names)
    moved = sum((move.quantity for move in standing.page.transfers if move.instrument == key), ZERO)
    came = {"moved": moved, "market_price": now["price"], "multiplier": now["multiplier"]}
    transferred = found.find("transferred", "moved * market_price * multiplier", **came)
    paid = standing.page.paid.get(key, ZERO)
    parts = {"market_value": now["value"], "value_before": before, "put_in": paid, "transferred": transferred}
    found.tell("day_gain", "market_value - value_before - put_in - transferred", position.day_gain, **parts)


def explain_closure(
    one: ClosureLike, effects: Iterable[Effect], opening: Effect | None, put_off: Sequence[Replaced] = ()
) -> Explanation:
    """Return why a closure is what it is; `effects` are of the entry that closed it, `opening` of the one that opened the lot.

    `put_off` tells what was bought again, by which the loss does not count.
    """
    found = Explanation()
    found.table("entries", summed=CHANGES)
    closing = next((effect for effect in effects if _place(one, effect) is not None), None)
    for effect in (opening, closing):
        if effect is not None:
            note(found, effect)
    amounts = _amounts(one, found, closing) if closing is not None else None
    if amounts is None:
        _as_posted(one, found)
    _put_off(one, found, put_off)
    parts = {"proceeds": one.proceeds, "cost": one.cost}
    gain = found.tell("gain", "proceeds - cost", one.gain, **parts)
    taxable = one.gain + one.disallowed_loss
    found.tell("taxable_gain", "gain + disallowed_loss", taxable, gain=gain, disallowed_loss=one.disallowed_loss)
    spent = Decimal((one.closed_at.date() - one.opened_at.date()).days)
    days = {"days_between": spent, "days_of_replaced": Decimal(one.holding_days) - spent}
    found.tell("holding_days", "days_between + days_of_replaced", Decimal(one.holding_days), 0, **days)
    found.notes.append(
        f"Opened on {day_of(one.opened_at)} by entry #{one.opening}, closed on {day_of(one.closed_at)} by #{one.closing}."
    )
    return found


def day_of(at: datetime) -> str:
    """Return the day of an instant."""
    return date.isoformat(at.date())


def _place(one: ClosureLike, effect: Effect) -> int | None:
    """Return the place of a closure among those that an entry made."""
    wanted = (one.opening, one.quantity, one.cost, one.proceeds, one.opened_at)
    for place, made in enumerate(effect.closed):
        if (made.opening, made.quantity, made.cost, made.proceeds, made.opened_at) == wanted:
            return place
    return None


def _put_off(one: ClosureLike, found: Explanation, replaced: Sequence[Replaced]) -> None:
    """Add the step to the loss that does not count: the part of it that belongs to units that were bought again."""
    rules = {"put_off": PUT_OFF} if all(row.holds for row in replaced) else {}
    table = found.table("replaced", summed=("put_off",), rules=rules)
    for row in replaced:
        table.add(row._asdict())
    if found.tell("disallowed_loss", "sum(replaced.put_off)", one.disallowed_loss):
        found.notes.append(BOUGHT_AGAIN)


def _as_posted(one: ClosureLike, found: Explanation) -> None:
    """Add what was paid and received as it was posted."""
    found.notes.append("Cost and proceeds are as the entry was posted: it was no plain trade.")
    found.tell("quantity", "quantity", one.quantity, UNIT_PLACES, quantity=one.quantity)
    found.tell("cost", "cost", one.cost, cost=one.cost)
    found.tell("proceeds", "proceeds", one.proceeds, proceeds=one.proceeds)


def _amounts(one: ClosureLike, found: Explanation, closing: Effect) -> bool | None:
    """Add the steps to cost and proceeds of a trade that closed; none where it is not all that simple."""
    place, entry = _place(one, closing), closing.entry
    sizes = [abs(made.quantity) for made in closing.closed]
    lots = [lot for lot in closing.before if (lot.sequence, lot.opened_at) == (one.opening, one.opened_at)]
    if place is None or not one.quantity or len(lots) != 1 or not entry.quantity:
        return None
    rate = closing.rate.value if closing.rate else ONE
    whole, upto, before = sum(sizes, ZERO), sum(sizes[: place + 1], ZERO), sum(sizes[:place], ZERO)
    cash = found.find("cash_in_currency", "cash * rate", cash=entry.cash, rate=rate)
    traded = {"cash_in_currency": cash, "closing": whole, "traded": abs(entry.quantity)}
    whole_cash = found.find("brought", "cash_in_currency * closing / traded", **traded)
    parts = {"brought": whole_cash, "closing": whole, "reached": upto, "reached_before": before}
    received = found.find("share_of_cash", CLOSED.formula, **parts)
    lot = lots[0]
    long = one.quantity > 0
    _tell_quantity(found, one, lot, whole - before)
    if closing.average:
        held = sum((abs(one.quantity) for one in closing.before), ZERO)
        numbers = {"cost_of_all": closing.cost, "held": held, "reached": upto, "reached_before": before}
        lot_share = found.find("share_of_lot", AVERAGE, **numbers)
    else:
        numbers = {"lot_cost": lot.cost, "quantity": one.quantity, "lot_quantity": lot.quantity}
        lot_share = found.find("share_of_lot", "lot_cost * quantity / lot_quantity", **numbers)
        _tell_lot(found, lot)
    sides = {"share_of_lot": lot_share, "share_of_cash": received}
    paid, brought = ("share_of_lot", "share_of_cash") if long else ("-share_of_cash", "-share_of_lot")
    found.tell("cost", paid, one.cost, **{name: sides[name] for name in [paid.lstrip("-")]})
    found.tell("proceeds", brought, one.proceeds, **{name: sides[name] for name in [brought.lstrip("-")]})
    return True


def _tell_quantity(found: Explanation, one: ClosureLike, lot: Lot, left: Decimal) -> None:
    """Add the step to the units closed: all of the lot or all that was left to close, or fewer where so many were chosen."""
    sides = {"sign": ONE.copy_sign(one.quantity), "lot_quantity": lot.quantity, "left_to_close": left}
    if abs(one.quantity) == min(abs(lot.quantity), left):
        found.tell("quantity", "sign * min(abs(lot_quantity), left_to_close)", one.quantity, UNIT_PLACES, **sides)
    else:
        told = {"sign": sides["sign"], "chosen": abs(one.quantity)}
        found.tell("quantity", "sign * chosen", one.quantity, UNIT_PLACES, **told)


def _tell_lot(found: Explanation, lot: Lot) -> None:
    """Say what the lot was before it was closed."""
    told = (
        f"The lot of entry #{lot.sequence} held {lot.quantity.normalize():f} units at a cost of {lot.cost.normalize():f} before."
    )
    found.notes.append(told)
