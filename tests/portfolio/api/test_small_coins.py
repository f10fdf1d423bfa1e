"""Instruments quoted in pence, agorot or cents: amounts are in pounds, shekels or rand, exactly a hundredth."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from marketdata.models import Instrument
from marketdata.selectors.prices import fx_rates
from tests.accounts.event_logs import bring_in, event, log_of
from tests.clients import browser, program
from tests.factories import make_account, make_instrument, make_user, post, unique_symbol
from tests.portfolio.market import bars, fresh_currencies, rates

D = Decimal


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


def ask(client, account, route, **query):
    response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", query)
    assert response.status_code == 200, response.content
    return response.json()


@pytest.fixture
def share():
    share = make_instrument(currency="GBX")
    bars(share, {"2024-01-02": "1250.5", "2024-01-03": 1300})
    return share


class TestPence:
    @pytest.mark.parametrize(
        "trade",
        [
            {"price": "1250.5", "currency": "GBX", "fee": "500"},
            {"price": "12.505", "currency": "GBP", "fee": "5"},
        ],
    )
    def test_are_pounds_whether_the_cash_was_booked_in_one_or_the_other(self, alice, share, trade):
        account = make_account(owner=alice, base_currency="GBP")
        post(account, "DEPOSIT", cash="2000", currency="GBP", occurred_at=at("2024-01-02"))
        post(account, "BUY", instrument=share, quantity="100", occurred_at=at("2024-01-02"), **trade)
        client = browser(alice)
        summary = ask(client, account, "summary")
        assert (summary["total_value"], summary["cash"], summary["missing"]) == ("2044.5", {"GBP": "744.5"}, [])
        (row,) = ask(client, account, "positions")["results"]
        shown = [
            row[name] for name in ("currency", "market_price", "market_value", "cost_basis", "average_price", "unrealized_gain")
        ]
        assert shown == ["GBP", "13", "1300", "1255.5", "12.555", "44.5"]
        bridge = ask(client, account, "performance")["bridge"]
        assert bridge == {"price": "49.5", "income": "0", "currency": "0", "fees": "5", "taxes": "0", "interest": "0"}
        (lot,) = ask(client, account, "lots")["results"]
        assert (lot["cost"], lot["currency"]) == ("1255.5", "GBP")

    def test_of_a_dividend_and_a_price_by_hand_are_pounds_too(self, alice, share):
        account = make_account(owner=alice, base_currency="GBP")
        post(account, "DEPOSIT", cash="2000", currency="GBP", occurred_at=at("2024-01-02"))
        post(account, "BUY", instrument=share, quantity="100", price="1250.5", currency="GBX", occurred_at=at("2024-01-02"))
        post(account, "DIVIDEND", instrument=share, cash="900", tax="100", currency="GBX", occurred_at=at("2024-01-03"))
        post(account, "VALUATION", instrument=share, price="1400", currency="GBX", occurred_at=at("2024-01-03"))
        (row,) = ask(browser(alice), account, "positions")["results"]
        assert (row["market_price"], row["income"], row["taxes"]) == ("14", "10", "1")
        assert row["gains"]["total"] == "158.5"

    def test_are_converted_by_the_rates_of_the_pound(self, alice, share):
        (home,) = fresh_currencies(1)
        rates("GBP", home, {"2024-01-01": "1.25"})
        account = make_account(owner=alice, base_currency=home)
        post(account, "BUY", instrument=share, quantity="100", price="1250.5", currency="GBX", occurred_at=at("2024-01-02"))
        answer = ask(browser(alice), account, "summary")
        assert (answer["positions_value"], answer["cash"], answer["missing"]) == ("1625", {"GBP": "-1250.5"}, [])
        rows = ask(browser(alice), account, "contributions", currency="GBP")["results"]
        assert rows[0]["end_value"] == "1300"


class TestEntriesWithoutACurrency:
    """A price is in what prices are quoted in; cash alone is money."""

    @pytest.mark.parametrize(
        ("entry", "currency"),
        [
            ({"kind": "BUY", "quantity": "2", "price": "1250.5"}, "GBX"),
            ({"kind": "VALUATION", "price": "1250.5"}, "GBX"),
            ({"kind": "DIVIDEND", "cash": "12.5"}, "GBP"),
        ],
    )
    def test_are_in_pence_or_in_pounds(self, alice, share, entry, currency):
        account = make_account(owner=alice, base_currency="GBP")
        body = {"instrument": share.key, "occurred_at": "2024-01-02T15:00:00Z"} | entry
        answer = browser(alice).post(f"/api/v1/accounts/{account.pk}/entries/", body, content_type="application/json")
        assert (answer.status_code, answer.json().get("currency")) == (201, currency), answer.content

    def test_in_a_file_are_too(self, alice, share):
        account = make_account(owner=alice, base_currency="GBP")
        trade = {"action": "BUY", "ticker": share.key, "shares": 2, "price": 1250.5}
        assert (
            bring_in(account, log_of(event(1, "TRADE", trade), event(2, "DIVIDEND", {"ticker": share.key}, "12.5"))).posted == 2
        )
        summary = ask(browser(alice), account, "summary", as_of="2024-01-02")
        assert summary["cash"] == {"GBP": "-12.51"}


class TestRates:
    def test_of_small_coins_are_exactly_a_hundredth(self):
        (home,) = fresh_currencies(1)
        rates("GBP", home, {"2024-01-02": "1.2345678901"})
        pairs = [("GBX", home), (home, "GBX"), ("GBX", "GBP"), ("GBP", "GBX"), ("GBX", "GBX"), ("ZAC", "ZAR")]
        found = fx_rates(pairs=pairs, start=date(2024, 1, 2), end=date(2024, 1, 3))
        assert found["GBX", home].values == (D("0.012345678901"),)
        assert found["GBX", "GBP"].values == found["ZAC", "ZAR"].values == (D("0.01"),)
        assert (found["GBP", "GBX"].values, found["GBX", "GBX"].values) == ((D(100),), (D(1),))


class TestInstruments:
    @pytest.mark.parametrize(("code", "kept"), [("GBX", "GBX"), ("GBp", "GBX"), ("ILA", "ILA"), ("ZAc", "ZAC"), ("USX", "USX")])
    def test_may_be_quoted_in_small_coins(self, code, kept):
        client = program(make_user("staff", is_staff=True))
        body = {"symbol": unique_symbol(), "exchange": "XTST", "asset_class": "INDEX", "currency": code}
        answer = client.post("/api/v1/instruments/", body, format="json")
        assert (answer.status_code, answer.json()["currency"]) == (201, kept)

    @pytest.mark.parametrize("code", ["GBY", "gbx", "XXX"])
    def test_may_not_be_quoted_in_what_is_no_money(self, code):
        client = program(make_user("staff", is_staff=True))
        body = {"symbol": unique_symbol(), "exchange": "XTST", "asset_class": "INDEX", "currency": code}
        answer = client.post("/api/v1/instruments/", body, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "currency")

    def test_are_in_the_currency_the_coin_is_a_part_of(self):
        assert [Instrument(currency=code).money for code in ("GBX", "ILA", "EUR")] == ["GBP", "ILS", "EUR"]
