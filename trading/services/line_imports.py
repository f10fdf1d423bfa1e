"""Lines of `risk-management.jsonl` and `performance-alerts.jsonl` brought in: kept as they are told, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from portfolio.domain.exact import EXACT
from trading.domain.journal_lines import PerformanceLine, RiskLine
from trading.models import PerformanceAlert, RiskEvent
from trading.selectors.trading_files import HUNDRED, performance_lines, risk_line, stored_line
from trading.services.file_runs import Run

RISK_SOURCE = "risk-management.jsonl"


@dataclass(slots=True)
class RiskRun(Run[RiskLine]):
    """A run over limits that were broken: each is kept, unless the account has such an event at that time, of whatever source."""

    known_lines: set[str] = field(default_factory=set)
    rows: list[RiskEvent] = field(default_factory=list)

    def read(self, text: str) -> RiskLine:
        """Return what a line says."""
        line = RiskLine.read(text)
        self.check_time("timestamp", line.timestamp)
        return line

    def prepare(self, items: Sequence[RiskLine]) -> None:
        """Read what is known of those times."""
        there = RiskEvent.objects.filter(account=self.account, at__in={line.timestamp for line in items})
        self.known_lines, self.rows = {risk_line(event).digest for event in there}, []

    def keep(self, item: RiskLine) -> bool:
        """Keep a line that is not known."""
        if item.digest in self.known_lines:
            return False
        self.known_lines.add(item.digest)
        share = item.daily_pnl_pct
        self.rows.append(
            RiskEvent(  # type: ignore[misc]  # it may be null
                account=self.account,
                at=item.timestamp,
                type=item.event_type,
                severity=item.severity,
                action_taken=item.action_taken,
                day_gain=item.daily_pnl,
                day_gain_share=None if share is None else EXACT.divide(share, HUNDRED),
                consecutive_losses=item.consecutive_losses,
                configuration=dict(item.config_snapshot),
                actor=self.actor,
                source=RISK_SOURCE,
                external_id=item.digest,
                recorded_at=self.at,
            )
        )
        return True

    def write(self) -> None:
        """Store what is new."""
        RiskEvent.objects.bulk_create(self.rows)


@dataclass(slots=True)
class PerformanceRun(Run[PerformanceLine]):
    """A run over what was told of the last trades: kept, unless it is known, or is what follows from the account's own trades."""

    derived: set[str] | None = field(default=None)
    known_lines: set[str] = field(default_factory=set)
    rows: list[PerformanceAlert] = field(default_factory=list)

    def read(self, text: str) -> PerformanceLine:
        """Return what a line says."""
        line = PerformanceLine.read(text)
        self.check_time("timestamp", line.timestamp)
        return line

    def prepare(self, items: Sequence[PerformanceLine]) -> None:
        """Read what is known of those times."""
        if self.derived is None:
            self.derived = {line.digest for line in performance_lines(self.account)}
        there = PerformanceAlert.objects.filter(account=self.account, at__in={line.timestamp for line in items})
        self.known_lines, self.rows = {stored_line(row).digest for row in there} | self.derived, []

    def keep(self, item: PerformanceLine) -> bool:
        """Keep a line that is not known."""
        if item.digest in self.known_lines:
            return False
        self.known_lines.add(item.digest)
        self.rows.append(
            PerformanceAlert(
                account=self.account,
                at=item.timestamp,
                window=item.window_size,
                win_rate=item.win_rate,
                profit_factor=item.profit_factor,
                max_drawdown_pct=item.max_drawdown_pct,
                consecutive_losses=item.consecutive_losses,
                total_trades=item.total_trades,
                alert_triggered=item.alert_triggered,
                message=item.alert_message or "",
                external_id=item.digest,
                actor=self.actor,
                recorded_at=self.at,
            )
        )
        return True

    def write(self) -> None:
        """Store what is new."""
        PerformanceAlert.objects.bulk_create(self.rows)
