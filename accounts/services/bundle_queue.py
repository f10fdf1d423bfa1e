"""ZIPs of accounts that people bring: kept until a worker takes them, or taken at once.

The row is the queue. All of a ZIP commits together with what became of it, so a worker that is killed leaves nothing behind, and
the next one begins anew when its lease ends. How far it is, is told past that transaction.
"""

import hashlib
import io
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import IO
from uuid import UUID

import psycopg
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import BinaryField, F, Func, Q, Value

from accounts.adapters.bundles import BundleReader
from accounts.domain.bundles import BundleRefused
from accounts.models import AccountImport, ImportStatus, Level, User
from accounts.models.tenancy import acting_as
from accounts.services.bundles import Brought, Progress, bring_in
from accounts.services.notifications import notify

log = logging.getLogger(__name__)

SYSTEM = "system"
LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 3
MAX_NAME = 255
CHUNK = 1024**2
PIECE = 4 * 1024**2  # of a ZIP that is read back
PART = 4 * PIECE  # of one that is kept: each one costs writing those before it anew
Clock = Callable[[], datetime]


class Overtaken(Exception):
    """Another worker has the ZIP by now."""


@transaction.atomic
def queue_bundle(*, user: User, file_name: str, content: bytes, at: datetime, name: str = "") -> AccountImport:
    """Keep a ZIP to be taken by the next worker.

    :raises ValidationError: if it can't be that of an account
    """
    made = _record(user, file_name, io.BytesIO(content), at, name)
    made.save(force_insert=True)
    with psycopg.Cursor(connection.connection) as cursor:  # bound as it is: written into a statement it were there many times
        for start in range(0, len(content), PART):
            piece = content[start : start + PART]
            cursor.execute("UPDATE accounts_accountimport SET content = content || %b WHERE id = %s", [piece, made.pk])
    return made


@transaction.atomic
def take_bundle(
    *, user: User, file_name: str, file: IO[bytes], at: datetime, name: str = "", progress: Progress | None = None
) -> AccountImport:
    """Take a ZIP at once, with its prices and rates: whoever gives a command on the machine may write those.

    :raises ValidationError: naming what is wrong with the ZIP; then nothing of it was taken
    """
    made = _record(user, file_name, file, at, name)
    brought = bring_in(reader=_reader(file), actor=user, at=at, name=name, with_market=True, progress=progress)
    _fill(made, brought, at)
    made.save(force_insert=True)
    return made


def due_bundles(*, at: datetime, limit: int = 100) -> list[UUID]:
    """Return the ZIPs that wait for a worker, and those whose worker is gone."""
    gone = Q(status=ImportStatus.POSTING, leased_until__lte=at)
    waiting = AccountImport.objects.using(SYSTEM).filter(Q(status=ImportStatus.WAITING) | gone).order_by("created_at")
    return list(waiting.values_list("pk", flat=True)[:limit])


def work_on(*, import_id: UUID, clock: Clock) -> None:
    """Take a ZIP that waits, all of it or nothing, and say what became of it."""
    claimed = _claim(import_id, clock())
    if claimed is None:
        return
    if claimed.attempts > MOST_ATTEMPTS:
        _refuse(claimed, ImportStatus.FAILED, "given_up", f"{MOST_ATTEMPTS} workers were lost while they took it.", clock())
        return
    try:
        _work(claimed, clock)
    except Overtaken:
        log.warning("Account import %s went on without this worker", import_id)
    except ValidationError as refusal:
        _refuse(claimed, ImportStatus.REFUSED, code_of(refusal), " ".join(refusal.messages), clock())
    except Exception as error:
        log.exception("Account import %s failed", import_id)
        _refuse(claimed, ImportStatus.FAILED, "failed", f"{type(error).__name__}: {error}"[:500], clock())


def code_of(refusal: ValidationError) -> str:
    """Return the code of the first thing that is wrong."""
    listed = refusal.error_dict.values() if hasattr(refusal, "error_dict") else [refusal.error_list]
    return next((str(one.code) for errors in listed for one in errors if one.code), "refused")


def _record(user: User, file_name: str, file: IO[bytes], at: datetime, name: str) -> AccountImport:
    """Return the record of a ZIP that says of itself what it has to, not stored yet.

    :raises ValidationError: if it does not, or the name is none
    """
    manifest = _reader(file).manifest
    digest, size = hashlib.sha256(), file.seek(0, io.SEEK_END)
    file.seek(0)
    while piece := file.read(CHUNK):
        digest.update(piece)
    made = AccountImport(
        user=user,
        file_name=file_name[-MAX_NAME:],
        size=size,
        sha256=digest.hexdigest(),
        name=name,
        status=ImportStatus.WAITING,
        origin=manifest.account,
        entries=manifest.entries,
        head=manifest.head,
        created_at=at,
    )
    made.clean_fields(exclude={field.name for field in AccountImport._meta.fields} - {"name"})
    return made


def _reader(file: IO[bytes]) -> BundleReader:
    """Return a ZIP to be read.

    :raises ValidationError: if it can't be that of an account
    """
    try:
        return BundleReader(file)
    except BundleRefused as refusal:
        raise ValidationError({"file": ValidationError(str(refusal), code=refusal.code)}) from refusal


def _claim(import_id: UUID, at: datetime) -> AccountImport | None:
    """Take a ZIP under a lease, unless another worker has it."""
    free = Q(status=ImportStatus.WAITING) | Q(status=ImportStatus.POSTING, leased_until__lte=at)
    taken = AccountImport.objects.using(SYSTEM).filter(free, pk=import_id)
    if not taken.update(status=ImportStatus.POSTING, leased_until=at + LEASE, attempts=F("attempts") + 1, progress=0):
        return None
    return AccountImport.objects.using(SYSTEM).defer("content").get(pk=import_id)


def _work(claimed: AccountImport, clock: Clock) -> None:
    """Take a claimed ZIP, and finish it in the same transaction."""
    mine = {"pk": claimed.pk, "status": ImportStatus.POSTING, "attempts": claimed.attempts}

    def tell(entries: int) -> None:
        row = AccountImport.objects.using(SYSTEM).filter(**mine)
        if not row.update(progress=entries, leased_until=clock() + LEASE):
            raise Overtaken

    with acting_as(claimed.user_id):
        user = User.objects.get(pk=claimed.user_id)
        reader = _reader(_spooled(claimed))
        brought = bring_in(reader=reader, actor=user, at=clock(), name=claimed.name, with_market=user.is_staff, progress=tell)
        row = AccountImport.objects.select_for_update(of=("self",)).filter(**mine).defer("content").first()
        if row is None:
            raise Overtaken
        _fill(row, brought, clock())
        row.save()
        told = f"{brought.posted:,} of {brought.entries:,} entries were posted, {brought.known:,} were known."
        notify(user=user, title=f"{row.file_name} is the account {brought.account.name}", body=told, at=clock())


def _spooled(kept: AccountImport) -> IO[bytes]:
    """Return a ZIP that was kept as a file, of which no more than a piece was in memory."""
    file = TemporaryFile()  # noqa: SIM115  it goes with the reader
    for start in range(0, kept.size, PIECE):
        piece = Func(F("content"), Value(start + 1), Value(PIECE), function="substring", output_field=BinaryField())
        file.write(AccountImport.objects.annotate(piece=piece).values_list("piece", flat=True).get(pk=kept.pk))
    return file


def _fill(row: AccountImport, brought: Brought, at: datetime) -> None:
    """Write down what became of a ZIP; it is not kept any longer."""
    row.account, row.status, row.content = brought.account, ImportStatus.POSTED, b""
    row.posted, row.known, row.progress = brought.posted, brought.known, brought.entries
    row.remarks, row.finished_at, row.leased_until = brought.remarks, at, None


def _refuse(claimed: AccountImport, status: str, code: str, detail: str, at: datetime) -> None:
    """Write down why nothing was taken, and tell whoever brought it."""
    mine = AccountImport.objects.using(SYSTEM).filter(pk=claimed.pk, attempts=claimed.attempts)
    told = [{"code": code, "detail": detail}]
    if mine.update(status=status, leased_until=None, finished_at=at, refused=told, content=b"", progress=0):
        with acting_as(claimed.user_id):
            user = User.objects.get(pk=claimed.user_id)
            notify(user=user, title=f"{claimed.file_name} was not taken", body=detail, level=Level.WARNING, at=at)
