"""What was wrong is everybody's to see and staff's to deal with; so is how the providers are doing."""

import pytest

from marketdata.adapters.base import ProviderFailed
from marketdata.models import QualityIssue
from marketdata.services.ingest import store_bars
from marketdata.services.providers import refresh
from tests.factories import LONG_AGO, make_instrument
from tests.marketdata.adapters.fake import Raising

URL = "/api/v1/quality-issues/"


@pytest.fixture
def issue():
    instrument = make_instrument()
    store_bars(source="test", rows=["a line"], common={"instrument": instrument}, recorded_at=LONG_AGO)
    return QualityIssue.objects.get(instrument=instrument)


@pytest.mark.parametrize(("who", "look", "write"), [("nobody", 401, 401), ("reader", 200, 403), ("staff", 200, 200)])
def test_who_may_do_what(who, look, write, issue, request):
    client = request.getfixturevalue(who)
    assert client.get(URL).status_code == look
    assert client.get(f"{URL}{issue.pk}/").status_code == look
    assert client.patch(f"{URL}{issue.pk}/", {"resolution": "Known."}).status_code == write
    assert client.get("/api/v1/providers/").status_code == look


def test_an_issue_shows_the_row_as_it_came(reader, issue):
    shown = reader.get(f"{URL}{issue.pk}/").json()
    assert shown["record"] == {"row": "a line"}
    assert (shown["rule"], shown["instrument"], shown["times"]) == ("not_a_row", issue.instrument.key, 1)
    assert shown["found_at"] == "2020-01-02T15:00:00Z"


def test_issues_are_found_by_what_they_are_about(reader, issue):
    for asked in ({"instrument": issue.instrument.key}, {"instrument": issue.instrument.key, "resolved_at__isnull": "true"}):
        assert [row["id"] for row in reader.get(URL, asked).json()["results"]] == [issue.pk]
    for asked in ({"rule": "missing"}, {"resolved_at__isnull": "false"}, {"severity__in": "WARNING,INFO"}):
        assert reader.get(URL, asked | {"instrument": issue.instrument.key}).json()["results"] == []


def test_an_issue_is_resolved_once(staff, issue):
    answer = staff.patch(f"{URL}{issue.pk}/", {"resolution": "Asked the vendor."})
    assert answer.json()["resolved_by"].startswith("staff")
    again = staff.patch(f"{URL}{issue.pk}/", {"resolution": "No."})
    assert (again.status_code, again.json()["code"]) == (409, "already_resolved")


@pytest.mark.parametrize("body", [{"resolution": ""}, {"resolution": 7}, {"resolution": "Fine.", "rule": "none"}])
def test_a_resolution_needs_its_words_and_nothing_else(staff, issue, body):
    assert staff.patch(f"{URL}{issue.pk}/", body).status_code == 400


def test_a_change_of_nothing_changes_nothing(staff, issue):
    assert staff.patch(f"{URL}{issue.pk}/", {}).json()["resolved_at"] is None


@pytest.mark.parametrize("key", ["0", "999999999999999999", "x", "-1"])
def test_what_is_not_there_is_not_there(staff, key):
    assert staff.get(f"{URL}{key}/").status_code == 404


def test_providers_tell_how_they_are_doing(reader):
    refresh(instruments=[make_instrument()], at=LONG_AGO, providers=[Raising(name="files", error=ProviderFailed("No disk."))])
    listed = {row["name"]: row for row in reader.get("/api/v1/providers/").json()["results"]}
    assert listed["sample"]["timeframes"] == ["1d"]
    assert listed["files"]["failing"] >= 1
    assert listed["files"]["last_failure"]


def test_faults_are_counted_by_rule_and_source(reader, staff, issue):
    counted = {(row["rule"], row["source"]): row for row in reader.get(f"{URL}summary/").json()}
    assert counted["not_a_row", "test"]["issues"] >= 1
    assert counted["not_a_row", "test"]["times"] >= counted["not_a_row", "test"]["issues"]
    assert set(counted["not_a_row", "test"]) == {
        *("rule", "severity", "dataset", "source", "issues", "open", "times", "last_found_at")
    }
    assert reader.get(f"{URL}summary/", {"rule": "missing"}).status_code == 400
