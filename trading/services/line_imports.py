"""Lines of `risk-management.jsonl` and `performance-alerts.jsonl` brought in: kept as they are told, each once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from portfolio.domain.exact import EXACT
from trading.domain.journal_lines import PerformanceLine, RiskLine
from trading.models import PerformanceAlert, RiskEvent
from trading.selectors.trading_files import HUNDRED, performance_lines, risk_line, stored_line
from trading.services.file_runs import Run

RISK_SOURCE = "risk-management.jsonl"


@dataclass(slots=True)
class RiskRun(Run):
    """A run over limits that were broken."""

    def store(self, text: str) -> bool:
        """Keep a line, unless the account has such an event at that time: one of a file, or of its own."""
        line = RiskLine.read(text)
        self.check_time("timestamp", line.timestamp)
        there = RiskEvent.objects.filter(account=self.account, at=line.timestamp)
        if any(risk_line(event).digest == line.digest for event in there):
            return False
        share = line.daily_pnl_pct
        RiskEvent.objects.create(  # type: ignore[misc]  # it may be null
            account=self.account,
            at=line.timestamp,
            type=line.event_type,
            severity=line.severity,
            action_taken=line.action_taken,
            day_gain=line.daily_pnl,
            day_gain_share=None if share is None else EXACT.divide(share, HUNDRED),
            consecutive_losses=line.consecutive_losses,
            configuration=dict(line.config_snapshot),
            actor=self.actor,
            source=RISK_SOURCE,
            external_id=line.digest,
            recorded_at=self.at,
        )
        return True


@dataclass(slots=True)
class PerformanceRun(Run):
    """A run over what was told of the last trades."""

    derived: dict[datetime, set[str]] | None = field(default=None)

    def store(self, text: str) -> bool:
        """Keep a line, unless it is known, or is what follows from the account's own trades."""
        line = PerformanceLine.read(text)
        self.check_time("timestamp", line.timestamp)
        there = PerformanceAlert.objects.filter(account=self.account, at=line.timestamp)
        if any(stored_line(row).digest == line.digest for row in there) or line.digest in self._own().get(line.timestamp, set()):
            return False
        PerformanceAlert.objects.create(
            account=self.account,
            at=line.timestamp,
            window=line.window_size,
            win_rate=line.win_rate,
            profit_factor=line.profit_factor,
            max_drawdown_pct=line.max_drawdown_pct,
            consecutive_losses=line.consecutive_losses,
            total_trades=line.total_trades,
            alert_triggered=line.alert_triggered,
            message=line.alert_message or "",
            external_id=line.digest,
            actor=self.actor,
            recorded_at=self.at,
        )
        return True

    def _own(self) -> dict[datetime, set[str]]:
        """Return what follows from the account's own trades, by time."""
        if self.derived is None:
            self.derived = {}
            for line in performance_lines(self.account):
                self.derived.setdefault(line.timestamp, set()).add(line.digest)
        return self.derived
