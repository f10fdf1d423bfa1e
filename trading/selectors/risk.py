"""How an account stands at the moment, as risk looks at it: one question to the database, however much it holds.

Positions and values are those the portfolio derived; where the market has moved since, they are taken along by the last quote or
trade. What the portfolio cannot value, for no close of it is known, counts at that quote or trade, else at what it cost. Nothing
is derived here: `Standing.is_current` says whether entries of the ledger are still to be read. Prices of later than the time
asked about are not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from accounts.models import Account
from marketdata.domain.money import MINOR_UNITS, major_unit
from marketdata.models import Instrument
from marketdata.selectors.fx import rates_on
from marketdata.selectors.prices import latest_closes
from portfolio.domain.exact import EXACT, ONE, ZERO, money
from portfolio.selectors.projections import basis_of
from trading.domain.fills import exact_sum
from trading.domain.orders import Side
from trading.domain.reserves import Reserves, reserves_of
from trading.domain.risk import DEFAULTS, Exposure, Limits
from trading.models import RestrictedInstrument, RiskLimits, TradingHalt, TradingPause
from trading.selectors.open_orders import exact_product, left_of

MINOR = f"{{{','.join(MINOR_UNITS)}}}"  # as the database reads an array
PAPER = "paper"  # the broker of accounts that have connected none
LIMITS = ("max_position_share", "max_daily_loss_share", "max_drawdown_share", "max_consecutive_losses", "max_order_quantity",
          "max_order_value", "max_open_orders", "allow_short", "close_while_paused")  # fmt: skip
QUESTION = "SELECT trading_stands(%s, %s, %s, %s)"
HOLDING = "SELECT trading_stands_held(%s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Price:
    """What an instrument costs now, as far as is known: bid and ask are the same where nobody quotes."""

    bid: Decimal
    ask: Decimal
    at: datetime

    def to(self, side: Side) -> Decimal:
        """Return what one pays, or gets, who takes the market's price."""
        return self.ask if side is Side.BUY else self.bid


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An account as risk sees it: its limits, what it holds and has ordered; `held` is signed, of the instrument asked about.

    `day_gain` is that of the whole day and `index` the chained value of one unit: when trading is resumed they count from there.
    """

    limits: Limits
    exposure: Exposure
    reserves: Reserves
    is_current: bool = True
    broker: str = PAPER
    held: Decimal = ZERO
    price: Price | None = None
    rate: Decimal | None = ONE
    unit: Decimal = ONE
    valued_until: date | None = None
    day_gain: Decimal | None = None
    index: Decimal | None = None

    def worth(self, quantity: Decimal, price: Decimal, multiplier: Decimal) -> Decimal | None:
        """Return what some of the instrument is worth in the account's currency; none without a rate."""
        return None if self.rate is None else money(exact_product(quantity, price, multiplier, self.unit, self.rate))


@dataclass(frozen=True, slots=True)
class _Course:
    """How an account has gone: what it is worth, what today brought and took away, and the chained value of one unit."""

    equity: Decimal
    day_gain: Decimal
    paid_out: Decimal
    index: Decimal | None


def standing_of(
    account: Account,
    *,
    at: datetime,
    instrument: Instrument | None = None,
    without: Collection[UUID] = (),
    lock: int | None = None,
    stands: str | None = None,
) -> Standing:
    """Return how an account stands; `without` are open orders that are not to count, for others will take their place.

    `lock` is the purpose for which the account is locked first, until the transaction ends. `stands` is what the database said
    of it at that time, if it was asked before.
    """
    told = orjson.loads(_asked(account, instrument, at, lock) if stands is None else stands)
    state, held = told["state"], told["held"]
    left = left_of(told["orders"])
    for order_id in without:
        left.pop(str(order_id), None)
    unvalued = held["unvalued"] or ()
    currencies = {one.currency for one in left.values()} | {major_unit(row["currency"])[0] for row in unvalued}
    rates = _rates(currencies | ({instrument.money} if instrument else set()), account.base_currency, at)
    reserves = reserves_of(one.told(left, rates) for one in left.values() if not one.held)
    values = _values(unvalued, rates)
    priceless = values.get(instrument.pk, ZERO) if instrument else ZERO
    worth = priceless if held["worth"] is None else Decimal(held["worth"])
    course = _course(state, Decimal(held["moved"] or 0), unvalued, values, at)
    return Standing(
        limits=_limits(state, instrument),
        exposure=_exposure(state, course, reserves, {instrument.pk: worth} if instrument else {}, at),
        reserves=reserves,
        is_current=not state["head"] or (state["read"] == state["head"] and state["basis"] == basis_of(account)),
        broker=state["broker"] or PAPER,
        held=Decimal(held["quantity"] or 0),
        price=_price(told["price"], instrument) if instrument else None,
        rate=rates.get(instrument.money) if instrument else ONE,
        unit=major_unit(instrument.currency)[1] if instrument else ONE,
        valued_until=date.fromisoformat(state["valued"]) if state["valued"] else None,
        day_gain=course.day_gain,
        index=course.index,
    )


def limits_of(account: Account) -> RiskLimits:
    """Return the limits of an account, those of the house where its owners have set none."""
    found = RiskLimits.objects.filter(account=account).first()
    return found or RiskLimits(account=account)


def restricted_in(account: Account) -> list[RestrictedInstrument]:
    """Return the instruments that an account may not open a position in."""
    rows = RestrictedInstrument.objects.filter(account=account).select_related("instrument")
    return list(rows.order_by("instrument__symbol", "pk"))


def pause_of(account: Account) -> TradingPause | None:
    """Return the pause of an account's trading, none while it goes on."""
    return TradingPause.objects.filter(account=account, resumed_at__isnull=True).first()


def halt() -> TradingHalt | None:
    """Return the stop of all trading, none while there is none."""
    return TradingHalt.objects.filter(ended_at__isnull=True).first()


def _asked(account: Account, instrument: Instrument | None, at: datetime, lock: int | None) -> str:
    """Return what the database says of an account."""
    asked = [account.pk, instrument.pk if instrument else None, MINOR, at]
    with connection.cursor() as cursor:
        cursor.execute(*(QUESTION, asked) if lock is None else (HOLDING, [lock, *asked]))
        answer: str | None = cursor.fetchone()[0]
    if answer is None:
        raise PermissionError("The account is not one of the acting user's.")
    return answer


def _price(told: dict[str, Any], instrument: Instrument) -> Price | None:
    """Return the last price of an instrument: a quote or trade of the day of the last close, or later, goes before that close."""
    day = _instant(told["day"])
    found: list[Price] = []
    for at, bid, ask in (
        (_instant(told["quoted"]), told["bid"], told["ask"]),
        (_instant(told["traded"]), told["trade"], told["trade"]),
    ):
        if at is not None and (day is None or at >= day):
            found.append(Price(Decimal(bid), Decimal(ask), at))
    if found:
        return max(found, key=lambda price: price.at)
    if day is None:
        return None
    close = Decimal(told["close"])
    if told["adjusted"] is not None:  # as it was traded
        close = latest_closes(instrument_ids=[instrument.pk], day=day.astimezone(UTC).date())[instrument.pk].value
    return Price(close, close, day)


def _instant(text: str | None) -> datetime | None:
    """Return the instant that a text says."""
    return None if text is None else datetime.fromisoformat(text)


def _limits(state: dict[str, Any], instrument: Instrument | None) -> Limits:
    """Return the limits of the account, those of the house where none are set."""
    restricted = frozenset({instrument.pk}) if instrument is not None and state["restricted"] else frozenset()
    row = state["limits"]
    if row is None:
        return replace(DEFAULTS, restricted=restricted)
    said: dict[str, Any] = {name: Decimal(value) if isinstance(value, str) else value for name, value in row.items()}
    return Limits(restricted=restricted, **said)


def _values(unvalued: Iterable[dict[str, Any]], rates: dict[str, Decimal]) -> dict[UUID, Decimal]:
    """Return what positions are worth that the portfolio cannot value; those without a rate are left out."""
    found = {}
    for row in unvalued:
        currency, unit = major_unit(row["currency"])
        if currency in rates:
            numbers = (row["quantity"], row["price"], row["multiplier"])
            live = Decimal(row["cost"]) if row["price"] is None else exact_product(*map(Decimal, numbers), unit)
            found[UUID(row["id"])] = money(EXACT.multiply(live, rates[currency]))
    return found


def _course(
    state: dict[str, Any], moved: Decimal, unvalued: Iterable[dict[str, Any]], values: dict[UUID, Decimal], at: datetime
) -> _Course:
    """Return how the account has gone: from its last snapshot to now, and today."""
    today = at.astimezone(UTC).date().isoformat()
    total, of_today = _number(state["total"]), (state["valued"] or "") >= today
    bought = exact_sum(values.get(UUID(row["id"]), ZERO) for row in unvalued if row["since"] and row["since"] >= today)
    if total is None:
        return _Course(ZERO, moved, ZERO, None)
    whole = EXACT.add(total, exact_sum(values.values()))
    equity = EXACT.add(whole, moved)
    return _Course(
        equity=equity,
        day_gain=exact_sum([Decimal(state["gain"]), bought, moved]) if of_today else moved,
        paid_out=Decimal(state["out"]) if of_today else ZERO,
        index=EXACT.multiply(Decimal(state["index"]), EXACT.divide(equity, whole)) if whole > 0 else None,
    )


def _exposure(
    state: dict[str, Any], course: _Course, reserves: Reserves, positions: dict[UUID, Decimal], at: datetime
) -> Exposure:
    """Return how the account as a whole stands; what an owner resumed trading after does not count any more."""
    power, peak, index, trades = Decimal(state["power"] or 0), _number(state["peak"]), course.index, state["trades"] or ()
    resumed, day_gain = _instant(state["resumed"]), course.day_gain
    if resumed is not None and resumed.astimezone(UTC).date() == at.astimezone(UTC).date():
        day_gain = EXACT.subtract(day_gain, Decimal(state["gain_then"] or 0))
    drawdown = None
    if index is not None and peak is not None and peak > 0:
        highest = max(peak, index) if resumed is not None else max(peak, index, ONE)  # it begins at one
        drawdown = EXACT.subtract(EXACT.divide(index, highest), ONE)
    return Exposure(
        equity=course.equity,
        buying_power=max(EXACT.subtract(power, reserves.spent), ZERO),
        day_gain=day_gain,
        paid_out=course.paid_out,
        drawdown=drawdown,
        losing_streak=next((n for n, one in enumerate(trades) if Decimal(one) >= 0), len(trades)),
        positions=positions,
        opening=reserves.opening,
        open_orders=reserves.count,
        paused=state["paused"] or "",
        halted=state["halted"] or "",
    )


def _number(text: str | None) -> Decimal | None:
    """Return the number that a text says."""
    return None if text is None else Decimal(text)


def _rates(currencies: Collection[str], base: str, at: datetime) -> dict[str, Decimal]:
    """Return what currencies are worth in that of an account; one whose rate is not known is left out."""
    found = {base: ONE}
    day = at.astimezone(UTC).date()
    asked = [((one, base), day) for one in currencies if one != base]
    if asked:
        found |= {pair[0]: known.rate for (pair, _), known in rates_on(asked).items()}
    return found
