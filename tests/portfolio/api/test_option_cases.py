"""Options from the opening to the end, worked by hand: bought and written, exercised, assigned, settled, expired, adjusted."""

from decimal import Decimal
from uuid import uuid4

import pytest

from tests.factories import make_instrument
from tests.portfolio.api.test_lot_methods import MODES, kept
from tests.portfolio.desk import draft

D = Decimal
ONE, TWO, THREE, FOUR = "2024-01-02", "2024-02-05", "2024-03-15", "2024-04-08"


@pytest.fixture
def share():
    return make_instrument()


def option_on(share, right="CALL", strike="50", multiplier=100, currency="USD"):
    told = {"expiry": "2024-06-21", "strike": strike, "right": right, "underlying": share}
    return make_instrument(asset_class="OPTION", multiplier=multiplier, currency=currency, **told)


class TestTrades:
    @pytest.mark.parametrize("mode", MODES)
    def test_bought_and_sold_in_parts_with_fees(self, alice, share, mode):
        """3 contracts at 2.50 with 1.95 of fees; 1 sold at 4.00 less 0.65, 2 at 1.10 less 1.30."""
        call = option_on(share)
        rows = [
            draft("BUY", ONE, call, quantity=3, price="2.5", fee="1.95"),
            draft("SELL", TWO, call, quantity=1, price=4, fee="0.65"),
            draft("SELL", THREE, call, quantity=2, price="1.1", fee="1.3"),
        ]
        desk = kept(alice, rows, call, mode=mode)
        assert desk.closures(call) == [(1, D("250.65"), D("399.35")), (2, D("501.3"), D("218.7"))]
        assert desk.position(call) == (0, 0, D("-133.9"))

    @pytest.mark.parametrize("mode", MODES)
    def test_written_and_bought_back(self, alice, share, mode):
        put = option_on(share, "PUT")
        rows = [
            draft("SHORT", ONE, put, quantity=2, price=3, fee="1.3"),
            draft("COVER", TWO, put, quantity=1, price="0.5", fee="0.65"),
        ]
        desk = kept(alice, rows, put, mode=mode)
        assert desk.closures(put) == [(-1, D("50.65"), D("299.35"))]
        assert desk.lots(put) == [(ONE, -1, D("-299.35"))]

    @pytest.mark.parametrize("given", [1, -1])
    @pytest.mark.parametrize(("kind", "sign", "gain"), [("BUY", 1, -600), ("SHORT", -1, 600)])
    def test_expired_in_two_parts_whatever_sign_their_number_has(self, alice, share, kind, sign, gain, given):
        call = option_on(share)
        rows = [
            draft(kind, ONE, call, quantity=3, price=2),
            draft("OPTION_EXPIRATION", THREE, call, quantity=-sign),
            draft("OPTION_EXPIRATION", THREE, call, quantity=2 * given),
        ]
        desk = kept(alice, rows, call, mode="backwards")
        desk.explains()
        assert desk.position(call) == (0, 0, gain)
        assert {row[0] for row in desk.closures(call, "quantity")} == {sign, 2 * sign}

    @pytest.mark.parametrize(
        ("kind", "sign", "end", "cash", "gain"),
        [("BUY", 1, "OPTION_EXERCISE", "845.50", "245.5"), ("SHORT", -1, "OPTION_ASSIGNMENT", "-845.50", "-245.5")],
    )
    def test_settled_in_cash(self, alice, share, kind, sign, end, cash, gain):
        call = option_on(share)
        rows = [draft(kind, ONE, call, quantity=2, price=3), draft(end, THREE, call, quantity=-2 * sign, cash=cash)]
        desk = kept(alice, rows, call)
        assert desk.position(call) == (0, 0, D(gain))


ENDS = {
    # right, opened by, end, the trade that comes of it, what is left of the share: units, cost and gain
    "call exercised": ("CALL", "BUY", "OPTION_EXERCISE", "BUY", (200, 10_600, 0)),
    "put exercised": ("PUT", "BUY", "OPTION_EXERCISE", "SELL", (100, 4_000, 10_000 - 600 - 8_000)),
    "call assigned": ("CALL", "SHORT", "OPTION_ASSIGNMENT", "SELL", (100, 4_000, 10_000 + 600 - 8_000)),
    "put assigned": ("PUT", "SHORT", "OPTION_ASSIGNMENT", "BUY", (200, 9_400, 0)),
    "call exercised to cover": ("CALL", "BUY", "OPTION_EXERCISE", "COVER", (-100, -4_000, 8_000 - 10_600)),
    "call assigned without a share": ("CALL", "SHORT", "OPTION_ASSIGNMENT", "SHORT", (-200, -10_600, 0)),
}


def ended(share, name, *, fee=0, opened=3):
    """Return the entries of two contracts at 3.00 that are exercised, or assigned, at 50; where it takes shares, they cost 40."""
    right, opening, end, trade, left = ENDS[name]
    call, group, sign = option_on(share, right), uuid4(), 1 if opening == "BUY" else -1
    held = {"SELL": "BUY", "COVER": "SHORT"}.get(trade)
    rows = [draft(held, ONE, share, quantity=300, price=40)] if held else []
    rows.append(draft(opening, TWO, call, quantity=2, price=opened))
    told = {"fee": fee, "cash": -fee} if fee else {}
    rows.append(draft(end, THREE, call, quantity=-2 * sign, group=group, **told))
    rows.append(draft(trade, THREE, share, quantity=200, price=50, group=group))
    return call, rows, left


class TestEnds:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("name", ENDS)
    def test_the_premium_goes_into_the_trade(self, alice, share, name, mode):
        call, rows, left = ended(share, name)
        desk = kept(alice, rows, share, call, mode=mode)
        assert desk.position(share) == left
        assert (desk.position(call), desk.closures(call)) == ((0, 0, 0), [])

    @pytest.mark.parametrize("name", ["call exercised", "put assigned"])
    def test_the_number_of_contracts_may_be_a_size(self, alice, share, name):
        call, rows, left = ended(share, name)
        (end,) = (row for row in rows if row["kind"] in {"OPTION_EXERCISE", "OPTION_ASSIGNMENT"})
        for given in ("2", "-2"):
            desk = kept(alice, [row | {"quantity": given} if row is end else row for row in rows], share, call)
            assert (desk.position(share), desk.position(call)) == (left, (0, 0, 0))

    @pytest.mark.parametrize(("name", "sign"), [("call exercised", 1), ("put exercised", 1), ("put assigned", 1)])
    def test_what_the_exercise_costs_goes_the_same_way(self, alice, share, name, sign):
        call, rows, (units, cost, gain) = ended(share, name, fee=20)
        desk = kept(alice, rows, share, call)
        assert desk.position(share) == ((units, cost, gain - 20) if "put exercised" in name else (units, cost + 20, gain))
        assert (desk.position(call, "realized_gain", "fees"), desk.closures(call)) == ((0, 20), [])

    def test_taken_back_and_posted_without_a_group(self, alice, share):
        call, rows, _ = ended(share, "call exercised")
        desk = kept(alice, rows, share, call)
        bought = desk.get("entries/", instrument=share.key)["results"][0]
        desk.take_back(bought)
        assert desk.position(call) == (0, 0, -600)  # nothing came of it: it was closed for nothing
        desk.post("BUY", THREE, share, quantity=200, price=50)
        assert (desk.position(call)[2], desk.position(share)) == (-600, (200, 10_000, 0))
        desk.check()

    @pytest.mark.parametrize("mode", MODES)
    def test_part_of_the_contracts_by_the_method_and_over_two_trades(self, alice, share, mode):
        """1 at 2.00 and 2 at 5.00; two are exercised by FIFO: 200 and 500 for 200 shares in trades of 50 and 150."""
        call, group = option_on(share), uuid4()
        rows = [
            draft("BUY", ONE, call, quantity=1, price=2),
            draft("BUY", TWO, call, quantity=2, price=5),
            draft("OPTION_EXERCISE", THREE, call, quantity="-2", group=group),
            draft("BUY", THREE, share, quantity=50, price=50, group=group),
            draft("BUY", THREE, share, quantity=150, price=50, group=group),
        ]
        desk = kept(alice, rows, share, call, mode=mode)
        assert sorted(row[2] for row in desk.lots(share)) == [2_500 + 175, 7_500 + 525]
        assert desk.lots(call) == [(TWO, 1, 500)]


class TestAdjusted:
    def test_two_for_one_makes_two_contracts(self, alice, share):
        call, group = option_on(share), uuid4()
        rows = [
            draft("BUY", ONE, call, quantity=2, price=3),
            draft("SPLIT", TWO, call, data={"ratio": "2:1"}),
            draft("OPTION_EXERCISE", THREE, call, quantity="-4", group=group),
            draft("BUY", THREE, share, quantity=400, price=25, group=group),
        ]
        desk = kept(alice, rows, share, call)
        assert desk.position(share) == (400, 10_600, 0)

    @pytest.mark.parametrize(("units", "price"), [(150, "33.34"), (50, 100)])
    def test_a_contract_that_delivers_more_or_fewer_hands_all_of_its_premium_over(self, alice, share, units, price):
        """Three for two, or one for two: the contract is for 150 or 50 shares, and its multiplier stays."""
        call, group = option_on(share), uuid4()
        rows = [
            draft("BUY", ONE, call, quantity=1, price=3),
            draft("OPTION_EXERCISE", THREE, call, quantity="-1", group=group),
            draft("BUY", THREE, share, quantity=units, price=price, group=group),
        ]
        desk = kept(alice, rows, share, call)
        assert desk.position(share) == (units, D(price) * units + 300, 0)
        assert desk.position(call) == (0, 0, 0)

    def test_replaced_by_another_contract_keeps_its_lots(self, alice, share):
        old, new, group, ended = option_on(share), option_on(share, strike="33.33", multiplier=150), uuid4(), uuid4()
        rows = [
            draft("SHORT", ONE, old, quantity=2, price=3),
            draft("MERGER", TWO, old, quantity=2, group=group),
            draft("MERGER", TWO, new, quantity="-2", group=group),
            draft("OPTION_ASSIGNMENT", THREE, new, quantity=2, group=ended),
            draft("SHORT", THREE, share, quantity=300, price="33.33", group=ended),
        ]
        desk = kept(alice, rows, share, old, new)
        assert desk.position(share) == (-300, -9_999 - 600, 0)
        assert [desk.position(one) for one in (old, new)] == [(0, 0, 0), (0, 0, 0)]
        assert desk.missing() == []
