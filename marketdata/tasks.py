"""What workers do for market data; a message only wakes one up."""

import logging
import time
from datetime import date, timedelta
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from marketdata.domain.archive import ARCHIVED
from marketdata.domain.quality import Dataset
from marketdata.models.instruments import Instrument
from marketdata.selectors.days import finished_days
from marketdata.services import actions, checks, nightly, providers, quotes, rates, rollover, rollup, verification

log = logging.getLogger(__name__)
CHECKED_BACK = timedelta(days=3)
LOOK = 120  # seconds that a look at the archive takes at most, and one file more


@shared_task(ignore_result=True)
def refresh_watched(**_later: object) -> None:
    """Fetch new prices of the instruments that somebody holds or watches."""
    _refresh(list(Instrument.objects.followed().order_by("symbol", "exchange")))


@shared_task(ignore_result=True)
def refresh_sourced(**_later: object) -> None:
    """Fetch new prices of the instruments that nobody follows but that name their sources."""
    _refresh(list(Instrument.objects.kept_up().filter(followed_since__isnull=True).order_by("symbol", "exchange")))


@shared_task(ignore_result=True)
def load_new_actions(*, after: str = "", **_later: object) -> None:
    """Fetch what companies did to the shares that are kept up, or will; what there is no time for is asked for at once after."""
    report = nightly.load_new_actions(instruments=_kept_up(after), at=timezone.now())
    log.info("Actions: %d asked, %d stored, %d refused, %d failed", report.asked, report.stored, report.refused, report.failed)
    if report.after:
        load_new_actions.delay(after=str(report.after))


@shared_task(ignore_result=True)
def fill_missing_bars(*, after: str = "", **_later: object) -> None:
    """Ask again for daily bars that are missing between others; what there is no time for is asked for at once after."""
    report = nightly.fill_missing_bars(instruments=_kept_up(after), at=timezone.now())
    log.info("Missing bars: %d asked, %d stored, %d failed", report.asked, report.stored, report.failed)
    if report.after:
        fill_missing_bars.delay(after=str(report.after))


@shared_task(ignore_result=True)
def refresh_instruments(*, instrument_ids: list[str], **_later: object) -> None:
    """Fetch new prices of some instruments, such as those an account has just begun to hold."""
    _refresh(list(Instrument.objects.filter(pk__in=instrument_ids, active=True).order_by("symbol", "exchange")))


@shared_task(ignore_result=True)
def refresh_rates(**_later: object) -> None:
    """Fetch the rates that are new of the currencies that instruments are priced in."""
    runs = rates.refresh_rates(at=timezone.now())
    log.info("Rates: %d currencies asked for, %d stored", len(runs), sum(run.report.stored for run in runs))


@shared_task(ignore_result=True)
def apply_due_actions(**_later: object) -> None:
    """Rename and retire the instruments whose day has come."""
    for action in actions.apply_due(at=timezone.now()):
        log.info("%s was applied", action)


@shared_task(ignore_result=True)
def roll_up_pending(**_later: object) -> None:
    """Make the bars of days whose ticks or quotes have changed."""
    report = rollup.roll_up_pending(at=timezone.now())
    if report.days:
        log.info("Bars: %d days made anew, %d bars stored, %d removed", report.days, report.stored, report.removed)


@shared_task(ignore_result=True)
def warm_quotes(**_later: object) -> None:
    """Put the latest quotes of the instruments that somebody holds or watches into the cache."""
    log.info("Cache: %d quotes are warm", quotes.warm_up())


@shared_task(ignore_result=True)
def roll_over_finished(**_later: object) -> None:
    """Make the tables of the days to come, and have every day archived that is over and need not stay."""
    at = timezone.now()
    rollover.make_days(at=at)
    for dataset in ARCHIVED:
        for day in finished_days(dataset, at, keep=settings.ARCHIVE_KEEP_DAYS):
            roll_over_day.delay(dataset=dataset.value, day=day.isoformat())


@shared_task(ignore_result=True)
def roll_over_day(*, dataset: str, day: str, **_later: object) -> None:
    """Archive one day; if it is being used, or being archived by somebody else, the next hour looks again."""
    try:
        outcome = rollover.roll_over(dataset=Dataset(dataset), day=date.fromisoformat(day), at=timezone.now())
    except rollover.DayInUse as error:
        log.warning("%s of %s stay for now: %s", dataset, day, error)
        return
    log.info("%s of %s: %s", dataset, day, outcome.state)


@shared_task(ignore_result=True)
def verify_oldest_segments(**_later: object) -> None:
    """Look at the files of the archive that nobody has looked at for a week, for a few minutes; the next hour goes on."""
    until = time.monotonic() + LOOK
    for fault in verification.verify_oldest(at=timezone.now(), unseen=timedelta(days=7)):
        if fault:
            log.error("The archive is damaged: %s: %s", fault.file, fault.detail)
        if time.monotonic() > until:
            break


@shared_task(ignore_result=True)
def check_data(**_later: object) -> None:
    """Check the records of the last days against each other; what is found is kept as quality issues."""
    now = timezone.now()
    for checked in checks.run_checks(at=now, since=now.date() - CHECKED_BACK):
        if checked.found:
            log.warning("Check %s (%s): %d found", checked.check.name, checked.check.severity, checked.found)


def _kept_up(after: str) -> list[Instrument]:
    """Return the instruments whose data is kept up to date, those that come after one alone."""
    instruments = Instrument.objects.kept_up().order_by("pk")
    return list(instruments.filter(pk__gt=UUID(after)) if after else instruments)


def _refresh(instruments: list[Instrument]) -> None:
    report = providers.refresh(instruments=instruments, at=timezone.now())
    log.info("Prices: %d series asked, %d bars stored, %d left for next time", len(report.runs), report.stored, len(report.left))
