"""From fills to round trips: nothing is lost or invented, and each figure can be worked out by hand."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.matching import Move, match
from trading.domain.orders import PositionEffect, Side
from trading.domain.outcomes import TradeOutcome
from trading.domain.round_trips import Direction, Execution, PriceBar, excursion, round_trips, trips_of

START = datetime(2024, 5, 6, 14, 30, tzinfo=UTC)
OPEN, CLOSE = PositionEffect


def at(minutes):
    return START + timedelta(minutes=minutes)


def done(order, words, quantity, price, *, minute=0, fee="0", instrument="AAPL", multiplier="1"):
    side, effect = words.split()
    numbers = (Decimal(quantity), Decimal(price), Decimal(fee), Decimal(multiplier))
    return Execution(order, instrument, Side[side], PositionEffect[effect], at(minute), *numbers)


@st.composite
def histories(draw):
    """Draw executions that open and close two instruments both ways, closing at times more than was opened."""
    made = []
    for number in range(draw(st.integers(1, 15))):
        side, effect = draw(st.sampled_from(Side)), draw(st.sampled_from(PositionEffect))
        quantity = draw(st.decimals("0.001", "100", places=3))
        price, fee = draw(st.decimals("0.01", "500", places=2)), draw(st.decimals("-1", "5", places=2))
        order = f"{number // 2}{side}{effect}"  # some orders have several fills
        made.append(Execution(order, draw(st.sampled_from("AB")), side, effect, at(number), quantity, price, fee))
    return [one for number, one in enumerate(made) if one.instrument == made[number // 2 * 2].instrument]


class TestLaws:
    @given(histories())
    def test_quantities_are_neither_lost_nor_invented(self, history):
        found = round_trips(history)
        opened = sum(one.quantity for one in history if one.effect is OPEN)
        closed = sum(one.quantity for one in history if one.effect is CLOSE)
        assert sum(trip.quantity for trip in found.trips) == opened
        assert sum(trip.closed_quantity for trip in found.trips) + sum(one.quantity for one in found.unmatched) == closed
        assert all(0 <= trip.remaining <= trip.quantity for trip in found.trips)

    @given(histories())
    def test_of_what_is_wholly_closed_the_gains_are_the_cash_that_came_in(self, history):
        held = defaultdict(Decimal)
        last = {}
        for one in history:
            direction = (one.side is Side.BUY) == (one.effect is OPEN)
            held[one.instrument, direction] += one.quantity * (1 if one.effect is OPEN else -1)
            last[one.instrument, direction] = one
        flat = []  # whatever is still open is closed by an order of its own, and what was closed in vain is left out
        found = round_trips(history)
        for trip in found.trips:
            if trip.remaining:
                side = Side.SELL if trip.direction is Direction.LONG else Side.BUY
                flat.append(Execution("end", trip.instrument, side, CLOSE, at(99), trip.remaining, Decimal(7)))
        found = round_trips([*history, *flat])
        vain = sum((one.quantity * one.execution.price * -one.execution.side.sign for one in found.unmatched), Decimal(0))
        cash = sum((one.quantity * one.price * -one.side.sign for one in [*history, *flat]), Decimal(0))
        assert abs(sum(trip.gross for trip in found.trips) - (cash - vain)) <= Decimal("1e-10") * len(found.trips)
        if not found.unmatched:
            fees = sum((one.fee for one in history), Decimal(0))
            assert sum((trip.fees for trip in found.trips), Decimal(0)) == fees

    @given(histories(), st.integers(0, 15))
    def test_what_comes_later_changes_nothing_that_was_closed(self, history, cut):
        before, after = round_trips(history[:cut]), round_trips(history)
        for early, late in zip(before.trips, after.trips, strict=False):
            assert early.order == late.order
            assert late.exits[: len(early.exits)] == early.exits
        assert after.unmatched[: len(before.unmatched)] == before.unmatched

    @given(histories(), st.data())
    def test_of_some_orders_follow_from_the_fills_that_they_are_matched_with(self, history, data):
        whole = {trip.order: trip for trip in round_trips(history).trips}
        moves = [Move(one.order, (one.instrument, one.direction), one.opens, one.quantity) for one in history]
        found = match(moves)
        wanted = [one for one in found.opened.values() if data.draw(st.booleans())]
        needed = {place for one in wanted for place in (*one.entries, *(place for place, _ in one.exits))}
        assert trips_of(wanted, found, {place: history[place] for place in needed}) == [whole[one.order] for one in wanted]


class TestTrip:
    def test_of_a_purchase_and_two_sales(self):
        trip = round_trips(
            [
                done("in", "BUY OPEN", "60", "10", fee="0.60"),
                done("in", "BUY OPEN", "40", "10.5", minute=1, fee="0.40"),
                done("half", "SELL CLOSE", "50", "12", minute=30, fee="0.50"),
                done("rest", "SELL CLOSE", "50", "11", minute=60, fee="0.50"),
            ]
        ).trips[0]
        assert (trip.entry_price, trip.exit_price) == (Decimal("10.2"), Decimal("11.5"))
        assert (trip.gross, trip.fees, trip.net) == (Decimal(130), Decimal(2), Decimal(128))
        assert (trip.opened_at, trip.closed_at, trip.held_for) == (at(0), at(60), timedelta(hours=1))
        assert (trip.outcome, [one.order for one in trip.exits]) == (TradeOutcome.WIN, ["half", "rest"])
        assert trip.r_multiple(Decimal("9.7")) == Decimal("2.56")  # 128 for 0.50 x 100 at risk

    def test_half_closed_is_open_and_says_what_the_closed_half_made(self):
        history = [done("in", "BUY OPEN", "100", "10", fee="1"), done("out", "SELL CLOSE", "25", "12", minute=5, fee="0.10")]
        trip = round_trips(history).trips[0]
        assert (trip.remaining, trip.outcome, trip.closed_at, trip.held_for) == (75, TradeOutcome.OPEN, None, None)
        assert (trip.gross, trip.fees, trip.net) == (50, Decimal("0.35"), Decimal("49.65"))

    def test_not_closed_has_made_nothing_yet(self):
        trip = round_trips([done("in", "BUY OPEN", "100", "10", fee="1")]).trips[0]
        assert (trip.gross, trip.fees, trip.exit_price, trip.r_multiple(Decimal(9))) == (0, 0, None, None)

    def test_short_gains_as_the_price_falls(self):
        history = [done("in", "SELL OPEN", "10", "20"), done("out", "BUY CLOSE", "10", "18", minute=1)]
        trip = round_trips(history).trips[0]
        assert (trip.direction, trip.net, trip.r_multiple(Decimal(21))) == (Direction.SHORT, 20, 2)

    def test_of_contracts_counts_the_multiplier(self):
        history = [
            done("in", "BUY OPEN", "2", "1.5", multiplier="100"),
            done("out", "SELL CLOSE", "2", "1", minute=1, multiplier="100"),
        ]
        trip = round_trips(history).trips[0]
        assert (trip.net, trip.outcome, trip.r_multiple(Decimal(1))) == (-100, TradeOutcome.LOSS, -1)

    @pytest.mark.parametrize("stop", [None, Decimal(10), Decimal(11)])
    def test_without_a_stop_beyond_its_entry_has_no_r_multiple(self, stop):
        history = [done("in", "BUY OPEN", "1", "10"), done("out", "SELL CLOSE", "1", "11", minute=1)]
        assert round_trips(history).trips[0].r_multiple(stop) is None

    def test_one_sale_closes_the_oldest_purchases_and_shares_its_fee_out(self):
        found = round_trips(
            [
                done("a", "BUY OPEN", "10", "10"),
                done("b", "BUY OPEN", "10", "11", minute=1),
                done("out", "SELL CLOSE", "15", "12", minute=2, fee="1"),
            ]
        )
        assert [(trip.closed_quantity, trip.net) for trip in found.trips] == [
            (10, Decimal("19.3333333333")),
            (5, Decimal("4.6666666667")),
        ]

    def test_long_and_short_of_one_instrument_do_not_close_each_other(self):
        found = round_trips([done("a", "BUY OPEN", "1", "10"), done("b", "SELL OPEN", "1", "11", minute=1)])
        assert [trip.remaining for trip in found.trips] == [1, 1]

    def test_what_was_never_opened_by_an_order_is_told(self):
        found = round_trips([done("a", "BUY OPEN", "1", "10"), done("out", "SELL CLOSE", "3", "11", minute=1)])
        assert [(one.execution.order, one.quantity) for one in found.unmatched] == [("out", 2)]

    def test_an_order_that_is_filled_on_after_all_of_it_was_closed_waits_behind_the_others(self):
        found = round_trips(
            [
                done("a", "BUY OPEN", "1", "10"),
                done("b", "BUY OPEN", "1", "10", minute=1),
                done("out", "SELL CLOSE", "1", "11", minute=2),
                done("a", "BUY OPEN", "1", "12", minute=3),
                done("out", "SELL CLOSE", "1", "13", minute=4),
            ]
        )
        assert [(trip.order, trip.remaining) for trip in found.trips] == [("a", 1), ("b", 0)]

    def test_one_that_was_closed_by_many_bears_each_fee_once(self):
        sales = [done(number, "SELL CLOSE", "1", "11", minute=number, fee="0.01") for number in range(1, 501)]
        trip = round_trips([done("in", "BUY OPEN", "500", "10"), *sales]).trips[0]
        assert (len(trip.exits), trip.fees, trip.closed_at) == (500, 5, at(500))


class TestExcursion:
    def bar(self, start, end, low, high):
        return PriceBar(at(start), at(end), Decimal(high), Decimal(low))

    def test_counts_bars_that_lie_wholly_within_the_trade(self):
        history = [done("in", "BUY OPEN", "10", "100", minute=2), done("out", "SELL CLOSE", "10", "103", minute=12)]
        bars = [
            self.bar(0, 5, "1", "999"),  # begun before the trade
            self.bar(5, 10, "97", "106"),
            self.bar(10, 15, "1", "999"),  # ended after it
        ]
        found = excursion(round_trips(history).trips[0], bars, until=at(60))
        assert (found.adverse, found.favorable) == (-30, 60)

    def test_of_a_short_is_the_other_way_round(self):
        trip = round_trips([done("in", "SELL OPEN", "10", "100")]).trips[0]
        found = excursion(trip, [self.bar(5, 10, "97", "106")], until=at(10))
        assert (found.adverse, found.favorable) == (-60, 30)

    def test_without_bars_is_what_its_own_prices_show(self):
        history = [done("in", "BUY OPEN", "1", "100"), done("out", "SELL CLOSE", "1", "96", minute=1)]
        found = excursion(round_trips(history).trips[0], [], until=at(60))
        assert (found.adverse, found.favorable) == (-4, 0)
