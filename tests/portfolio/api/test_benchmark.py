"""An account beside a benchmark, and the tables of its returns: checked against empyrical and numbers worked out by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import empyrical
import numpy as np
import pytest

from marketdata.models import CorporateAction
from tests.clients import browser
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

DAYS = [date(2024, 1, 1) + timedelta(n) for n in range(60)]
OURS = [round(100 * (1 + 0.002 * n + 0.03 * ((n * 7) % 5 - 2)), 2) for n in range(60)]
THEIRS = [round(50 * (1 + 0.001 * n + 0.02 * ((n * 7) % 5 - 2) + 0.005 * (n % 3)), 2) for n in range(60)]


def at(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=15)


@pytest.fixture
def share(account):
    """Return what Alice put all her money in, at the close of the first day."""
    share = make_instrument()
    bars(share, {day.isoformat(): close for day, close in zip(DAYS, OURS, strict=True)})
    post(account, "DEPOSIT", cash=str(OURS[0] * 100), occurred_at=at(DAYS[0]))
    post(account, "BUY", instrument=share, quantity="100", price=str(OURS[0]), occurred_at=at(DAYS[0]))
    return share


@pytest.fixture
def ask(alice, account, share):
    """Return a way for Alice to ask."""
    client = browser(alice)

    def get(route: str, status: int = 200, **query: str):
        response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", query)
        assert response.status_code == status, response.content
        return response.json()

    return get


def benchmark(closes=THEIRS, days=DAYS, **fields):
    made = make_instrument(**fields)
    bars(made, {day.isoformat(): close for day, close in zip(days, closes, strict=True)})
    return made


def returns(closes) -> np.ndarray:
    values = np.array([float(close) for close in closes])
    return values[1:] / values[:-1] - 1


class TestBenchmark:
    def test_figures_are_those_of_empyrical(self, ask):
        """Its alpha is compounded, too; its ratio of excess returns is of a day, ours of a year."""
        found = ask("performance", benchmark=(other := benchmark()).key, risk_free="0.02")
        ours, theirs = returns(OURS), returns(THEIRS)
        free = 1.02 ** (1 / 252) - 1
        alpha, beta = empyrical.alpha_beta(ours, theirs, risk_free=free)
        assert float(found["beta"]) == pytest.approx(beta, rel=1e-9)
        assert float(found["alpha"]) == pytest.approx(alpha, rel=1e-9)
        assert float(found["information_ratio"]) == pytest.approx(empyrical.excess_sharpe(ours, theirs) * np.sqrt(252), rel=1e-9)
        assert float(found["tracking_error"]) == pytest.approx(empyrical.annual_volatility(ours - theirs), rel=1e-9)
        assert float(found["correlation"]) == pytest.approx(np.corrcoef(ours, theirs)[0, 1], rel=1e-9)
        assert float(found["benchmark_twr"]) == pytest.approx(THEIRS[-1] / THEIRS[0] - 1, abs=1e-12)
        assert found["benchmark"] == other.key
        assert not set(found["reasons"]) & {"beta", "alpha", "correlation", "benchmark_twr"}

    def test_a_period_counts_from_the_day_before_it(self, ask):
        start, end = DAYS[10], DAYS[30]
        found = ask("performance", benchmark=benchmark().key, start=start.isoformat(), end=end.isoformat())
        ours, theirs = returns(OURS[9:30]), returns(THEIRS[9:30])
        assert len(ours) == 20
        assert float(found["beta"]) == pytest.approx(empyrical.beta(ours, theirs), rel=1e-9)
        assert float(found["benchmark_twr"]) == pytest.approx(THEIRS[29] / THEIRS[9] - 1, abs=1e-12)
        assert float(found["sharpe"]) == pytest.approx(empyrical.sharpe_ratio(ours), rel=1e-9)
        assert float(found["volatility"]) == pytest.approx(empyrical.annual_volatility(np.log(1 + ours)), rel=1e-9)

    def test_only_days_on_which_both_have_a_price_count(self, ask):
        kept = [n for n in range(60) if n % 4]
        other = benchmark([THEIRS[n] for n in kept], [DAYS[n] for n in kept])
        found = ask("performance", benchmark=other.key, start=DAYS[5].isoformat())
        both = [4 - 1, *[n for n in kept if n >= 5]]  # the opening is the 5th day: the benchmark's price is of the 4th
        ours = [OURS[4], *[OURS[n] for n in both[1:]]]
        assert float(found["beta"]) == pytest.approx(empyrical.beta(returns(ours), returns([THEIRS[n] for n in both])), rel=1e-9)

    def test_prices_in_another_currency_are_converted(self, ask):
        (other,) = fresh_currencies(1)
        rate = {day.isoformat(): round(1.1 + 0.01 * (n % 4), 4) for n, day in enumerate(DAYS)}
        rates(other, "USD", rate)
        found = ask("performance", benchmark=benchmark(currency=other).key)
        converted = [close * quote for close, quote in zip(THEIRS, rate.values(), strict=True)]
        assert float(found["beta"]) == pytest.approx(empyrical.beta(returns(OURS), returns(converted)), rel=1e-9)
        assert float(found["benchmark_twr"]) == pytest.approx(converted[-1] / converted[0] - 1, abs=1e-11)

    def test_without_rates_there_is_no_comparison_and_it_says_which(self, ask):
        (other,) = fresh_currencies(1)
        found = ask("performance", benchmark=benchmark(currency=other).key)
        assert (found["beta"], found["benchmark_twr"]) == (None, None)
        assert found["reasons"]["beta"] == f"The benchmark has no price in the period. It needs rates of {other}/USD."

    def test_a_split_is_no_loss_and_a_dividend_a_gain_unless_left_out(self, ask, user_actions):
        closes = [100] * 30 + [50] * 30
        other = benchmark(closes)
        user_actions(instrument=other, kind="SPLIT", ex_date=DAYS[30], ratio=Decimal(2))
        user_actions(instrument=other, kind="CASH_DIVIDEND", ex_date=DAYS[40], cash=Decimal(5), currency="USD")
        assert ask("performance", benchmark=other.key)["benchmark_twr"] == "0.1"
        assert ask("performance", benchmark=other.key, benchmark_return="price")["benchmark_twr"] == "0"

    @pytest.mark.parametrize(
        ("closes", "days", "figure", "why"),
        [
            ([50] * 60, DAYS, "beta", "The benchmark's returns don't vary."),
            ([50] * 60, DAYS, "correlation", "The returns don't vary, or the benchmark's don't."),
            ([50, 51], DAYS[:2], "beta", "Fewer than three days on which both have a price."),
            ([50, 51, 52, 54], DAYS[20:24], "benchmark_twr", "The benchmark has no price before 2024-01-21."),
            ([50], [date(2030, 1, 2)], "benchmark_twr", "The benchmark has no price in the period."),
        ],
    )
    def test_what_is_not_defined_is_null_and_says_why(self, ask, closes, days, figure, why):
        found = ask("performance", benchmark=benchmark(closes, days).key)
        assert (found[figure], found["reasons"][figure]) == (None, why)

    def test_that_stopped_being_priced_says_so(self, ask):
        found = ask("performance", benchmark=benchmark(THEIRS[:40], DAYS[:40]).key)
        assert found["benchmark_twr"] is not None
        assert found["reasons"]["benchmark_twr"] == "The benchmark's last price is of 2024-02-09."

    def test_itself_has_a_beta_of_one_and_nothing_else(self, ask, share):
        found = ask("performance", benchmark=share.key)
        assert (found["beta"], found["alpha"], found["correlation"], found["tracking_error"]) == ("1", "0", "1", "0")
        assert found["information_ratio"] is None
        assert found["reasons"]["information_ratio"] == "The returns differ from the benchmark's by the same every day."

    def test_is_as_of_a_past_day(self, ask):
        other = benchmark().key
        past, whole = ask("performance", benchmark=other, as_of=DAYS[29].isoformat()), ask("performance", benchmark=other)
        until = ask("performance", benchmark=other, end=DAYS[30].isoformat())
        assert past["beta"] == until["beta"] != whole["beta"]
        assert past["benchmark_twr"] == until["benchmark_twr"]

    def test_a_household_of_one_account_stands_beside_it_as_the_account_does(self, ask, alice, account):
        other = benchmark().key
        whole = ask("performance", benchmark=other)
        found = browser(alice).get("/api/v1/household/performance/", {"accounts": str(account.pk), "benchmark": other}).json()
        for name in ("beta", "alpha", "correlation", "benchmark_twr", "benchmark"):
            assert found[name] == whole[name] is not None

    def test_quoted_in_pence_it_earns_what_it_earns_in_pounds(self, ask, user_actions):
        rates("GBP", "USD", {day.isoformat(): "1.25" for day in DAYS}, correct=True)
        other = benchmark([100] * 60, currency="GBX")
        user_actions(instrument=other, kind="CASH_DIVIDEND", ex_date=DAYS[40], cash=Decimal("0.05"), currency="GBP")
        assert ask("performance", benchmark=other.key)["benchmark_twr"] == "0.05"

    @pytest.mark.parametrize("query", [{"benchmark": "NO SUCH"}, {"benchmark_return": "some"}, {"risk_free": "2%"}])
    def test_refuses_what_it_does_not_know(self, ask, query):
        (error, *_) = ask("performance", 400, **query)["errors"]
        assert error["field"] in query

    def test_of_an_empty_account_there_is_nothing_to_compare(self, alice):
        empty, other = make_account(owner=alice), benchmark()
        found = browser(alice).get(f"/api/v1/accounts/{empty.pk}/performance/", {"benchmark": other.key}).json()
        assert (found["beta"], found["reasons"]["beta"]) == (None, "No day of the period was valued.")


@pytest.fixture
def user_actions():
    """Return a way to say what a company did."""

    def make(**fields):
        return CorporateAction.objects.using("owner").create(recorded_at=datetime(2024, 6, 1, tzinfo=UTC), **fields)

    return make


class TestTables:
    def test_falls_come_deepest_first_and_none_is_part_of_another(self, ask):
        found = ask("drawdowns", top="4")["results"]
        whole = ask("performance")
        assert len(found) == 4
        assert found[0]["depth"] == whole["max_drawdown"]
        assert {name: found[0][name] for name in whole["drawdown"]} == whole["drawdown"]
        depths = [Decimal(fall["depth"]) for fall in found]
        assert depths == sorted(depths)
        spans = sorted((fall["start"], fall["recovered"] or "9") for fall in found)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
        assert all(fall["peak"] < fall["start"] <= fall["trough"] for fall in found)
        assert whole["drawdowns"][:4] == found

    def test_months_chain_to_their_year_and_to_the_whole(self, ask):
        found, whole = ask("monthly-returns"), ask("performance")
        (year,) = found["years"]
        assert year["year"] == 2024
        assert year["months"][:2] == [month["twr"] for month in whole["monthly"]]
        assert year["months"][2:] == [None] * 10
        assert year["total"] == found["total"] == whole["twr"]
        assert Decimal(year["gain"]) == Decimal(whole["gain"])

    def test_of_a_period_without_days_there_are_none(self, ask):
        found = ask("monthly-returns", start="2030-01-01")
        assert (found["years"], found["total"], found["reasons"]) == ([], None, {"total": "No day of the period was valued."})
        assert ask("drawdowns", start="2030-01-01")["results"] == []

    def test_refuses_more_falls_than_anybody_reads(self, ask):
        assert ask("drawdowns", 400, top="1000")["errors"][0]["field"] == "top"


class TestRolling:
    FIGURES = "twr,volatility,semi_deviation,sharpe,sortino,omega,max_drawdown,var_95,cvar_95"
    BESIDE = "beta,alpha,tracking_error,information_ratio,correlation,benchmark_twr"

    def test_each_day_is_the_performance_of_its_window(self, ask):
        """A row says what the performance of a period says that opens with the day before the window."""
        other = benchmark().key
        found = ask("rolling", window="20", figures=f"{self.FIGURES},{self.BESIDE}", benchmark=other, risk_free="0.01")
        assert [row["date"] for row in found["results"]] == [day.isoformat() for day in DAYS[20:]]
        for place in (20, 37, 59):
            row = found["results"][place - 20]
            period = {"start": DAYS[place - 19].isoformat(), "end": (DAYS[place] + timedelta(1)).isoformat()}
            whole = ask("performance", benchmark=other, risk_free="0.01", **period)
            for name in f"{self.FIGURES},{self.BESIDE}".split(","):
                assert float(row[name]) == pytest.approx(float(whole[name]), rel=1e-9, abs=1e-11), (place, name)

    def test_empyrical_rolls_the_same(self, ask):
        found = ask("rolling", window="10", figures="sharpe,max_drawdown")["results"]
        theirs = empyrical.roll_sharpe_ratio(returns(OURS), window=10)
        assert [float(row["sharpe"]) for row in found] == pytest.approx(list(theirs), rel=1e-8)
        theirs = empyrical.roll_max_drawdown(returns(OURS), window=10)
        assert [float(row["max_drawdown"]) for row in found] == pytest.approx(list(theirs), abs=1e-11)

    def test_on_days_without_a_price_of_the_benchmark_there_is_no_comparison(self, ask):
        kept = [n for n in range(60) if n != 40]
        other = benchmark([THEIRS[n] for n in kept], [DAYS[n] for n in kept])
        rows = {row["date"]: row for row in ask("rolling", window="5", figures="twr,beta", benchmark=other.key)["results"]}
        row = rows[DAYS[40].isoformat()]
        assert row["twr"] is not None
        assert (row["beta"], row["reasons"]) == (None, {"beta": "The benchmark has no price on this day."})

    def test_without_a_benchmark_figures_beside_it_are_null_and_say_why(self, ask):
        found = ask("rolling", window="5", figures="beta")
        assert {row["beta"] for row in found["results"]} == {None}
        assert found["reasons"]["beta"] == "It compares with a benchmark, and there is none."

    def test_of_fewer_days_than_a_window_there_are_none(self, ask):
        found = ask("rolling", window="100")
        assert found["results"] == []
        assert (
            found["reasons"]["results"] == "There are 59 returns between priced days in the period, fewer than a window of 100."
        )

    @pytest.mark.parametrize("query", [{"window": "1"}, {"window": "99999"}, {"figures": "twr,luck"}, {"start": "soon"}])
    def test_refuses_what_it_does_not_know(self, ask, query):
        (error, *_) = ask("rolling", 400, **query)["errors"]
        assert error["field"] in query
