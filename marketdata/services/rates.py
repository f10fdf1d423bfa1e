"""Fetch currency rates: what a euro was worth in the currencies that instruments are priced in, day by day."""

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from marketdata.adapters import providers as configured_providers
from marketdata.adapters.base import PriceProvider, ProviderAway, ProviderFailed, ProviderStalled
from marketdata.adapters.patience import in_time
from marketdata.domain.quality import Dataset, as_text
from marketdata.models.providers import Outcome
from marketdata.selectors.providers import EURO, last_rate_dates, used_currencies
from marketdata.services import breaker
from marketdata.services.ingest import IngestReport, store_fx_rates

log = logging.getLogger(__name__)

FIRST_DAY = date(1999, 1, 1)
QUIET = timedelta(days=4)  # longer than there are usually no rates: whoever has nothing new for so long is not relied on
PAGE_SECONDS, RUN_SECONDS = 30.0, 120.0


@dataclass(slots=True)
class RateRun:
    """What came of asking one source for the rates of one currency."""

    currency: str
    provider: str
    outcome: Outcome
    report: IngestReport = field(default_factory=IngestReport)
    detail: str = ""
    away: bool = False  # nobody is there: asking for another currency would be of no use


def refresh_rates(
    *,
    at: datetime,
    currencies: Collection[str] | None = None,
    providers: Iterable[PriceProvider] | None = None,
    since: date | None = None,
    page_seconds: float = PAGE_SECONDS,
    run_seconds: float = RUN_SECONDS,
) -> list[RateRun]:
    """Store the rates that are new of some currencies against the euro, or of all that are used.

    The sources are asked in their order until one answers; one that has had nothing new for days is passed over. `since` asks
    again from a day on, whatever is known.
    """
    able = [
        each
        for each in (configured_providers() if providers is None else providers)
        if each.capabilities.has(Dataset.FX_RATES) and breaker.may_ask(provider=each.name, at=at)
    ]
    known, deadline = last_rate_dates(), time.monotonic() + run_seconds
    runs: list[RateRun] = []
    for currency in sorted(set(used_currencies() if currencies is None else currencies) - {EURO}):
        if time.monotonic() >= deadline:
            break
        last = known.get(currency)
        start = since or (last + timedelta(days=1) if last else FIRST_DAY)
        is_behind = last is None or last < at.date() - QUIET
        runs += _ask_in_turn(able, currency, start, at, page_seconds, is_behind=is_behind)
        able = [each for each in able if each.name not in {run.provider for run in runs if run.away}]
    for each in able:
        breaker.note_progress(provider=each.name, progress="", traffic=each.traffic)
    return runs


def _ask_in_turn(
    providers: Sequence[PriceProvider], currency: str, start: date, at: datetime, page_seconds: float, *, is_behind: bool
) -> list[RateRun]:  # fmt: skip
    """Ask one source after the other until one answers; that it has nothing new is no answer where there must be something."""
    runs: list[RateRun] = []
    for provider in providers:
        run = _run(provider, currency, start, at, page_seconds)
        runs.append(run)
        if run.outcome is Outcome.STORED or (run.outcome is Outcome.NOTHING_NEW and not is_behind):
            break
    return runs


def _run(provider: PriceProvider, currency: str, start: date, at: datetime, page_seconds: float) -> RateRun:
    """Ask one source for the rates of one currency."""
    run = RateRun(currency, provider.name, Outcome.NOTHING_NEW)
    end = at.date() + timedelta(days=1)
    breaker.note_progress(provider=provider.name, progress=f"{EURO}/{currency}", traffic=provider.traffic)
    try:
        for page in in_time(lambda: provider.fx_rates(EURO, currency, start, end), page_seconds):
            run.report += store_fx_rates(source=provider.name, rows=page.rows, recorded_at=at)
        breaker.note_success(provider=provider.name, at=at)
    except (ProviderFailed, ProviderStalled) as trouble:
        run.outcome = Outcome.STALLED if isinstance(trouble, ProviderStalled) else Outcome.FAILED
        run.detail, run.away = as_text(trouble), isinstance(trouble, ProviderAway | ProviderStalled)
        breaker.note_trouble(provider=provider.name, trouble=trouble, at=at)
        log.info("Provider %s, %s/%s: %s", provider.name, EURO, currency, run.detail)
    if run.outcome is Outcome.NOTHING_NEW and run.report.stored:
        run.outcome = Outcome.STORED
    return run
