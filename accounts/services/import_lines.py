"""Post lines that somebody else read, such as a higher floor from a file of several things: an import like any other."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from accounts.adapters.base import NotReadable
from accounts.domain.statements import Item
from accounts.models import Account, ImportBatch, ImportStatus, User
from accounts.services.accounts import refuse_closed
from accounts.services.import_run import Run
from accounts.services.imports import MAX_NAME, ReadOptions, refusals_by_field, write_down
from accounts.services.instruments import InstrumentNames, Question, Unsure

__all__ = ["Came", "InstrumentNames", "NotReadable", "Question", "Unsure", "import_lines"]


@dataclass(frozen=True, slots=True)
class Came:
    """Where lines come from: the name, size and hash of a file, its format, and the zone of its times."""

    file_name: str
    size: int
    sha256: str
    form: str
    time_zone: str = "UTC"


@transaction.atomic
def import_lines(
    *, account: Account, actor: User, came: Came, items: Iterable[Item], names: InstrumentNames, at: datetime
) -> tuple[ImportBatch, list[Question]]:
    """Post lines, and return what became of each and which instruments are not sure; the file itself is not kept.

    An import of which nothing is new leaves no record behind.

    :raises ValidationError: if there are too many lines
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    batch = ImportBatch(
        account=account,
        actor=actor,
        created_at=at,
        finished_at=at,
        file_name=came.file_name[-MAX_NAME:],
        size=came.size,
        sha256=came.sha256,
        format=came.form,
        options=asdict(ReadOptions(form=came.form, time_zone=came.time_zone)),
    )
    run = Run(account, actor, at, names)
    run.undone = ImportBatch.objects.filter(account=account, status=ImportStatus.UNDONE).exists()
    with refusals_by_field():
        run.take(items, lambda lines: None)
    write_down(batch, run)
    if run.posted or run.refused:
        batch.save(force_insert=True)
    return batch, list(run.questions.values())
