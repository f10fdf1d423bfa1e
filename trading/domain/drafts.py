"""Orders before they are placed: what is asked for, and every rule it has to keep, each by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal

from accounts.domain.limits import problem_of_number, problem_of_text
from marketdata.domain.instruments import AssetClass
from portfolio.domain.exact import EXACT, plain
from trading.domain.orders import OrderClass, OrderType, PositionEffect, Side, TimeInForce
from trading.domain.problems import Problem, Refused, refuse_if
from trading.domain.trailing import PERCENT, Trail

LONGEST_ID = 128
LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
STOPPED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})
STANDING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
PLAIN = frozenset({OrderType.MARKET, OrderType.LIMIT})
SHARES = frozenset({AssetClass.EQUITY, AssetClass.ETF})
WHOLE_UNITS = frozenset({AssetClass.OPTION, AssetClass.FUTURE})


class OrderRefused(Refused):
    """An order that breaks rules; nothing was placed."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an instrument asks of its orders; `extended_hours`: its exchange has some."""

    asset_class: AssetClass = AssetClass.EQUITY
    tick_size: Decimal | None = None
    active: bool = True
    extended_hours: bool = True

    @property
    def is_crypto(self) -> bool:
        """Say whether it trades around the clock."""
        return self.asset_class is AssetClass.CRYPTO


@dataclass(frozen=True, slots=True)
class TakeProfit:
    """Where a position is to be closed with a gain."""

    limit_price: Decimal


@dataclass(frozen=True, slots=True)
class StopLoss:
    """Where a position is to be closed before it loses more; with a limit, for no worse than that."""

    stop_price: Decimal
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDraft:
    """An order as it is asked for; quantity and notional are magnitudes."""

    side: Side
    type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    order_class: OrderClass = OrderClass.SIMPLE
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    effect: PositionEffect = PositionEffect.OPEN
    client_order_id: str = ""
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None

    @property
    def trail(self) -> Trail | None:
        """How far a trailing stop stays behind."""
        if self.trail_price is None and self.trail_percent is None:
            return None
        return Trail(self.trail_price, self.trail_percent)

    @property
    def is_fractional(self) -> bool:
        """Say whether it is for part of a unit, or for an amount of money."""
        return self.quantity is None or self.quantity != self.quantity.to_integral_value()

    @property
    def prices(self) -> dict[str, Decimal | None]:
        """The prices it names, its legs' included, by field."""
        profit, loss = self.take_profit, self.stop_loss
        return {
            "limit_price": self.limit_price,
            "stop_price": self.stop_price,
            "take_profit.limit_price": profit.limit_price if profit else None,
            "stop_loss.stop_price": loss.stop_price if loss else None,
            "stop_loss.limit_price": loss.limit_price if loss else None,
        }

    def check(self, terms: Terms) -> None:
        """Refuse a draft that breaks a rule.

        :raises OrderRefused: with every broken rule by field
        """
        refuse_if(self._broken(terms), OrderRefused)

    def check_either_way(self, terms: Terms) -> None:
        """Refuse a draft that breaks a rule whether it opens a position or closes one, where that can't be told.

        :raises OrderRefused: with every such rule by field
        """
        opening, closing = (replace(self, effect=one)._broken(terms) for one in PositionEffect)
        refuse_if((problem for problem in opening if problem in closing), OrderRefused)

    def _broken(self, terms: Terms) -> list[Problem]:
        """Return which rules it breaks; of numbers that are none nothing more is asked."""
        return [*_bad_numbers(self)] or [problem for rule in RULES for problem in rule(self, terms)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What is to be different about an open order; `quantity` is the whole of it, what is filled already included."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_order_id: str = ""


def replaced(draft: OrderDraft, change: Replacement, *, filled: Decimal, terms: Terms) -> OrderDraft:
    """Return the order that takes another's place: for what the other has not filled, with what is to be different.

    :raises OrderRefused: if nothing would be different, less is asked for than was filled, or the new order breaks a rule
    """
    refuse_if(_bad_replacement(draft, change, filled), OrderRefused)
    said = {field.name: getattr(change, field.name) for field in fields(change) if getattr(change, field.name)}
    whole = change.quantity or draft.quantity
    said["quantity"] = None if whole is None else EXACT.subtract(whole, filled)
    if change.trail_price is not None or change.trail_percent is not None:
        said |= {"trail_price": change.trail_price, "trail_percent": change.trail_percent}
    made = replace(draft, **{"client_order_id": ""} | said)
    made.check(terms)
    return made


def _bad_replacement(draft: OrderDraft, change: Replacement, filled: Decimal) -> Iterator[Problem]:
    """Yield why an order cannot be replaced so."""
    wanted = {field.name: getattr(change, field.name) for field in fields(change) if field.name != "client_order_id"}
    if all(value is None or value == getattr(draft, name) for name, value in wanted.items()):
        yield Problem("", "nothing_changes", "Give another quantity, price, trail or time in force.")
    if draft.quantity is None:
        yield Problem("notional", "not_replaceable", "An order by amount is not replaced; cancel it and place another.")
    elif change.quantity is not None and change.quantity <= filled:
        yield Problem("quantity", "below_filled", f"{plain(filled)} are filled already; ask for more, or cancel the rest.")


def _bad_numbers(draft: OrderDraft) -> Iterator[Problem]:
    """Yield which figures are no positive numbers, or not ones that can be stored."""
    trails = {"notional": draft.notional, "trail_price": draft.trail_price, "trail_percent": draft.trail_percent}
    amounts = trails | draft.prices
    for name, number, digits, places in (
        ("quantity", draft.quantity, 12, 12),
        *((name, amount, 15, 10) for name, amount in amounts.items()),
    ):
        if number is None:
            continue
        if told := problem_of_number(number, digits=digits, places=places):
            yield Problem(name, "invalid_number", told)
        elif number <= 0:
            yield Problem(name, "not_positive", "Write a number above zero; the side says which way it goes.")


def _size(draft: OrderDraft, terms: Terms) -> Iterator[Problem]:
    """Yield what is wrong with how much is asked for."""
    if (draft.quantity is None) == (draft.notional is None):
        yield Problem(
            "quantity", "quantity_or_notional", "Give either a quantity or an amount of money, not both and not neither."
        )
    if draft.is_fractional and terms.asset_class in WHOLE_UNITS:
        yield Problem("quantity", "whole_units", f"{_one(terms.asset_class)} trades in whole contracts; give a whole quantity.")
    elif draft.is_fractional and not terms.is_crypto:
        yield from _fractional(draft)


def _fractional(draft: OrderDraft) -> Iterator[Problem]:
    """Yield what cannot be asked for by parts of a share, or by an amount."""
    if draft.time_in_force is not TimeInForce.DAY:
        yield Problem("time_in_force", "fractional_day", "Parts of a share and amounts are ordered for the DAY alone.")
    if draft.order_class is not OrderClass.SIMPLE:
        yield Problem("order_class", "fractional_simple", "Parts of a share and amounts are ordered by SIMPLE orders alone.")
    if draft.type is OrderType.TRAILING_STOP:
        yield Problem("type", "fractional_trailing", "A trailing stop takes a whole quantity.")
    if draft.side is Side.SELL and draft.effect is PositionEffect.OPEN:
        yield Problem("quantity", "fractional_short", "Whole shares alone are sold short.")


def _prices(draft: OrderDraft, _terms: Terms) -> Iterator[Problem]:
    """Yield which prices are missing or out of place for the type."""
    wanted = {
        "limit_price": (draft.limit_price, draft.type in LIMITED),
        "stop_price": (draft.stop_price, draft.type in STOPPED),
    }
    for name, (price, needed) in wanted.items():
        word = name.replace("_", " ")
        if needed and price is None and not (draft.order_class is OrderClass.OCO and name == "limit_price"):
            yield Problem(name, f"{name}_required", f"A {draft.type} order needs a {word}.")
        if price is not None and not needed:
            yield Problem(
                name, f"{name}_not_taken", f"A {draft.type} order takes no {word}; leave it out or choose another type."
            )
    trails = (draft.trail_price is not None) + (draft.trail_percent is not None)
    if draft.type is OrderType.TRAILING_STOP and trails != 1:
        yield Problem("trail_price", "one_trail", "A trailing stop needs either a trail price or a trail percent.")
    elif draft.type is not OrderType.TRAILING_STOP and trails:
        yield Problem("trail_price", "trail_not_taken", f"A {draft.type} order trails nothing; leave the trail out.")
    if draft.trail_percent is not None and draft.side is Side.SELL and draft.trail_percent >= PERCENT:
        yield Problem("trail_percent", "trail_too_wide", "Less than 100 percent below the price, or it is never touched.")


def _time(draft: OrderDraft, terms: Terms) -> Iterator[Problem]:
    """Yield what the time in force forbids."""
    time = draft.time_in_force
    if time in AUCTIONS and draft.type not in PLAIN:
        yield Problem("type", "auction_type", f"An order for the auction ({time}) is a MARKET or LIMIT order.")
    if time in AT_ONCE and draft.type not in PLAIN:
        yield Problem("type", "at_once_type", f"An order to be filled at once ({time}) is a MARKET or LIMIT order.")
    if terms.is_crypto and time not in {TimeInForce.GTC, TimeInForce.IOC}:
        yield Problem("time_in_force", "crypto_time", "Crypto trades around the clock: choose GTC or IOC.")
    if terms.asset_class is AssetClass.OPTION and time is not TimeInForce.DAY:
        yield Problem("time_in_force", "option_day", "Options are ordered for the DAY alone.")


def _hours(draft: OrderDraft, terms: Terms) -> Iterator[Problem]:
    """Yield what cannot be had outside of regular hours."""
    if not draft.extended_hours:
        return
    if terms.asset_class not in SHARES or not terms.extended_hours:
        detail = "Extended hours are for shares and ETFs of exchanges in the United States; leave them out."
        yield Problem("extended_hours", "extended_shares", detail)
        return
    if draft.type is not OrderType.LIMIT or draft.order_class is not OrderClass.SIMPLE:
        yield Problem("extended_hours", "extended_limit", "Outside of regular hours simple LIMIT orders alone are taken.")
    if draft.time_in_force is not TimeInForce.DAY:
        yield Problem("time_in_force", "extended_time", "Outside of regular hours an order stands for the DAY alone.")


def _legs(draft: OrderDraft, _terms: Terms) -> Iterator[Problem]:
    """Yield which legs are missing, or too many, and which stand in the wrong place."""
    kind, profit, loss = draft.order_class, draft.take_profit, draft.stop_loss
    given = (profit is not None) + (loss is not None)
    if kind is OrderClass.SIMPLE:
        if given:
            yield Problem("order_class", "legs_not_taken", "A SIMPLE order has no legs; choose BRACKET, OCO or OTO.")
    elif kind is OrderClass.OTO:
        if given != 1:
            yield Problem("take_profit", "one_leg", "An OTO order has one leg: either a take profit or a stop loss.")
    elif given != len((profit, loss)):
        yield Problem("take_profit", "two_legs", f"{_one(kind)} order needs both a take profit and a stop loss.")
    yield from _leg_prices(draft)


def _one(word: str) -> str:
    """Return a word with its article.

    >>> _one("OCO"), _one("BRACKET")
    ('An OCO', 'A BRACKET')
    """
    return f"{'An' if word[0] in 'AEIOU' else 'A'} {word}"


def _group(draft: OrderDraft, terms: Terms) -> Iterator[Problem]:
    """Yield what an order cannot be that others hang on."""
    kind = draft.order_class
    if kind is OrderClass.SIMPLE:
        return
    if kind is OrderClass.OCO and draft.type is not OrderType.LIMIT:
        yield Problem("type", "oco_limit", "An OCO order is a LIMIT order whose price is that of its take profit.")
    elif kind is OrderClass.OCO and draft.limit_price is not None:
        yield Problem("limit_price", "oco_limit", "Leave it out: the price of an OCO order is that of its take profit.")
    elif draft.type not in PLAIN:
        yield Problem("type", "legs_type", f"{_one(kind)} order is entered by a MARKET or LIMIT order.")
    if draft.time_in_force not in STANDING:
        yield Problem("time_in_force", "legs_time", f"{_one(kind)} order stands for the DAY or as GTC.")
    if terms.is_crypto or terms.asset_class is AssetClass.OPTION:
        yield Problem("order_class", "legs_class", f"{terms.asset_class} is traded by SIMPLE orders alone.")
    if (draft.effect is PositionEffect.CLOSE) != (kind is OrderClass.OCO):
        what = "closes" if kind is OrderClass.OCO else "opens"
        yield Problem("order_class", "legs_effect", f"{_one(kind)} order {what} a position; this one would not.")


def _leg_prices(draft: OrderDraft) -> Iterator[Problem]:
    """Yield which legs stand on the wrong side of each other, or of the entry."""
    profit, loss = draft.take_profit, draft.stop_loss
    # of what is bought the gain lies above; an OCO order is itself on the closing side
    up = (draft.side is Side.BUY) != (draft.order_class is OrderClass.OCO)
    above, below = ("above", "below") if up else ("below", "above")

    def beyond(first: Decimal, second: Decimal) -> bool:
        return first > second if up else first < second

    if profit and loss and not beyond(profit.limit_price, loss.stop_price):
        yield Problem("take_profit.limit_price", "legs_crossed", f"The take profit has to lie {above} the stop loss.")
    entry = draft.limit_price if draft.order_class is not OrderClass.OCO else None
    if entry is not None and profit and not beyond(profit.limit_price, entry):
        yield Problem("take_profit.limit_price", "no_profit", f"The take profit has to lie {above} the entry's limit.")
    if entry is not None and loss and not beyond(entry, loss.stop_price):
        yield Problem("stop_loss.stop_price", "no_loss", f"The stop loss has to lie {below} the entry's limit.")
    if loss and loss.limit_price is not None and beyond(loss.limit_price, loss.stop_price):
        yield Problem("stop_loss.limit_price", "limit_beyond_stop", f"The limit of a stop loss lies at its stop or {below} it.")


def _instrument(draft: OrderDraft, terms: Terms) -> Iterator[Problem]:
    """Yield what the instrument itself forbids."""
    if terms.asset_class is AssetClass.INDEX:
        yield Problem("instrument", "not_tradable", "An index cannot be traded; choose a fund that follows it.")
    if not terms.active:
        yield Problem("instrument", "inactive", "The instrument is no longer traded.")
    if terms.tick_size is None:
        return
    for name, price in draft.prices.items():
        if price is not None and EXACT.remainder(price, terms.tick_size):
            yield Problem(name, "off_tick", f"Prices of the instrument are multiples of {terms.tick_size.normalize():f}.")


def _identity(draft: OrderDraft, _terms: Terms) -> Iterator[Problem]:
    """Yield what is wrong with the id that the client gave."""
    told = problem_of_text(draft.client_order_id, most=LONGEST_ID)
    if told or not draft.client_order_id.isprintable():
        yield Problem("client_order_id", "bad_client_order_id", told or "Leave out control characters.")


RULES: tuple[Callable[[OrderDraft, Terms], Iterator[Problem]], ...] = (
    _size,
    _prices,
    _time,
    _hours,
    _legs,
    _group,
    _instrument,
    _identity,
)
