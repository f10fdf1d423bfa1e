"""Figures in other currencies, the bridge of a period and what each position contributed to it, by REST."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from tests.clients import browser
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

D = Decimal


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def world(alice):
    """Return an account in one currency that holds shares quoted in another, and both kinds of cash."""
    home, abroad, third = fresh_currencies(3)
    account = make_account(owner=alice, base_currency=home)
    domestic, foreign = make_instrument(currency=home), make_instrument(currency=abroad)
    bars(domestic, {"2024-01-02": 100, "2024-01-03": 104, "2024-01-04": 103})
    bars(foreign, {"2024-01-02": 50, "2024-01-03": 55, "2024-01-04": 54})
    rates(abroad, home, {"2024-01-01": "1.2", "2024-01-03": "1.3", "2024-01-04": "1.25"})
    rates(home, third, {"2024-01-01": 2, "2024-01-03": "2.5", "2024-01-04": "2.2"})
    common = {"account": account}
    for row in (
        {"kind": "DEPOSIT", "cash": "5000", "currency": home, "occurred_at": at("2024-01-01")},
        {"kind": "DEPOSIT", "cash": "1000", "currency": abroad, "occurred_at": at("2024-01-01"), "data": {"fx_rate": "1.19"}},
        {"kind": "BUY", "instrument": domestic, "quantity": "10", "price": "100", "fee": "3", "tax": "2", "currency": home},
        {"kind": "BUY", "instrument": foreign, "quantity": "10", "price": "50", "fee": "1", "currency": abroad},
        {"kind": "DIVIDEND", "instrument": foreign, "cash": "17", "tax": "3", "currency": abroad,
         "occurred_at": at("2024-01-03")},
        {"kind": "INTEREST", "cash": "4", "currency": home, "occurred_at": at("2024-01-03")},
        {"kind": "FEE", "cash": "-6", "currency": home, "occurred_at": at("2024-01-04")},
        {"kind": "SELL", "instrument": domestic, "quantity": "-5", "price": "103", "fee": "1", "currency": home,
         "occurred_at": at("2024-01-04")},
    ):  # fmt: skip
        post(**common | {"occurred_at": at("2024-01-02")} | row)
    client = browser(alice)

    def get(route, status=200, **query):
        response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", query)
        assert response.status_code == status, response.content
        return response.json()

    return SimpleNamespace(
        get=get, account=account, home=home, abroad=abroad, third=third, domestic=domestic, foreign=foreign, alice=alice
    )


def closes(answer):
    """Say whether the bridge of an answer leads from its start value to its end value."""
    bridge = {name: D(value) for name, value in answer["bridge"].items()}
    gain = sum(bridge.values()) - 2 * (bridge["fees"] + bridge["taxes"])
    assert gain == D(answer["gain"])
    return D(answer["start_value"]) + D(answer["net_flows"]) + gain == D(answer["end_value"])


class TestBridge:
    def test_tells_every_cause(self, world):
        answer = world.get("performance")
        assert closes(answer)
        assert {name: D(value) for name, value in answer["bridge"].items()} == {
            "price": 30 + 65 - D("12.5"),  # 10 x 4 - 10 x 1 at home; 10 x 5 at 1.3 and 10 x -1 at 1.25 abroad
            "income": 26,  # 20 at 1.3, before taxes
            "interest": 4,
            "fees": 3 + D("1.2") + 6 + 1,
            "taxes": 2 + D("3.9"),
            # 10 on the way in; 999 abroad from 1.2 to 1.3; then 1066, with 550 in shares, to 1.25
            "currency": D(10) + D("99.9") - D("53.3"),
        }

    @pytest.mark.parametrize("start", [None, "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"])
    @pytest.mark.parametrize("end", [None, "2024-01-05", "2024-01-04"])
    @pytest.mark.parametrize("currency", ["home", "abroad", "third"])
    def test_closes_for_every_period_and_in_every_currency(self, world, start, end, currency):
        if start and end and start >= end:
            return
        query = {name: value for name, value in (("start", start), ("end", end)) if value}
        answer = world.get("performance", currency=getattr(world, currency), **query)
        assert answer["currency"] == getattr(world, currency)
        assert closes(answer)

    def test_in_the_past_closes_too(self, world):
        assert closes(world.get("performance", as_of="2024-01-03"))


class TestCurrency:
    def test_of_the_account_is_the_default(self, world):
        assert world.get("summary") == world.get("summary", currency="account") == world.get("summary", currency=world.home)

    def test_converts_each_day_at_its_rate(self, world):
        own = world.get("snapshots")["results"]
        other = world.get("snapshots", currency=world.third)["results"]
        by_day = {"2024-01-01": 2, "2024-01-02": 2, "2024-01-03": D("2.5"), "2024-01-04": D("2.2")}
        for row, converted in zip(own, other, strict=True):
            assert D(converted["total_value"]) == D(row["total_value"]) * by_day[row["date"]]
            assert D(converted["fees"]) == D(row["fees"]) * by_day[row["date"]]
        summary = world.get("summary", currency=world.third)
        assert (summary["currency"], summary["total_value"]) == (world.third, other[-1]["total_value"])
        # what flowed in counts at the rate of its day
        assert D(summary["net_deposits"]) == (5000 + D("1190")) * 2
        assert D(summary["twr"]) == round(D(other[-1]["twr_index"]) - 1, 12)

    def test_returns_have_the_move_of_the_currency_in_them(self, world):
        own, other = world.get("performance", end="2024-01-04"), world.get("performance", end="2024-01-04", currency=world.third)
        # day by day: (end + outflows) / (start + inflows) - 1 of what the values are there
        assert D(other["twr"]) > D(own["twr"]) + D("0.2")

    def test_of_the_user_is_that_of_who_asks(self, world):
        world.alice.base_currency = world.third
        world.alice.save()
        assert world.get("summary", currency="user")["currency"] == world.third

    def test_without_a_rate_is_null_with_a_reason_and_never_one(self, world):
        (unknown,) = fresh_currencies(1)
        summary = world.get("summary", currency=unknown)
        pair = f"{world.home}/{unknown}"
        assert (summary["total_value"], summary["gain"], summary["twr"]) == (None, None, None)
        assert (summary["missing"], summary["reasons"]["total_value"]) == (
            [pair],
            f"No rate of {pair} is known on 2024-01-01, or before.",
        )
        answer = world.get("performance", currency=unknown)
        assert (answer["end_value"], answer["bridge"], answer["missing"]) == (None, None, [pair])
        assert answer["reasons"]["twr"].startswith(f"No rate of {pair}")
        assert {row["total_value"] for row in world.get("snapshots", currency=unknown)["results"]} == {None}
        assert world.get("contributions", currency=unknown)["gain"] is None

    def test_known_from_some_day_on_shows_the_days_since(self, world):
        (late,) = fresh_currencies(1)
        rates(world.home, late, {"2024-01-03": 3})
        rows = world.get("snapshots", currency=late)["results"]
        assert [row["total_value"] is None for row in rows] == [True, True, False, False]
        summary = world.get("summary", currency=late)
        assert summary["total_value"] == rows[-1]["total_value"]
        assert (summary["gain"], summary["twr"]) == (None, None)
        assert closes(world.get("performance", start="2024-01-04", currency=late))

    @pytest.mark.parametrize("code", ["usd", "XXX", "instrument", "EURO"])
    def test_that_is_none_is_refused(self, world, code):
        answer = world.get("summary", 400, currency=code)
        assert answer["errors"][0]["field"] == "currency"


class TestContributions:
    @pytest.mark.parametrize(
        "query", [{}, {"start": "2024-01-03"}, {"end": "2024-01-04"}, {"start": "2024-01-03", "end": "2024-01-04"}]
    )
    @pytest.mark.parametrize("currency", ["home", "abroad", "third"])
    def test_add_up_to_the_gain_of_the_account_cause_by_cause(self, world, query, currency):
        query = query | {"currency": getattr(world, currency)}
        answer, whole = world.get("contributions", **query), world.get("performance", **query)
        assert sum(D(row["gain"]) for row in answer["results"]) == D(whole["gain"]) == D(answer["gain"])
        for cause, name in (("price", "price_gain"), ("currency", "currency_gain"), ("fees", "fees"), ("income", "income")):
            assert sum(D(row[name]) for row in answer["results"]) == D(whole["bridge"][cause])
        for row in answer["results"][:-1]:
            paid = D(row["end_value"]) - D(row["start_value"]) - D(row["paid_in"]) + D(row["paid_out"])
            assert D(row["gain"]) == paid + D(row["income"]) + D(row["interest"]) - D(row["fees"]) - D(row["taxes"])

    def test_tell_each_position_and_the_account_itself(self, world):
        rows = {row["instrument"]: row for row in world.get("contributions")["results"]}
        home, abroad, own = rows[world.domestic.key], rows[world.foreign.key], rows[None]
        assert (home["paid_in"], home["paid_out"], home["end_value"], home["price_gain"]) == ("1000", "515", "515", "30")
        assert (home["fees"], home["taxes"], home["currency_gain"], home["gain"]) == ("4", "2", "0", "24")
        # 500 at 1.2 became 540 at 1.25: prices made 65 - 12.5, the rate the rest
        assert (abroad["paid_in"], abroad["end_value"], abroad["price_gain"]) == ("600", "675", "52.5")
        assert (abroad["currency_gain"], abroad["income"], abroad["taxes"], abroad["fees"]) == ("22.5", "26", "3.9", "1.2")
        assert (own["interest"], own["fees"], own["price_gain"]) == ("4", "6", "0")
        assert D(home["contribution"]) == round(D(24) / D(6190), 12)

    def test_in_the_past_are_those_of_then(self, world):
        then, now = world.get("contributions", as_of="2024-01-03"), world.get("contributions", end="2024-01-04")
        assert then["results"] == now["results"]

    def test_of_an_empty_account_are_none(self, alice):
        empty = make_account(owner=alice)
        answer = browser(alice).get(f"/api/v1/accounts/{empty.pk}/contributions/").json()
        assert (answer["results"], answer["gain"], answer["reasons"]) == ([], None, {"gain": "No day of the period was valued."})


class TestPositions:
    def row(self, world, **query):
        return next(row for row in world.get("positions", **query)["results"] if row["instrument"] == world.foreign.key)

    def test_are_in_the_instruments_currency_unless_asked_for_in_another(self, world):
        own = self.row(world)
        assert own == self.row(world, currency="instrument")
        assert (own["currency"], own["market_value"], own["cost_basis"], own["income"]) == (world.abroad, "540", "501", "20")
        assert own["gains_currency"] == world.home

    def test_tell_what_prices_income_and_currencies_made(self, world):
        gains = self.row(world)["gains"]
        assert gains == {
            "price": "52.5",
            "income": "26",
            "currency": "22.5",
            "interest": "0",
            "fees": "1.2",
            "taxes": "3.9",
            "total": "95.9",
        }

    def test_in_the_accounts_currency_cost_what_the_day_said(self, world):
        row = self.row(world, currency="account")
        assert (row["currency"], row["market_price"], row["market_value"]) == (world.home, "67.5", "675")
        assert (row["cost_basis"], row["unrealized_gain"], row["income"]) == ("601.2", "73.8", "26")
        assert D(row["unrealized_gain"]) + D(row["income"]) - D(row["taxes"]) == D(row["gains"]["total"])

    def test_cost_what_the_entry_says_where_it_states_a_rate(self, world):
        post(
            world.account, "BUY", instrument=world.foreign, quantity="2", price="50", currency=world.abroad,
            occurred_at=at("2024-01-04"), data={"fx_rate": "1.3"},
        )  # fmt: skip
        assert self.row(world, currency=world.home)["cost_basis"] == "731.2"

    def test_realize_what_was_paid_and_received_at_the_rates_of_those_days(self, world):
        sale = {"instrument": world.foreign, "quantity": "-10", "price": "54", "currency": world.abroad}
        post(world.account, "SELL", occurred_at=at("2024-01-04"), **sale)
        rows = world.get("positions", state="closed", currency=world.home)["results"]
        assert rows[0]["realized_gain"] == "73.8"

    def test_without_a_rate_are_null(self, world):
        (unknown,) = fresh_currencies(1)
        row = self.row(world, currency=unknown)
        figures = ("market_value", "cost_basis", "income", "day_gain", "gains", "unrealized_gain", "average_price")
        assert {row[name] for name in figures} == {None}


class TestLots:
    def test_cost_what_their_days_said(self, world):
        query = {"instrument": world.foreign.key}
        (own,), (home,) = (world.get("lots", **query, **more)["results"] for more in ({}, {"currency": "account"}))
        assert (own["cost"], own["currency"]) == ("501", world.abroad)
        assert (home["cost"], home["currency"]) == ("601.2", world.home)
        assert own | {"cost": 0, "currency": 0} == home | {"cost": 0, "currency": 0}

    def test_closed_were_paid_and_received_at_the_rates_of_their_days(self, world):
        sale = {"instrument": world.foreign, "quantity": "-10", "price": "54", "currency": world.abroad}
        post(world.account, "SELL", occurred_at=at("2024-01-04"), **sale)
        (row,) = world.get("closures", instrument=world.foreign.key, currency=world.home)["results"]
        shown = [row[name] for name in ("cost", "proceeds", "gain", "taxable_gain", "currency")]
        assert shown == ["601.2", "675", "73.8", "73.8", world.home]

    def test_without_a_rate_are_null(self, world):
        (unknown,) = fresh_currencies(1)
        assert {row["cost"] for row in world.get("lots", currency=unknown)["results"]} == {None}
