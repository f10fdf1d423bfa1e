"""What follows from positions and days says why, too: lots, falls, months, windows, income, drift, bounds and reports."""

from decimal import Decimal
from typing import Any

import pytest

from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, post
from tests.portfolio.explained import explains_all
from tests.portfolio.market import bars, fresh_currencies, rates
from tests.portfolio.worlds import Fortnights, at, benchmark_of


@pytest.fixture(scope="module")
def alice():
    """Return Alice, who owns all accounts here."""
    return make_user("alice")


@pytest.fixture(scope="module")
def ask(alice):
    """Return a way for Alice to ask an account why."""
    client = browser(alice)

    def get(account, route: str, status: int = 200, **query: str) -> Any:
        response = client.get(f"/api/v1/accounts/{account.pk}/{route}/", {"explain": "1"} | query)
        assert response.status_code == status, response.content
        return response.json()

    return get


@pytest.fixture(scope="module")
def share():
    """Return a share with closes of some days."""
    found = make_instrument()
    bars(found, {"2024-01-02": 10, "2024-01-03": 11, "2024-01-04": "12.5", "2024-02-01": 9, "2024-02-02": 12})
    return found


@pytest.fixture(scope="module")
def plain(alice, share):
    """Return an account that bought twice, sold once, and saw its shares split."""
    account = make_account(owner=alice)
    post(account, "DEPOSIT", cash="1000", occurred_at=at("2024-01-02"))
    post(account, "BUY", instrument=share, quantity="10", price="10", fee="1", occurred_at=at("2024-01-02"))
    post(account, "BUY", instrument=share, quantity="5", price="11", occurred_at=at("2024-01-03"))
    post(account, "SELL", instrument=share, quantity="-4", price="12", occurred_at=at("2024-01-04"))
    return account


def steps_of(answer: dict) -> dict[str, dict]:
    """Return the last step to each figure."""
    return {step["figure"]: step for step in answer["explanation"]["steps"]}


class TestLots:
    def test_come_from_the_entries_that_opened_and_closed_them(self, ask, plain):
        first, second = ask(plain, "lots")["results"]
        explains_all(first)
        explains_all(second)
        rows = first["explanation"]["tables"]["entries"]["rows"]
        assert [(row["sequence"], row["kind"], row["remaining_change"], row["cost_change"]) for row in rows] == [
            (2, "BUY", "10", "101"),
            (4, "SELL", "-4", "-40.4"),
        ]
        assert (first["remaining"], first["cost"]) == ("6", "60.6")
        (only,) = second["explanation"]["tables"]["entries"]["rows"]
        assert (only["sequence"], only["cost_change"]) == (3, "55")

    def test_of_average_cost_have_a_part_of_the_cost_of_all(self, alice, ask, share):
        account = make_account(owner=alice, cost_basis_method="AVERAGE")
        post(account, "BUY", instrument=share, quantity="10", price="10", occurred_at=at("2024-01-02"))
        post(account, "BUY", instrument=share, quantity="5", price="13", occurred_at=at("2024-01-03"))
        post(account, "SELL", instrument=share, quantity="-3", price="12", occurred_at=at("2024-01-04"))
        rows = ask(account, "lots")["results"]
        for row in rows:
            explains_all(row)
        assert [row["cost"] for row in rows] == ["77", "55"]
        assert [row["cost_change"] for row in rows[0]["explanation"]["tables"]["of_all"]["rows"]] == ["100", "65", "-33"]

    def test_that_a_split_multiplied_say_so(self, alice, ask, share):
        account = make_account(owner=alice)
        post(account, "BUY", instrument=share, quantity="3", price="10", occurred_at=at("2024-01-02"))
        post(account, "SPLIT", instrument=share, data={"ratio": "2:1"}, occurred_at=at("2024-01-03"))
        (row,) = ask(account, "lots")["results"]
        explains_all(row)
        rows = row["explanation"]["tables"]["entries"]["rows"]
        assert [(one["kind"], one["remaining_change"], one["cost_change"]) for one in rows] == [
            ("BUY", "3", "30"),
            ("SPLIT", "3", "0"),
        ]

    def test_of_one_entry_are_told_apart(self, alice, ask, share):
        account = make_account(owner=alice, wash_sales=True)
        post(account, "BUY", instrument=share, quantity="4", price="20", occurred_at=at("2024-01-02"))
        post(account, "SELL", instrument=share, quantity="-4", price="11", occurred_at=at("2024-01-03"))
        post(account, "BUY", instrument=share, quantity="10", price="12", occurred_at=at("2024-01-04"))
        rows = ask(account, "lots")["results"]
        for row in rows:
            explains_all(row)
        assert [(row["remaining"], row["cost"], row["tacked_days"]) for row in rows] == [("4", "84", 1), ("6", "72", None)]
        assert any("2 lots" in note for note in rows[0]["explanation"]["notes"])

    def test_of_a_past_are_explained_from_what_was_there(self, ask, plain):
        (row,) = ask(plain, "lots", as_of="2024-01-02")["results"]
        explains_all(row)
        assert row["explanation"]["tables"]["entries"]["count"] == 1

    def test_pages_are_no_longer_than_a_hundred_rows(self, ask, plain):
        assert ask(plain, "lots", 400, limit="101")["errors"][0]["field"] == "limit"

    def test_cents_come_out(self, ask, plain):
        assert sum(Decimal(row["cost"]) for row in ask(plain, "lots")["results"]) == Decimal("115.6")


class TestFallsAndMonths:
    def test_falls_come_from_the_index_at_peak_and_trough(self, ask, plain):
        answer = ask(plain, "drawdowns")
        explains_all(answer)
        step = steps_of(answer)["results.0.depth"]
        assert step["formula"] == "index_at_trough / index_at_peak - 1"
        days = {row["day"]: row["twr_index"] for row in answer["explanation"]["tables"]["days"]["rows"]}
        fall = answer["results"][0]
        assert (step["numbers"]["index_at_peak"], step["numbers"]["index_at_trough"]) == (
            days[fall["peak"]],
            days[fall["trough"]],
        )

    def test_months_come_from_the_index_at_both_ends(self, ask, plain):
        answer = ask(plain, "monthly-returns")
        explains_all(answer)
        days = {row["day"]: row for row in answer["explanation"]["tables"]["days"]["rows"]}
        step = steps_of(answer)["years.0.months.0"]
        assert step["numbers"]["index_end"] == days["2024-01-31"]["twr_index"]
        assert steps_of(answer)["years.0.gain"]["numbers"]["start_value"] == "0"


FIGURES = "twr,volatility,semi_deviation,sharpe,sortino,omega,max_drawdown,var_95,cvar_95"
BESIDE = "beta,alpha,tracking_error,information_ratio,correlation,benchmark_twr"


class TestRolling:
    @pytest.fixture(scope="class")
    @classmethod
    def account(cls, alice):
        """Return an account over thirty days with prices."""
        account, share = make_account(owner=alice), make_instrument()
        bars(share, {f"2024-03-{n:02}": f"{40 + (n * 7) % 11}.{n}" for n in range(1, 31)})
        post(account, "DEPOSIT", cash="1000", occurred_at=at("2024-03-01"))
        post(account, "BUY", instrument=share, quantity="20", price="44", fee="1", occurred_at=at("2024-03-01"))
        post(account, "WITHDRAWAL", cash="-40", occurred_at=at("2024-03-12"))
        return account

    @pytest.mark.parametrize("period", [{}, {"start": "2024-03-08", "end": "2024-03-20"}])
    @pytest.mark.parametrize("window", ["2", "5"])
    def test_comes_from_the_returns_of_the_window(self, ask, account, window, period):
        rows = ask(account, "rolling", window=window, figures=FIGURES, risk_free="0.02", **period)["results"]
        assert rows
        for row in rows:
            explains_all(row)
            table = row["explanation"]["tables"]["returns"]
            assert table["count"] == int(window)
            assert table["rows"][-1]["day"] == row["date"]

    @pytest.mark.parametrize("figures", [BESIDE, "alpha", f"sharpe,{BESIDE}"])
    @pytest.mark.parametrize("period", [{}, {"start": "2024-03-08"}])
    def test_beside_a_benchmark_comes_from_the_prices_of_both(self, ask, account, figures, period):
        market = make_instrument()
        bars(market, {f"2024-03-{n:02}": f"{70 + (n * 5) % 3}.{n}" for n in range(4, 31) if n % 6})
        rows = ask(account, "rolling", window="4", figures=figures, benchmark=market.key, **period)["results"]
        assert any(row["alpha"] is not None for row in rows)
        for row in rows:
            explains_all(row)
            if row["alpha"] is not None:
                assert row["explanation"]["tables"]["benchmark"]["count"] == 4

    def test_of_too_many_days_is_refused(self, alice, ask):
        account, share = make_account(owner=alice), make_instrument()
        days = [(month, day) for month in range(1, 6) for day in range(1, 29)]
        bars(share, {f"2024-{month:02}-{day:02}": 10 + day % 3 for month, day in days})
        post(account, "DEPOSIT", cash="20", occurred_at=at("2024-01-01"))
        post(account, "BUY", instrument=share, quantity="1", price="10", occurred_at=at("2024-01-01"))
        assert ask(account, "rolling", 400, window="3")["errors"][0]["field"] == "explain"
        assert len(ask(account, "rolling", window="3", end="2024-03-20")["results"]) < 100


def explains_income(answer: dict) -> None:
    """Say that every number of an income comes from its explanation, but for those of the table of what is expected."""
    for row in [*answer["months"], *answer["instruments"]]:
        explains_all(row)
    foretold = answer["explanation"]["tables"]["forecast"]["rows"]
    for row, told in zip(answer["forecast"]["payments"], foretold, strict=True):
        for name in ("quantity", "per_unit", "gross", "gross_in_currency"):
            assert row[name] == told[name]
    forecast = {name: value for name, value in answer["forecast"].items() if name != "payments"}
    explains_all({**answer, "months": [], "instruments": [], "forecast": forecast})


class TestIncome:
    @pytest.fixture(scope="class")
    @classmethod
    def account(cls, alice):
        """Return an account with dividends, interest and staking, in its own currency and in another."""
        base, foreign = fresh_currencies(2)
        account = make_account(owner=alice, base_currency=base)
        share, coin = make_instrument(currency=foreign), make_instrument(currency=base)
        rates(foreign, base, {"2023-06-01": "1.25", "2024-03-01": "1.31"})
        bars(share, {"2023-06-01": 30})
        bars(coin, {"2023-06-01": 7, "2024-04-02": 8})
        mine, theirs = {"currency": base}, {"currency": foreign}
        post(account, "DEPOSIT", cash="900", occurred_at=at("2023-06-01"), **mine)
        post(account, "BUY", instrument=share, quantity="7", price="30", occurred_at=at("2023-06-01"), **theirs)
        post(account, "BUY", instrument=coin, quantity="3", price="7", occurred_at=at("2023-06-01"), **mine)
        post(account, "DIVIDEND", instrument=share, cash="8.50", tax="1.50", occurred_at=at("2023-09-01"), **theirs)
        said = {"data": {"fx_rate": "1.3333"}}
        post(
            account,
            "DIVIDEND",
            instrument=share,
            cash="10.01",
            tax="2",
            fee="0.11",
            occurred_at=at("2024-03-01"),
            **theirs,
            **said,
        )
        post(account, "INTEREST", cash="1.23", occurred_at=at("2024-03-05"), **mine)
        post(account, "STAKING", instrument=coin, quantity="0.3", occurred_at=at("2024-04-02"), **mine)
        return account

    @pytest.mark.parametrize(
        "asked", [{"as_of": "2024-06-01"}, {"as_of": "2024-06-01", "start": "2024-01-01"}, {"as_of": "2024-03-02"}]
    )
    def test_every_number_comes_from_the_payments(self, ask, account, asked):
        explains_income(ask(account, "income", **asked))

    def test_in_another_currency_comes_from_the_rates_of_the_days(self, ask, account):
        (other,) = fresh_currencies(1)
        rates(account.base_currency, other, {"2023-06-01": "0.7", "2024-03-01": "0.9"})
        answer = ask(account, "income", as_of="2024-06-01", currency=other)
        explains_income(answer)
        assert Decimal(answer["total"]["interest"]) == Decimal("1.23") * Decimal("0.9")

    def test_names_the_entries_and_the_rate_that_one_states(self, ask, account):
        answer = ask(account, "income", as_of="2024-06-01")
        rows = answer["explanation"]["tables"]["payments"]["rows"]
        assert [(row["sequence"], row["kind"], row["rate"]) for row in rows if row["kind"] == "DIVIDEND"] == [
            (4, "DIVIDEND", "1.25"),
            (5, "DIVIDEND", "1.3333"),
        ]
        assert {(rate["source"], rate["value"]) for rate in answer["explanation"]["rates"]} >= {("entry #5", "1.3333")}

    def test_of_too_many_months_is_refused(self, alice, ask):
        account = make_account(owner=alice)
        for number in range(101):
            post(account, "INTEREST", cash="1", occurred_at=at(f"{2010 + number // 12}-{number % 12 + 1:02}-03"))
        assert ask(account, "income", 400, as_of="2020-01-01")["errors"][0]["field"] == "explain"
        explains_income(ask(account, "income", as_of="2020-01-01", start="2015-01-01"))

    def test_of_an_account_without_income_adds_up_to_nothing(self, alice, ask):
        explains_income(ask(make_account(owner=alice), "income"))


def explains_drift(answer: dict) -> None:
    """Say that every number of a drift comes from its explanation."""
    explains_all({name: value for name, value in answer.items() if name not in {"allocation", "as_of"}})


@pytest.fixture(scope="module")
def planned(alice):
    """Return an account that holds two things in two currencies, with cash in both."""
    base, foreign = fresh_currencies(2)
    account = make_account(owner=alice, base_currency=base)
    share, bond = make_instrument(currency=base), make_instrument(currency=foreign, asset_class="BOND")
    rates(foreign, base, {"2024-01-02": "1.3137", "2024-01-03": "1.2999"})
    bars(share, {"2024-01-02": 10, "2024-01-03": "11.11"})
    bars(bond, {"2024-01-02": 20, "2024-01-03": "21.03"})
    mine, theirs = {"currency": base}, {"currency": foreign}
    post(account, "DEPOSIT", cash="1000", occurred_at=at("2024-01-02"), **mine)
    post(account, "DEPOSIT", cash="300", occurred_at=at("2024-01-02"), **theirs)
    post(account, "BUY", instrument=share, quantity="31", price="10", fee="7", occurred_at=at("2024-01-02"), **mine)
    post(account, "BUY", instrument=bond, quantity="7", price="20", fee="1.5", occurred_at=at("2024-01-02"), **theirs)
    return account, share, bond


class TestDrift:
    @pytest.fixture(scope="class", params=["INSTRUMENT", "ASSET_CLASS", "CURRENCY", "TAXONOMY"])
    @classmethod
    def allocation(cls, request, alice, planned):
        """Return an allocation of each basis."""
        account, share, bond = planned
        client, route = browser(alice), f"/api/v1/accounts/{account.pk}/targets/"
        body = {"name": request.param, "basis": request.param}
        if request.param == "INSTRUMENT":
            body |= {"targets": [{"instrument": share.key, "weight": "0.333333"}]}
        elif request.param == "TAXONOMY":
            parts = [("safe", share, "0.3"), ("risky", share, "0.633333"), ("safe", bond, "0.9")]
            address = f"/api/v1/accounts/{account.pk}"
            made = client.post(f"{address}/taxonomies/", {"name": "Risk"}, format="json")
            for name, one, weight in parts:
                row = {"taxonomy": made.json()["id"], "category": name, "instrument": one.key, "weight": weight}
                answer = client.post(f"{address}/classifications/", row, format="json")
                assert answer.status_code == 201, answer.content
            body |= {"taxonomy": made.json()["id"], "targets": [{"category": "safe", "weight": "0.25"}]}
        else:
            named = "BOND" if request.param == "ASSET_CLASS" else bond.currency
            body |= {"targets": [{"category": named, "weight": "0.5"}]}
        answer = client.post(route, body, format="json")
        assert answer.status_code == 201, answer.content
        return answer.json()["id"]

    @pytest.mark.parametrize("past", [{}, {"as_of": "2024-01-02"}])
    def test_comes_from_what_is_held(self, ask, planned, allocation, past):
        answer = ask(planned[0], "drift", allocation=allocation, **past)
        explains_drift(answer)
        held = {row["instrument"]: row["price"] for row in answer["explanation"]["tables"]["holdings"]["rows"]}
        assert held == dict(zip([planned[1].key, planned[2].key], ["10", "20"] if past else ["11.11", "21.03"], strict=True))

    def test_of_an_account_that_holds_nothing_is_none(self, alice, ask, share):
        account = make_account(owner=alice)
        body = {"name": "Mine", "targets": [{"instrument": share.key, "weight": "1"}]}
        assert browser(alice).post(f"/api/v1/accounts/{account.pk}/targets/", body, format="json").status_code == 201
        explains_drift(ask(account, "drift"))


class TestPolicyChecks:
    KINDS = ("POSITION", "ASSET_CLASS", "CURRENCY", "CASH", "FEES")

    @pytest.mark.parametrize("past", [{}, {"as_of": "2024-01-02"}])
    def test_come_from_what_is_compared(self, alice, ask, planned, past):
        account = planned[0]
        for kind in self.KINDS:
            body = {"kind": kind, "threshold": "0.3"}
            browser(alice).post(f"/api/v1/accounts/{account.pk}/policies/", body, format="json")
        answer = ask(account, "policy-checks", **past)
        assert [row["kind"] for row in answer["checks"]] == sorted(self.KINDS)
        explains_all(answer)
        assert answer["broken"] == sum(row["state"] == "broken" for row in answer["checks"]) > 0
        tables = answer["explanation"]["tables"]
        assert sum(Decimal(row["fees"]) for row in tables["year"]["rows"]) == Decimal("7") + Decimal("1.5") * Decimal("1.3137")

    def test_without_bounds_none_is_broken(self, alice, ask):
        explains_all(ask(make_account(owner=alice), "policy-checks"))


class TestExcluded:
    @pytest.mark.parametrize("causes", ["fees", "taxes", "income", "fees,income,taxes"])
    @pytest.mark.parametrize("asked", [{}, {"start": "2024-01-04", "end": "2024-01-11"}, {"as_of": "2024-01-09"}])
    def test_performance_before_a_cause_comes_from_the_days_without_it(self, busy, causes, asked):
        ask, account, benchmark = busy
        answer = ask(account, "performance", exclude=causes, **asked, **benchmark)
        explains_all(answer)
        tables = answer["explanation"]["tables"]
        days = {row["day"]: row for row in tables["days"]["rows"]}
        for row in tables["excluded"]["rows"]:
            assert (days[row["day"]]["inflow"], days[row["day"]]["outflow"]) == (row["inflow"], row["outflow"])

    @pytest.fixture(scope="class", params=[False, True])
    @classmethod
    def busy(cls, request):
        """Return a way to ask, a busy account, and maybe a benchmark to ask for."""
        fortnights = Fortnights()
        client, account = browser(fortnights.owner), fortnights.busy("FIFO")

        def get(one, route: str, **query: str) -> Any:
            response = client.get(f"/api/v1/accounts/{one.pk}/{route}/", {"explain": "1"} | query)
            assert response.status_code == 200, response.content
            return response.json()

        return get, account, {"benchmark": benchmark_of(fortnights.base).key} if request.param else {}
