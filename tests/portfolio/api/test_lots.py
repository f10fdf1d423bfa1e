"""Lots by REST: chosen afterwards, moved by another method, moved between accounts, missing, and washed."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from accounts.domain.roles import Role
from marketdata.models import CorporateAction
from tests.clients import browser, program
from tests.factories import make_account, make_instrument, post, share
from tests.portfolio.market import bars

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


class Api:
    """Somebody's way to an account by REST."""

    def __init__(self, client, account) -> None:
        self.client, self.base = client, f"/api/v1/accounts/{account.pk}/"

    def get(self, route: str, code: int = 200, **query):
        answer = self.client.get(f"{self.base}{route}", query)
        assert answer.status_code == code, answer.content
        return answer.json()

    def send(self, route: str, body, status: int = 201, method: str = "post"):
        answer = getattr(self.client, method)(f"{self.base}{route}", body, format="json")
        assert answer.status_code == status, answer.content
        return answer.json()


@pytest.fixture
def stock():
    stock = make_instrument()
    bars(stock, {"2024-01-02": 10, "2024-12-31": 30})
    return stock


@pytest.fixture
def account(alice, stock):
    account = make_account(owner=alice, cost_basis_method="SPECIFIC")
    for day, price in (("2024-01-02", 10), ("2024-02-02", 20), ("2024-03-02", 30)):
        post(account, "BUY", instrument=stock, quantity="10", price=price, occurred_at=at(day))
    return account


@pytest.fixture
def sale(account, stock):
    return post(account, "SELL", instrument=stock, quantity="-12", price="25", occurred_at=at("2024-04-02"))


@pytest.fixture
def api(alice, account):
    return Api(browser(alice), account)


class TestChoosing:
    def test_shows_what_could_be_closed_and_what_is(self, api, sale):
        found = api.get(f"entries/{sale.pk}/lots/")
        assert found["closing"] == "12"
        assert [(lot["sequence"], lot["quantity"], lot["cost"], lot["chosen"]) for lot in found["lots"]] == [
            (1, "10", "100", False),
            (2, "10", "200", False),
            (3, "10", "300", False),
        ]
        assert [(one["opening"], one["quantity"], one["gain"]) for one in found["closures"]] == [(1, "10", "150"), (2, "2", "10")]

    def test_moves_the_gain_and_is_a_note_in_the_ledger(self, api, sale):
        assert [row["gain"] for row in api.get("closures/")["results"]] == ["150", "10"]
        lots = [{"sequence": 3, "quantity": "10"}, {"sequence": 2, "quantity": "2"}]
        found = api.send(f"entries/{sale.pk}/lots/", {"lots": lots})
        assert [(one["opening"], one["gain"]) for one in found["closures"]] == [(3, "-50"), (2, "10")]
        assert [row["gain"] for row in api.get("closures/")["results"]] == ["-50", "10"]
        note = api.get("entries/", kind="NOTE")["results"][0]
        assert note["data"]["closes"] == {"sequence": sale.sequence, "lots": lots}
        assert note["occurred_at"] == "2024-04-02T15:00:00Z"
        api.send(f"entries/{note['id']}/reverse/", {})
        assert [row["gain"] for row in api.get("closures/")["results"]] == ["150", "10"]

    def test_is_unknown_to_what_was_known_before(self, api, sale):
        known_at = datetime.now(UTC).isoformat()
        api.send(f"entries/{sale.pk}/lots/", {"lots": [{"sequence": 3}]})
        assert [row["gain"] for row in api.get("closures/", known_at=known_at)["results"]] == ["150", "10"]
        assert [row["gain"] for row in api.get("closures/", as_of="2024-04-02")["results"]] == ["-50", "30"]

    @pytest.mark.parametrize(
        ("lots", "code"),
        [
            ([{"sequence": 4}], "unknown_lot"),
            ([{"sequence": 1, "opened_on": "2024-01-03"}], "unknown_lot"),
            ([{"sequence": 1, "quantity": "11"}], "lot_too_small"),
            ([{"sequence": 1, "quantity": "6"}, {"sequence": 1, "quantity": "6"}], "lot_too_small"),
            ([{"sequence": 1, "quantity": "9"}, {"sequence": 2, "quantity": "9"}], "more_than_closed"),
        ],
    )
    def test_lots_that_do_not_fit_are_refused_by_name(self, api, sale, lots, code):
        found = api.send(f"entries/{sale.pk}/lots/", {"lots": lots}, 400)
        assert [(error["field"], error["code"]) for error in found["errors"]] == [("lots", code)]

    @pytest.mark.parametrize("lots", ["all", [{}], [{"sequence": 0}], [{"sequence": 1, "quantity": "-1"}], [{"sequence": "1"}]])
    def test_nonsense_is_refused(self, api, sale, lots):
        api.send(f"entries/{sale.pk}/lots/", {"lots": lots}, 400)

    def test_what_closes_nothing_has_no_lots(self, api, account, stock):
        bought = api.get("entries/")["results"][0]
        assert api.get(f"entries/{bought['id']}/lots/", 409)["code"] == "closes_no_lots"
        assert api.send(f"entries/{bought['id']}/lots/", {"lots": []}, 409)["code"] == "closes_no_lots"
        api.get(f"entries/{uuid4()}/lots/", 404)

    def test_another_method_leaves_no_choice(self, api, sale):
        api.send("", {"cost_basis_method": "FIFO"}, 200, method="patch")
        found = api.send(f"entries/{sale.pk}/lots/", {"lots": [{"sequence": 3}]}, 409)
        assert (found["code"], "SPECIFIC" in found["detail"]) == ("method_not_specific", True)

    def test_traders_choose_and_viewers_do_not(self, account, sale, bob, charlie):
        share(account, charlie, Role.TRADER)
        Api(browser(bob), account).send(f"entries/{sale.pk}/lots/", {"lots": []}, 403)
        Api(browser(charlie), account).send(f"entries/{sale.pk}/lots/", {"lots": [{"sequence": 3}]})


class TestCostBasis:
    def test_compares_without_changing_anything(self, api, sale, stock):
        found = api.get("cost-basis/", method="LIFO")
        (move,) = found["moves"]
        assert (found["before"], found["after"], move["instrument"]) == ("SPECIFIC", "LIFO", stock.key)
        assert (move["before"]["realized_gain"], move["before"]["cost"], move["before"]["lots"]) == ("160", "460", 2)
        assert (move["after"]["realized_gain"], move["after"]["cost"], move["after"]["lots"]) == ("-40", "260", 2)
        assert api.get("")["cost_basis_method"] == "SPECIFIC"
        assert api.get("cost-basis/", method="FIFO")["moves"] == []

    def test_changes_and_says_what_moved(self, api, sale):
        moves = api.send("cost-basis/", {"method": "LIFO"}, 200)["moves"]
        assert moves[0]["after"]["short_term_gain"] == "-40"
        assert api.get("")["cost_basis_method"] == "LIFO"
        (position,) = api.get("positions/")["results"]
        assert (position["realized_gain"], position["cost_basis"]) == ("-40", "260")

    def test_a_method_that_is_none_is_refused(self, api, sale):
        assert api.get("cost-basis/", 400)["errors"][0]["field"] == "method"
        assert api.send("cost-basis/", {"method": "BEST"}, 400)["errors"][0]["field"] == "method"


class TestTaxes:
    def test_rules_of_the_account_are_set_by_its_owner(self, api, account, bob):
        changed = api.send("", {"long_term_days": 180, "wash_sales": True}, 200, method="patch")
        assert (changed["long_term_days"], changed["wash_sales"]) == (180, True)
        assert api.send("", {"long_term_days": None}, 200, method="patch")["long_term_days"] is None
        api.send("", {"long_term_days": -1}, 400, method="patch")

    def test_a_threshold_of_its_own_decides_what_is_long(self, api, sale):
        assert [row["term"] for row in api.get("closures/")["results"]] == ["SHORT", "SHORT"]
        api.send("", {"long_term_days": 90}, 200, method="patch")
        assert [(row["holding_days"], row["term"]) for row in api.get("closures/")["results"]] == [(91, "LONG"), (60, "SHORT")]
        assert len(api.get("closures/", long_term="true")["results"]) == 1

    def test_a_later_purchase_puts_a_loss_off(self, alice, stock):
        account = make_account(owner=alice, wash_sales=True)
        api = Api(browser(alice), account)
        post(account, "BUY", instrument=stock, quantity="10", price="30", occurred_at=at("2024-01-02"))
        post(account, "SELL", instrument=stock, quantity="-10", price="20", occurred_at=at("2024-03-01"))
        (row,) = api.get("closures/")["results"]
        assert (row["gain"], row["wash_sale"], row["disallowed_loss"], row["taxable_gain"]) == ("-100", False, "0", "-100")
        post(account, "BUY", instrument=stock, quantity="4", price="20", occurred_at=at("2024-03-20"))
        (row,) = api.get("closures/", wash_sale="true")["results"]
        assert (row["gain"], row["disallowed_loss"], row["taxable_gain"]) == ("-100", "40", "-60")
        (lot,) = api.get("lots/")["results"]
        assert (lot["cost"], lot["tacked_days"]) == ("120", 59)
        (position,) = api.get("positions/")["results"]
        assert (position["realized_gain"], position["cost_basis"]) == ("-60", "120")


class TestMissing:
    def test_what_was_sold_without_being_held_is_listed(self, api, account, stock):
        other = make_instrument()
        post(account, "SELL", instrument=stock, quantity="-34", price="25", occurred_at=at("2024-04-02"))
        post(account, "SELL", instrument=other, quantity="-3", price="7", occurred_at=at("2024-04-03"))
        post(account, "BUY", instrument=other, quantity="1", price="7", occurred_at=at("2024-04-04"))
        rows = api.get("missing-acquisitions/")["results"]
        assert [(row["instrument"], row["open"], row["made_up"], row["proceeds"], row["entries"]) for row in rows] == [
            (stock.key, "4", "0", "100", [4]),
            (other.key, "2", "1", "14", [5]),
        ]
        assert len(api.get("lots/", missing="true")["results"]) == 2
        assert api.get("summary/")["missing_acquisitions"] == sorted([stock.key, other.key])
        assert [row["instrument"] for row in api.get("missing-acquisitions/", as_of="2024-04-02")["results"]] == [stock.key]


class TestTransfers:
    def test_both_ends_are_answered_and_come_back(self, api, alice, account, stock):
        target = make_account(owner=alice)
        body = {
            "to": str(target.pk),
            "occurred_at": "2024-05-01T10:00:00Z",
            "instrument": stock.key,
            "quantity": "12",
            "external_id": "x-1",
        }
        done = api.send("transfers/", body)
        assert (done["outgoing"]["quantity"], done["incoming"]["quantity"]) == ("-12", "12")
        assert done["incoming"]["data"]["cost"] == "140"
        assert api.send("transfers/", body, 200)["group"] == done["group"]
        there = Api(browser(alice), target)
        assert [(row["opened_at"], row["cost"]) for row in there.get("lots/")["results"]] == [
            ("2024-01-02T15:00:00Z", "100"),
            ("2024-02-02T15:00:00Z", "40"),
        ]
        api.send(f"transfers/{done['group']}/reverse/", {"reason": {"primary": "mistake"}})
        assert there.get("lots/")["results"] == []
        assert api.send(f"transfers/{done['group']}/reverse/", {}, 409)["code"] == "already_reversed"
        api.send(f"transfers/{uuid4()}/reverse/", {}, 404)

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"quantity": "31"}, "quantity"),
            ({"quantity": "0"}, "quantity"),
            ({"cash": "5"}, "cash"),
            ({"instrument": None}, "quantity"),
            ({"quantity": "-1"}, "quantity"),
            ({"to": str(uuid4())}, "to"),
            ({"lots": [{"sequence": 9}]}, "lots"),
            ({"occurred_at": "2099-01-01T00:00:00Z"}, "occurred_at"),
        ],
    )
    def test_what_can_not_be_is_refused_by_name(self, api, alice, account, stock, fields, name):
        target = make_account(owner=alice)
        body = {"to": str(target.pk), "occurred_at": "2024-05-01T10:00:00Z", "instrument": stock.key, "quantity": "1"}
        found = api.send("transfers/", body | fields, 400)
        assert [error["field"] for error in found["errors"]] == [name]

    def test_a_token_for_one_account_reaches_no_other(self, alice, account, stock):
        target = make_account(owner=alice)
        api = Api(program(alice, ["trade"], [account.pk]), account)
        body = {"to": str(target.pk), "occurred_at": "2024-05-01T10:00:00Z", "cash": "1", "currency": "USD"}
        assert api.send("transfers/", body, 400)["errors"][0]["field"] == "to"


class TestCorporateActions:
    def test_are_proposed_posted_and_listed_by_what_became_of_them(self, api, account, stock):
        split = CorporateAction.objects.create(
            instrument=stock, kind="SPLIT", ex_date="2024-06-03", ratio=Decimal("0.1"), recorded_at=NOW
        )
        (row,) = api.get("corporate-actions/", status="proposed")["results"]
        assert (row["held"], row["status"], row["entries"][0]["kind"], row["entries"][0]["id"]) == (
            "30",
            "proposed",
            "SPLIT",
            None,
        )
        (entry,) = api.send(f"corporate-actions/{split.pk}/apply/", {})["entries"]
        assert (entry["source"], entry["external_id"]) == ("corporate-actions", str(split.pk))
        api.send(f"corporate-actions/{split.pk}/apply/", {}, 200)
        (row,) = api.get("corporate-actions/", status="posted")["results"]
        assert row["entries"][0]["id"] == entry["id"]
        assert api.get("positions/")["results"][0]["quantity"] == "3"
        api.send(f"corporate-actions/{uuid4()}/apply/", {}, 404)
        assert api.send(f"corporate-actions/{split.pk}/dismiss/", {}, 409)["code"] == "action_posted"

    def test_are_dismissed_by_a_note(self, api, account, stock):
        split = CorporateAction.objects.create(instrument=stock, kind="SPLIT", ex_date="2024-06-03", ratio=2, recorded_at=NOW)
        note = api.send(f"corporate-actions/{split.pk}/dismiss/", {"reason": "The broker did not."})
        assert (note["kind"], note["reason"]["explanation"]) == ("NOTE", "The broker did not.")
        assert api.send(f"corporate-actions/{split.pk}/apply/", {}, 409)["code"] == "action_dismissed"
        api.get("corporate-actions/", 400, status="lost")
