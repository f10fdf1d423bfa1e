"""Performance at its edges: one day, no day, nothing but cash, everything lost, everything still."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, post
from tests.portfolio.market import bars


def at(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=15)


class TestEdges:
    """What is not defined is null with a reason, on every route, and nothing is ever NaN or infinite (`asked` sees to it)."""

    @pytest.fixture
    def bare(self):
        """Return a person and an account without entries."""
        owner = make_user("edges")
        return owner, make_account(owner=owner)

    def share(self, *closes, start=date(2024, 1, 2)):
        share = make_instrument()
        bars(share, {(start + timedelta(n)).isoformat(): close for n, close in enumerate(closes)})
        return share

    def open(self, account, share, cash="1000", quantity="10", price="100"):
        post(account, "DEPOSIT", cash=cash, occurred_at=at(date(2024, 1, 2)))
        post(account, "BUY", instrument=share, quantity=quantity, price=price, occurred_at=at(date(2024, 1, 2)))

    def asked(self, bare, **query):
        owner, account = bare
        client, found = browser(owner), {}
        for route in ("performance", "drawdowns", "monthly-returns", "rolling", "contributions", "income"):
            asked = query | ({"window": "2"} if route == "rolling" else {})
            response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", asked)
            assert response.status_code == 200, response.content
            assert not any(word in response.content for word in (b"NaN", b"Infinity", b"E+", b"E-"))
            found[route] = response.json()
        whole = found["performance"]
        nulls = {name for name, value in whole.items() if value is None} - {"explanation"}
        assert nulls == {name for name in whole["reasons"] if name in whole and whole[name] is None}
        return found

    def test_an_account_that_stands_still_has_no_volatility_and_no_ratio(self, bare):
        self.open(bare[1], self.share(100, 100, 100, 100))
        found = self.asked(bare)["performance"]
        zero = ("twr", "xirr", "volatility", "semi_deviation", "var_95", "cvar_95", "max_drawdown", "simple_return")
        assert {found[name] for name in zero} == {"0"}
        assert found["reasons"]["sharpe"] == "The returns don't vary."
        assert found["reasons"]["sortino"] == found["reasons"]["omega"] == "No return fell short."
        assert found["reasons"]["calmar"] == "There was no drawdown."

    def test_returns_that_are_all_the_same_have_no_sharpe(self, bare):
        """What the rounding of amounts leaves of their differences is none."""
        share = self.share(*(round(100 * 1.0001**n, 8) for n in range(12)))
        post(bare[1], "TRANSFER_IN", instrument=share, quantity="3.333333333333", occurred_at=at(date(2024, 1, 2)))
        found = self.asked(bare)["performance"]
        assert float(found["volatility"]) < 1e-7
        assert (found["sharpe"], found["reasons"]["sharpe"]) == (None, "The returns don't vary.")

    def test_a_single_day(self, bare):
        self.open(bare[1], self.share(100, 101, 103))
        found = self.asked(bare, start="2024-01-03", end="2024-01-04")
        whole = found["performance"]
        assert (whole["start_value"], whole["end_value"], whole["twr"]) == ("1000", "1010", "0.01")
        assert float(whole["twr_annualized"]) == pytest.approx(1.01**365 - 1)
        assert whole["xirr"] == whole["twr_annualized"]
        assert whole["reasons"]["volatility"] == "Fewer than three days with new prices."
        assert (found["rolling"]["results"], found["monthly-returns"]["total"]) == ([], "0.01")

    @pytest.mark.parametrize("query", [{"start": "2020-01-03", "end": "2021-01-04"}, {"start": "2030-01-01"}])
    def test_a_period_without_days(self, bare, query):
        self.open(bare[1], self.share(100, 101))
        found = self.asked(bare, **query)
        assert set(found["performance"]["reasons"].values()) >= {"No day of the period was valued."}
        assert (found["drawdowns"]["results"], found["monthly-returns"]["years"], found["contributions"]["results"]) == (
            [],
            [],
            [],
        )

    def test_a_period_that_begins_before_the_account_does(self, bare):
        self.open(bare[1], self.share(100, 101, 103))
        before, whole = self.asked(bare, start="1999-01-01")["performance"], self.asked(bare)["performance"]
        assert before == whole

    def test_nothing_at_all(self, bare):
        found = self.asked(bare)
        assert found["performance"]["reasons"]["start"] == "No day of the period was valued."
        assert found["rolling"]["results"] == []

    def test_nothing_but_cash(self, bare):
        post(bare[1], "DEPOSIT", cash="1000", occurred_at=at(date(2024, 1, 2)))
        post(bare[1], "DEPOSIT", cash="1000", occurred_at=at(date(2024, 3, 2)))
        found = self.asked(bare)["performance"]
        assert (found["twr"], found["xirr"], found["end_value"]) == ("0", "0", "2000")
        assert found["reasons"]["volatility"] == "Fewer than three days with new prices."

    def test_a_total_loss(self, bare):
        _, account = bare
        share = self.share(100, 50, "0.01", "0.01")
        self.open(account, share)
        day = date(2024, 1, 5)
        post(account, "SELL", instrument=share, quantity="-10", price="0.01", fee="0.1", occurred_at=at(day))
        found = self.asked(bare)
        whole = found["performance"]
        assert (whole["twr"], whole["max_drawdown"], whole["simple_return"], whole["calmar"]) == ("-1", "-1", "-1", "-1")
        assert whole["reasons"]["xirr"] == "Money only went in, or only came out."
        assert whole["reasons"]["volatility"] == whole["reasons"]["sharpe"] == "All was lost in the period."
        assert found["rolling"]["reasons"]["results"] == "All was lost: there are no returns to look at."
        assert found["drawdowns"]["results"][0]["recovered"] is None
        post(account, "DEPOSIT", cash="10", occurred_at=at(day + timedelta(3)))
        later = self.asked(bare, start="2024-01-06")["performance"]
        assert (later["twr"], later["end_value"]) == (None, "10")
        assert later["reasons"]["twr"] == "All had been lost before the period."

    def test_an_account_that_owes_more_than_it_has(self, bare):
        post(bare[1], "WITHDRAWAL", cash="-100", occurred_at=at(date(2024, 1, 2)))
        found = self.asked(bare)["performance"]
        assert (found["end_value"], found["twr"]) == ("-100", "0")
        assert found["reasons"]["simple_return"] == "Nothing was there at the start and nothing was put in."

    def test_falls_that_are_equal_come_in_their_order_and_the_last_is_open(self, bare):
        self.open(bare[1], self.share(100, 90, 100, 90, 100, 100, 90))
        found = self.asked(bare)["drawdowns"]["results"]
        assert [
            (fall["depth"], fall["peak"], fall["start"], fall["trough"], fall["recovered"], fall["days"]) for fall in found
        ] == [
            ("-0.1", "2024-01-02", "2024-01-03", "2024-01-03", "2024-01-04", 2),
            ("-0.1", "2024-01-04", "2024-01-05", "2024-01-05", "2024-01-06", 2),
            ("-0.1", "2024-01-06", "2024-01-08", "2024-01-08", None, 2),
        ]
        assert [fall["days_to_recovery"] for fall in found] == [1, 1, None]
