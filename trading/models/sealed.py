"""Secrets at rest: what a broker or a webhook needs to know is stored encrypted, and no page ever shows it again."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

HINT = 4


class SecretLost(ValueError):
    """It was encrypted under a secret key of the site that is gone; it has to be entered again."""


def seal(secrets: Mapping[str, str]) -> bytes:
    """Return secrets encrypted under the site's secret key."""
    return _cipher().encrypt(json.dumps(dict(secrets), sort_keys=True).encode())


def unseal(sealed: bytes | memoryview) -> dict[str, str]:
    """Return sealed secrets; those sealed under a former key of the site (SECRET_KEY_FALLBACKS) can be read as well.

    :raises SecretLost: if they were sealed under a key that the site no longer has
    """
    try:
        opened: dict[str, str] = json.loads(_cipher().decrypt(bytes(sealed)))
    except InvalidToken as error:
        raise SecretLost("The secret was encrypted under a SECRET_KEY that is gone; enter it again.") from error
    return opened


def hint(secret: str) -> str:
    """Return what may be shown of a secret: its last characters, if it is long enough for them to say nothing.

    >>> hint("PKABCDEFGHIJKL3Q7Z"), hint("short")
    ('…3Q7Z', '…')
    """
    return f"…{secret[-HINT:]}" if len(secret) >= HINT * 3 else "…"


def _cipher() -> MultiFernet:
    """Return the cipher of the site's secret key, for this purpose alone."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    derived = [hashlib.sha256(b"trading" + secret.encode()).digest() for secret in secrets]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])
