"""The trade journal: what is known of a round trip besides its fills, told together with them as a trade record."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from portfolio.domain.exact import EXACT, ONE, money, plain, units
from trading.domain.decisions import risk_reward
from trading.domain.orders import Side
from trading.domain.outcomes import TradeOutcome, outcome_of
from trading.domain.round_trips import Exit, RoundTrip
from trading.domain.trade_records import TradeRecord

CENTS = Decimal("0.01")
PLANNED = "risk_reward_ratio"  # in a decision's metadata: what somebody planned, where that is not what its prices come to
EXIT_WORDS = {"TAKE_PROFIT": "Take profit.", "STOP_LOSS": "Stop loss."}
# what files say that must say something, of what nobody wrote down
UNSAID: Mapping[str, str] = {
    "strategy_name": "manual",
    "entry_type": "manual",
    "decision_reasoning": "not recorded",
    "session_id": "00000000-0000-0000-0000-000000000000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What is known of a trade from its order, its decision and its session."""

    order_id: str
    symbol: str
    action: str
    execution_mode: str
    account_id: str
    strategy_name: str = ""
    entry_type: str = ""
    stop_loss: Decimal | None = None
    target: Decimal | None = None
    reasoning: str = ""
    indicators: tuple[str, ...] = ()
    planned: Decimal | None = None
    reference_price: Decimal | None = None
    exit_reasoning: str = ""
    session_id: str = ""
    bot_version: str = ""
    config_hash: str = ""


@dataclass(frozen=True, slots=True)
class Sized:
    """A round trip in the units of its opening; of `splits` (ex-date, ratio) some may have come since."""

    trip: RoundTrip
    splits: Sequence[tuple[date, Decimal]] = ()

    @property
    def factor(self) -> Decimal:
        """How many of today's units stand for one of its opening."""
        return factor_after(self.trip.opened_at, self.splits)

    @property
    def quantity(self) -> Decimal:
        """How much was opened."""
        return units(EXACT.divide(self.trip.quantity, self.factor))

    @property
    def closed_quantity(self) -> Decimal:
        """How much of it was closed."""
        return units(EXACT.divide(self.trip.closed_quantity, self.factor))

    @property
    def entry_price(self) -> Decimal:
        """The price at which it was opened on average."""
        return money(EXACT.multiply(EXACT.divide(self.trip.entry_value, self.trip.quantity), self.factor))

    @property
    def exit_price(self) -> Decimal | None:
        """The price at which it was closed on average, as if no split had come between; none where nothing was."""
        price = self.trip.exit_price
        return None if price is None else money(EXACT.multiply(price, self.factor))

    def r_multiple(self, stop: Decimal | None) -> Decimal | None:
        """Return what the closed part made in units of what it risked; none without a stop beyond the entry."""
        return self.trip.r_multiple(None if stop is None else EXACT.divide(stop, self.factor))

    def unrealized(self, price: Decimal, *, at: datetime) -> Decimal:
        """Return what the part that is open has made at a price of some time, before fees."""
        trip = self.trip
        now = EXACT.divide(price, factor_after(at, self.splits))
        moved = EXACT.subtract(now, EXACT.divide(trip.entry_value, trip.quantity))
        return money(EXACT.multiply(EXACT.multiply(moved, trip.remaining), trip.multiplier * trip.direction.sign))

    @property
    def parts(self) -> list[Exit]:
        """What closed it, time by time and price by price, each in the units of its day."""
        found: dict[tuple[datetime, Decimal], Exit] = {}
        for one in self.trip.exits:
            factor = factor_after(one.at, self.splits)
            quantity, price = EXACT.divide(one.quantity, factor), money(EXACT.multiply(one.price, factor))
            same = found.get((one.at, price))
            if same is not None:
                quantity, fee = EXACT.add(same.quantity, quantity), EXACT.add(same.fee, one.fee)
            else:
                fee = one.fee
            found[one.at, price] = Exit(one.order, one.at, units(quantity), price, fee)
        return list(found.values())


def record_of(sized: Sized, about: Background) -> TradeRecord:
    """Return the trade record of a round trip; what was closed of one that is still open is not told yet."""
    trip, closed = sized.trip, sized.trip.closed_at is not None
    price, held = sized.entry_price, sized.trip.held_for
    ratio = about.planned if about.planned is not None else risk_reward(price, about.stop_loss, about.target)
    slipped = None if about.reference_price is None else EXACT.subtract(price, about.reference_price) * trip.direction.sign
    return TradeRecord(
        timestamp=trip.opened_at,
        symbol=about.symbol,
        action=about.action,
        quantity=_tidy(sized.quantity),
        price=tidy(price),
        total_value=tidy(money(EXACT.multiply(trip.entry_value, trip.multiplier))),
        order_id=about.order_id,
        execution_mode=about.execution_mode,
        account_id=about.account_id,
        strategy_name=about.strategy_name,
        entry_type=about.entry_type,
        stop_loss=_told(about.stop_loss),
        target=_told(about.target),
        decision_reasoning=about.reasoning,
        indicators_used=about.indicators,
        risk_reward_ratio=None if ratio is None else _tidy(ratio),
        outcome=trip.outcome.value,
        profit_loss=tidy(trip.gross) if closed else None,
        hold_duration_seconds=None if held is None else int(held.total_seconds()),
        exit_timestamp=trip.closed_at,
        exit_reasoning=about.exit_reasoning or None if closed else None,
        slippage=_told(slipped),
        commission=tidy(trip.paid),
        net_profit_loss=tidy(trip.net) if closed else None,
        session_id=about.session_id,
        bot_version=about.bot_version,
        config_hash=about.config_hash,
    )


def lines_of(sized: Sized, about: Background, reasons: Mapping[Hashable, str]) -> list[TradeRecord]:
    """Return the records that files have of a round trip: one, or while it is closed in part alone, one of each part besides.

    Those name the trade by its order id and have the opposite action. `reasons` says by order why it closed.
    """
    record = record_of(sized, about)
    if sized.trip.closed_at is not None or not sized.trip.exits:
        return [record]
    return [replace(record, commission=tidy(sized.trip.entry_fee)), *(_part(sized, record, one, reasons) for one in sized.parts)]


def _part(sized: Sized, record: TradeRecord, part: Exit, reasons: Mapping[Hashable, str]) -> TradeRecord:
    """Return the record of a part that was closed."""
    trip, factor = sized.trip, factor_after(part.at, sized.splits)
    entry = EXACT.multiply(EXACT.divide(trip.entry_value, trip.quantity), factor)
    gross = EXACT.multiply(EXACT.subtract(part.price, entry), EXACT.multiply(part.quantity, trip.multiplier))
    gross = money(gross * trip.direction.sign)
    net = EXACT.subtract(gross, part.fee)
    value = money(EXACT.multiply(EXACT.multiply(part.quantity, part.price), trip.multiplier))
    return replace(
        record,
        timestamp=part.at,
        action=Side(record.action).opposite.value,
        quantity=_tidy(part.quantity),
        price=tidy(part.price),
        total_value=tidy(value),
        outcome=outcome_of(net).value,
        profit_loss=tidy(gross),
        exit_reasoning=reasons.get(part.order) or None,
        slippage=None,
        commission=tidy(part.fee),
        net_profit_loss=tidy(net),
    )


def for_files(record: TradeRecord) -> TradeRecord:
    """Return a record with words in the fields that files must have, where nothing was written down."""
    words: dict[str, Any] = {name: word for name, word in UNSAID.items() if not getattr(record, name)}
    return replace(record, **words) if words else record


def as_said(record: TradeRecord) -> TradeRecord:
    """Return a record of a file without the words that stand for nothing."""
    words: dict[str, Any] = {name: "" for name, word in UNSAID.items() if getattr(record, name) == word}
    return replace(record, **words)


def planned_in(metadata: Mapping[str, Any]) -> Decimal | None:
    """Return the reward for each unit at risk that a decision's metadata say was planned, if they do."""
    said = metadata.get(PLANNED)
    try:
        number = Decimal(str(said)) if isinstance(said, str | int | float) and not isinstance(said, bool) else None
    except ArithmeticError:
        return None
    return number if number is not None and number.is_finite() and abs(number) < 10**6 else None


def factor_after(at: datetime, splits: Iterable[tuple[date, Decimal]], *, until: datetime | None = None) -> Decimal:
    """Return how many of today's units, or of those of a later time, stand for one of a time, by the splits (ex-date, ratio).

    >>> splits = [(date(2020, 8, 31), Decimal(4)), (date(2024, 6, 10), Decimal(10))]
    >>> factor_after(datetime(2024, 6, 7, 14, tzinfo=UTC), splits)
    Decimal('10')
    >>> factor_after(datetime(2020, 8, 28, tzinfo=UTC), splits, until=datetime(2024, 6, 7, tzinfo=UTC))
    Decimal('4')
    """
    factor, end = ONE, date.max if until is None else until.astimezone(UTC).date()
    for day, ratio in splits:
        if at.astimezone(UTC).date() < day <= end:
            factor = EXACT.multiply(factor, ratio)
    return factor


def tidy(amount: Decimal) -> Decimal:
    """Return an amount with two decimals, or as many as say something.

    >>> tidy(Decimal("148.5000000000")), tidy(Decimal("0.0512000000"))
    (Decimal('148.50'), Decimal('0.0512'))
    """
    short = _tidy(amount)
    exponent = short.as_tuple().exponent
    return short.quantize(CENTS, context=EXACT) if isinstance(exponent, int) and exponent > -2 else short  # noqa: PLR2004


def is_closed(outcome: str | None) -> bool:
    """Say whether an outcome is one of a trade that has ended."""
    return outcome not in (None, "", TradeOutcome.OPEN.value)


def _told(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else tidy(amount)


def _tidy(number: Decimal) -> Decimal:
    return Decimal(plain(number))
