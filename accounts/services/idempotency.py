"""Answers kept for retries: the same request under the same key is done once and hears the same again."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import IdempotencyKey, User


class IdempotencyKeyReused(ValidationError):
    """The key has answered another request; a new request takes a new key."""


class AnswerLost(ValidationError):
    """The request was done, but its answer was encrypted under a secret key that is gone."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given."""

    status: int
    content_type: str
    body: bytes


@transaction.atomic
def claim_key(*, user: User, key: str, request_hash: str, at: datetime) -> Kept | None:
    """Take a key for a request and return None, or return the answer that the same request got before.

    A second claim waits until the first is decided: its transaction ends with the answer kept, or gives the key back.

    :raises IdempotencyKeyReused: if the key was taken for another request
    """
    try:
        with transaction.atomic():
            IdempotencyKey.objects.create(user=user, key=key, request_hash=request_hash, created_at=at)
        return None
    except IntegrityError:
        known = IdempotencyKey.objects.get(user=user, key=key)
    if known.request_hash != request_hash:
        raise IdempotencyKeyReused("The Idempotency-Key belongs to another request.", code="idempotency_key_reused")
    return _opened(known)


@transaction.atomic
def keep_answer(*, user: User, key: str, answer: Kept) -> None:
    """Keep the answer of a claimed key, encrypted: it may hold a secret that is shown once."""
    sealed = _cipher().encrypt(answer.content_type.encode() + b"\n" + answer.body)
    IdempotencyKey.objects.filter(user=user, key=key).update(status=answer.status, answer=sealed)


@transaction.atomic
def release_key(*, user: User, key: str) -> None:
    """Give a claimed key back: the request was turned away before it was looked at."""
    IdempotencyKey.objects.filter(user=user, key=key).delete()


@transaction.atomic(using="system")
def forget_old_keys(*, before: datetime) -> int:
    """Delete the answers given before an instant, of everybody; return how many."""
    return IdempotencyKey.objects.using("system").filter(created_at__lt=before).delete()[0]


def _opened(known: IdempotencyKey) -> Kept:
    """Return the answer of a key."""
    try:
        content_type, _, body = _cipher().decrypt(bytes(known.answer)).partition(b"\n")
    except InvalidToken as error:
        raise AnswerLost("The request was done before, but its answer can't be read any more.", code="answer_lost") from error
    return Kept(known.status or 200, content_type.decode(), body)


def _cipher() -> MultiFernet:
    """Return the cipher of the site's secret; answers under its former secrets stay readable."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    derived = [hashlib.sha256(b"idempotency" + secret.encode()).digest() for secret in secrets]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])
