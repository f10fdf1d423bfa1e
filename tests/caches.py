"""Redis as tests want it: one of their own, none at all, one that stalls, one that talks nonsense."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings as configured

from config.servers import Valkey

NOWHERE = "redis://127.0.0.1:1/1"  # nothing listens on port 1


def at(url: str, **more: Any) -> dict[str, Any]:
    """Return the setting of a cache that is elsewhere."""
    return {"default": configured.CACHES["default"] | {"LOCATION": url} | more}


@contextmanager
def valkey(var: Path) -> Iterator[Valkey]:
    """Run a Valkey of one's own, to stop, to fill and to set otherwise."""
    (var / "embedded").mkdir()
    server = Valkey(var)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Address(str):
    """Where a stub listens, and how often somebody asked there: who waits for an answer each time waits as often."""

    says = b""
    asked = 0


@contextmanager
def stub(says: bytes = b"") -> Iterator[Address]:
    """Listen like Redis and answer whatever comes with some bytes, or never."""
    stopped = threading.Event()
    lines: list[socket.socket] = []

    def serve(line: socket.socket) -> None:
        with suppress(OSError):
            while line.recv(65536) and not stopped.is_set():
                address.asked += 1
                if says:
                    line.sendall(says)

    def accept() -> None:
        with suppress(OSError):
            while not stopped.is_set():
                line, _ = listener.accept()
                lines.append(line)
                threading.Thread(target=serve, args=[line], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(f"redis://127.0.0.1:{listener.getsockname()[1]}/1")
        address.says = says
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield address
        finally:
            stopped.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for line in lines:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
                line.close()
