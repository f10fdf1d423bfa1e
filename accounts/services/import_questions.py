"""Answer what a file leaves open, and remember it for the next file of the same broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.statements import InstrumentHints
from accounts.models import ImportBatch, ImportQuestion, ImportStatus, InstrumentAnswer, User
from accounts.services.import_posting import start_posting
from accounts.services.imports import preview_again
from accounts.services.instruments import InstrumentNames
from marketdata.models import Instrument


class NoSuchQuestion(ValidationError):
    """The import does not ask that."""

    status = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What an instrument of a file is: one that is known, or (None) a new one with what the file says."""

    question: UUID
    instrument: Instrument | None


@transaction.atomic
def answer_questions(*, batch: ImportBatch, answers: Sequence[Answer], actor: User, at: datetime) -> ImportBatch:
    """Keep what the instruments of a file are, for this file and the next ones of the same format.

    A preview is looked at once more; of a file that was posted, the lines that waited are posted by the next worker.

    :raises NoSuchQuestion: if one of them is no question of this import
    """
    asked: Mapping[UUID, ImportQuestion] = ImportQuestion.objects.filter(batch=batch).in_bulk([one.question for one in answers])
    for one in answers:
        question = asked.get(one.question)
        if question is None:
            raise NoSuchQuestion(f"The import has no question {one.question}.", code="unknown_question")
        question.instrument = one.instrument or _created(batch, question, actor)
        question.save(update_fields=["instrument"])
        InstrumentAnswer.objects.update_or_create(
            user=actor, source=batch.format, identity=question.identity, defaults={"instrument": question.instrument}
        )
    if batch.status == ImportStatus.PREVIEWED:
        return preview_again(batch=batch, actor=actor, at=at)
    return start_posting(batch=batch, actor=actor)


@transaction.atomic
def forget_answer(*, answer: InstrumentAnswer) -> None:
    """Forget what somebody has said an instrument to be: it is asked again where the file leaves a doubt."""
    answer.delete()


def _created(batch: ImportBatch, question: ImportQuestion, actor: User) -> Instrument:
    """Write down an instrument with what the file says about it."""
    said: dict[str, Any] = dict(question.hints)
    if "multiplier" in said:
        said["multiplier"] = Decimal(said["multiplier"])
    names = InstrumentNames(None, batch.account.base_currency, actor, batch.format)
    return names.write_down(InstrumentHints(**said), said.get("currency", ""))
