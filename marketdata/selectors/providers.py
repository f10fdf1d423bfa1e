"""How the sources of prices are doing, and who is asked for what."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q

from marketdata.adapters import providers
from marketdata.models.fx import FxHistory
from marketdata.models.instruments import Instrument
from marketdata.models.prices import PriceHistory
from marketdata.models.providers import Circuit, InstrumentSource, ProviderHealth, ProviderState, StreamState

EURO = "EUR"


@dataclass(frozen=True, slots=True)
class ProviderSummary:
    """A source of prices, what it can do, how many series it is asked for, and how that goes."""

    name: str
    timeframes: list[str]
    capabilities: list[str] = field(default_factory=list)
    needs_credentials: bool = False
    series: int = 0
    failing: int = 0
    last_run_at: datetime | None = None
    last_failure: str = ""
    circuit: str = Circuit.CLOSED.value
    not_before: datetime | None = None
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    skipped: int = 0
    last_skipped: str = ""
    last_error: str = ""
    last_error_at: datetime | None = None
    last_success_at: datetime | None = None
    progress: str = ""


HEALTH = (
    "circuit",
    "not_before",
    "requests",
    "retries",
    "throttled",
    "skipped",
    "last_skipped",
    "last_error",
    "last_error_at",
    "last_success_at",
    "progress",
)


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
    health = {row.pop("provider"): row for row in ProviderHealth.objects.values("provider", *HEALTH)}
    return [
        ProviderSummary(
            name=provider.name,
            timeframes=sorted(timeframe.value for timeframe in provider.capabilities.timeframes),
            capabilities=provider.capabilities.names(),
            needs_credentials=provider.capabilities.needs_credentials,
            series=counts.get(provider.name, {}).get("series", 0),
            failing=counts.get(provider.name, {}).get("failing", 0),
            last_run_at=counts.get(provider.name, {}).get("last"),
            last_failure=failures.get(provider.name, ""),
            **health.get(provider.name, {}),
        )
        for provider in providers()
    ]


@dataclass(frozen=True, slots=True)
class Choice:
    """A source that an instrument's prices come from, and what the instrument is called there ("": by its own symbol)."""

    provider: str
    symbol: str = ""


def sources_of(instruments: Iterable[Instrument]) -> Mapping[UUID, list[Choice]]:
    """Return the sources of instruments in the order in which they are asked; an instrument without any is not there."""
    found: dict[UUID, list[Choice]] = {}
    rows = InstrumentSource.objects.filter(instrument__in=list(instruments)).order_by("instrument", "rank", "provider")
    for row in rows:
        found.setdefault(row.instrument_id, []).append(Choice(row.provider, row.symbol))
    return found


def symbol_at(*, instrument: Instrument, provider: str) -> str:
    """Return what a source calls an instrument, "" if that is its own symbol."""
    return (
        InstrumentSource.objects.filter(instrument=instrument, provider=provider).values_list("symbol", flat=True).first() or ""
    )


def last_bar_at(instrument: Instrument, timeframe: str) -> datetime | None:
    """Return the time of the last bar that is stored of a series, whoever sent it."""
    return PriceHistory.objects.filter(instrument=instrument, timeframe=timeframe).values_list("last_at", flat=True).first()


def has_delivered(*, providers: Collection[str], instrument: Instrument, timeframe: str) -> bool:
    """Say whether one of some sources has ever sent bars of a series."""
    states = ProviderState.objects.filter(provider__in=providers, instrument=instrument, timeframe=timeframe)
    return states.filter(resume_from__isnull=False).exists()


def used_currencies() -> list[str]:
    """Return the currencies of instruments and those that there are rates of, the euro aside: their rates are kept fresh."""
    priced = set(Instrument.objects.order_by().values_list("currency", flat=True).distinct())
    rated = set(FxHistory.objects.filter(base=EURO).values_list("quote", flat=True))
    return sorted((priced | rated) - {EURO})


def last_rate_dates() -> Mapping[str, date | None]:
    """Return the last day on which there is a rate of each currency against the euro."""
    return dict(FxHistory.objects.filter(base=EURO).values_list("quote", "last_date"))


def last_sign_of_life(stream: str) -> datetime | None:
    """Return when the process of a live feed last said that it is alive."""
    return StreamState.objects.filter(provider=stream).values_list("beat_at", flat=True).first()
