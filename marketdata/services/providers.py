"""Fetch what is new from the sources of prices, whatever they do meanwhile.

Each instrument has its sources in an order, its own or that of the settings. If the first fails, stalls, or has had nothing new
for days, the next is asked. A provider that raises is passed over for that series and asked again later, after a pause that
doubles each time; one that is away as a whole is left alone by all workers (see `services.breaker`). One that stalls is not
asked again in this run (its thread can't be ended, so at most one is left behind for each provider). Pages are stored as they
come, each in one transaction with the place to resume from: a run that is killed goes on where it stopped.
"""

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet

from marketdata.adapters import provider_named
from marketdata.adapters import providers as configured_providers
from marketdata.adapters.base import Page, PriceProvider, ProviderFailed, ProviderStalled
from marketdata.adapters.patience import in_time
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import Listing
from marketdata.domain.quality import as_text
from marketdata.domain.rows import Unreadable, read_start
from marketdata.models.instruments import Instrument
from marketdata.models.providers import Outcome, ProviderState
from marketdata.selectors.providers import Choice, has_delivered, last_bar_at, sources_of
from marketdata.services import breaker
from marketdata.services.ingest import IngestReport, store_bars

log = logging.getLogger(__name__)

BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
PAGE_SECONDS = 20.0
RUN_SECONDS = 180.0
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)
MOST_DOUBLINGS = 10
QUIET = timedelta(days=4)  # longer than markets usually close: whoever has nothing new for so long is not relied on
NO_TIME = "The run ended before the series did; the next one goes on."


@dataclass(slots=True)
class SeriesRun:
    """What came of asking one provider for one series."""

    instrument: Instrument
    provider: str
    outcome: Outcome
    report: IngestReport
    detail: str = ""


@dataclass(slots=True)
class RefreshReport:
    """What came of a refresh; `left` are the instruments it had no time for, which come first the next time."""

    runs: list[SeriesRun] = field(default_factory=list)
    left: list[Instrument] = field(default_factory=list)

    @property
    def stored(self) -> int:
        """How many bars are new."""
        return sum(run.report.stored for run in self.runs)


@dataclass(frozen=True, slots=True)
class Series:
    """A series that a provider is asked for at a time; bars that are not over by then are left for later."""

    provider: PriceProvider
    instrument: Instrument
    timeframe: Timeframe
    at: datetime
    page_seconds: float = PAGE_SECONDS
    deadline: float = math.inf  # on the monotonic clock; the pages that come later are left for the next run
    symbol: str = ""  # what the provider calls it, where that differs
    named: bool = False  # whether the instrument itself names the provider
    until: datetime | None = None  # bars from here on are not asked for

    @property
    def listing(self) -> Listing:
        """What the provider is told about the instrument."""
        own = self.instrument.listing
        return replace(own, symbol=self.symbol) if self.symbol else own

    @property
    def end(self) -> datetime:
        """The start of the first bar that is not over yet."""
        over = self.timeframe.start_of(self.at)
        return over if self.until is None else min(over, self.until)

    def is_covered(self) -> bool:
        """Say whether the provider has the series."""
        return all(in_time(lambda: [self.provider.covers(self.listing, self.timeframe)], self.page_seconds))

    def pages(self, start: datetime) -> Iterator[Page]:
        """Yield what the provider has from a time on."""
        listing = self.listing
        for page in in_time(lambda: self.provider.bars(listing, self.timeframe, start, self.end), self.page_seconds):
            if not isinstance(page, Page):
                raise ProviderFailed(f"Handed out a {type(page).__name__} instead of a page.")
            yield _without_open_bars(page, self.end)

    def store(self, page: Page, *, correct: bool = False) -> IngestReport:
        """Store the rows of a page."""
        return store_bars(
            source=self.provider.name,
            rows=page.rows,
            common={"instrument": self.instrument, "timeframe": self.timeframe.value},
            recorded_at=self.at,
            correct=correct,
        )


def refresh(
    *,
    instruments: Iterable[Instrument],
    at: datetime,
    timeframe: Timeframe = Timeframe.DAY,
    providers: Sequence[PriceProvider] | None = None,
    page_seconds: float = PAGE_SECONDS,
    run_seconds: float = RUN_SECONDS,
) -> RefreshReport:
    """Store the bars that are over since the last run; the instruments longest not looked at come first.

    For each instrument its sources are asked in their order until one answers; where it has none of its own, all providers.
    """
    asked = {each.name: each for each in (configured_providers() if providers is None else providers)}
    everybody = [Choice(name) for name in asked]
    waiting = _longest_waiting_first(list(instruments), timeframe)
    sources = sources_of(waiting)
    report, deadline = RefreshReport(), time.monotonic() + run_seconds
    while waiting and time.monotonic() < deadline:
        instrument = waiting.pop(0)
        named = instrument.pk in sources
        choices = [choice for choice in sources.get(instrument.pk, everybody) if choice.provider in asked]
        runs = _ask_in_turn(
            [
                Series(asked[choice.provider], instrument, timeframe, at, page_seconds, deadline, choice.symbol, named)
                for choice in choices
            ]
        )
        report.runs += runs
        for name in {run.provider for run in runs if run.outcome is Outcome.STALLED}:
            del asked[name]
    report.left = waiting
    return report


def listed_bars(*, provider: str, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[tuple[Listing, Any]]:
    """Yield what a provider that lists its instruments has of each of them in [start, end), row by row; nothing is stored.

    :raises LookupError: if no provider of that name is configured
    """
    found = provider_named(provider)
    for listing in found.listings():
        for page in found.bars(listing, timeframe, start, end):
            yield from ((listing, row) for row in page.rows)


def load_series(*, series: Series, start: datetime = BEGINNING, correct: bool = False) -> Iterator[tuple[Page, IngestReport]]:
    """Store all that a provider has of a series from a time on, and yield each page beside what came of it.

    :raises ProviderFailed: if the provider raises
    :raises ProviderStalled: if it does not answer in time
    """
    for page in series.pages(start):
        yield page, series.store(page, correct=correct)


def _ask_in_turn(choices: Sequence[Series]) -> list[SeriesRun]:
    """Ask one provider after the other for the same series until one answers."""
    runs: list[SeriesRun] = []
    for place, series in enumerate(choices):
        run = _run(series, above=[each.provider.name for each in choices[:place]])
        runs += [run] if run else []
        if run and (run.outcome is Outcome.STORED or (run.outcome is Outcome.NOTHING_NEW and not _is_behind(series))):
            break
    return runs


def _is_behind(series: Series) -> bool:
    """Say whether nothing of a series is stored, or nothing of late."""
    last = last_bar_at(series.instrument, series.timeframe.value)
    return last is None or last < series.end - QUIET


def _run(series: Series, *, above: Sequence[str] = ()) -> SeriesRun | None:
    """Fetch what is new of a series; None if the provider does not have it or is given a rest.

    `above` are the providers that come before it in the order.
    """
    name, known = series.provider.name, _state_of(series).first() or ProviderState()
    if known.not_before is not None and series.at < known.not_before:
        return None
    run = SeriesRun(series.instrument, name, Outcome.NOTHING_NEW, IngestReport())
    try:
        if not series.is_covered():
            if series.named:
                breaker.note_skipped(
                    provider=name, reason=f"{series.instrument.key}: {name} has no {series.timeframe} bars of it."
                )
            return None
        start = _start_of(series, known, above)
        if start < series.end:
            if not breaker.may_ask(provider=name, at=series.at):
                return None
            _fetch(series, start, run)
            breaker.note_success(provider=name, at=series.at)
    except (ProviderFailed, ProviderStalled) as trouble:
        run.outcome = Outcome.STALLED if isinstance(trouble, ProviderStalled) else Outcome.FAILED
        run.detail = as_text(trouble)
        breaker.note_trouble(provider=name, trouble=trouble, at=series.at)
    if run.outcome is Outcome.NOTHING_NEW and run.report.stored:
        run.outcome = Outcome.STORED
    breaker.note_progress(provider=name, progress="", traffic=series.provider.traffic)
    _note_outcome(series, run.outcome, run.detail)
    return run


def _start_of(series: Series, known: ProviderState, above: Sequence[str]) -> datetime:
    """Return from when on a provider is asked: where it stopped, and if one above it has delivered, not before that ends."""
    start = known.resume_from or BEGINNING
    if above and has_delivered(providers=above, instrument=series.instrument, timeframe=series.timeframe.value):
        last = last_bar_at(series.instrument, series.timeframe.value)
        start = max(start, last + series.timeframe.duration) if last else start
    return start


def _fetch(series: Series, start: datetime, run: SeriesRun) -> None:
    """Store what a provider has from a time on, page by page, and say how far that is."""
    name, rows = series.provider.name, 0
    breaker.note_progress(provider=name, progress=f"{series.instrument.key} {series.timeframe}")
    for page in series.pages(start):
        run.report += _store_and_mark(series, page)
        rows += len(page.rows)
        reached = f", up to {run.report.last:%Y-%m-%d %H:%M}" if run.report.last else ""
        progress = f"{series.instrument.key} {series.timeframe}: {rows:,} rows{reached}"
        breaker.note_progress(provider=name, progress=progress, traffic=series.provider.traffic)
        if time.monotonic() >= series.deadline:
            run.detail = NO_TIME
            break


@transaction.atomic
def _store_and_mark(series: Series, page: Page) -> IngestReport:
    """Store a page and where to resume after it, both or neither."""
    report = series.store(page)
    if isinstance(report.last, datetime):
        state = _locked_state(series)
        resume_from = report.last + series.timeframe.duration
        state.resume_from = max(resume_from, state.resume_from or resume_from)
        state.save(update_fields=["resume_from"])
    return report


@transaction.atomic
def _note_outcome(series: Series, outcome: Outcome, detail: str) -> None:
    """Write down how a run went and, after a failure, when to ask again."""
    state = _locked_state(series)
    state.last_run_at, state.last_outcome, state.last_detail = series.at, outcome.value, detail
    if outcome in {Outcome.FAILED, Outcome.STALLED}:
        log.warning("Provider %s, %s: %s", series.provider.name, series.instrument, detail)
        pause = FIRST_PAUSE * 2 ** min(state.failures, MOST_DOUBLINGS)
        state.failures += 1
        state.not_before = series.at + min(pause, LONGEST_PAUSE)
    else:
        state.failures, state.not_before = 0, None
    state.save()


def _state_of(series: Series) -> QuerySet[ProviderState]:
    """Return the row that says where the refresh of a series stopped."""
    return ProviderState.objects.filter(
        provider=series.provider.name, instrument=series.instrument, timeframe=series.timeframe.value
    )


def _locked_state(series: Series) -> ProviderState:
    """Return that row, made if there is none, and hold it until the transaction ends."""
    name, instrument, timeframe = series.provider.name, series.instrument, series.timeframe.value
    row = ProviderState(provider=name, instrument=instrument, timeframe=timeframe)
    ProviderState.objects.bulk_create([row], ignore_conflicts=True)
    return _state_of(series).select_for_update().get()


def _longest_waiting_first(instruments: Sequence[Instrument], timeframe: Timeframe) -> list[Instrument]:
    """Return instruments in the order of their last runs, those never looked at first."""
    states = ProviderState.objects.filter(instrument__in=instruments, timeframe=timeframe.value)
    last = dict(states.values_list("instrument").annotate(last=Max("last_run_at")))
    return sorted(instruments, key=lambda instrument: last.get(instrument.pk) or BEGINNING)


def _without_open_bars(page: Page, end: datetime) -> Page:
    """Return a page without the bars that are not over: their figures will change. Broken rows stay, to be recorded."""
    kept = [index for index, row in enumerate(page.rows) if not _starts_at_or_after(row, end)]
    if len(kept) == len(page.rows):
        return page
    return Page(tuple(page.rows[index] for index in kept), tuple(page.lines[index] for index in kept if index < len(page.lines)))


def _starts_at_or_after(row: object, end: datetime) -> bool:
    """Say whether a row can be read as a bar that starts at a time or later."""
    try:
        return isinstance(row, Mapping) and read_start(row.get("timestamp")) >= end
    except Unreadable:
        return False
