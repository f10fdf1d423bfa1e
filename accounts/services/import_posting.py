"""Post files that were kept, in a worker: the row is the queue, a chunk of lines at a time, and any worker may go on with it.

Each chunk commits together with how far the import has come. A worker that is killed leaves the rest; when its lease ends, the
next one reads the file from its start, and finds the entries of the first try by their ids.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q

from accounts.models import ImportBatch, ImportStatus, Level, User
from accounts.models.tenancy import acting_as
from accounts.services.accounts import refuse_closed
from accounts.services.imports import content_of, fill, keep, open_file, read, refusals_by_field
from accounts.services.notifications import notify

log = logging.getLogger(__name__)

SYSTEM = "system"
LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 5
TO_START = (ImportStatus.PREVIEWED, ImportStatus.PARTIAL, ImportStatus.REFUSED, ImportStatus.FAILED)
Clock = Callable[[], datetime]


class NotToBePosted(ValidationError):
    """The import is being posted, is done, or was undone."""


class Overtaken(Exception):
    """Another worker has the import by now."""


@transaction.atomic
def start_posting(*, batch: ImportBatch, actor: User) -> ImportBatch:
    """Have a file that was kept posted by the next worker, as the one who says so.

    :raises NotToBePosted: if it is done, undone, or being posted
    :raises FileGone: if its file is not kept any more
    """
    refuse_closed(batch.account)
    batch = ImportBatch.objects.select_for_update(of=("self",)).select_related("account").get(pk=batch.pk)
    batch.actor = actor
    if batch.status not in TO_START:
        raise NotToBePosted(f"The import is {batch.get_status_display().lower()}.", code="not_to_be_posted")
    if not batch.format:
        raise NotToBePosted("Say first how the file is to be read.", code="not_read_yet")
    content_of(batch)
    batch.status, batch.attempts, batch.leased_until, batch.progress = ImportStatus.WAITING, 0, None, 0
    batch.save(update_fields=["actor", "status", "attempts", "leased_until", "progress"])
    return batch


def due_imports(*, at: datetime, limit: int = 100) -> list[UUID]:
    """Return the imports that wait for a worker, and those whose worker is gone."""
    gone = Q(status=ImportStatus.POSTING, leased_until__lte=at)
    waiting = ImportBatch.objects.using(SYSTEM).filter(Q(status=ImportStatus.WAITING) | gone).order_by("created_at")
    return list(waiting.values_list("pk", flat=True)[:limit])


def work_on(*, batch_id: UUID, clock: Clock) -> ImportBatch | None:
    """Post a file that waits, chunk by chunk, and say what became of it; None if there is nothing to do with it."""
    batch = _claim(batch_id, clock())
    if batch is None:
        return None
    if batch.attempts > MOST_ATTEMPTS:
        _fail(batch, f"Given up: {MOST_ATTEMPTS} workers were lost while they posted it.", clock())
        return None
    try:
        return _work(batch, clock)
    except Overtaken:
        log.warning("Import %s went on without this worker", batch_id)
    except ValidationError as refusal:
        _fail(batch, " ".join(refusal.messages), clock())
    except Exception as error:
        log.exception("Import %s failed", batch_id)
        _fail(batch, f"{type(error).__name__}: {error}"[:500], clock())
    return None


def _claim(batch_id: UUID, at: datetime) -> ImportBatch | None:
    """Take an import under a lease, unless another worker has it."""
    free = Q(status=ImportStatus.WAITING) | Q(status=ImportStatus.POSTING, leased_until__lte=at)
    taken = ImportBatch.objects.using(SYSTEM).filter(free, pk=batch_id)
    if not taken.update(status=ImportStatus.POSTING, leased_until=at + LEASE, attempts=F("attempts") + 1):
        return None
    return ImportBatch.objects.using(SYSTEM).select_related("actor", "account").get(pk=batch_id)


def _work(claimed: ImportBatch, clock: Clock) -> ImportBatch:
    """Post the lines of a claimed import, and finish it."""
    attempt = claimed.attempts
    with acting_as(claimed.actor_id), refusals_by_field():
        batch = ImportBatch.objects.select_related("actor", "account").get(pk=claimed.pk)
        refuse_closed(batch.account)
        content = content_of(batch)
        reading = open_file(batch, content, clock())

    @contextmanager
    def chunk() -> Iterator[None]:
        with acting_as(batch.actor_id):
            _hold(batch, attempt)
            yield
            batch.progress, batch.spans = reading.run.lines, _both(reading.run.before.pairs, reading.run.spans.pairs)
            batch.posted, batch.known, batch.leased_until = reading.run.posted, reading.run.known, clock() + LEASE
            batch.save(update_fields=["progress", "spans", "posted", "known", "leased_until"])

    reading.run.scope = chunk
    with refusals_by_field():
        read(reading)
    with acting_as(batch.actor_id):
        _hold(batch, attempt)
        fill(reading)
        batch.spans = _both(reading.run.before.pairs, reading.run.spans.pairs)
        batch.leased_until, batch.finished_at = None, clock()
        batch.save()
        keep(reading, content)
        _tell(batch, clock())
    return batch


def _hold(batch: ImportBatch, attempt: int) -> None:
    """Lock the import for this transaction.

    :raises Overtaken: if another worker has it by now
    """
    mine = ImportBatch.objects.select_for_update().filter(pk=batch.pk, status=ImportStatus.POSTING, attempts=attempt)
    if not mine.exists():
        raise Overtaken


def _both(before: list[list[int]], now: list[list[int]]) -> list[list[int]]:
    """Return the runs of numbers of two tries, joined."""
    joined: list[list[int]] = []
    for first, last in sorted([*before, *now]):
        if joined and first <= joined[-1][1] + 1:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    return joined


def _fail(batch: ImportBatch, detail: str, at: datetime) -> None:
    """Write down why an import could not go on; what it has posted stays, and can be taken back."""
    ImportBatch.objects.using(SYSTEM).filter(pk=batch.pk, attempts=batch.attempts).update(
        status=ImportStatus.FAILED,
        leased_until=None,
        finished_at=at,
        remarks=[*batch.remarks, {"code": "failed", "detail": detail}],
    )


def _tell(batch: ImportBatch, at: datetime) -> None:
    """Tell whoever sent the file what became of it."""
    body = f"{batch.posted:,} of {batch.lines:,} lines were posted, {batch.known:,} were known, {len(batch.refused):,} refused."
    level = Level.INFO if batch.status == ImportStatus.POSTED else Level.WARNING
    notify(user=batch.actor, title=f"{batch.file_name} was read"[:200], body=body, level=level, at=at)
