"""Addresses that are told what happens in an account: named by its owners, each with a secret that is shown once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account
from accounts.services.accounts import refuse_closed
from trading.adapters.webhooks import leads_within
from trading.domain.webhooks import check_target
from trading.models import Delivery, Webhook, WebhookTopic
from trading.services.delivering import due_again
from trading.services.refusals import NotAsThingsStand, told, unless_taken

MOST = 20
PREFIX = "whsec_"


class WebhookTaken(ValidationError):
    """The account tells this address already."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A webhook with its secret, which nobody can show again."""

    webhook: Webhook
    secret: str


@transaction.atomic
def create_webhook(*, account: Account, url: str, topics: Sequence[str], now: datetime) -> Kept:
    """Let an address be told from now on; as an owner.

    :raises ValidationError: by field
    :raises WebhookTaken: if it is told already
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    if Webhook.objects.filter(account=account).count() >= MOST:
        raise ValidationError({"url": ValidationError(f"An account tells {MOST} addresses at most.", code="too_many")})
    made = Webhook(account=account, url=_checked(url), topics=_topics(topics), created_at=now, updated_at=now)
    secret = _new_secret()
    made.keep(secret)
    with unless_taken(_taken()):
        made.save(force_insert=True)
    return Kept(made, secret)


@transaction.atomic
def change_webhook(
    *,
    webhook: Webhook,
    now: datetime,
    url: str | None = None,
    topics: Sequence[str] | None = None,
    enabled: bool | None = None,
) -> Webhook:
    """Change where something is told, of what, or whether at all; as an owner. What is enabled again starts without failures.

    :raises ValidationError: by field
    :raises WebhookTaken: if the other address is told already
    """
    webhook = Webhook.objects.select_for_update(of=("self",)).get(pk=webhook.pk)
    if url is not None:
        webhook.url = _checked(url)
    if topics is not None:
        webhook.topics = _topics(topics)
    if enabled is not None:
        if enabled and not webhook.enabled:
            webhook.failures, webhook.last_error = 0, ""
        webhook.enabled = enabled
    webhook.updated_at = now
    with unless_taken(_taken()):
        webhook.save(update_fields=["url", "topics", "enabled", "failures", "last_error", "updated_at"])
    return webhook


@transaction.atomic
def renew_secret(*, webhook: Webhook, now: datetime) -> Kept:
    """Give a webhook another secret, by which all that is sent from now on is signed; as an owner."""
    webhook = Webhook.objects.select_for_update(of=("self",)).get(pk=webhook.pk)
    secret = _new_secret()
    webhook.keep(secret)
    webhook.updated_at = now
    webhook.save(update_fields=["sealed", "updated_at"])
    return Kept(webhook, secret)


@transaction.atomic
def delete_webhook(*, webhook: Webhook) -> None:
    """Tell an address no longer, and forget what it was told; as an owner."""
    webhook.delete()


def redeliver(*, delivery: Delivery, now: datetime) -> Delivery:
    """Let something be told once more, at once; an owner asks for it.

    :raises NotAsThingsStand: if it is under way already, or its address is not told any more
    """
    if not delivery.webhook.enabled:
        raise NotAsThingsStand("The webhook is switched off; switch it on first.", "webhook_disabled")
    if delivery.next_try_at is not None:
        raise NotAsThingsStand("It is under way already.", "delivery_pending")
    return due_again(delivery=delivery, now=now)


def _checked(url: str) -> str:
    """Return an address that may be told.

    :raises ValidationError: if it may not be
    """
    private = settings.WEBHOOKS_TO_PRIVATE_NETWORKS
    with told():
        found = check_target(url.strip(), private=private)
    if not private and leads_within(found):
        detail = "The host leads to an address that is not public; name one of the public internet."
        raise ValidationError({"url": ValidationError(detail, code="private_address")})
    return found


def _topics(topics: Sequence[str]) -> list[str]:
    """Return topics, each once.

    :raises ValidationError: if there is none, or one is unknown
    """
    found = sorted(set(topics))
    if not found or not set(found) <= set(WebhookTopic.values):
        detail = f"Choose at least one of {', '.join(WebhookTopic.values)}."
        raise ValidationError({"topics": ValidationError(detail, code="unknown_topic")})
    return found


def _new_secret() -> str:
    """Return a secret that nobody guesses."""
    return PREFIX + secrets.token_urlsafe(32)


def _taken() -> WebhookTaken:
    """Return the refusal of an address that is told already."""
    return WebhookTaken({"url": ValidationError("The account tells this address already.", code="webhook_taken")})
