"""Who may see an account: invited, accepted, changed, removed. An account always keeps an owner."""

from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts.domain.roles import Role
from accounts.models import Account, Membership, User
from accounts.services.accounts import lock_open


class AlreadyMember(ValidationError):
    """The person is a member, or was invited before."""


class LastOwner(ValidationError):
    """An account always keeps an owner: make somebody else one first."""


class NotYours(ValidationError):
    """There is no such invitation for this person."""

    status = 404


@transaction.atomic
def invite_member(*, account: Account, email: str, role: Role, actor: User, at: datetime) -> Membership:
    """Invite a person by e-mail, registered or not; they see the account once they accept.

    :raises AlreadyMember: if that e-mail is a member's or was invited before
    :raises AccountClosed: if the account is closed
    """
    account = lock_open(account)
    invited = Membership(account=account, email=email.strip(), role=role, invited_by=actor, invited_at=at)
    invited.clean_fields(exclude={"account", "user", "invited_by"})
    try:
        with transaction.atomic():
            invited.save(force_insert=True)
    except IntegrityError as error:
        raise AlreadyMember(
            f"{invited.email} is a member of the account or was invited before.", code="already_member"
        ) from error
    return invited


@transaction.atomic
def accept_invitation(*, user: User, invitation_id: UUID, at: datetime) -> Membership:
    """Make the acting user, who was invited, a member.

    :raises NotYours: if there is no such invitation for them
    :raises AlreadyMember: if they are a member already, under another e-mail
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("select app_accept_invitation(%s, %s)", [invitation_id, at])
            accepted = cursor.fetchone()[0]
    except IntegrityError as error:
        raise AlreadyMember("You are a member of that account already.", code="already_member") from error
    if not accepted:
        raise NotYours("There is no such invitation.", code="not_found")
    return Membership.objects.select_related("account").get(pk=invitation_id, user=user)


@transaction.atomic
def decline_invitation(*, user: User, invitation_id: UUID) -> None:
    """Take the acting user's invitation away.

    :raises NotYours: if there is no such invitation for them
    """
    gone, _ = Membership.objects.filter(pk=invitation_id, accepted_at__isnull=True, email__iexact=user.email).delete()
    if not gone:
        raise NotYours("There is no such invitation.", code="not_found")


@transaction.atomic
def change_role(*, membership: Membership, role: Role) -> Membership:
    """Give a member, or somebody invited, another role.

    :raises LastOwner: if the account would be left without an owner
    :raises AccountClosed: if the account is closed
    """
    lock_open(membership.account)
    membership = Membership.objects.get(pk=membership.pk)
    if role < Role.OWNER:
        _hand_over(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove_member(*, membership: Membership) -> None:
    """Take a member, or an invitation, out of the account; a closed account lets go of people too.

    :raises LastOwner: if the account would be left without an owner
    """
    if membership.role == Role.OWNER:
        Account.objects.select_for_update().get(pk=membership.account_id)
        _hand_over(membership)
    membership.delete()


def _hand_over(membership: Membership) -> None:
    """Make sure that another owner is there when this one stops to be one, and write them down as the account's."""
    if membership.role < Role.OWNER or membership.accepted_at is None:
        return
    owners = Membership.objects.filter(account=membership.account_id, role=Role.OWNER, accepted_at__isnull=False)
    heir = owners.exclude(pk=membership.pk).order_by("accepted_at", "pk").first()
    if heir is None:
        raise LastOwner("An account always keeps an owner: make somebody else one first.", code="last_owner")
    Account.objects.filter(pk=membership.account_id, owner=membership.user_id).update(owner=heir.user_id)
