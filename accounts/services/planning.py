"""What all services that write down a member's decisions share."""

from __future__ import annotations

from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction

from accounts.domain.plans import PlanRefused
from accounts.models import Account
from accounts.services.accounts import refuse_closed

PURPOSE = 4_206  # tells these locks from others
Row = TypeVar("Row", bound=models.Model)


class NameTaken(ValidationError):
    """The account has one of that name."""


def hold(account: Account) -> None:
    """Hold an account's plans until the transaction ends: sums over rows stay what they are while one is written.

    Traders may not lock the row of the account, which is its owner's to change.

    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [PURPOSE, str(account.pk)])


class Gone(ValidationError):
    """Somebody threw away what was to be changed."""


def held(row: Row, account: Account) -> Row:
    """Hold the plans of a row's account, and return the row as it is now: others may have changed it since it was read.

    :raises AccountClosed: if the account is closed
    :raises Gone: if it is there no more
    """
    hold(account)
    found: Row | None = type(row)._default_manager.filter(pk=row.pk).first()
    if found is None:
        raise Gone("It was deleted meanwhile; make it anew.", code="gone")
    return found


def save(row: Row, *, named: str) -> Row:
    """Store a row with its fields checked.

    :raises NameTaken: if there is one like it, called what `named` says
    :raises ValidationError: by field
    """
    relations = {field.name for field in row._meta.fields if field.is_relation}
    row.clean_fields(exclude=relations)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        if getattr(error.__cause__, "sqlstate", "") != "23505":
            raise
        raise NameTaken(f"The account has {named} already.", code="name_taken") from error
    return row


def refused(refusal: PlanRefused, *, code: str = "invalid") -> ValidationError:
    """Return a refusal of the domain in the words that forms and the API understand."""
    return ValidationError({name: ValidationError(text, code=code) for name, text in refusal.problems.items()})
