"""What happens to orders, as it happens: server-sent events, from the process that streams."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.api.scoping import caller
from accounts.selectors.access import Access
from accounts.selectors.accounts import accounts_of
from marketdata.api.fields import StrictSerializer
from portfolio.api.streams import (
    AWAY,
    LAST_EVENT,
    RETRY,
    STREAMED,
    EventStreamView,
    access_of,
    counted,
    ended,
    retry,
)
from trading.api.order_following import Watch, follow
from trading.api.order_serializers import OrderEventSerializer, TradingOrderSerializer
from trading.selectors.order_events import Told, first_id

log = logging.getLogger(__name__)


class OrderStreamQuery(StrictSerializer):
    """Whose orders are followed."""

    account = serializers.UUIDField(required=False)


class OrderWatch(Watch):
    """Writes events as our API does."""

    def written(self, told: list[Told]) -> list[bytes]:
        """Return events, each with its account and with its order as it stood then."""
        return [as_event(one) for one in told]


class OrderStreamView(EventStreamView):
    """What happens to the orders of the accounts that the caller may see, or of one of them."""

    finds = True  # an account may be named

    @extend_schema(
        operation_id="stream_orders",
        parameters=[LAST_EVENT, OpenApiParameter("account", OpenApiTypes.UUID, description="Of this account alone.")],
        responses=STREAMED,
    )
    def get(self, request: Request) -> HttpResponse | StreamingHttpResponse:
        """Return the stream, or where it is."""
        watch = OrderWatch(narrowed(request), last=last_id(request), now=timezone.now())
        return self.answer(request, lasting=partial(events, watch), at_once=partial(since, watch))


async def events(watch: Watch) -> AsyncIterator[bytes]:
    """Yield what is sent to one listener, until they are gone or have lost their access."""
    await sync_to_async(connections.close_all)()  # those of the request's own thread, which is idle from now on
    try:
        with counted(watch.access.user_id) as is_one_too_many:
            yield retry(RETRY) + place(watch)
            if is_one_too_many:
                yield ended("too many streams")
                return
            async for parts in follow(watch):
                yield b"".join(parts) or b": beat\n\n"
            yield ended("access ended")
    except AWAY as error:  # whether they may still hear can't be known; they come back by themselves
        log.warning("A stream of orders breaks off: %s", error)


def since(watch: Watch) -> list[bytes]:
    """Return what has happened since the last event that the caller heard; without one, where to go on."""
    if not watch.resumes:
        return [place(watch)]
    return watch.news() if watch.look() is not None else []


def place(watch: Watch) -> bytes:
    """Return an id alone, with which a browser comes back that has heard nothing yet."""
    return b"" if watch.resumes else b"id: %s\n\n" % str(first_id(timezone.now())).encode()


def as_event(told: Told) -> bytes:
    """Return one event as it is sent; its id says where to go on."""
    event: Any = OrderEventSerializer(told.event).data
    body = {"account": str(told.event.account_id), **event, "order": TradingOrderSerializer(told.order).data}
    return b"event: order\nid: %s\ndata: %s\n\n" % (str(told.event.pk).encode(), orjson.dumps(body))


def last_id(request: Request) -> UUID | None:
    """Return the last event that the caller has heard; what is no id of ours is passed over."""
    try:
        return UUID(request.headers.get("Last-Event-ID", ""))
    except ValueError:
        return None


def narrowed(request: Request) -> Access:
    """Return how the caller got in, for the account that they name alone, if they name one.

    :raises Http404: if that is none of theirs
    """
    query = OrderStreamQuery(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    access, account = access_of(request), query.validated_data.get("account")
    if account is None:
        return access
    limited = access.accounts is not None and account not in access.accounts
    if limited or not accounts_of(caller(request)).filter(pk=account).exists():
        raise Http404
    return Access(access.user_id, access.token_id, (account,), access.session_key)
