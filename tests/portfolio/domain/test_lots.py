"""Whatever is closed, by whatever method: quantities and costs add up."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.lots import Choice, Lot, Method, Rules, insert, leveled, scaled, take
from tests.portfolio.domain.values import SHARE, costs, entry, folded
from tests.portfolio.fixtures import published

DAY = datetime(2024, 1, 2, tzinfo=UTC)
quantities = st.decimals("0.001", "100", places=3)


def make_lots(rows, sign=1):
    return [
        Lot(DAY + timedelta(days=n), n + 1, sign * quantity, sign * cost, sign * quantity)
        for n, (quantity, cost) in enumerate(rows)
    ]


lots = st.builds(
    make_lots,
    st.lists(st.tuples(quantities, st.decimals("0", "10000", places=2)), min_size=1, max_size=6),
    st.sampled_from([1, -1]),
)


class TestTake:
    @given(lots, st.sampled_from(Method), st.data())
    def test_neither_loses_nor_invents_units_or_cost(self, lots, method, data):
        held, cost = sum(abs(lot.quantity) for lot in lots), sum(costs(lots))
        quantity = data.draw(st.decimals("0.001", held, places=3))
        named = [Choice(lots[-1].sequence, data.draw(st.one_of(st.none(), quantities)))]
        parts, left = take(lots, quantity, method, cost=cost, named=named)
        assert sum(abs(part.quantity) for part in parts) == quantity
        assert sum(part.quantity for part in parts) + sum(lot.quantity for lot in left) == sum(lot.quantity for lot in lots)
        if method is not Method.AVERAGE:
            assert sum(costs(parts)) + sum(costs(left)) == cost

    @given(lots, st.sampled_from(Method))
    def test_closing_all_takes_all_cost_and_leaves_exactly_nothing(self, lots, method):
        held, cost = sum(abs(lot.quantity) for lot in lots), sum(costs(lots))
        parts, left = take(lots, held, method, cost=cost)
        assert left == []
        assert sum(costs(parts)) == cost

    @given(lots, st.data())
    def test_average_gives_every_unit_the_same_cost(self, lots, data):
        held, cost = sum(abs(lot.quantity) for lot in lots), sum(costs(lots))
        quantity = data.draw(st.decimals("0.001", held, places=3))
        parts, _ = take(lots, quantity, Method.AVERAGE, cost=cost)
        assert abs(sum(costs(parts)) - cost * quantity / held) <= Decimal("1e-10")

    @given(lots, st.lists(quantities, max_size=5))
    def test_fifo_is_what_a_queue_of_single_units_gives(self, lots, sales):
        """Unit by unit (a thousandth each), oldest first: the plainest way to do it."""
        thousandth = Decimal("0.001")
        queue = [lot.sequence for lot in lots for _ in range(int(abs(lot.quantity) / thousandth))]
        for quantity in sales:
            if quantity > sum(abs(lot.quantity) for lot in lots):
                break
            parts, lots = take(lots, quantity, Method.FIFO)
            gone, queue = queue[: int(quantity / thousandth)], queue[int(quantity / thousandth) :]
            for part in parts:
                assert abs(part.quantity) == gone.count(part.lot.sequence) * thousandth

    def test_specific_closes_what_is_named_and_then_the_oldest(self):
        lots = make_lots([(Decimal(5), Decimal(50)), (Decimal(5), Decimal(60)), (Decimal(5), Decimal(70))])
        parts, left = take(lots, Decimal(6), Method.SPECIFIC, named=[Choice(3, Decimal(4))])
        assert [(part.lot.sequence, part.quantity) for part in parts] == [(3, 4), (1, 2)]
        assert [lot.quantity for lot in left] == [3, 5, 1]

    def test_hifo_of_short_lots_closes_those_that_brought_least(self):
        lots = make_lots([(Decimal(1), Decimal(90)), (Decimal(1), Decimal(70)), (Decimal(1), Decimal(80))], sign=-1)
        assert [part.lot.sequence for part in take(lots, Decimal(2), Method.HIFO)[0]] == [2, 3]

    def test_hifo_of_lots_that_cost_the_same_closes_the_oldest_whatever_was_rounded(self):
        sixth = Decimal("1.8333333333")  # a return of capital of 1 left 11/6 a unit in each of these
        lots = make_lots([(Decimal(1), sixth), (Decimal(1), Decimal("0.8333333333")), (Decimal(2), Decimal("3.6666666667"))])
        assert [part.lot.sequence for part in take(lots, Decimal(2), Method.HIFO)[0]] == [1, 3]


class TestScaled:
    @given(lots, st.decimals("0.001", "1000", places=3))
    def test_keeps_every_cent_of_cost(self, lots, total):
        signed = total if lots[0].quantity > 0 else -total
        after = scaled(lots, signed)
        assert sum(lot.quantity for lot in after) == signed
        assert sum(costs(after)) == sum(costs(lots))
        assert all(lot.quantity for lot in after)

    def test_gives_the_cost_of_a_vanished_lot_to_its_neighbor(self):
        lots = make_lots([(Decimal("1e-12"), Decimal(5)), (Decimal(1), Decimal(7))])
        after = scaled(lots, Decimal("0.5"))
        assert costs(after) == [Decimal(12)]


@given(lots)
def test_leveling_twice_is_leveling_once(lots):
    cost = sum(costs(lots))
    once = leveled(lots, cost)
    assert leveled(once, sum(costs(once))) == once


def test_an_older_lot_that_comes_later_takes_its_place():
    known = make_lots([(Decimal(1), Decimal(1)), (Decimal(1), Decimal(2))])
    insert(known, Lot(DAY - timedelta(days=9), 7, Decimal(1), Decimal(3), Decimal(1)))
    assert [lot.sequence for lot in known] == [7, 1, 2]


class TestClosure:
    @pytest.mark.parametrize(
        ("opened", "closed", "long"),
        [("2020-01-15", "2021-01-15", False), ("2020-01-15", "2021-01-16", True), ("2020-02-29", "2021-02-28", False)],
    )
    def test_is_long_term_after_more_than_a_year(self, opened, closed, long):
        book = folded(entry("BUY", opened, SHARE, quantity=1, price=10), entry("SELL", closed, SHARE, quantity=-1, price=11))
        assert book.closures[0].long_term is long
        assert book.closures[0].holding_days == (date.fromisoformat(closed) - date.fromisoformat(opened)).days


class TestPublished:
    def test_beancount_books_these_lots(self):
        case = published("beancount/lot_booking_fifo_lifo.json")
        held = sorted(
            (date.fromisoformat(lot["date"]), Decimal(lot["quantity"]), Decimal(lot["price"])) for lot in case["lots_before"]
        )
        lots = [Lot(datetime(*day.timetuple()[:3], tzinfo=UTC), n, q, q * p, q) for n, (day, q, p) in enumerate(held, 1)]
        for one in case["cases"]:
            quantity = -Decimal(one["reduce"])
            parts, left = take(lots, quantity, Method(one["method"]))
            booked = [(part.lot.opened_at.date().isoformat(), -part.quantity) for part in parts]
            assert booked == [(lot["date"], Decimal(lot["quantity"])) for lot in one["booked"]], one["name"]
            after = {(lot.opened_at.date().isoformat(), lot.quantity, lot.cost / lot.quantity) for lot in left}
            assert after == {(lot["date"], Decimal(lot["quantity"]), Decimal(lot["price"])) for lot in one["lots_after"]}
            if "cost_of_reduction" in one:
                assert sum(costs(parts)) == Decimal(one["cost_of_reduction"])

    def test_rotki_averages_these_costs(self):
        """rotki counts the full price of units never acquired as profit; with us they open a short lot, marked as missing."""
        entries = []
        for n, step in enumerate(published("rotki/cost_basis_average_11_steps.json")["steps"]):
            sign, kind = (1, "BUY") if step["side"] == "buy" else (-1, "SELL")
            quantity = sign * Decimal(step["amount"])
            entries.append(entry(kind, f"2024-01-{n + 1:02}", SHARE, quantity=quantity, price=step["price"]))
            book = folded(*entries, method="AVERAGE")
            known = [closure.gain for closure in book.closures if closure.closing == entries[-1].sequence]
            missing = Decimal(step.get("missing", 0)) * Decimal(step["price"])
            assert sum(known) + missing == Decimal(step["pnl"])
            lots = [lot for lot in book.holdings[SHARE].lots if not lot.missing]
            assert sum(costs(lots)) == Decimal(step["total_cost_after"])

    def test_rotki_finds_these_lots_left_by_lifo_and_hifo(self):
        for case in published("rotki/cost_basis_lifo_hifo.json")["cases"]:
            lots, number, day = [], 0, 0
            for step in case["steps"]:
                for added in step.get("add", ()):
                    number, day = number + 1, day + 1
                    amount, rate = Decimal(added["amount"]), Decimal(added["rate"])
                    lots.append(Lot(DAY + timedelta(days=day), number, amount, amount * rate, amount))
                if "spend" in step:
                    held = sum(lot.quantity for lot in lots)
                    spent = Decimal(step["spend"])
                    lots = take(lots, min(spent, held), Method(case["method"]))[1] if held else []
                    expected = step["expected"]
                    assert (spent <= held) is expected["complete"]
                    if "lots_left" in expected:
                        assert len(lots) == expected["lots_left"]
                    for lot, left in zip(
                        lots, expected["remaining"] if isinstance(expected.get("remaining"), list) else [], strict=False
                    ):
                        assert (lot.quantity, lot.cost / lot.quantity) == (Decimal(left["amount"]), Decimal(left["rate"]))

    def test_rotki_finds_these_costs_by_fifo(self):
        for case in published("rotki/cost_basis_fifo_holding_period.json")["cases"]:
            entries = [
                entry("BUY", one["date"], SHARE, quantity=one["amount"], price=one["rate"]) for one in case["acquisitions"]
            ]
            for spend in case.get("spends") or [case["spend"]]:
                when = datetime.fromtimestamp(spend["timestamp"], UTC).isoformat()[:19]
                entries.append(entry("SELL", when, SHARE, quantity=-Decimal(spend["amount"]), price=1))
                book = folded(*entries, rules=Rules(long_term_days=365))
                expected = spend.get("expected") or case["expected"]
                closures = [closure for closure in book.closures if closure.closing == entries[-1].sequence]
                cost = Decimal(expected["taxable_bought_cost"]) + Decimal(expected["taxfree_bought_cost"])
                assert sum(closure.cost for closure in closures) == cost, case["name"]
                for term, name in ((True, "taxfree"), (False, "taxable")):
                    own = sum(closure.cost for closure in closures if closure.long_term is term)
                    assert own == Decimal(expected[f"{name}_bought_cost"]), case["name"]
                missing = [-lot.quantity for lot in book.holdings[SHARE].lots if lot.missing]
                assert sum(missing) == Decimal(expected.get("missing_amount", 0))

    def test_portfolio_performance_keeps_these_costs(self):
        case = published("portfolio-performance/cost_fifo_vs_moving_average.json")
        assert remaining(case, "FIFO") == Decimal(case["expected"]["remaining_cost_fifo"])
        assert remaining(case, "AVERAGE") == Decimal(case["expected"]["remaining_cost_moving_average"])

    def test_portfolio_performance_makes_these_gains(self):
        case = published("portfolio-performance/gains_one_lot.json")
        for method, name in (("FIFO", "fifo"), ("AVERAGE", "moving_average")):
            holding = folded(*trades(case), method=method).holdings[SHARE]
            assert cents(holding.realized) == Decimal(case["expected"][f"realized_{name}"])
            assert cents(holding.quantity * 100 - holding.cost) == Decimal(case["expected"][f"unrealized_{name}"])

    def test_portfolio_performance_ends_a_reopened_position_at_nothing(self):
        holding = folded(*trades(published("portfolio-performance/cost_reopened_position_zero.json"))).holdings[SHARE]
        assert (holding.quantity, holding.cost, holding.lots) == (0, 0, [])


def trades(case):
    """Return the trades of a Portfolio Performance case, whose amounts are net."""
    return [
        entry(
            one["type"], one["date"], SHARE, quantity=sign * Decimal(one["shares"]), price=1, cash=-sign * Decimal(one["amount"])
        )
        for one in case["input"]["transactions"]
        for sign in [1 if one["type"] == "BUY" else -1]
    ]


def remaining(case, method):
    return cents(folded(*trades(case), method=method).holdings[SHARE].cost)


def cents(amount):
    return amount.quantize(Decimal("0.01"))
