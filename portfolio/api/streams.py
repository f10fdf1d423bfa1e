"""Quotes as they come in, sent to whoever follows their instruments: server-sent events, from the ASGI process.

The web server answers requests one after the other and must not be held by one that lasts: it sends the caller to the ASGI
process where STREAM_URL says where that is, else it answers with the latest quotes and ends, and an EventSource comes back.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import PermissionDenied, Throttled
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api.scoping import caller, token_of
from accounts.models import User
from accounts.models.tenancy import acting_as
from accounts.selectors.access import Access
from marketdata.selectors.live import Mailbox, hub, latest_told
from portfolio.selectors.following import instruments_followed_by

log = logging.getLogger(__name__)
EVENT_STREAM = "text/event-stream"
HEARTBEAT = 15.0  # seconds of silence, after which a comment shows that somebody is there
LOOK_AGAIN = 10.0  # seconds between two looks at what the caller may see and follows
BREATH = 0.25  # seconds between two deliveries: what comes meanwhile is told once
RETRY, RETRY_LATEST = 3000, 5000  # milliseconds after which a browser comes back
AGAIN = 2_000_000  # microseconds before the last event of a caller from which quotes are told again
MOST_PER_PERSON, MOST = 8, 1000
AWAY = (OperationalError, InterfaceError)
FIELDS = ("instrument", "timestamp", "bid", "ask", "bid_size", "ask_size")
LAST_EVENT = OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description="Of the last event heard.")
STREAMED = {
    (200, EVENT_STREAM): OpenApiTypes.STR,
    307: OpenApiResponse(description="The process that streams is at the address in Location."),
}
Answer = TypeVar("Answer")

_open: Counter[UUID] = Counter()  # of this process, which is the only one of its kind
_readers = ThreadPoolExecutor(2, "stream-reader")  # and so many connections to the database


class Redirect(HttpResponseRedirect):
    """The same request belongs elsewhere."""

    status_code = 307


class EventStreamRenderer(BaseRenderer):
    """Names the format; what is sent is written below."""

    media_type = EVENT_STREAM
    format = "event-stream"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Return nothing: no answer of the view is rendered."""
        return b""


class EventStreamView(APIView):
    """A view that sends events for as long as somebody listens, or says where that is done."""

    renderer_classes = [EventStreamRenderer]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Take whatever the caller accepts: there is one format."""
        return EventStreamRenderer(), EVENT_STREAM

    def answer(
        self, request: Request, *, lasting: Callable[[], AsyncIterator[bytes]], at_once: Callable[[], Iterable[bytes]]
    ) -> Any:
        """Return the stream where it can last; elsewhere where that is, or what there is to tell at once."""
        asked = request._request
        refuse_foreign_page(asked)
        if not isinstance(asked, ASGIRequest) and settings.STREAM_URL:
            return Redirect(stream_address(asked))
        if asked.method == "HEAD":
            answer: Any = HttpResponse(content_type=EVENT_STREAM)
        elif isinstance(asked, ASGIRequest):
            refuse_too_many(caller(request).pk)
            answer = StreamingHttpResponse(lasting(), content_type=EVENT_STREAM)
        else:
            answer = HttpResponse(b"".join([retry(RETRY_LATEST), *at_once()]), content_type=EVENT_STREAM)
        answer["Cache-Control"] = "no-store"
        answer["X-Accel-Buffering"] = "no"  # or a proxy would collect what should go out at once
        return allow_own_page(asked, answer)


class QuoteStreamView(EventStreamView):
    """The quotes of what the caller holds and watches: the latest first, then each as it comes in."""

    @extend_schema(operation_id="stream_quotes", parameters=[LAST_EVENT], responses=STREAMED)
    def get(self, request: Request) -> HttpResponse | StreamingHttpResponse:
        """Return the stream, or where it is."""
        watch = Watch(access_of(request), last_event(request))
        return self.answer(request, lasting=partial(events, watch), at_once=lambda: written(watch.latest(watch.look() or set())))


@dataclass(frozen=True, slots=True)
class Watch:
    """Who listens, and what they have heard already."""

    access: Access
    heard: int = 0

    def look(self) -> set[UUID] | None:
        """Return what the caller may be told of, None if they may not be there any more."""
        with acting_as(self.access.user_id, accounts=self.access.accounts):
            if not self.access.holds(at=timezone.now()):
                return None
            return instruments_followed_by(User(pk=self.access.user_id), accounts=self.access.accounts)

    def latest(self, wanted: Iterable[UUID], *, new: Collection[str] = ()) -> list[dict[str, Any]]:
        """Return the latest quotes that the caller has not heard, and those of instruments that are new to them."""
        told = latest_told(list(wanted))
        return [quote for quote in told if quote["recorded"] > self.heard - AGAIN or quote["id"] in new]


async def events(watch: Watch) -> AsyncIterator[bytes]:
    """Yield what is sent to one listener, until they are gone or have lost their access."""
    await sync_to_async(connections.close_all)()  # those of the request's own thread, which is idle from now on
    try:
        with counted(watch.access.user_id) as is_one_too_many:
            yield retry(RETRY)
            wanted = await read(watch.look)
            if wanted is None or is_one_too_many:
                yield ended("access ended" if wanted is None else "too many streams")
                return
            async with hub().mailbox(wanted) as box:
                for quote in await read(partial(watch.latest, wanted)):
                    box.offer(quote)
                async for part in _deliver(watch, box):
                    yield part
    except AWAY as error:  # whether they may still hear can't be known; they come back by themselves
        log.warning("A stream of quotes breaks off: %s", error)


@contextmanager
def counted(user_id: UUID) -> Iterator[bool]:
    """Count a stream of a person as open; say whether it is one too many."""
    _open[user_id] += 1
    try:
        yield _open[user_id] > MOST_PER_PERSON
    finally:
        _open[user_id] -= 1
        if _open[user_id] <= 0:
            del _open[user_id]


async def _deliver(watch: Watch, box: Mailbox) -> AsyncIterator[bytes]:
    """Yield what comes into a mailbox, and look again and again at what belongs into it."""
    loop = asyncio.get_running_loop()
    look_at, beat_at = loop.time() + LOOK_AGAIN, loop.time() + HEARTBEAT
    while True:
        quotes = await box.take(within=max(0.0, min(look_at, beat_at) - loop.time()))
        if quotes:
            yield b"".join(written(quotes))
            beat_at = loop.time() + HEARTBEAT
            await asyncio.sleep(BREATH)
        elif loop.time() >= beat_at:
            yield b": beat\n\n"
            beat_at = loop.time() + HEARTBEAT
        if box.missed or loop.time() >= look_at:
            box.missed, look_at = False, loop.time() + LOOK_AGAIN
            wanted = await read(watch.look)
            if wanted is None:
                yield ended("access ended")
                return
            new = {str(each) for each in wanted} - box.wanted
            box.want(wanted)
            for quote in await read(partial(watch.latest, wanted, new=new)):
                box.offer(quote)


async def read(question: Callable[[], Answer]) -> Answer:
    """Ask the database in one of the few threads that do."""

    def ask() -> Answer:
        close_old_connections()
        return question()

    return await asyncio.get_running_loop().run_in_executor(_readers, ask)


def access_of(request: Request) -> Access:
    """Return how the caller got in."""
    token = token_of(request)
    if token is not None:
        return Access(caller(request).pk, token.pk, None if token.accounts is None else tuple(token.accounts))
    return Access(caller(request).pk, session_key=request.session.session_key)


def last_event(request: Request) -> int:
    """Return the last event that the caller has heard, 0 for none; what is no number of ours is passed over."""
    given = request.headers.get("Last-Event-ID", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 20 else 0  # noqa: PLR2004


def refuse_too_many(user_id: UUID) -> None:
    """Refuse one stream too many.

    :raises Throttled: if the person, or everybody together, has as many as there may be
    """
    if _open[user_id] >= MOST_PER_PERSON or sum(list(_open.values())) >= MOST:
        raise Throttled(wait=LOOK_AGAIN, detail="There are too many streams open; close one.", code="too_many_streams")


def stream_address(request: HttpRequest) -> str:
    """Return where the ASGI process answers this request; `:8001` means that port of the host that was asked."""
    base = settings.STREAM_URL
    if base.startswith(":"):
        base = f"{request.scheme}://{host_of(request.get_host())}{base}"
    return f"{base.rstrip('/')}{request.get_full_path()}"


def origins(request: HttpRequest) -> set[str]:
    """Return the pages that may listen: those of this address, and of the site's where that is another."""
    host = host_of(request.get_host())
    own = {f"{request.scheme}://{request.get_host()}"}
    return own | {f"{request.scheme}://{host}{each}" if each.startswith(":") else each for each in settings.STREAM_ORIGINS}


def host_of(address: str) -> str:
    """Return an address without its port."""
    parts = urlsplit(f"//{address}")
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def refuse_foreign_page(request: HttpRequest) -> None:
    """Refuse a page of somebody else's that asks with its visitor's session.

    :raises PermissionDenied: if the browser says that it is one
    """
    origin = request.headers.get("Origin")
    if origin is not None and origin not in origins(request):
        raise PermissionDenied("Pages of other sites may not listen.", code="foreign_origin")


def allow_own_page(request: HttpRequest, answer: Any) -> Any:
    """Let a page of the site read the answer, although it comes from another port."""
    origin = request.headers.get("Origin")
    if origin is not None:
        answer["Access-Control-Allow-Origin"] = origin
        answer["Access-Control-Allow-Credentials"] = "true"
    return answer


def written(quotes: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Return quotes as events; the id of one says when it was recorded."""
    return [
        b"event: quote\nid: %d\ndata: %s\n\n" % (quote["recorded"], orjson.dumps({name: quote[name] for name in FIELDS}))
        for quote in quotes
    ]


def retry(milliseconds: int) -> bytes:
    """Return what tells a browser when to come back."""
    return b"retry: %d\n\n" % milliseconds


def ended(reason: str) -> bytes:
    """Return the last event of a stream that we end."""
    return b"event: end\ndata: %s\n\n" % orjson.dumps({"reason": reason})
