"""The first line on its own: the gate keeps strangers out on a connection where row-level security shows everything."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.http import Http404

from accounts.api.scoping import AccountScopedViewSet, PersonalViewSet
from accounts.domain.roles import Role
from accounts.models import Account, Membership
from accounts.models.tenancy import AccountScoped, OwnedByUser, acting_as
from accounts.selectors.accounts import accounts_of
from tests.access.doors import OBJECTS
from tests.access.test_doors import ROUTES
from tests.access.world import NOW, World

GATED = [
    model
    for model in apps.get_models()
    if isinstance(getattr(model, "objects", None) and model.objects.all(), AccountScoped | OwnedByUser)
]
VIEWS = {
    pattern.callback.cls: name
    for name, (_, pattern) in ROUTES.items()
    if issubclass(getattr(pattern.callback, "cls", object), AccountScopedViewSet | PersonalViewSet)
    and pattern.callback.cls.queryset is not None
}


@pytest.fixture(scope="module")
def world() -> World:
    return World(derived=True)


def seen(model: Any, user: Any, **limits: Any) -> set[Any]:
    """Return the rows the gate lets through, of all that there are."""
    return set(model.objects.using("owner").visible_to(user, **limits).values_list("pk", flat=True))


def test_the_connection_shows_everything(world):
    assert Account.objects.using("owner").filter(pk=world.account.pk).exists()
    assert len(GATED) >= 14


@pytest.mark.parametrize("model", GATED, ids=lambda model: model.__name__)
class TestEveryModel:
    def test_a_stranger_sees_no_row_of_alices(self, world, model):
        assert seen(model, world.alice)
        assert not seen(model, world.alice) & seen(model, world.charlie)

    def test_a_member_sees_the_rows_of_the_account(self, world, model):
        if isinstance(model.objects.all(), AccountScoped):
            assert seen(model, world.bob) <= seen(model, world.alice)
            assert seen(model, world.bob)
            assert not seen(model, world.bob, role=Role.TRADER)
            assert seen(model, world.tom, role=Role.TRADER)
            assert not seen(model, world.tom, role=Role.OWNER)


@pytest.mark.parametrize("view_class", VIEWS, ids=lambda view_class: view_class.__name__)
class TestEveryView:
    def test_a_stranger_finds_no_row_even_where_the_account_was_given_away(self, world, view_class):
        route = VIEWS[view_class]
        view = view_class()
        view.kwargs = (OBJECTS[route](world) if route in OBJECTS else {}) | {"account_id": world.account.pk}
        view.account, view.format_kwarg = world.account, None
        assert self.rows(view, world.alice)
        assert not self.rows(view, world.alice) & self.rows(view, world.charlie)

    def rows(self, view: Any, person: Any) -> set[Any]:
        view.request = SimpleNamespace(user=person, auth=None, query_params={}, method="GET")
        try:
            with acting_as(person.pk):
                return set(view.get_queryset().using("owner").values_list("pk", flat=True))
        except Http404:
            return set()


def test_an_invitation_opens_nothing_before_it_is_accepted(world):
    with acting_as(world.alice.pk):
        Membership.objects.create(
            account=world.account, user=world.charlie, email=world.charlie.email, role=Role.OWNER, invited_at=NOW
        )
    assert not accounts_of(world.charlie).using("owner").filter(pk=world.account.pk).exists()
