"""What is told to addresses of members' own: how it is signed, where it may go, and when it is tried again."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from datetime import timedelta
from urllib.parse import urlsplit

from marketdata.domain.addresses import is_loopback, is_public
from trading.domain.problems import Problem, Refused, refuse_if

LONGEST = 500
WAITS = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 3 * 3600, 6 * 3600, 12 * 3600))
LOCAL = (".local", ".internal", ".localhost", ".home.arpa")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # how the last part of a host is written that resolvers take for a number


class AddressRefused(Refused):
    """An address that nothing is sent to."""


def sign(secret: str, at: int, body: bytes) -> str:
    """Return the signature of a body sent at a time (seconds since 1970): HMAC-SHA256 over both, so that neither is another.

    >>> sign("whsec_test", 1700000000, b"{}")
    't=1700000000,v1=35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91'
    """
    digest = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def wait_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many attempts in vain; none: it is given up, after about a day.

    >>> wait_after(1), wait_after(10)
    (datetime.timedelta(seconds=10), None)
    """
    return WAITS[attempts - 1] if attempts <= len(WAITS) else None


def check_target(url: str, *, private: bool = False) -> str:
    """Return the address, if it is one that may be told: over TLS, of the public internet as far as its name says.

    Where the name leads is looked at each time something is sent. `private` allows this machine and private networks.

    :raises AddressRefused: saying what is wrong with it
    """
    refuse_if([Problem("url", code, detail) for code, detail in _problem(url, private=private)], AddressRefused)
    return url


def _problem(url: str, *, private: bool) -> list[tuple[str, str]]:
    """Return what is wrong with an address, at most one thing, with its name."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return [("bad_url", "Write the address as https://example.com/path.")]
    if not host or port == 0 or len(url) > LONGEST or not url.isascii() or not url.isprintable() or set('\\"<> ') & set(url):
        return [("bad_url", "Write the address as https://example.com/path.")]
    if parts.username is not None or parts.password is not None or parts.fragment:
        return [("bad_url", "Leave names, passwords and what follows a # out of the address.")]
    if parts.scheme != "https" and not (private and parts.scheme == "http" and is_loopback(host)):
        return [("not_encrypted", "The address has to begin with https:// and to lead to the public internet.")]
    if not private and not _may_be_public(host):
        return [("private_address", "The address must be one of the public internet.")]
    return []


def _may_be_public(host: str) -> bool:
    """Say whether a host, by its name alone, may be one of the public internet."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a name; one without a dot, or that ends as a number does, is none of the internet's
        named = host.rstrip(".")
        return "." in named and not named.endswith(LOCAL) and not NUMBER.fullmatch(named.rpartition(".")[2])
    return is_public(host)
