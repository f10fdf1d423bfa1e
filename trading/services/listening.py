"""The streams of all accounts that have one: what is heard makes a broker be asked, once for all that came meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings

from accounts.models import ExecutionMode
from accounts.models.tenancy import acting_as
from trading.adapters.alpaca import NAME as ALPACA
from trading.adapters.alpaca_stream import AlpacaUpdates
from trading.adapters.base import BrokerFailed
from trading.models import BrokerConnection
from trading.services.connections import credentials_of
from trading.services.syncing import Watched, watched

log = logging.getLogger(__name__)


class Listener:
    """Holds a stream for each connection, and takes notice of new ones and of those that are gone."""

    def __init__(self, *, sync: Callable[[Watched], None], every: float = 30.0, only: UUID | None = None) -> None:
        self.sync, self.every, self.only = sync, every, only
        self._lines: dict[Watched, asyncio.Task[None]] = {}
        self._left = asyncio.Event()

    def leave(self) -> None:
        """Listen no longer."""
        self._left.set()

    async def run(self) -> None:
        """Listen until told to leave."""
        while not self._left.is_set():
            wanted = {one for one in await sync_to_async(watched)(account_id=self.only) if one.broker == ALPACA}
            for one in self._lines.keys() - wanted:
                self._lines.pop(one).cancel()
            for one in wanted:
                if one not in self._lines or self._lines[one].done():
                    self._lines[one] = asyncio.create_task(self._listen(one))
            try:
                async with asyncio.timeout(self.every):
                    await self._left.wait()
            except TimeoutError:
                continue
        for line in self._lines.values():
            line.cancel()
        await asyncio.gather(*self._lines.values(), return_exceptions=True)

    async def _listen(self, one: Watched) -> None:
        """Hold the stream of one account."""
        told = asyncio.Event()

        async def hear(_client_order_id: str) -> None:
            told.set()

        options = await sync_to_async(_options)(one)
        if options is None:
            return
        updates = AlpacaUpdates(**options, hosts=settings.PROVIDER_HOSTS, heard=hear)
        line = asyncio.create_task(updates.run())
        try:
            while True:
                await told.wait()
                told.clear()  # what comes while we ask makes us ask once more
                try:
                    await sync_to_async(self.sync)(one)
                except Exception:  # the polls will do it
                    log.exception("Account %s could not be brought up to date", one.account_id)
        finally:
            line.cancel()


def _options(one: Watched) -> dict[str, str] | None:
    """Return what a stream of an account is opened with."""
    with acting_as(one.owner_id):
        link = BrokerConnection.objects.select_related("account").filter(account=one.account_id, broker=one.broker).first()
        try:
            credentials = credentials_of(link) if link is not None else {}
        except BrokerFailed as failure:
            log.warning("The stream of account %s is not opened: %s", one.account_id, failure)
            credentials = {}
        if link is None or not credentials:
            return None
        live = link.account.execution_mode == ExecutionMode.LIVE
        url = settings.BROKERS[ALPACA]["live_url" if live else "paper_url"]
        return {"key": credentials.get("key", ""), "secret": credentials.get("secret", ""), "url": url}
