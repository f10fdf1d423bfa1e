"""A loss does not count if the same was bought within 30 days; it becomes cost of what was bought."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.lots import Rules
from portfolio.domain.memory import as_json, recall
from portfolio.domain.positions import fold
from tests.portfolio.domain.values import SHARE, book, entry, folded

D = Decimal
RULES = Rules(wash_sales=True)
FIRST = date(2024, 1, 1)


def buy(day, quantity, price):
    return entry("BUY", day, SHARE, quantity=quantity, price=price)


def sell(day, quantity, price):
    return entry("SELL", day, SHARE, quantity=-D(quantity), price=price)


def washed(*entries, **options):
    return folded(*entries, rules=RULES, **options)


def facts(book):
    return [(one.gain, one.disallowed) for one in book.closures]


class TestWashSale:
    def test_a_loss_of_what_is_bought_again_is_put_off(self):
        """Publication 550 of the IRS: 100 shares for 1,000 sold for 750, bought again for 800: the new ones cost 1,050."""
        book = washed(buy("2024-01-02", 100, 10), sell("2024-03-01", 100, "7.5"), buy("2024-03-20", 100, 8))
        (closure,), (lot,) = book.closures, book.holdings[SHARE].lots
        assert (closure.gain, closure.disallowed, closure.wash_sale) == (-250, 250, True)
        assert (lot.cost, lot.tacked) == (1050, closure.holding_days)
        assert (book.holdings[SHARE].cost, book.holdings[SHARE].realized) == (1050, 0)

    @pytest.mark.parametrize(("day", "put_off"), [("2024-03-31", 30), ("2024-04-01", 0), ("2024-03-01T13:00", 30)])
    def test_counts_thirty_days_after(self, day, put_off):
        book = washed(buy("2023-01-02", 10, 10), sell("2024-03-01", 10, 7), buy(day, 10, 8))
        assert book.closures[0].disallowed == put_off

    @pytest.mark.parametrize(("day", "put_off"), [("2024-01-31", 30), ("2024-01-30", 0)])
    def test_counts_thirty_days_before(self, day, put_off):
        book = washed(buy("2023-01-02", 10, 10), buy(day, 10, 8), sell("2024-03-01", 10, 7))
        assert book.closures[0].disallowed == put_off
        assert book.holdings[SHARE].cost == 80 + put_off

    def test_the_days_of_what_was_sold_count_for_what_was_bought(self):
        book = washed(buy("2023-01-02", 10, 10), sell("2023-12-20", 10, 7), buy("2024-01-05", 10, 8), sell("2024-01-25", 10, 9))
        assert [one.holding_days for one in book.closures] == [352, 352 + 20]
        assert [(one.gain, one.disallowed) for one in book.closures] == [(-30, 30), (-20, 0)]
        assert [one.long_term for one in book.closures] == [False, True]

    def test_a_smaller_purchase_puts_off_its_part(self):
        book = washed(buy("2024-01-02", 10, 10), sell("2024-03-01", 10, 7), buy("2024-03-05", 4, 8))
        assert facts(book) == [(-30, 12)]
        assert book.holdings[SHARE].cost == 32 + 12

    def test_a_larger_purchase_is_parted(self):
        book = washed(buy("2024-01-02", 10, 10), sell("2024-03-01", 10, 7), buy("2024-03-05", 25, 8))
        lots = [(lot.quantity, lot.cost, lot.tacked) for lot in book.holdings[SHARE].lots]
        assert lots == [(10, 80 + 30, 59), (15, 120, None)]

    def test_several_purchases_share_a_loss_in_their_order(self):
        book = washed(buy("2024-01-02", 10, 10), sell("2024-03-01", 10, 7), buy("2024-03-05", 4, 8), buy("2024-03-06", 9, 8))
        lots = [(lot.quantity, lot.cost) for lot in book.holdings[SHARE].lots]
        assert lots == [(4, 32 + 12), (6, 48 + 18), (3, 24)]
        assert facts(book) == [(-30, 30)]

    def test_a_unit_replaces_once(self):
        book = washed(
            buy("2024-01-02", 10, 10),
            buy("2024-01-03", 10, 10),
            sell("2024-03-01", 10, 7),
            buy("2024-03-05", 10, 8),
            sell("2024-03-06", 10, 7),
        )
        assert facts(book) == [(-30, 30), (-30, 0)]

    def test_the_rest_of_the_lot_that_was_sold_from_replaces_nothing(self):
        book = washed(buy("2024-03-01", 10, 10), sell("2024-03-05", 4, 7))
        assert facts(book) == [(-12, 0)]

    def test_what_is_sold_together_replaces_nothing(self):
        book = washed(buy("2024-01-02", 10, 10), buy("2024-02-20", 10, 9), sell("2024-03-01", 20, 7))
        assert [one.disallowed for one in book.closures] == [0, 0]

    def test_gains_and_accounts_without_the_rule_are_left_alone(self):
        rows = (buy("2024-01-02", 10, 10), sell("2024-03-01", 10, 12), buy("2024-03-05", 10, 8))
        assert facts(washed(*rows)) == [(20, 0)]
        loss = (buy("2024-01-02", 10, 10), sell("2024-03-01", 10, 7), buy("2024-03-05", 10, 8))
        assert facts(folded(*loss)) == [(-30, 0)]

    def test_units_that_were_not_bought_replace_nothing(self):
        rows = (buy("2024-01-02", 10, 10), sell("2024-03-01", 10, 7))
        come = entry("TRANSFER_IN", "2024-03-05", SHARE, quantity=10, data={"cost": "80"})
        staked = entry("STAKING", "2024-03-06", SHARE, quantity=10, price=8)
        assert facts(washed(*rows, come, staked)) == [(-30, 0)]

    def test_shorts_that_are_opened_again_put_off_their_loss(self):
        book = washed(
            entry("SHORT", "2024-01-02", SHARE, quantity=-10, price=10),
            entry("COVER", "2024-03-01", SHARE, quantity=10, price=13),
            entry("SHORT", "2024-03-05", SHARE, quantity=-10, price=12),
            entry("COVER", "2024-06-01", SHARE, quantity=10, price=5),
        )
        assert facts(book) == [(-30, 30), (40, 0)]
        assert book.holdings[SHARE].realized == -30 + 70

    def test_a_split_in_between_counts_in_new_units(self):
        book = washed(
            buy("2024-01-02", 10, 10),
            sell("2024-03-01", 10, 7),
            entry("SPLIT", "2024-03-03", SHARE, data={"ratio": "2:1"}),
            buy("2024-03-05", 10, 4),
        )
        assert facts(book) == [(-30, 15)]

    def test_average_cost_takes_the_loss_in(self):
        book = washed(buy("2024-01-02", 10, 10), sell("2024-03-01", 10, 7), buy("2024-03-05", 10, 8), method="AVERAGE")
        assert book.holdings[SHARE].cost == 110

    def test_a_loss_put_off_twice_comes_back_at_the_end(self):
        book = washed(
            buy("2024-01-02", 10, 10),
            sell("2024-02-01", 10, 7),
            buy("2024-02-05", 10, 8),
            sell("2024-02-20", 10, 6),
            buy("2024-03-01", 10, 6),
            sell("2024-06-01", 10, 6),
        )
        assert facts(book) == [(-30, 30), (-50, 50), (-50, 0)]
        assert book.holdings[SHARE].realized == -50


steps = st.lists(
    st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(0, 25), st.integers(1, 6), st.integers(1, 20)),
    min_size=1,
    max_size=14,
)


def rows_of(found):
    day, rows = 0, []
    for kind, wait, quantity, price in found:
        day += wait
        sign = 1 if kind == "BUY" else -1
        when = (FIRST + timedelta(days=day)).isoformat()
        rows.append(entry(kind, f"{when}T12:{len(rows):02}", SHARE, quantity=sign * quantity, price=price))
    return rows


def unit_by_unit(rows):
    """Sell units one by one, oldest first, and look for the one that replaces each; return the losses put off, by sale."""
    held, waiting, put_off = [], [], {}
    for row in rows:
        day = row.occurred_at.toordinal()
        if row.quantity > 0:
            bought = [{"day": day, "cost": row.price, "lot": row.sequence, "used": False} for _ in range(int(row.quantity))]
            for loss in [loss for loss in waiting if day - loss["day"] <= 30]:
                free = next((unit for unit in bought if not unit["used"]), None)
                if free is not None:
                    free["used"], free["cost"] = True, free["cost"] + loss["loss"]
                    put_off[loss["sale"]] = put_off.get(loss["sale"], 0) + loss["loss"]
                    waiting.remove(loss)
            held += sorted(bought, key=lambda unit: not unit["used"])
            continue
        sold, held = held[: int(-row.quantity)], held[int(-row.quantity) :]
        for unit in sold:
            if row.price >= unit["cost"]:
                continue
            loss = {"day": day, "loss": unit["cost"] - row.price, "sale": row.sequence}
            free = [other for other in held if not other["used"] and other["lot"] != unit["lot"] and day - other["day"] <= 30]
            if free:
                free[0]["used"], free[0]["cost"] = True, free[0]["cost"] + loss["loss"]
                put_off[row.sequence] = put_off.get(row.sequence, 0) + loss["loss"]
                held.sort(key=lambda other: (other["day"], other["lot"], not other["used"]))
            else:
                waiting.append(loss)
    return put_off


class TestLaws:
    @given(steps)
    def test_no_cent_is_lost(self, found):
        rows = rows_of(found)
        book = washed(*rows)
        holding = book.holdings[SHARE]
        assert holding.cost - holding.realized == -sum(row.cash for row in rows)
        assert holding.realized == sum((one.gain + one.disallowed for one in book.closures), D(0))
        assert all(0 <= one.disallowed <= max(-one.gain, 0) for one in book.closures)
        assert holding.cost == sum((lot.cost for lot in holding.lots), D(0))

    @given(steps)
    def test_it_is_what_replacing_unit_by_unit_gives(self, found):
        """Whole units, and never more sold than held, so that both can be compared."""
        rows, units = [], 0
        for row in rows_of(found):
            if row.quantity > 0 or units + row.quantity >= 0:
                rows.append(row)
                units += row.quantity
        put_off: dict[int, D] = {}
        for closure in washed(*rows).closures:
            put_off[closure.closing] = put_off.get(closure.closing, D(0)) + closure.disallowed
        total = sum(put_off.values())
        plain = unit_by_unit(rows)
        assert abs(total - sum(plain.values())) < D("1e-6")

    @given(steps, st.data(), st.sampled_from(["FIFO", "LIFO", "HIFO", "AVERAGE"]))
    def test_it_may_be_taken_up_anywhere(self, found, data, method):
        rows = rows_of(found)
        cut = data.draw(st.integers(0, len(rows)))
        whole = washed(*rows, method=method)
        before = washed(*rows[:cut], method=method)
        after = book(method=method, rules=RULES)
        recall(after, as_json(before) | {"closures": len(before.closures)})
        after.holdings = before.holdings
        fold(after, rows[cut:])
        closures = [
            one._replace(disallowed=after.amended.get(number, one.disallowed)) for number, one in enumerate(before.closures, 1)
        ] + after.closures
        assert closures == whole.closures
        assert as_json(after) == as_json(whole)
        assert after.holdings == whole.holdings
