"""What companies do to their shares neither loses nor invents cost."""

from decimal import Decimal
from uuid import uuid4

import pytest

from tests.portfolio.domain.values import CALL, OTHER, SHARE, entry, folded

D = Decimal


class TestActions:
    def test_a_split_keeps_the_cost(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30), entry("SPLIT", "2024-02-02", SHARE, data={"ratio": "3:2"})
        )
        assert (book.holdings[SHARE].quantity, book.holdings[SHARE].cost) == (15, 300)

    def test_a_split_leads_to_the_total_its_quantity_says(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("SPLIT", "2024-02-02", SHARE, quantity="-6.67", data={"ratio": "1:3"}),
        )
        assert book.holdings[SHARE].quantity == D("3.33")

    def test_cash_in_lieu_sells_the_fraction(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("SPLIT", "2024-02-02", SHARE, quantity=-7, cash=40, data={"ratio": "1:3"}),
        )
        holding = book.holdings[SHARE]
        assert (holding.quantity, holding.cost + holding.income) == (3, 300 - (40 - holding.realized))
        assert holding.realized == D("40") - D("30.0000000000")
        assert book.closures[0].quantity == D("0.333333333333")

    def test_a_split_into_nothing_sells_everything(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=1, price=30),
            entry("SPLIT", "2024-02-02", SHARE, quantity=-1, cash=12, data={"ratio": "1:100"}),
        )
        assert (book.holdings[SHARE].quantity, book.holdings[SHARE].realized) == (0, -18)

    def test_a_split_of_nothing_is_noted_for_its_prices_alone(self):
        book = folded(entry("SPLIT", "2024-02-02", SHARE, cash=5, data={"ratio": "2:1"}))
        assert (book.holdings[SHARE].quantity, book.holdings[SHARE].income, len(book.splits[SHARE])) == (0, 5, 1)

    @pytest.mark.parametrize("method", ["FIFO", "AVERAGE"])
    def test_a_spin_off_takes_its_fraction_of_the_cost_and_keeps_the_dates(self, method):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("BUY", "2024-01-03", SHARE, quantity=20, price=45),
            entry("SPIN_OFF", "2024-02-02", OTHER, quantity=3, data={"from": "MAIN:XTST", "cost_fraction": "0.25"}),
            method=method,
            named={"MAIN:XTST": SHARE},
        )
        assert (book.holdings[SHARE].cost, book.holdings[OTHER].cost) == (900, 300)
        assert [(lot.opened_at.day, lot.quantity) for lot in book.holdings[OTHER].lots] == [(2, 1), (3, 2)]

    def test_a_spin_off_from_nobody_known_costs_nothing(self):
        book = folded(entry("SPIN_OFF", "2024-02-02", OTHER, quantity=3, data={"from": "GONE:XTST"}))
        assert (book.holdings[OTHER].quantity, book.holdings[OTHER].cost) == (3, 0)

    def test_a_merger_moves_cost_and_dates_to_what_comes(self):
        group = str(uuid4())
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("MERGER", "2024-02-02", OTHER, quantity=4, group=group),
            entry("MERGER", "2024-02-02", SHARE, quantity=-10, group=group),
        )
        assert book.holdings[SHARE].lots == []
        (lot,) = book.holdings[OTHER].lots
        assert (lot.quantity, lot.cost, lot.opened_at.month) == (4, 300, 1)
        assert (book.closures, book.parked) == ([], {})

    def test_cash_in_a_merger_lowers_the_cost_and_is_a_gain_beyond_it(self):
        group = str(uuid4())
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("MERGER", "2024-02-02", SHARE, quantity=-10, cash=350, group=group),
            entry("MERGER", "2024-02-02", OTHER, quantity=4, group=group, cash=0),
        )
        assert (book.holdings[OTHER].cost, book.holdings[SHARE].realized) == (0, 50)

    def test_cash_of_the_incoming_leg_counts_as_well(self):
        group = str(uuid4())
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("MERGER", "2024-02-02", SHARE, quantity=-10, group=group),
            entry("MERGER", "2024-02-02", OTHER, quantity=4, cash=100, group=group),
        )
        assert book.holdings[OTHER].cost == 200

    def test_a_merger_for_cash_alone_is_a_sale(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30), entry("MERGER", "2024-02-02", SHARE, quantity=-10, cash=350)
        )
        assert (book.holdings[SHARE].realized, len(book.closures)) == (50, 1)

    @pytest.mark.parametrize("method", ["FIFO", "AVERAGE"])
    def test_capital_given_back_lowers_the_cost(self, method):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("RETURN_OF_CAPITAL", "2024-02-02", SHARE, cash=50),
            method=method,
        )
        assert (book.holdings[SHARE].cost, book.holdings[SHARE].income) == (250, 0)

    def test_capital_given_back_beyond_a_lots_cost_is_a_gain(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=5, price=1),
            entry("BUY", "2024-01-03", SHARE, quantity=5, price=30),
            entry("RETURN_OF_CAPITAL", "2024-02-02", SHARE, cash=20),
        )
        assert (book.holdings[SHARE].cost, book.holdings[SHARE].realized) == (140, 5)

    def test_capital_given_back_on_nothing_is_income(self):
        assert folded(entry("RETURN_OF_CAPITAL", "2024-02-02", SHARE, cash=50)).holdings[SHARE].income == 50

    def test_an_expired_option_loses_its_premium(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=2, price=3), entry("OPTION_EXPIRATION", "2024-02-02", SHARE, quantity=-2)
        )
        assert (book.holdings[SHARE].quantity, book.holdings[SHARE].realized) == (0, -6)

    def test_a_written_option_that_expires_keeps_its_premium(self):
        book = folded(
            entry("SHORT", "2024-01-02", SHARE, quantity=-2, price=3), entry("OPTION_EXPIRATION", "2024-02-02", SHARE, quantity=2)
        )
        assert (book.holdings[SHARE].quantity, book.holdings[SHARE].realized) == (0, 6)

    def test_staking_is_income_at_the_price_which_is_its_cost(self):
        book = folded(entry("STAKING", "2024-01-03", SHARE, quantity=2), closes={SHARE: {"2024-01-03": 8}})
        assert (book.holdings[SHARE].income, book.holdings[SHARE].cost, book.cash) == (16, 16, {})

    def test_a_price_given_by_hand_is_kept(self):
        book = folded(entry("VALUATION", "2024-01-03", SHARE, price=250_000))
        assert book.hands[SHARE][0].price == 250_000

    def test_more_units_than_held_leave_as_a_short_lot_that_says_so(self):
        group = str(uuid4())
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=6, price=30),
            entry("MERGER", "2024-02-02", SHARE, quantity=-10, group=group),
            entry("MERGER", "2024-02-02", OTHER, quantity=5, group=group),
        )
        (lot,) = book.holdings[SHARE].lots
        assert (lot.quantity, lot.cost, lot.missing) == (-4, 0, True)
        assert book.holdings[OTHER].cost == 180


class TestLegs:
    """Whichever leg of a merger happens first, and whatever its sign: lots go over."""

    @pytest.mark.parametrize("when", ["2024-02-02T09:00", "2024-02-01T12:00", "2024-02-03T12:00"])
    @pytest.mark.parametrize(("kind", "sign"), [("BUY", 1), ("SHORT", -1)])
    def test_at_other_times(self, when, kind, sign):
        group = str(uuid4())
        book = folded(
            entry(kind, "2024-01-02", SHARE, quantity=10 * sign, price=30),
            entry("MERGER", when, OTHER, quantity=4 * sign, group=group),
            entry("MERGER", "2024-02-02", SHARE, quantity=-10 * sign, group=group),
        )
        (lot,) = book.holdings[OTHER].lots
        assert (lot.quantity, lot.cost, lot.opened_at.month, lot.missing) == (4 * sign, 300 * sign, 1, False)
        assert (book.holdings[SHARE].lots, book.closures, book.parked, book.waiting) == ([], [], {}, {})

    @pytest.mark.parametrize("when", ["2024-02-02T09:00", "2024-02-03T12:00"])
    def test_into_what_is_short(self, when):
        """Long of one and short of the other: the long ones go, and close the short ones at their cost."""
        group = str(uuid4())
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("SHORT", "2024-01-03", OTHER, quantity=-4, price=90),
            entry("MERGER", when, OTHER, quantity=4, group=group),
            entry("MERGER", "2024-02-02", SHARE, quantity=-10, group=group),
        )
        assert [(one.instrument, one.quantity, one.gain) for one in book.closures] == [(OTHER, -4, 60)]
        assert [holding.quantity for holding in book.holdings.values()] == [0, 0]

    def test_two_that_go_for_one_that_comes(self):
        group = str(uuid4())
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("BUY", "2024-01-03", CALL, quantity=2, price=1, multiplier=D(100)),
            entry("MERGER", "2024-02-02", OTHER, quantity=12, group=group),
            entry("MERGER", "2024-02-02", SHARE, quantity=-10, group=group),
            entry("MERGER", "2024-02-02", CALL, quantity=-2, group=group),
        )
        assert [(lot.quantity, lot.cost) for lot in book.holdings[OTHER].lots] == [(10, 300), (2, 200)]

    def test_that_all_go_are_sales_for_their_cash(self):
        group = str(uuid4())
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("BUY", "2024-01-02", OTHER, quantity=10, price=40),
            entry("MERGER", "2024-02-02", SHARE, quantity=-10, cash=310, group=group),
            entry("MERGER", "2024-02-02", OTHER, quantity=-10, cash=350, group=group),
        )
        assert [one.gain for one in book.closures] == [10, -50]
        assert book.parked == {}

    def test_for_what_was_sold_in_between_are_kept(self):
        """What comes waits for units that are sold before they go: those that go are missing, and no cost is invented."""
        group = str(uuid4())
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=30),
            entry("MERGER", "2024-02-02", OTHER, quantity=4, group=group),
            entry("SELL", "2024-02-03", SHARE, quantity=-10, price=35),
            entry("MERGER", "2024-02-04", SHARE, quantity=-10, group=group),
        )
        assert (book.holdings[SHARE].quantity, book.holdings[SHARE].lots[0].missing) == (-10, True)
        assert (book.holdings[OTHER].quantity, book.holdings[OTHER].cost) == (4, 0)
