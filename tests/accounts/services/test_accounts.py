"""Accounts: opened, changed, closed."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from accounts.domain.roles import Role
from accounts.models import Account, Job, Membership
from accounts.models.tenancy import acting_as
from accounts.selectors.accounts import accounts_of, role_in
from accounts.services.accounts import AccountClosed, CurrencyFixed, change_account, close_account, open_account
from tests.factories import make_account, post

NOW = datetime(2024, 5, 6, 23, 30, tzinfo=UTC)


def opened(alice, **fields) -> Account:
    with acting_as(alice.pk):
        return open_account(owner=alice, at=NOW, **{"name": "New", "base_currency": "EUR"} | fields)


class TestOpenAccount:
    def test_whoever_opens_it_owns_it(self, alice):
        account = opened(alice)
        with acting_as(alice.pk):
            assert accounts_of(alice).get(pk=account.pk).role == Role.OWNER
            assert role_in(account, alice) is Role.OWNER
        assert (account.opened_on, account.closed_on) == (date(2024, 5, 6), None)

    def test_it_has_its_jobs(self, alice):
        account = opened(alice)
        with acting_as(alice.pk):
            assert set(Job.objects.filter(account=account).values_list("kind", flat=True)) == {
                "SNAPSHOT",
                "REFRESH",
                "ACTIONS",
                "STRATEGIES",
            }

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "x" * 101),
            ("name", "a\u202eb"),
            ("base_currency", "eur"),
            ("kind", "OTHER"),
            ("execution_mode", "X"),
            ("cost_basis_method", "BEST"),
            ("opened_on", date(2024, 5, 7)),
            ("opened_on", date(1899, 12, 31)),
        ],
    )
    def test_a_wrong_field_is_named_and_nothing_is_left(self, alice, field, value):
        with pytest.raises(ValidationError) as refused:
            opened(alice, **{field: value})
        assert list(refused.value.error_dict) == [field]
        with acting_as(alice.pk):
            assert not Account.objects.exists()
            assert not Membership.objects.exists()

    def test_nobody_opens_one_for_somebody_else(self, alice, charlie):
        with pytest.raises(DatabaseError), acting_as(charlie.pk):
            open_account(owner=alice, at=NOW, name="New", base_currency="EUR")


class TestChangeAccount:
    def test_it_changes_what_may_be_changed(self, alice, account):
        with acting_as(alice.pk):
            changed = change_account(account=account, changes={"name": "B", "kind": "MARGIN", "id": UUID(int=1)}, at=NOW)
            assert (changed.name, changed.kind, changed.pk) == ("B", "MARGIN", account.pk)

    def test_the_currency_stays_once_there_are_entries(self, alice):
        account = make_account(owner=alice)
        with acting_as(alice.pk):
            change_account(account=account, changes={"base_currency": "CHF"}, at=NOW)
        post(account, "DEPOSIT", cash="1")
        with acting_as(alice.pk), pytest.raises(CurrencyFixed):
            change_account(account=account, changes={"base_currency": "EUR"}, at=NOW)
        with acting_as(alice.pk):
            assert change_account(account=account, changes={"base_currency": "CHF", "name": "C"}, at=NOW).name == "C"


class TestCloseAccount:
    def test_a_closed_account_is_written_no_more(self, alice, account):
        with acting_as(alice.pk):
            assert close_account(account=account, at=NOW).closed_on == date(2024, 5, 6)
            with pytest.raises(AccountClosed):
                close_account(account=account, at=NOW)
            with pytest.raises(AccountClosed):
                change_account(account=account, changes={"name": "B"}, at=NOW)
        with pytest.raises(DatabaseError, match="closed"):
            post(account, "DEPOSIT", cash="1")


class TestRoleIn:
    def test_a_stranger_has_none(self, account, charlie):
        with acting_as(charlie.pk):
            assert role_in(account, charlie) is None
