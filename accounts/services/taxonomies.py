"""Ways of grouping instruments that the members of an account made up, and what they put where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError

from accounts.domain.plans import PlanRefused, check_shares
from accounts.models import Account, Classification, TargetAllocation, Taxonomy
from accounts.services.planning import held, hold, refused, save
from marketdata.models import Instrument


class TaxonomyInUse(ValidationError):
    """An allocation has its weights for the categories of the taxonomy."""


@transaction.atomic
def create_taxonomy(*, account: Account, name: str, at: datetime) -> Taxonomy:
    """Make a way of grouping instruments.

    :raises NameTaken: if the account has one of that name
    :raises AccountClosed: if the account is closed
    """
    hold(account)
    return save(Taxonomy(account=account, name=name, created_at=at), named="a taxonomy of that name")


@transaction.atomic
def rename_taxonomy(*, taxonomy: Taxonomy, name: str) -> Taxonomy:
    """Call a taxonomy otherwise.

    :raises NameTaken: if the account has one of that name
    :raises Gone: if it was deleted meanwhile
    """
    taxonomy = held(taxonomy, taxonomy.account)
    taxonomy.name = name
    return save(taxonomy, named="a taxonomy of that name")


@transaction.atomic
def delete_taxonomy(*, taxonomy: Taxonomy) -> None:
    """Throw a taxonomy away, with what was put where.

    :raises TaxonomyInUse: if an allocation needs it
    """
    hold(taxonomy.account)
    try:
        taxonomy.delete()
    except ProtectedError as error:
        names = ", ".join(sorted(one.name for one in error.protected_objects if isinstance(one, TargetAllocation)))
        told = f"The allocation {names} has weights for its categories; delete that, or give it another basis, first."
        raise TaxonomyInUse(told, code="taxonomy_in_use") from error


@transaction.atomic
def classify(
    *, taxonomy: Taxonomy, instrument: Instrument, category: str, weight: Decimal = Decimal(1), account: Account
) -> Classification:
    """Put an instrument, or a share of it, into a category.

    :raises NameTaken: if it is in that category already
    :raises ValidationError: by field, if its shares would add up to more than all of it
    :raises AccountClosed: if the account is closed
    :raises Gone: if the taxonomy was deleted meanwhile
    """
    taxonomy = held(taxonomy, account)
    made = Classification(account=account, taxonomy=taxonomy, instrument=instrument, category=category, weight=weight)
    return _put(made)


@transaction.atomic
def reclassify(*, classification: Classification, changes: Mapping[str, Any]) -> Classification:
    """Put an instrument into another category, or another share of it.

    :raises NameTaken: if it is in that category already
    :raises ValidationError: by field, if its shares would add up to more than all of it
    :raises Gone: if it was deleted meanwhile
    """
    classification = held(classification, classification.account)
    for name in {"category", "weight"} & changes.keys():
        setattr(classification, name, changes[name])
    return _put(classification)


@transaction.atomic
def declassify(*, classification: Classification) -> None:
    """Take an instrument out of a category."""
    hold(classification.account)
    classification.delete()


def _put(classification: Classification) -> Classification:
    """Store a classification, unless the instrument's shares would be more than all of it."""
    classification.clean_fields(exclude={"account", "taxonomy", "instrument"})
    others = Classification.objects.filter(taxonomy=classification.taxonomy_id, instrument=classification.instrument_id)
    shares = list(others.exclude(pk=classification.pk).values_list("weight", flat=True))
    try:
        check_shares([*shares, classification.weight])
    except PlanRefused as refusal:
        raise refused(refusal, code="too_much") from refusal
    return save(classification, named="the instrument in that category")
