"""The sources of prices by the API: what they can do, how they are, and which of them an instrument has."""

from datetime import UTC, datetime

from marketdata.adapters.base import ProviderAway
from marketdata.services.breaker import note_trouble
from tests.admin.world import looks
from tests.factories import make_instrument, make_user

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)


def test_they_say_what_they_can_do_and_how_they_are(reader):
    note_trouble(provider="ecb", trouble=ProviderAway("nobody there"), at=NOON)
    found = {each["name"]: each for each in reader.get("/api/v1/providers/").json()["results"]}
    assert found["files"]["capabilities"][:2] == ["bars 1m", "bars 5m"]
    assert found["ecb"]["capabilities"] == ["fx rates"]
    assert (found["ecb"]["last_error"], found["ecb"]["last_error_at"]) == ("nobody there", "2024-01-15T12:00:00Z")
    assert found["sample"]["circuit"] == "CLOSED"


def test_staff_give_an_instrument_sources_of_its_own(staff):
    client = staff
    address = f"/api/v1/instruments/{make_instrument().key}/"
    sources = [{"provider": "files", "symbol": "OTHER"}, {"provider": "sample", "symbol": ""}]
    assert client.patch(address, {"sources": sources}).json()["sources"] == sources
    assert client.get(address).json()["sources"] == sources
    assert client.patch(address, {"name": "Other"}).json()["sources"] == sources
    refused = client.patch(address, {"sources": [{"provider": "nobody"}]})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "unknown_provider")
    assert client.patch(address, {"sources": []}).json()["sources"] == []


def test_operators_order_sources_and_close_breakers_in_the_admin():
    client, instrument = looks(make_user(is_staff=True, is_superuser=True)), make_instrument()
    address = f"/admin/marketdata/instrument/{instrument.pk}/change/"
    page = client.get(address)
    fields = {name: value for name, value in page.context["adminform"].form.initial.items() if value is not None}
    forms = {"sources-TOTAL_FORMS": "2", "sources-INITIAL_FORMS": "0"}
    for number, (rank, name) in enumerate([("2", "sample"), ("1", "files")]):
        forms |= {f"sources-{number}-{field}": value for field, value in (("rank", rank), ("provider", name), ("symbol", ""))}
    assert client.post(address, fields | forms).status_code == 302
    assert [each.provider for each in instrument.ranked_sources] == ["files", "sample"]
    twice = client.post(address, fields | forms | {"sources-1-provider": "sample"})
    assert "named twice" in twice.content.decode()
