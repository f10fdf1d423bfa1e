"""Alpaca's stream as it is spoken on the wire: every number exact, every failure by its name, no secret told."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from marketdata.adapters.alpaca_stream import AlpacaStream
from marketdata.adapters.streams import StreamFailed, StreamRefused, stream_named
from marketdata.domain.addresses import BadAddress
from marketdata.domain.instruments import AssetClass, Listing
from marketdata.domain.streams import Garbled, StreamBar, StreamQuote, StreamTrade
from tests.marketdata.vendor import KEY, SECRET, Session, Vendor, quote, trade

AT = datetime(2024, 3, 1, 14, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _hosts(settings) -> None:
    settings.PROVIDER_HOSTS = ["127.0.0.1"]


def client(vendor: Vendor, **options: Any) -> AlpacaStream:
    given = {"name": "test", "url": vendor.url, "key_id": KEY, "secret_key": SECRET, "exchanges": ["XTST"], "patience": 2}
    return AlpacaStream(**given | options)


def heard(
    script: Callable[[Session], Any], frames: int = 1, *, until: type[Exception] | None = None, **options: Any
) -> list[Any]:
    """Return the messages of so many frames that a script sends, or of all until the stream fails."""

    async def listen() -> list[Any]:
        vendor = Vendor(script)
        await vendor.start()
        stream = client(vendor, **options)
        got: list[Any] = []
        try:
            await stream.connect()
            await stream.subscribe(["AAPL"])
            async for messages in stream.messages():
                got += messages
                frames_left.pop()
                if not frames_left:
                    break
        finally:
            await stream.close()
            await vendor.stop()
        return got

    frames_left = [None] * (frames if until is None else 1000)
    return asyncio.run(asyncio.wait_for(listen(), 20))


class TestMessages:
    async def says(self, session: Session) -> None:
        await session.send(
            quote("AAPL", AT, "187.10", "187.1200000001"),
            trade("AAPL", AT, "0.1234567890", "0.000000000001"),
            {"T": "b", "S": "AAPL", "o": 1, "h": 2.5, "l": 1, "c": 2, "v": 100, "n": 7, "vw": 1.75, "t": "2024-03-01T14:30:00Z"},
            {"T": "i", "what": "nobody knows"},
        )
        await session.wait()

    def test_are_read_with_every_digit_that_was_sent(self):
        read_quote, read_trade, read_bar = heard(self.says)
        assert read_quote == StreamQuote("AAPL", AT, "187.10", "187.1200000001", "2", "3")
        assert read_trade == StreamTrade("AAPL", AT, "0.1234567890", "0.000000000001", "@ I")
        assert read_bar == StreamBar("AAPL", AT.replace(microsecond=0), "1", "2.5", "1", "2", "100", "1.75", 7)

    def test_are_read_from_msgpack_too(self):
        read_quote, read_trade, _ = heard(self.says, encoding="msgpack")
        assert read_quote == StreamQuote("AAPL", AT, "187.1", "187.1200000001", "2", "3")
        assert read_trade == StreamTrade("AAPL", AT, "0.123456789", "0.000000000001", "@ I")

    @pytest.mark.parametrize(
        "frame", ["{", "nonsense", "[" * 5000, '["x", 1, null]', '[{"T":["q"]}]', '[{"T":"q"}]', '[{"T":"q","S":1,"t":"x"}]']
    )
    def test_that_are_none_cost_no_other(self, frame):
        async def says(session: Session) -> None:
            await session.raw(frame)
            await session.send(quote("AAPL", AT, "1", "2"))
            await session.wait()

        *odd, good = heard(says, 2)
        assert odd
        assert all(isinstance(each, Garbled) and each.reason for each in odd)
        assert good == StreamQuote("AAPL", AT, "1", "2", "2", "3")

    @pytest.mark.parametrize("at", ["2024-03-01T14:30:00", "2024-03-01", "yesterday", 5, None])
    def test_without_a_time_that_means_one_instant_are_garbled(self, at):
        async def says(session: Session) -> None:
            await session.send(quote("AAPL", AT, "1", "2", t=at))
            await session.wait()

        assert isinstance(heard(says)[0], Garbled)

    def test_in_a_spelling_of_science_keep_their_value(self):
        async def says(session: Session) -> None:
            await session.send(quote("AAPL", AT, "1.5e-7", "1E2"))
            await session.wait()

        assert heard(says)[0][2:4] == ("0.00000015", "100")


class TestFailures:
    @pytest.mark.parametrize(
        ("code", "kind"), [(402, StreamRefused), (406, StreamFailed), (409, StreamRefused), (500, StreamFailed)]
    )
    def test_at_the_login_are_named(self, code, kind):
        async def connect() -> None:
            vendor = Vendor(errors=[code])
            await vendor.start()
            try:
                await client(vendor).connect()
            finally:
                await vendor.stop()

        with pytest.raises(kind, match=f"Error {code} of the stream") as caught:
            asyncio.run(connect())
        assert type(caught.value) is kind

    @pytest.mark.parametrize(("code", "kind"), [(405, StreamRefused), (407, StreamFailed)])
    def test_later_are_named_too(self, code, kind):
        async def says(session: Session) -> None:
            await session.raw(f'[{{"T":"error","code":{code},"msg":"scripted"}}]')
            await session.wait()

        with pytest.raises(kind, match=f"Error {code}"):
            heard(says)

    def test_a_wrong_secret_is_refused_and_no_secret_is_needed_to_say_so(self, caplog):
        caplog.set_level(logging.DEBUG)

        async def connect(**options: Any) -> None:
            vendor = Vendor()
            await vendor.start()
            try:
                await client(vendor, **options).connect()
            finally:
                await vendor.stop()

        with pytest.raises(StreamRefused, match="402") as caught:
            asyncio.run(connect(secret_key=f"{SECRET}-wrong"))
        with pytest.raises(StreamRefused, match="ALPACA_KEY_ID"):
            asyncio.run(connect(key_id=""))
        asyncio.run(connect())
        ours = [
            record.getMessage() for record in caplog.records if record.name != "websockets.server"
        ]  # the vendor is in here, too
        assert SECRET not in " ".join([*ours, str(caught.value)])

    def test_a_connection_that_breaks_in_the_middle_of_a_frame(self):
        async def says(session: Session) -> None:
            await session.send(quote("AAPL", AT, "1", "2"))
            await session.break_off()

        with pytest.raises(StreamFailed, match="broke off"):
            heard(says, until=StreamFailed)

    def test_a_vendor_who_says_nothing_is_asked_and_then_given_up(self):
        with pytest.raises(StreamFailed, match="no answer to a ping"):
            heard(lambda session: session.go_deaf(), silence=0.2, patience=0.3)

    def test_a_quiet_vendor_who_answers_is_left_in_peace(self):
        async def says(session: Session) -> None:
            await asyncio.sleep(0.8)
            await session.send(quote("AAPL", AT, "1", "2"))
            await session.wait()

        assert len(heard(says, silence=0.2)) == 1

    def test_nobody_there(self):
        with pytest.raises(StreamFailed, match="No connection"):
            asyncio.run(client(Vendor(port=1)).connect())

    def test_hosts_that_are_on_no_list_are_not_asked(self):
        with pytest.raises(BadAddress):
            client(Vendor(), url="wss://example.com/v2/iex")


class TestSubscriptions:
    def test_go_out_in_parts_and_are_granted_when_all_are_confirmed(self):
        async def ask() -> tuple[bool, bool, list[Any]]:
            vendor = Vendor()
            await vendor.start()
            stream = client(vendor)
            await stream.connect()
            await stream.subscribe([f"S{number}" for number in range(501)])
            early = stream._granted.is_set()
            reading = asyncio.ensure_future(anext(stream.messages()))
            await asyncio.wait_for(stream.granted(), 5)
            reading.cancel()
            await stream.close()
            await vendor.stop()
            return early, stream._granted.is_set(), vendor.subscribed

        early, late, orders = asyncio.run(ask())
        assert (early, late) == (False, True)
        assert [len(order["quotes"]) for order in orders] == [500, 1]
        assert all(order["quotes"] == order["trades"] for order in orders)

    def test_are_of_us_shares_and_funds_alone(self, settings):
        settings.PROVIDER_HOSTS = ["stream.data.alpaca.markets"]
        stream = stream_named("alpaca").stream
        assert stream.symbol_of(Listing("AAPL", "XNAS", "", AssetClass.EQUITY, "USD")) == "AAPL"
        assert stream.symbol_of(Listing("AAPL", "XLON", "", AssetClass.EQUITY, "GBP")) is None
        assert stream.symbol_of(Listing("BTC/USD", "CRYPTO", "", AssetClass.CRYPTO, "USD")) is None
