"""Alpaca's stream and Alpaca's history together: what the line did not bring comes from the history, once, to the last digit."""

import asyncio
import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from marketdata.adapters.alpaca import AlpacaProvider
from marketdata.models import Instrument, QualityIssue
from tests.factories import make_instrument, unique_symbol
from tests.marketdata.adapters import vendors
from tests.marketdata.adapters.vendors import AlpacaServer, serving
from tests.marketdata.feeds import feeding, stored_quotes, stored_ticks, until
from tests.marketdata.vendor import Session, Vendor, quote, trade, vendor_in_thread


@pytest.fixture(autouse=True)
def _hosts(settings) -> None:
    settings.PROVIDER_HOSTS = ["127.0.0.1"]


@pytest.fixture
def archive():
    """Return the server that has all that was ever told, in pages of a few rows."""
    with serving(AlpacaServer({"quotes": {}, "trades": {}}, page=7)) as server:
        yield server


class Exchange:
    """What happens on it: the history knows of it at once, whoever else is told."""

    def __init__(self, archive: AlpacaServer, *, seed: int = 1) -> None:
        self.archive, self.chance, self.number = archive, Random(seed), 0
        self.quotes: dict[str, dict[datetime, tuple[Decimal, ...]]] = {}
        self.ticks: dict[str, set[tuple[datetime, Decimal, Decimal]]] = {}

    def quote(self, symbol: str) -> dict[str, Any]:
        """Let somebody quote."""
        self.number += 1
        at = datetime.now(UTC)
        bid = f"{100 + self.number % 7}.{self.number % 10_000:010}"
        told = quote(symbol, at, bid, bid)
        self.quotes.setdefault(symbol, {})[at] = (Decimal(bid), Decimal(bid), Decimal(2), Decimal(3))
        self._file("quotes", symbol, told, ("bp", "ap"))
        return told

    def trade(self, symbol: str) -> dict[str, Any]:
        """Let somebody trade."""
        self.number += 1
        at, price = datetime.now(UTC), f"{100 + self.number % 7}.{self.number % 1000:03}"
        told = trade(symbol, at, price, str(self.number))
        self.ticks.setdefault(symbol, set()).add((at, Decimal(price), Decimal(self.number)))
        self._file("trades", symbol, told, ("p", "s"))
        return told

    def _file(self, under: str, symbol: str, told: dict[str, Any], numbers: tuple[str, ...]) -> None:
        row = {name: value for name, value in told.items() if name not in {"T", "S"}}
        row |= {name: Decimal(row[name]) for name in numbers}
        self.archive.lists[under].setdefault(symbol, []).append(row)

    def is_stored(self, *instruments: Instrument) -> bool:
        """Say whether all of it is in the database, and nothing else."""
        return all(
            stored_quotes(each) == self.quotes.get(each.symbol, {}) and stored_ticks(each) == self.ticks.get(each.symbol, set())
            for each in instruments
        )


def history_of(archive: AlpacaServer, **options: Any) -> AlpacaProvider:
    """Return the provider that asks the server, as a feed is given it."""
    keys = {"key_id": vendors.KEY, "secret_key": vendors.SECRET}
    where = {"url": archive.url, "trading_url": archive.url, "name": f"alpaca-{unique_symbol()}"}
    return AlpacaProvider(**{**keys, **where, "per_minute": 60_000, **options})


class Restless:
    """A vendor whose line breaks off again and again, while the exchange goes on."""

    def __init__(self, exchange: Exchange, symbols: list[str], *, most: int = 600) -> None:
        self.exchange, self.symbols, self.most, self.told = exchange, symbols, most, 0

    def next(self) -> dict[str, Any]:
        """Return what happens next."""
        self.told += 1
        symbol = self.exchange.chance.choice(self.symbols)
        return self.exchange.trade(symbol) if self.told % 4 == 0 else self.exchange.quote(symbol)

    async def __call__(self, session: Session) -> None:
        left = self.exchange.chance.randint(40, 150)
        while self.told < self.most:
            await session.send(*[self.next() for _ in range(self.exchange.chance.randint(1, 3))])
            await asyncio.sleep(0.002)
            left -= 1
            if left < 0:
                for _ in range(self.exchange.chance.randint(5, 40)):
                    self.next()  # nobody is told
                return await session.break_off()
        return await session.wait()


@pytest.fixture
def instruments() -> list[Instrument]:
    """Return shares of an exchange that Alpaca has."""
    return [make_instrument(exchange="XNAS") for _ in range(3)]


class TestGap:
    @pytest.mark.parametrize("seed", [1, 2])
    def test_is_filled_without_loss_or_doubling(self, archive, instruments, seed):
        exchange = Exchange(archive, seed=seed)
        restless = Restless(exchange, [each.symbol for each in instruments])
        with (
            vendor_in_thread(Vendor(restless)) as vendor,
            feeding(vendor, instruments, history=history_of(archive)) as running,
        ):
            until(lambda: restless.told >= restless.most, 60)
            until(lambda: exchange.is_stored(*instruments), 30)
            until(lambda: running.state.gaps_filled >= 1)
            until(lambda: running.feed.gapless)
        assert vendor.connections > 2
        assert {path for path, *_ in archive.seen} == {"/v2/stocks/quotes", "/v2/stocks/trades"}
        assert any("page_token" in query for _, query, _ in archive.seen)
        rules = set(QualityIssue.objects.filter(source=running.name).values_list("rule", flat=True))
        assert rules <= {"in_order", "no_quote_jump", "no_tick_jump"}

    def test_waits_for_a_history_that_is_out_of_order_and_says_so(self, archive, instruments):
        exchange, (instrument, *_) = Exchange(archive), instruments
        missed = threading.Event()

        async def says(session: Session) -> None:
            if session.number == 1:
                await session.send(exchange.quote(instrument.symbol))
                await asyncio.sleep(0.2)
                archive.always = vendors.status(500)
                exchange.quote(instrument.symbol)
                exchange.trade(instrument.symbol)
                missed.set()
                return await session.break_off()
            await session.send(exchange.quote(instrument.symbol))
            return await session.wait()

        history = history_of(archive, limits=vendors.patient())
        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [instrument], history=history) as running:
            until(missed.is_set)
            until(lambda: running.state.last_error.startswith("The gap since"))
            assert "it is out of order (500" in running.state.last_error
            assert not exchange.is_stored(instrument)
            mark = running.state.stored_through
            archive.always = None
            until(lambda: exchange.is_stored(instrument))
            until(lambda: running.state.stored_through > mark)

    def test_is_asked_for_by_the_symbol_that_the_feed_has(self, archive):
        instrument, other = make_instrument(exchange="XNAS"), unique_symbol()
        exchange = Exchange(archive)
        exchange.quote(other)
        told = deque([exchange.quote(other)])

        async def says(session: Session) -> None:
            await session.send(*told)
            await session.wait()

        with vendor_in_thread(Vendor(says)) as vendor, feeding(vendor, [], history=history_of(archive)) as running:
            running.feed.wanted = lambda: {other: instrument}
            until(lambda: running.state.gaps_filled == 1)
            until(lambda: stored_quotes(instrument) == exchange.quotes[other])
        assert {query["symbols"] for _, query, _ in archive.seen} == {other}

    def test_of_one_that_the_history_does_not_have_keeps_no_other_from_being_filled(self, archive, instruments):
        exchange, foreign = Exchange(archive), make_instrument(exchange="XETR")
        exchange.quote(instruments[0].symbol)

        async def says(session: Session) -> None:
            await session.wait()

        with (
            vendor_in_thread(Vendor(says)) as vendor,
            feeding(vendor, [foreign, *instruments], history=history_of(archive)) as running,
        ):
            until(lambda: exchange.is_stored(*instruments))
            until(lambda: running.state.gaps_filled == 1)
            until(lambda: f"quotes of {foreign.key}" in running.state.last_error)
        assert running.state.stored_through > datetime.now(UTC) - timedelta(minutes=1)
