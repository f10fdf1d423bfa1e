"""A live feed of 5,000 messages a second, as a vendor's process sends them, through `manage.py stream_quotes` into the database.

Kept up is what is stored as fast as it is sent: the time from the first message sent to the last one stored, beside the time that
sending takes. Then everything at once: how fast it goes when the vendor never waits by himself.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from django.db import connections
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.harness import Harness
from marketdata.models import Instrument, StreamState
from marketdata.services.feed import Pace

RATE = 5_000
IN_A_FRAME = 5
SYMBOLS = [f"Q{number:03}" for number in range(200)]
SECONDS, QUICK_SECONDS = 10, 3
FLOOD, QUICK_FLOOD = 100_000, 20_000
MOST_ROUNDS = 5
PATIENCE = 120.0
VENDOR = "import asyncio, django; django.setup(); from benchmarks.stream import vend; asyncio.run(vend())"
ROOT = Path(__file__).resolve().parent.parent


def run(harness: Harness) -> None:
    """Measure both, and how much waited for the database meanwhile."""
    seconds = QUICK_SECONDS if harness.quick else SECONDS
    rounds = min(harness.rounds, MOST_ROUNDS)
    limit = Pace().backlog
    Instrument.objects.bulk_create(
        Instrument(symbol=symbol, exchange="XNAS", asset_class="EQUITY", currency="USD") for symbol in SYMBOLS
    )
    with vendor() as (port, order), feed(port):
        order({"messages": RATE, "rate": RATE})  # warm up
        await_stored(RATE)
        took, waited = [], []
        for _ in range(rounds):
            StreamState.objects.update(most_waiting=0)
            took.append(stored_after(order, RATE * seconds, RATE))
            waited.append(float(StreamState.objects.get().most_waiting))
        flood = QUICK_FLOOD if harness.quick else FLOOD
        rates = [flood / stored_after(order, flood, 0) for _ in range(rounds)]
        most = float(StreamState.objects.get().most_waiting)
    kept_up = f"{RATE:,} messages/s for {seconds} s"
    harness.compare("stream", kept_up, ours=took, baseline=[float(seconds)] * rounds, unit="s", goal="<= 1.1")
    harness.compare("stream", "most that waited", ours=waited, baseline=[float(limit)] * rounds, unit="rows", goal="<= 0.5")
    harness.compare("stream", "all at once", ours=rates, baseline=[float(RATE)] * rounds, unit="msg/s", goal=">= 1.0")
    harness.compare("stream", "most that waited then", ours=[most], baseline=[float(limit)], unit="rows", goal="<= 1.0")


def stored_after(order: Any, messages: int, rate: int) -> float:
    """Have messages sent and return the seconds from the first one sent to the last one stored."""
    before = StreamState.objects.get().received
    began = order({"messages": messages, "rate": rate})["began"]
    return await_stored(before + messages) - began


def await_stored(number: int) -> float:
    """Wait until so many messages are stored, and return the time at which they were."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        state = StreamState.objects.filter(provider="alpaca").first()
        if state is not None and state.received >= number:
            if state.stored != state.received:
                raise RuntimeError(f"Of {state.received} messages {state.stored} were stored, {state.refused} refused.")
            return time.time()
        time.sleep(0.02)
    raise RuntimeError(f"{number} messages were not stored within {PATIENCE:g} seconds.")


@contextmanager
def vendor() -> Iterator[tuple[int, Any]]:
    """Run the vendor in a process of his own; yield his port and what gives him orders."""
    command = [sys.executable, "-c", VENDOR]
    environment = os.environ | {"LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def order(what: dict[str, int]) -> dict[str, Any]:
        _pipe(process.stdin).write(json.dumps(what) + "\n")
        _pipe(process.stdin).flush()
        answer: dict[str, Any] = json.loads(_pipe(process.stdout).readline())
        return answer

    try:
        yield json.loads(_pipe(process.stdout).readline())["port"], order
    finally:
        process.kill()
        process.wait()


@contextmanager
def feed(port: int) -> Iterator[None]:
    """Run `manage.py stream_quotes` on the vendor and this benchmark's database."""
    name = connections["default"].settings_dict["NAME"]
    addresses = {key: in_database(os.environ[key], name) for key in os.environ if key.startswith("DATABASE_") and os.environ[key]}
    environment = os.environ | addresses | {
        "ALPACA_STREAM_URL": f"ws://127.0.0.1:{port}/v2/test",
        "ALPACA_KEY_ID": "key",
        "ALPACA_SECRET_KEY": "secret",
        "PROVIDER_HOSTS": "127.0.0.1,.alpaca.markets",
        "PROVIDERS": "sample",  # no history: the vendor is new each time
        "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    keys = [f"{symbol}:XNAS" for symbol in SYMBOLS]
    command = [sys.executable, "manage.py", "stream_quotes", "--symbols", *keys]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)  # noqa: S603
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def in_database(address: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(address)._replace(path=f"/{name}"))


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise RuntimeError("The process has no such pipe.")
    return pipe


# --- the vendor's process ---------------------------------------------------------------------------


async def vend() -> None:
    """Serve one client; send what is ordered on standard input, and say when that began."""
    ready: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def meet(socket: ServerConnection) -> None:
        await socket.send('[{"T":"success","msg":"connected"}]')
        await socket.recv()
        await socket.send('[{"T":"success","msg":"authenticated"}]')
        await socket.recv()
        await socket.send('[{"T":"subscription","quotes":[]}]')
        await ready.put(socket)
        await socket.wait_closed()

    async with serve(meet, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        _say(port=next(iter(server.sockets)).getsockname()[1])
        loop, socket = asyncio.get_running_loop(), None
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            socket = socket or await ready.get()
            order = json.loads(line)
            _say(began=time.time())
            await send(socket, order["messages"], order["rate"])


async def send(socket: ServerConnection, messages: int, rate: int) -> None:
    """Send so many messages, so many a second; 0 is as fast as they are taken."""
    began = time.monotonic()
    for number in range(0, messages, IN_A_FRAME):
        if rate and (early := began + number / rate - time.monotonic()) > 0.001:
            await asyncio.sleep(early)
        await socket.send(f"[{','.join(quote(number + place) for place in range(min(IN_A_FRAME, messages - number)))}]")


def quote(number: int) -> str:
    """Return a quote of now."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    cents = number % 100
    return (
        f'{{"T":"q","S":"{SYMBOLS[number % len(SYMBOLS)]}","bx":"V","bp":187.{cents:02},"bs":{number % 9 + 1},"ax":"V",'
        f'"ap":187.{cents:02}5,"as":{number % 7 + 1},"c":["R"],"z":"C","t":"{at}{number % 1000:03}Z"}}'
    )


def _say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)
