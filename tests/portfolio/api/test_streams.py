"""Quotes are sent to whoever follows their instruments, by a server of its own, for as long as they may hear them."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import redis
from django.conf import settings as configured
from django.db import connection

from accounts.models import User
from accounts.models.tenancy import acting_as
from accounts.services.tokens import revoke_token
from accounts.services.watchlists import change_watchlist, create_watchlist
from config import stack
from config.embedded import ROOT
from config.processes import free_port, wait_until
from marketdata.domain.streams import StreamQuote
from marketdata.models import Instrument
from marketdata.selectors.live import CHANNEL
from marketdata.services.live import as_sent
from portfolio.api.streams import host_of
from portfolio.services.projections import catch_up
from tests.clients import browser, make_token, program
from tests.factories import make_account, make_instrument, make_quotes, make_user, post

PATH = "/api/v1/stream/quotes/"
QUICK = "import portfolio.api.streams as s; s.LOOK_AGAIN, s.HEARTBEAT, s.MOST_PER_PERSON = 0.5, 0.3, 2; "


def now() -> datetime:
    return datetime.now(UTC)


def watching(user: User, *instruments: Instrument) -> Any:
    """Put instruments on a watchlist of the user."""
    with acting_as(user.pk):
        return create_watchlist(user=user, name=f"{len(instruments)}-{time.monotonic_ns()}", instruments=instruments, at=now())


def tell(instrument: Instrument, bid: str, ask: str) -> None:
    """Tell Redis of a quote, as a feed does once it is stored."""
    at = now()
    make_quotes(instrument, [(at, bid, ask)], at=at)
    told = as_sent(instrument, StreamQuote(instrument.symbol, at, bid, ask, "100", "200"), at)
    with redis.Redis.from_url(configured.REDIS_URL) as client:
        client.publish(CHANNEL, orjson.dumps([told]))


class Listener:
    """A client of the stream that reads events as they come."""

    def __init__(self, port: int, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.connection.request("GET", PATH, headers=headers)
        self.response = self.connection.getresponse()

    def event(self) -> dict[str, str]:
        """Return the next event or comment."""
        event: dict[str, str] = {}
        while line := self.response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            event[name or "comment"] = value
        return event

    def quote(self) -> dict[str, Any]:
        """Return the next quote."""
        while (event := self.event()).get("event") != "quote":
            assert event, "the stream has ended"
        return json.loads(event["data"]) | {"id": event["id"]}

    def end(self) -> dict[str, str]:
        """Return the event that ends the stream."""
        while (event := self.event()).get("event") != "end":
            assert event, "the stream has ended without a word"
        return json.loads(event["data"])

    def close(self) -> None:
        """Go away."""
        self.response.close()
        self.connection.close()


@contextmanager
def streaming(**environment: str) -> Iterator[int]:
    """Run the ASGI process on the suite's database, with less patience than it usually has, and give its port."""
    port = free_port()
    code = f"{QUICK}import sys; from granian.cli import entrypoint; sys.argv = {stack.stream('127.0.0.1', port)!r}; entrypoint()"
    place = {"DJANGO_SETTINGS_MODULE": "tests.marketdata.live_settings", "LIVE_DATABASE": connection.settings_dict["NAME"]}
    command = [sys.executable, "-c", f"import config.asgi; {code}"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | place | environment)
    try:
        assert wait_until(lambda: answers(port), seconds=60)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """Return the port of the process."""
    with streaming(STREAM_ORIGINS=":8000") as port:
        yield port


def answers(port: int) -> bool:
    """Say whether somebody answers at a port."""
    try:
        listener = Listener(port)
    except OSError:
        return False
    listener.close()
    return listener.response.status == 401


@contextmanager
def listening(port: int, user: User, **headers: str) -> Iterator[Listener]:
    """Listen with a token of the user."""
    listener = Listener(port, **{"Authorization": f"Bearer {make_token(user, ['read']).secret}"} | headers)
    try:
        yield listener
    finally:
        listener.close()


@pytest.fixture
def instrument() -> Instrument:
    """Return an instrument with a quote."""
    instrument = make_instrument()
    make_quotes(instrument, [(now(), "10", "10.5")], at=now())
    return instrument


class TestWebServer:
    def test_answers_the_latest_and_ends_so_that_nobody_waits_for_it(self, alice, instrument):
        watching(alice, instrument, make_instrument())
        answer = browser(alice).get(PATH)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/event-stream"
        assert not answer.streaming
        text = answer.content.decode()
        assert text.startswith("retry: 5000\n\nevent: quote\nid: ")
        told = json.loads(text.split("data: ")[1])
        assert told["instrument"] == instrument.key
        assert (told["bid"], told["ask"], told["bid_size"], told["ask_size"]) == ("10", "10.5", "100", "200")
        assert list(told) == ["instrument", "timestamp", "bid", "ask", "bid_size", "ask_size"]

    @pytest.mark.parametrize(
        ("setting", "leads_to"),
        [(":8001", f"http://testserver:8001{PATH}"), ("https://example.org/", "https://example.org" + PATH)],
    )
    def test_sends_on_to_the_server_of_what_lasts(self, alice, settings, setting, leads_to):
        settings.STREAM_URL = setting
        answer = browser(alice).get(PATH)
        assert (answer.status_code, answer["Location"]) == (307, leads_to)

    def test_tells_nobody_of_anybody_elses_instruments(self, alice, charlie, account, instrument):
        post(account, "DEPOSIT", cash="1000")
        post(account, "BUY", instrument=instrument, quantity="1", price="10")
        with acting_as(alice.pk):
            catch_up(account_id=account.pk, at=now())
        watching(charlie, make_instrument())
        assert instrument.key in browser(alice).get(PATH).content.decode()
        assert instrument.key not in browser(charlie).get(PATH).content.decode()
        other = make_account(owner=alice, name="Other")
        assert instrument.key in program(alice, ["read"], [account.pk]).get(PATH).content.decode()
        assert instrument.key not in program(alice, ["read"], [other.pk]).get(PATH).content.decode()

    def test_refuses_pages_of_other_sites(self, alice):
        answer = browser(alice).get(PATH, HTTP_ORIGIN="https://evil.example.com")
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
        assert "Access-Control-Allow-Origin" not in answer
        own = browser(alice).get(PATH, HTTP_ORIGIN="http://testserver")
        assert own["Access-Control-Allow-Origin"] == "http://testserver"

    @pytest.mark.parametrize("given", ["", "0", "99999999999999999999999", "-1", "x", "१२", "1 2"])
    def test_passes_over_ids_that_are_none(self, alice, instrument, given):
        watching(alice, instrument)
        assert instrument.key in browser(alice).get(PATH, HTTP_LAST_EVENT_ID=given).content.decode()

    def test_tells_only_what_is_newer_than_the_last_event(self, alice, instrument):
        watching(alice, instrument)
        later = str(int((time.time() + 60) * 1_000_000))
        assert browser(alice).get(PATH, HTTP_LAST_EVENT_ID=later).content == b"retry: 5000\n\n"


@pytest.mark.parametrize(
    ("address", "host"), [("localhost:8000", "localhost"), ("[::1]:8000", "[::1]"), ("example.org", "example.org")]
)
def test_another_port_is_one_of_the_same_host(address, host):
    assert host_of(address) == host


@pytest.mark.slow
class TestStream:
    def test_sends_the_latest_first_and_then_what_comes(self, alice, instrument, server):
        watching(alice, instrument)
        with listening(server, alice) as listener:
            assert listener.response.status == 200
            assert listener.response.headers["Content-Type"] == "text/event-stream"
            assert "no-store" in listener.response.headers["Cache-Control"]
            assert listener.event() == {"retry": "3000"}
            assert listener.quote()["bid"] == "10"
            time.sleep(0.3)
            tell(instrument, "11", "11.5")
            quote = listener.quote()
            assert (quote["instrument"], quote["bid"], quote["ask"]) == (instrument.key, "11", "11.5")
        with listening(server, alice, **{"Last-Event-ID": str(int(quote["id"]) + 10_000_000)}) as again:
            time.sleep(0.3)
            tell(instrument, "12", "12.5")
            assert again.quote()["bid"] == "12"

    def test_shows_that_it_is_there_while_nothing_comes(self, alice, server):
        with listening(server, alice) as listener:
            while "comment" not in (event := listener.event()):
                assert event

    def test_follows_the_watchlist(self, alice, instrument, server):
        other = make_instrument()
        make_quotes(other, [(now(), "20", "20.5")], at=now())
        watchlist = watching(alice, instrument)
        with listening(server, alice) as listener:
            assert listener.quote()["instrument"] == instrument.key
            with acting_as(alice.pk):
                change_watchlist(watchlist=watchlist, instruments=[other], at=now())
            assert listener.quote()["instrument"] == other.key
            tell(instrument, "11", "11.5")
            tell(other, "21", "21.5")
            assert listener.quote()["bid"] == "21"

    def test_ends_when_the_token_is_revoked(self, alice, instrument, server):
        issued = make_token(alice, ["read"])
        listener = Listener(server, Authorization=f"Bearer {issued.secret}")
        with acting_as(alice.pk):
            revoke_token(token=issued.token, at=now())
        assert listener.end() == {"reason": "access ended"}
        assert listener.response.read() == b""
        assert Listener(server, Authorization=f"Bearer {issued.secret}").response.status == 401

    def test_does_not_last_where_only_its_head_is_asked_for(self, alice, server):
        connection = http.client.HTTPConnection("127.0.0.1", server, timeout=10)
        connection.request("HEAD", PATH, headers={"Authorization": f"Bearer {make_token(alice, ['read']).secret}"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"], answer.read()) == (200, "text/event-stream", b"")

    def test_ends_with_the_session(self, alice, server):
        client = browser(alice)
        cookie = f"sessionid={client.cookies['sessionid'].value}"
        listener = Listener(server, Cookie=cookie, Origin="http://127.0.0.1:8000")
        assert listener.response.status == 200
        assert listener.response.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:8000"
        assert listener.response.headers["Access-Control-Allow-Credentials"] == "true"
        assert listener.event() == {"retry": "3000"}
        client.logout()
        assert listener.end() == {"reason": "access ended"}

    def test_ends_for_who_is_not_active_any_more(self, server):
        person = make_user("leaver")
        with listening(server, person) as listener:
            assert listener.event() == {"retry": "3000"}
            User.objects.filter(pk=person.pk).update(is_active=False)
            assert listener.end() == {"reason": "access ended"}

    def test_refuses_one_too_many_and_forgets_those_that_are_gone(self, alice, server):
        with listening(server, alice) as first, listening(server, alice) as second:
            assert first.event() == second.event() == {"retry": "3000"}
            with listening(server, alice) as third:
                assert third.response.status == 429
                assert json.loads(third.response.read())["code"] == "too_many_streams"
        assert wait_until(lambda: self.may(alice, server), seconds=10)

    def may(self, user: User, server: int) -> bool:
        with listening(server, user) as listener:
            return listener.response.status == 200

    def test_refuses_pages_of_other_sites(self, alice, server):
        with listening(server, alice, Origin="http://127.0.0.1:9999") as listener:
            assert listener.response.status == 403

    def test_a_listener_who_does_not_read_costs_others_nothing(self, alice, instrument, server):
        watching(alice, instrument)
        deaf = socket.create_connection(("127.0.0.1", server))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        secret = make_token(alice, ["read"]).secret
        deaf.sendall(f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
        with listening(server, alice) as listener:
            assert listener.quote()["bid"] == "10"
            time.sleep(0.3)
            for number in range(200):
                tell(instrument, f"{100 + number}", f"{100 + number}.5")
            bids = [listener.quote()["bid"]]
            while bids[-1] != "299":
                bids.append(listener.quote()["bid"])
            assert len(bids) < 200  # what comes between two breaths is told once: the latest
            assert bids == sorted(bids, key=int)
        deaf.close()
