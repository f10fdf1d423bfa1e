"""The list of entries is written by the database, to the byte as the serializer writes it."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db.models import OuterRef, Subquery

from accounts.api.ledger import EntrySerializer
from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from config.formats import JSONRenderer
from tests.clients import program
from tests.factories import make_instrument

WHEN = "2024-01-02T15:00:00Z"
STRANGE = 'a "quote", a \\ slash/, \n\t, ünï ☃ 😀 {0} %s %(x)s'
TEXTS = ["", "plain", STRANGE]
DATA = [{}, {"n": 1}, {"deep": {"list": [1, 2.5, -0.5, 1.5e10, None, True, STRANGE]}, "b": {}, "aa": []}, {"wide": 2**62}]
NUMBERS = ["1", "0.1", "12.5", "100", "0.0000000001", "999999999999.123456789"]


@pytest.fixture
def url(account):
    return f"/api/v1/accounts/{account.pk}/entries/"


@pytest.fixture
def client(alice):
    return program(alice)


def fill(client, url) -> None:
    """Post entries of every shape, take some back and correct some."""
    instrument = make_instrument()
    for n in range(40):
        more = {
            "occurred_at": f"2024-01-02T15:00:00.{n:06}Z" if n % 3 else WHEN,
            "data": DATA[n % len(DATA)],
            "notes": TEXTS[n % 3],
            "reason": {"primary": TEXTS[n % 2], "explanation": TEXTS[(n + 1) % 3]},
            "tags": [["one", 'two "2"'], [], ["ünï, {x}"]][n % 3],
            "external_id": f'id "{n}"' if n % 2 else "",
            "group": str(uuid4()) if n % 4 else None,
        }
        figure = NUMBERS[n % len(NUMBERS)]
        if n % 2:
            entry = {"kind": "BUY", "instrument": instrument.key, "quantity": figure, "price": "12.50", "fee": "1.10"}
        else:
            entry = {"kind": "DEPOSIT", "cash": figure}
        posted = client.post(url, entry | more)
        assert posted.status_code == 201, posted.content
        if n % 10 == 0:
            assert client.post(f"{url}{posted.json()['id']}/reverse/", {}).status_code == 201
        if n % 15 == 1:
            changed = {"entry": entry | {"occurred_at": WHEN, "notes": "anew"}}
            assert client.post(f"{url}{posted.json()['id']}/correct/", changed).status_code == 201


def serialized(account, alice) -> bytes:
    taken_back = LedgerEntry.objects.filter(account=OuterRef("account"), reverses=OuterRef("pk")).values("pk")[:1]
    with acting_as(alice.pk):
        rows = LedgerEntry.objects.filter(account=account).select_related("instrument").annotate(reversed_by=Subquery(taken_back))
        return JSONRenderer().render(EntrySerializer(rows.order_by("sequence"), many=True).data)


def test_it_is_what_the_serializer_writes(client, url, account, alice):
    fill(client, url)
    answer = client.get(url, {"limit": "1000"})
    assert answer.status_code == 200
    assert answer.content == b'{"results":' + serialized(account, alice) + b',"next":null,"previous":null}'
    assert len(answer.json()["results"]) > 40


@pytest.mark.parametrize("ordering", ["sequence", "-sequence", "occurred_at", "-recorded_at"])
def test_its_pages_hold_every_entry_once(client, url, ordering):
    fill(client, url)
    every = client.get(url, {"limit": "1000", "ordering": ordering}).json()["results"]
    seen, page = [], client.get(url, {"limit": "7", "ordering": ordering}).json()
    while True:
        seen += page["results"]
        if page["next"] is None:
            break
        page = client.get(page["next"]).json()
    assert seen == every
    assert client.get(page["previous"]).json()["results"] == every[-len(page["results"]) - 7 : -len(page["results"])]


def test_it_is_filtered_as_before(client, url):
    fill(client, url)
    every = client.get(url, {"limit": "1000"}).json()["results"]
    instrument = next(entry["instrument"] for entry in every if entry["instrument"])
    for query, fits in (
        ({"instrument": instrument}, lambda entry: entry["instrument"] == instrument),
        ({"kind__in": "BUY,DEPOSIT"}, lambda entry: entry["kind"] in {"BUY", "DEPOSIT"}),
        ({"external_id": 'id "1"'}, lambda entry: entry["external_id"] == 'id "1"'),
        ({"known_at": every[9]["recorded_at"]}, lambda entry: entry["recorded_at"] <= every[9]["recorded_at"]),
    ):
        found = client.get(url, {"limit": "1000"} | query).json()["results"]
        assert found == [entry for entry in every if fits(entry)], query


def test_the_time_of_recording_is_in_utc(client, url):
    fill(client, url)
    last = client.get(url, {"ordering": "-sequence", "limit": "1"}).json()["results"][0]
    assert last["recorded_at"].endswith("Z")
    assert datetime.fromisoformat(last["recorded_at"]) <= datetime.now(UTC)
