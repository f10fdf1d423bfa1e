"""Notifications go out by e-mail to those who wish it of their topic, once, whatever the mail server does."""

from datetime import UTC, datetime, timedelta
from smtplib import SMTPException
from uuid import uuid4

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from accounts.models import Notification, Topic
from accounts.models.tenancy import acting_as
from accounts.services.mails import FIRST_WAIT, LEASE, MOST_TRIES, send_mails
from accounts.services.notifications import notify
from accounts.services.users import change_profile
from tests.clients import browser

NOW = datetime(2024, 5, 7, 12, tzinfo=UTC)


class Refusing(BaseEmailBackend):
    """A mail server that takes nothing."""

    def send_messages(self, messages):
        raise SMTPException("Try again later.")


@pytest.fixture
def wishing(alice):
    """Return Alice, who wishes mail about risk."""
    return change_profile(user=alice, changes={"mail_topics": [Topic.RISK]})


def tell(user, topic, **fields) -> Notification:
    with acting_as(user.pk):
        return notify(user=user, title=f"Paused {uuid4().hex}", body="It lost.", topic=topic, **{"at": NOW} | fields)


def send(at=NOW) -> None:
    """Send all that is due; messages of other tests among it."""
    while send_mails(at=at):
        pass


def inbox(message) -> list:
    return [one for one in mail.outbox if one.subject == message.title]


def again(message) -> Notification:
    with acting_as(message.user_id):
        return Notification.objects.get(pk=message.pk)


def test_is_sent_once_to_who_wishes_it(wishing, settings):
    settings.SITE_URL = "https://bedrock.example.com"
    message = tell(wishing, Topic.RISK, link="/admin/")
    send()
    send()
    (sent,) = inbox(message)
    assert (sent.to, sent.body) == ([wishing.email], "It lost.\n\nhttps://bedrock.example.com/admin/\n")
    assert sent.extra_headers["Message-ID"] == f"<{message.pk}@bedrock.invalid>"
    assert (again(message).mailed_at, again(message).mail_at) == (NOW, None)


@pytest.mark.parametrize("topic", [Topic.FILL, Topic.ALERT, None])
def test_is_not_sent_of_other_topics(wishing, topic):
    message = tell(wishing, topic)
    send()
    assert inbox(message) == []


def test_is_not_sent_before_it_is_wished(alice):
    message = tell(alice, Topic.RISK)
    send()
    assert inbox(message) == []


def test_is_tried_until_the_server_takes_it(wishing, settings):
    usual = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    message = tell(wishing, Topic.RISK)
    send_mails(at=NOW)
    assert (again(message).mail_at, again(message).mail_tries) == (NOW + FIRST_WAIT, 1)
    settings.EMAIL_BACKEND = usual
    send(NOW)
    assert inbox(message) == []
    send(NOW + FIRST_WAIT)
    assert len(inbox(message)) == 1


def test_is_given_up_in_the_end(wishing, settings):
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    message, at = tell(wishing, Topic.RISK), NOW
    for _ in range(MOST_TRIES):
        send_mails(at=at)
        at = again(message).mail_at or at
    assert (again(message).mail_at, again(message).mailed_at, again(message).mail_tries) == (None, None, MOST_TRIES)


def test_claimed_by_a_worker_that_died_is_sent_by_another(wishing, monkeypatch):
    message = tell(wishing, Topic.RISK)
    monkeypatch.setattr("accounts.services.mails._send", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            send_mails(at=NOW)
        if again(message).mail_tries:
            break
    monkeypatch.undo()
    send(NOW)
    assert inbox(message) == []
    send(NOW + LEASE + timedelta(seconds=1))
    assert len(inbox(message)) == 1


def test_is_chosen_by_the_person_themselves(alice):
    answer = browser(alice).patch("/api/v1/me/", {"mail_topics": ["FILL", "RISK"]}, format="json")
    assert (answer.status_code, answer.json()["mail_topics"]) == (200, ["FILL", "RISK"])
    assert browser(alice).patch("/api/v1/me/", {"mail_topics": ["WEATHER"]}, format="json").status_code == 400
