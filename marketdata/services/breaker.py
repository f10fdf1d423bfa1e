"""The breaker of each source, one for all workers: a source that fails again and again is left alone for a while.

CLOSED: it is asked. After some failures in a row it is OPEN: nobody asks, for a pause that doubles each time it opens. When that
is over, one worker asks once (HALF_OPEN); if that goes well the breaker closes, else it opens for longer. A probe whose worker
died is given to another after a minute. The rows also count what asking has cost, and say what a source is busy with.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from marketdata.adapters.base import ProviderAway, ProviderFailed, ProviderStalled, Traffic
from marketdata.domain.quality import as_text
from marketdata.models.providers import Circuit, ProviderHealth

log = logging.getLogger(__name__)

MOST_FAILURES = 5
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
MOST_DOUBLINGS = 10
PROBE = timedelta(minutes=1)
MOST_TOLD, MOST_PROGRESS = 300, 200


def may_ask(*, provider: str, at: datetime) -> bool:
    """Say whether a source may be asked now; whoever hears yes while it is open is the one who probes."""
    health = ProviderHealth.objects.filter(provider=provider).first()
    if health is None or health.circuit == Circuit.CLOSED:
        return health is None or health.not_before is None or health.not_before <= at
    waiting = ProviderHealth.objects.filter(provider=provider).exclude(circuit=Circuit.CLOSED.value)
    due = waiting.filter(Q(not_before__isnull=True) | Q(not_before__lte=at))
    return due.update(circuit=Circuit.HALF_OPEN.value, not_before=at + PROBE) == 1


@transaction.atomic
def note_success(*, provider: str, at: datetime) -> None:
    """Close the breaker: the source has answered."""
    health = _held(provider)
    if health.circuit != Circuit.CLOSED:
        log.info("Provider %s is back.", provider)
    health.circuit, health.failures, health.not_before = Circuit.CLOSED.value, 0, None
    health.last_success_at = at
    health.save(update_fields=["circuit", "failures", "not_before", "last_success_at"])


@transaction.atomic
def note_failure(*, provider: str, detail: str, at: datetime, retry_after: float = 0.0) -> ProviderHealth:
    """Note that the source as a whole did not answer, and open the breaker if that was once too often.

    `retry_after` is for how many seconds the source itself wants to be left alone.
    """
    health = _held(provider)
    health.failures += 1
    opened = health.failures - MOST_FAILURES
    if opened >= 0 or health.circuit == Circuit.HALF_OPEN:
        pause = min(FIRST_PAUSE * 2 ** min(max(opened, 0), MOST_DOUBLINGS), LONGEST_PAUSE)
        health.circuit, health.not_before = Circuit.OPEN.value, at + pause
        log.warning("Provider %s is left alone until %s: %s", provider, health.not_before, as_text(detail))
    if retry_after > 0:
        asked_for = at + min(timedelta(seconds=min(retry_after, 86_400)), LONGEST_PAUSE * 6)
        health.not_before = max(asked_for, health.not_before or asked_for)
    health.last_error, health.last_error_at = as_text(detail)[:MOST_TOLD], at
    health.save(update_fields=["circuit", "failures", "not_before", "last_error", "last_error_at"])
    return health


def note_trouble(*, provider: str, trouble: ProviderFailed | ProviderStalled, at: datetime) -> None:
    """Note what a source raised; one that is there but can't answer just that counts as answering."""
    if isinstance(trouble, ProviderAway | ProviderStalled):
        retry_after = getattr(trouble, "retry_after", 0.0)
        note_failure(provider=provider, detail=str(trouble), at=at, retry_after=retry_after)
        return
    note_success(provider=provider, at=at)
    ProviderHealth.objects.filter(provider=provider).update(last_error=as_text(trouble)[:MOST_TOLD], last_error_at=at)


def note_progress(*, provider: str, progress: str, traffic: Traffic | None = None) -> None:
    """Say what a source is busy with, and add what asking it has cost since the last time."""
    _known(provider)
    changes: dict[str, object] = {"progress": as_text(progress)[:MOST_PROGRESS]}
    if traffic is not None:
        for name in ("requests", "retries", "throttled"):
            changes[name] = F(name) + getattr(traffic, name)
            setattr(traffic, name, 0)
        if traffic.skipped:
            changes |= _skipped(traffic.reasons[-1], traffic.skipped)
            traffic.skipped = 0
    ProviderHealth.objects.filter(provider=provider).update(**changes)


def note_skipped(*, provider: str, reason: str) -> None:
    """Count something that a source was not asked for, or that it sent in vain, and say why."""
    _known(provider)
    ProviderHealth.objects.filter(provider=provider).update(**_skipped(reason, 1))


@transaction.atomic
def reset_breaker(*, provider: str) -> ProviderHealth:
    """Close the breaker by hand: the source is asked again at once."""
    health = _held(provider)
    health.circuit, health.failures, health.not_before = Circuit.CLOSED.value, 0, None
    health.save(update_fields=["circuit", "failures", "not_before"])
    return health


def _skipped(reason: str, number: int) -> dict[str, object]:
    log.warning("Provider skips %d: %s", number, as_text(reason))
    return {"skipped": F("skipped") + number, "last_skipped": as_text(reason)[:MOST_TOLD]}


def _known(provider: str) -> None:
    ProviderHealth.objects.bulk_create([ProviderHealth(provider=provider)], ignore_conflicts=True)


def _held(provider: str) -> ProviderHealth:
    """Return the row of a source, made if there is none, and hold it until the transaction ends."""
    _known(provider)
    return ProviderHealth.objects.select_for_update().get(provider=provider)
