"""Dividends and interest: by month, by instrument, beside the cost, and to be expected."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from marketdata.models import CorporateAction
from tests.clients import browser
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

TODAY = date(2024, 6, 30)


def at(day: str | date) -> datetime:
    return datetime.combine(date.fromisoformat(str(day)), datetime.min.time(), UTC) + timedelta(hours=15)


def dividend(instrument, ex: str, cash: str, *, pay: str | None = None, currency: str = "USD", label: str = "") -> None:
    CorporateAction.objects.using("owner").create(
        instrument=instrument,
        kind="CASH_DIVIDEND",
        ex_date=ex,
        pay_date=pay,
        cash=Decimal(cash),
        currency=currency,
        label=label,
        recorded_at=at("2024-06-01"),
    )


def split(instrument, ex: str, ratio: str) -> None:
    CorporateAction.objects.using("owner").create(
        instrument=instrument, kind="SPLIT", ex_date=ex, ratio=Decimal(ratio), recorded_at=at("2024-06-01")
    )


@pytest.fixture
def share(account):
    """Return an instrument of which Alice holds 20, at a cost of 2,000, and that paid her twice."""
    share = make_instrument()
    bars(share, {"2023-01-02": 100, "2024-06-28": 120})
    post(account, "DEPOSIT", cash="5000", occurred_at=at("2023-01-02"))
    post(account, "BUY", instrument=share, quantity="20", price="100", occurred_at=at("2023-01-02"))
    post(account, "DIVIDEND", instrument=share, cash="85", tax="15", occurred_at=at("2023-03-01"))
    post(account, "DIVIDEND", instrument=share, cash="34", tax="5", fee="1", occurred_at=at("2024-03-01"))
    post(account, "INTEREST", cash="7", occurred_at=at("2024-03-20"))
    return share


@pytest.fixture
def ask(alice, account):
    """Return a way for Alice to ask."""
    client = browser(alice)

    def get(status: int = 200, **query: str):
        response = client.get(f"/api/v1/accounts/{account.pk}/income/", {"as_of": TODAY.isoformat()} | query)
        assert response.status_code == status, response.content
        return response.json()

    return get


class TestReceived:
    def test_adds_up_by_month_and_by_instrument(self, ask, share):
        found = ask()
        assert found["total"] == {
            "gross": "147", "tax": "20", "fee": "1", "net": "126", "dividends": "140", "interest": "7",
            "staking": "0", "payments": 3,
        }  # fmt: skip
        assert [(month["month"], month["gross"], month["interest"]) for month in found["months"]] == [
            ("2023-03", "100", "0"),
            ("2024-03", "47", "7"),
        ]
        (row,) = found["instruments"]
        assert (row["instrument"], row["gross"], row["net"], row["payments"]) == (share.key, "140", "119", 2)

    def test_of_a_period_is_half_open(self, ask, share):
        assert ask(start="2023-03-01", end="2024-03-01")["total"]["gross"] == "100"
        assert ask(start="2024-03-01", end="2024-03-20")["total"]["gross"] == "40"

    def test_yield_is_that_of_the_last_year_on_the_cost_of_what_is_held(self, ask, share):
        found = ask()
        assert (found["last_year"], found["cost"], found["yield_on_cost"]) == ("40", "2000", "0.02")
        assert found["instruments"][0]["yield_on_cost"] == "0.02"

    def test_what_was_taken_back_is_not_there(self, ask, share, account, alice):
        wrong = post(account, "DIVIDEND", instrument=share, cash="500", occurred_at=at("2024-04-01"))
        assert ask()["total"]["gross"] == "647"
        with acting_as(alice.pk):
            reverse_entry(entry=wrong, actor=alice)
        assert ask()["total"]["gross"] == "147"

    def test_of_a_past_day_knows_nothing_later(self, ask, share):
        found = ask(as_of="2023-12-31")
        assert (found["total"]["gross"], found["yield_on_cost"]) == ("100", "0.05")

    def test_payments_in_another_currency_count_at_their_rate(self, ask, share, account):
        (other,) = fresh_currencies(1)
        rates(other, "USD", {"2024-05-01": "2"})
        post(account, "INTEREST", cash="10", currency=other, occurred_at=at("2024-05-02"))
        post(account, "INTEREST", cash="10", currency=other, data={"fx_rate": "3"}, occurred_at=at("2024-05-03"))
        assert ask(start="2024-05-01")["total"]["interest"] == "50"

    def test_without_a_rate_a_payment_is_left_out_and_named(self, ask, share, account):
        (other,) = fresh_currencies(1)
        post(account, "INTEREST", cash="10", currency=other, occurred_at=at("2024-05-02"))
        found = ask()
        assert (found["total"]["gross"], found["missing"]) == ("147", [f"{other}/USD"])

    def test_where_nothing_is_held_there_is_no_yield(self, ask, share, account):
        post(account, "SELL", instrument=share, quantity="-20", price="120", occurred_at=at("2024-06-28"))
        found = ask()
        assert (found["yield_on_cost"], found["cost"]) == (None, "0")
        assert found["reasons"]["yield_on_cost"] == "Nothing is held that cost anything."

    def test_of_an_empty_account_is_nothing(self, alice):
        empty = make_account(owner=alice)
        found = browser(alice).get(f"/api/v1/accounts/{empty.pk}/income/").json()
        assert (found["total"]["payments"], found["months"], found["forecast"]["payments"]) == (0, [], [])

    @pytest.mark.parametrize("query", [{"start": "soon"}, {"start": "2024-02-01", "end": "2024-01-01"}, {"currency": "XYZ"}])
    def test_refuses_what_it_does_not_understand(self, ask, share, query):
        assert ask(400, **query)["errors"][0]["field"] in query


class TestOtherIncome:
    """Units and capital that came in: with dividends and interest they are what the value bridge says."""

    def bridge(self, alice, account):
        found = browser(alice).get(f"/api/v1/accounts/{account.pk}/performance/").json()["bridge"]
        return Decimal(found["income"]) + Decimal(found["interest"])

    def test_staking_rewards_count_at_what_they_were_worth_when_they_came(self, ask, share, account, alice):
        post(account, "STAKING", instrument=share, quantity="2", occurred_at=at("2024-06-28"))  # at 120
        post(account, "STAKING", instrument=share, quantity="1", price="50", occurred_at=at("2024-06-28"))
        post(account, "DIVIDEND", instrument=share, cash="23", occurred_at=at("2024-06-28"))
        found = ask()
        assert (found["total"]["staking"], found["total"]["dividends"], found["total"]["gross"]) == ("290", "163", "460")
        assert (found["total"]["payments"], found["total"]["net"]) == (6, "439")
        assert (found["months"][-1]["month"], found["months"][-1]["staking"]) == ("2024-06", "290")
        assert found["instruments"][0]["last_year"] == "353"
        assert Decimal(found["total"]["gross"]) == self.bridge(alice, account)

    def test_what_was_charged_for_rewards_is_taken_off(self, ask, share, account, alice):
        post(
            account,
            "STAKING",
            instrument=share,
            quantity="1",
            price="50",
            fee="3",
            tax="1",
            occurred_at=at("2024-06-28"),
        )
        found = ask(start="2024-06-01")["total"]
        assert (found["gross"], found["fee"], found["tax"], found["net"], found["payments"]) == ("50", "3", "1", "46", 1)

    def test_rewards_taken_back_or_of_unknown_worth_are_left_out_and_the_latter_named(self, ask, share, account, alice):
        gone = post(account, "STAKING", instrument=share, quantity="1", price="50", occurred_at=at("2024-06-28"))
        with acting_as(alice.pk):
            reverse_entry(entry=gone, actor=alice)
        unknown = make_instrument()
        post(account, "STAKING", instrument=unknown, quantity="1", occurred_at=at("2024-06-28"))
        found = ask()
        assert (found["total"]["staking"], found["total"]["payments"]) == ("0", 3)
        assert found["missing"] == [unknown.key]

    def test_rewards_in_another_currency_count_at_the_rate_of_the_day(self, ask, share, account, alice):
        (other,) = fresh_currencies(1)
        rates(other, "USD", {"2024-06-01": "2"})
        coin = make_instrument(currency=other, asset_class="CRYPTO", exchange="CRYPTO")
        post(account, "STAKING", instrument=coin, quantity="3", price="5", currency=other, occurred_at=at("2024-06-28"))
        assert ask()["total"]["staking"] == "30"
        assert Decimal(ask()["total"]["gross"]) == self.bridge(alice, account)

    def test_capital_returned_of_what_is_not_held_is_income(self, ask, share, account, alice):
        post(account, "SELL", instrument=share, quantity="-20", price="120", occurred_at=at("2024-06-27"))
        post(account, "RETURN_OF_CAPITAL", instrument=share, cash="9", occurred_at=at("2024-06-28"))
        assert ask()["total"]["dividends"] == "149"
        assert Decimal(ask()["total"]["gross"]) == self.bridge(alice, account)

    def test_cash_that_stands_for_no_units_is_income_before_what_was_held_back(self, ask, share, account, alice):
        """Beside a split that leaves no fraction, beside units spun off without a ratio, and of capital after all was sold."""
        child, spun = make_instrument(), {"from": share.key, "cost_fraction": "0.1"}
        post(account, "SPLIT", instrument=share, cash="4", tax="1", data={"ratio": "2:1"}, occurred_at=at("2024-06-24"))
        post(account, "SPIN_OFF", instrument=child, quantity="5", cash="2.5", data=spun, occurred_at=at("2024-06-25"))
        post(account, "SELL", instrument=share, quantity="-40", price="60", occurred_at=at("2024-06-27"))
        capital = {"instrument": share, "cash": "17", "tax": "2", "fee": "1"}
        post(account, "RETURN_OF_CAPITAL", occurred_at=at("2024-06-28"), **capital)
        found = ask(start="2024-06-01")["total"]
        assert (found["gross"], found["dividends"], found["payments"]) == ("27.5", "27.5", 3)
        assert (found["tax"], found["fee"], found["net"]) == ("3", "1", "23.5")
        assert Decimal(ask()["total"]["gross"]) == self.bridge(alice, account)

    def test_cash_for_units_is_none(self, ask, share, account, alice):
        """A fraction that was sold, and capital that lowers a cost, are in gains and costs."""
        post(account, "SPLIT", instrument=share, cash="60", data={"ratio": "41:40"}, occurred_at=at("2024-06-24"))
        post(account, "RETURN_OF_CAPITAL", instrument=share, cash="17", tax="2", fee="1", occurred_at=at("2024-06-28"))
        assert (ask(start="2024-06-01")["total"]["payments"], ask()["total"]["gross"]) == (0, "147")
        assert Decimal(ask()["total"]["gross"]) == self.bridge(alice, account)

    def test_gross_is_what_the_entry_states(self, ask, share, account, alice):
        post(
            account,
            "DIVIDEND",
            instrument=share,
            cash="84.99",
            tax="15",
            data={"gross": "100", "rounding": "theirs"},
            occurred_at=at("2024-06-28"),
        )
        found = ask(start="2024-06-01")["total"]
        assert (found["gross"], found["net"]) == ("100", "84.99")

    def test_pence_are_parts_of_pounds(self, alice):
        account, london = make_account(owner=alice, base_currency="GBP"), make_instrument(currency="GBX")
        bars(london, {"2024-06-03": 500})
        post(account, "BUY", instrument=london, currency="GBX", quantity="10", price="500", occurred_at=at("2024-06-03"))
        post(account, "DIVIDEND", instrument=london, currency="GBX", cash="850", tax="150", occurred_at=at("2024-06-05"))
        found = browser(alice).get(f"/api/v1/accounts/{account.pk}/income/", {"as_of": "2024-06-30"}).json()
        assert (found["total"]["gross"], found["total"]["tax"], found["yield_on_cost"]) == ("10", "1.5", "0.2")
        assert (found["missing"], found["reasons"]) == ([], {})
        (row,) = found["forecast"]["payments"]
        assert (row["currency"], row["per_unit"], row["gross"]) == ("GBP", "1", "10")

    def test_a_cost_without_a_rate_yields_nothing_and_says_why(self, ask, share, account):
        (other,) = fresh_currencies(1)
        abroad = make_instrument(currency=other)
        post(account, "BUY", instrument=abroad, currency=other, quantity="1", price="100", occurred_at=at("2024-06-03"))
        post(account, "DIVIDEND", instrument=abroad, cash="10", occurred_at=at("2024-06-05"))
        found = ask()
        assert (found["last_year"], found["yield_on_cost"]) == ("40", "0.02")
        assert found["reasons"] == {f"yield_on_cost {abroad.key}": "A rate into the currency is missing."}


class TestForecast:
    def coming(self, found):
        return [(row["date"], row["gross"], row["basis"]) for row in found["forecast"]["payments"]]

    def test_repeats_what_was_received_where_nothing_was_declared(self, ask, share):
        found = ask()
        assert self.coming(found) == [("2025-03-01", "40", "received")]
        assert found["forecast"] | {"payments": []} == {
            "gross": "40",
            "declared": "0",
            "months": {"2025-03": "40"},
            "payments": [],
        }

    def test_is_of_what_is_held_now(self, ask, share, account):
        post(account, "BUY", instrument=share, quantity="20", price="120", occurred_at=at("2024-06-28"))
        (row,) = ask()["forecast"]["payments"]
        assert (row["per_unit"], row["quantity"], row["gross"]) == ("2", "40", "80")

    def test_takes_declared_dividends_over_those_received(self, ask, share):
        dividend(share, "2023-09-10", "3", pay="2023-09-20")
        dividend(share, "2024-09-05", "4", pay="2024-09-15")  # instead of the one of last September
        dividend(share, "2023-12-10", "1", pay="2023-12-20")
        assert self.coming(ask()) == [("2024-09-15", "80", "declared"), ("2024-12-19", "20", "last_year")]

    def test_what_is_on_its_way_goes_to_who_held_it_before_the_ex_date(self, ask, share, account):
        dividend(share, "2024-06-25", "1", pay="2024-07-10")
        post(account, "BUY", instrument=share, quantity="20", price="120", occurred_at=at("2024-06-26"))
        assert self.coming(ask())[0] == ("2024-07-10", "20", "declared")

    def test_a_special_dividend_does_not_come_again(self, ask, share):
        dividend(share, "2024-02-10", "50", label="special")
        assert self.coming(ask()) == []

    def test_a_split_since_then_makes_each_unit_pay_less(self, ask, share, account):
        dividend(share, "2024-02-10", "3")
        split(share, "2024-04-01", "3")
        post(account, "SPLIT", instrument=share, data={"ratio": "3:1"}, occurred_at=at("2024-04-01"))
        (row,) = ask()["forecast"]["payments"]
        assert (row["per_unit"], row["quantity"], row["gross"]) == ("1", "60", "60")

    def test_a_split_after_the_ex_date_changes_nothing_of_what_is_on_its_way(self, ask, share, account):
        dividend(share, "2024-06-20", "3", pay="2024-07-10")
        split(share, "2024-06-25", "2")
        post(account, "SPLIT", instrument=share, data={"ratio": "2:1"}, occurred_at=at("2024-06-25"))
        row = ask()["forecast"]["payments"][0]
        assert (row["per_unit"], row["quantity"], row["gross"], row["basis"]) == ("3", "20", "60", "declared")

    def test_a_split_on_the_ex_date_comes_after_the_dividend(self, ask, share, account):
        """As it does for what is proposed: the units are those held the day before."""
        dividend(share, "2024-02-10", "3")
        split(share, "2024-02-10", "3")
        post(account, "SPLIT", instrument=share, data={"ratio": "3:1"}, occurred_at=at("2024-02-10"))
        (row,) = ask()["forecast"]["payments"]
        assert (row["per_unit"], row["quantity"], row["gross"]) == ("1", "60", "60")

    def test_a_split_to_come_makes_more_units_of_what_is_declared_after_it_alone(self, ask, share):
        dividend(share, "2024-02-10", "3")
        dividend(share, "2024-09-05", "1")
        split(share, "2024-08-01", "4")
        found = ask()["forecast"]["payments"]
        assert [(row["quantity"], row["per_unit"], row["gross"]) for row in found] == [("80", "1", "80"), ("20", "3", "60")]

    def test_of_a_past_day_knows_nothing_of_later_splits(self, ask, share, account):
        dividend(share, "2023-02-10", "3")
        split(share, "2024-04-01", "3")
        (row,) = ask(as_of="2023-06-30")["forecast"]["payments"]
        assert (row["per_unit"], row["quantity"], row["gross"]) == ("3", "20", "60")

    def test_of_what_is_no_longer_held_nothing_is_expected(self, ask, share, account):
        post(account, "SELL", instrument=share, quantity="-20", price="120", occurred_at=at("2024-06-28"))
        assert self.coming(ask()) == []

    def test_in_another_currency_is_converted_at_the_last_rate_if_there_is_one(self, ask, share):
        (other,) = fresh_currencies(1)
        dividend(share, "2024-09-05", "4", currency=other)
        found = ask()
        assert (found["forecast"]["payments"][0]["gross_in_currency"], found["missing"]) == (None, [f"{other}/USD"])
        assert found["reasons"]["gross_in_currency"] == "A rate into the currency is missing."
        rates(other, "USD", {"2024-05-01": "2"})
        assert ask()["forecast"]["payments"][0]["gross_in_currency"] == "160"
