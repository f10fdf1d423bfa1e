"""Splits, spin-offs, mergers and capital given back, worked by hand: long and short, in several lots, taken back, and late."""

from decimal import Decimal
from uuid import uuid4

import pytest

from tests.factories import make_instrument
from tests.portfolio.api.test_lot_methods import MODES, kept
from tests.portfolio.desk import draft
from tests.portfolio.market import bars, rates

D = Decimal
ONE, TWO, THREE, FOUR, FIVE = "2024-01-02", "2024-02-05", "2024-03-04", "2024-04-08", "2024-05-06"


def lots_of(stock, kind="BUY"):
    """Return 10 at 30 and 5 at 60, for 300 each."""
    return [draft(kind, ONE, stock, quantity=10, price=30), draft(kind, TWO, stock, quantity=5, price=60)]


class TestSplit:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("ratio", "units"),
        [
            ("2:1", (20, 10)),
            ("3:2", (15, D("7.5"))),
            ("21:20", (D("10.5"), D("5.25"))),
            ("1:10", (1, D("0.5"))),
            ("1.5", (15, D("7.5"))),
        ],
    )
    def test_long_and_short_lots_keep_their_costs(self, alice, ratio, units, mode):
        long, short = make_instrument(), make_instrument()
        rows = [*lots_of(long), *lots_of(short, "SHORT")]
        rows += [draft("SPLIT", THREE, one, data={"ratio": ratio}) for one in (long, short)]
        desk = kept(alice, rows, long, short, mode=mode)
        assert desk.lots(long) == [(ONE, units[0], 300), (TWO, units[1], 300)]
        assert desk.lots(short) == [(ONE, -units[0], -300), (TWO, -units[1], -300)]

    @pytest.mark.parametrize("mode", MODES)
    def test_thirds_lose_no_cost_and_close_at_nothing(self, alice, mode):
        stock = make_instrument()
        rows = [
            *lots_of(stock),
            draft("SPLIT", THREE, stock, data={"ratio": "1:3"}),
            draft("SELL", FOUR, stock, quantity=5, price=90),
        ]
        desk = kept(alice, rows, stock, mode=mode)
        assert [row[:2] for row in desk.closures(stock)] == [(D("3.333333333333"), 300), (D("1.666666666667"), 300)]
        assert desk.position(stock) == (0, 0, -150)

    def test_trades_of_its_day_are_in_new_units_and_twice_the_same_is_four(self, alice):
        stock = make_instrument()
        rows = [*lots_of(stock), draft("BUY", f"{THREE}T00:00:01", stock, quantity=8, price=15)]
        desk = kept(alice, rows, stock)
        split = draft("SPLIT", f"{THREE}T20:00:00", stock, data={"ratio": "2:1"}, source="me", external_id="s1")
        desk.send("entries/", split)
        desk.send("entries/", split, 200)
        assert desk.lots(stock) == [(ONE, 20, 300), (TWO, 10, 300), (THREE, 8, 120)]
        again = desk.post("SPLIT", THREE, stock, data={"ratio": "2:1"})
        assert desk.position(stock)[0] == 68
        desk.take_back(again)
        assert desk.position(stock)[0] == 38
        desk.check()

    @pytest.mark.parametrize(("kind", "cash"), [("BUY", 55), ("SHORT", -55)])
    def test_cash_without_a_quantity_is_for_what_is_beyond_whole_units(self, alice, kind, cash):
        stock, sign = make_instrument(), 1 if kind == "BUY" else -1
        desk = kept(alice, [*lots_of(stock, kind), draft("SPLIT", THREE, stock, cash=cash, data={"ratio": "1:10"})], stock)
        assert desk.position(stock) == (sign, sign * 450, cash - sign * 150)
        assert desk.closures(stock, "quantity", "gain") == [(sign * D("0.5"), cash - sign * 150)]

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("method", "closed"),
        [("FIFO", (D("0.5"), 150)), ("LIFO", (D("0.5"), 300)), ("HIFO", (D("0.5"), 300)), ("AVERAGE", (D("0.5"), 200))],
    )
    def test_cash_in_lieu_of_a_fraction_is_a_sale_of_it(self, alice, method, closed, mode):
        """15 become 1.5; one is left, half a one is sold for 55."""
        stock = make_instrument()
        rows = [*lots_of(stock), draft("SPLIT", THREE, stock, quantity="-14", cash=55, data={"ratio": "1:10"})]
        desk = kept(alice, rows, stock, mode=mode, cost_basis_method=method)
        assert desk.closures(stock) == [(*closed, 55)]
        assert desk.position(stock) == (1, 600 - closed[1], 55 - closed[1])

    def test_a_short_position_pays_cash_in_lieu(self, alice):
        stock = make_instrument()
        rows = [*lots_of(stock, "SHORT"), draft("SPLIT", THREE, stock, quantity=14, cash="-55", data={"ratio": "1:10"})]
        desk = kept(alice, rows, stock)
        assert desk.closures(stock) == [(D("-0.5"), 55, 150)]
        assert desk.position(stock) == (-1, -450, 95)

    def test_a_purchase_that_comes_late_is_split_with_the_others(self, alice):
        """The 14 units that went were those of 15; with ten more there are 25, which become 2.5: two are left."""
        stock = make_instrument()
        desk = kept(
            alice, [*lots_of(stock), draft("SPLIT", THREE, stock, quantity="-14", cash=55, data={"ratio": "1:10"})], stock
        )
        desk.post("BUY", "2024-01-01", stock, quantity=10, price=12)
        assert desk.position(stock)[0] == 2
        assert desk.closures(stock) == [(D("0.5"), 60, 55)]
        desk.check()


class TestSpinOff:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("method", ["FIFO", "AVERAGE"])
    def test_each_lot_hands_its_part_of_the_cost_over(self, alice, method, mode):
        stock, child = make_instrument(), make_instrument()
        rows = [*lots_of(stock), draft("SPIN_OFF", THREE, child, quantity=3, data={"from": stock.key, "cost_fraction": "0.15"})]
        desk = kept(alice, rows, stock, child, mode=mode, cost_basis_method=method)
        shares = [(45, 255), (45, 255)] if method == "FIFO" else [(60, 340), (30, 170)]
        assert desk.lots(child) == [(ONE, 2, shares[0][0]), (TWO, 1, shares[1][0])]
        assert desk.lots(stock) == [(ONE, 10, shares[0][1]), (TWO, 5, shares[1][1])]

    @pytest.mark.parametrize("mode", MODES)
    def test_a_fraction_is_sold_for_its_cash(self, alice, mode):
        """15 x 0.3 are 4.5 units at 90 of the cost; half a unit, of the oldest lot at 45 for 3, is sold for 20."""
        stock, child = make_instrument(), make_instrument()
        data = {"from": stock.key, "cost_fraction": "0.15", "ratio": "0.3"}
        rows = [*lots_of(stock), draft("SPIN_OFF", THREE, child, quantity=4, cash=20, data=data)]
        desk = kept(alice, rows, stock, child, mode=mode)
        assert desk.lots(child) == [(ONE, D("2.5"), D("37.5")), (TWO, D("1.5"), 45)]
        assert desk.closures(child) == [(D("0.5"), D("7.5"), 20)]
        assert desk.position(child, "income") == (0,)

    def test_units_close_what_was_sold_short_of_them(self, alice):
        stock, child = make_instrument(), make_instrument()
        rows = [
            *lots_of(stock),
            draft("SHORT", TWO, child, quantity=2, price=40),
            draft("SPIN_OFF", THREE, child, quantity=3, data={"from": stock.key, "cost_fraction": "0.15"}),
        ]
        desk = kept(alice, rows, stock, child)
        assert desk.closures(child) == [(-2, 45, 80)]
        assert desk.lots(child) == [(TWO, 1, 45)]
        assert desk.position(stock)[1] == 510

    def test_taken_back_and_late(self, alice):
        stock, child = make_instrument(), make_instrument()
        desk = kept(alice, lots_of(stock), stock)
        spun = desk.post("SPIN_OFF", THREE, child, quantity=3, data={"from": stock.key, "cost_fraction": "0.15"})
        desk.take_back(spun)
        assert (desk.lots(child), desk.position(stock)[1]) == ([], 600)
        desk.post("SPIN_OFF", THREE, child, quantity=3, data={"from": stock.key, "cost_fraction": "0.15"})
        desk.post("BUY", "2024-01-01", stock, quantity=5, price=20)
        assert (desk.position(child)[1], desk.position(stock)[1]) == (105, 595)
        desk.check()


def merger(day, gone, come, out, into, *, cash=0, price=None, group=None):
    """Return both legs of a merger."""
    group = group or uuid4()
    told = {"price": price} if price is not None else {}
    return [
        draft("MERGER", day, gone, quantity=out, cash=cash, group=group),
        draft("MERGER", day, come, quantity=into, group=group, **told),
    ]


class TestMerger:
    @pytest.mark.parametrize("mode", MODES)
    def test_for_units_moves_lots(self, alice, mode):
        old, new = make_instrument(), make_instrument()
        desk = kept(alice, [*lots_of(old), *merger(THREE, old, new, -15, 6)], old, new, mode=mode)
        assert desk.lots(new) == [(ONE, 4, 300), (TWO, 2, 300)]
        assert (desk.lots(old), desk.closures(old)) == ([], [])

    @pytest.mark.parametrize("mode", MODES)
    def test_of_a_short_position_moves_its_lots(self, alice, mode):
        old, new = make_instrument(), make_instrument()
        desk = kept(alice, [*lots_of(old, "SHORT"), *merger(THREE, old, new, 15, -6)], old, new, mode=mode)
        assert desk.lots(new) == [(ONE, -4, -300), (TWO, -2, -300)]
        assert (desk.lots(old), desk.closures(old), desk.closures(new), desk.missing()) == ([], [], [], [])
        desk.explains()

    def test_of_a_short_position_for_cash_and_units_lowers_what_was_brought(self, alice):
        old, new = make_instrument(), make_instrument()
        desk = kept(alice, [*lots_of(old, "SHORT"), *merger(THREE, old, new, 15, -6, cash=-90)], old, new)
        assert desk.lots(new) == [(ONE, -4, -240), (TWO, -2, -270)]
        assert desk.position(old)[2] == 0

    def test_into_what_was_sold_short_closes_it(self, alice):
        """Six units at a cost of 600 come: five close what brought 700, one is left."""
        old, new = make_instrument(), make_instrument()
        rows = [*lots_of(old), draft("SHORT", TWO, new, quantity=5, price=140), *merger(THREE, old, new, -15, 6)]
        desk = kept(alice, rows, old, new)
        assert desk.closures(new) == [(-4, 300, 560), (-1, 150, 140)]
        assert desk.lots(new) == [(TWO, 1, 150)]
        assert (desk.lots(old), desk.position(old)[2]) == ([], 0)

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("price", "gains", "costs"),
        [
            (100, (100, 0), (300, 250)),  # worth 400 and 200: gains of 200 and -50, cash of 100 and 50
            (60, (40, 0), (240, 250)),  # worth 240 and 120
            (20, (0, 0), (200, 250)),
        ],
    )
    def test_for_units_and_cash_makes_a_gain_up_to_the_cash_lot_by_lot(self, alice, price, gains, costs, mode):
        old, new = make_instrument(), make_instrument()
        rows = [*lots_of(old), *merger(THREE, old, new, -15, 6, cash=150, price=price)]
        desk = kept(alice, rows, old, new, mode=mode)
        assert desk.lots(new) == [(ONE, 4, costs[0]), (TWO, 2, costs[1])]
        assert desk.position(old) == (0, 0, sum(gains))
        found = desk.closures(old, "opened_at", "quantity", "cost", "proceeds")
        assert found == ([(ONE, 0, 100 - gains[0], 100)] if gains[0] else [])

    def test_by_the_price_of_the_day(self, alice):
        old, new = make_instrument(), make_instrument()
        bars(new, {THREE: 100})
        desk = kept(alice, [*lots_of(old), *merger(THREE, old, new, -15, 6, cash=150)], old, new)
        assert desk.position(old)[2] == 100

    @pytest.mark.parametrize("kind", ["BUY", "SHORT"])
    def test_for_cash_is_a_sale_or_a_cover(self, alice, kind):
        old = make_instrument()
        sign = 1 if kind == "BUY" else -1
        desk = kept(alice, [*lots_of(old, kind), draft("MERGER", THREE, old, quantity=-15 * sign, cash=750 * sign)], old)
        assert desk.position(old) == (0, 0, 150 * sign)
        assert desk.missing() == []

    def test_one_leg_or_both_taken_back(self, alice):
        old, new = make_instrument(), make_instrument()
        desk = kept(alice, [*lots_of(old), *merger(THREE, old, new, -15, 6)], old, new)
        legs = {row["instrument"]: row for row in desk.get("entries/", kind="MERGER")["results"]}
        desk.take_back(legs[new.key])
        desk.take_back(legs[old.key])
        assert desk.lots(old) == [(ONE, 10, 300), (TWO, 5, 300)]
        assert (desk.lots(new), desk.missing()) == ([], [])
        desk.check()

    def test_a_purchase_that_comes_late_stays_behind(self, alice):
        """15 units went by FIFO: with five more at the beginning, five of the last lot are left."""
        old, new = make_instrument(), make_instrument()
        desk = kept(alice, [*lots_of(old), *merger(THREE, old, new, -15, 6)], old, new)
        desk.post("BUY", "2024-01-01", old, quantity=5, price=20)
        assert desk.lots(old) == [(TWO, 5, 300)]
        assert desk.lots(new) == [("2024-01-01", 2, 100), (ONE, 4, 300)]
        desk.check()

    def test_across_currencies_takes_the_cost_along_at_the_rate_of_the_day(self, alice):
        old, new = make_instrument(), make_instrument(currency="CHF")
        rates("USD", "CHF", {THREE: "0.9"})
        desk = kept(alice, [*lots_of(old), *merger(THREE, old, new, -15, 6)], old, new)
        assert desk.lots(new) == [(ONE, 4, 270), (TWO, 2, 270)]


class TestReturnOfCapital:
    @pytest.mark.parametrize("mode", MODES)
    def test_lowers_costs_unit_by_unit_and_is_a_gain_beyond(self, alice, mode):
        """675 for 15 units are 45 each: the first lot bears 300 of 450, the second 225 of 300."""
        stock = make_instrument()
        desk = kept(alice, [*lots_of(stock), draft("RETURN_OF_CAPITAL", THREE, stock, cash=675)], stock, mode=mode)
        assert desk.lots(stock) == [(ONE, 10, 0), (TWO, 5, 75)]
        assert desk.closures(stock, "quantity", "cost", "proceeds", "opened_at") == [(0, 0, 150, ONE)]
        assert desk.position(stock, "realized_gain", "income") == (150, 0)

    def test_again_taken_back_and_late(self, alice):
        stock = make_instrument()
        desk = kept(alice, [*lots_of(stock), draft("RETURN_OF_CAPITAL", THREE, stock, cash=675)], stock)
        again = desk.post("RETURN_OF_CAPITAL", FOUR, stock, cash=150)
        assert (desk.lots(stock), desk.position(stock)[2]) == ([(ONE, 10, 0), (TWO, 5, 25)], 250)
        desk.take_back(again)
        desk.post("BUY", "2024-01-01", stock, quantity=12, price=100)
        assert desk.lots(stock) == [("2024-01-01", 12, 900), (ONE, 10, 50), (TWO, 5, 175)]
        desk.check()

    def test_is_income_of_what_is_not_held(self, alice):
        stock = make_instrument()
        desk = kept(alice, [*lots_of(stock), draft("SELL", THREE, stock, quantity=15, price=40)], stock)
        desk.post("RETURN_OF_CAPITAL", FOUR, stock, cash=30)
        assert desk.position(stock, "realized_gain", "income") == (0, 30)
        desk.check()


def test_one_after_another(alice):
    """A split, a spin-off, capital given back, a merger: 600 of cost are 600 less 60, 45 and nothing."""
    stock, child, new = make_instrument(), make_instrument(), make_instrument()
    rows = [
        *lots_of(stock),
        draft("SPLIT", "2024-03-01", stock, data={"ratio": "3:1"}),
        draft("SPIN_OFF", "2024-03-04", child, quantity=9, data={"from": stock.key, "cost_fraction": "0.1"}),
        draft("RETURN_OF_CAPITAL", "2024-03-05", stock, cash=45),
        *merger("2024-03-06", stock, new, -45, 9),
        draft("SELL", FIVE, new, quantity=9, price=100),
        draft("SELL", FIVE, child, quantity=9, price=10),
    ]
    desks = [kept(alice, rows, stock, child, new, mode=mode) for mode in MODES]
    found = [desk.facts(stock, child, new) for desk in desks]
    desks[0].explains()
    assert found[0] == found[1]
    (_, sold, position) = found[0][2]
    assert [row[2:5] for row in sold] == [(6, 240, 600), (3, 255, 300)]
    assert position == (0, 0, 405)
