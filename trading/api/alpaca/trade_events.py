"""Trade updates as server-sent events, which Alpaca's client for Go listens to: since a time or an event, and on from there.

They say what the WebSocket says. Whoever gives no beginning hears what happens from now on; whoever gives an end is let go there.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone
from rest_framework.request import Request

from accounts.api.scoping import caller, token_of
from accounts.selectors.access import Access
from portfolio.api.streams import AWAY, EventStreamView, counted
from trading.api.alpaca.base import AccountView
from trading.api.alpaca.errors import BadField
from trading.api.alpaca.stream import Codec, UpdateWatch, event_of
from trading.api.alpaca.words import as_uuid, instant
from trading.api.order_following import follow
from trading.selectors.order_events import AGAIN, EPOCH, Told, made_at

log = logging.getLogger(__name__)


class TradeEventsView(AccountView, EventStreamView):
    """What happens to the orders of the account."""

    def get(self, request: Request) -> Any:
        """Return the stream, or where it is."""
        token = token_of(request)
        assert token is not None  # noqa: S101  # the permission lets nobody else in
        watch = EventsWatch(Access(caller(request).pk, token.pk, (self.account.pk,)), self.account.pk, self.span())
        return self.answer(request, lasting=partial(events, watch), at_once=watch.at_once)

    def span(self) -> Span:
        """Return from where on and up to where events are asked for.

        :raises BadField: if that makes no sense
        """
        query = self.request.query_params
        since, until = (instant(query.get(name), name) for name in ("since", "until"))
        since_id, until_id = (self.event_id(name) for name in ("since_id", "until_id"))
        if since is not None and since_id is not None:
            raise BadField("since and since_id can't be used at the same time")
        if until is not None and since is None:
            raise BadField("since is required if until is given")
        if until_id is not None and since_id is None:
            raise BadField("since_id is required if until_id is given")
        return Span(since, until, since_id, until_id)

    def event_id(self, name: str) -> UUID | None:
        """Return the id of an event that the query names.

        :raises BadField: if it is none
        """
        said = self.request.query_params.get(name)
        key = as_uuid(said) if said else None
        if said and (key is None or made_at(key) is None):
            raise BadField(f"{name} must be the id of an event")
        return key


class Span:
    """From where on and up to where events are told: after a time or an event, and with the one of the end."""

    def __init__(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        since_id: UUID | None = None,
        until_id: UUID | None = None,
    ) -> None:
        self.since, self.until, self.since_id, self.until_id = since, until, since_id, until_id
        self.begins = since or (made_at(since_id) if since_id else None)
        self.ends = until or (made_at(until_id) if until_id else None)

    def holds(self, told: Told) -> bool:
        """Say whether an event is one of these."""
        key, at = told.event.pk, told.event.recorded_at
        after = (self.since is None or at > self.since) and (self.since_id is None or key > self.since_id)
        return after and (self.until is None or at <= self.until) and (self.until_id is None or key <= self.until_id)


class EventsWatch(UpdateWatch):
    """Writes events as Alpaca does, each with the account that it is of."""

    def __init__(self, access: Access, account_id: UUID, span: Span) -> None:
        super().__init__(access, Codec())
        self.account_id, self.span = account_id, span
        if span.begins is not None:
            self.resumes, self.follower.since = True, max(span.begins, EPOCH) - AGAIN

    def at_once(self) -> list[bytes]:
        """Return what there is to tell already."""
        return self.news() if self.resumes and self.look() is not None else []

    def is_over(self) -> bool:
        """Say whether all has been told that was asked for."""
        return self.span.ends is not None and timezone.now() > self.span.ends and not self.follower.more

    def wanted(self, told: list[Told]) -> list[Told]:
        """Return those that Alpaca would tell of, as far as they are asked for."""
        return [one for one in told if self.span.holds(one) and event_of(one.event, one.order)]

    def framed(self, told: Told, data: dict[str, Any]) -> bytes:
        """Return one event as it is sent."""
        body = self.codec.write({"account_id": self.account_id, **data})
        return b"id: %s\ndata: %s\n\n" % (str(told.event.pk).encode(), body)


async def events(watch: EventsWatch) -> AsyncIterator[bytes]:
    """Yield what is sent to one listener, until they are gone, have heard all, or have lost their access.

    What is no event is a comment: Alpaca's client takes all data for trade updates.
    """
    await sync_to_async(connections.close_all)()  # those of the request's own thread, which is idle from now on
    try:
        with counted(watch.access.user_id) as is_one_too_many:
            if is_one_too_many:
                yield b": too many streams\n\n"
                return
            yield b": welcome\n\n"
            async for parts in follow(watch):
                yield b"".join(parts) or b": heartbeat\n\n"
                if watch.is_over():
                    return
            yield b": access ended\n\n"
    except AWAY as error:  # whether they may still hear can't be known; they come back by themselves
        log.warning("A stream of trade events breaks off: %s", error)
