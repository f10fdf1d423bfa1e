"""What an account holds, at what the market says now: as it was valued last, taken along by later quotes and trades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal

from accounts.models import Account
from marketdata.domain.money import major_unit
from marketdata.models import Instrument, LatestQuote, LatestTick
from portfolio.domain.exact import EXACT, ONE, ZERO
from portfolio.models import Position

TWO = Decimal(2)


@dataclass(frozen=True, slots=True)
class Held:
    """A position; amounts are in the instrument's currency but for `value_in_base`, prices are of one unit in whole coins.

    `price` is none where nothing is known; `close` is the one before it that the day's change counts from.
    """

    instrument: Instrument
    quantity: Decimal
    cost_basis: Decimal
    average_price: Decimal
    price: Decimal | None
    close: Decimal | None
    value_in_base: Decimal | None

    @property
    def units(self) -> Decimal:
        """How many units of the underlying are held; below zero for a short position."""
        return EXACT.multiply(self.quantity, self.instrument.multiplier)

    @property
    def value(self) -> Decimal | None:
        """What it is worth."""
        return None if self.price is None else EXACT.multiply(self.units, self.price)

    @property
    def gain(self) -> Decimal | None:
        """What was gained on it and is not realized."""
        return None if self.value is None else EXACT.subtract(self.value, self.cost_basis)

    @property
    def day_gain(self) -> Decimal | None:
        """What was gained on it since the close before."""
        if self.price is None or self.close is None:
            return None
        return EXACT.multiply(self.units, EXACT.subtract(self.price, self.close))


def held_in(account: Account) -> list[Held]:
    """Return what an account holds, by symbol; the portfolio has been brought up to date before. Three questions for all."""
    found = Position.objects.open().filter(account=account).select_related("instrument")
    positions = list(found.order_by("instrument__symbol", "instrument__exchange"))
    live = live_prices([position.instrument for position in positions])
    return [_held(position, live.get(str(position.instrument_id))) for position in positions]


def _held(position: Position, live: tuple[datetime, Decimal] | None) -> Held:
    """Return a position at the live price, if that is not older than the one it was valued at."""
    instrument, valued = position.instrument, position.market_price
    price, close, worth = valued, _close_before(position), position.value_in_base
    if live is not None and (position.priced_on is None or live[0] >= datetime.combine(position.priced_on, time(), UTC)):
        price = EXACT.multiply(live[1], major_unit(instrument.currency)[1])
        if position.priced_on is not None and live[0].astimezone(UTC).date() > position.priced_on:
            close = valued
        if worth is not None and valued:
            worth = EXACT.divide(EXACT.multiply(worth, price), valued)
    return Held(
        instrument=instrument,
        quantity=position.quantity,
        cost_basis=position.cost_basis,
        average_price=position.average_price or ZERO,
        price=price,
        close=close if close is not None else price,
        value_in_base=worth,
    )


def _close_before(position: Position) -> Decimal | None:
    """Return the close before the day on which a position was valued, by what it gained on that day."""
    units = EXACT.multiply(position.quantity, position.instrument.multiplier)
    if position.market_price is None or position.day_gain is None or not units:
        return position.market_price
    before = EXACT.subtract(position.market_price, EXACT.divide(position.day_gain, units))
    return before if before > 0 else position.market_price


def live_prices(instruments: Sequence[Instrument]) -> dict[str, tuple[datetime, Decimal]]:
    """Return the last quote (its middle) or trade of instruments, whichever is later, with its time, by id."""
    ids = [instrument.pk for instrument in instruments]
    if not ids:
        return {}
    found: dict[str, tuple[datetime, Decimal]] = {}
    for quote in LatestQuote.objects.filter(instrument__in=ids):
        found[str(quote.instrument_id)] = (quote.timestamp, EXACT.divide(EXACT.add(quote.bid, quote.ask), TWO))
    for tick in LatestTick.objects.filter(instrument__in=ids):
        known = found.get(str(tick.instrument_id))
        if known is None or tick.timestamp > known[0]:
            found[str(tick.instrument_id)] = (tick.timestamp, tick.price)
    return found


def change_of(now: Decimal | None, before: Decimal | None) -> Decimal:
    """Return how far a price has moved, as a fraction; zero where it cannot be told."""
    if now is None or not before:
        return ZERO
    return EXACT.subtract(EXACT.divide(now, before), ONE)
