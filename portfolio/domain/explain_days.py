"""Why an account was worth what it was at the end of a day, and what made the day's gain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from portfolio.domain.bridge import NO_DAY, Daily, Link
from portfolio.domain.daybook import Cause, Day, Flow, Item, Transfer
from portfolio.domain.entry import Listing
from portfolio.domain.exact import MONEY_PLACES, ONE, ZERO, plain
from portfolio.domain.explain import Cited, Explanation, Row, Rule
from portfolio.domain.gaps import INCOMPLETE
from portfolio.domain.pricing import NOTHING, Points
from portfolio.domain.returns import INDEX_PLACES
from portfolio.domain.valuation import CHARGES, Course, Quoted, position_value

VALUE = {
    "value": Rule("quantity * price * multiplier"),
    "value_in_base": Rule("value * rate"),
    "size": Rule("abs(value_in_base)"),
}
AMOUNT = {"value": Rule("amount * rate")}
FLOW = {**AMOUNT, "into": Rule("max(value, 0)"), "out": Rule("max(-value, 0)")}
DRIFT = {"drift": Rule("round(value_before * rate, 10) - round(value_before * rate_before, 10)")}
BY_RATES = {"gain": Rule("sign * (round(amount * rate, 10) - round(amount * counted_at, 10))")}
TABLES = {Cause.INCOME: "income", Cause.INTEREST: "interest", Cause.FEE: "fees", Cause.TAX: "taxes"}
BY_HAND, SPLIT, CLOSE, OF_DAY, OF_ENTRY = "by hand", "close before a split, divided by its ratio", "close", "day", "entry"


@dataclass(frozen=True, slots=True)
class Around:
    """What a day is explained from: what was held when, and the market; `called` are the keys of instruments by their ids."""

    course: Course
    quoted: Quoted
    called: Mapping[str, str]
    margin: bool

    def units(self, instrument: str, day: int) -> Decimal:
        """Return what was held of an instrument at the end of a day."""
        return _at(self.course.units.get(instrument, {}), day)

    def name(self, instrument: str) -> str:
        """Return what an instrument is called."""
        return self.called.get(instrument, instrument)


def explain_day(day: Daily, before: Daily | None, page: Day, around: Around, link: Link | None = None) -> Explanation:
    """Return why an account was worth what it was at the end of a day; `before` is the day before, if there is one.

    If that was incomplete, `link` is what the return of the day is measured from.
    """
    found, opening, number = Explanation(), before or NO_DAY, day.day
    _hold(found, number, around)
    _move(found, page, number, around)
    _drift(found, page, number, around)
    cash = found.tell("cash", "sum(cash.value)", day.cash)
    positions = found.tell("positions_value", "sum(holdings.value_in_base)", day.positions_value)
    owed = found.find("owed", "sum(owed.value)")
    found.tell("total_value", "cash + positions_value - owed", day.total_value, cash=cash, positions_value=positions, owed=owed)
    if around.margin:
        power = "max(2 * total_value - sum(holdings.size), 0)"
        found.tell("buying_power", power, day.buying_power, total_value=day.total_value)
    else:
        found.tell("buying_power", "max(cash, 0)", day.buying_power, cash=day.cash)
    inflow = found.tell("inflow", "sum(flows.into) + sum(transfers.into)", day.inflow)
    outflow = found.tell("outflow", "sum(flows.out) + sum(transfers.out)", day.outflow)
    found.tell("net_flow", "inflow - outflow", day.inflow - day.outflow, inflow=inflow, outflow=outflow)
    chained(found, day, opening, link)
    by_cause(found, day)
    return found


def chained(found: Explanation, day: Daily, opening: Daily, link: Link | None = None) -> None:
    """Add the steps that lead from the day before to this one; if that was incomplete, its return is measured from a link."""
    total, into, out = day.total_value, day.inflow, day.outflow
    moved = {"total_value": total, "value_before": opening.total_value, "inflow": into, "outflow": out}
    found.tell("day_gain", "total_value - value_before - inflow + outflow", day.day_gain, **moved)
    found.tell(
        "total_gain", "total_gain_before + day_gain", day.total_gain, total_gain_before=opening.total_gain, day_gain=day.day_gain
    )
    since, left = link or Link(opening.total_value)
    start = ZERO if since is None else since + into
    index, numbers = "twr_index_before", {"twr_index_before": opening.twr_index}
    if not day.complete:
        found.notes.append(INCOMPLETE)
    elif start > 0 and start != total + left + out:  # else there is nothing to grow from, or nothing grew
        index, numbers = f"{index} * max(total_value + outflow, 0) / (value_before + inflow)", numbers | moved
        if link is not None and not opening.complete:
            index = "twr_index_before * max(total_value + outflow + outflow_since, 0) / (value_since + inflow)"
            numbers |= {"value_since": since or ZERO, "outflow_since": left}
            found.notes.append("The days before lacked a price or rate: the return is that since the last day that lacked none.")
    found.tell("twr_index", index, day.twr_index, INDEX_PLACES, **numbers)


def by_cause(found: Explanation, day: Daily) -> None:
    """Add the steps that split the day's gain into its causes."""
    for name in TABLES.values():
        found.tell(name, f"sum({name}.value)", getattr(day, name))
    earned = {name: getattr(day, name) for name in ("day_gain", "income", "interest", "fees", "taxes")}
    raw = found.tables["drift"].total("drift") + found.tables["by_rates"].total("gain")
    if day.currency_gain != raw and not day.price_gain:  # what rounding left of amounts in other currencies is no price
        found.tell("price_gain", "0", day.price_gain)
        found.tell("currency_gain", "day_gain - income - interest + fees + taxes", day.currency_gain, **earned)
        return
    found.tell("currency_gain", "sum(drift.drift) + sum(by_rates.gain)", day.currency_gain)
    price = "day_gain - currency_gain - income - interest + fees + taxes"
    found.tell("price_gain", price, day.price_gain, **earned, currency_gain=day.currency_gain)


def cited_price(instrument: str, day: int, around: Around) -> Cited | None:
    """Return the price of an instrument on a day, and where it is from."""
    points = around.quoted.prices.get(instrument, NOTHING)
    index = points.index_at(day)
    if index < 0:
        return None
    seen = int(points.seen[index])
    if int(points.days[index]) != seen:
        source = SPLIT
    else:
        place = int(points.closed.searchsorted(seen))
        closed = place < len(points.closed) and int(points.closed[place]) == seen
        source = f"{CLOSE}{_in_coins(around.quoted.listings[instrument])}" if closed else BY_HAND
    return Cited(around.name(instrument), day, seen, points.values.decimal(index), source)


def _in_coins(listing: Listing) -> str:
    """Say that a close is quoted in a small coin, such as pence, of which it is a fraction here."""
    return "" if listing.unit == ONE else f" times {plain(listing.unit)}, as it is quoted in hundredths"


def cited_rate(currency: str, day: int, quoted: Quoted) -> Cited | None:
    """Return the rate of a currency into the base on a day; none of the base itself, or where none is known."""
    return cited(f"{currency}/{quoted.base}", quoted.rates.get(currency, NOTHING), day) if currency != quoted.base else None


def cited(pair: str, points: Points, day: int) -> Cited | None:
    """Return the rate of a pair on a day, none where none is known."""
    value, seen = points.value_at(day), points.seen_at(day)
    return None if value is None or seen is None else Cited(pair, day, seen, value, OF_DAY)


def position_row(found: Explanation, instrument: str, quantity: Decimal, day: int, around: Around) -> Row | None:
    """Return what units of an instrument were worth as a row, and cite its price and rate; none where one is not known."""
    listing = around.quoted.listings[instrument]
    worth, price = position_value(instrument, quantity, around.quoted, day), cited_price(instrument, day, around)
    rate = cited_rate(listing.currency, day, around.quoted)
    found.cite(prices=[price] if price else [], rates=[rate] if rate else [])
    if worth is None:
        return None
    return {
        "instrument": around.name(instrument),
        "quantity": quantity,
        "price": worth.price,
        "multiplier": listing.multiplier,
        "value": worth.value,
        "currency": listing.currency,
        "rate": rate.value if rate else ONE,
        "value_in_base": worth.in_base,
        "size": abs(worth.in_base),
    }


def _at(moves: dict[int, Decimal], day: int) -> Decimal:
    """Return what there was at the end of a day."""
    return next((amount for when, amount in reversed(moves.items()) if when <= day), ZERO)


def _hold(found: Explanation, day: int, around: Around) -> None:
    """Fill in the tables of what was held and owed at the end of a day."""
    holdings = found.table("holdings", summed=("value_in_base", "size"), rules=VALUE)
    for instrument in around.course.units:
        quantity = around.units(instrument, day)
        if not quantity:
            continue
        row = position_row(found, instrument, quantity, day, around)
        if row is None:
            found.notes.append(f"{around.name(instrument)} is left out: no price or rate of it was known.")
        else:
            holdings.add(row)
    for name, moves in (("cash", around.course.cash), ("owed", around.course.owed)):
        table = found.table(name, summed=("value",), rules=AMOUNT)
        for currency, balances in moves.items():
            if amount := _at(balances, day):
                table.add(_amount_row(found, currency, amount, None, day, around.quoted))


def _amount_row(found: Explanation, currency: str, amount: Decimal, recorded: Decimal | None, day: int, quoted: Quoted) -> Row:
    """Return an amount and what it counts as: at the rate its entry states, else at the day's; nothing without one."""
    rate = cited_rate(currency, day, quoted)
    if currency != quoted.base and recorded is not None:
        rate = Cited(f"{currency}/{quoted.base}", day, day, recorded, OF_ENTRY)
    factor = ONE if currency == quoted.base else rate.value if rate else ZERO
    found.cite(rates=[rate] if rate else [])
    if not factor:
        found.notes.append(f"{currency}/{quoted.base} is not known: the amount counts as nothing.")
    row: dict[str, Any] = {"currency": currency, "amount": amount, "rate": factor}
    return row | {"value": found.compute("amount * rate", row, 10)}


def _move(found: Explanation, page: Day, day: int, around: Around) -> None:
    """Fill in the tables of what came and went, was earned and was charged."""
    flows = found.table("flows", summed=("into", "out"), rules=FLOW)
    transfers = found.table("transfers", summed=("into", "out"), rules=VALUE | {"into": Rule("max(value_in_base, 0)")})
    transfers.rules = {**transfers.rules, "out": Rule("max(-value_in_base, 0)")}
    for flow in page.flows:
        row = _amount_row(found, flow.currency, flow.amount, flow.rate, day, around.quoted)
        flows.add(row | _both(row["value"] or ZERO))
    for move in page.transfers:
        if move.external:
            row = _transfer_row(found, move, day, around)
            (transfers if "quantity" in row else flows).add(row | _both(row.get("value_in_base", row["value"]) or ZERO))
    for cause, name in TABLES.items():
        table = found.table(name, summed=("value",), rules=AMOUNT)
        for item, amount in page.items.items():
            if item.cause is cause:
                row = _amount_row(found, item.currency, amount, item.rate, day, around.quoted)
                table.add({"instrument": around.name(item.instrument) or None} | row)


def _transfer_row(found: Explanation, move: Transfer, day: int, around: Around) -> Row:
    """Return what moved units count as: their worth, else the amount that the entry states."""
    row = position_row(found, move.instrument, move.quantity, day, around)
    if row is not None:
        return row
    amount = ZERO if move.amount is None else move.amount if move.quantity > 0 else -move.amount
    return _amount_row(found, move.currency, amount, None, day, around.quoted)


def _both(value: Decimal) -> Row:
    """Return the two sides of a flow."""
    return {"into": max(value, ZERO), "out": max(-value, ZERO)}


def _drift(found: Explanation, page: Day, day: int, around: Around) -> None:
    """Fill in the tables of what rates made: of what was held the day before, and of amounts that counted at other rates."""
    drift = found.table("drift", summed=("drift",), rules=DRIFT)
    for what, currency, amount in _held_before(day, around):
        rates = [cited_rate(currency, when, around.quoted) for when in (day, day - 1)]
        if rates[1] is None:  # it had no value that a rate could change
            continue
        found.cite(rates=[rate for rate in rates if rate])
        now, then = (rate.value if rate else ZERO for rate in rates)
        row = {"what": what, "currency": currency, "value_before": amount, "rate": now, "rate_before": then}
        drift.add(row | {"drift": found.compute(DRIFT["drift"].formula, row, 10)})
    by_rates = found.table("by_rates", summed=("gain",), rules=BY_RATES)
    for what, currency, amount, counted_at, sign in _at_other_rates(page, around.quoted.base):
        rate = cited_rate(currency, day, around.quoted)
        found.cite(rates=[rate] if rate else [])
        now = ONE if currency == around.quoted.base else rate.value if rate else ZERO
        row = {"what": what, "currency": currency, "amount": amount, "rate": now, "counted_at": counted_at, "sign": sign}
        by_rates.add(row | {"gain": found.compute(BY_RATES["gain"].formula, row, 10)})


def _held_before(day: int, around: Around) -> Iterator[tuple[str, str, Decimal]]:
    """Yield what was held in other currencies the day before, with its value in them."""
    quoted = around.quoted
    for instrument in around.course.units:
        currency, price = quoted.listings[instrument].currency, quoted.prices.get(instrument, NOTHING).value_at(day - 1)
        quantity = around.units(instrument, day - 1)
        if currency != quoted.base and quantity and price is not None:
            row = {"quantity": quantity, "price": price, "multiplier": quoted.listings[instrument].multiplier}
            yield around.name(instrument), currency, Explanation().compute(VALUE["value"].formula, row, MONEY_PLACES) or ZERO
    for what, sign, moves in (("cash", 1, around.course.cash), ("owed", -1, around.course.owed)):
        for currency, balances in moves.items():
            amount = _at(balances, day - 1)
            if currency != quoted.base and amount:
                yield what, currency, sign * amount


def _at_other_rates(page: Day, base: str) -> Iterator[tuple[str, str, Decimal, Decimal, Decimal]]:
    """Yield amounts that counted at the rate of their entry, and what was exchanged: by the day's rate they won or lost."""
    for item, amount in page.items.items():
        if item.rate is not None and item.currency != base:
            yield item.cause.name.lower(), item.currency, amount, item.rate, _sign(item)
    for flow in page.flows:
        if flow.rate is not None and flow.currency != base:
            yield _named(flow), flow.currency, flow.amount, flow.rate, ONE
    for currency, amount in page.turned.items():
        yield "exchanged", currency, amount, ZERO, ONE


def _sign(item: Item) -> Decimal:
    """Return whether what an amount gained counts for or against the account."""
    return -ONE if item.cause in CHARGES else ONE


def _named(flow: Flow) -> str:
    """Return what a flow is called."""
    return "inflow" if flow.amount > 0 else "outflow"
