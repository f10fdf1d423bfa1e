"""Trade updates as server-sent events, heard as Alpaca's client for Go hears them: line by line, what begins with `data: `."""

import json
from datetime import timedelta
from itertools import islice

import pytest
import requests

from accounts.models.tenancy import acting_as
from tests.clients import make_token
from tests.factories import make_account, make_instrument
from tests.trading.api.alpaca.test_stream import filled, happened, now, ordered
from tests.trading.api.servers import serving
from trading.domain.orders import EventKind
from trading.models import OrderEvent

PATH = "/alpaca/v2/events/trades"


@pytest.fixture(scope="module")
def server():
    with serving() as port:
        yield port


@pytest.fixture
def instrument():
    return make_instrument(exchange="XNAS")


@pytest.fixture
def ask(server, account):
    """Return a way to open the stream; `headers` of another caller may be given."""
    headers = {"APCA-API-KEY-ID": str(account.pk), "APCA-API-SECRET-KEY": make_token(account.owner, ["read"]).secret}

    def of(headers=headers, **query):
        return requests.get(f"http://127.0.0.1:{server}{PATH}", query, headers=headers, stream=True, timeout=20)

    return of


def updates(answer, count=None, lines=None):
    """Return what the next lines of data say: so many, or all until the end."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/event-stream"
    said = (json.loads(line.removeprefix(b"data: ")) for line in lines or lines_of(answer) if line.startswith(b"data: "))
    return list(islice(said, count))


def lines_of(answer):
    return answer.iter_lines(chunk_size=1)


def ids(account):
    with acting_as(account.owner_id):
        return [str(pk) for pk in OrderEvent.objects.filter(account=account).order_by("pk").values_list("pk", flat=True)]


@pytest.mark.slow
class TestStream:
    def test_tells_what_happens_from_now_on(self, ask, account, instrument):
        ordered(account, instrument)
        with ask() as answer:
            lines = lines_of(answer)
            assert [next(lines) for _ in range(3)] == [b": welcome", b"", b": heartbeat"]
            order = ordered(account, instrument)
            happened(order, EventKind.SENT, EventKind.ACCEPTED)
            filled(order, ("4", "10"), ("6", "11"))
            told = updates(answer, 4, lines)
        assert [one["event"] for one in told] == ["pending_new", "new", "partial_fill", "fill"]
        assert {one["account_id"] for one in told} == {str(account.pk)}
        assert {one["order"]["id"] for one in told} == {str(order.pk)}
        assert (told[2]["qty"], told[2]["price"], told[2]["order"]["filled_qty"]) == ("4", "10", "4")
        assert set(ids(account)) >= {one["event_id"] for one in told}

    def test_tells_what_was_since_a_time_and_ends_where_it_is_asked_to(self, ask, account, instrument):
        stranger = make_account(owner=account.owner, name="Another")
        ordered(account, instrument)
        since = now()
        order, _ = ordered(account, instrument), ordered(stranger, instrument)
        happened(order, EventKind.SENT, EventKind.ACCEPTED)
        until = now()
        happened(order, EventKind.CANCEL_REQUESTED)
        told = updates(ask(since=since.isoformat(), until=until.isoformat()))
        assert [(one["event"], one["order"]["id"]) for one in told] == [("pending_new", str(order.pk)), ("new", str(order.pk))]
        after = told[0]["at"].replace("Z", "001Z")  # a nanosecond later, as the client for Go comes back
        assert [one["event"] for one in updates(ask(since=after, until=until.isoformat()))] == ["new"]
        assert updates(ask(since="0001-01-01", until="1970-01-02")) == []

    def test_tells_what_was_since_an_event(self, ask, account, instrument):
        order = ordered(account, instrument)
        happened(order, EventKind.SENT)
        happened(order, EventKind.ACCEPTED)
        happened(order, EventKind.CANCEL_REQUESTED)
        first, _, accepted, _ = ids(account)
        assert [one["event_id"] for one in updates(ask(since_id=first, until_id=accepted))] == [accepted]

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ({"until": "2024-05-06"}, "since is required if until is given"),
            ({"until_id": "018f4b33-3c00-7000-8000-000000000000"}, "since_id is required if until_id is given"),
            ({"since": "2024-05-06", "since_id": "018f4b33-3c00-7000-8000-000000000000"}, "can't be used at the same time"),
            ({"since": "yesterday"}, "since must be a time in RFC 3339"),
            ({"since_id": "7"}, "since_id must be the id of an event"),
        ],
        ids=["until", "until_id", "both", "time", "id"],
    )
    def test_refuses_what_makes_no_sense(self, ask, query, message):
        answer = ask(**query)
        assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
        assert message in answer.json()["message"]

    def test_is_for_members_alone(self, ask, account, charlie):
        stranger = {"APCA-API-KEY-ID": str(account.pk), "APCA-API-SECRET-KEY": make_token(charlie, ["read"]).secret}
        assert (ask(headers=stranger).status_code, ask(headers={}).status_code) == (401, 401)


class TestWebServer:
    def test_tells_what_there_is_and_ends(self, site, account, instrument):
        headers = {"APCA-API-KEY-ID": str(account.pk), "APCA-API-SECRET-KEY": make_token(account.owner, ["read"]).secret}
        since = now() - timedelta(seconds=1)
        ordered(account, instrument)
        asked = {"since": since.isoformat()}
        assert [one["event"] for one in updates(requests.get(f"{site}{PATH}", asked, headers=headers, timeout=20))] == [
            "pending_new"
        ]
        assert updates(requests.get(f"{site}{PATH}", headers=headers, timeout=20)) == []
