"""What workers do for market data; a message only wakes one up."""

import logging

from celery import shared_task
from django.utils import timezone

from marketdata.models.instruments import Instrument
from marketdata.services import actions, providers, quotes, rollup

log = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def refresh_watched(**_later: object) -> None:
    """Fetch new prices of the instruments that somebody holds or watches."""
    _refresh(list(Instrument.objects.followed().order_by("symbol", "exchange")))


@shared_task(ignore_result=True)
def refresh_instruments(*, instrument_ids: list[str], **_later: object) -> None:
    """Fetch new prices of some instruments, such as those an account has just begun to hold."""
    _refresh(list(Instrument.objects.filter(pk__in=instrument_ids, active=True).order_by("symbol", "exchange")))


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


def _refresh(instruments: list[Instrument]) -> None:
    report = providers.refresh(instruments=instruments, at=timezone.now())
    log.info("Prices: %d series asked, %d bars stored, %d left for next time", len(report.runs), report.stored, len(report.left))
