"""The way out to addresses that members name: looked up once, connected to what was looked at, and never led on.

Whoever owns an account could name an address of our own network, or a name that leads there. So every number that a name stands
for has to be public, the connection is made to the number that was looked at, redirects are not followed, and of the answer
nothing but its status is read, within a few seconds altogether.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from threading import Timer
from urllib.parse import urlsplit

from marketdata.domain.addresses import is_public

PATIENCE = 5.0  # seconds for each step
ALTOGETHER = 15.0
PORTS = {"https": 443, "http": 80}
GOOD = range(200, 300)
ELSEWHERE = range(300, 400)


class NotHeard(Exception):
    """What was sent was not taken; `status` is what was answered, if anything was."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.detail, self.status = detail, status


def send(
    url: str, body: bytes, headers: Mapping[str, str], *, private: bool = False, seconds: float = ALTOGETHER
) -> int:  # fmt: skip
    """Post a body to an address, and return the status of the answer, which is one of 200 to 299.

    :raises NotHeard: if it could not be reached, may not be, or answers something else
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    number = _number_of(host, port, private=private)
    connection = _Pinned(host, port, number, encrypted=parts.scheme == "https")
    late = Timer(seconds, connection.end)
    late.daemon = True
    late.start()
    try:
        connection.request("POST", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", body, dict(headers))
        status = connection.getresponse().status
    except (OSError, HTTPException, ValueError, AttributeError) as error:  # the last two: it was ended while it was read
        raise NotHeard(f"No answer: {_told(error)}.") from error
    finally:
        late.cancel()
        connection.close()
    if status in ELSEWHERE:
        raise NotHeard(f"It answered {status}, which leads elsewhere; redirects are not followed.", status)
    if status not in GOOD:
        raise NotHeard(f"It answered {status}.", status)
    return status


def leads_within(url: str) -> bool:
    """Say whether the host of an address stands for a number now that is not of the public internet.

    What leads nowhere now may lead somewhere later: nothing is said against it.
    """
    parts = urlsplit(url)
    return not all(map(is_public, _numbers_of(parts.hostname or "", parts.port or PORTS[parts.scheme])))


def _number_of(host: str, port: int, *, private: bool) -> str:
    """Return the first number that a name stands for, if all of them may be asked.

    :raises NotHeard: if there is none, or one is not public
    """
    found = _numbers_of(host, port)
    if not found:
        raise NotHeard("The name of the host leads nowhere.")
    if not private and not all(map(is_public, found)):
        raise NotHeard("The host leads to an address that is not public; nothing is sent there.")
    return found[0]


def _numbers_of(host: str, port: int) -> list[str]:
    """Return the numbers that a name stands for, none if it leads nowhere."""
    try:
        return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


class _Pinned(HTTPConnection):
    """Connects to a number that was looked at, and asks there for the name."""

    def __init__(self, host: str, port: int, number: str, *, encrypted: bool) -> None:
        super().__init__(host, port, timeout=PATIENCE)
        self.default_port = PORTS["https" if encrypted else "http"]
        self._number, self._encrypted = number, encrypted

    def connect(self) -> None:
        """Connect, and greet over TLS."""
        raw = socket.create_connection((self._number, self.port), PATIENCE)
        if not self._encrypted:
            self.sock = raw
            return
        context = ssl.create_default_context()
        sock = context.wrap_socket(raw, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock = sock
        sock.do_handshake()

    def end(self) -> None:
        """Break off, whatever is going on."""
        sock = self.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _told(error: Exception) -> str:
    """Return why there was no answer, in a few words."""
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if isinstance(error, ssl.SSLError):
        return "its certificate is not trusted, or it speaks no TLS"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused"
    return "the connection broke off"
