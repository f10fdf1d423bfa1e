"""Backtests by REST: asked for, seen through to their files, held side by side, and refused by name."""

import io
from datetime import UTC, date, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from tests.clients import browser
from tests.factories import make_account, make_bars, make_instrument, make_user
from tests.trading.factories import make_run
from trading.services.backtests import perform_backtest, runs_of

NOW = datetime(2024, 5, 7, tzinfo=UTC)


@pytest.fixture
def instrument():
    """Return an instrument that went up, down and up."""
    made = make_instrument()
    make_bars(made, [(date(2020, 1, 1) + timedelta(days=n), str(100 + abs(n % 120 - 60))) for n in range(500)])
    return made


@pytest.fixture
def call(alice, account):
    """Return a way for Alice to call a route of her account."""
    client = browser(alice)

    def ask(method, route, body=None, *, status=200, **query):
        path = f"/api/v1/accounts/{account.pk}/{route}/"
        answer = getattr(client, method)(path, query if method == "get" else body, format=None if method == "get" else "json")
        assert answer.status_code == status, answer.content
        return answer

    return ask


@pytest.fixture
def body(instrument):
    """Return what a backtest is asked for with."""
    return {
        "strategy_kind": "sma_cross",
        "instruments": [instrument.key],
        "start": "2020-03-01",
        "end": "2021-03-01",
        "cash": "10000",
        "rules": {"sizing": "EQUITY", "amount": "1"},
    }


def perform(run):
    """Do all that is to be done of a backtest."""
    for one in runs_of(run_id=run["id"]):
        perform_backtest(run_id=one, clock=lambda: NOW)


class TestRun:
    def test_is_seen_through_to_its_files(self, call, body, instrument):
        made = call("post", "backtests", body, status=201).json()
        assert (made["status"], made["instruments"], made["done"], made["total"]) == ("QUEUED", [instrument.key], 0, 1)
        assert made["rules"]["objective"] == "sharpe"
        perform(made)
        run = call("get", f"backtests/{made['id']}").json()
        assert (run["status"], run["metrics"]["total_trades"] > 0) == ("SUCCEEDED", True)
        files = call("get", f"backtests/{made['id']}/files").json()["results"]
        assert [one["name"] for one in files] == ["summary.json", "equity.parquet", "trades.parquet"]
        answer = call("get", f"backtests/{made['id']}/files/trades.parquet")
        table = pq.read_table(io.BytesIO(b"".join(answer.streaming_content)))
        assert len(table) >= run["metrics"]["total_trades"]

    def test_a_file_that_is_none_of_its_own_is_not_there(self, call, account, instrument):
        run = make_run(account, instrument)
        assert call("get", f"backtests/{run.pk}/files").json()["results"] == []
        for name in ("summary.json", "..", "other.json"):
            call("get", f"backtests/{run.pk}/files/{name}", status=404)

    def test_is_canceled_and_thrown_away(self, call, body):
        made = call("post", "backtests", body, status=201).json()
        assert call("delete", f"backtests/{made['id']}", status=409).json()["code"] == "backtest_goes_on"
        assert call("post", f"backtests/{made['id']}/cancel").json()["status"] == "CANCELED"
        assert call("post", f"backtests/{made['id']}/cancel", status=409).json()["code"] == "backtest_ended"
        call("delete", f"backtests/{made['id']}", status=204)
        call("get", f"backtests/{made['id']}", status=404)

    def test_is_refused_by_field(self, call, body):
        wrong = body | {"parameters": {"fast": 50, "slow": 20}}
        assert "parameters.slow" in str(call("post", "backtests", wrong, status=400).json())
        refused = call("post", "backtests", body | {"strategy_kind": "x"}, status=400).json()
        assert (refused["errors"][0]["field"], refused["code"]) == ("strategy_kind", "unknown_strategy")


class TestSweep:
    def test_has_runs_that_are_held_side_by_side(self, call, body):
        made = call("post", "backtests", body | {"kind": "SWEEP", "parameters": {"fast": [5, 10]}}, status=201).json()
        perform(made)
        runs = call("get", "backtests", parent=made["id"], ordering="number").json()["results"]
        assert [run["parameters"]["fast"] for run in runs] == [5, 10]
        ids = ",".join(run["id"] for run in runs)
        side = call("get", "backtests/compare", ids=ids).json()
        assert [run["id"] for run in side["backtests"]] == [run["id"] for run in runs]
        assert side["figures"]["twr"] == [run["metrics"]["twr"] for run in runs]
        assert call("get", f"backtests/{made['id']}").json()["done"] == 2

    @pytest.mark.parametrize("ids", ["", "x", ",".join(["0190a000-0000-7000-8000-000000000000"] * 21)])
    def test_compares_what_it_is_given(self, call, ids):
        call("get", "backtests/compare", ids=ids, status=400)

    def test_does_not_compare_those_of_others(self, call, instrument):
        other = make_run(make_account(owner=make_user()), instrument)
        assert "does_not_exist" in str(call("get", "backtests/compare", ids=str(other.pk), status=400).json())
