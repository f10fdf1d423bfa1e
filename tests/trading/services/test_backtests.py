"""Backtests are claimed once, leave files of their own, fan out, stop when they are told to, and touch nothing else."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow.parquet as pq
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ValidationError
from django.db import connections

from accounts.models.tenancy import acting_as
from marketdata.domain.bars import Timeframe
from marketdata.models import CorporateAction
from tests.factories import make_bars, make_instrument
from tests.trading.factories import make_strategy
from trading.domain.strategies.sma_cross import MovingAverageCross
from trading.models.backtests import BacktestRun
from trading.selectors.backtests import curve_of, files_of, folder_of, markets_of, summary_of
from trading.services import backtest_runs
from trading.services.backtests import (
    LEASE,
    BacktestEnded,
    BacktestGoesOn,
    cancel_backtest,
    delete_backtest,
    perform_backtest,
    request_backtest,
    runs_of,
    settle_parent,
    stalled_parents,
    waiting_runs,
)
from trading.services.refusals import NotAsThingsStand

NOW = datetime(2024, 5, 7, tzinfo=UTC)
FIRST = date(2020, 1, 1)


def clock():
    """Return the time."""
    return NOW


@pytest.fixture
def instrument():
    """Return an instrument with two years of bars that go up and down."""
    made = make_instrument()
    random = np.random.default_rng(5)
    closes = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.02, 700))), 2)
    make_bars(made, [(FIRST + timedelta(days=n), Decimal(repr(float(close)))) for n, close in enumerate(closes)])
    return made


@pytest.fixture
def ask(account, instrument):
    """Return a way for the owner to ask for a backtest."""

    def request(**fields):
        asked = {"account": account, "actor": account.owner, "at": NOW, "strategy_kind": "sma_cross", "instruments": [instrument]}
        period = {"start": date(2020, 6, 1), "end": date(2021, 6, 1), "cash": Decimal(10_000)}
        with acting_as(account.owner_id):
            return request_backtest(**asked | period | fields)

    return request


def again(run):
    """Return the run as it is stored now."""
    return BacktestRun.objects.using("system").get(pk=run.pk)


def perform(run):
    """Do all that is to be done of a backtest."""
    return [perform_backtest(run_id=one, clock=clock) for one in runs_of(run_id=run.pk)]


class TestRun:
    def test_leaves_its_figures_and_its_files(self, ask, instrument):
        run = ask(parameters={"fast": 5, "slow": 20}, costs={"rate": "0.001"}, rules={"sizing": "EQUITY", "amount": "1"})
        assert perform(run) == ["SUCCEEDED"]
        done = again(run)
        assert (done.status, done.done, done.total, done.error) == ("SUCCEEDED", 1, 1, "")
        assert set(files_of(run.pk)) == {"summary.json", "equity.parquet", "trades.parquet"}
        equity, trades = (pq.read_table(folder_of(run.pk) / f"{name}.parquet") for name in ("equity", "trades"))
        assert equity["equity"][-1].as_py() == Decimal(done.metrics["end_value"])
        gains = [gain for gain in trades["gain"].to_pylist() if gain is not None]
        assert len(gains) == done.metrics["total_trades"] > 5
        assert set(trades["instrument"].to_pylist()) == {instrument.key}
        assert min(trades["adverse"].to_pylist()) < 0 < max(trades["favorable"].to_pylist())
        summary = summary_of(run.pk)
        assert (summary["metrics"], summary["config_hash"]) == (done.metrics, done.config_hash)
        days, values = curve_of(run.pk)
        assert (len(days), values[-1]) == (365, pytest.approx(float(done.metrics["end_value"])))

    def test_knows_enough_on_its_first_day(self, ask):
        run = ask(parameters={"fast": 5, "slow": 20})
        perform(run)
        first = pq.read_table(folder_of(run.pk) / "trades.parquet")["opened_at"].to_pylist()[0]
        assert first < datetime(2020, 6, 20, tzinfo=UTC)

    def test_is_done_once(self, ask):
        run = ask()
        assert [perform_backtest(run_id=run.pk, clock=clock) for _ in range(2)] == ["SUCCEEDED", None]

    def test_is_done_again_when_its_worker_is_gone(self, ask):
        run = ask()
        BacktestRun.objects.using("system").filter(pk=run.pk).update(status="RUNNING", claimed_at=NOW - LEASE, attempts=1)
        assert run.pk not in waiting_runs(at=NOW, limit=10**6)
        later = NOW + timedelta(seconds=1)
        assert run.pk in waiting_runs(at=later, limit=10**6)
        assert perform_backtest(run_id=run.pk, clock=lambda: later) == "SUCCEEDED"
        assert again(run).attempts == 2

    def test_that_kills_its_workers_is_given_up(self, ask):
        run = ask()
        BacktestRun.objects.using("system").filter(pk=run.pk).update(attempts=3)
        assert perform_backtest(run_id=run.pk, clock=clock) == "FAILED"
        assert "three times" in again(run).error

    def test_that_takes_too_long_says_so_and_is_not_tried_again(self, ask, monkeypatch):
        def endless(run, *, look):
            raise SoftTimeLimitExceeded

        monkeypatch.setattr(backtest_runs, "execute", endless)
        run = ask()
        assert perform(run) == ["FAILED"]
        assert "fewer instruments" in again(run).error
        assert run.pk not in waiting_runs(at=NOW + 10 * LEASE)

    def test_of_a_strategy_whose_program_is_wrong_says_so_and_is_not_tried_again(self, ask, monkeypatch):
        def wrong(self, bars):
            raise LookupError("no such column")

        run = ask()
        monkeypatch.setattr(MovingAverageCross, "plan", wrong)
        assert perform(run) == ["FAILED"]
        run = again(run)
        assert (run.status, run.attempts) == ("FAILED", 1)
        assert run.error == "The strategy sma_cross failed: LookupError: no such column"

    def test_without_bars_says_so(self, ask):
        run = ask(instruments=[make_instrument()])
        assert perform(run) == ["FAILED"]
        assert again(run).error == "There are no 1d bars of the instruments from 2020-06-01 to 2021-06-01; load them first."
        assert files_of(run.pk) == {}

    def test_whose_amounts_are_beyond_all_reason_says_so_and_is_not_tried_again(self, ask):
        most = "999999999999999"
        penny = make_instrument(tick_size=Decimal("0.0001"))
        make_bars(penny, [(FIRST + timedelta(days=n), f"{0.0002 + 0.0001 * np.sin(n / 5):.10f}") for n in range(400)])
        run = ask(instruments=[penny], cash=Decimal(most), costs={"slippage_ticks": most}, rules={"shorts": True},
                  parameters={"fast": 3, "slow": 8, "short": True})  # fmt: skip
        assert perform(run) == ["FAILED"]
        run = again(run)
        assert (run.attempts, files_of(run.pk)) == (1, {})
        assert "28 digits" in run.error

    @pytest.mark.parametrize(("start", "end"), [(date.min, date(2021, 6, 1)), (date(2020, 6, 1), date.max)])
    def test_may_begin_and_end_when_there_are_no_bars(self, ask, start, end):
        run = ask(start=start, end=end)
        assert perform(run) == ["SUCCEEDED"]
        assert again(run).metrics["bars"] > 200

    def test_what_is_null_is_left_out(self, ask):
        run = ask(rules={"step": None, "stop_loss": None, "amount": None, "sizing": None})
        assert run.rules == {"amount": "1", "sizing": "EQUITY", "step": "1", "shorts": False, "objective": "sharpe"}
        assert perform(run) == ["SUCCEEDED"]

    def test_takes_away_what_a_worker_left_that_was_killed_while_it_wrote(self, ask):
        run = ask()
        left = folder_of(run.pk).with_name(f".{run.pk}-0123")
        left.mkdir(parents=True)
        (left / "equity.parquet").write_bytes(b"half")
        perform(run)
        assert (left.exists(), len(files_of(run.pk))) == (False, 3)

    def test_with_too_many_bars_says_so(self, ask, monkeypatch):
        monkeypatch.setattr(backtest_runs, "MOST_BARS", 10)
        run = ask()
        assert perform(run) == ["FAILED"]
        assert "more than 10 bars" in again(run).error

    def test_starts_from_the_parameters_of_a_strategy(self, ask, account):
        strategy = make_strategy(account.owner, kind="sma_cross", parameters={"fast": 7, "slow": 21})
        run = ask(strategy=strategy, strategy_kind="", parameters={"slow": 35})
        assert (run.strategy_kind, run.parameters) == ("sma_cross", {"fast": 7, "slow": 35})

    @pytest.mark.parametrize(
        ("fields", "names"),
        [
            ({"strategy_kind": "magic"}, {"strategy_kind"}),
            ({"strategy_kind": ""}, {"strategy_kind"}),
            ({"parameters": {"fast": 30, "slow": 20}}, {"parameters.slow"}),
            ({"parameters": {"fast": [5, 10]}}, {"parameters"}),
            ({"parameters": {"pace": 3}}, {"parameters.pace"}),
            ({"costs": {"rate": "2"}}, {"costs.rate"}),
            ({"rules": {"sizing": "UNITS"}}, {"rules.amount"}),
            ({"rules": {"sizing": "ALL", "shorts": "no"}}, {"rules.sizing", "rules.shorts"}),
            ({"rules": {"amount": "2", "stop_loss": "0"}}, {"rules.amount", "rules.stop_loss"}),
            ({"rules": {"sizing": "UNITS", "amount": None}}, {"rules.amount"}),
            ({"rules": {"sizing": ["UNITS"], "objective": {}}}, {"rules.sizing", "rules.objective"}),
            ({"rules": {"sizing": "UNITS", "amount": "1e999999999"}}, {"rules.amount"}),
            ({"costs": {"per_order": "1e999999999", "minimum": "1e-999999999"}}, {"costs.per_order", "costs.minimum"}),
            ({"parameters": {"fast": "1e999999999"}}, {"parameters.fast"}),
            ({"rules": {"test_days": 5}}, {"rules.test_days"}),
            (
                {"kind": "WALK_FORWARD", "start": date.min, "end": date.max, "rules": {"train_days": 1, "test_days": 1}},
                {"rules.test_days"},
            ),
            ({"kind": "WALK_FORWARD", "rules": {"test_days": 0}}, {"rules.test_days"}),
            ({"kind": "WALK_FORWARD", "rules": {"train_days": 800}}, {"rules.test_days"}),
            ({"kind": "SWEEP", "parameters": {"fast": list(range(2, 40)), "slow": list(range(50, 70))}}, {"parameters"}),
            ({"end": date(2020, 6, 1)}, {"end"}),
            ({"timeframe": "2d"}, {"timeframe"}),
            ({"cash": Decimal(0)}, {"cash"}),
            ({"instruments": []}, {"instruments"}),
            ({"code_version": "a b"}, {"code_version"}),
        ],
    )
    def test_is_refused_by_field(self, ask, fields, names):
        with pytest.raises(ValidationError) as refused:
            ask(**fields)
        assert set(refused.value.message_dict) == names

    def test_is_of_one_currency(self, ask, instrument):
        with pytest.raises(ValidationError, match="share a currency"):
            ask(instruments=[instrument, make_instrument(currency="EUR")])

    def test_too_many_at_once_are_refused(self, ask, monkeypatch):
        monkeypatch.setattr("trading.services.backtests.MOST_WAITING", 0)
        ask()
        with pytest.raises(NotAsThingsStand):
            ask()


class TestBars:
    def test_are_exact_and_adjusted_for_splits(self, instrument):
        make_bars(other := make_instrument(), [("2020-01-01", "100.10"), ("2020-01-02", "50.0512345678"), ("2020-01-03", "50")])
        CorporateAction.objects.create(
            instrument=other, kind="SPLIT", ex_date=date(2020, 1, 2), ratio=2, source="test", recorded_at=NOW
        )
        wanted = [other.pk, make_instrument().pk, instrument.pk]
        found = list(markets_of(instruments=wanted, timeframe=Timeframe.DAY, start=FIRST, end=date(2020, 1, 3)))
        assert [len(market.bars) for market in found] == [2, 0, 2]
        assert found[0].close.decimals() == [Decimal("50.05"), Decimal("50.0512345678")]
        assert found[0].bars.close.tolist() == [50.05, 50.0512345678]


class TestSweep:
    def test_runs_each_and_finds_the_best(self, ask):
        sweep = ask(kind="SWEEP", parameters={"fast": [5, 10, 40], "slow": [20, 30]}, rules={"objective": "twr"})
        assert (sweep.total, len(runs_of(run_id=sweep.pk))) == (4, 4)
        first, *others = runs_of(run_id=sweep.pk)
        perform_backtest(run_id=first, clock=clock)
        half = again(sweep)
        assert (half.status, half.done, half.total) == ("RUNNING", 1, 4)
        for one in others:
            perform_backtest(run_id=one, clock=clock)
        done = again(sweep)
        runs = list(BacktestRun.objects.using("system").filter(parent=sweep.pk))
        best = max(runs, key=lambda run: Decimal(run.metrics["twr"]))
        assert (done.status, done.done, done.metrics["best"]) == ("SUCCEEDED", 4, str(best.pk))
        assert done.metrics["best_parameters"] == best.parameters
        assert len({run.config_hash for run in runs}) == 4

    def test_fails_if_all_do(self, ask):
        sweep = ask(kind="SWEEP", parameters={"fast": [5, 6]}, instruments=[make_instrument()])
        assert perform(sweep) == ["FAILED", "FAILED"]
        assert (again(sweep).status, "no 1d bars" in again(sweep).error) == ("FAILED", True)

    def test_is_ended_by_who_looks_after_it_if_its_worker_died(self, ask):
        sweep = ask(kind="SWEEP", parameters={"fast": [5, 6]})
        BacktestRun.objects.using("system").filter(parent=sweep.pk).update(status="FAILED", error="Dead.")
        assert sweep.pk in stalled_parents()
        settle_parent(parent_id=sweep.pk, at=NOW)
        assert (again(sweep).status, again(sweep).error) == ("FAILED", "Dead.")


class TestWalkForward:
    def test_chooses_on_the_days_before_each_window(self, ask):
        rules = {"train_days": 120, "test_days": 100, "objective": "twr"}
        walk = ask(kind="WALK_FORWARD", parameters={"fast": [5, 10], "slow": [20, 30]}, rules=rules)
        assert walk.total == 3
        assert set(perform(walk)) == {"SUCCEEDED"}
        done = again(walk)
        windows = done.metrics["windows"]
        assert [window["start"] for window in windows] == ["2020-09-29", "2021-01-07", "2021-04-17"]
        growth = 1
        for window in windows:
            assert window["parameters"]["fast"] in {5, 10}
            assert window["train_twr"] is not None
            growth *= 1 + Decimal(window["twr"])
        assert Decimal(done.metrics["twr"]) == pytest.approx(growth - 1)

    def test_the_days_of_a_window_have_no_say_in_what_it_runs_with(self, ask, instrument):
        rules = {"train_days": 120, "test_days": 245, "objective": "twr"}
        asked = {"kind": "WALK_FORWARD", "parameters": {"fast": [3, 5, 10, 15], "slow": [20, 30]}, "rules": rules}
        before = ask(**asked)
        perform(before)
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "UPDATE marketdata_bar SET open = 500 - close, high = 500 - close, low = 500 - close, close = 500 - close "
                "WHERE instrument_id = %s AND timestamp >= '2020-09-29'",
                [instrument.pk],
            )
        after = ask(**asked)
        perform(after)
        chosen = [again(run).metrics["windows"][0] for run in (before, after)]
        assert chosen[0]["parameters"] == chosen[1]["parameters"]
        assert chosen[0]["twr"] != chosen[1]["twr"]


class TestCancel:
    def test_what_waits_ends_at_once(self, ask, account):
        run = ask()
        with acting_as(account.owner_id):
            assert cancel_backtest(run=run, at=NOW).status == "CANCELED"
        assert perform_backtest(run_id=run.pk, clock=clock) is None

    def test_of_a_sweep_ends_its_runs(self, ask, account):
        sweep = ask(kind="SWEEP", parameters={"fast": [5, 6, 7]})
        perform_backtest(run_id=runs_of(run_id=sweep.pk)[0], clock=clock)
        with acting_as(account.owner_id):
            assert cancel_backtest(run=sweep, at=NOW).status == "CANCELED"
        states = BacktestRun.objects.using("system").filter(parent=sweep.pk).order_by("number").values_list("status", flat=True)
        assert list(states) == ["SUCCEEDED", "CANCELED", "CANCELED"]

    def test_what_runs_ends_at_its_next_look(self, ask, account):
        sweep = ask(kind="SWEEP", parameters={"fast": [5]})
        part, times = runs_of(run_id=sweep.pk)[0], []

        def clock():
            times.append(NOW + timedelta(seconds=2 * len(times)))
            if len(times) == 3:  # claimed, begun, and now the first look
                with acting_as(account.owner_id):
                    assert cancel_backtest(run=sweep, at=NOW).status == "RUNNING"
            return times[-1]

        assert perform_backtest(run_id=part, clock=clock) == "CANCELED"
        assert again(sweep).status == "CANCELED"
        assert files_of(part) == {}

    def test_what_has_ended_is_left_alone(self, ask, account):
        run = ask()
        perform(run)
        with acting_as(account.owner_id), pytest.raises(BacktestEnded):
            cancel_backtest(run=run, at=NOW)


class TestDelete:
    def test_takes_runs_and_files_along(self, ask, account):
        sweep = ask(kind="SWEEP", parameters={"fast": [5, 6]})
        parts = runs_of(run_id=sweep.pk)
        perform(sweep)
        assert all(files_of(part) for part in parts)
        with acting_as(account.owner_id):
            delete_backtest(run=again(sweep))
        assert not BacktestRun.objects.using("system").filter(pk__in=[sweep.pk, *parts]).exists()
        assert not any(folder_of(part).exists() for part in parts)

    def test_waits_for_the_end(self, ask, account):
        run = ask()
        with acting_as(account.owner_id), pytest.raises(BacktestGoesOn):
            delete_backtest(run=run)
