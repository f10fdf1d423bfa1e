"""Automatic sessions look at each new bar once, say why, and order through risk; what they decide is what a backtest decides."""

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from accounts.domain.roles import Role
from accounts.models import Account, Job, JobRun, Membership
from accounts.models.tenancy import acting_as
from accounts.services import jobs
from marketdata.domain.bars import Timeframe
from marketdata.models import Bar
from tests.architecture.tree import ROOT
from tests.factories import make_bars, make_instrument, make_user, share
from tests.trading.factories import stored
from tests.trading.services.automation_desk import DAYS, Market
from trading import tasks
from trading.domain.backtest_costs import Costs
from trading.domain.backtest_requests import microseconds, since
from trading.domain.backtest_steps import Cause, Exits, steps_of
from trading.domain.strategies.registry import made
from trading.models import Decision, Door, Evaluation, Fill, Order, RestrictedInstrument, RiskEvent, Session, Signal, TradingHalt
from trading.selectors.automation import is_over
from trading.selectors.backtests import markets_of
from trading.selectors.sessions import standing_of_session
from trading.services.automation import accounts_to_look_at, wake_sessions
from trading.services.orders import Ordering, cancel_all
from trading.services.pauses import pause_trading, resume_trading
from trading.services.sessions import end_session

FLAT = ["10", "10", "10", "10"]
RISING = [*FLAT, "11"]


class TestDay:
    def test_a_signal_becomes_a_decision_an_order_and_a_fill_in_one_chain(self):
        market = Market(FLAT)
        assert market.evaluate() == "1 nothing"
        assert market.day("11") == "1 ordered"
        assert market.orders() == [("BUY", "MARKET", "ACCEPTED")]
        (seen,), (decision,), (order,) = market.rows(Signal), market.rows(Decision), market.rows(Order)
        assert (seen.kind, seen.status, seen.session_id) == ("ENTER_LONG", "TAKEN", market.session.pk)
        assert (decision.choice, decision.confidence, decision.signal_id, decision.price) == ("BUY", 1, seen.pk, 11)
        assert (order.decision_id, order.session_id, order.door) == (decision.pk, market.session.pk, "STRATEGY")
        assert "wants to be long" in decision.reasoning
        assert decision.metadata["bar"]["close"] == "11"
        assert decision.metadata["parameters"] == {"fast": 2, "slow": 3, "average": "SMA", "short": False} | {
            "fast": 2,
            "slow": 3,
        }
        assert market.last().decision_id == decision.pk
        assert order.quantity == 90  # one percent of a hundred thousand, all of the price at risk
        assert market.day("12") == "1 nothing"
        (fill,) = market.rows(Fill)
        assert (fill.quantity, fill.price) == (90, 12)  # at the next open, not at the close that was decided on

    def test_it_gets_out_when_the_plan_does(self):
        market = Market(FLAT)
        for close in ("10", "11", "12", "8", "8"):
            market.day(close)
        assert market.orders() == [("BUY", "MARKET", "FILLED"), ("SELL", "MARKET", "FILLED")]
        assert market.outcomes() == ["NOTHING", "ORDERED", "NOTHING", "ORDERED", "NOTHING"]
        assert [decision.choice for decision in market.rows(Decision)] == ["BUY", "SELL"]

    def test_an_entry_that_is_not_filled_yet_goes_when_the_plan_wants_out(self):
        market = Market(RISING)
        market.evaluate()
        assert market.orders() == [("BUY", "MARKET", "NEW")]
        market.bar("8")
        market.evaluate()
        assert market.orders() == [("BUY", "MARKET", "CANCELED")]
        assert "canceled before it was filled" in market.last().detail

    def test_a_stop_hangs_on_the_order_and_who_is_stopped_out_stays_out(self):
        market = Market(FLAT, rules={"stop_loss": "0.05"})
        market.day("11")
        assert [(order.role, order.stop_price) for order in market.rows(Order)] == [
            ("ENTRY", None),
            ("STOP_LOSS", Decimal("10.45")),
        ]
        assert market.rows(Order)[0].quantity == 1818  # what the stop costs is one percent
        market.day("12")
        market.day("12", low="10")
        market.day("13")
        market.day("14")
        assert market.orders() == [("BUY", "MARKET", "FILLED"), ("SELL", "STOP", "FILLED")]
        assert "waits for another plan" in market.last().detail

    def test_it_takes_the_stop_away_before_it_gets_out_by_plan(self):
        market = Market(FLAT, rules={"stop_loss": "0.5"})
        for close in ("11", "12"):
            market.day(close)
        assert market.day("8") == "1 waiting"
        assert market.evaluate() == "1 ordered"
        market.broker()
        market.day("8")
        assert market.orders() == [("BUY", "MARKET", "FILLED"), ("SELL", "STOP", "CANCELED"), ("SELL", "MARKET", "FILLED")]

    def test_a_stop_that_is_gone_is_put_back(self):
        market = Market(FLAT, rules={"stop_loss": "0.5"})
        for close in ("11", "12"):
            market.day(close)
        with acting_as(market.account.owner_id):
            by = Ordering(actor=market.account.owner, door=Door.API, at=market.now)
            cancel_all(account=market.account, by=by)
        market.broker()
        assert market.day("13") == "1 nothing"
        assert market.last().detail == "The plan is as it was; the stop is set to 5.5."
        assert market.orders()[1:] == [("SELL", "STOP", "CANCELED"), ("SELL", "STOP", "ACCEPTED")]

    def test_crypto_has_its_stop_watched_bar_by_bar(self):
        market = Market(FLAT, rules={"stop_loss": "0.05"}, stock={"asset_class": "CRYPTO"})
        market.day("11")
        market.day("12")
        assert market.day("12", low="10") == "1 ordered"
        market.day("12")
        assert market.orders() == [("BUY", "MARKET", "FILLED"), ("SELL", "MARKET", "FILLED")]
        assert market.last().outcome == "NOTHING"

    def test_it_turns_round_in_two_steps(self):
        market = Market(FLAT, parameters={"fast": 2, "slow": 3, "short": True}, rules={"shorts": True})
        market.limits(allow_short=True, max_consecutive_losses=1000)
        market.day("11")
        market.day("12")
        assert market.day("8") == "1 waiting"
        market.bar("8")
        market.broker()  # the position is closed
        assert market.evaluate() == "1 ordered"
        assert [order[:2] for order in market.orders()] == [("BUY", "MARKET"), ("SELL", "MARKET"), ("SELL", "MARKET")]
        assert market.rows(Order)[-1].effect == "OPEN"


class TestOnce:
    def test_who_looks_again_finds_nothing_new(self):
        market = Market(RISING)
        assert [market.evaluate() for _ in range(3)] == ["1 ordered", "no new bars", "no new bars"]
        assert len(market.rows(Order)) == len(market.rows(Evaluation)) == 1

    def test_several_at_once_order_once(self):
        market, failures = Market(RISING), []

        def work():
            try:
                market.evaluate()
            except Exception as error:
                failures.append(error)
            finally:
                connection.close()

        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert (len(market.rows(Order)), len(market.rows(Evaluation)), len(market.rows(Signal))) == (1, 1, 1)

    @pytest.mark.slow
    @pytest.mark.parametrize(("step", "left"), [("looked", 0), ("decided", 0), ("done", 0), ("committed", 1)])
    def test_killed_at_any_step_it_orders_once(self, step, left):
        market = Market(RISING)
        command = [sys.executable, "-m", "tests.trading.services.automation_process"]
        told = [connection.settings_dict["NAME"], str(market.account.pk), market.now.isoformat(), step]
        died = subprocess.run([*command, *told], check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert len(market.rows(Order)) == len(market.rows(Evaluation)) == left
        market.evaluate()
        assert len(market.rows(Order)) == len(market.rows(Decision)) == len(market.rows(Evaluation)) == 1

    def test_late_and_corrected_bars_change_nothing(self):
        market = Market(RISING)
        market.evaluate()
        prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(10))
        Bar.objects.filter(instrument=market.stock, timestamp__date=DAYS[4].day).update(**prices, recorded_at=market.now)
        early = DAYS[0].day - timedelta(days=1)
        make_bars(market.stock, [(early, Decimal(50))], at=market.now)
        assert market.evaluate() == "no new bars"
        assert len(market.rows(Order)) == 1

    def test_of_several_that_come_at_once_the_newest_counts(self):
        market = Market(FLAT)
        market.evaluate()
        for close in ("11", "12", "12"):
            market.bar(close)
        market.evaluate()
        assert (len(market.rows(Evaluation)), market.last().passed_over) == (2, 2)

    def test_a_bar_that_is_not_over_or_was_stored_before_it_was_is_not_looked_at(self):
        day = DAYS[0]
        midnight = datetime.combine(day.day, datetime.min.time(), UTC)
        later = day.close_at + timedelta(minutes=1)
        for recorded_at, at, over in (
            (later, later, True),
            (day.close_at - timedelta(minutes=1), later, False),
            (later, day.close_at - timedelta(minutes=1), False),
        ):
            assert is_over(Timeframe.DAY, "XNYS", midnight, recorded_at=recorded_at, at=at) is over

    def test_a_bar_that_is_too_old_moves_nothing(self):
        market = Market(RISING)
        market.now += timedelta(days=30)
        market.evaluate()
        assert (market.outcomes(), market.rows(Order)) == (["MISSED"], [])


class TestStopped:
    def test_it_does_nothing_once_it_has_ended(self):
        market = Market(RISING)
        with acting_as(market.account.owner_id):
            end_session(session=market.session, at=market.now)
        assert market.evaluate() == "no new bars"
        assert market.rows(Evaluation) == []

    def test_a_pause_keeps_it_out_and_lets_it_get_out(self):
        market = Market(FLAT)
        market.day("11")
        market.day("12")
        with acting_as(market.account.owner_id):
            pause_trading(account=market.account, reason="Looking into it.", at=market.now)
        assert market.day("8") == "1 ordered"
        market.day("8")
        assert market.orders()[-1] == ("SELL", "MARKET", "FILLED")
        assert [market.day(close) for close in ("11", "12")] == ["1 stopped", "1 nothing"]
        assert "Looking into it." in market.rows(Evaluation)[-2].detail
        assert len(market.rows(Order)) == 2
        with acting_as(market.account.owner_id):
            resume_trading(account=market.account, actor=market.account.owner, at=market.now)
        assert market.day("13") == "1 nothing"  # what it missed it does not run after

    def test_a_halt_stops_all_and_what_could_not_be_left_is_left_later(self):
        market = Market(FLAT)
        market.day("11")
        market.day("12")
        stop = TradingHalt.objects.using("system").create(reason="fire", started_at=market.now)
        try:
            market.bar("8")
            assert market.evaluate() == "1 stopped"
        finally:
            TradingHalt.objects.using("system").filter(pk=stop.pk).update(ended_at=market.now)
        assert market.day("8") == "1 ordered"

    def test_a_limit_refuses_and_that_is_on_record(self):
        market = Market(RISING)
        stored(RestrictedInstrument, market.account, instrument=market.stock, created_at=market.now)
        assert market.evaluate() == "1 refused"
        assert [event.type for event in market.rows(RiskEvent)] == ["RESTRICTED_INSTRUMENT"]
        assert (market.rows(Order), len(market.rows(Decision))) == ([], 1)

    def test_it_stops_where_the_account_goes_live(self):
        market = Market(RISING)
        with acting_as(market.account.owner_id):
            Account.objects.filter(pk=market.account.pk).update(execution_mode="LIVE")
        assert market.evaluate() == "1 stopped"
        assert "PAPER" in market.last().detail

    def test_it_stops_where_who_began_it_may_not_trade_any_more(self):
        market = Market(RISING)
        trader = share(market.account, make_user(), Role.TRADER)
        with acting_as(market.account.owner_id):
            Session.objects.filter(pk=market.session.pk).update(actor=trader)
            Membership.objects.filter(account=market.account, user=trader).delete()
        assert market.evaluate() == "1 stopped"

    def test_an_instrument_that_fails_does_not_hold_up_the_others(self, monkeypatch):
        market = Market(RISING)
        other = make_instrument(exchange="XNYS")
        market.start(instruments=[other.key, market.stock.key])
        seen = []

        def fail(instrument, *args, **more):
            seen.append(instrument)
            raise RuntimeError("broken") if len(seen) == 1 else LookupError("as well")

        monkeypatch.setattr("trading.services.automation.newest_bar", fail)
        with pytest.raises(Exception, match="broken"):
            market.evaluate()
        assert len(seen) == 3


class TestJob:
    def due(self, market):
        """Return the account's job, due now if it is on and there is something to do."""
        wake_sessions(at=market.now)
        return Job.objects.using("system").get(account=market.account.pk, kind="STRATEGIES")

    def test_is_off_until_an_owner_turns_it_on_and_due_when_there_are_bars(self):
        market = Market(RISING)
        with acting_as(market.account.owner_id):
            jobs.open_jobs(account=market.account, at=market.now)
        assert self.due(market).next_run_at is None
        with acting_as(market.account.owner_id):
            job = jobs.reschedule_job(job=Job.objects.get(account=market.account, kind="STRATEGIES"), enabled=True, at=market.now)
        assert job.next_run_at > market.now
        assert self.due(market).next_run_at == market.now
        claimed = jobs.claim_due(at=market.now, account_ids=[market.account.pk])
        (run_id,) = claimed["STRATEGIES"][0]
        tasks.run_strategies(run_ids=[str(run_id)])
        run = JobRun.objects.using("system").get(pk=run_id)
        assert (run.outcome, run.detail) == ("SUCCEEDED", "1 missed")  # the bar is of 2024
        assert self.due(market).next_run_at > market.now

    def test_accounts_are_looked_at_for_new_bars_and_for_orders_that_moved(self):
        market = Market(FLAT, rules={"stop_loss": "0.5"})
        assert market.account.pk in accounts_to_look_at(at=market.now)
        for close in ("11", "12"):
            market.day(close)
        assert market.account.pk not in accounts_to_look_at(at=market.now)
        market.bar("8")
        market.broker()
        assert market.evaluate() == "1 waiting"
        assert market.account.pk not in accounts_to_look_at(at=market.now)
        market.now += timedelta(seconds=30)
        market.broker()
        assert market.account.pk in accounts_to_look_at(at=market.now)

    def test_a_session_tells_how_it_stands(self):
        market = Market(RISING)
        with acting_as(market.account.owner_id):
            found = standing_of_session(market.session, at=market.now)
            assert (found.working, [place.last for place in found.places]) == (False, [None])
            assert "STRATEGIES is off" in found.idle[0]
            (job,) = (one for one in jobs.open_jobs(account=market.account, at=market.now) if one.kind == "STRATEGIES")
            jobs.reschedule_job(job=job, enabled=True, at=market.now)
        market.evaluate()
        market.broker()
        market.day("12")
        with acting_as(market.account.owner_id):
            found = standing_of_session(market.session, at=market.now)
        assert (found.working, found.places[0].held, found.places[0].last.outcome) == (True, 90, "NOTHING")


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ({}, "configuration.instruments"),
        ({"instruments": ["NOSUCHTHING"]}, "configuration.instruments"),
        ({"instruments": [1]}, "configuration.instruments"),
        ({"timeframe": "2d"}, "configuration.timeframe"),
    ],
)
def test_a_session_that_cannot_trade_does_not_begin(written, field):
    market = Market(FLAT)
    said = written if "instruments" in written or not written else {"instruments": [market.stock.key], **written}
    with pytest.raises(ValidationError) as refused:
        market.start(**{"instruments": None} | said)
    assert list(refused.value.error_dict) == [field]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "parameters", "rules"),
    [
        ("sma_cross", {"fast": 2, "slow": 5}, {}),
        ("breakout", {"entry": 5, "exit": 3, "atr": 3, "stop": "1"}, {}),
    ],
)
def test_day_by_day_on_paper_it_decides_what_a_backtest_decides(kind, parameters, rules):
    random = np.random.default_rng(3)
    closes = [f"{close:.2f}" for close in 100 * np.exp(np.cumsum(random.normal(0, 0.03, 60)))]
    market = Market(closes[:15], kind=kind, parameters=parameters, rules=rules)
    market.limits(max_consecutive_losses=1000, max_daily_loss_share=1, max_drawdown_share=1)
    market.evaluate()
    for close in closes[15:]:
        market.day(close)
        while market.outcomes()[-1] == "WAITING" and market.evaluate() != "no new bars":
            market.now += timedelta(seconds=30)
            market.broker()
            if market.last().detail == "The order to get out is under way.":
                break
    begin = market.session.started_at.date()
    strategy = made(kind, market.session.configuration["parameters"])
    span = {"start": since(begin, warm_up=strategy.warm_up, bar=timedelta(days=1)), "end": DAYS[60].day}
    (read,) = markets_of(instruments=[market.stock.pk], timeframe=Timeframe.DAY, **span)
    plan = strategy.plan(read.bars)
    steps = steps_of(0, read, plan, exits=Exits(), costs=Costs(), shorts=False, begin=microseconds(begin))
    times = read.bars.timestamps
    decided = [(int(times[step.bar - 1]), step.target) for step in steps if step.cause is Cause.SIGNAL]
    assert len(decided) > 4
    found = [
        (int(row.bar.timestamp() * 1_000_000), float(row.target))
        for row in market.rows(Evaluation)
        if row.decision_id is not None
    ]
    assert [one for one in found if one[0] < times[-1]] == decided
    assert {order.status for order in market.rows(Order)} <= {"FILLED", "CANCELED", "ACCEPTED", "NEW"}
