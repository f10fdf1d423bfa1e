"""The domain's refusals in the words that forms and the API understand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction

from trading.domain.problems import Refused

TAKEN = "23505"


class NotAsThingsStand(ValidationError):
    """What was asked for is well formed, and refused for how things stand; `code` is the name of the rule."""

    def __init__(self, message: Any, code: str | None = None) -> None:
        super().__init__(message, code)
        self.code = code


@contextmanager
def told() -> Iterator[None]:
    """Let refusals of the domain pass as those of a service, field by field.

    :raises NotAsThingsStand: if the state refuses
    :raises ValidationError: if the input is wrong
    """
    try:
        yield
    except Refused as refusal:
        raise as_validation(refusal) from refusal


def as_validation(refusal: Refused) -> ValidationError:
    """Return a refusal of the domain as one of a service."""
    errors: dict[str, list[ValidationError]] = {}
    for problem in refusal.problems:
        errors.setdefault(problem.field or NON_FIELD_ERRORS, []).append(ValidationError(problem.detail, code=problem.code))
    return NotAsThingsStand(errors, refusal.problems[0].code) if refusal.by_state else ValidationError(errors)


@contextmanager
def unless_taken(refusal: ValidationError) -> Iterator[None]:
    """Run what stores a row; where there is one like it already, say so by name, and leave the transaction usable.

    :raises ValidationError: the refusal
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if getattr(error.__cause__, "sqlstate", "") != TAKEN:
            raise
        raise refusal from error
