"""What the last closed trades of an account say: how often they won, how much, and how long they have been losing.

A closed trade is all that one entry closed of one instrument, however many lots that were. Its gain is after fees and taxes of
buying and selling. Nothing here rounds but averages and ratios.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from portfolio.domain.drawdown import falls_in
from portfolio.domain.exact import EXACT, ZERO, money, plain
from portfolio.domain.performance import exact_ratio

WINDOW = 20
NO_TRADES = "No trade has been closed."
NO_WIN = "No trade won."
NO_LOSS = "No trade lost."
NO_CAPITAL = "There was no capital before the first of the trades."


class Trade(NamedTuple):
    """One closed trade; the gain is in the account's currency."""

    closed_at: datetime
    gain: Decimal


@dataclass(frozen=True, slots=True)
class TradeStatistics:
    """The figures of a window of closed trades; none where one is not defined, with the reason in `reasons`.

    Rates are from 0 to 1, losses and drawdowns zero or below.
    """

    total_trades: int
    wins: int
    losses: int
    consecutive_losses: int
    gross_profit: Decimal
    gross_loss: Decimal
    win_rate: Decimal | None = None
    profit_factor: Decimal | None = None
    expectancy: Decimal | None = None
    average_win: Decimal | None = None
    average_loss: Decimal | None = None
    max_drawdown_pct: Decimal | None = None
    reasons: dict[str, str] = field(default_factory=dict)


def statistics_of(trades: Sequence[Trade], *, capital: Decimal | None = None) -> TradeStatistics:
    """Return the figures of trades in the order of closing; `capital` is what there was before the first.

    >>> gains = [100, 200, 50, -150, 300, -100, 80, -30]
    >>> found = statistics_of([Trade(datetime(2024, 1, 1 + n), Decimal(gain)) for n, gain in enumerate(gains)])
    >>> found.win_rate, found.expectancy, found.profit_factor, found.consecutive_losses
    (Decimal('0.625000000000'), Decimal('56.2500000000'), Decimal('2.607142857143'), 1)
    """
    gains = [trade.gain for trade in trades]
    won, lost = [gain for gain in gains if gain > 0], [gain for gain in gains if gain < 0]
    profit, loss = sum(won, ZERO), sum(lost, ZERO)
    reasons: dict[str, str] = {}
    if not gains:
        reasons = dict.fromkeys(("win_rate", "expectancy", "max_drawdown_pct"), NO_TRADES)
    if not won:
        reasons["average_win"] = NO_WIN if gains else NO_TRADES
    if not lost:
        reasons |= dict.fromkeys(("average_loss", "profit_factor"), NO_LOSS if gains else NO_TRADES)
    fall = _fall(gains, capital) if gains else None
    if gains and fall is None:
        reasons["max_drawdown_pct"] = NO_CAPITAL
    return TradeStatistics(
        len(gains),
        len(won),
        len(lost),
        losing_streak(gains),
        profit,
        loss,
        exact_ratio(EXACT.divide(Decimal(len(won)), Decimal(len(gains)))) if gains else None,
        exact_ratio(EXACT.divide(profit, -loss)) if lost else None,
        _mean(gains),
        _mean(won),
        _mean(lost),
        fall,
        reasons,
    )


def losing_streak(gains: Sequence[Decimal]) -> int:
    """Return how many of the last gains are losses, one after another; a trade that came out even ends the streak."""
    count = 0
    for gain in reversed(gains):
        if gain >= 0:
            break
        count += 1
    return count


def _mean(amounts: Sequence[Decimal]) -> Decimal | None:
    """Return the mean of amounts, or none of nothing."""
    return money(EXACT.divide(sum(amounts, ZERO), Decimal(len(amounts)))) if amounts else None


def _fall(gains: Iterable[Decimal], capital: Decimal | None) -> Decimal | None:
    """Return the deepest fall of the capital with the gains of one trade after another added, as a fraction of its peak."""
    if capital is None or capital <= 0:
        return None
    falls = falls_in(list(accumulate(gains, initial=capital)), lambda _: date.min, most=1)
    return exact_ratio(falls[0].depth) if falls else exact_ratio(ZERO)


@dataclass(frozen=True, slots=True)
class Bounds:
    """When the last trades are reason to worry; none means that nobody is told."""

    min_win_rate: Decimal | None = None
    min_profit_factor: Decimal | None = None
    min_expectancy: Decimal | None = None
    max_drawdown_pct: Decimal | None = None
    max_consecutive_losses: int | None = None

    @property
    def is_set(self) -> bool:
        """Say whether there is any."""
        return any(
            bound is not None
            for bound in (
                self.min_win_rate,
                self.min_profit_factor,
                self.min_expectancy,
                self.max_drawdown_pct,
                self.max_consecutive_losses,
            )
        )


def broken(found: TradeStatistics, bounds: Bounds, *, currency: str) -> list[str]:
    """Return a sentence for each bound that trades break; what is at its bound keeps it, what is not defined breaks none."""
    told: list[str] = []
    below = (
        ("win rate", found.win_rate, bounds.min_win_rate, ""),
        ("profit factor", found.profit_factor, bounds.min_profit_factor, ""),
        ("expectancy", found.expectancy, bounds.min_expectancy, f" {currency} a trade"),
    )
    for name, value, least, unit in below:
        if value is not None and least is not None and value < least:
            told.append(f"The {name} is {plain(value)}{unit}, below {plain(least)}.")
    fall, most = found.max_drawdown_pct, bounds.max_drawdown_pct
    if fall is not None and most is not None and -fall > most:
        told.append(f"The drawdown is {plain(-fall)} of the capital, above {plain(most)}.")
    streak = bounds.max_consecutive_losses
    if streak is not None and found.consecutive_losses > streak:
        told.append(f"{found.consecutive_losses} losses in a row are more than {streak}.")
    return told
