"""What is looked for every night: what companies did to their shares, and bars that are missing between others.

It is looked for where prices are: of the instruments that somebody holds or watches, and of those that name their sources. Each
is asked for in the order of its sources, until one answers. A run that has no time left says after which instrument it stopped.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from uuid import UUID

from marketdata.adapters import providers as configured_providers
from marketdata.adapters.base import PriceProvider, ProviderFailed, ProviderStalled
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models.actions import CorporateAction
from marketdata.models.instruments import Instrument
from marketdata.selectors.checks import Scope, bars_missing
from marketdata.selectors.providers import Choice, sources_of
from marketdata.services import breaker
from marketdata.services.backfill import Period, load_period
from marketdata.services.providers import BEGINNING, Series, load_series

log = logging.getLogger(__name__)

RUN_SECONDS = 180.0
PAGE_SECONDS = 20.0
AGAIN, AHEAD = timedelta(days=365), timedelta(days=365)  # what is asked for again each night, and what is announced
HOLES = timedelta(days=60)


@dataclass(slots=True)
class NightReport:
    """What a run came to; `after` is the last instrument that it had time for, where there are more."""

    asked: int = 0
    stored: int = 0
    refused: int = 0
    failed: int = 0
    after: UUID | None = None


@dataclass(slots=True)
class _Run:
    """Who may be asked, from when on nobody is any more, and what came of it so far."""

    at: datetime
    asked: dict[str, PriceProvider]
    deadline: float
    report: NightReport

    def ask_in_turn(self, instrument: Instrument, choices: Sequence[Choice], load: "Load") -> None:
        """Ask one source after the other until one answers; one that stalls is not asked again in this run."""
        for choice in choices:
            provider = self.asked.get(choice.provider)
            if provider is None or not breaker.may_ask(provider=choice.provider, at=self.at):
                continue
            self.report.asked += 1
            try:
                for stored, refused in load(provider, choice.symbol):
                    self.report.stored += stored
                    self.report.refused += refused
                breaker.note_success(provider=provider.name, at=self.at)
                break
            except (ProviderFailed, ProviderStalled) as trouble:
                self.report.failed += 1
                breaker.note_trouble(provider=provider.name, trouble=trouble, at=self.at)
                log.warning("Provider %s, %s: %s", provider.name, instrument, trouble)
                if isinstance(trouble, ProviderStalled):
                    del self.asked[choice.provider]
            finally:
                breaker.note_progress(provider=provider.name, progress="", traffic=provider.traffic)


Load = Callable[[PriceProvider, str], Iterator[tuple[int, int]]]


def load_new_actions(
    *, instruments: Sequence[Instrument], at: datetime, providers: Sequence[PriceProvider] | None = None,
    run_seconds: float = RUN_SECONDS,
) -> NightReport:  # fmt: skip
    """Store what sources say that companies did to their shares, or will: all of it the first time, then that of a year."""
    run = _begin(at, providers, run_seconds)
    sources = sources_of(instruments)
    for place, instrument in enumerate(instruments):
        everybody = [Choice(name) for name in run.asked]
        fitting = [
            choice
            for choice in sources.get(instrument.pk, everybody)
            if choice.provider in run.asked and _has_actions(run.asked[choice.provider], instrument)
        ]

        def load(provider: PriceProvider, symbol: str, instrument: Instrument = instrument) -> Iterator[tuple[int, int]]:
            known = CorporateAction.objects.filter(instrument=instrument, source=provider.name).exists()
            period = Period(provider, instrument, at - AGAIN if known else BEGINNING, at + AHEAD, symbol)
            for _, done in load_period(
                dataset=Dataset.CORPORATE_ACTIONS, period=period, at=at, page_seconds=PAGE_SECONDS
            ):  # fmt: skip
                yield done.stored, len(done.refused)

        run.ask_in_turn(instrument, fitting, load)
        if time.monotonic() >= run.deadline and place + 1 < len(instruments):
            run.report.after = instrument.pk
            break
    return run.report


def fill_missing_bars(
    *, instruments: Sequence[Instrument], at: datetime, providers: Sequence[PriceProvider] | None = None,
    run_seconds: float = RUN_SECONDS,
) -> NightReport:  # fmt: skip
    """Ask again for daily bars from the first session of the last weeks on that has none, though there are bars around it."""
    run = _begin(at, providers, run_seconds)
    holes = _holes(at)
    lacking = [instrument for instrument in instruments if instrument.pk in holes]
    sources = sources_of(lacking)
    for place, instrument in enumerate(lacking):
        start = datetime.combine(holes[instrument.pk], clock_time(), UTC)

        def load(
            provider: PriceProvider, symbol: str, instrument: Instrument = instrument, start: datetime = start
        ) -> Iterator[tuple[int, int]]:
            series = Series(provider, instrument, Timeframe.DAY, at, PAGE_SECONDS, symbol=symbol)
            if not series.is_covered():
                return
            for _, done in load_series(series=series, start=start):
                yield done.stored, done.refused_rows

        everybody = [Choice(name) for name, each in run.asked.items() if Timeframe.DAY in each.capabilities.timeframes]
        for choice in sources.get(instrument.pk, everybody):
            before = run.report.stored
            run.ask_in_turn(instrument, [choice], load)
            if run.report.stored > before:
                break
        if time.monotonic() >= run.deadline and place + 1 < len(lacking):
            run.report.after = instrument.pk
            break
    return run.report


def _begin(at: datetime, providers: Sequence[PriceProvider] | None, run_seconds: float) -> _Run:
    asked = {each.name: each for each in (configured_providers() if providers is None else providers)}
    return _Run(at, asked, time.monotonic() + run_seconds, NightReport())


def _has_actions(provider: PriceProvider, instrument: Instrument) -> bool:
    return provider.capabilities.corporate_actions and provider.capabilities.fits(instrument.listing)


def _holes(at: datetime) -> dict[UUID, date]:
    """Return the first session of the last weeks that an instrument has no daily bar of, though it has later ones."""
    scope = Scope(at, (at - HOLES).date())
    found = bars_missing(scope)
    return {each.instrument_id: each.value for each in found if each.instrument_id and isinstance(each.value, date)}
