"""What happens to orders is sent to members of their accounts, and to nobody else, as it happens and from where they left off."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from accounts.models.tenancy import acting_as
from accounts.services.tokens import revoke_token
from tests.clients import browser, make_token, program
from tests.factories import make_account, make_instrument, make_user, share
from tests.trading.api.alpaca.test_stream import filled, happened, ordered
from tests.trading.api.servers import Listener, serving
from trading.domain.orders import EventKind
from trading.models import OrderEvent
from trading.selectors import order_events
from trading.selectors.order_events import Follower, first_id, made_at, read_told

PATH = "/api/v1/stream/orders/"


def now() -> datetime:
    return datetime.now(UTC)


def listening(port: int, user, path: str = PATH, **headers: str) -> Listener:
    secret = make_token(user, ["read"]).secret
    return Listener(port, path, **{"Authorization": f"Bearer {secret}"} | headers)


def told(answer) -> list[dict]:
    """Return the events of an answer that has ended."""
    parts = [part for part in answer.content.decode().split("\n\n") if part.startswith("event: order")]
    return [json.loads(part.split("data: ")[1]) | {"at_id": part.split("id: ")[1].split("\n")[0]} for part in parts]


def events_of(order) -> list[OrderEvent]:
    with acting_as(order.account.owner_id):
        return list(OrderEvent.objects.filter(order=order).order_by("sequence"))


@pytest.fixture(scope="module")
def server():
    with serving() as port:
        yield port


@pytest.fixture
def instrument():
    return make_instrument()


class TestWebServer:
    """It answers what happened since the last event that the caller heard, and ends."""

    def test_without_an_event_there_is_nothing_to_tell(self, alice, account, instrument):
        ordered(account, instrument)
        answer = browser(alice).get(PATH)
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
        assert told(answer) == []
        place = answer.content.decode().split("id: ")[1].strip()
        order = ordered(account, instrument)
        again = told(browser(alice).get(PATH, HTTP_LAST_EVENT_ID=place))
        assert str(order.pk) in {one["order"]["id"] for one in again}

    def test_goes_on_after_the_last_event(self, alice, account, instrument):
        order = ordered(account, instrument)
        happened(order, EventKind.SENT, EventKind.ACCEPTED)
        filled(order, ("4", "10"))
        first, *rest = events_of(order)
        found = [
            one for one in told(browser(alice).get(PATH, HTTP_LAST_EVENT_ID=str(first.pk))) if one["order"]["id"] == str(order.pk)
        ]
        assert [one["at_id"] for one in found][-len(rest) :] == [str(one.pk) for one in rest]
        last = found[-1]
        assert (last["kind"], last["status"], last["account"]) == ("FILLED", "PARTIALLY_FILLED", str(account.pk))
        assert (last["order"]["filled_quantity"], last["order"]["average_price"]) == ("4", "10")
        accepted = next(one for one in found if one["kind"] == "ACCEPTED")
        assert (accepted["order"]["status"], accepted["order"]["filled_quantity"]) == ("ACCEPTED", "0")

    @pytest.mark.parametrize(
        "given", ["", "x", "1", "8c5d6b4e-3f0a-4c1e-9f52-1d2b7a6c9e10", "ffffffff-ffff-7fff-bfff-ffffffffffff"]
    )
    def test_passes_over_ids_that_are_none(self, alice, given):
        assert told(browser(alice).get(PATH, HTTP_LAST_EVENT_ID=given)) == []

    def test_tells_members_alone(self, alice, charlie, account, instrument):
        order = ordered(account, instrument)
        before = str(first_id(now() - timedelta(minutes=1)))
        viewer = share(account, charlie)
        stranger = make_account(owner=alice, name="Other")

        def hears(client, **query) -> bool:
            answer = client.get(PATH, query, HTTP_LAST_EVENT_ID=before)
            return any(one["order"]["id"] == str(order.pk) for one in told(answer))

        assert hears(browser(alice))
        assert hears(browser(viewer))
        assert hears(browser(alice), account=str(account.pk))
        assert not hears(browser(alice), account=str(stranger.pk))
        assert not hears(program(alice, ["read"], [stranger.pk]))

    def test_strangers_hear_nothing_and_an_account_of_others_is_not_there(self, charlie, account, instrument):
        ordered(account, instrument)
        before = str(first_id(now() - timedelta(minutes=1)))
        assert told(browser(charlie).get(PATH, HTTP_LAST_EVENT_ID=before)) == []
        for key in (account.pk, uuid4()):
            assert browser(charlie).get(PATH, {"account": str(key)}).status_code == 404
        assert browser(charlie).get(PATH, {"account": "x"}).status_code == 400

    def test_refuses_pages_of_other_sites(self, alice):
        assert browser(alice).get(PATH, HTTP_ORIGIN="https://evil.example.com").status_code == 403


class TestFollower:
    def follower(self, account, since) -> Follower:
        return Follower(account.owner_id, since, [account.pk])

    def test_tells_each_event_once_and_those_of_an_order_in_order(self, account, instrument):
        with acting_as(account.owner_id):
            follower = self.follower(account, now() - timedelta(seconds=5))
        order = ordered(account, instrument)
        happened(order, EventKind.SENT, EventKind.ACCEPTED)
        with acting_as(account.owner_id):
            first = follower.hear(now=now())
            assert first == [one.pk for one in OrderEvent.objects.filter(order=order).order_by("sequence")]
            assert follower.hear(now=now()) == []
        filled(order, ("10", "10"))
        with acting_as(account.owner_id):
            (fill,) = read_told(follower.hear(now=now()))
        assert fill.fill is not None
        assert fill.fill.quantity == 10

    def test_hears_of_what_was_committed_late(self, account, instrument):
        """An event made before another, and committed after it, is not left out."""
        early = first_id(now())
        order = ordered(account, instrument)
        with acting_as(account.owner_id):
            follower = self.follower(account, now() - order_events.BACK)
            follower.skip()
        later = ordered(account, instrument)
        with acting_as(account.owner_id):
            assert len(follower.hear(now=now())) == 1
            OrderEvent.objects.create(
                id=early, account=account, order=later, sequence=99, kind=EventKind.SENT, status="NEW", at=now(),
                recorded_at=now(), door="BROKER",
            )  # fmt: skip
        with acting_as(account.owner_id):
            assert follower.hear(now=now()) == [early]
        assert order.pk != later.pk

    def test_takes_many_in_parts(self, account, instrument, monkeypatch):
        monkeypatch.setattr(order_events, "MOST", 2)
        monkeypatch.setattr(order_events, "MOST_READ", 4)
        start = now() - timedelta(seconds=1)
        made = [events_of(ordered(account, instrument))[0].pk for _ in range(7)]
        with acting_as(account.owner_id):
            follower, found = self.follower(account, start), []
            for _ in range(30):
                found += follower.hear(now=now())
                if not follower.more:
                    break
        assert found == made

    def test_ids_say_when_they_were_made(self):
        at = datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
        assert made_at(first_id(at)) == at
        assert made_at(uuid4()) is None


@pytest.mark.slow
class TestStream:
    def test_tells_what_happens_as_it_happens(self, alice, account, instrument, server):
        with listening(server, alice) as listener:
            assert listener.event() == {"retry": "3000"}
            listener.listens()
            order = ordered(account, instrument)
            happened(order, EventKind.SENT, EventKind.ACCEPTED)
            heard = [listener.next("order") for _ in range(3)]
        assert [one["kind"] for one in heard] == ["CREATED", "SENT", "ACCEPTED"]
        assert {one["order"]["id"] for one in heard} == {str(order.pk)}

    def test_what_was_missed_is_told_to_who_comes_back(self, alice, account, instrument, server):
        order = ordered(account, instrument)
        happened(order, EventKind.SENT, EventKind.ACCEPTED)
        first = events_of(order)[0]
        with listening(server, alice, **{"Last-Event-ID": str(first.pk)}) as listener:
            heard = []
            while not heard or heard[-1]["kind"] != "ACCEPTED" or heard[-1]["order"]["id"] != str(order.pk):
                heard.append(listener.next("order"))

    def test_strangers_hear_nothing(self, charlie, account, instrument, server):
        mine = make_account(owner=charlie)
        with listening(server, charlie).listens() as listener:
            ordered(account, instrument)
            own = ordered(mine, instrument)
            assert listener.next("order")["order"]["id"] == str(own.pk)

    def test_who_becomes_a_member_hears_from_then_on(self, charlie, account, instrument, server):
        with listening(server, charlie).listens() as listener:
            share(account, charlie)
            order = ordered(account, instrument)
            assert listener.next("order")["order"]["id"] == str(order.pk)

    def test_ends_when_the_token_is_revoked(self, alice, server):
        issued = make_token(alice, ["read"])
        with Listener(server, PATH, Authorization=f"Bearer {issued.secret}") as listener:
            with acting_as(alice.pk):
                revoke_token(token=issued.token, at=now())
            assert listener.next("end") == {"reason": "access ended"}

    def test_refuses_one_too_many(self, server):
        person = make_user()
        with listening(server, person).listens(), listening(server, person).listens(), listening(server, person) as third:
            assert third.response.status == 429
