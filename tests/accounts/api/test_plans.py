"""Taxonomies, targets and policies by REST: written whole or not at all, refused by name, and each role as far as it reaches."""

import pytest

from accounts.domain.roles import Role
from accounts.models import Target, TargetAllocation
from accounts.models.tenancy import acting_as
from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, share


@pytest.fixture
def call(alice, account):
    """Return a way for Alice to call a route of her account."""
    client = browser(alice)

    def ask(method: str, route: str, body=None, *, status: int = 200):
        answer = getattr(client, method)(f"/api/v1/accounts/{account.pk}/{route}/", body, format="json")
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    return ask


def shares(**weights: str) -> list[dict[str, str]]:
    return [{"category": name, "weight": weight} for name, weight in weights.items()]


class TestTargets:
    def test_are_written_and_read_with_what_is_left_for_cash(self, call):
        one, other = make_instrument(), make_instrument()
        targets = [{"instrument": one.key, "weight": "0.25"}, {"instrument": other.key, "weight": "0.5"}]
        made = call("post", "targets", {"name": "Mine", "targets": targets}, status=201)
        assert made["targets"] == [{"instrument": row["instrument"], "category": "", "weight": row["weight"]} for row in targets]
        assert (made["basis"], made["in_force"], made["cash_weight"]) == ("INSTRUMENT", True, "0.25")
        assert call("get", f"targets/{made['id']}") == made
        assert call("get", "targets")["results"] == [made]

    def test_are_replaced_as_a_whole(self, call):
        made = call("post", "targets", {"name": "Mine", "basis": "CURRENCY", "targets": shares(EUR="0.5", USD="0.5")}, status=201)
        changed = call("patch", f"targets/{made['id']}", {"targets": shares(GBP="0.1")})
        assert [(row["category"], row["weight"]) for row in changed["targets"]] == [("GBP", "0.1")]
        assert changed["name"] == "Mine"
        renamed = call("patch", f"targets/{made['id']}", {"name": "Other"})
        assert (renamed["name"], renamed["targets"]) == ("Other", changed["targets"])

    @pytest.mark.parametrize(
        ("body", "field", "said"),
        [
            ({"basis": "ASSET_CLASS", "targets": shares(EQUITY="0.6", BOND="0.5")}, "targets", "0.1 more than 1"),
            ({"basis": "ASSET_CLASS", "targets": shares(SHARES="0.6")}, "targets.0.category", "there are EQUITY"),
            ({"basis": "CURRENCY", "targets": shares(XXX="0.6")}, "targets.0.category", "ISO 4217"),
            ({"targets": shares(EQUITY="0.6")}, "targets.0.category", "leave the category out"),
            ({"targets": [{"weight": "0.6"}]}, "targets.0.instrument", "Name the instrument"),
            ({"basis": "CURRENCY", "targets": shares(EUR="0.1") * 2}, "targets.1", "leave one of the two out"),
            ({"basis": "CURRENCY", "targets": shares(EUR="1.1")}, "targets.0.weight", "1 or below"),
            ({"basis": "CURRENCY", "targets": shares(EUR="-0.1")}, "targets.0.weight", "0 or above"),
            ({"basis": "TAXONOMY", "targets": shares(Europe="0.1")}, "taxonomy", "Name the taxonomy"),
        ],
    )
    def test_that_cannot_stand_are_refused_by_field_and_nothing_is_written(self, call, account, alice, body, field, said):
        problem = call("post", "targets", {"name": "Mine"} | body, status=400)
        found = {error["field"]: error["detail"] for error in problem["errors"]}
        assert said in found[field], found
        with acting_as(alice.pk):
            assert not TargetAllocation.objects.filter(account=account).exists()

    def test_that_cannot_stand_leave_those_that_are_there(self, call, alice):
        made = call("post", "targets", {"name": "Mine", "basis": "CURRENCY", "targets": shares(EUR="0.5")}, status=201)
        call("patch", f"targets/{made['id']}", {"name": "Other", "targets": shares(EUR="0.6", USD="0.6")}, status=400)
        assert call("get", f"targets/{made['id']}") == made

    def test_of_a_new_allocation_take_the_place_of_the_one_in_force(self, call):
        first = call("post", "targets", {"name": "One", "basis": "CURRENCY", "targets": shares(EUR="0.5")}, status=201)
        second = call("post", "targets", {"name": "Two", "basis": "CURRENCY", "targets": []}, status=201)
        assert [call("get", f"targets/{one['id']}")["in_force"] for one in (first, second)] == [False, True]
        call("patch", f"targets/{first['id']}", {"in_force": True})
        assert [call("get", f"targets/{one['id']}")["in_force"] for one in (first, second)] == [True, False]

    def test_of_one_name_are_there_once(self, call):
        body = {"name": "Mine", "basis": "CURRENCY", "targets": []}
        call("post", "targets", body, status=201)
        assert call("post", "targets", body, status=409)["code"] == "name_taken"

    def test_go_with_their_allocation(self, call, alice):
        made = call("post", "targets", {"name": "Mine", "basis": "CURRENCY", "targets": shares(EUR="0.5")}, status=201)
        call("delete", f"targets/{made['id']}", status=204)
        call("get", f"targets/{made['id']}", status=404)
        with acting_as(alice.pk):
            assert not Target.objects.filter(allocation=made["id"]).exists()

    def test_of_another_account_are_not_there(self, call, alice):
        theirs = make_account(owner=alice)
        made = browser(alice).post(
            f"/api/v1/accounts/{theirs.pk}/targets/", {"name": "x", "basis": "CURRENCY", "targets": []}, format="json"
        )
        call("get", f"targets/{made.json()['id']}", status=404)

    def test_are_written_by_traders_and_read_by_viewers(self, account, bob):
        tom = share(account, make_user("tom"), Role.TRADER)
        body = {"name": "Mine", "basis": "CURRENCY", "targets": []}
        url = f"/api/v1/accounts/{account.pk}/targets/"
        assert browser(bob).post(url, body, format="json").status_code == 403
        assert browser(tom).post(url, body, format="json").status_code == 201
        assert len(browser(bob).get(url).json()["results"]) == 1


class TestTaxonomies:
    def test_group_instruments_by_shares(self, call):
        made, one = call("post", "taxonomies", {"name": "Regions"}, status=201), make_instrument()
        body = {"taxonomy": made["id"], "instrument": one.key, "category": "Europe", "weight": "0.6"}
        put = call("post", "classifications", body, status=201)
        assert {name: put[name] for name in body} == body
        rest = call("post", "classifications", body | {"category": "Asia", "weight": "0.4"}, status=201)
        problem = call("post", "classifications", body | {"category": "Africa", "weight": "0.1"}, status=400)
        assert "1.1" in problem["detail"]
        assert call("patch", f"classifications/{rest['id']}", {"weight": "0.3"})["weight"] == "0.3"
        assert call("patch", f"classifications/{rest['id']}", {"weight": "0.41"}, status=400)["code"] == "too_much"
        assert call("post", "classifications", body | {"weight": "0.1"}, status=409)["code"] == "name_taken"
        call("delete", f"classifications/{rest['id']}", status=204)
        assert [row["category"] for row in call("get", "classifications")["results"]] == ["Europe"]

    def test_of_another_account_are_refused(self, call, alice):
        theirs = make_account(owner=alice)
        made = browser(alice).post(f"/api/v1/accounts/{theirs.pk}/taxonomies/", {"name": "x"}, format="json").json()
        body = {"taxonomy": made["id"], "instrument": make_instrument().key, "category": "Europe"}
        assert call("post", "classifications", body, status=400)["code"] == "does_not_exist"
        body = {"name": "x", "basis": "TAXONOMY", "taxonomy": made["id"], "targets": []}
        assert call("post", "targets", body, status=400)["code"] == "does_not_exist"

    def test_stay_while_an_allocation_needs_them(self, call):
        made = call("post", "taxonomies", {"name": "Regions"}, status=201)
        body = {"name": "Mine", "basis": "TAXONOMY", "taxonomy": made["id"], "targets": shares(Europe="0.5")}
        allocation = call("post", "targets", body, status=201)
        assert "Mine" in call("delete", f"taxonomies/{made['id']}", status=409)["detail"]
        call("delete", f"targets/{allocation['id']}", status=204)
        call("delete", f"taxonomies/{made['id']}", status=204)

    def test_are_called_otherwise(self, call):
        made = call("post", "taxonomies", {"name": "Regions"}, status=201)
        assert call("patch", f"taxonomies/{made['id']}", {"name": "Places"})["name"] == "Places"
        assert call("post", "taxonomies", {"name": "Places"}, status=409)["code"] == "name_taken"


class TestPolicies:
    def test_are_set_changed_and_thrown_away_by_owners(self, call):
        made = call("post", "policies", {"kind": "POSITION", "threshold": "0.25"}, status=201)
        assert (made["threshold"], made["enabled"]) == ("0.25", True)
        assert call("patch", f"policies/{made['id']}", {"threshold": "0.3", "enabled": False})["threshold"] == "0.3"
        assert call("post", "policies", {"kind": "POSITION", "threshold": "0.1"}, status=409)["code"] == "name_taken"
        call("delete", f"policies/{made['id']}", status=204)
        assert call("get", "policies")["results"] == []

    @pytest.mark.parametrize("threshold", ["-0.1", "1.1", "x", 0.5, "0.1234567"])
    def test_take_a_share_alone(self, call, threshold):
        problem = call("post", "policies", {"kind": "CASH", "threshold": threshold}, status=400)
        assert problem["errors"][0]["field"] == "threshold"

    def test_are_not_a_traders(self, account):
        tom = share(account, make_user("tom"), Role.TRADER)
        url = f"/api/v1/accounts/{account.pk}/policies/"
        assert browser(tom).post(url, {"kind": "CASH", "threshold": "0.1"}, format="json").status_code == 403
        assert browser(tom).get(url).status_code == 200
