"""What members decide of an account: two who change it at once both have their way, and what is thrown away stays away."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from accounts.domain.plans import TargetDraft
from accounts.models import Classification, Policy, Target, TargetAllocation, Taxonomy
from accounts.models.tenancy import acting_as
from accounts.services.planning import Gone
from accounts.services.policies import change_policy, create_policy, delete_policy
from accounts.services.targets import change_allocation, create_allocation, delete_allocation
from accounts.services.taxonomies import classify, create_taxonomy, declassify, delete_taxonomy, reclassify, rename_taxonomy
from tests.factories import make_instrument

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HALF = Decimal("0.5")


@pytest.fixture(autouse=True)
def as_alice(alice):
    """Write as Alice."""
    with acting_as(alice.pk):
        yield


@pytest.fixture
def allocation(account):
    """Return an allocation that two people are looking at."""
    equity = [TargetDraft(HALF, category="EQUITY")]
    return create_allocation(account=account, name="Mine", basis="ASSET_CLASS", targets=equity, at=NOW, in_force=False)


def test_two_changes_of_an_allocation_at_once_both_count(allocation):
    one, other = (TargetAllocation.objects.get(pk=allocation.pk) for _ in range(2))
    change_allocation(allocation=one, changes={"in_force": True}, at=NOW)
    change_allocation(allocation=other, changes={"name": "Ours"}, at=NOW)
    found = TargetAllocation.objects.get(pk=allocation.pk)
    assert (found.name, found.in_force, Target.objects.get(allocation=found).weight) == ("Ours", True, HALF)


def test_two_changes_of_a_bound_at_once_both_count(account):
    policy = create_policy(account=account, kind="CASH", threshold=HALF, at=NOW)
    one, other = (Policy.objects.get(pk=policy.pk) for _ in range(2))
    change_policy(policy=one, changes={"enabled": False})
    change_policy(policy=other, changes={"threshold": Decimal("0.25")})
    found = Policy.objects.get(pk=policy.pk)
    assert (found.threshold, found.enabled) == (Decimal("0.25"), False)


def test_two_changes_of_a_classification_at_once_both_count(account):
    taxonomy = create_taxonomy(account=account, name="Regions", at=NOW)
    put = classify(taxonomy=taxonomy, instrument=make_instrument(), category="Asia", account=account)
    one, other = (Classification.objects.get(pk=put.pk) for _ in range(2))
    reclassify(classification=one, changes={"category": "Europe"})
    reclassify(classification=other, changes={"weight": HALF})
    found = Classification.objects.get(pk=put.pk)
    assert (found.category, found.weight) == ("Europe", HALF)


def an_allocation(account) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]:
    made = create_allocation(account=account, name="Mine", targets=[], at=NOW)
    change = lambda row: change_allocation(allocation=row, changes={"name": "Ours"}, at=NOW)  # noqa: E731
    return made, change, lambda row: delete_allocation(allocation=row)


def a_policy(account) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]:
    made = create_policy(account=account, kind="CASH", threshold=HALF, at=NOW)
    return made, lambda row: change_policy(policy=row, changes={"enabled": False}), lambda row: delete_policy(policy=row)


def a_taxonomy(account) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]:
    made = create_taxonomy(account=account, name="Regions", at=NOW)
    return made, lambda row: rename_taxonomy(taxonomy=row, name="Areas"), lambda row: delete_taxonomy(taxonomy=row)


def a_classification(account) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]:
    taxonomy = create_taxonomy(account=account, name="Regions", at=NOW)
    made = classify(taxonomy=taxonomy, instrument=make_instrument(), category="Asia", account=account)
    change = lambda row: reclassify(classification=row, changes={"weight": HALF})  # noqa: E731
    return made, change, lambda row: declassify(classification=row)


@pytest.mark.parametrize("make", [an_allocation, a_policy, a_taxonomy, a_classification])
def test_what_is_thrown_away_meanwhile_does_not_come_back(account, make):
    made, change, delete = make(account)
    model: type[TargetAllocation | Policy | Taxonomy | Classification] = type(made)
    stale = model.objects.get(pk=made.pk)
    delete(model.objects.get(pk=made.pk))
    with pytest.raises(Gone) as refusal:
        change(stale)
    assert isinstance(refusal.value, ValidationError)
    assert not model.objects.filter(pk=made.pk).exists()


def test_a_taxonomy_that_is_thrown_away_meanwhile_takes_nothing_more(account):
    taxonomy = create_taxonomy(account=account, name="Regions", at=NOW)
    delete_taxonomy(taxonomy=Taxonomy.objects.get(pk=taxonomy.pk))
    with pytest.raises(Gone):
        classify(taxonomy=taxonomy, instrument=make_instrument(), category="Asia", account=account)
    with pytest.raises(ValidationError, match="no such taxonomy"):
        create_allocation(account=account, name="Mine", targets=[], at=NOW, basis="TAXONOMY", taxonomy=taxonomy)
