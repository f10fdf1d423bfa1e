"""The last closed trades of an account, in its own currency."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import QuerySet

from accounts.models import Account, TradeThresholds
from marketdata.models import Instrument
from marketdata.selectors.prices import fx_rates
from portfolio.domain.exact import EXACT, ONE, money
from portfolio.domain.explain import Explanation
from portfolio.domain.explain_trades import TradeRow, explain_trades
from portfolio.domain.minor import unit_of
from portfolio.domain.numbers import number_in
from portfolio.domain.pricing import Points
from portfolio.domain.trades import Bounds, Trade, TradeStatistics, statistics_of
from portfolio.models import Closure, Snapshot
from portfolio.selectors.figures import Figures

BOUNDS = ("min_win_rate", "min_profit_factor", "min_expectancy", "max_drawdown_pct", "max_consecutive_losses")
LEAST_READ = 200  # closures at once
RATES_SAID = """
    SELECT sequence, data->>'fx_rate', currency FROM accounts_ledgerentry
    WHERE account_id = %s AND sequence = ANY (%s) AND data ? 'fx_rate'
"""


class Closed(NamedTuple):
    """What one entry closed of one instrument, in the instrument's currency."""

    closing: int
    instrument: Any
    closed_at: Any
    gain: Decimal


@dataclass(frozen=True, slots=True)
class TradeWindow:
    """The last closed trades and what they say; `missing` names rates without which a trade could not be counted."""

    trades: Sequence[Trade]
    statistics: TradeStatistics
    missing: Sequence[str] = ()
    rows: Sequence[TradeRow] = ()
    capital: Decimal | None = None

    def explanation(self) -> Explanation:
        """Return why the figures are what they are."""
        return explain_trades(self.rows, self.statistics, self.capital)


def last_trades(
    closures: QuerySet[Closure] | Sequence[Closure],
    *,
    account: Account,
    window: int,
    figures: Figures | None = None,
    using: str = "default",
) -> TradeWindow:
    """Return the last `window` closed trades; where `figures` are given, they know what there was before the first."""
    closed = _grouped(closures, window)
    traded = Instrument.objects.using(using).in_bulk([one.instrument for one in closed])
    rates, missing = _rates_into_base(closed, traded, account, using)
    rows = [
        TradeRow(one.closing, traded[one.instrument].key, one.closed_at, one.gain, rate, money(EXACT.multiply(one.gain, rate)))
        for one, rate in zip(closed, rates, strict=True)
        if rate is not None
    ]
    trades = [Trade(row.closed_at, row.gain) for row in rows]
    capital = None
    if trades:
        day = trades[0].closed_at.astimezone(UTC).date()
        capital = _capital(account, day, using) if figures is None else _capital_in(figures, day)
    return TradeWindow(trades, statistics_of(trades, capital=capital), sorted(missing), rows, capital)


def bounds_of(thresholds: TradeThresholds | None) -> Bounds:
    """Return the bounds that an account's owner has set."""
    return Bounds() if thresholds is None else Bounds(**{name: getattr(thresholds, name) for name in BOUNDS})


def _grouped(closures: QuerySet[Closure] | Sequence[Closure], window: int) -> list[Closed]:
    """Return the last trades, oldest first; what one entry closed of an instrument follows one another."""
    trades: dict[tuple[int, Any], Closed] = {}
    for one in _newest(closures, max(LEAST_READ, 2 * window)):
        key = (one.closing, one.instrument)
        known = trades.get(key)
        if known is None and len(trades) == window:
            break
        trades[key] = one if known is None else known._replace(gain=known.gain + one.gain)
    return list(trades.values())[::-1]


def _newest(closures: QuerySet[Closure] | Sequence[Closure], block: int) -> Iterator[Closed]:
    """Yield what was closed, the last first; of those that are kept so many are read at once, however many there are."""
    if not isinstance(closures, QuerySet):
        yield from (Closed(one.closing, one.instrument_id, one.closed_at, one.gain) for one in reversed(closures) if one.quantity)
        return
    rows = closures.order_by("-number").exclude(quantity=0)
    found = list(rows.values_list("number", "closing", "instrument_id", "closed_at", "gain")[:block])
    while found:
        yield from (Closed(*row[1:]) for row in found)
        rest = rows.filter(number__lt=found[-1][0]) if len(found) == block else rows.none()
        found = list(rest.values_list("number", "closing", "instrument_id", "closed_at", "gain")[:block])


def _rates_into_base(
    closed: Sequence[Closed], traded: Mapping[Any, Instrument], account: Account, using: str
) -> tuple[list[Decimal | None], set[str]]:
    """Return the rates of trades into the account's currency, none where no rate is known, and the pairs that lack one."""
    base = account.base_currency
    currencies = {pk: instrument.money for pk, instrument in traded.items()}
    foreign = [one for one in closed if currencies[one.instrument] != base]
    if not foreign:
        return [ONE] * len(closed), set()
    said = _rates_said(account, {one.closing for one in foreign}, using)
    pairs = {(currencies[one.instrument], base) for one in foreign}
    days = [_day(one) for one in foreign]
    series = fx_rates(pairs=pairs, start=min(days), end=max(days) + timedelta(days=1))
    points = {
        pair: Points.of({day.toordinal(): rate for day, rate in zip(found.days, found.values, strict=True)})
        for pair, found in series.items()
    }
    rates: list[Decimal | None] = []
    missing: set[str] = set()
    for one in closed:
        currency = currencies[one.instrument]
        rate = ONE if currency == base else said.get((one.closing, currency))
        if rate is None and (currency, base) in points:
            rate = points[currency, base].value_at(_day(one).toordinal())
        if rate is None:
            missing.add(f"{currency}/{base}")
        rates.append(rate)
    return rates, missing


def _rates_said(account: Account, sequences: Collection[int], using: str) -> dict[tuple[int, str], Decimal]:
    """Return the rates that entries state themselves, by sequence and currency."""
    with connections[using].cursor() as cursor:
        cursor.execute(RATES_SAID, [account.pk, list(sequences)])
        rows: Iterable[tuple[int, str, str]] = cursor.fetchall()
    found: dict[tuple[int, str], Decimal] = {}
    for sequence, said, written_in in rows:
        currency, unit = unit_of(written_in)
        rate = number_in({"rate": said}, "rate")
        if rate:
            found[sequence, currency] = EXACT.divide(rate, unit)
    return found


def _day(one: Closed) -> date:
    """Return the day a trade was closed on, in UTC."""
    day: date = one.closed_at.astimezone(UTC).date()
    return day


def _capital(account: Account, day: date, using: str) -> Decimal | None:
    """Return what there was at the end of the day before, and what came or went on the day itself."""
    kept = Snapshot.objects.using(using).filter(account=account, date=day).values_list("total_value", "day_gain").first()
    return None if kept is None else kept[0] - kept[1]


def _capital_in(figures: Figures, day: date) -> Decimal | None:
    """Return the same from figures of a past."""
    found = figures.points(start=day, end=day + timedelta(days=1))
    if not found or found[-1].date != day:
        return None
    before = found[0].total_value if len(found) > 1 else Decimal(0)
    return before + found[-1].net_flow
