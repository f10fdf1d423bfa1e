"""Which lots are closed, worked by hand: each method, shorts, fees, the last digit, and whatever order entries come in."""

from decimal import Decimal
from uuid import uuid4

import pytest

from tests.factories import make_instrument
from tests.portfolio.desk import Desk, draft

D = Decimal
ONE, TWO, THREE, FOUR = "2024-01-02", "2024-02-05", "2024-03-04", "2024-04-08"
MODES = ("one by one", "backwards")  # `check` derives them together


def kept(user, drafts, *instruments, mode="together", **account):
    """Return a desk with entries posted together, one by one with a look after each, or the latest first."""
    desk = Desk(user, **account)
    rows = list(reversed(drafts)) if mode == "backwards" else drafts
    desk.post_all(rows, looking=mode != "together")
    desk.check()
    for instrument in instruments:
        lots = desk.lots(instrument)
        assert sum(row[2] for row in lots) == desk.position(instrument)[1]
        assert sum(row[1] for row in lots) == desk.position(instrument)[0]
    return desk


def three_lots(stock):
    """Return three purchases: 10 at 30, 10 at 50 and 10 at 40, with fees of 1, 2 and 3, and the sale of 15 at 45 for 5 of tax."""
    return [
        draft("BUY", ONE, stock, quantity=10, price=30, fee=1),
        draft("BUY", TWO, stock, quantity=10, price=50, fee=2),
        draft("BUY", THREE, stock, quantity=10, price=40, tax=3),
        draft("SELL", FOUR, stock, quantity=15, price=45, fee=4, tax=5),
    ]


class TestMethods:
    """The sale brings 15 x 45 - 9 = 666, which is 444 for ten units and 222 for five."""

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("method", "closed", "left"),
        [
            ("FIFO", [(10, 301, 444), (5, 251, 222)], [(TWO, 5, 251), (THREE, 10, 403)]),
            ("LIFO", [(10, 403, 444), (5, 251, 222)], [(ONE, 10, 301), (TWO, 5, 251)]),
            ("HIFO", [(10, 502, 444), (5, D("201.5"), 222)], [(ONE, 10, 301), (THREE, 5, D("201.5"))]),
            ("AVERAGE", [(10, 402, 444), (5, 201, 222)], [(TWO, 5, 201), (THREE, 10, 402)]),
            ("SPECIFIC", [(10, 301, 444), (5, 251, 222)], [(TWO, 5, 251), (THREE, 10, 403)]),
        ],
    )
    def test_close_these_lots(self, alice, method, closed, left, mode):
        stock = make_instrument()
        desk = kept(alice, three_lots(stock), stock, mode=mode, cost_basis_method=method)
        assert desk.closures(stock) == closed
        assert desk.lots(stock) == left
        gain = sum(brought - cost for _, cost, brought in closed)
        assert desk.position(stock, "realized_gain", "cost_basis", "fees", "taxes") == (gain, 1206 + gain - 666, 7, 8)

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("method", "closed", "left"),
        [
            ("FIFO", [(-10, 444, 299), (-5, 222, 249)], [(TWO, -5, -249), (THREE, -10, -397)]),
            ("LIFO", [(-10, 444, 397), (-5, 222, 249)], [(ONE, -10, -299), (TWO, -5, -249)]),
            ("HIFO", [(-10, 444, 299), (-5, 222, D("198.5"))], [(TWO, -10, -498), (THREE, -5, D("-198.5"))]),
            ("AVERAGE", [(-10, 444, 398), (-5, 222, 199)], [(TWO, -5, -199), (THREE, -10, -398)]),
        ],
    )
    def test_cover_these_short_lots(self, alice, method, closed, left, mode):
        """Sold short: 10 for 299, 10 for 498, 10 for 397; 15 covered for 666."""
        stock = make_instrument()
        rows = [
            draft("SHORT", ONE, stock, quantity=10, price=30, fee=1),
            draft("SHORT", TWO, stock, quantity=10, price=50, fee=2),
            draft("SHORT", THREE, stock, quantity=10, price=40, tax=3),
            draft("COVER", FOUR, stock, quantity=15, price=44, fee=4, tax=2),
        ]
        desk = kept(alice, rows, stock, mode=mode, cost_basis_method=method)
        assert desk.closures(stock) == closed
        assert desk.lots(stock) == left

    @pytest.mark.parametrize("mode", MODES)
    def test_a_cover_goes_through_zero_to_long_and_a_sale_to_short(self, alice, mode):
        """Short 10 for 300; 15 bought for 480: 320 close, 160 open. 8 sold short for 280: 175 close five, 105 open three."""
        stock = make_instrument()
        rows = [
            draft("SHORT", ONE, stock, quantity=10, price=30),
            draft("BUY", TWO, stock, quantity=15, price=32),
            draft("SHORT", THREE, stock, quantity=8, price=35),
        ]
        desk = kept(alice, rows, stock, mode=mode)
        assert desk.closures(stock) == [(-10, 320, 300), (5, 160, 175)]
        assert desk.lots(stock) == [(THREE, -3, -105)]
        assert desk.missing() == []
        assert desk.position(stock) == (-3, -105, -5)

    @pytest.mark.parametrize("method", ["FIFO", "LIFO", "HIFO", "AVERAGE", "SPECIFIC"])
    def test_the_cost_of_thirds_adds_up_to_what_was_paid(self, alice, method):
        """Seven units for 100.00 and three for 99.99, sold one by one but for the last three."""
        stock = make_instrument()
        rows = [
            draft("BUY", ONE, stock, quantity=7, price="14.2857142857"),
            draft("BUY", TWO, stock, quantity=3, price="33.3333333333"),
            *(draft("SELL", f"2024-03-{day:02}", stock, quantity="1", price=20) for day in range(1, 8)),
        ]
        desk = kept(alice, rows, stock, cost_basis_method=method)
        paid = 7 * D("14.2857142857") + 3 * D("33.3333333333")
        closed = sum(row[1] for row in desk.closures(stock))
        assert closed + sum(row[2] for row in desk.lots(stock)) == paid
        desk.post("SELL", "2024-04-01", stock, quantity="3", price=20)
        assert (desk.lots(stock), desk.position(stock)) == ([], (0, 0, 200 - paid))

    @pytest.mark.parametrize("method", ["FIFO", "HIFO", "AVERAGE"])
    def test_tiny_and_huge_units_keep_every_digit(self, alice, method):
        coin = make_instrument(asset_class="CRYPTO")
        rows = [
            draft("BUY", ONE, coin, quantity="0.0000000001", price="64321.12"),
            draft("BUY", TWO, coin, quantity="999999999999.9999999999", price="0.0000000001"),
            draft("SELL", THREE, coin, quantity="123456789012.0123456789", price="0.0000000003"),
        ]
        desk = kept(alice, rows, coin, cost_basis_method=method)
        held, cost, realized = desk.position(coin)
        assert held == D("0.0000000001") + D("999999999999.9999999999") - D("123456789012.0123456789")
        paid = D("0.0000064321") + D("100.0000000000")
        assert (sum(row[1] for row in desk.closures(coin)) + cost, cost - realized) == (paid, paid - D("37.0370367036"))
        desk.post("SELL", FOUR, coin, quantity=f"{held:f}", price="0.0000000001")
        assert desk.lots(coin) == []


class TestSpecific:
    def buy_and_sell(self, user, *, sale=None):
        stock = make_instrument()
        desk = Desk(user, cost_basis_method="SPECIFIC")
        desk.post_all(three_lots(stock)[:3])
        data = {"lots": sale} if sale else {}
        return desk, stock, desk.post("SELL", FOUR, stock, quantity=12, price=45, data=data)

    def test_lots_are_chosen_on_the_entry_and_the_oldest_close_the_rest(self, alice):
        desk, stock, _ = self.buy_and_sell(alice, sale=[{"sequence": 3, "quantity": "4"}, {"sequence": 2, "quantity": "3"}])
        assert desk.closures(stock, "opened_at", "quantity", "cost") == [
            (THREE, 4, D("161.2")), (TWO, 3, D("150.6")), (ONE, 5, D("150.5")),
        ]  # fmt: skip
        desk.check()

    def test_afterwards_changed_twice_and_taken_back(self, alice):
        desk, stock, sale = self.buy_and_sell(alice, sale=[{"sequence": 2, "quantity": "10"}])
        own = desk.closures(stock, "opened_at", "quantity")
        assert own == [(TWO, 10), (ONE, 2)]
        desk.choose(sale, {"sequence": 3})
        assert desk.closures(stock, "opened_at", "quantity") == [(THREE, 10), (ONE, 2)]
        desk.choose(sale, {"sequence": 1, "quantity": "6"}, {"sequence": 3, "quantity": "6"})
        assert desk.closures(stock, "opened_at", "quantity", "cost") == [(ONE, 6, D("180.6")), (THREE, 6, D("241.8"))]
        desk.check()
        desk.choose(sale)
        assert desk.closures(stock, "opened_at", "quantity") == own  # as the entry itself says
        desk.check()

    def test_another_instruments_lot_is_not_there(self, alice):
        desk, stock, sale = self.buy_and_sell(alice)
        other = make_instrument()
        bought = desk.post("BUY", ONE, other, quantity=20, price=1)
        found = desk.choose(sale, {"sequence": bought["sequence"]}, code=400)
        assert [(one["field"], one["code"]) for one in found["errors"]] == [("lots", "unknown_lot")]
        later = desk.post("BUY", "2024-05-01", stock, quantity=20, price=1)
        assert desk.choose(sale, {"sequence": later["sequence"]}, code=400)["errors"][0]["code"] == "unknown_lot"

    def test_a_choice_stands_when_a_purchase_comes_late_and_when_its_lot_goes(self, alice):
        desk, stock, sale = self.buy_and_sell(alice)
        desk.choose(sale, {"sequence": 3, "quantity": "10"}, {"sequence": 1, "quantity": "2"})
        desk.post("BUY", "2024-01-01", stock, quantity=5, price=10)
        assert desk.closures(stock, "opened_at", "quantity") == [(THREE, 10), (ONE, 2)]
        third = desk.get("entries/", sequence=3)["results"][0]
        desk.take_back(third)
        assert desk.closures(stock, "opened_at", "quantity") == [(ONE, 2), ("2024-01-01", 5), (ONE, 5)]
        desk.check()

    def test_the_lots_of_a_split_keep_their_names(self, alice):
        desk, stock, _ = self.buy_and_sell(alice)
        desk.post("SPLIT", "2024-05-01", stock, data={"ratio": "2:1"})
        sale = desk.post("SELL", "2024-06-03", stock, quantity=20, price=30, data={"lots": [{"sequence": 3}]})
        assert desk.closures(stock, "quantity", "cost", closing=sale["sequence"]) == [(20, 403)]
        assert desk.lots(stock) == [(TWO, 16, D("401.6"))]

    def test_of_a_cover_and_after_a_merger_by_their_days(self, alice):
        """Short 10 for 300 and 10 for 500, which become five and five; the cover of four takes those of February."""
        stock, new, group = make_instrument(), make_instrument(), str(uuid4())
        desk = Desk(alice, cost_basis_method="SPECIFIC")
        desk.post_all(
            [
                draft("SHORT", ONE, stock, quantity=10, price=30),
                draft("SHORT", TWO, stock, quantity=10, price=50),
                draft("MERGER", THREE, stock, quantity=20, group=group),
                draft("MERGER", THREE, new, quantity="-10", group=group),
            ]
        )
        cover = desk.post("COVER", FOUR, new, quantity=4, price=70)
        assert desk.closures(new) == [(-4, 280, 240)]
        opening = desk.get("lots/", instrument=new.key)["results"][0]["sequence"]
        wrong = {"sequence": opening, "opened_on": THREE}
        assert desk.choose(cover, wrong, code=400)["errors"][0]["code"] == "unknown_lot"
        found = desk.choose(cover, {"sequence": opening, "opened_on": TWO})
        assert [lot["chosen"] for lot in found["lots"]] == [False, True]
        assert desk.closures(new) == [(-4, 280, 400)]
        assert desk.lots(new) == [(ONE, -5, -300), (TWO, -1, -100)]
        desk.check()


class TestAnotherMethod:
    def test_says_what_moves_and_moves_it(self, alice):
        stock, other = make_instrument(), make_instrument()
        rows = [
            *three_lots(stock),
            draft("BUY", ONE, other, quantity=1, price=9),
            draft("SELL", FOUR, other, quantity=1, price=9),
        ]
        desk = kept(alice, rows, stock)
        found = desk.get("cost-basis/", method="HIFO")
        (move,) = found["moves"]
        assert (move["instrument"], found["before"], found["after"]) == (stock.key, "FIFO", "HIFO")
        assert {name: (move["before"][name], move["after"][name]) for name in ("realized_gain", "cost", "lots")} == {
            "realized_gain": ("114", "-37.5"),
            "cost": ("654", "502.5"),
            "lots": (2, 2),
        }
        assert desk.send("cost-basis/", {"method": "HIFO"}, 200)["moves"] == [move]
        assert desk.position(stock) == (15, D("502.5"), D("-37.5"))
        desk.check()
        for method in ("AVERAGE", "LIFO", "SPECIFIC", "FIFO"):
            desk.send("cost-basis/", {"method": method}, 200)
            assert desk.get("cost-basis/", method=method)["moves"] == []
        assert desk.closures(stock) == [(10, 301, 444), (5, 251, 222)]
        desk.check()


class TestMissing:
    @pytest.mark.parametrize("method", ["FIFO", "LIFO", "HIFO", "AVERAGE"])
    def test_what_was_sold_without_being_held_is_healed_by_its_purchase(self, alice, method):
        """10 held, 16 sold at 20: 6 are missing and brought 120. Bought later they make it up; bought before, none was."""
        stock = make_instrument()
        desk = Desk(alice, cost_basis_method=method)
        desk.post("BUY", TWO, stock, quantity=10, price=10)
        desk.post("SELL", THREE, stock, quantity=16, price=20)
        assert desk.missing() == [(stock.key, 6, 0)]
        assert (desk.position(stock), desk.closures(stock)) == ((-6, -120, 100), [(10, 100, 200)])
        late = desk.post("BUY", FOUR, stock, quantity=6, price=15)
        assert desk.missing() == [(stock.key, 0, 6)]
        assert desk.closures(stock, "quantity", "cost", "proceeds", "missing") == [(10, 100, 200, False), (-6, 90, 120, True)]
        desk.take_back(late)
        desk.post("BUY", ONE, stock, quantity=6, price=15)
        assert (desk.missing(), desk.position(stock), desk.lots(stock)) == ([], (0, 0, 130), [])
        desk.check()
