"""Notifications sent by e-mail to those who wish it: the rows are the queue, and each is tried until the mail server takes it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F

from accounts.models import Notification

SYSTEM = "system"
BATCH = 100
MOST_TRIES = 8
FIRST_WAIT = timedelta(minutes=2)  # doubled by each try: the last one is after some four hours
LEASE = timedelta(minutes=5)  # so long nobody else takes what one is sending

log = logging.getLogger(__name__)


def send_mails(*, at: datetime) -> int:
    """Send what is due, and return how many messages the mail server took.

    A process that dies between sending and noting it sends once more: with the same Message-ID, by which readers fold the two.
    """
    due = _claim(at)
    if not due:
        return 0
    connection, sent = get_connection(), 0
    for message in due:
        if _send(message, connection):
            sent += 1
            _note(message, mail_at=None, mailed_at=at)
        else:
            given_up = message.mail_tries >= MOST_TRIES
            _note(message, mail_at=None if given_up else at + FIRST_WAIT * 2 ** (message.mail_tries - 1))
    return sent


def _claim(at: datetime) -> list[Notification]:
    """Return the messages that are due; nobody else takes them for a while."""
    with transaction.atomic(using=SYSTEM):
        rows = Notification.objects.using(SYSTEM).filter(mail_at__lte=at).order_by("mail_at", "pk")
        keys = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
        claimed = Notification.objects.using(SYSTEM).filter(pk__in=keys)
        claimed.update(mail_at=at + LEASE, mail_tries=F("mail_tries") + 1)
        return list(claimed.select_related("user").order_by("created_at", "pk"))


def _send(message: Notification, connection: BaseEmailBackend) -> bool:
    """Send a message, and say whether the mail server took it."""
    if not message.user.is_active:
        return True
    link = f"\n\n{settings.SITE_URL}{message.link}" if settings.SITE_URL and message.link.startswith("/") else ""
    mail = EmailMessage(
        subject=" ".join(message.title.split()),
        body=f"{message.body}{link}\n",
        to=[message.user.email],
        headers={"Message-ID": f"<{message.pk}@bedrock.invalid>"},
        connection=connection,
    )
    try:
        return bool(mail.send())
    except (SMTPException, OSError) as error:
        log.warning("The mail of notification %s was not taken: %s", message.pk, error)
        return False


def _note(message: Notification, **columns: datetime | None) -> None:
    """Note what became of a message."""
    with transaction.atomic(using=SYSTEM):
        Notification.objects.using(SYSTEM).filter(pk=message.pk).update(**columns)
