"""The way out: only to hosts of the list, never into a private network, neither elsewhere nor for ever."""

import ipaddress
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from marketdata.adapters.base import ProviderAway, ProviderFailed, ProviderThrottled, Traffic
from marketdata.adapters.http import addresses_of, open_session
from marketdata.adapters.pacing import Bucket, Pace
from marketdata.domain.addresses import BadAddress, check_address, is_public
from tests.factories import unique_symbol
from tests.marketdata.adapters.vendors import BankServer, Clock, patient, serving, stalls, status

METADATA, HERE = "169.254.169.254", "[::1]"


def session_to(clock, *, per_minute=600, secrets=(), **limits):
    name = f"test-{unique_symbol()}"
    return open_session(name=name, per_minute=per_minute, traffic=Traffic(), secrets=secrets, limits=patient(clock, **limits))


@pytest.fixture
def server(loopback):
    with serving(BankServer(b'{"price": 1.10}')) as server:
        yield server


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "http://data.example.com", "ftp://data.example.com", "file:///etc/passwd", "data.example.com", "//data.example.com",
            "", "https://", "https://evil.example.com", "https://data.example.com.evil.example.org", "https://data.example.com@evil.example.org",
            "https://user:pass@data.example.com", "https://evildata.example.com", "https://127.0.0.1", "https://localhost",
            f"https://{HERE}", f"https://{METADATA}", "https://data.example.com\\@evil.example.org", "https://data.example.com:99999",
            "https://data.example.com\n.evil.example.org", "https://dаta.example.com", "https://data.example.com%2eevil.example.org",
        ],
    )  # fmt: skip
    def test_that_may_not_be_asked_are_refused(self, url):
        with pytest.raises(BadAddress, match=r"\w{3}"):
            check_address(url, ["data.example.com"])

    @pytest.mark.parametrize(
        ("url", "hosts"),
        [
            ("https://data.example.com/v2", ["data.example.com"]),
            ("wss://stream.data.example.com:443", [".example.com"]),
            ("https://DATA.example.com", ["Data.Example.com"]),
            ("http://127.0.0.1:8000", ["127.0.0.1"]),
            ("ws://localhost:1", ["localhost"]),
        ],
    )
    def test_of_the_list_are_taken(self, url, hosts):
        assert check_address(url + "/", hosts) == url

    @pytest.mark.parametrize(
        "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "10.1.2.3", "192.168.0.1", METADATA, "100.64.0.1"]
    )
    def test_that_lead_into_a_private_network_are_not_connected_to(self, host, settings, clock):
        settings.PROVIDER_HOSTS = [host]
        with pytest.raises(ProviderFailed, match="not public"):
            addresses_of(host, 443)
        with pytest.raises(ProviderFailed, match="not public"):
            session_to(clock).request("GET", f"https://{host}/latest/meta-data")

    @pytest.mark.parametrize(
        "number",
        [
            *(
                "::1",
                "::ffff:127.0.0.1",
                "fe80::1%eth0",
                "fc00::1",
                "64:ff9b::7f00:1",
                "2002:7f00:1::",
                "::",
                "ff02::1",
                "224.0.0.1",
            ),
            *("::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "2001:db8::1"),
        ],
    )
    def test_of_no_public_machine_are_known_in_every_spelling(self, number):
        assert not is_public(number)

    def test_of_a_public_machine_are_let_through(self):
        assert is_public("1.1.1.1")
        assert is_public(str(ipaddress.ip_address("2606:4700:4700::1111")))

    def test_are_looked_at_again_by_every_session(self, server, settings, clock):
        session = session_to(clock)
        assert session.request("GET", server.url).json()
        with pytest.raises(ProviderFailed, match=r"evil.example.com is not among the hosts"):
            session.request("GET", "https://evil.example.com/?a=b")


class TestAnswers:
    def test_have_decimals_for_numbers(self, server, clock):
        assert str(session_to(clock).request("GET", server.url).json()["price"]) == "1.10"

    def test_that_drip_are_given_up(self, server, loopback):
        def drips(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            while not handler.server.let_go.wait(0.05):
                handler.wfile.write(b" ")
                handler.wfile.flush()
            return True

        server.always = drips
        session = session_to(None, total_seconds=0.6, read_seconds=0.5, pace=Pace())
        with pytest.raises(ProviderAway, match=r"longer than 0\.6 seconds"):
            session.request("GET", server.url)
        assert session.gate.traffic.requests == 1

    def test_of_packed_bombs_are_not_unpacked_to_their_end(self, server, clock):
        import gzip

        server.content = gzip.compress(b"0" * 50_000_000)
        server.always = status(200, server.content, Content_Encoding="gzip")
        with pytest.raises(ProviderFailed, match="longer than 1,000,000 bytes"):
            session_to(clock, most_bytes=1_000_000).request("GET", server.url)

    def test_over_tls_that_nobody_vouches_for_are_not_taken(self, loopback, clock):
        listening = socket.create_server(("127.0.0.1", 0))
        with listening, pytest.raises(ProviderAway, match=r"no answer in time|certificate|no connection"):
            session_to(clock).request("GET", f"https://127.0.0.1:{listening.getsockname()[1]}")

    def test_tell_no_secret(self, server, clock):
        server.always = status(403, b"the key canary-1 is unknown")
        session = session_to(clock, secrets=["canary-1"])
        refusal = session.refusal_of(session.request("GET", server.url))
        assert "the key *** is unknown" in str(refusal)
        assert "canary" not in repr(session) + repr(session.gate)


class TestRate:
    def test_is_kept_to(self, server, clock):
        session = session_to(clock, per_minute=60, total_seconds=60)
        for _ in range(15):
            session.request("GET", server.url)
        assert sum(clock.slept) == pytest.approx(5, abs=0.01)  # ten at once, then one a second

    def test_that_is_used_up_for_long_is_not_waited_for(self, server, clock):
        session = session_to(clock, per_minute=1, total_seconds=18)
        session.request("GET", server.url)
        with pytest.raises(ProviderThrottled, match="used up") as refusal:
            session.request("GET", server.url)
        assert refusal.value.retry_after == pytest.approx(60)
        assert len(server.seen) == 1

    def test_is_that_of_the_source_where_it_says_so(self, server, clock):
        left = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1704153612", "Date": "Tue, 02 Jan 2024 00:00:00 GMT"}
        server.faults += [status(200, b"{}", **left)]
        session = session_to(clock)
        session.request("GET", server.url)
        session.request("GET", server.url)
        assert clock.slept == [pytest.approx(12)]

    @pytest.mark.parametrize(
        ("headers", "waited"),
        [
            ({"Retry_After": "3"}, 3),
            ({"Retry_After": "Tue, 02 Jan 2024 00:00:04 GMT", "Date": "Tue, 02 Jan 2024 00:00:00 GMT"}, 4),
            ({"Retry_After": "Tue Jan  2 00:00:04 2024", "Date": "Tue, 02 Jan 2024 00:00:00 GMT"}, 4),
            ({"Retry_After": "Tuesday, 02-Jan-24 00:00:04 GMT", "Date": "Tue, 02 Jan 2024 00:00:00 GMT"}, 4),
            ({"Retry_After": "1.5"}, 1.5),
            ({"Retry_After": "soon"}, 0.5),
            ({"Retry_After": "-3"}, 0.5),
            ({"Retry_After": "Tue, 02 Jan 99999999999999999999 00:00:04 GMT"}, 0.5),
            ({"Retry_After": "Mon, 01 Jan 2024 00:00:00 GMT", "Date": "Tue, 02 Jan 2024 00:00:00 GMT"}, 0.5),
            ({"X_RateLimit_Reset": "1704153602", "Date": "Tue, 02 Jan 2024 00:00:00 GMT"}, 2),
            ({}, 0.5),
        ],
    )
    def test_is_found_in_whatever_the_source_says(self, server, clock, headers, waited):
        server.faults += [status(429, **headers)]
        session = session_to(clock)
        session.request("GET", server.url)
        assert sum(clock.slept) == pytest.approx(waited)
        assert session.gate.traffic == Traffic(requests=2, retries=1, throttled=1)

    def test_is_told_by_our_clock_where_the_source_does_not_say_its_time(self, server, clock):
        until = datetime.now(UTC) + timedelta(hours=1)
        server.faults += [status(429, Retry_After=format_datetime(until, usegmt=True), Date="at noon")]
        with pytest.raises(ProviderThrottled) as refusal:
            session_to(clock).request("GET", server.url)
        assert 3500 < refusal.value.retry_after <= 3600

    def test_of_a_bucket_is_shared_and_never_borrowed(self):
        clock = Clock()
        bucket = Bucket(60, burst=2, clock=clock)
        assert [bucket.take() for _ in range(4)] == [0, 0, 1, 2]
        clock.now += 10
        assert [bucket.take() for _ in range(3)] == [0, 0, 1]


class TestPatience:
    def test_pauses_grow_and_are_left_to_chance(self):
        assert [Pace(chance=lambda: 1.0).backoff(n) for n in range(6)] == [0.5, 1, 2, 4, 8, 8]
        assert [Pace(chance=lambda: 0.25).backoff(n) for n in range(3)] == [0.125, 0.25, 0.5]

    def test_ends_when_the_time_is_over(self, server, clock):
        server.always = status(500)
        session = session_to(clock, attempts=50, total_seconds=10)
        with pytest.raises(ProviderAway, match="500"):
            session.request("GET", server.url)
        assert sum(clock.slept) <= 10

    def test_with_a_silent_server_is_short(self, server):
        server.always = stalls
        session = session_to(None, total_seconds=0.5, read_seconds=5, pace=Pace())
        with pytest.raises(ProviderAway, match="no answer in time"):
            session.request("GET", server.url)
