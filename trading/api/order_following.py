"""Following what happens to orders for as long as somebody listens; each door writes it in its own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from accounts.models.tenancy import acting_as
from accounts.selectors.access import Access
from accounts.selectors.accounts import accounts_of
from portfolio.api import streams
from portfolio.api.streams import read
from trading.selectors.order_bells import order_hub
from trading.selectors.order_events import AGAIN, BACK, Follower, Told, made_at, read_told

BREATH = 0.05  # seconds between two deliveries: what comes meanwhile is read once
ALONE = 2.0  # seconds between two looks while nobody can be heard


class Watch:
    """Who follows which orders, and how far they have heard; what happened is written by `written`."""

    def __init__(self, access: Access, *, last: UUID | None = None, now: datetime) -> None:
        heard = None if last is None else made_at(last)
        self.access, self.resumes = access, heard is not None
        self.follower = Follower(access.user_id, now - BACK if heard is None else heard - AGAIN, access.accounts)

    def written(self, told: list[Told]) -> list[bytes]:
        """Return what is sent of events; asked inside the person's transaction."""
        raise NotImplementedError

    def begin(self) -> set[UUID] | None:
        """Return the accounts to follow, none if the caller may not be there any more; what was before is not news."""
        accounts = self.look()
        if accounts is not None and not self.resumes:
            with acting_as(self.access.user_id, accounts=self.access.accounts):
                self.follower.skip()
        return accounts

    def look(self) -> set[UUID] | None:
        """Return the accounts whose orders the caller may follow, none if they may not be there any more."""
        with acting_as(self.access.user_id, accounts=self.access.accounts):
            if not self.access.holds(at=timezone.now()):
                return None
            rows = accounts_of(User(pk=self.access.user_id))
            if self.access.accounts is not None:
                rows = rows.filter(pk__in=self.access.accounts)
            return set(rows.values_list("pk", flat=True))

    def news(self) -> list[bytes]:
        """Return what has happened meanwhile."""
        with acting_as(self.access.user_id, accounts=self.access.accounts):
            ids = self.follower.hear(now=timezone.now())
            return self.written(read_told(ids)) if ids else []


async def follow(watch: Watch) -> AsyncIterator[list[bytes]]:
    """Yield what happens as it happens, and nothing to begin with and after a silence; it ends when the caller's access does."""
    loop = asyncio.get_running_loop()
    hub = order_hub()
    async with hub.mailbox(()) as bell:
        accounts = await read(watch.begin)
        look_at = beat_at = loop.time()
        look_at += streams.LOOK_AGAIN
        while accounts is not None:
            bell.want(accounts)
            news = await read(watch.news)
            if news or loop.time() >= beat_at:
                yield news
                beat_at = loop.time() + streams.HEARTBEAT
            if not watch.follower.more:
                until = min(look_at, beat_at) - loop.time()
                if await bell.rings(within=max(0.0, until if hub.hears else min(until, ALONE))):
                    await asyncio.sleep(BREATH)
            if loop.time() >= look_at:
                accounts, look_at = await read(watch.look), loop.time() + streams.LOOK_AGAIN
