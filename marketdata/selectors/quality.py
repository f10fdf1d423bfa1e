"""How often each rule was broken by each source."""

from datetime import datetime
from typing import TypedDict

from django.db.models import Count, Max, Q, Sum

from marketdata.models.quality import QualityIssue


class Summary(TypedDict):
    """One rule and source: its issues, how many of them are open, the rows behind them, and when the last one came."""

    rule: str
    severity: str
    dataset: str
    source: str
    issues: int
    open: int
    times: int
    last_found_at: datetime


def quality_summary() -> list[Summary]:
    """Return how often each rule was broken by each source, the most often broken first."""
    found = QualityIssue.objects.values("rule", "severity", "dataset", "source").annotate(
        issues=Count("pk"),
        open=Count("pk", filter=Q(resolved_at__isnull=True)),
        times=Sum("times"),
        last_found_at=Max("last_found_at"),
    )
    return [Summary(**row) for row in found.order_by("-open", "-times", "rule", "source", "dataset", "severity")]
