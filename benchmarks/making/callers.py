"""Callers of a server that cost as little as callers can: ready-made requests over connections that stay open."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence
from itertools import cycle


class Line:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.socket.sendall(request)

    def answered(self) -> bool:
        """Take in what has come, and say whether it is a whole answer, which has to be 201.

        :raises AssertionError: if it is another, or the server hangs up
        """
        some = self.socket.recv(65536)
        self.heard += some
        head, found, body = self.heard.partition(b"\r\n\r\n")
        if not some:
            raise AssertionError(f"the server hung up after {self.heard[:500]!r}")
        if not found:
            return False
        size = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        if len(body) < size:
            return False
        if b" 201 " not in head[:16]:
            raise AssertionError(self.heard[:2000].decode(errors="replace"))
        self.heard = b""
        return True


def rate(lines: Sequence[Line], requests: Sequence[bytes], seconds: float) -> float:
    """Let each connection ask again as soon as it is answered, the requests in turn; return the answers a second."""
    asked, answers, began = cycle(requests), 0, time.monotonic()
    with selectors.DefaultSelector() as ready:
        for line in lines:
            ready.register(line.socket, selectors.EVENT_READ, line)
            line.ask(next(asked))
        waiting = len(lines)
        while waiting:
            for key, _ in ready.select(timeout=30):
                if not key.data.answered():
                    continue
                answers += 1
                if time.monotonic() - began < seconds:
                    key.data.ask(next(asked))
                else:
                    waiting -= 1
    return answers / (time.monotonic() - began)


def post(path: str, secret: str, body: bytes) -> bytes:
    """Return a request as it goes over the line."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
