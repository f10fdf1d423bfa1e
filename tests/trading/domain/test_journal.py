"""A trade record follows from fills and what is known besides; groups of trades add up to all of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.journal import Background, Sized, as_said, factor_after, for_files, planned_in, record_of, tidy
from trading.domain.journal_statistics import By, Closed, figures_of, group_of_time, grouped_figures
from trading.domain.orders import PositionEffect, Side
from trading.domain.round_trips import Execution, round_trips
from trading.domain.trade_records import NAMES, read_line

START = datetime(2024, 5, 6, 14, 30, tzinfo=UTC)
ABOUT = Background(
    order_id="abc",
    symbol="AAPL",
    action="BUY",
    execution_mode="PAPER",
    account_id="a1",
    strategy_name="flag",
    entry_type="breakout",
    stop_loss=Decimal("98"),
    target=Decimal("105"),
    reasoning="It broke out.",
    indicators=("VWAP",),
    reference_price=Decimal("99.95"),
    exit_reasoning="Target.",
    session_id="s1",
    bot_version="1.0.0",
    config_hash="0" * 32,
)


def done(order, side, effect, quantity, price, *, minute=0, fee="0", closes=None):
    numbers = (Decimal(quantity), Decimal(price), Decimal(fee))
    at = START + timedelta(minutes=minute)
    return Execution(order, "X", Side[side], PositionEffect[effect], at, *numbers, closes=closes)


def trip_of(*executions):
    return round_trips(executions).trips[0]


class TestRecord:
    def test_of_a_trade_that_was_closed_has_all_that_became_of_it(self):
        trip = trip_of(done("in", "BUY", "OPEN", 10, 100, fee="1"), done("out", "SELL", "CLOSE", 10, 105, minute=60, fee="0.50"))
        record = record_of(Sized(trip), ABOUT)
        record.check()
        assert (record.quantity, record.price, record.total_value) == (10, 100, 1000)
        assert (record.outcome, record.profit_loss, record.commission, record.net_profit_loss) == (
            "win",
            50,
            Decimal("1.50"),
            Decimal("48.50"),
        )
        assert (record.hold_duration_seconds, record.exit_timestamp) == (3600, START + timedelta(hours=1))
        assert (record.slippage, record.risk_reward_ratio, record.exit_reasoning) == (Decimal("0.05"), Decimal("2.5"), "Target.")
        assert Sized(trip).r_multiple(ABOUT.stop_loss) == Decimal("2.425")
        assert read_line(record.to_line()) == record

    def test_of_an_open_trade_tells_no_end_though_part_of_it_was_closed(self):
        trip = trip_of(done("in", "BUY", "OPEN", 10, 100), done("out", "SELL", "CLOSE", 4, 105, minute=60))
        record = record_of(Sized(trip), ABOUT)
        ends = ("profit_loss", "net_profit_loss", "exit_timestamp", "exit_reasoning", "hold_duration_seconds")
        assert record.outcome == "open"
        assert [getattr(record, name) for name in ends] == [None] * 5

    def test_of_a_short_trade_slips_downward(self):
        trip = trip_of(done("in", "SELL", "OPEN", 10, 100))
        record = record_of(Sized(trip), replace(ABOUT, action="SELL", reference_price=Decimal("100.02")))
        assert record.slippage == Decimal("0.02")

    def test_takes_what_was_planned_before_what_prices_come_to(self):
        trip = trip_of(done("in", "BUY", "OPEN", 1, 100))
        assert record_of(Sized(trip), replace(ABOUT, planned=Decimal("3"))).risk_reward_ratio == 3

    def test_in_files_says_something_where_nothing_was_written_down(self):
        bare = Background(order_id="a", symbol="AAPL", action="BUY", execution_mode="PAPER", account_id="a1")
        record = record_of(Sized(trip_of(done("in", "BUY", "OPEN", 1, 100))), bare)
        for_files(record).check()
        assert as_said(for_files(record)) == record
        assert len(NAMES) == 27

    def test_across_a_split_is_in_the_units_of_the_opening(self):
        trip = trip_of(done("in", "BUY", "OPEN", 20, 50), done("out", "SELL", "CLOSE", 20, 55, minute=9))  # 10 at 100 before
        sized = Sized(trip, [(START.date() + timedelta(days=1), Decimal(2))])
        record = record_of(sized, replace(ABOUT, reference_price=None))
        assert (record.quantity, record.price, record.profit_loss, sized.exit_price) == (10, 100, 100, 110)
        assert sized.r_multiple(Decimal(98)) == 5

    def test_counts_the_splits_after_a_time_alone(self):
        splits = [(date(2024, 5, 6), Decimal(2)), (date(2024, 5, 7), Decimal(3)), (date(2024, 6, 7), Decimal(4))]
        assert factor_after(START, splits) == 12

    @pytest.mark.parametrize("said", [None, True, "many", "NaN", float("inf"), [], "1e99"])
    def test_plans_nothing_by_what_is_no_number(self, said):
        assert planned_in({"risk_reward_ratio": said}) is None

    def test_writes_at_least_cents(self):
        assert [str(tidy(Decimal(one))) for one in ("5", "5.10", "5.123", "1E+3")] == ["5.00", "5.10", "5.123", "1000.00"]


class TestExits:
    def test_close_the_trade_they_were_placed_for(self):
        found = round_trips(
            [
                done("a", "BUY", "OPEN", 10, 100),
                done("b", "BUY", "OPEN", 10, 110, minute=1),
                done("stop", "SELL", "CLOSE", 10, 105, minute=2, closes="b"),
                done("rest", "SELL", "CLOSE", 10, 120, minute=3),
            ]
        )
        first, second = found.trips
        assert (first.order, first.gross, second.order, second.gross) == ("a", 200, "b", -50)
        assert not found.unmatched

    def test_close_the_oldest_with_what_is_left(self):
        found = round_trips(
            [
                done("a", "BUY", "OPEN", 5, 100),
                done("b", "BUY", "OPEN", 5, 100),
                done("out", "SELL", "CLOSE", 8, 101, minute=2, closes="b"),
            ]
        )
        assert [trip.remaining for trip in found.trips] == [2, 0]

    def test_of_an_order_that_goes_on_being_filled_leave_it_open(self):
        found = round_trips(
            [done("a", "BUY", "OPEN", 5, 100), done("out", "SELL", "CLOSE", 5, 101), done("a", "BUY", "OPEN", 5, 100, minute=3)]
        )
        assert [(trip.quantity, trip.remaining) for trip in found.trips] == [(10, 5)]
        closed = round_trips(
            [
                done("a", "BUY", "OPEN", 5, 100),
                done("out", "SELL", "CLOSE", 5, 101),
                done("a", "BUY", "OPEN", 5, 100, minute=3),
                done("end", "SELL", "CLOSE", 5, 101, minute=4),
            ]
        )
        assert not closed.unmatched


def closed(net, *groups, minute=0, r=None):
    at = START + timedelta(minutes=minute)
    return Closed(
        closed_at=at,
        gross=Decimal(net) + 1,
        fees=Decimal(1),
        net=Decimal(net),
        r_multiple=r,
        held_for=timedelta(minutes=5),
        groups=groups,
    )


class TestStatistics:
    def test_of_a_group_can_be_worked_out_by_hand(self):
        found = figures_of("x", [closed(-50, minute=2, r=Decimal(-1)), closed(100, r=Decimal(2)), closed(30, minute=1)])
        assert (found.statistics.total_trades, found.statistics.wins, found.statistics.consecutive_losses) == (3, 2, 1)
        assert (found.net, found.gross, found.fees, found.best, found.worst) == (80, 83, 3, 100, -50)
        assert (found.average_r, found.average_hold_seconds) == (Decimal("0.5"), 300)
        assert found.statistics.profit_factor == Decimal("2.6")

    def test_of_nothing_is_nothing(self):
        found = figures_of("", [])
        assert (found.statistics.win_rate, found.best, found.average_r, found.average_hold_seconds) == (None, None, None, None)

    @given(st.lists(st.tuples(st.integers(-9, 9), st.sampled_from("abc"))))
    def test_of_groups_add_up(self, drawn):
        trades = [closed(net, group, minute=number) for number, (net, group) in enumerate(drawn)]
        groups = grouped_figures(trades)
        assert sum(one.net for one in groups) == figures_of("", trades).net
        assert [one.name for one in groups] == sorted({group for _, group in drawn})

    def test_counts_a_trade_once_in_each_of_its_groups(self):
        found = grouped_figures([closed(5, "a", "b", "a")])
        assert [(one.name, one.statistics.total_trades) for one in found] == [("a", 1), ("b", 1)]

    def test_knows_the_hour_of_the_place(self):
        there = START.astimezone(ZoneInfo("America/New_York"))
        assert (group_of_time(By.HOUR, there), group_of_time(By.WEEKDAY, there)) == ("10", "Monday")
