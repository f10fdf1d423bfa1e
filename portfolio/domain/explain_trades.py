"""Why the figures of the last closed trades are what they are: from what each entry closed, at the rate it counts at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from portfolio.domain.drawdown import falls_in
from portfolio.domain.exact import ONE, ZERO
from portfolio.domain.explain import RATIO_PLACES, Explanation, Rule
from portfolio.domain.trades import TradeStatistics

TRADE = {
    "gain": Rule("gain_in_currency * rate"),
    "won": Rule("max(gain, 0)"),
    "lost": Rule("min(gain, 0)"),
}
SUMMED = ("trades", "wins", "losses", "won", "lost", "streak")
FALL = "(capital + gains_to_trough) / (capital + gains_to_peak) - 1"
CLOSED = "Of each entry what it closed of one instrument is one trade; `closures` says why, lot by lot."
CAPITAL = "The capital is what there was before the first of the trades, and what came or went on its day."


class TradeRow(NamedTuple):
    """A closed trade: the entry that closed it, its gain in the currency of its instrument, and the rate it counts at."""

    sequence: int
    instrument: str
    closed_at: datetime
    own: Decimal
    rate: Decimal
    gain: Decimal


def explain_trades(trades: Sequence[TradeRow], figures: TradeStatistics, capital: Decimal | None) -> Explanation:
    """Return why the figures of closed trades, in the order of closing, are what they are."""
    found = Explanation(notes=[CLOSED])
    table = found.table("trades", summed=SUMMED, rules=TRADE)
    first = len(trades) - figures.consecutive_losses
    for place, one in enumerate(trades):
        named = {"sequence": one.sequence, "instrument": one.instrument, "closed_on": _day_of(one.closed_at)}
        gain = {"gain_in_currency": one.own, "rate": one.rate, "gain": one.gain}
        signs = {"trades": ONE, "wins": _one(one.gain > 0), "losses": _one(one.gain < 0), "streak": _one(place >= first)}
        table.add({**named, **gain, "won": max(one.gain, ZERO), "lost": min(one.gain, ZERO), **signs})
    counted = {"total_trades": figures.total_trades, "wins": figures.wins, "losses": figures.losses}
    counts = {name: Decimal(count) for name, count in counted.items()}
    for name, column in (("total_trades", "trades"), ("wins", "wins"), ("losses", "losses")):
        found.tell(name, f"sum(trades.{column})", counts[name], 0)
    found.tell("consecutive_losses", "sum(trades.streak)", Decimal(figures.consecutive_losses), 0)
    sums = {"gross_profit": figures.gross_profit, "gross_loss": figures.gross_loss}
    found.tell("gross_profit", "sum(trades.won)", figures.gross_profit)
    found.tell("gross_loss", "sum(trades.lost)", figures.gross_loss)
    _ratios(found, figures, counts, sums)
    _fall(found, [one.gain for one in trades], figures, capital)
    found.notes += [f"{name}: {why}" for name, why in figures.reasons.items()]
    return found


def _ratios(found: Explanation, figures: TradeStatistics, counts: Mapping[str, Decimal], sums: Mapping[str, Decimal]) -> None:
    """Add the steps to the means and the ratios that are defined."""
    for name, formula, kept, places in (
        ("win_rate", "wins / total_trades", figures.win_rate, RATIO_PLACES),
        ("profit_factor", "gross_profit / -gross_loss", figures.profit_factor, RATIO_PLACES),
        ("expectancy", "(gross_profit + gross_loss) / total_trades", figures.expectancy, 10),
        ("average_win", "gross_profit / wins", figures.average_win, 10),
        ("average_loss", "gross_loss / losses", figures.average_loss, 10),
    ):
        if kept is not None:
            named = {one: number for one, number in {**counts, **sums}.items() if one in formula}
            found.tell(name, formula, kept, places, **named)


def _fall(found: Explanation, gains: Iterable[Decimal], figures: TradeStatistics, capital: Decimal | None) -> None:
    """Add the step to the deepest fall of the capital with the gains of one trade after another."""
    if figures.max_drawdown_pct is None or capital is None:
        return
    found.notes.append(CAPITAL)
    values = list(accumulate(gains, initial=capital))
    falls = falls_in(values, lambda place: date.fromordinal(place + 1), most=1)  # places told as days
    if not falls:
        found.tell("max_drawdown_pct", "0", figures.max_drawdown_pct, RATIO_PLACES)
        return
    peak, trough = (values[day.toordinal() - 1] for day in (falls[0].peak, falls[0].trough))
    numbers = {"capital": capital, "gains_to_trough": trough - capital, "gains_to_peak": peak - capital}
    found.tell("max_drawdown_pct", FALL, figures.max_drawdown_pct, RATIO_PLACES, **numbers)


def _one(counts: bool) -> Decimal:
    """Return one for what counts, else nothing."""
    return ONE if counts else ZERO


def _day_of(at: datetime) -> str:
    """Return the day of an instant in UTC."""
    return at.astimezone(UTC).date().isoformat()
