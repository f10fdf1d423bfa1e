"""Losses of what is bought again, worked by hand: days, parts, several replacements, shorts, methods, on and off."""

from decimal import Decimal

import pytest

from tests.factories import make_instrument
from tests.portfolio.api.test_lot_methods import MODES, kept
from tests.portfolio.desk import Desk, draft

D = Decimal
TOLD = ("quantity", "cost", "proceeds", "disallowed_loss", "taxable_gain")
LOTS = ("opened_at", "remaining", "cost", "tacked_days")


def washed(user, drafts, *instruments, mode="backwards", **account):
    return kept(user, drafts, *instruments, mode=mode, wash_sales=True, **account)


def bought_sold(stock, *more, day="2024-03-01"):
    """Return 100 bought for 1,000 and sold for 700 after 59 days, and what else there is."""
    return [
        draft("BUY", "2024-01-02", stock, quantity=100, price=10),
        *(row for row in more if row["occurred_at"] < day),
        draft("SELL", day, stock, quantity=100, price=7),
        *(row for row in more if row["occurred_at"] > day),
    ]


class TestDays:
    @pytest.mark.parametrize(
        ("day", "disallowed"),
        [
            ("2024-01-31T00:00:00", 300),
            ("2024-01-30T23:59:59", 0),
            ("2024-03-01T14:59:59", 300),
            ("2024-03-31T23:59:59", 300),
            ("2024-04-01T00:00:00", 0),
        ],
    )
    def test_thirty_before_and_thirty_after(self, alice, day, disallowed):
        stock = make_instrument()
        desk = washed(alice, bought_sold(stock, draft("BUY", day, stock, quantity=100, price=8)), stock)
        assert desk.closures(stock, *TOLD) == [(100, 1000, 700, disallowed, disallowed - 300)]
        assert desk.lots(stock, *LOTS) == [(day[:10], 100, 800 + disallowed, 59 if disallowed else None)]

    def test_the_days_of_what_was_sold_make_the_new_lot_long(self, alice):
        """59 days before 20 March 2024 is 21 January: on that day a year is over, on the next it is more than one."""
        stock = make_instrument()
        rows = bought_sold(stock, draft("BUY", "2024-03-20", stock, quantity=100, price=8))
        desk = washed(alice, rows, stock)
        desk.post("SELL", "2025-01-21", stock, quantity=50, price=12)
        desk.post("SELL", "2025-01-22", stock, quantity=50, price=12)
        told = desk.closures(stock, "holding_days", "term", "taxable_gain")
        assert told == [(59, "SHORT", 0), (366, "SHORT", 50), (367, "LONG", 50)]


class TestParts:
    @pytest.mark.parametrize("mode", MODES)
    def test_several_purchases_before_and_after(self, alice, mode):
        """3 a unit is lost: 20 and 30 bought before and 25 and 40 after replace 20, 30, 25 and 25."""
        stock = make_instrument()
        days = ("2024-02-01", "2024-02-20", "2024-03-10", "2024-03-20")
        rows = bought_sold(
            stock, *(draft("BUY", day, stock, quantity=units, price=8) for day, units in zip(days, (20, 30, 25, 40), strict=True))
        )
        desk = washed(alice, rows, stock, mode=mode)
        assert desk.closures(stock, *TOLD) == [(100, 1000, 700, 300, 0)]
        assert desk.lots(stock, *LOTS) == [
            (days[0], 20, 220, 59),
            (days[1], 30, 330, 59),
            (days[2], 25, 275, 59),
            (days[3], 25, 275, 59),
            (days[3], 15, 120, None),
        ]

    def test_thirds_put_off_what_was_lost_to_the_last_digit(self, alice):
        stock = make_instrument()
        rows = [
            draft("BUY", "2024-01-02", stock, quantity=3, price=10),
            draft("SELL", "2024-03-01", stock, quantity=3, price="6.6666666666"),
            *(draft("BUY", f"2024-03-{day}", stock, quantity=1, price=7) for day in (10, 11, 12)),
        ]
        desk = washed(alice, rows, stock)
        ((_, _, _, disallowed, taxable),) = desk.closures(stock, *TOLD)
        assert (disallowed, taxable) == (D("10.0000000002"), 0)
        assert sum(row[2] for row in desk.lots(stock)) == 21 + disallowed

    def test_what_was_sold_from_does_not_replace_and_another_does(self, alice):
        """Of ten bought together six are sold at a loss: the other four are no purchase; two bought with them are."""
        stock = make_instrument()
        rows = [
            draft("BUY", "2024-02-20", stock, quantity=10, price=10),
            draft("SELL", "2024-03-01", stock, quantity=6, price=7),
        ]
        desk = washed(alice, rows, stock)
        assert desk.closures(stock, *TOLD) == [(6, 60, 42, 0, -18)]
        desk.post("BUY", "2024-02-20T16:00:00", stock, quantity=2, price=9)
        assert desk.closures(stock, *TOLD) == [(6, 60, 42, 6, -12)]
        desk.check()

    def test_a_chain_puts_the_loss_off_again(self, alice):
        """300 go into the second lot, which is sold for 900 at a loss of 200; that goes into the third."""
        stock = make_instrument()
        rows = bought_sold(stock, draft("BUY", "2024-03-10", stock, quantity=100, price=8))
        rows += [
            draft("SELL", "2024-03-20", stock, quantity=100, price=9),
            draft("BUY", "2024-03-25", stock, quantity=100, price=9),
        ]
        desk = washed(alice, rows, stock)
        assert desk.closures(stock, *TOLD) == [(100, 1000, 700, 300, 0), (100, 1100, 900, 200, 0)]
        assert desk.lots(stock, *LOTS) == [("2024-03-25", 100, 1100, 59 + 10)]

    @pytest.mark.parametrize(("method", "cost"), [("FIFO", 1100), ("LIFO", 1100), ("HIFO", 1100), ("AVERAGE", 1100)])
    def test_by_each_method(self, alice, method, cost):
        stock = make_instrument()
        rows = bought_sold(stock, draft("BUY", "2024-03-10", stock, quantity=100, price=8))
        desk = washed(alice, rows, stock, cost_basis_method=method)
        assert desk.position(stock) == (100, cost, 0)

    def test_average_spreads_what_was_put_off_over_all_units(self, alice):
        """100 at 10 and 100 at 6 average 8: 50 sold at 5 lose 150; bought for 7: 350 + 150 with 1,200 of 150 others."""
        stock = make_instrument()
        rows = [
            draft("BUY", "2023-01-02", stock, quantity=100, price=10),
            draft("BUY", "2023-02-02", stock, quantity=100, price=6),
            draft("SELL", "2024-03-01", stock, quantity=50, price=5),
            draft("BUY", "2024-03-10", stock, quantity=50, price=7),
        ]
        desk = washed(alice, rows, stock, cost_basis_method="AVERAGE")
        assert desk.position(stock) == (200, 1700, 0)
        assert sum(row[2] for row in desk.lots(stock)) == 1700


class TestOthers:
    @pytest.mark.parametrize("mode", MODES)
    def test_shorts_are_replaced_by_shorts(self, alice, mode):
        """Short 10 for 100, covered for 130, sold short again for 120: the 30 make that 90."""
        stock = make_instrument()
        rows = [
            draft("SHORT", "2024-01-02", stock, quantity=10, price=10),
            draft("COVER", "2024-03-01", stock, quantity=10, price=13),
            draft("BUY", "2024-03-04", stock, quantity=5, price=13),
            draft("SELL", "2024-03-05", stock, quantity=5, price=13),
            draft("SHORT", "2024-03-10", stock, quantity=10, price=12),
        ]
        desk = washed(alice, rows, stock, mode=mode)
        assert desk.closures(stock, *TOLD)[0] == (-10, 130, 100, 30, 0)
        assert desk.lots(stock, *LOTS) == [("2024-03-10", -10, -90, 59)]

    def test_another_share_transfers_staking_and_an_option_do_not_replace(self, alice):
        stock, other = make_instrument(), make_instrument()
        call = make_instrument(
            asset_class="OPTION", multiplier=100, expiry="2024-06-21", strike="8", right="CALL", underlying=stock
        )
        rows = bought_sold(
            stock,
            draft("BUY", "2024-03-10", other, quantity=100, price=8),
            draft("BUY", "2024-03-10", call, quantity=1, price=1),
            draft("TRANSFER_IN", "2024-03-10", stock, quantity=100, price=8),
            draft("STAKING", "2024-03-11", stock, quantity=1, price=8),
        )
        desk = washed(alice, rows, stock, other, call)
        assert desk.closures(stock, *TOLD) == [(100, 1000, 700, 0, -300)]

    @pytest.mark.parametrize("mode", MODES)
    def test_a_split_between_counts_new_units(self, alice, mode):
        """100 units are 200 after the split: 150 bought replace 75 of them, 225 of 300."""
        stock = make_instrument()
        more = [
            draft("SPLIT", "2024-03-05", stock, data={"ratio": "2:1"}),
            draft("BUY", "2024-03-10", stock, quantity=150, price=4),
        ]
        desk = washed(alice, bought_sold(stock, *more), stock, mode=mode)
        assert desk.closures(stock, *TOLD) == [(100, 1000, 700, 225, -75)]
        assert desk.lots(stock, *LOTS) == [("2024-03-10", 150, 825, 59)]

    def test_cash_in_lieu_at_a_loss_is_one_as_well(self, alice):
        """Ten at 10 become one and a half of 66.67 each with five more; the half is sold at a loss of 8.33."""
        stock = make_instrument()
        rows = [
            draft("BUY", "2024-01-02", stock, quantity=15, price=10),
            draft("SPLIT", "2024-03-01", stock, quantity="-14", cash=40, data={"ratio": "1:10"}),
            draft("BUY", "2024-03-10", stock, quantity=1, price=80),
        ]
        desk = washed(alice, rows, stock)
        assert desk.closures(stock, *TOLD) == [(D("0.5"), 50, 40, 10, 0)]
        assert desk.lots(stock, *LOTS) == [
            ("2024-01-02", 1, 100, None),
            ("2024-03-10", D("0.5"), 50, 59),
            ("2024-03-10", D("0.5"), 40, None),
        ]


class TestSwitch:
    def test_on_and_off_derives_anew(self, alice):
        stock = make_instrument()
        rows = bought_sold(stock, draft("BUY", "2024-03-10", stock, quantity=40, price=8))
        desk = kept(alice, rows, stock)
        off = desk.facts(stock)
        assert desk.position(stock) == (40, 320, -300)
        desk.send("", {"wash_sales": True}, 200, method="patch")
        assert desk.closures(stock, *TOLD) == [(100, 1000, 700, 120, -180)]
        assert desk.position(stock) == (40, 440, -180)
        desk.send("", {"wash_sales": False}, 200, method="patch")
        assert desk.facts(stock) == off
        desk.check()

    def test_a_replacement_that_is_taken_back_counts_the_loss_again(self, alice):
        stock = make_instrument()
        desk = Desk(alice, wash_sales=True)
        desk.post_all(bought_sold(stock), looking=True)
        again = desk.post("BUY", "2024-03-10", stock, quantity=100, price=8)
        assert desk.closures(stock, *TOLD)[0][3] == 300
        desk.take_back(again)
        assert desk.closures(stock, *TOLD)[0][3] == 0
        desk.check()

    def test_lots_chosen_afterwards_move_the_loss(self, alice):
        """10 at 10 and 10 at 6, 10 sold at 8: by FIFO a loss of 20, put off by the second; chosen, a gain of 20."""
        stock = make_instrument()
        desk = Desk(alice, wash_sales=True, cost_basis_method="SPECIFIC")
        desk.post("BUY", "2024-01-02", stock, quantity=10, price=10)
        desk.post("BUY", "2024-02-20", stock, quantity=10, price=6)
        sale = desk.post("SELL", "2024-03-01", stock, quantity=10, price=8)
        assert (desk.closures(stock, *TOLD), desk.lots(stock, *LOTS)) == (
            [(10, 100, 80, 20, 0)],
            [("2024-02-20", 10, 80, 59)],
        )
        desk.choose(sale, {"sequence": 2})
        assert (desk.closures(stock, *TOLD), desk.lots(stock, *LOTS)) == (
            [(10, 60, 80, 0, 20)],
            [("2024-01-02", 10, 100, None)],
        )
        desk.check()
