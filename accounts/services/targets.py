"""Target allocations: written down as a whole, all or nothing; one of an account is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.plans import Basis, PlanRefused, TargetDraft, check_targets
from accounts.models import Account, Target, TargetAllocation, TargetBasis, Taxonomy
from accounts.services.planning import held, hold, refused, save
from marketdata.services.instruments import follow

NAMED = "an allocation of that name"


@transaction.atomic
def create_allocation(
    *,
    account: Account,
    name: str,
    targets: Sequence[TargetDraft],
    at: datetime,
    basis: str = TargetBasis.INSTRUMENT,
    taxonomy: Taxonomy | None = None,
    in_force: bool = True,
) -> TargetAllocation:
    """Write down the weights an account is meant to have; in force, the one that was so far no longer is.

    :raises NameTaken: if the account has an allocation of that name
    :raises ValidationError: by field, if a target cannot stand or they add up to more than 1
    :raises AccountClosed: if the account is closed
    """
    hold(account)
    made = TargetAllocation(account=account, name=name, basis=basis, taxonomy=taxonomy, in_force=in_force, created_at=at)
    return _write(made, targets, at)


@transaction.atomic
def change_allocation(*, allocation: TargetAllocation, changes: Mapping[str, Any], at: datetime) -> TargetAllocation:
    """Change an allocation; `targets` among the changes are all it has from now on.

    :raises NameTaken: if the account has another allocation of that name
    :raises ValidationError: by field, if a target cannot stand or they add up to more than 1
    :raises AccountClosed: if the account is closed
    :raises Gone: if it was deleted meanwhile
    """
    allocation = held(allocation, allocation.account)
    for name in {"name", "basis", "taxonomy", "in_force"} & changes.keys():
        setattr(allocation, name, changes[name])
    if "basis" in changes and "taxonomy" not in changes and changes["basis"] != TargetBasis.TAXONOMY:
        allocation.taxonomy = None
    return _write(allocation, changes["targets"] if "targets" in changes else drafts_of(allocation), at)


@transaction.atomic
def delete_allocation(*, allocation: TargetAllocation) -> None:
    """Throw an allocation away, with its targets.

    :raises AccountClosed: if the account is closed
    """
    hold(allocation.account)
    allocation.delete()


def drafts_of(allocation: TargetAllocation) -> list[TargetDraft]:
    """Return the targets of an allocation as they could be written down again."""
    return [
        TargetDraft(one.weight, one.instrument_id, one.category, one.instrument.key if one.instrument else "")
        for one in Target.objects.filter(allocation=allocation).select_related("instrument")
    ]


def _write(allocation: TargetAllocation, targets: Sequence[TargetDraft], at: datetime) -> TargetAllocation:
    """Store an allocation and its targets."""
    _check(allocation, targets)
    allocation.updated_at = at
    if allocation.in_force:
        others = TargetAllocation.objects.filter(account=allocation.account_id, in_force=True)
        others.exclude(pk=allocation.pk).update(in_force=False)
    save(allocation, named=NAMED)
    Target.objects.filter(allocation=allocation).delete()
    Target.objects.bulk_create(
        Target(
            account_id=allocation.account_id,
            allocation=allocation,
            instrument_id=one.instrument_id,
            category=one.category,
            weight=one.weight,
        )
        for one in targets
    )
    # what is to be bought needs a price
    follow(instrument_ids=[one.instrument_id for one in targets if one.instrument_id is not None], at=at)
    return allocation


def _check(allocation: TargetAllocation, targets: Sequence[TargetDraft]) -> None:
    """Refuse an allocation whose parts do not belong together."""
    by_taxonomy = allocation.basis == TargetBasis.TAXONOMY
    if by_taxonomy and allocation.taxonomy is None:
        raise _wrong("Name the taxonomy whose categories the weights are for.", "required")
    if not by_taxonomy and allocation.taxonomy is not None:
        raise _wrong(f"Weights by {allocation.basis} need no taxonomy; leave it out.", "not_needed")
    chosen = allocation.taxonomy
    if chosen is not None and not Taxonomy.objects.filter(account=allocation.account_id, pk=chosen.pk).exists():
        raise _wrong("The account has no such taxonomy.", "does_not_exist")
    allocation.clean_fields(exclude={"account", "taxonomy", "updated_at"})
    try:
        check_targets(Basis(allocation.basis), targets)
    except PlanRefused as refusal:
        raise refused(refusal) from refusal


def _wrong(detail: str, code: str) -> ValidationError:
    """Return the refusal of a taxonomy."""
    return ValidationError({"taxonomy": ValidationError(detail, code=code)})
