"""The mailbox that every higher floor may write to."""

from datetime import datetime

from django.db import transaction

from accounts.models import Level, Notification, Topic, User


def notify(
    *,
    user: User,
    title: str,
    at: datetime,
    level: Level = Level.INFO,
    body: str = "",
    link: str = "",
    topic: Topic | None = None,
    using: str = "default",
) -> Notification:
    """Write to a person, by e-mail too if they wish it of the topic; jobs over many accounts name their connection in `using`."""
    mail_at = at if topic is not None and topic in user.mail_topics else None
    with transaction.atomic(using=using):
        return Notification.objects.using(using).create(
            user=user, level=level, title=title[:200], body=body, link=link, created_at=at, mail_at=mail_at
        )


@transaction.atomic
def mark_read(*, notification: Notification, read_at: datetime | None) -> Notification:
    """Note when a message was read; None makes it new again."""
    notification.read_at = read_at
    notification.save(update_fields=["read_at"])
    return notification


@transaction.atomic
def delete_notification(*, notification: Notification) -> None:
    """Throw a message away."""
    notification.delete()
