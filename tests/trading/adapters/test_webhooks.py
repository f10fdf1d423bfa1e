"""The way out to addresses that members name, against servers of our own: what is sent, and where nothing is."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trading.adapters import webhooks
from trading.adapters.webhooks import NotHeard, send


class Receiver(ThreadingHTTPServer):
    """A server that keeps what it was sent, and answers as it is told to."""

    def __init__(self, status: int = 204, location: str = "", wait: float = 0) -> None:
        self.heard, self.status, self.location, self.wait = [], status, location, wait
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?x=1"


class Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, dict(self.headers), body))
        for _ in range(int(self.server.wait * 10)):
            time.sleep(0.1)
            if self.wfile.closed:
                return
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening(**said) -> Iterator[Receiver]:
    with Receiver(**said) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def test_sends_the_body_and_the_headers():
    with listening() as server:
        assert send(server.url, b'{"a":1}', {"Bedrock-Topic": "FILL"}, private=True) == 204
    ((path, headers, body),) = server.heard
    assert (path, body, headers["Bedrock-Topic"]) == ("/hook?x=1", b'{"a":1}', "FILL")
    assert headers["Host"] == f"127.0.0.1:{server.server_port}"


def test_connects_to_nothing_of_this_machine_unless_it_may():
    with listening() as server:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(NotHeard, match="not public"):
                send(f"http://{host}:{server.server_port}/", b"{}", {})
    assert server.heard == []


@pytest.mark.parametrize("numbers", [["10.0.0.8"], ["8.8.8.8", "127.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"]])
def test_connects_nowhere_if_a_name_leads_within(numbers, monkeypatch):
    def answers(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]

    monkeypatch.setattr(webhooks.socket, "getaddrinfo", answers)
    monkeypatch.setattr(webhooks.socket, "create_connection", lambda *_: pytest.fail("it connected"))
    with pytest.raises(NotHeard, match="not public"):
        send("https://hooks.example.com/", b"{}", {})


def test_connects_to_the_number_that_was_looked_at(monkeypatch):
    """A name that leads elsewhere the second time is not asked a second time."""
    asked, connected = [], []

    def answers(host, port, **_):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    def connect(address, *_):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(webhooks.socket, "getaddrinfo", answers)
    monkeypatch.setattr(webhooks.socket, "create_connection", connect)
    with pytest.raises(NotHeard, match="refused"):
        send("https://hooks.example.com/", b"{}", {})
    assert (asked, connected) == (["hooks.example.com"], [("8.8.8.8", 443)])


def test_follows_no_redirect():
    with listening() as inside, listening(status=302, location=inside.url) as server:
        with pytest.raises(NotHeard, match="redirects are not followed") as failure:
            send(server.url, b"{}", {}, private=True)
        assert failure.value.status == 302
        assert (len(server.heard), inside.heard) == (1, [])


@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
def test_takes_other_answers_for_not_heard(status):
    with listening(status=status) as server, pytest.raises(NotHeard) as failure:
        send(server.url, b"{}", {}, private=True)
    assert failure.value.status == status


def test_waits_no_longer_than_it_may():
    began = time.monotonic()
    with listening(wait=3) as server, pytest.raises(NotHeard) as failure:
        send(server.url, b"{}", {}, private=True, seconds=0.3)
    assert time.monotonic() - began < 20
    assert failure.value.status is None


def test_ends_with_who_drips_its_answer():
    """Each step is within its time, and all of them together are not."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    for _ in range(100):
                        connection.sendall(b"H")
                        time.sleep(0.05)
                except OSError:
                    pass

        threading.Thread(target=drip, daemon=True).start()
        with pytest.raises(NotHeard):
            send(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, private=True, seconds=0.3)


def test_says_so_when_nobody_is_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotHeard, match="refused"):
        send(f"http://127.0.0.1:{port}/", b"{}", {}, private=True)


def test_says_so_when_a_name_leads_nowhere():
    host = "nowhere.invalid"
    with pytest.raises(NotHeard):
        send(f"https://{host}/", b"{}", {})
