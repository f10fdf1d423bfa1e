"""Tell the members of an account once when a bound is broken, and once when it is kept again.

What is broken now stands in `portfolio.Alert`; a row that comes or goes is what makes a notification, so that asking again, or
twice at the same time, tells nobody anything twice. Whoever checks a bound hands in what was found.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connections, transaction
from django.urls import reverse

from accounts.models import Account, Level, Membership, Topic
from accounts.services.notifications import notify
from portfolio.models import Alert
from portfolio.selectors.market import SYSTEM

BREAK = """
    INSERT INTO portfolio_alert (account_id, subject, since, message) VALUES (%s, %s, %s, %s)
    ON CONFLICT (account_id, subject) DO NOTHING RETURNING subject
"""
HEAL = "DELETE FROM portfolio_alert WHERE account_id = %s AND subject = %s RETURNING subject"
NEWS = "UPDATE portfolio_alert SET message = %s WHERE account_id = %s AND subject = %s AND message <> %s"
FORGET = """
    DELETE FROM portfolio_alert WHERE account_id = %s AND starts_with(subject, %s) AND NOT subject = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one bound: `broken` is none where it is not known, and then nothing changes.

    `message` says what it comes to, `title` what it is called.
    """

    subject: str
    broken: bool | None
    title: str
    message: str


def settle(*, account: Account, findings: Sequence[Finding], family: str, at: datetime) -> list[Alert]:
    """Note what was found of an account's bounds, tell its members what is new, and return what is broken now.

    `family` is how the subjects of such bounds begin: an alert of a bound that is no longer set goes without a word.
    """
    with transaction.atomic(using=SYSTEM), connections[SYSTEM].cursor() as cursor:
        cursor.execute(FORGET, [account.pk, family, [finding.subject for finding in findings]])
        for finding in findings:
            if finding.broken is None:
                continue
            if finding.broken:
                cursor.execute(BREAK, [account.pk, finding.subject, at, finding.message])
            else:
                cursor.execute(HEAL, [account.pk, finding.subject])
            if cursor.fetchone():
                _tell(account, finding, at)
            elif finding.broken:
                cursor.execute(NEWS, [finding.message, account.pk, finding.subject, finding.message])
    return alerts_of(account.pk, family)


def alerts_of(account_id: UUID, family: str = "") -> list[Alert]:
    """Return what is broken in an account now, by subject."""
    return list(Alert.objects.using(SYSTEM).filter(account=account_id, subject__startswith=family).order_by("subject"))


def _tell(account: Account, finding: Finding, at: datetime) -> None:
    """Write to every member of the account."""
    state = "is broken" if finding.broken else "is kept again"
    for member in _members(account.pk):
        notify(
            user=member.user,  # type: ignore[arg-type]  # who has accepted is somebody
            title=f"{account.name}: {finding.title} {state}",
            body=finding.message,
            level=Level.WARNING if finding.broken else Level.INFO,
            link=f"{reverse('admin:index')}?account={account.pk}",
            at=at,
            topic=Topic.ALERT,
            using=SYSTEM,
        )


def _members(account_id: UUID) -> Collection[Membership]:
    """Return those who may see an account."""
    rows = Membership.objects.using(SYSTEM).filter(account=account_id, accepted_at__isnull=False, user__isnull=False)
    return list(rows.select_related("user").order_by("pk"))
