"""The stream says of which order something is to be asked; what it says otherwise is passed over."""

import asyncio
import json

import pytest
from websockets.asyncio.server import serve

from marketdata.domain.addresses import BadAddress
from tests.trading.adapters.alpaca_standin import KEY, SECRET
from trading.adapters.alpaca_stream import AlpacaUpdates

UPDATE = {"event": "fill", "execution_id": "x", "order": {"id": "1", "client_order_id": "ours-1"}, "price": "100", "qty": "4"}


async def vendor(socket, messages):
    """Speak as Alpaca's stream does."""
    login = json.loads(await socket.recv())
    assert login == {"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}}
    await socket.send(json.dumps({"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}))
    assert json.loads(await socket.recv())["data"] == {"streams": ["trade_updates"]}
    for message in messages:
        await socket.send(json.dumps(message))
    await socket.wait_closed()


def listened(messages, number):
    """Return what was heard of a vendor's messages, the last of which are worth so many."""

    async def work():
        heard, enough = [], asyncio.Event()

        async def hear(name):
            heard.append(name)
            if len(heard) == number:
                enough.set()

        async with serve(lambda socket: vendor(socket, messages), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            updates = AlpacaUpdates(key=KEY, secret=SECRET, url=f"http://127.0.0.1:{port}", hosts=["127.0.0.1"], heard=hear)
            running = asyncio.create_task(updates.run())
            await asyncio.wait_for(enough.wait(), 10)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert SECRET not in repr(updates)
        return heard

    return asyncio.run(work())


def test_every_order_that_something_happened_to_is_named():
    odd = [{"stream": "trade_updates", "data": {}}, {"stream": "trade_updates", "data": {"order": []}}, {"stream": "listening"}]
    assert listened([*odd, *[{"stream": "trade_updates", "data": UPDATE}] * 2], 2) == ["ours-1", "ours-1"]


def test_it_asks_the_hosts_of_the_list_alone():
    async def hear(name):
        """Hear nothing."""

    with pytest.raises(BadAddress):
        AlpacaUpdates(key=KEY, secret=SECRET, url="https://example.com", hosts=[".alpaca.markets"], heard=hear)
