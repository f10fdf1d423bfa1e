"""Whose accounts."""

from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.domain.roles import Role
from accounts.models import Account, Membership, User


def accounts_of(user: User) -> QuerySet[Account]:
    """Return the accounts a user may see, each with the user's `role` and its ledger's head."""
    mine = Membership.objects.filter(account=OuterRef("pk"), user=user, accepted_at__isnull=False)
    return Account.objects.visible_to(user).annotate(role=Subquery(mine.values("role")[:1])).select_related("head")


def visible_account_ids(user: User, ids: list[UUID]) -> set[UUID]:
    """Return which of some accounts the user may see."""
    return set(Account.objects.visible_to(user).filter(pk__in=ids).values_list("pk", flat=True))


def role_in(account: Account, user: User) -> Role | None:
    """Return the role a user holds in an account, None for a stranger."""
    role = account.memberships.filter(user=user, accepted_at__isnull=False).values_list("role", flat=True).first()
    return Role(role) if role is not None else None
