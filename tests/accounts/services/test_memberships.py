"""Who may see an account; it always keeps an owner."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections, transaction

from accounts.domain.roles import Role
from accounts.models import Account, Membership
from accounts.models.tenancy import acting_as
from accounts.selectors.users import invitations
from accounts.services.accounts import AccountClosed, close_account
from accounts.services.memberships import (
    AlreadyMember,
    LastOwner,
    NotYours,
    accept_invitation,
    change_role,
    decline_invitation,
    invite_member,
    remove_member,
)
from accounts.services.users import register_user
from tests.factories import make_user, share

NOW = datetime(2024, 5, 6, tzinfo=UTC)


def invite(account, email, role=Role.TRADER) -> Membership:
    with acting_as(account.owner_id):
        return invite_member(account=account, email=email, role=role, actor=account.owner, at=NOW)


def member(account, user) -> Membership:
    with acting_as(account.owner_id):
        return Membership.objects.get(account=account, user=user)


class TestInvitations:
    def test_an_invited_person_sees_the_account_once_they_accept(self, account, charlie):
        invited = invite(account, charlie.email.upper())
        with acting_as(charlie.pk):
            assert not Account.objects.filter(pk=account.pk).exists()
            (shown,) = invitations()
            assert (shown.id, shown.account_name, shown.role, shown.invited_by) == (
                invited.pk,
                "Main",
                "TRADER",
                account.owner.email,
            )
            joined = accept_invitation(user=charlie, invitation_id=invited.pk, at=NOW)
            assert (joined.user, joined.accepted_at, joined.role) == (charlie, NOW, Role.TRADER)
            assert Account.objects.filter(pk=account.pk).exists()
            assert invitations() == []

    def test_somebody_who_registers_later_finds_their_invitation(self, account, bob):
        email = f"later-{bob.email}"
        invited = invite(account, f" {email}")
        later = register_user(email=email.upper(), password="correct horse battery staple")
        with acting_as(later.pk):
            assert [shown.id for shown in invitations()] == [invited.pk]
            accept_invitation(user=later, invitation_id=invited.pk, at=NOW)

    def test_a_declined_one_is_gone(self, account, charlie):
        invited = invite(account, charlie.email)
        with acting_as(charlie.pk):
            decline_invitation(user=charlie, invitation_id=invited.pk)
            assert invitations() == []
            with pytest.raises(NotYours):
                accept_invitation(user=charlie, invitation_id=invited.pk, at=NOW)

    def test_nobody_accepts_or_declines_for_another(self, account, bob, charlie):
        invited = invite(account, charlie.email)
        with acting_as(bob.pk):
            with pytest.raises(NotYours):
                accept_invitation(user=bob, invitation_id=invited.pk, at=NOW)
            with pytest.raises(NotYours):
                decline_invitation(user=bob, invitation_id=invited.pk)

    def test_nobody_is_invited_twice(self, account, bob, charlie):
        invite(account, charlie.email)
        for email in (charlie.email.upper(), bob.email):
            with pytest.raises(AlreadyMember):
                invite(account, email)

    def test_a_member_by_another_address_is_one_already(self, account, bob):
        invited = invite(account, f"other-{bob.email}")
        bob.email = f"other-{bob.email}"
        bob.save()
        with acting_as(bob.pk), pytest.raises(AlreadyMember):
            accept_invitation(user=bob, invitation_id=invited.pk, at=NOW)

    @pytest.mark.parametrize("email", ["", "x", "a@b", "a b@example.com", "a@example.com\nBcc: b@example.com"])
    def test_an_address_that_is_none_is_refused(self, account, email):
        with pytest.raises(ValidationError) as refused:
            invite(account, email)
        assert "email" in refused.value.error_dict

    def test_a_closed_account_takes_nobody_in(self, account, charlie):
        waiting = invite(account, charlie.email)
        with acting_as(account.owner_id):
            close_account(account=account, at=NOW)
        with pytest.raises(AccountClosed):
            invite(account, "somebody@example.com")
        with acting_as(charlie.pk):
            assert invitations() == []
            with pytest.raises(NotYours):
                accept_invitation(user=charlie, invitation_id=waiting.pk, at=NOW)

    def test_a_viewer_invites_nobody_whatever_the_door_forgot(self, account, bob):
        with pytest.raises((DatabaseError, Account.DoesNotExist)), acting_as(bob.pk):
            invite_member(account=account, email="x@example.com", role=Role.OWNER, actor=bob, at=NOW)
        with pytest.raises(DatabaseError), acting_as(bob.pk):
            Membership.objects.create(account=account, email="x@example.com", role=Role.OWNER, invited_at=NOW)

    def test_an_owner_who_has_not_accepted_is_none_yet(self, account, alice, charlie):
        invite(account, charlie.email, Role.OWNER)
        with acting_as(alice.pk), pytest.raises(LastOwner):
            remove_member(membership=member(account, alice))


class TestLastOwner:
    def test_the_last_owner_can_neither_go_nor_step_down(self, account, alice, bob):
        mine = member(account, alice)
        with acting_as(alice.pk):
            for role in (Role.VIEWER, Role.TRADER):
                with pytest.raises(LastOwner):
                    change_role(membership=mine, role=role)
            with pytest.raises(LastOwner):
                remove_member(membership=mine)
            assert change_role(membership=mine, role=Role.OWNER).role == Role.OWNER

    @pytest.mark.parametrize("change", ["update accounts_membership set role = 20", "delete from accounts_membership"])
    def test_the_database_holds_it_too(self, account, alice, change):
        with (
            pytest.raises(DatabaseError, match="must keep an owner"),
            acting_as(alice.pk),
            connections["default"].cursor() as cursor,
        ):
            cursor.execute(f"{change} where account_id = %s", [account.pk])

    def test_an_heir_takes_over(self, account, alice, bob):
        with acting_as(alice.pk):
            change_role(membership=member(account, bob), role=Role.OWNER)
            change_role(membership=member(account, alice), role=Role.VIEWER)
        with acting_as(bob.pk):
            assert Account.objects.get(pk=account.pk).owner == bob
            remove_member(membership=Membership.objects.get(account=account, user=alice))
        with acting_as(alice.pk):
            assert not Account.objects.filter(pk=account.pk).exists()

    def test_an_owner_may_leave_another_behind(self, account, alice):
        share(account, heir := make_user("heir"), Role.OWNER)
        with acting_as(alice.pk):
            remove_member(membership=member(account, alice))
        with acting_as(heir.pk):
            assert Account.objects.get(pk=account.pk).owner == heir

    def test_two_owners_who_step_down_at_once_leave_one(self, account, alice):
        share(account, other := make_user("other"), Role.OWNER)

        def step_down(user) -> str:
            try:
                with acting_as(user.pk):
                    change_role(membership=Membership.objects.get(account=account, user=user), role=Role.VIEWER)
                return "stepped down"
            except (LastOwner, DatabaseError, Account.DoesNotExist):
                return "refused"
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(step_down, [alice, other])) == ["refused", "stepped down"]


class TestMembers:
    def test_a_viewer_may_leave(self, account, bob):
        with acting_as(bob.pk):
            remove_member(membership=Membership.objects.get(account=account, user=bob))
            assert not Account.objects.exists()

    def test_a_viewer_cannot_raise_themselves(self, account, bob):
        with acting_as(bob.pk):
            mine = Membership.objects.get(account=account, user=bob)
            with pytest.raises(Account.DoesNotExist), transaction.atomic():
                change_role(membership=mine, role=Role.OWNER)
            assert Membership.objects.filter(pk=mine.pk).update(role=Role.OWNER) == 0

    def test_a_stranger_cannot_join(self, account, charlie):
        with pytest.raises(DatabaseError), acting_as(charlie.pk):
            Membership.objects.create(
                account_id=account.pk, user=charlie, email=charlie.email, role=Role.OWNER, invited_at=NOW, accepted_at=NOW
            )
