"""Write to the members of an account about its trading, once what happened is stored."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.urls import reverse

from accounts.domain.roles import Role
from accounts.models import Account, Level, Membership, Topic
from accounts.services.notifications import notify
from portfolio.selectors.market import SYSTEM


def tell_members(
    *,
    account: Account,
    title: str,
    body: str,
    at: datetime,
    level: Level = Level.WARNING,
    role: Role = Role.VIEWER,
    topic: Topic = Topic.RISK,
) -> None:
    """Write to the members of an account who hold a role or a higher one, after the transaction at hand.

    Those who wish mail about the topic get it; of fills nobody else is told.
    """
    words = f"{account.name}: {title}"
    transaction.on_commit(lambda: _write(account.pk, words, body, level, role, topic, at), robust=True)


def _write(account_id: UUID, title: str, body: str, level: Level, role: Role, topic: Topic, at: datetime) -> None:
    """Write to the members, whom the one who acts may not write to."""
    rows = Membership.objects.using(SYSTEM).filter(
        account=account_id, accepted_at__isnull=False, user__isnull=False, role__gte=role
    )
    if topic is Topic.FILL:
        rows = rows.filter(user__mail_topics__contains=[topic])
    members = list(rows.select_related("user").order_by("pk"))
    with transaction.atomic(using=SYSTEM):
        for member in members:
            notify(
                user=member.user,  # type: ignore[arg-type]  # who has accepted is somebody
                title=title,
                body=body,
                level=level,
                link=f"{reverse('admin:index')}?account={account_id}",
                at=at,
                topic=topic,
                using=SYSTEM,
            )
