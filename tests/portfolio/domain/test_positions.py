"""What each kind of entry does to holdings, cash, gains and flows."""

from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.ledger import RULES, EntryKind, Need
from portfolio.domain import positions
from portfolio.domain.daybook import Flow
from portfolio.domain.entries import Listing, in_order, taken_back
from portfolio.domain.legs import ROLLED
from tests.portfolio.domain.values import FOREIGN, SHARE, costs, entry, folded
from tests.portfolio.fixtures import published

D = Decimal


def only_day(book):
    (day,) = book.days.values()
    return day


class TestTrades:
    def test_fees_and_taxes_are_part_of_cost_and_of_proceeds(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=100, fee=5, tax=1),
            entry("SELL", "2024-01-03", SHARE, quantity=-10, price=110, fee=4, tax=2),
        )
        holding = book.holdings[SHARE]
        assert (holding.realized, holding.fees, holding.taxes) == (D(1094) - D(1006), 9, 3)
        assert book.cash == {"USD": D(88)}

    def test_a_sale_beyond_the_holdings_is_kept_as_a_short_lot_that_says_so(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=1, price=100),
            entry("SELL", "2024-01-03", SHARE, quantity=-3, price=110),
        )
        (lot,) = book.holdings[SHARE].lots
        assert (lot.quantity, lot.cost, lot.missing) == (-2, -220, True)
        assert book.holdings[SHARE].realized == 10

    def test_a_short_sale_is_no_sale_beyond_the_holdings(self):
        book = folded(entry("SHORT", "2024-01-02", SHARE, quantity=-3, price=110, fee=1))
        (lot,) = book.holdings[SHARE].lots
        assert (lot.quantity, lot.cost, lot.missing) == (-3, -329, False)

    def test_covering_gains_what_the_short_sale_brought_beyond_the_purchase(self):
        book = folded(
            entry("SHORT", "2024-01-02", SHARE, quantity=-100, price=100),
            entry("COVER", "2024-02-02", SHARE, quantity=100, price=90),
        )
        (closure,) = book.closures
        assert (closure.quantity, closure.cost, closure.proceeds, closure.gain) == (-100, 9000, 10000, 1000)
        assert book.holdings[SHARE].quantity == 0

    def test_a_purchase_covers_first_and_opens_with_the_rest(self):
        book = folded(
            entry("SHORT", "2024-01-02", SHARE, quantity=-2, price=50),
            entry("BUY", "2024-01-03", SHARE, quantity=5, price=40),
        )
        assert [(lot.quantity, lot.cost) for lot in book.holdings[SHARE].lots] == [(3, 120)]
        assert book.holdings[SHARE].realized == 20

    def test_thirds_close_at_exactly_nothing(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=3, price="33.3333333333", cash="-100"),
            *(entry("SELL", f"2024-01-0{n}", SHARE, quantity=-1, price=40) for n in (3, 4, 5)),
        )
        holding = book.holdings[SHARE]
        assert (holding.quantity, holding.cost, holding.realized) == (0, 0, 20)
        assert sum(closure.cost for closure in book.closures) == 100

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["BUY", "SELL", "SHORT", "COVER"]),
                st.decimals("0.001", "50", places=3),
                st.decimals("0.01", "500", places=2),
                st.decimals("0", "5", places=2),
            ),
            max_size=14,
        ),
        st.sampled_from(["FIFO", "LIFO", "HIFO", "AVERAGE"]),
    )
    def test_cost_less_realized_gain_is_what_was_paid(self, rows, method):
        """The cash of all trades is in the cost of what is held or in the gain of what is not: nothing is lost between."""
        book = folded(
            *(
                entry(kind, f"2024-01-{n + 1:02}", SHARE, quantity=q if kind in {"BUY", "COVER"} else -q, price=p, fee=fee)
                for n, (kind, q, p, fee) in enumerate(rows)
            ),
            method=method,
        )
        holding = book.holdings.get(SHARE)
        if holding is not None:
            assert holding.cost - holding.realized == -book.cash.get("USD", D(0))
            assert sum(lot.quantity for lot in holding.lots) == holding.quantity
            assert sum(costs(holding.lots)) == holding.cost
            assert holding.realized == sum(closure.gain for closure in book.closures)
            assert all(lot.quantity * holding.quantity > 0 for lot in holding.lots)

    def test_an_option_stands_for_its_multiplier(self):
        case = next(one for one in published("wealthfolio/holdings_and_performance.json")["cases"] if "option" in one["name"])
        listings = {SHARE: Listing("USD", D(100))}
        entries, expected = [], case["expected"]
        for one, after in zip(case["input"]["activities"], ("after_buy", "after_partial_sale", "after_close"), strict=True):
            sign = 1 if one["type"] == "BUY" else -1
            fields = {"quantity": sign * D(one["quantity"]), "price": one["price"], "fee": one["fee"], "multiplier": D(100)}
            entries.append(entry(one["type"], one["date"], SHARE, **fields))
            holding = folded(*entries, listings=listings).holdings[SHARE]
            assert holding.quantity == D(expected[after]["quantity"])
            if "cost_basis" in expected[after]:
                assert holding.cost == D(expected[after]["cost_basis"])


class TestSpecific:
    @pytest.mark.parametrize(("lots", "left"), [("named", [1, 2]), ("named in part", [1, 2, 1]), ("nonsense", [2, 3])])
    def test_a_sale_names_its_lots_by_the_entries_that_opened_them(self, lots, left):
        bought = [entry("BUY", f"2024-01-0{n}", SHARE, quantity=n, price=10) for n in (1, 2, 3)]
        third = bought[2].sequence
        named = {
            "named": [{"sequence": third}],
            "named in part": [{"sequence": third, "quantity": "2"}, {"sequence": bought[0].sequence, "quantity": "0"}],
            "nonsense": "the last one",
        }[lots]
        sold = D(2) if lots == "named in part" else D(3) if lots == "named" else D(1)
        sale = entry("SELL", "2024-02-01", SHARE, quantity=-sold, price=12, data={"lots": named})
        book = folded(*bought, sale, method="SPECIFIC")
        assert [lot.quantity for lot in book.holdings[SHARE].lots] == left

    def test_other_methods_choose_for_themselves(self):
        bought = [entry("BUY", f"2024-01-0{n}", SHARE, quantity=1, price=10) for n in (1, 2)]
        sale = entry("SELL", "2024-02-01", SHARE, quantity=-1, price=12, data={"lots": [{"sequence": bought[1].sequence}]})
        (lot,) = folded(*bought, sale).holdings[SHARE].lots
        assert lot.sequence == bought[1].sequence


class TestOrder:
    def test_at_one_instant_what_arrives_comes_before_what_leaves(self):
        book = folded(
            entry("SELL", "2024-01-02", SHARE, quantity=-1, price=120),
            entry("BUY", "2024-01-02", SHARE, quantity=1, price=100),
        )
        (closure,) = book.closures
        assert (closure.quantity, closure.gain, closure.missing) == (1, 20, False)

    def test_trades_on_the_day_of_a_split_are_in_new_units(self):
        case = published("ghostfolio/split_then_partial_sell.json")
        rows = [
            entry(one["type"], one["date"], SHARE, quantity=sign * D(one["quantity"]), price=one["unit_price"])
            for one in case["input"]["transactions"]
            for sign in [1 if one["type"] == "BUY" else -1]
        ]
        rows += [
            entry("SPLIT", f"{one['date']}T16:00", SHARE, data={"ratio": f"{one['numerator']}:{one['denominator']}"})
            for one in case["input"]["splits"]
        ]
        holding = folded(*rows).holdings[SHARE]
        assert holding.quantity == D(case["expected"]["quantity"])
        assert holding.cost == D(case["expected"]["investment"])

    def test_an_entry_taken_back_and_its_reversal_leave_no_trace(self):
        kept, wrong = entry("DEPOSIT", "2024-01-02", cash=10), entry("DEPOSIT", "2024-01-03", cash=99)
        mirror = wrong._replace(id=str(uuid4()), sequence=99, cash=-wrong.cash, reverses=wrong.id)
        assert in_order([wrong, mirror, kept]) == [kept]

    def test_a_reversal_taken_back_takes_nothing_back(self):
        first = entry("DEPOSIT", "2024-01-02", cash=10)
        second = first._replace(id=str(uuid4()), sequence=first.sequence + 1, reverses=first.id)
        third = first._replace(id=str(uuid4()), sequence=first.sequence + 2, reverses=second.id)
        assert taken_back([first, second, third]) == {second.id}
        assert in_order([third, second, first]) == [first]

    def test_ghostfolio_reads_a_sale_listed_before_its_purchase(self):
        case = published("ghostfolio/novn_buy_and_sell_unordered_input.json")
        rows = [
            entry(one["type"], one["date"], SHARE, quantity=sign * D(one["quantity"]), price=one["unit_price"], fee=one["fee"])
            for one in case["input"]["transactions"]
            for sign in [1 if one["type"] == "BUY" else -1]
        ]
        holding = folded(*rows).holdings[SHARE]
        assert holding.quantity == 0
        # gross performance is before fees, ours after
        assert holding.realized + holding.fees == D(case["expected"]["gross_performance"])


class TestMoney:
    @pytest.mark.parametrize(
        ("kind", "cash"), [("DEPOSIT", 100), ("WITHDRAWAL", -100), ("TRANSFER_IN", 70), ("TRANSFER_OUT", -70)]
    )
    def test_money_from_and_to_outside_is_a_flow(self, kind, cash):
        book = folded(entry(kind, "2024-01-02", cash=cash))
        assert only_day(book).flows == [Flow("USD", D(cash))]
        assert book.cash == {"USD": D(cash)}

    def test_interest_fees_and_taxes_of_the_account_are_tallied_by_currency(self):
        book = folded(
            entry("INTEREST", "2024-01-02", cash=9, tax=1),
            entry("INTEREST", "2024-01-03", cash=-4),
            entry("FEE", "2024-01-04", cash=-7, fee=5, tax=2),
            entry("TAX", "2024-01-05", cash=-3, currency="EUR"),
        )
        assert (book.tallies["USD"].income, book.tallies["USD"].fees, book.tallies["USD"].taxes) == (6, 5, 3)
        assert book.tallies["EUR"].taxes == 3
        assert book.cash == {"USD": D(-2), "EUR": D(-3)}
        assert not any(day.flows for day in book.days.values())

    def test_a_dividend_is_income_before_its_tax(self):
        case = published("portfolio-performance/snapshot_dividend_with_tax.json")
        (paid,) = case["input"]["transactions"]
        holding = folded(entry("DIVIDEND", paid["date"], SHARE, cash=paid["net_amount"], tax=paid["tax"])).holdings[SHARE]
        assert (holding.income, holding.taxes) == (D(case["expected"]["earnings"]), D(case["expected"]["taxes"]))

    def test_a_stated_gross_amount_is_the_income(self):
        holding = folded(entry("DIVIDEND", "2024-01-02", SHARE, cash=85, tax=15, data={"gross": "100"})).holdings[SHARE]
        assert holding.income == 100

    def test_fees_and_taxes_for_an_instrument_count_there(self):
        book = folded(entry("FEE", "2024-01-02", SHARE, cash=-3), entry("TAX", "2024-01-03", SHARE, cash=-4, fee=1, tax=3))
        assert (book.holdings[SHARE].fees, book.holdings[SHARE].taxes) == (4, 3)

    def test_an_exchange_of_currencies_is_no_flow(self):
        group = str(uuid4())
        book = folded(
            entry("FX", "2024-01-02", cash=-100, group=group), entry("FX", "2024-01-02", cash=92, currency="EUR", group=group)
        )
        assert (book.cash, only_day(book).flows) == ({"USD": D(-100), "EUR": D(92)}, [])

    def test_a_liability_lowers_the_value_and_is_no_loss(self):
        case = published("ghostfolio/liability.json")
        (one,) = case["input"]["transactions"]
        book = folded(entry("LIABILITY", one["date"], price=one["unit_price"], data={"name": one["symbol"]}))
        assert only_day(book).owed == {"USD": D(case["expected"]["total_liabilities"])}
        assert only_day(book).flows == [Flow("USD", D(-3000))]

    def test_a_liability_that_changes_currency_leaves_the_old_one(self):
        book = folded(
            entry("LIABILITY", "2024-01-02", price=100, data={"name": "loan"}),
            entry("LIABILITY", "2024-01-03", price=90, currency="EUR", data={"name": "loan"}),
        )
        last = book.days[max(book.days)]
        assert last.owed == {"USD": 0, "EUR": 90}
        assert sorted(last.flows) == [Flow("EUR", D(-90)), Flow("USD", D(100))]


class TestTransfers:
    def test_units_bring_the_cost_they_carry(self):
        book = folded(entry("TRANSFER_IN", "2024-01-02", SHARE, quantity=10, data={"cost": "812.50"}))
        assert (book.holdings[SHARE].cost, book.cash) == (D("812.50"), {})

    def test_units_without_a_stated_cost_cost_their_price(self):
        assert folded(entry("TRANSFER_IN", "2024-01-02", SHARE, quantity=10, price=7)).holdings[SHARE].cost == 70

    def test_units_without_a_price_cost_what_the_market_says(self):
        book = folded(entry("TRANSFER_IN", "2024-01-03", SHARE, quantity=10), closes={SHARE: {"2024-01-02": 8}})
        assert book.holdings[SHARE].cost == 80
        assert book.awaited == {SHARE}  # a close of the 3rd may yet come

    def test_units_nobody_can_price_cost_nothing_and_say_so(self):
        book = folded(entry("TRANSFER_IN", "2024-01-02", SHARE, quantity=10))
        assert (book.holdings[SHARE].cost, list(book.gaps)) == (0, [SHARE])

    def test_units_that_leave_take_their_cost_and_make_no_gain(self):
        book = folded(
            entry("BUY", "2024-01-02", SHARE, quantity=10, price=10),
            entry("TRANSFER_OUT", "2024-01-03", SHARE, quantity=-4, price=99),
        )
        holding = book.holdings[SHARE]
        assert (holding.quantity, holding.cost, holding.realized, book.closures) == (6, 60, 0, [])

    def test_units_that_leave_without_having_been_there_are_missing(self):
        book = folded(entry("TRANSFER_OUT", "2024-01-03", SHARE, quantity=-4, price=5))
        (lot,) = book.holdings[SHARE].lots
        assert (lot.quantity, lot.cost, lot.missing) == (-4, -20, True)


class TestCurrencies:
    def test_cost_is_in_the_currency_of_the_instrument(self):
        case = published("wealthfolio/holdings_and_performance.json")["cases"][0]
        (one,) = case["input"]["activities"]
        listings = {SHARE: Listing(one["listing_currency"])}
        book = folded(
            entry("BUY", one["date"], SHARE, quantity=one["quantity"], price=one["price"], fee=one["fee"], currency="CAD"),
            base="CAD",
            listings=listings,
            rates={("CAD", "USD"): {one["date"]: case["input"]["fx"]["CADUSD"]}},
        )
        holding = book.holdings[SHARE]
        assert holding.cost == D(case["expected"]["cost_basis_usd"])
        assert holding.cost / holding.quantity == D(case["expected"]["average_cost_usd"])
        assert book.cash == {"CAD": D(case["expected"]["cash_cad"])}

    def test_the_rate_on_the_entry_beats_that_of_the_day(self):
        bought = entry("BUY", "2024-01-02", SHARE, quantity=1, price=100, currency="EUR", data={"fx_rate": "1.5"})
        book = folded(bought, rates={("EUR", "USD"): {"2024-01-02": "1.1"}})
        assert book.holdings[SHARE].cost == 150

    def test_a_missing_rate_is_never_one(self):
        book = folded(entry("BUY", "2024-01-02", FOREIGN, quantity=1, price=100))
        assert (book.holdings[FOREIGN].cost, list(book.gaps)) == (0, ["USD/EUR"])


def test_every_kind_with_an_instrument_has_a_posting():
    """A kind that the table does not know would be dropped in silence."""
    kinds = {kind for kind, rule in RULES.items() if rule.instrument is not Need.REFUSED} - {EntryKind.NOTE}
    assert kinds | {ROLLED} == set(positions._POST_TO_INSTRUMENT)
    assert {kind for kind, rule in RULES.items() if rule.instrument is Need.REFUSED} <= {
        *positions._POST_TO_ACCOUNT,
        EntryKind.FX,
    }
