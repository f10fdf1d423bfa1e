"""From a trade record of a file back to what it is derived from: how it was opened, and how it was closed.

A file tells of a trade once, closed or still open; or when it was opened and again when it was closed: with the same order id
and the same fields filled in, or as the order that closed it, with the opposite action.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from portfolio.domain.exact import EXACT, MONEY, ZERO, money, plain, units
from trading.domain.journal import factor_after, is_closed
from trading.domain.orders import Side
from trading.domain.problems import Problem, Refused, refuse_if
from trading.domain.trade_records import TradeRecord

CENT = Decimal("0.01")
LONGEST_ID = 128
# what a record says itself; all else follows from it
ENTRY = (
    *("timestamp", "action", "quantity", "price", "execution_mode", "strategy_name", "entry_type", "stop_loss", "target"),
    *("decision_reasoning", "indicators_used", "risk_reward_ratio", "slippage", "session_id", "bot_version", "config_hash"),
)
EXIT = ("profit_loss", "net_profit_loss", "commission", "exit_timestamp", "exit_reasoning")


class RecordContradicts(Refused):
    """A record whose figures do not agree with one another, or with what is known of the trade."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a trade was closed: when, at which prices (quantity and price of each part), and what it cost."""

    at: datetime
    parts: tuple[tuple[Decimal, Decimal], ...]
    fee: Decimal
    reasoning: str

    @property
    def quantity(self) -> Decimal:
        """How much was closed."""
        return sum((quantity for quantity, _ in self.parts), ZERO)

    def client_order_id(self, opening: str) -> str:
        """Return what the order that closed it is called: the same for the same ending."""
        said = "|".join([opening, self.at.isoformat(), *(f"{plain(one)}@{plain(price)}" for one, price in self.parts)])
        digest = hashlib.sha256(said.encode()).hexdigest()[:12]
        return f"{opening[: LONGEST_ID - len(digest) - 6]}-exit-{digest}"


def fees_of(record: TradeRecord) -> Decimal:
    """Return what a trade cost: its commission, or what is between gross and net."""
    if record.commission is not None:
        return record.commission
    if record.profit_loss is not None and record.net_profit_loss is not None:
        return EXACT.subtract(record.profit_loss, record.net_profit_loss)
    return ZERO


def check_figures(record: TradeRecord, multiplier: Decimal) -> None:
    """Refuse a record whose figures contradict one another.

    :raises RecordContradicts: by field
    """
    refuse_if(_contradictions(record, multiplier), RecordContradicts)


def ending_of(
    record: TradeRecord,
    multiplier: Decimal,
    *,
    paid: Decimal,
    closed: Decimal = ZERO,
    made: Decimal = ZERO,
    splits: Iterable[tuple[date, Decimal]] = (),
) -> Ending:
    """Return how a record says that a trade was closed, in units of the day of its end.

    `paid` are fees that it has had, `closed` is how much of it (in units of its opening) was closed before and `made` what that
    made before fees.

    :raises RecordContradicts: if it does not say when, or for how much
    """
    gain = record.profit_loss
    if gain is None and record.net_profit_loss is not None:
        gain = EXACT.add(record.net_profit_loss, fees_of(record))
    at = record.exit_timestamp
    if at is None and record.hold_duration_seconds is not None:
        at = record.timestamp + timedelta(seconds=record.hold_duration_seconds)
    if gain is None or at is None:
        name, what = ("profit_loss", "for how much") if gain is None else ("exit_timestamp", "when")
        raise RecordContradicts([Problem(name, "required", f"The trade was closed; say {what}.")])
    left = EXACT.subtract(record.quantity, closed)
    rest = EXACT.divide(EXACT.subtract(gain, made), multiplier) * Side(record.action).sign
    value = money(EXACT.add(EXACT.multiply(left, record.price), rest))
    quantity = units(EXACT.multiply(left, factor_after(record.timestamp, splits, until=at)))
    if quantity <= 0:
        raise RecordContradicts([Problem("quantity", "contradicts", "Nothing is left of it that could have been closed.")])
    return Ending(at, _parts(quantity, value), EXACT.subtract(fees_of(record), paid), record.exit_reasoning or "")


def exit_of(record: TradeRecord) -> Ending:
    """Return how a record of the order that closed a trade says that it did."""
    reasoning = record.exit_reasoning or record.decision_reasoning
    return Ending(
        record.exit_timestamp or record.timestamp, ((record.quantity, record.price),), record.commission or ZERO, reasoning
    )


def unlike(known: TradeRecord, said: TradeRecord) -> list[str]:
    """Return the fields in which a record of a file differs from the trade that is known by its order id.

    What the file does not say is no difference; nor is it one that the trade has been closed since.
    """
    closed = is_closed(said.outcome)
    names = (*ENTRY, *EXIT, "outcome") if closed and is_closed(known.outcome) else ENTRY
    return [name for name in names if (value := getattr(said, name)) not in (None, "", ()) and getattr(known, name) != value]


def _contradictions(record: TradeRecord, multiplier: Decimal) -> Iterator[Problem]:
    """Yield the figures of a record that do not agree."""
    total = EXACT.multiply(EXACT.multiply(record.quantity, record.price), multiplier)
    if abs(EXACT.subtract(record.total_value, total)) > CENT:
        yield Problem("total_value", "contradicts", f"Quantity times price is {plain(total)}.")
    for name in ("price", "stop_loss", "target", "profit_loss", "commission"):
        number = getattr(record, name)
        if number is not None and number != money(number):
            yield Problem(name, "too_precise", "At most ten decimals are kept.")
    gross, net, fee = record.profit_loss, record.net_profit_loss, record.commission
    if None not in (gross, net, fee) and abs(EXACT.subtract(EXACT.subtract(gross, fee), net)) > CENT:  # type: ignore[arg-type]
        yield Problem("net_profit_loss", "contradicts", "It is not what is left of profit_loss after commission.")
    held, end = record.hold_duration_seconds, record.exit_timestamp
    if held is not None and end is not None and abs((end - record.timestamp).total_seconds() - held) > 1:
        yield Problem("hold_duration_seconds", "contradicts", "It is not the time between timestamp and exit_timestamp.")


def _parts(quantity: Decimal, value: Decimal) -> tuple[tuple[Decimal, Decimal], ...]:
    """Return prices at which a quantity comes to a value to the last digit: one, or two that are a digit apart.

    :raises RecordContradicts: if no price above zero does

    >>> _parts(Decimal(3), Decimal("10"))
    ((Decimal('2.000000000000'), Decimal('3.3333333333')), (Decimal('1.000000000000'), Decimal('3.3333333334')))
    """
    price = EXACT.divide(value, quantity).quantize(MONEY, ROUND_FLOOR, EXACT)
    if price <= 0:
        detail = f"A result of this size would mean an exit at {plain(price)}; a price is above zero."
        raise RecordContradicts([Problem("profit_loss", "contradicts", detail)])
    rest = EXACT.subtract(value, EXACT.multiply(price, quantity))
    above = EXACT.divide(rest, MONEY).quantize(Decimal("1e-12"), context=EXACT)
    if not above:
        return ((quantity, price),)
    return ((EXACT.subtract(quantity, above), price), (above, EXACT.add(price, MONEY)))
