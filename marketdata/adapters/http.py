"""The one way out to other machines: who may be asked, how often, how patiently, and how much of an answer is read.

Requests go to hosts of the list `PROVIDER_HOSTS` alone. A name is resolved once and the connection made to the address that was
looked at: one that leads into a private network is refused, whoever manages the name. Redirects are not followed. Answers are
read up to a size and within a time. What the source says of its limits is kept to; what fails for the moment is tried again
after a pause that grows and is partly left to chance.
"""

import json
import re
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, ReadTimeoutError
from urllib3.util.connection import create_connection

from marketdata.adapters.base import ProviderAway, ProviderFailed, ProviderThrottled, Traffic
from marketdata.adapters.pacing import Bucket, Pace, bucket_of
from marketdata.domain.addresses import BadAddress, check_address, is_loopback, is_public

CHUNK = 64 * 1024
MOST_TOLD = 200
TOO_MANY, TIMEOUT, REDIRECTS, OUT_OF_ORDER = 429, 408, range(300, 400), range(500, 600)
DENIED = (401, 403)
UNAVAILABLE = 503
SECONDS = re.compile(r"\d{1,20}(\.\d{1,20})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may cost: attempts, seconds and bytes; all attempts and pauses together take no longer than the total.

    `pace` is by which clock, and how, it is waited.
    """

    attempts: int = 4
    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    total_seconds: float = 18.0
    most_bytes: int = 32 * 1024 * 1024
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Gate:
    """Who asks, whom he may ask, and how: what a session is made of. Secrets are blotted out of whatever is told."""

    name: str
    hosts: Collection[str]
    bucket: Bucket
    traffic: Traffic
    secrets: Collection[str] = field(default=(), repr=False)
    limits: Limits = field(default_factory=Limits)


def open_session(
    *, name: str, per_minute: float, traffic: Traffic, secrets: Iterable[str] = (), limits: Limits | None = None
) -> "GuardedSession":
    """Return a session to the hosts of the settings, which keeps to a rate that all processes share."""
    limits = limits or Limits()
    gate = Gate(
        name=name,
        hosts=tuple(settings.PROVIDER_HOSTS),
        bucket=bucket_of(name, per_minute, limits.pace.clock),
        traffic=traffic,
        secrets=tuple(secret for secret in secrets if secret),
        limits=limits,
    )
    return GuardedSession(gate)


class GuardedSession(requests.Session):
    """A session of `requests` that vendors' own clients can be given.

    An answer that says "later" or "out of order" never leaves it: after some attempts it raises. Whatever else came is returned,
    read to its end, and `json()` of it has decimals where others have floats.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate
        self.trust_env = False  # no proxies, no passwords out of files
        self.mount("https://", _GuardedAdapter())
        self.mount("http://", _GuardedAdapter())

    def __repr__(self) -> str:
        return f"<session of {self.gate.name}>"

    def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request and return the answer.

        :raises ProviderAway: if it could not be had in a few attempts
        :raises ProviderFailed: if the address may not be asked, or the answer leads elsewhere or is too large
        """
        try:
            check_address(str(url).split("?")[0], self.gate.hosts)
        except BadAddress as refusal:
            raise ProviderFailed(f"{self.gate.name}: {refusal}") from refusal
        limits, pace = self.gate.limits, self.gate.limits.pace
        deadline, attempt = pace.clock() + limits.total_seconds, 0
        while True:
            try:
                return self._send_once(str(method), str(url), options, deadline)
            except ProviderAway as trouble:
                asked_to_wait = getattr(trouble, "retry_after", 0.0)
                wait = max(pace.backoff(attempt), asked_to_wait)
                attempt += 1
                if attempt >= limits.attempts or pace.clock() + wait >= deadline:
                    raise
            self.gate.traffic.retries += 1
            pace.sleep(wait)

    def _send_once(self, method: str, url: str, options: Mapping[str, Any], deadline: float) -> requests.Response:
        """Wait for our turn, send the request and read the answer."""
        limits, pace = self.gate.limits, self.gate.limits.pace
        wait = self.gate.bucket.take()
        if pace.clock() + wait >= deadline:
            self.gate.bucket.give_back()
            raise ProviderThrottled(f"{self.gate.name}: its limit of requests is used up for {wait:.0f} seconds.", wait)
        if wait:
            pace.sleep(wait)
        self.gate.traffic.requests += 1
        own = {"allow_redirects": False, "stream": True, "proxies": {}, "verify": True}
        timeouts = (limits.connect_seconds, min(limits.read_seconds, max(0.01, deadline - pace.clock())))
        try:
            response = super().request(method, url, **{**options, **own, "timeout": timeouts})
            with response:
                body = self._read(response, deadline)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise ProviderAway(self._told(url, _reason(error))) from None
        response._content, response._content_consumed = body, True
        response.json = lambda **_options: self._parsed(response)  # type: ignore[method-assign]
        self._judge(response, url)
        return response

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """Return the body of an answer, however it is packed."""
        limits, parts, size = self.gate.limits, [], 0
        while chunk := response.raw.read1(CHUNK, decode_content=True):  # what is there: `read` would wait for all of a chunk
            size += len(chunk)
            parts.append(chunk)
            if size > limits.most_bytes:
                raise ProviderFailed(self._told(response.url, f"its answer is longer than {limits.most_bytes:,} bytes"))
            if limits.pace.clock() > deadline:
                raise ProviderAway(self._told(response.url, f"its answer takes longer than {limits.total_seconds:g} seconds"))
        return b"".join(parts)

    def _judge(self, response: requests.Response, url: str) -> None:
        """Keep to what the source says of its limits, and raise if this is no answer."""
        status, headers, pace = response.status_code, response.headers, self.gate.limits.pace
        said = _seconds(headers.get("Retry-After"), headers, pace)
        if headers.get("X-RateLimit-Remaining") == "0":
            self.gate.bucket.pause(min(_until_reset(headers, pace), 3600.0))
        if status == TOO_MANY or (status == UNAVAILABLE and said is not None):
            wait = said if said is not None else _until_reset(headers, pace)
            self.gate.traffic.throttled += 1
            self.gate.bucket.pause(min(wait, 3600.0))
            raise ProviderThrottled(self._told(url, f"it says that we ask too often ({status})"), wait)
        if status in OUT_OF_ORDER or status == TIMEOUT:
            raise ProviderAway(self._told(url, f"it is out of order ({status} {response.reason})"))
        if status in REDIRECTS:
            where = urlsplit(headers.get("Location", "")).hostname or "another page"
            raise ProviderFailed(self._told(url, f"it sends us to {where}, where we don't go"))

    def _parsed(self, response: requests.Response) -> Any:
        try:
            return json.loads(response.content.decode("utf-8"), parse_float=Decimal, parse_constant=str)
        except (ValueError, RecursionError):
            raise ProviderFailed(self._told(response.url, "its answer is no JSON")) from None

    def _told(self, url: str | None, what: str) -> str:
        """Return what went wrong, without anything that nobody else should read."""
        parts = urlsplit(url or "")
        return self.blot(f"{self.gate.name}, {parts.hostname}{parts.path}: {what}.")

    def blot(self, text: str) -> str:
        """Return a text without our secrets."""
        for secret in self.gate.secrets:
            text = text.replace(secret, "***")
        return text

    def refusal_of(self, response: requests.Response) -> ProviderFailed | None:
        """Return what an answer of 4xx means, or None if it is none."""
        if response.status_code < 400:  # noqa: PLR2004
            return None
        said = " ".join(response.content[:MOST_TOLD].decode("utf-8", "replace").split())
        kind = ProviderAway if response.status_code in DENIED else ProviderFailed
        return kind(self._told(response.url, f"it refuses ({response.status_code}): {said}"))


def addresses_of(host: str, port: int) -> list[str]:
    """Return the addresses of a host, every one of which may be connected to.

    :raises ProviderFailed: if one lies within a private network, or is this machine's own and not called so
    """
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    allowed = is_loopback if is_loopback(host) else is_public
    if not found or not all(allowed(address) for address in found):
        raise ProviderFailed(f"{host} leads to an address that is not public; it is not asked.")
    return list(dict.fromkeys(found))


class _Connects:
    """Connects to an address that was looked at."""

    def _new_conn(self: Any) -> socket.socket:
        trouble: OSError | None = None
        try:
            for address in addresses_of(self._dns_host, self.port):
                try:
                    options = {"source_address": self.source_address, "socket_options": self.socket_options}
                    return create_connection((address, self.port), self.timeout, **options)
                except OSError as error:
                    trouble = error
        except OSError as error:
            trouble = error
        raise NewConnectionError(self, f"no connection: {trouble}") from trouble


class _Http(_Connects, HTTPConnection):
    pass


class _Https(_Connects, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


def _reason(error: Exception) -> str:
    """Return why a request failed, in a few words and without its headers."""
    if isinstance(error, requests.Timeout | TimeoutError | ReadTimeoutError) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | ProtocolError):
        return "its answer broke off"
    return "no connection, or it broke off" if isinstance(error, requests.ConnectionError) else type(error).__name__


def _seconds(text: str | None, headers: Mapping[str, str], pace: Pace) -> float | None:
    """Return the seconds that Retry-After means: a number, or a time beside the sender's own."""
    if text is None:
        return None
    if SECONDS.fullmatch(text.strip()):
        return float(text)
    until = _time_of(text)
    return max(0.0, (until - _now_of(headers, pace)).total_seconds()) if until else None


def _time_of(text: str | None) -> datetime | None:
    """Return a time of a header; each of the three forms that HTTP knows is in UTC, also the one that does not say so."""
    try:
        at = parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError):
        return None
    return at.replace(tzinfo=at.tzinfo or UTC) if at else None


def _now_of(headers: Mapping[str, str], pace: Pace) -> datetime:
    """Return what time it is where an answer comes from: by its own clock, or by ours where it does not say."""
    return _time_of(headers.get("Date")) or datetime.fromtimestamp(pace.wall(), UTC)


def _until_reset(headers: Mapping[str, str], pace: Pace) -> float:
    """Return the seconds until the sender's limit starts afresh, by the sender's own clock."""
    reset = headers.get("X-RateLimit-Reset", "")
    if not (reset.isascii() and reset.isdecimal()):
        return 0.0
    return max(0.0, float(reset) - _now_of(headers, pace).timestamp())
