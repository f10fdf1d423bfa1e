"""How an account stands at the moment, as risk looks at it: three questions to the database, however much it holds.

Positions and values are those the portfolio derived; where the market has moved since, they are taken along by the last quote or
trade. Nothing is derived here: `Standing.is_current` says whether entries of the ledger are still to be read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Account
from marketdata.domain.money import MINOR_UNITS, major_unit
from marketdata.models import Instrument
from marketdata.selectors.fx import rates_on
from marketdata.selectors.prices import latest_closes
from portfolio.domain.exact import EXACT, ONE, ZERO, money
from portfolio.selectors.projections import READ
from trading.domain.orders import OrderType, PositionEffect, Sending, Side
from trading.domain.reserves import OpenOrder, Reserves, price_expected, reserves_of
from trading.domain.risk import DEFAULTS, Exposure, Limits
from trading.models import Order, RestrictedInstrument, RiskLimits, TradingHalt, TradingPause

PAPER = "paper"  # the broker of accounts that have connected none
LIMITS = ("max_position_share", "max_daily_loss_share", "max_drawdown_share", "max_consecutive_losses", "max_order_quantity",
          "max_order_value", "max_open_orders", "allow_short", "close_while_paused")  # fmt: skip
CLOSURES_READ = 200

# `resumed`: what counts towards a pause counts anew from the last time that an owner resumed trading.
STATE = f"""
WITH resumed AS (
    SELECT p.resumed_at, e.day_gain FROM trading_tradingpause p
    LEFT JOIN trading_riskevent e ON e.account_id = p.account_id AND e.id = p.event_id
    WHERE p.account_id = %(account)s AND p.resumed_at IS NOT NULL ORDER BY p.started_at DESC LIMIT 1
), derived AS MATERIALIZED (
    SELECT account_id, valued_until, {READ} AS read FROM portfolio_projection WHERE account_id = %(account)s
)
SELECT (SELECT reason FROM trading_tradinghalt WHERE ended_at IS NULL),
       (SELECT reason FROM trading_tradingpause WHERE account_id = %(account)s AND resumed_at IS NULL),
       (SELECT resumed_at FROM resumed), (SELECT day_gain FROM resumed),
       (SELECT broker FROM trading_brokerconnection WHERE account_id = %(account)s AND enabled),
       EXISTS (SELECT FROM trading_restrictedinstrument WHERE account_id = %(account)s AND instrument_id = %(instrument)s),
       (SELECT coalesce(max(sequence), 0) FROM accounts_ledgerhead WHERE account_id = %(account)s),
       (SELECT read FROM derived), (SELECT valued_until FROM derived),
       s.total_value, s.buying_power, s.day_gain, s.twr_index,
       CASE WHEN l.account_id IS NULL OR l.max_drawdown_share IS NOT NULL THEN (
           SELECT max(p.twr_index) FROM portfolio_snapshot p WHERE p.account_id = %(account)s
             AND p.date >= coalesce((SELECT (resumed_at AT TIME ZONE 'UTC')::date FROM resumed), '-infinity')) END,
       CASE WHEN l.account_id IS NULL OR l.max_consecutive_losses IS NOT NULL THEN (
           SELECT array_agg(gain ORDER BY last DESC) FROM (
               SELECT sum(gain) AS gain, max(number) AS last FROM (
                   SELECT gain, number, closing, instrument_id FROM portfolio_closure
                   WHERE account_id = %(account)s AND quantity <> 0
                     AND closed_at > coalesce((SELECT resumed_at FROM resumed), '-infinity')
                   ORDER BY number DESC LIMIT {CLOSURES_READ}) AS newest
               GROUP BY closing, instrument_id) AS trades) END,
       l.account_id IS NOT NULL, {", ".join(f"l.{name}" for name in LIMITS)}
FROM (SELECT 1) AS one
LEFT JOIN trading_risklimits l ON l.account_id = %(account)s
LEFT JOIN portfolio_snapshot s ON s.account_id = %(account)s AND s.date = (SELECT valued_until FROM derived)
"""  # noqa: S608  put together from our own words
# What all positions have made since they were valued, and what is held of one instrument. A price in pence is a hundredth.
HELD = """
SELECT sum(held.moved), sum(held.quantity) FILTER (WHERE held.id = %(instrument)s),
       sum(held.value_in_base + held.moved) FILTER (WHERE held.id = %(instrument)s)
FROM (
    SELECT p.instrument_id AS id, p.quantity, p.value_in_base,
           CASE WHEN live.price IS NULL OR p.market_price IS NULL OR p.market_price = 0 THEN 0 ELSE
               p.value_in_base * (live.price * CASE WHEN i.currency = ANY (%(minor)s) THEN 0.01 ELSE 1 END / p.market_price - 1)
           END AS moved
    FROM portfolio_position p
    JOIN marketdata_instrument i ON i.id = p.instrument_id
    LEFT JOIN marketdata_latestquote q ON q.instrument_id = p.instrument_id AND q.timestamp >= p.priced_on
    LEFT JOIN marketdata_latesttick t ON t.instrument_id = p.instrument_id AND t.timestamp >= p.priced_on
    CROSS JOIN LATERAL (
        SELECT CASE WHEN q.timestamp IS NULL OR t.timestamp > q.timestamp THEN t.price ELSE (q.bid + q.ask) / 2 END AS price
    ) AS live
    WHERE p.account_id = %(account)s AND p.quantity <> 0
) AS held
"""
PRICE = """
SELECT q.timestamp, q.bid, q.ask, t.timestamp, t.price, bar.timestamp, bar.close, bar.adjusted_through
FROM (SELECT 1) AS one
LEFT JOIN marketdata_latestquote q ON q.instrument_id = %(instrument)s
LEFT JOIN marketdata_latesttick t ON t.instrument_id = %(instrument)s
LEFT JOIN LATERAL (
    SELECT timestamp, close, adjusted_through FROM marketdata_bar
    WHERE instrument_id = %(instrument)s AND timeframe = '1d' ORDER BY timestamp DESC LIMIT 1
) AS bar ON true
"""
ORDERS = (
    *("id", "parent", "replaces", "instrument", "side", "effect", "type", "sending", "quantity", "notional", "filled_quantity"),
    *("filled_value", "limit_price", "stop_price", "reference_price", "instrument__currency", "instrument__multiplier"),
)


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
    """An account as risk sees it: its limits, what it holds and has ordered; `held` is signed, of the instrument asked about."""

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

    def worth(self, quantity: Decimal, price: Decimal, multiplier: Decimal) -> Decimal | None:
        """Return what some of the instrument is worth in the account's currency; none without a rate."""
        return None if self.rate is None else money(exact_product(quantity, price, multiplier, self.unit, self.rate))


def standing_of(
    account: Account, *, at: datetime, instrument: Instrument | None = None, without: Collection[UUID] = ()
) -> Standing:
    """Return how an account stands; `without` are open orders that are not to count, for others will take their place."""
    asked = {
        "account": account.pk,
        "instrument": instrument.pk if instrument else None,
        "minor": list(MINOR_UNITS),
    }
    with connection.cursor() as cursor:
        cursor.execute(STATE, asked)
        state = cursor.fetchone()
        cursor.execute(HELD, asked)
        moved, held, worth = cursor.fetchone()
    rows = [row for row in _open_rows(account) if row["id"] not in without]
    currencies = {major_unit(row["instrument__currency"])[0] for row in rows} | ({instrument.money} if instrument else set())
    rates = _rates(currencies, account.base_currency, at)
    known = {row["id"] for row in rows}
    reserves = reserves_of(_open_order(row, known, rates) for row in rows if row["sending"] != Sending.HELD)
    price = price_of(instrument) if instrument else None
    positions = {instrument.pk: worth if worth is not None else ZERO} if instrument else {}
    return Standing(
        limits=_limits(state, instrument),
        exposure=_exposure(state, moved or ZERO, reserves, positions, at),
        reserves=reserves,
        is_current=bool(state[7]) or not state[6],
        broker=state[4] or PAPER,
        held=held if held is not None else ZERO,
        price=price,
        rate=rates.get(instrument.money) if instrument else ONE,
        unit=major_unit(instrument.currency)[1] if instrument else ONE,
        valued_until=state[8],
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


def price_of(instrument: Instrument) -> Price | None:
    """Return the last price of an instrument: a quote or a trade of the day of the last close, or later, before that close."""
    with connection.cursor() as cursor:
        cursor.execute(PRICE, {"instrument": instrument.pk})
        quoted_at, bid, ask, traded_at, traded, day, close, adjusted = cursor.fetchone()
    found: list[Price] = []
    if quoted_at is not None and (day is None or quoted_at >= day):
        found.append(Price(bid, ask, quoted_at))
    if traded_at is not None and (day is None or traded_at >= day):
        found.append(Price(traded, traded, traded_at))
    if found:
        return max(found, key=lambda price: price.at)
    if day is None:
        return None
    if adjusted is not None:  # as it was traded
        close = latest_closes(instrument_ids=[instrument.pk], day=day.astimezone(UTC).date())[instrument.pk].value
    return Price(close, close, day)


def _limits(state: tuple[Any, ...], instrument: Instrument | None) -> Limits:
    """Return the limits that the answer to `STATE` holds."""
    restricted = frozenset({instrument.pk}) if instrument is not None and state[5] else frozenset()
    said = dict(zip(LIMITS, state[16:], strict=True)) if state[15] else {name: getattr(DEFAULTS, name) for name in LIMITS}
    return Limits(restricted=restricted, **said)


def _exposure(
    state: tuple[Any, ...], moved: Decimal, reserves: Reserves, positions: dict[UUID, Decimal], at: datetime
) -> Exposure:
    """Return what the answer to `STATE` says of the account as a whole."""
    halted, paused, resumed_at, gain_then, _, _, _, _, valued, total, power, gain, index, peak, trades, *_ = state
    today = at.astimezone(UTC).date()
    day_gain = EXACT.add(gain if valued is not None and valued >= today else ZERO, moved)
    if resumed_at is not None and resumed_at.astimezone(UTC).date() == today and gain_then is not None:
        day_gain = EXACT.subtract(day_gain, gain_then)
    equity = ZERO if total is None else EXACT.add(total, moved)
    drawdown = None
    if peak and total and total > 0:
        now = EXACT.multiply(index, EXACT.divide(equity, total))
        drawdown = min(EXACT.subtract(EXACT.divide(now, max(peak, now)), ONE), ZERO) if max(peak, now) > 0 else None
    streak = next((n for n, one in enumerate(trades or ()) if one >= 0), len(trades or ()))
    return Exposure(
        equity=equity,
        buying_power=max(EXACT.subtract(power if power is not None else ZERO, reserves.spent), ZERO),
        day_gain=day_gain,
        drawdown=drawdown,
        losing_streak=streak,
        positions=positions,
        opening=reserves.opening,
        open_orders=reserves.count,
        paused=paused or "",
        halted=halted or "",
    )


def _open_rows(account: Account) -> list[dict[str, Any]]:
    """Return the open orders of an account."""
    return list(Order.objects.open().filter(account=account).values(*ORDERS))


def _open_order(row: dict[str, Any], known: set[UUID], rates: dict[str, Decimal]) -> OpenOrder:
    """Return what is left of an open order."""
    side, effect, kind = Side(row["side"]), PositionEffect(row["effect"]), OrderType(row["type"])
    currency, unit = major_unit(row["instrument__currency"])
    rate = rates.get(currency)
    quantity = row["quantity"]
    remaining = ZERO if quantity is None else EXACT.subtract(quantity, row["filled_quantity"])
    amount: Decimal | None
    if quantity is None:
        amount = max(EXACT.subtract(row["notional"], row["filled_value"]), ZERO)
        if effect is PositionEffect.CLOSE and row["reference_price"]:
            remaining = EXACT.divide(amount, EXACT.multiply(row["reference_price"], row["instrument__multiplier"]))
    else:
        price = price_expected(
            side=side, effect=effect, type=kind, limit_price=row["limit_price"], stop_price=row["stop_price"],
            market=row["reference_price"],
        )  # fmt: skip
        amount = None if price is None else exact_product(remaining, price, row["instrument__multiplier"])
    value = None if amount is None or rate is None else money(exact_product(amount, unit, rate))
    group = row["parent"] or (row["replaces"] if row["replaces"] in known else row["id"])
    return OpenOrder(group=group, instrument_id=row["instrument"], side=side, effect=effect, remaining=remaining, value=value)


def exact_product(*numbers: Decimal) -> Decimal:
    """Return a product that loses no digit, whatever context the caller has set."""
    found = ONE
    for number in numbers:
        found = EXACT.multiply(found, number)
    return found


def _rates(currencies: Collection[str], base: str, at: datetime) -> dict[str, Decimal]:
    """Return what currencies are worth in that of an account; one whose rate is not known is left out."""
    found = {base: ONE}
    day = at.astimezone(UTC).date()
    asked = [((one, base), day) for one in currencies if one != base]
    if asked:
        found |= {pair[0]: known.rate for (pair, _), known in rates_on(asked).items()}
    return found
