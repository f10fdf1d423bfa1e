"""Returns and risk through the API beside those of others: the account is worked out again by a plain loop, and empyrical, scipy
and pyxirr say what follows from it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import exp, prod, sqrt

import empyrical
import numpy as np
import pandas as pd
import pytest
import pyxirr
from scipy import stats

from marketdata.models import CorporateAction
from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, post
from tests.portfolio.market import bars, fresh_currencies, rates

FIRST, LAST = date(2023, 1, 2), date(2024, 3, 15)
HOLIDAYS = {date(2023, 4, 7), date(2023, 5, 1), date(2023, 12, 25), date(2024, 1, 1)}
DAYS = [FIRST + timedelta(n) for n in range((LAST - FIRST).days + 1)]
OPEN = [day for day in DAYS if day.weekday() < 5 and day not in HOLIDAYS]
FREE = 0.03
RATIOS = ("sharpe", "sortino", "calmar", "omega", "var_95", "cvar_95", "volatility", "semi_deviation")


def at(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=15)


def walk(seed: int, start: float = 100.0, drift: float = 0.0003, spread: float = 0.013, days=OPEN) -> dict[date, float]:
    """Return closes of a random walk with two decimals."""
    steps = np.random.default_rng(seed).normal(drift, spread, len(days))
    return {day: round(start * exp(sum(steps[: n + 1])), 2) for n, day in enumerate(days)}


ACME, OTHER = walk(1), walk(2, 40.0)
# day, kind, instrument, quantity, cash
HAPPENED = [
    (FIRST, "DEPOSIT", None, 0, 10_000),
    (FIRST, "BUY", "ACME", 60, -60 * ACME[FIRST] - 5),
    (date(2023, 2, 14), "BUY", "OTHER", 50, -50 * OTHER[date(2023, 2, 14)] - 1.5),
    (date(2023, 5, 20), "DEPOSIT", None, 0, 2_500),  # a Saturday
    (date(2023, 6, 1), "DIVIDEND", "ACME", 0, 51),
    (date(2023, 8, 9), "SELL", "ACME", -20, 20 * ACME[date(2023, 8, 9)] - 2),
    (date(2023, 8, 10), "WITHDRAWAL", None, 0, -1_800),
    (date(2023, 11, 3), "INTEREST", None, 0, 12.34),
    (date(2024, 1, 1), "FEE", None, 0, -20),  # a holiday
    (date(2024, 2, 1), "BUY", "OTHER", 30, -30 * OTHER[date(2024, 2, 1)]),
]
FLOWS = {day: cash for day, kind, _, _, cash in HAPPENED if kind in {"DEPOSIT", "WITHDRAWAL"}}


class Course:
    """The account worked out day by day with floats: values, index, and which days had new prices of what was held."""

    def __init__(self) -> None:
        cash, held, value, index = 0.0, {"ACME": 0, "OTHER": 0}, 0.0, 1.0
        last = {"ACME": 0.0, "OTHER": 0.0}
        touched: set[str] = set()
        self.values, self.index, self.priced = {}, {}, []
        for day in DAYS:
            for when, _, instrument, quantity, moved in HAPPENED:
                if when == day:
                    cash += moved
                    if instrument:
                        held[instrument] += quantity
                        touched.add(instrument)
            for name, closes in (("ACME", ACME), ("OTHER", OTHER)):
                last[name] = closes.get(day, last[name])
            total = cash + sum(held[name] * last[name] for name in held)
            flow = FLOWS.get(day, 0.0)
            index *= (total + max(-flow, 0)) / (value + max(flow, 0)) if value + max(flow, 0) else 1
            value = total
            self.values[day], self.index[day] = total, index
            if day in ACME and touched:
                self.priced.append(day)

    def returns(self, start: date | None = None, end: date | None = None) -> pd.Series:
        """Return the returns between priced days of [start, end), the first since the day before it."""
        days = [day for day in self.priced if (start is None or day >= start) and (end is None or day < end)]
        if start is not None:
            days.insert(0, start - timedelta(1))
        found = {later: self.index[later] / self.index[earlier] - 1 for earlier, later in pairwise(days)}
        return pd.Series(found)

    def xirr(self, start: date | None = None, end: date | None = None) -> float:
        days = [day for day in DAYS if (start is None or day >= start) and (end is None or day < end)]
        flows = [(day, -FLOWS[day]) for day in days if day in FLOWS] + [(days[-1], self.values[days[-1]])]
        if start is not None:
            flows.insert(0, (start - timedelta(1), -self.values[start - timedelta(1)]))
        return float(pyxirr.xirr(*zip(*flows, strict=True)) or 0)


COURSE = Course()


@pytest.fixture(scope="module")
def owner(django_db_setup, django_db_blocker):
    """Return somebody whose account has gone that course."""
    with django_db_blocker.unblock():
        owner = make_user("riskowner")
        account = make_account(owner=owner)
        shares = {"ACME": make_instrument(), "OTHER": make_instrument()}
        for name, closes in (("ACME", ACME), ("OTHER", OTHER)):
            bars(shares[name], {day.isoformat(): close for day, close in closes.items()})
        for day, kind, name, quantity, cash in HAPPENED:
            about = {"instrument": shares[name]} if name else {}
            if quantity:
                price = (ACME if name == "ACME" else OTHER)[day]
                fee = round(abs(abs(cash) - abs(quantity) * price), 2)
                post(account, kind, **about, quantity=str(quantity), price=str(price), fee=str(fee), occurred_at=at(day))
            else:
                post(account, kind, **about, cash=str(cash), occurred_at=at(day))
        return owner, account


@pytest.fixture
def ask(owner):
    """Return a way for the owner to ask."""
    person, account = owner
    client = browser(person)

    def get(route: str = "performance", status: int = 200, **query: str):
        response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", query)
        assert response.status_code == status, response.content
        assert b"NaN" not in response.content
        assert b"Infinity" not in response.content
        return response.json()

    return get


PERIODS = [
    (None, None),
    (date(2023, 3, 1), date(2023, 6, 1)),
    (date(2023, 5, 21), date(2024, 1, 2)),  # opens on a Sunday, closes on a holiday
    (date(2023, 8, 9), date(2023, 8, 24)),
    (FIRST, None),
]


def span(start: date | None, end: date | None) -> dict[str, str]:
    return {name: day.isoformat() for name, day in (("start", start), ("end", end)) if day}


class TestPerformance:
    @pytest.mark.parametrize(("start", "end"), PERIODS)
    def test_returns_and_risk_are_those_of_others(self, ask, start, end):
        found = ask(risk_free=str(FREE), **span(start, end))
        opens = start if start and start > FIRST else None
        daily = COURSE.returns(opens, end)
        free = (1 + FREE) ** (1 / 252) - 1
        days = [day for day in DAYS if (not start or day >= start) and (not end or day < end)]
        base = COURSE.index[opens - timedelta(1)] if opens else 1.0
        before = opens - timedelta(1) if opens else days[0]
        twr = COURSE.index[days[-1]] / base - 1
        path = pd.Series([COURSE.index[day] / base for day in days]).pct_change().fillna(COURSE.index[days[0]] / base - 1)
        yearly = (1 + twr) ** (365 / (days[-1] - before).days) - 1
        logs = np.log1p(daily.to_numpy())
        var = np.quantile(daily, 0.05)
        expected = {
            "twr": twr,
            "twr_annualized": yearly,
            "xirr": COURSE.xirr(opens, end),
            "volatility": stats.tstd(logs) * sqrt(252),
            "semi_deviation": sqrt(sum(min(r - logs.mean(), 0) ** 2 for r in logs) / (len(logs) - 1) * 252),
            "sharpe": empyrical.sharpe_ratio(daily, risk_free=free),
            "sortino": empyrical.sortino_ratio(daily, required_return=free),
            "omega": empyrical.omega_ratio(daily, required_return=FREE),
            "max_drawdown": empyrical.max_drawdown(path),
            "calmar": yearly / -empyrical.max_drawdown(path),
            "var_95": empyrical.value_at_risk(daily),
            "cvar_95": daily[daily <= var].mean(),
        }
        for name, value in expected.items():
            assert float(found[name]) == pytest.approx(value, rel=1e-7, abs=1e-10), name
        assert float(found["end_value"]) == pytest.approx(COURSE.values[days[-1]], abs=1e-6)
        assert found["end"] == (days[-1] + timedelta(1)).isoformat()

    def test_days_without_prices_are_no_returns_of_nothing(self, ask):
        """Some take every calendar day, others each weekday: weekends and holidays would lower the volatility by a sixth."""
        whole = COURSE.returns()
        assert len(whole) == len(OPEN) - 1
        every = np.diff(np.log([COURSE.index[day] for day in DAYS]))
        assert stats.tstd(every) * sqrt(252) < 0.86 * float(ask()["volatility"])

    def test_an_account_of_coins_has_a_year_of_365_priced_days(self):
        owner = make_user("coinowner")
        account = make_account(owner=owner, kind="CRYPTO")
        coin, closes = make_instrument(asset_class="CRYPTO"), walk(9, days=DAYS[:90], spread=0.04)
        bars(coin, {day.isoformat(): close for day, close in closes.items()})
        post(account, "DEPOSIT", cash=str(closes[FIRST] * 10), occurred_at=at(FIRST))
        post(account, "BUY", instrument=coin, quantity="10", price=str(closes[FIRST]), occurred_at=at(FIRST))
        found = browser(owner).get(f"/api/v1/accounts/{account.pk}/performance/", {"risk_free": "0.02"}).json()
        daily = pd.Series(list(closes.values())).pct_change().dropna()
        assert float(found["volatility"]) == pytest.approx(stats.tstd(np.log1p(daily)) * sqrt(365), rel=1e-8)
        sharpe = empyrical.sharpe_ratio(daily, risk_free=1.02 ** (1 / 365) - 1, annualization=365)
        assert float(found["sharpe"]) == pytest.approx(sharpe, rel=1e-8)


class TestTables:
    def test_falls_are_those_of_a_plain_walk_over_the_days(self, ask):
        index = [1.0, *(COURSE.index[day] for day in DAYS)]
        days = [FIRST, *DAYS]
        falls, top, low = [], 0, None
        for n, value in enumerate(index):
            if value >= index[top]:
                if low is not None:
                    falls.append((index[low] / index[top] - 1, days[top], days[top + 1], days[low], days[n]))
                top, low = (n if value > index[top] or low is not None else top), None
            elif low is None or value < index[low]:
                low = n
        if low is not None:
            falls.append((index[low] / index[top] - 1, days[top], None, days[low], None))
        falls.sort(key=lambda fall: fall[0])
        found = ask("drawdowns", top="100")["results"]
        assert len(found) == len(falls) > 5
        for told, (depth, peak, _, trough, recovered) in zip(found, falls, strict=True):
            assert float(told["depth"]) == pytest.approx(depth, abs=1e-11)
            assert (told["peak"], told["trough"]) == (peak.isoformat(), trough.isoformat())
            assert told["recovered"] == (recovered and recovered.isoformat())
            assert told["days"] == ((recovered or LAST) - peak).days

    def test_months_and_years_are_those_of_empyrical_and_chain_exactly(self, ask):
        found = ask("monthly-returns")
        series = pd.Series(list(COURSE.index.values()), index=pd.DatetimeIndex([day.isoformat() for day in COURSE.index]))
        daily = series.pct_change().fillna(series.iloc[0] - 1)
        monthly = empyrical.aggregate_returns(daily, "monthly")
        yearly = empyrical.aggregate_returns(daily, "yearly")
        assert [year["year"] for year in found["years"]] == [2023, 2024]
        for year in found["years"]:
            told = [Decimal(month) for month in year["months"] if month is not None]
            expected = [monthly[year["year"], number] for number in range(1, 13) if (year["year"], number) in monthly.index]
            assert [float(month) for month in told] == pytest.approx(expected, abs=1e-10)
            assert float(year["total"]) == pytest.approx(yearly[year["year"]], abs=1e-10)
            assert abs(prod((1 + month for month in told), start=Decimal(1)) - 1 - Decimal(year["total"])) < Decimal("2e-11")
        whole = prod((1 + Decimal(year["total"]) for year in found["years"]), start=Decimal(1)) - 1
        assert abs(whole - Decimal(found["total"])) < Decimal("1e-11")
        assert found["total"] == ask()["twr"]

    def test_parts_of_months_at_both_ends_chain_to_the_period(self, ask):
        period = span(date(2023, 4, 11), date(2024, 2, 20))
        found, whole = ask("monthly-returns", **period), ask(**period)
        months = [Decimal(month) for year in found["years"] for month in year["months"] if month]
        assert len(months) == 11
        assert abs(prod((1 + month for month in months), start=Decimal(1)) - 1 - Decimal(whole["twr"])) < Decimal("2e-11")
        assert sum(Decimal(year["gain"]) for year in found["years"]) == Decimal(whole["gain"])
        assert sum(Decimal(month["net_flow"]) for month in whole["monthly"]) == Decimal(whole["net_flows"])


class TestBenchmark:
    def figures(self, daily: pd.Series, market: pd.Series, found, free: float):
        """Compare the answer with what others make of two series of returns."""
        alpha, beta = empyrical.alpha_beta(daily, market, risk_free=free)
        regression = stats.linregress(market - free, daily - free)
        active = daily - market
        expected = {
            "beta": beta,
            "alpha": alpha,
            "correlation": stats.pearsonr(daily, market).statistic,
            "tracking_error": stats.tstd(active) * sqrt(252),
            "information_ratio": empyrical.excess_sharpe(daily, market) * sqrt(252),
        }
        assert regression.slope == pytest.approx(beta)
        for name, value in expected.items():
            assert float(found[name]) == pytest.approx(value, rel=1e-7, abs=1e-10), name

    def market(self, closes, days, before: date | None = None) -> pd.Series:
        kept = pd.Series({day: close for day, close in closes.items() if day in days or day == before})
        return kept.pct_change().dropna()

    @pytest.mark.parametrize(("start", "end"), PERIODS[:4])
    def test_in_another_currency_is_converted_at_the_last_rate_of_each_day(self, ask, start, end):
        (other,) = fresh_currencies(1)
        fx = {day: round(1.1 + 0.05 * np.sin(n / 9), 4) for n, day in enumerate(OPEN) if n % 3 == 0}
        rates(other, "USD", {day.isoformat(): rate for day, rate in fx.items()})
        closes = walk(5, 300.0)
        index = make_instrument(currency=other, asset_class="INDEX")
        bars(index, {day.isoformat(): close for day, close in closes.items()})
        converted, rate = {}, 0.0
        for day in DAYS:
            rate = fx.get(day, rate)
            if day in closes:
                converted[day] = closes[day] * rate
        found = ask(benchmark=index.key, risk_free=str(FREE), **span(start, end))
        opens = start if start and start > FIRST else None
        daily = COURSE.returns(opens, end)
        values = [converted[day] for day in daily.index]
        before = max(day for day in converted if day < daily.index[0])
        market = pd.Series(values, index=daily.index) / pd.Series([converted[before], *values[:-1]], index=daily.index) - 1
        self.figures(daily, market, found, (1 + FREE) ** (1 / 252) - 1)
        last = max(day for day in converted if end is None or day < end)
        assert float(found["benchmark_twr"]) == pytest.approx(converted[last] / converted[before] - 1, abs=1e-11)

    def test_with_gaps_and_a_shorter_history_counts_the_days_of_both(self, ask):
        closes = {day: close for n, (day, close) in enumerate(walk(6).items()) if n > 120 and n % 5 and day < date(2024, 2, 1)}
        index = make_instrument()
        bars(index, {day.isoformat(): close for day, close in closes.items()})
        found = ask(benchmark=index.key)
        both = pd.DataFrame({"ours": COURSE.index, "theirs": closes}).loc[list(closes)].pct_change().dropna()
        self.figures(both["ours"], both["theirs"], found, 0.0)
        assert found["benchmark_twr"] is None
        assert found["reasons"]["benchmark_twr"] == f"The benchmark has no price before {min(closes)}."
        inside = ask(benchmark=index.key, start="2023-09-01")
        assert inside["reasons"]["benchmark_twr"] == "The benchmark's last price is of 2024-01-31."
        before = max(day for day in closes if day < date(2023, 9, 1))
        assert float(inside["benchmark_twr"]) == pytest.approx(closes[date(2024, 1, 31)] / closes[before] - 1, abs=1e-11)

    def test_whose_last_close_was_long_before_the_period_is_converted_at_the_rate_of_that_day(self, ask):
        (other,) = fresh_currencies(1)
        rates(other, "USD", {day.isoformat(): 2 if day < date(2023, 3, 1) else 4 for day in OPEN})
        index = make_instrument(currency=other)
        bars(index, {"2023-02-01": 100, "2023-05-02": 110, "2023-05-09": 120})
        found = ask(benchmark=index.key, start="2023-05-01", end="2023-06-01")
        assert float(found["benchmark_twr"]) == pytest.approx(120 * 4 / (100 * 2) - 1)

    def test_whose_dividends_can_not_be_converted_says_so(self, ask):
        (other,) = fresh_currencies(1)
        index = make_instrument()
        bars(index, {day.isoformat(): 100 for day in OPEN})
        CorporateAction.objects.using("owner").create(
            kind="CASH_DIVIDEND", instrument=index, ex_date="2023-06-05", cash="10", currency=other, recorded_at=at(LAST)
        )
        found = ask(benchmark=index.key)
        assert found["benchmark_twr"] == "0"
        assert found["reasons"]["benchmark_twr"] == f"Dividends without a rate of {other}/USD are left out."
        rates(other, "USD", {"2023-06-01": "2"})
        again = ask(benchmark=index.key)
        assert (again["benchmark_twr"], "benchmark_twr" in again["reasons"]) == ("0.2", False)

    @pytest.mark.parametrize("units", ["77", "3.333333333333"])
    def test_whoever_holds_nothing_but_the_benchmark_is_no_better(self, units):
        """What rounding leaves of the difference is no information."""
        owner = make_user("indexer")
        account, fund = make_account(owner=owner), make_instrument()
        bars(fund, {day.isoformat(): close for day, close in ACME.items()})
        post(account, "TRANSFER_IN", instrument=fund, quantity=units, occurred_at=at(FIRST))
        found = browser(owner).get(f"/api/v1/accounts/{account.pk}/performance/", {"benchmark": fund.key}).json()
        told = [float(found[name]) for name in ("beta", "correlation", "alpha", "tracking_error")]
        assert told == pytest.approx([1, 1, 0, 0], abs=1e-9)
        assert found["information_ratio"] is None
        assert found["reasons"]["information_ratio"] == "The returns differ from the benchmark's by the same every day."
        assert float(found["benchmark_twr"]) == pytest.approx(float(found["twr"]), abs=1e-11)

    def test_that_stands_still_has_no_beta(self, ask):
        still = make_instrument()
        bars(still, dict.fromkeys((day.isoformat() for day in OPEN), "50"))
        found = ask(benchmark=still.key)
        assert (found["beta"], found["alpha"], found["correlation"], found["benchmark_twr"]) == (None, None, None, "0")
        assert {"beta", "alpha", "correlation"} <= set(found["reasons"])
        assert float(found["tracking_error"]) == pytest.approx(stats.tstd(COURSE.returns()) * sqrt(252), rel=1e-8)


class TestRolling:
    def test_windows_are_those_of_pandas_and_empyrical(self, ask):
        closes = walk(7)
        index = make_instrument()
        bars(index, {day.isoformat(): close for day, close in closes.items()})
        names = "twr,volatility,sharpe,max_drawdown,beta,correlation,var_95"
        rows = ask("rolling", window="30", figures=names, benchmark=index.key)["results"]
        daily, market = COURSE.returns(), pd.Series(closes).pct_change().dropna()
        assert [row["date"] for row in rows] == [day.isoformat() for day in daily.index[29:]]
        log = np.log1p(daily)
        window = daily.rolling(30)
        expected = {
            "twr": window.apply(lambda part: np.prod(1 + part) - 1),
            "volatility": log.rolling(30).std() * sqrt(252),
            "sharpe": window.mean() / window.std() * sqrt(252),
            "max_drawdown": window.apply(empyrical.max_drawdown),
            "beta": window.cov(market) / market.rolling(30).var(),
            "correlation": window.corr(market),
            "var_95": window.quantile(0.05),
        }
        for name, column in expected.items():
            told = [float(row[name]) for row in rows]
            assert told == pytest.approx(list(column.dropna()), rel=1e-7, abs=1e-9), name
