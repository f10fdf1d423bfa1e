"""Drift, proposals and policy checks by REST: each figure worked out by hand, refusals by name, and nothing posted."""

from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import orjson
import pytest

from accounts.models import Account, LedgerEntry, Notification
from accounts.models.tenancy import acting_as
from config.document import document
from marketdata.models import Instrument
from portfolio.services.policies import watch
from tests.clients import browser
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def call(alice, account):
    """Return a way for Alice to call a route of her account."""
    client = browser(alice)

    def ask(method: str, route: str, body=None, *, status: int = 200, **query: str):
        sent = query if method == "get" else body or {}
        answer = getattr(client, method)(f"/api/v1/accounts/{account.pk}/{route}/", sent, format="json")
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    return ask


@pytest.fixture
def one(account):
    """Return an instrument of which 60 are held at 10: with the cash of 400 the account is worth 1000."""
    one = make_instrument()
    bars(one, {"2024-01-02": 8, "2024-01-03": 10})
    post(account, "DEPOSIT", cash="1000", occurred_at=at("2024-01-01"))
    post(account, "BUY", instrument=one, quantity="30", price="8", occurred_at=at("2024-01-02"))
    post(account, "BUY", instrument=one, quantity="30", price="12", occurred_at=at("2024-01-03"))
    return one


@pytest.fixture
def other():
    """Return an instrument that nobody holds yet, at 30."""
    other = make_instrument(asset_class="BOND")
    bars(other, {"2024-01-03": 30})
    return other


def plan(call, *targets, **fields):
    return call("post", "targets", {"name": "Mine", "targets": list(targets)} | fields, status=201)


def target(instrument, weight: str) -> dict[str, str]:
    return {"instrument": instrument.key, "weight": weight}


class TestDrift:
    def test_is_told_row_by_row(self, call, one, other):
        made = plan(call, target(one, "0.5"), target(other, "0.3"))
        found = call("get", "drift")
        assert found["allocation"] == {"id": made["id"], "name": "Mine", "basis": "INSTRUMENT"}
        assert (found["as_of"], found["total_value"], found["drift"]) == ("2024-01-03", "1000", "0.3")
        assert found["targets"] == [
            {"target": one.key, "planned": True, "value": "600", "target_value": "500", "difference_value": "100",
             "actual_weight": "0.6", "target_weight": "0.5", "difference": "0.1", "instruments": [one.key]},
            {"target": other.key, "planned": True, "value": "0", "target_value": "300", "difference_value": "-300",
             "actual_weight": "0", "target_weight": "0.3", "difference": "-0.3", "instruments": []},
        ]  # fmt: skip
        assert (found["cash"]["actual_weight"], found["cash"]["target_weight"]) == ("0.4", "0.2")
        assert (found["unclassified"]["value"], found["missing"], found["reasons"]) == ("0", [], {})

    def test_is_of_a_past_day(self, call, one):
        plan(call, target(one, "1"))
        found = call("get", "drift", as_of="2024-01-02")
        assert (found["as_of"], found["targets"][0]["actual_weight"], found["cash"]["value"]) == ("2024-01-02", "0.24", "760")

    def test_is_by_the_categories_of_a_taxonomy(self, call, one, other):
        regions = call("post", "taxonomies", {"name": "Regions"}, status=201)
        put = {"taxonomy": regions["id"], "instrument": one.key}
        call("post", "classifications", put | {"category": "Europe", "weight": "0.25"}, status=201)
        call("post", "classifications", put | {"category": "Asia", "weight": "0.5"}, status=201)
        plan(call, {"category": "Europe", "weight": "0.5"}, basis="TAXONOMY", taxonomy=regions["id"])
        found = call("get", "drift")
        rows = [(row["target"], row["planned"], row["value"]) for row in found["targets"]]
        assert rows == [("Europe", True, "150"), ("Asia", False, "300")]
        assert (found["unclassified"]["value"], found["unclassified"]["instruments"]) == ("150", [one.key])

    def test_names_what_has_no_price(self, call, account, one):
        nameless = make_instrument()
        post(account, "BUY", instrument=nameless, quantity="1", price="5", occurred_at=at("2024-01-03"))
        plan(call, target(one, "1"))
        assert call("get", "drift")["missing"] == [nameless.key]

    def test_of_an_empty_account_is_not_known(self, call, other):
        plan(call, target(other, "1"))
        found = call("get", "drift")
        assert (found["as_of"], found["drift"], list(found["reasons"])) == (None, None, ["drift"])

    def test_needs_an_allocation(self, call, one):
        assert call("get", "drift", status=409)["code"] == "no_allocation"
        wrong = call("get", "drift", status=400, allocation="01900000-0000-7000-8000-000000000000")
        assert wrong["errors"][0]["field"] == "allocation"

    def test_can_be_of_another_allocation_than_the_one_in_force(self, call, one):
        plan(call, target(one, "1"))
        spare = plan(call, target(one, "0.6"), name="Spare", in_force=False)
        assert call("get", "drift")["drift"] == "0.4"
        assert call("get", "drift", allocation=spare["id"])["drift"] == "0"

    @pytest.mark.parametrize("past", [{"as_of": "2024-01-02"}, {"known_at": "2024-01-02T00:00:00Z"}])
    def test_says_that_targets_are_newer_than_the_past_it_is_of(self, call, one, past):
        plan(call, target(one, "1"))
        assert "is not kept" in call("get", "drift", **past)["reasons"]["targets"]
        assert "targets" not in call("get", "drift", known_at="2100-01-01T00:00:00Z")["reasons"]
        assert call("get", "drift")["reasons"] == {}

    def test_says_that_classifications_have_no_past(self, call, one):
        regions = call("post", "taxonomies", {"name": "Regions"}, status=201)
        plan(call, {"category": "Europe", "weight": "0.5"}, basis="TAXONOMY", taxonomy=regions["id"])
        assert "classified" in call("get", "drift", known_at="2100-01-01T00:00:00Z")["reasons"]["targets"]
        assert call("get", "drift")["reasons"] == {}


class TestRebalancing:
    def test_proposes_orders_and_posts_nothing(self, call, account, alice, one, other):
        plan(call, target(one, "0.5"), target(other, "0.3"))
        found = call("post", "rebalance")
        orders = [(row["instrument"], row["side"], row["quantity"], row["price"], row["value"]) for row in found["orders"]]
        assert orders == [(one.key, "SELL", "10", "10", "100"), (other.key, "BUY", "10", "30", "300")]
        assert (found["cash"], found["bought"], found["sold"]) == ("200", "300", "100")
        assert (found["drift_before"], found["drift_after"], found["currencies"]) == ("0.3", "0", {"USD": "-200"})
        assert [row["actual_weight"] for row in found["after"]["targets"]] == ["0.5", "0.3"]
        assert "not guessed" in found["reasons"]["fees"]
        with acting_as(alice.pk):
            assert LedgerEntry.objects.filter(account=account).count() == 3
        assert call("post", "rebalance") == found

    def test_estimates_what_sales_realize_by_the_method_of_the_account(self, call, one):
        plan(call, target(one, "0.4"))
        found = call("post", "rebalance")["orders"][0]
        assert (found["quantity"], found["realized_gain"], found["long_term_gain"]) == ("20", "40", "40")
        assert [(lot["quantity"], lot["cost"], lot["gain"], lot["term"]) for lot in found["lots"]] == [
            ("20", "160", "40", "LONG")
        ]

    def test_sells_lots_with_losses_first_for_the_sake_of_taxes(self, call, account, alice, one):
        with acting_as(alice.pk):
            Account.objects.filter(pk=account.pk).update(cost_basis_method="SPECIFIC")
        plan(call, target(one, "0.2"))
        found = call("post", "rebalance", {"tax_aware": True})
        lots = found["orders"][0]["lots"]
        assert [(lot["quantity"], lot["gain"]) for lot in lots] == [("30", "-60"), ("10", "20")]
        assert found["realized_gain"] == {"short_term": "0", "long_term": "-40", "total": "-40"}
        assert "tax_aware" not in found["reasons"]

    def test_says_that_other_methods_leave_no_choice_of_lots(self, call, one):
        plan(call, target(one, "0.2"))
        found = call("post", "rebalance", {"tax_aware": True})
        assert "SPECIFIC" in found["reasons"]["tax_aware"]
        assert found["realized_gain"]["total"] == "40"  # FIFO: 30 bought at 8 and 10 bought at 12

    def test_spends_new_cash_alone(self, call, one, other):
        plan(call, target(one, "0.5"), target(other, "0.5"))
        found = call("post", "rebalance", {"cash_only": True, "new_cash": "500"})
        assert [(row["instrument"], row["quantity"]) for row in found["orders"]] == [(one.key, "15"), (other.key, "25")]
        assert (found["new_cash"], found["cash"]) == ("500", "0")

    def test_counts_other_currencies_at_the_rate_of_the_day(self, call, account, one):
        (foreign,) = fresh_currencies(1)
        rates(foreign, "USD", {"2024-01-02": "0.5"})
        abroad = make_instrument(currency=foreign)
        bars(abroad, {"2024-01-03": 30})
        plan(call, target(one, "0.6"), target(abroad, "0.4"))
        (order,) = call("post", "rebalance")["orders"]
        assert (order["quantity"], order["currency"], order["rate"]) == ("26", foreign, "0.5")
        assert (order["value"], order["value_in_base"], order["fee"]) == ("780", "390", None)

    def test_counts_prices_in_pence_as_pounds(self, alice):
        account = make_account(owner=alice, base_currency="GBP")
        london, other = (make_instrument(currency="GBX") for _ in range(2))
        bars(london, {"2024-01-03": 400})
        bars(other, {"2024-01-03": 200})
        post(account, "DEPOSIT", cash="1000", currency="GBP", occurred_at=at("2024-01-02"))
        post(account, "BUY", instrument=london, quantity="20", price="4", currency="GBP", occurred_at=at("2024-01-03"))
        client, url = browser(alice), f"/api/v1/accounts/{account.pk}"
        client.post(f"{url}/targets/", {"name": "x", "targets": [target(other, "0.25")]}, format="json")
        found = client.post(f"{url}/rebalance/", {}, format="json").json()
        rows = [(row["instrument"], row["side"], row["quantity"], row["price"], row["value"]) for row in found["orders"]]
        assert rows == [(london.key, "SELL", "20", "4", "80"), (other.key, "BUY", "125", "2", "250")]
        assert {(row["currency"], row["rate"]) for row in found["orders"]} == {("GBP", "1")}
        assert (found["currencies"], found["cash"]) == ({"GBP": "-170"}, "750")

    @pytest.mark.parametrize("seed", range(4))
    def test_its_orders_once_posted_bring_the_drift_it_promised(self, alice, seed):
        chance = Random(seed)
        account = make_account(owner=alice, cost_basis_method="SPECIFIC")
        shares = [make_instrument(asset_class=chance.choice(["EQUITY", "CRYPTO"])) for _ in range(4)]
        prices = {share: f"{chance.randint(200, 9000) / 100}" for share in shares}
        post(account, "DEPOSIT", cash="90000", occurred_at=at("2024-01-02"))
        for share in shares:
            bars(share, {"2024-01-02": prices[share], "2024-01-05": prices[share]})
            for day in ("2024-01-02", "2024-01-03")[: chance.randint(0, 2)]:
                paid = f"{float(prices[share]) * chance.choice([0.7, 1.3]):.2f}"
                post(account, "BUY", instrument=share, quantity=f"{chance.randint(9, 400)}", price=paid, occurred_at=at(day))
        client, url = browser(alice), f"/api/v1/accounts/{account.pk}"
        weights = [f"0.{chance.randint(10, 25)}" for _ in shares]
        targets = [target(share, weight) for share, weight in zip(shares, weights, strict=True)]
        assert client.post(f"{url}/targets/", {"name": "x", "targets": targets}, format="json").status_code == 201
        found = client.post(f"{url}/rebalance/", {"tax_aware": True, "minimum_trade": "10"}, format="json").json()
        assert found["orders"]
        entries = []
        for order in found["orders"]:
            entry = {"kind": order["side"], "occurred_at": "2024-01-05T15:00:00Z", "instrument": order["instrument"]}
            entry |= {"quantity": order["quantity"], "price": order["price"], "currency": order["currency"]}
            lots = [{"sequence": lot["sequence"], "quantity": lot["quantity"]} for lot in order["lots"]]
            entries.append(entry | ({"data": {"lots": lots}} if lots else {}))
        posted = client.post(f"{url}/entries/batch/", {"entries": entries}, format="json")
        assert posted.status_code in {200, 201}, posted.content
        after = client.get(f"{url}/drift/").json()
        assert after["drift"] == found["drift_after"]
        assert after["targets"] == found["after"]["targets"]
        cash = client.get(f"{url}/summary/").json()["cash"].get("USD", "0")
        assert (cash, Decimal(cash) >= 0) == (found["cash"], True)
        lot = sum(Decimal(price) for price in prices.values()) + 4 * 10
        assert Decimal(after["drift"]) * Decimal(after["total_value"]) <= lot
        closures = client.get(f"{url}/closures/").json()["results"]
        assert sum(Decimal(row["gain"]) for row in closures) == Decimal(found["realized_gain"]["total"])

    def test_leaves_alone_what_is_not_traded_any_more(self, call, account, one, other):
        gone = make_instrument(active=False)
        plan(call, target(one, "0.3"), target(gone, "0.3"), target(other, "0.3"))
        found = call("post", "rebalance")
        assert [(row["instrument"], row["quantity"]) for row in found["orders"]] == [(one.key, "30"), (other.key, "10")]
        told = {
            "target": gone.key,
            "value": "300",
            "reason": f"{gone.key} is not traded any more; give its weight to something else.",
        }
        assert found["unfilled"] == [told]
        Instrument.objects.using("owner").filter(pk=one.pk).update(active=False)
        assert [(row["instrument"], row["side"]) for row in call("post", "rebalance")["orders"]] == [(other.key, "BUY")]

    def test_refuses_what_has_no_price_by_its_name(self, call, account, one):
        nameless = make_instrument()
        plan(call, target(nameless, "0.5"))
        problem = call("post", "rebalance", status=409)
        assert problem["code"] == "unpriced"
        assert nameless.key in problem["detail"]
        (foreign,) = fresh_currencies(1)
        abroad = make_instrument(currency=foreign)
        bars(abroad, {"2024-01-03": 30})
        plan(call, target(abroad, "0.5"), name="Other")
        assert f"{foreign}/USD" in call("post", "rebalance", status=409)["detail"]
        post(account, "BUY", instrument=nameless, quantity="1", price="5", occurred_at=at("2024-01-03"))
        plan(call, target(one, "0.5"), name="Third")
        assert nameless.key in call("post", "rebalance", status=409)["detail"]

    def test_refuses_an_account_without_value(self, call, other):
        plan(call, target(other, "1"))
        assert call("post", "rebalance", status=409)["code"] == "nothing_to_rebalance"
        found = call("post", "rebalance", {"new_cash": "100"})
        assert [(row["instrument"], row["quantity"]) for row in found["orders"]] == [(other.key, "3")]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"minimum_trade": "-1"}, "minimum_trade"),
            ({"minimum_trade": 5}, "minimum_trade"),
            ({"whole_shares": "maybe"}, "whole_shares"),
            ({"allocation": "x"}, "allocation"),
            ({"fees": "1"}, "fees"),
        ],
    )
    def test_refuses_odd_wishes_by_field(self, call, one, body, field):
        plan(call, target(one, "1"))
        assert call("post", "rebalance", body, status=400)["errors"][0]["field"] == field


class TestPolicyChecks:
    def set(self, call, **thresholds: str):
        for kind, threshold in thresholds.items():
            call("post", "policies", {"kind": kind, "threshold": threshold}, status=201)

    def test_tell_value_threshold_state_and_the_worst_offender(self, call, one):
        self.set(call, POSITION="0.5", ASSET_CLASS="0.6", CURRENCY="0.1", CASH="0.3", FEES="0.01")
        found = call("get", "policy-checks")
        checks = {row["kind"]: row for row in found["checks"]}
        assert (found["as_of"], found["broken"]) == ("2024-01-03", 2)
        position = checks["POSITION"]
        assert (position["value"], position["threshold"], position["state"]) == ("0.6", "0.5", "broken")
        assert position["offender"] == {"name": one.key, "amount": "600"}
        assert (checks["ASSET_CLASS"]["state"], checks["ASSET_CLASS"]["offender"]["name"]) == ("ok", "EQUITY")
        assert (checks["CURRENCY"]["value"], checks["CURRENCY"]["offender"]) == ("0", None)
        assert (checks["CASH"]["value"], checks["CASH"]["state"]) == ("0.4", "broken")
        assert (checks["FEES"]["value"], checks["FEES"]["state"]) == ("0", "ok")

    def test_count_the_fees_of_a_year_of_the_average_value(self, call, account, one):
        post(account, "FEE", cash="-10", occurred_at=at("2024-01-03"))
        self.set(call, FEES="0.005")
        (check,) = call("get", "policy-checks")["checks"]
        days = [Decimal(1000), Decimal(1000), Decimal(990)]
        assert Decimal(check["value"]) == (Decimal(10) / (sum(days) / 3)).quantize(Decimal("1e-12"))
        assert (check["state"], check["offender"]) == ("broken", {"name": "fees", "amount": "10"})

    def test_count_cash_and_positions_of_a_foreign_currency(self, call, account, one):
        (foreign,) = fresh_currencies(1)
        rates(foreign, "USD", {"2024-01-02": "0.5"})
        post(account, "DEPOSIT", cash="1000", currency=foreign, occurred_at=at("2024-01-03"))
        self.set(call, CURRENCY="0.3")
        (check,) = call("get", "policy-checks")["checks"]
        assert (check["offender"], check["state"]) == ({"name": foreign, "amount": "500"}, "broken")

    def test_are_of_a_past_day(self, call, one):
        self.set(call, POSITION="0.5")
        found = call("get", "policy-checks", as_of="2024-01-02")
        assert "is not kept" in found["reasons"]["threshold"]
        assert call("get", "policy-checks")["reasons"] == {}
        assert (found["as_of"], found["checks"][0]["value"], found["checks"][0]["state"]) == ("2024-01-02", "0.24", "ok")

    def test_are_null_with_a_reason_where_they_are_not_known(self, call, account, one):
        nameless = make_instrument()
        post(account, "BUY", instrument=nameless, quantity="1", price="5", occurred_at=at("2024-01-03"))
        self.set(call, POSITION="0.5")
        (check,) = call("get", "policy-checks")["checks"]
        assert (check["value"], check["state"]) == (None, None)
        assert nameless.key in check["reason"]

    def test_of_an_empty_account_are_null(self, call):
        self.set(call, POSITION="0.5", FEES="0.1")
        assert [row["state"] for row in call("get", "policy-checks")["checks"]] == [None, None]

    def test_tell_members_once_when_broken_and_once_when_healed(self, call, account, alice, bob, one):
        self.set(call, CASH="0.3")

        def told(person):
            with acting_as(person.pk):
                return list(Notification.objects.filter(user=person).order_by("pk").values_list("title", "level"))

        before = len(told(alice)), len(told(bob))
        for _ in range(3):
            call("get", "policy-checks")
            watch(account_ids=[account.pk], at=at("2024-01-04"))
        broken = (f"{account.name}: the bound on uninvested cash is broken", "WARNING")
        assert (told(alice)[before[0] :], told(bob)[before[1] :]) == ([broken], [broken])
        assert call("get", "policy-checks")["checks"][0]["since"] is not None
        post(account, "WITHDRAWAL", cash="-300", occurred_at=at("2024-01-03"))
        for _ in range(3):
            assert call("get", "policy-checks")["checks"][0]["since"] is None
        healed = (f"{account.name}: the bound on uninvested cash is kept again", "INFO")
        assert told(alice)[before[0] :] == [broken, healed]

    def test_say_nothing_of_a_bound_that_was_switched_off(self, call, account, alice, one):
        self.set(call, CASH="0.3")
        call("get", "policy-checks")
        (policy,) = call("get", "policies")["results"]
        call("patch", f"policies/{policy['id']}", {"enabled": False})
        watch(account_ids=[account.pk], at=at("2024-01-04"))
        assert call("get", "policy-checks")["checks"] == []
        with acting_as(alice.pk):
            assert Notification.objects.filter(user=alice, title__contains="kept again").count() == 0


class TestExamples:
    @pytest.mark.parametrize(("route", "status"), [("targets", 201), ("rebalance", 200)])
    def test_of_the_document_can_be_posted(self, call, one, other, route, status):
        if route == "rebalance":
            plan(call, target(one, "0.5"), target(other, "0.3"))
        operation = orjson.loads(document())["paths"][f"/api/v1/accounts/{{account_id}}/{route}/"]["post"]
        examples = operation["requestBody"]["content"]["application/json"]["examples"]
        assert examples
        for example in examples.values():
            call("post", route, example["value"], status=status)
