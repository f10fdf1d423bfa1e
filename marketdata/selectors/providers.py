"""How the sources of prices are doing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q

from marketdata.adapters import providers
from marketdata.models.providers import ProviderState


@dataclass(frozen=True, slots=True)
class ProviderSummary:
    """A source of prices, how many series it is asked for, and how that goes."""

    name: str
    timeframes: list[str]
    series: int = 0
    failing: int = 0
    last_run_at: datetime | None = None
    last_failure: str = ""


def provider_summaries() -> list[ProviderSummary]:
    """Return every configured source in the order in which they are asked."""
    counted = ProviderState.objects.values("provider").annotate(
        series=Count("pk"), failing=Count("pk", filter=Q(failures__gt=0)), last=Max("last_run_at")
    )
    counts: dict[str, Any] = {row["provider"]: row for row in counted}
    failures = dict(
        ProviderState.objects.filter(failures__gt=0)
        .order_by("provider", "-last_run_at")
        .distinct("provider")
        .values_list("provider", "last_detail")
    )
    return [
        ProviderSummary(
            name=provider.name,
            timeframes=sorted(timeframe.value for timeframe in provider.timeframes),
            series=counts.get(provider.name, {}).get("series", 0),
            failing=counts.get(provider.name, {}).get("failing", 0),
            last_run_at=counts.get(provider.name, {}).get("last"),
            last_failure=failures.get(provider.name, ""),
        )
        for provider in providers()
    ]
