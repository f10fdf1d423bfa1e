"""What goes out as files: trade records, how the last trades did, broken limits, and decisions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from accounts.models import Account, TradeThresholds
from portfolio.domain.exact import EXACT
from portfolio.domain.trades import WINDOW, Trade, broken, statistics_of
from portfolio.models import Snapshot
from portfolio.selectors.trades import bounds_of
from trading.domain.decisions import FILE_ID, DecisionDraft, FiledDecision, in_file
from trading.domain.journal import for_files
from trading.domain.journal_lines import PerformanceLine, RiskLine
from trading.domain.outcomes import Choice
from trading.models import Decision, DecisionChange, PerformanceAlert, RiskEvent
from trading.selectors.journal import Asked, Journal
from trading.selectors.journal_details import records_of
from trading.selectors.journal_pages import journal_of
from trading.selectors.journal_statistics import closed_trades

HUNDRED = Decimal(100)
DECISION_SOURCE = "decision-file"
SAID = ("at", "choice", "confidence", "reasoning", "entry_type", "indicators", "price", "stop_loss", "target", "metadata")
BLOCK = 1_000


def trade_lines(account: Account, *, day: date | None = None) -> Iterator[str]:
    """Yield the lines of `trades.jsonl`, or those of the file of one day (UTC): each trade once, the first opened first."""
    start = None if day is None else datetime.combine(day, time(), UTC)
    asked = Asked(opened_from=start, opened_before=None if start is None else start + timedelta(days=1))
    yield from lines_of(account, journal_of(account, asked))


def lines_of(account: Account, journal: Journal) -> Iterator[str]:
    """Yield the lines of trades."""
    for record in records_of(account, journal):
        yield for_files(record).to_line() + "\n"


def daily_lines(account: Account) -> Iterator[tuple[date, Iterator[str]]]:
    """Yield each day (UTC) on which trades were opened, with the lines of its file."""
    by_day: dict[date, list] = {}
    for one in journal_of(account).trades:
        by_day.setdefault(one.trip.opened_at.astimezone(UTC).date(), []).append(one)
    for day, trades in by_day.items():
        yield day, lines_of(account, Journal(trades))


def risk_lines(account: Account) -> Iterator[str]:
    """Yield the lines of `risk-management.jsonl`, the first event first."""
    for event in RiskEvent.objects.filter(account=account).order_by("at", "pk").iterator(BLOCK):
        yield risk_line(event).to_line() + "\n"


def risk_line(event: RiskEvent) -> RiskLine:
    """Return a broken limit as its line."""
    share = event.day_gain_share
    return RiskLine(
        timestamp=event.at,
        event_type=event.type,
        severity=event.severity,
        daily_pnl=event.day_gain,
        daily_pnl_pct=None if share is None else EXACT.multiply(share, HUNDRED),
        consecutive_losses=event.consecutive_losses,
        action_taken=event.action_taken,
        config_snapshot=event.configuration,
    )


def alert_lines(account: Account) -> Iterator[str]:
    """Yield the lines of `performance-alerts.jsonl`: what files said, and from then on what follows from the account's trades."""
    last = None
    for row in PerformanceAlert.objects.filter(account=account).order_by("at", "pk").iterator(BLOCK):
        last = row.at
        yield stored_line(row).to_line() + "\n"
    for line in performance_lines(account):
        if last is None or line.timestamp > last:
            yield line.to_line() + "\n"


def stored_line(row: PerformanceAlert) -> PerformanceLine:
    """Return what a file said as its line."""
    return PerformanceLine(
        timestamp=row.at,
        window_size=row.window,
        win_rate=row.win_rate,
        profit_factor=row.profit_factor,
        max_drawdown_pct=row.max_drawdown_pct,
        consecutive_losses=row.consecutive_losses,
        total_trades=row.total_trades,
        alert_triggered=row.alert_triggered,
        alert_message=row.message or None,
    )


def performance_lines(account: Account) -> Iterator[PerformanceLine]:
    """Yield how the last trades did after each that was closed, by the bounds that the account's owners have set."""
    thresholds = TradeThresholds.objects.filter(pk=account.pk).first()
    window, bounds = thresholds.window if thresholds else WINDOW, bounds_of(thresholds)
    closed = [Trade(one.closed_at, one.net) for one in closed_trades(account, journal_of(account))]
    values = {}
    if closed:
        rows = Snapshot.objects.filter(account=account).values_list("date", "total_value", "day_gain")
        values = {day: total - gain for day, total, gain in rows}
    for end in range(1, len(closed) + 1):
        trades = closed[max(0, end - window) : end]
        capital = values.get(trades[0].closed_at.astimezone(UTC).date())
        found = statistics_of(trades, capital=capital)
        said = broken(found, bounds, currency=account.base_currency)
        fall = found.max_drawdown_pct
        yield PerformanceLine(
            timestamp=trades[-1].closed_at,
            window_size=window,
            win_rate=found.win_rate,
            profit_factor=found.profit_factor,
            max_drawdown_pct=None if fall is None else EXACT.multiply(fall, HUNDRED),
            consecutive_losses=found.consecutive_losses,
            total_trades=found.total_trades,
            alert_triggered=bool(said),
            alert_message=" ".join(said) or None,
        )


def filed_decisions(account: Account, *, among: Collection[UUID] | None = None) -> Iterator[tuple[str, dict]]:
    """Yield decisions, all or some, as files: their names, and what they hold with the changes made of them."""
    rows = Decision.objects.filter(account=account).select_related("instrument")
    rows = rows.filter(pk__in=among) if among is not None else rows
    block: list[Decision] = []
    for row in rows.order_by("at", "pk").iterator(BLOCK):
        block.append(row)
        if len(block) == BLOCK:
            yield from _with_history(account, block)
            block = []
    yield from _with_history(account, block)


def filed(decision: Decision) -> FiledDecision:
    """Return a decision as its file; the account's own are known by their ids there."""
    said = {name: getattr(decision, name) for name in SAID}
    draft = DecisionDraft(**said | {"choice": Choice(decision.choice), "indicators": tuple(decision.indicators)})
    named = decision.external_id if decision.source == DECISION_SOURCE else ""
    key = named if FILE_ID.fullmatch(named) else str(decision.pk)
    return FiledDecision(key, decision.instrument.symbol.replace("/", ""), in_file(draft))


def _with_history(account: Account, block: list[Decision]) -> Iterator[tuple[str, dict]]:
    """Yield decisions as files."""
    changes: dict = {}
    rows = DecisionChange.objects.filter(account=account, decision__in=block).select_related("actor").order_by("at", "pk")
    for one in rows if block else ():
        told = {"at": one.at.isoformat(), "by": one.actor.email, "changes": one.changes, "reason": one.reason}
        changes.setdefault(one.decision_id, []).append(told)
    for decision in block:
        one_file = filed(decision)
        held = one_file.to_file()
        if decision.pk in changes:
            before = held.get("history")  # of an account that it came from
            held["history"] = [*(before if isinstance(before, list) else []), *changes[decision.pk]]
        yield one_file.file_name, held
