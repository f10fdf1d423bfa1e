"""Fetch quotes, trades and corporate actions of a period from one source and store them: gaps, and history to begin with."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from marketdata.adapters.base import Page, PriceProvider, ProviderFailed
from marketdata.adapters.patience import in_time
from marketdata.domain.instruments import Listing
from marketdata.domain.quality import Dataset
from marketdata.models.instruments import Instrument
from marketdata.services import breaker
from marketdata.services.actions import ActionReport, store_actions
from marketdata.services.ingest import IngestReport, store_quotes, store_ticks

PAGE_SECONDS = 20.0

Report = IngestReport | ActionReport


@dataclass(frozen=True, slots=True)
class Period:
    """What is wanted of whom: the rows of an instrument in [start, end); `symbol` is what the source calls it, if different."""

    provider: PriceProvider
    instrument: Instrument
    start: datetime
    end: datetime
    symbol: str = ""

    @property
    def listing(self) -> Listing:
        """What the source is told about the instrument."""
        own = self.instrument.listing
        return replace(own, symbol=self.symbol) if self.symbol else own


def _quotes(period: Period) -> Iterator[Page]:
    return period.provider.quotes(period.listing, period.start, period.end)


def _ticks(period: Period) -> Iterator[Page]:
    return period.provider.ticks(period.listing, period.start, period.end)


def _actions(period: Period) -> Iterator[Page]:
    start, end = (at.astimezone(UTC).date() for at in (period.start, period.end))
    return period.provider.corporate_actions(period.listing, start, end)


ASK: Mapping[Dataset, Callable[[Period], Iterator[Page]]] = {
    Dataset.QUOTES: _quotes,
    Dataset.TICKS: _ticks,
    Dataset.CORPORATE_ACTIONS: _actions,
}


def load_period(
    *, dataset: Dataset, period: Period, at: datetime, page_seconds: float = PAGE_SECONDS, correct: bool = False
) -> Iterator[tuple[Page, Report]]:
    """Store what a source has of a period, and yield each page beside what came of it.

    :raises ProviderFailed: if the source fails, or has no such rows
    :raises ProviderStalled: if it does not answer in time
    """
    provider = period.provider
    if not provider.capabilities.has(dataset):
        raise ProviderFailed(f"{provider.name} has no {dataset.value.replace('_', ' ')}.")
    rows = 0
    try:
        for page in in_time(lambda: ASK[dataset](period), page_seconds):
            yield page, _store(dataset, period, page, at, correct=correct)
            rows += len(page.rows)
            progress = f"{period.instrument.key} {dataset.value}: {rows:,} rows"
            breaker.note_progress(provider=provider.name, progress=progress, traffic=provider.traffic)
    finally:
        breaker.note_progress(provider=provider.name, progress="", traffic=provider.traffic)


def _store(dataset: Dataset, period: Period, page: Page, at: datetime, *, correct: bool) -> Report:
    source, instrument = period.provider.name, period.instrument
    if dataset is Dataset.CORPORATE_ACTIONS:
        rows = [{**row, "instrument": instrument} if isinstance(row, Mapping) else row for row in page.rows]
        return store_actions(source=source, rows=rows, recorded_at=at, correct=correct)
    store: Any = store_quotes if dataset is Dataset.QUOTES else store_ticks
    report: IngestReport = store(
        source=source, rows=page.rows, recorded_at=at, common={"instrument": instrument}, correct=correct
    )  # fmt: skip
    return report
