"""Corporate actions are everybody's to read; staff send them in rows, change and delete them."""

import pytest

from marketdata.models import CorporateAction, Instrument
from tests.factories import make_instrument, unique_symbol

URL = "/api/v1/corporate-actions/"


def row(instrument, kind="SPLIT", ex_date="2024-05-01", **figures):
    return {"instrument": instrument.key, "kind": kind, "ex_date": ex_date} | figures


@pytest.fixture
def share():
    return make_instrument()


@pytest.fixture
def split(staff, share):
    assert staff.post(URL, {"rows": [row(share, ratio="2")]}).json()["stored"] == 1
    return CorporateAction.objects.get(instrument=share)


class TestReading:
    def test_shows_every_field(self, reader, split, share):
        assert reader.get(f"{URL}{split.pk}/").json() == {
            "id": str(split.pk),
            "instrument": share.key,
            "kind": "SPLIT",
            "ex_date": "2024-05-01",
            "label": "",
            "record_date": None,
            "pay_date": None,
            "ratio": "2",
            "cash": None,
            "currency": "",
            "other": None,
            "new_symbol": "",
            "old_symbol": "",
            "cost_fraction": None,
            "notes": "",
            "source": "api",
            "recorded_at": split.recorded_at.isoformat().replace("+00:00", "Z"),
            "applied_at": None,
        }

    def test_filters_and_pages_by_key(self, reader, staff, share):
        days = ["2020-01-01", "2021-01-01", "2022-01-01", "2023-01-01"]
        staff.post(URL, {"rows": [row(share, ratio="2", ex_date=day) for day in days]})
        staff.post(URL, {"rows": [row(share, "DELISTING", "2030-01-01")]})
        asked = {"instrument": share.key, "kind": "SPLIT", "ex_date__gte": "2021-01-01", "ex_date__lt": "2023-01-01"}
        page = reader.get(URL, asked | {"limit": "1"}).json()
        assert [each["ex_date"] for each in page["results"]] == ["2021-01-01"]
        assert [each["ex_date"] for each in reader.get(page["next"]).json()["results"]] == ["2022-01-01"]
        newest = reader.get(URL, {"instrument": share.key, "ordering": "-ex_date"}).json()["results"]
        assert newest[0]["kind"] == "DELISTING"

    @pytest.mark.parametrize(
        "wrong", [{"kind": "TENDER"}, {"ex_date": "yesterday"}, {"ratio": "2"}, {"instrument": "NOBODY:XTST"}]
    )
    def test_refuses_what_it_does_not_know(self, reader, wrong):
        assert reader.get(URL, wrong).status_code == 400

    def test_says_not_found_of_what_is_no_id(self, reader):
        assert reader.get(f"{URL}1/").status_code == 404


class TestSending:
    def test_accounts_for_every_row(self, staff, share):
        rows = [row(share, ratio="2"), row(share, ratio="2"), row(share, ratio=2), row(share, "CASH_DIVIDEND", cash="1")]
        told = staff.post(URL, {"rows": rows}).json()
        assert (told["stored"], told["known"], told["corrected"], told["warned"]) == (1, 1, 0, [])
        assert [(each["index"], each["rule"], each["field"]) for each in told["refused"]] == [
            (2, "not_a_number", "ratio"),
            (3, "missing", "currency"),
        ]
        assert staff.post(URL, {"rows": [row(share, ratio="3")]}).json()["refused"][0]["rule"] == "conflicting_action"
        assert staff.post(URL, {"rows": [row(share, ratio="3")], "correct": True}).json()["corrected"] == 1

    @pytest.mark.parametrize("body", [{}, {"rows": []}, {"rows": ["x"]}, {"rows": [{"price": "1"}]}, {"rows": [{}] * 1001}])
    def test_refuses_bodies_of_another_shape(self, staff, body):
        assert staff.post(URL, body).status_code == 400

    def test_renames_and_finds_by_the_old_name(self, staff, reader, share):
        new = unique_symbol()
        assert staff.post(URL, {"rows": [row(share, "SYMBOL_CHANGE", new_symbol=new)]}).json()["stored"] == 1
        assert reader.get(f"/api/v1/instruments/{share.symbol}:XTST/").json()["symbol"] == new
        (action,) = reader.get(URL, {"instrument": share.symbol}).json()["results"]
        assert (action["instrument"], action["old_symbol"]) == (f"{new}:XTST", share.symbol)


class TestChanging:
    def test_changes_one(self, staff, split):
        answer = staff.patch(f"{URL}{split.pk}/", {"ratio": "4", "notes": "four for one"})
        assert (answer.status_code, answer.json()["ratio"], answer.json()["notes"]) == (200, "4", "four for one")

    def test_refuses_by_field_and_by_state(self, staff, split, share):
        answer = staff.patch(f"{URL}{split.pk}/", {"ratio": "1"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "ratio")
        assert staff.patch(f"{URL}{split.pk}/", {"cash": "1"}).json()["errors"][0]["code"] == "not_of_this_kind"
        assert staff.patch(f"{URL}{split.pk}/", {"source": "me"}).status_code == 400
        staff.post(URL, {"rows": [row(share, ratio="2", label="other")]})
        answer = staff.patch(f"{URL}{split.pk}/", {"label": "other"})
        assert (answer.status_code, answer.json()["code"]) == (409, "action_exists")

    def test_deletes_one_with_what_it_did(self, staff, share):
        staff.post(URL, {"rows": [row(share, "DELISTING")]})
        assert not Instrument.objects.get(pk=share.pk).active
        action = CorporateAction.objects.get(instrument=share)
        assert staff.delete(f"{URL}{action.pk}/").status_code == 204
        assert Instrument.objects.get(pk=share.pk).active
        assert staff.delete(f"{URL}{action.pk}/").status_code == 404

    def test_is_for_staff(self, reader, split):
        assert reader.patch(f"{URL}{split.pk}/", {"ratio": "4"}).status_code == 403
        assert reader.delete(f"{URL}{split.pk}/").status_code == 403
