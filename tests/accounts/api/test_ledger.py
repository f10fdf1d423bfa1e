"""The ledger through the API: sizes in, signed figures out, each thing once, and every mistake named."""

from decimal import Decimal
from uuid import uuid4

import pytest

from tests.clients import program
from tests.factories import make_instrument

WHEN = "2024-01-02T15:00:00Z"


@pytest.fixture
def instrument():
    return make_instrument()


@pytest.fixture
def url(account):
    return f"/api/v1/accounts/{account.pk}/entries/"


@pytest.fixture
def client(alice):
    return program(alice)


@pytest.fixture
def buy(instrument):
    return {"kind": "BUY", "occurred_at": WHEN, "instrument": instrument.key, "quantity": "10", "price": "12.5", "fee": "1"}


def fields_of(response):
    return {error["field"] for error in response.json()["errors"]}


class TestPost:
    def test_sizes_go_in_and_signed_figures_come_out(self, client, url, buy):
        posted = client.post(url, buy)
        assert posted.status_code == 201, posted.content
        entry = posted.json()
        assert (entry["sequence"], entry["quantity"], entry["cash"], entry["currency"]) == (1, "10", "-126", "USD")
        assert entry["occurred_at"] == WHEN
        assert len(entry["hash"]) == 64
        sold = client.post(url, buy | {"kind": "SELL", "quantity": "4"}).json()
        assert (sold["quantity"], sold["cash"]) == ("-4", "49")

    def test_the_same_id_again_is_200_and_the_same_entry(self, client, url, buy):
        buy |= {"source": "broker", "external_id": "7"}
        first, again = client.post(url, buy), client.post(url, buy)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"]

    def test_the_same_id_with_other_figures_is_409_by_name(self, client, url, buy):
        buy |= {"source": "broker", "external_id": "7"}
        client.post(url, buy)
        refused = client.post(url, buy | {"quantity": "11"})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflicting_entry")
        assert "quantity" in refused.json()["detail"]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"quantity": "-10"}, "quantity"),
            ({"quantity": "0"}, "quantity"),
            ({"quantity": 10}, "quantity"),
            ({"quantity": "1_0"}, "quantity"),
            ({"quantity": "1e3"}, "quantity"),
            ({"quantity": "NaN"}, "quantity"),
            ({"price": None}, "price"),
            ({"price": "-1"}, "price"),
            ({"fee": "-1"}, "fee"),
            ({"cash": "-100"}, "cash"),
            ({"cash": "126"}, "cash"),
            ({"instrument": None}, "instrument"),
            ({"instrument": "АAPL:XNAS"}, "instrument"),
            ({"currency": "usd"}, "currency"),
            ({"occurred_at": "2024-01-02T15:00:00"}, "occurred_at"),
            ({"occurred_at": "2999-01-02T15:00:00Z"}, "occurred_at"),
            ({"occurred_at": "2024-01-02T15:00:00+24:00"}, "occurred_at"),
            ({"kind": "BUYS"}, "kind"),
            ({"sequence": 7}, "sequence"),
            ({"account": str(uuid4())}, "account"),
        ],
    )
    def test_a_mistake_is_400_and_names_its_field(self, client, url, buy, change, field):
        refused = client.post(url, buy | change)
        assert refused.status_code == 400, refused.content
        assert field in fields_of(refused)
        assert client.get(url).json()["results"] == []

    def test_cash_that_contradicts_is_taken_where_data_says_why(self, client, url, buy):
        entry = client.post(url, buy | {"cash": "-126.02", "data": {"rounding": "the broker rounds each fill"}})
        assert Decimal(entry.json()["cash"]) == Decimal("-126.02")

    def test_an_account_of_somebody_else_is_not_there(self, charlie, url, buy):
        assert program(charlie).post(url, buy).status_code == 404

    def test_a_viewer_may_not_post(self, bob, url, buy):
        assert program(bob).post(url, buy).status_code == 403


class TestBatch:
    def test_all_are_posted_in_their_order(self, client, url, buy):
        done = client.post(url + "batch/", {"entries": [{"kind": "DEPOSIT", "occurred_at": WHEN, "cash": "500"}, buy]})
        assert done.status_code == 201, done.content
        assert [(one["outcome"], one["sequence"]) for one in done.json()["results"]] == [("created", 1), ("created", 2)]

    def test_one_that_is_wrong_stops_all_and_is_named_by_its_place(self, client, url, buy):
        refused = client.post(url + "batch/", {"entries": [buy, buy | {"quantity": "-1"}]})
        assert (refused.status_code, fields_of(refused)) == (400, {"entries.1.quantity"})
        assert client.get(url).json()["results"] == []

    def test_partial_posts_the_good_ones_and_says_what_is_wrong_with_the_others(self, client, url, buy):
        done = client.post(url + "batch/?partial=1", {"entries": [buy | {"quantity": "-1"}, buy]})
        bad, good = done.json()["results"]
        assert (bad["outcome"], good["outcome"]) == ("refused", "created")
        assert bad["problem"]["errors"][0]["field"] == "quantity"

    def test_an_id_known_with_other_figures_stops_all(self, client, url, buy):
        client.post(url, buy | {"source": "broker", "external_id": "7"})
        refused = client.post(url + "batch/", {"entries": [buy, buy | {"source": "broker", "external_id": "7", "fee": "2"}]})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflicting_entry")
        assert len(client.get(url).json()["results"]) == 1


class TestTakeBack:
    def test_a_reversal_mirrors_the_entry_once(self, client, url, buy):
        entry = client.post(url, buy).json()
        done = client.post(f"{url}{entry['id']}/reverse/", {"reason": {"primary": "TYPO", "explanation": "wrong account"}})
        assert done.status_code == 201, done.content
        assert (done.json()["quantity"], done.json()["cash"], done.json()["reverses"]) == ("-10", "126", entry["id"])
        assert client.get(f"{url}{entry['id']}/").json()["reversed_by"] == done.json()["id"]
        again = client.post(f"{url}{entry['id']}/reverse/", {})
        assert (again.status_code, again.json()["code"]) == (409, "already_reversed")

    def test_a_correction_answers_both_entries(self, client, url, buy):
        entry = client.post(url, buy).json()
        done = client.post(f"{url}{entry['id']}/correct/", {"reason": {"primary": "TYPO"}, "entry": buy | {"quantity": "12"}})
        assert done.status_code == 201, done.content
        assert done.json()["reversal"]["reverses"] == done.json()["replacement"]["corrects"] == entry["id"]
        assert done.json()["replacement"]["quantity"] == "12"

    def test_what_was_known_at_a_time_does_not_know_the_reversal(self, client, url, buy):
        entry = client.post(url, buy).json()
        client.post(f"{url}{entry['id']}/reverse/", {})
        known = client.get(url, {"known_at": entry["recorded_at"]}).json()["results"]
        assert [one["sequence"] for one in known] == [1]
        assert len(client.get(url, {"sequence__lte": 2, "kind__in": "BUY,SELL"}).json()["results"]) == 2

    @pytest.mark.parametrize("method", ["put", "patch", "delete"])
    def test_nothing_is_changed_or_removed(self, client, url, buy, method):
        entry = client.post(url, buy).json()
        assert getattr(client, method)(f"{url}{entry['id']}/", {}).status_code == 405
