"""Daily values, flows and returns are those of a plain loop over days with decimals, and of published cases."""

from datetime import date
from decimal import Decimal, localcontext
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.entries import Listing
from portfolio.domain.exact import EXACT
from portfolio.domain.performance import Point, measure
from portfolio.domain.xirr import money_weighted
from tests.portfolio.domain.values import FOREIGN, LISTINGS, OTHER, SHARE, derived, entry
from tests.portfolio.fixtures import published

D = Decimal
FIRST = date(2024, 1, 1).toordinal()
SPAN = 12
offsets = st.integers(0, SPAN - 1)
closes = st.dictionaries(offsets, st.decimals("0.0001", "5000", places=4), max_size=SPAN)
rate_rows = st.dictionaries(offsets, st.decimals("0.1", "3", places=6), max_size=SPAN)
trades = st.tuples(
    st.sampled_from(["BUY", "SELL"]),
    offsets,
    st.sampled_from([SHARE, OTHER, FOREIGN]),
    st.decimals("0.0001", "900", places=4),
    st.decimals("0.01", "900", places=2),
)
flows = st.tuples(
    st.sampled_from(["DEPOSIT", "WITHDRAWAL"]), offsets, st.sampled_from(["USD", "EUR"]), st.decimals("0.01", "9999", places=2)
)


def day(offset):
    return date.fromordinal(FIRST + offset).isoformat()


def last_known(values, offset):
    known = [when for when in values if when <= offset]
    return values[max(known)] if known else None


def plain_day(rows, prices, rates, offset, rated):
    """Value a day the long way round: every entry up to it, every holding, one by one; `rated` is the first day with a rate.

    A flow without a rate counts on the first day that has one.
    """
    worth = {"USD": D(1), "EUR": last_known(rates, offset) or D(0)}
    cash, units, flows, lacks = {"USD": D(0), "EUR": D(0)}, {}, [D(0)], False
    for kind, when, what, *numbers in rows:
        if when > offset:
            continue
        if kind in {"BUY", "SELL"}:
            sign = 1 if kind == "BUY" else -1
            units[what] = units.get(what, D(0)) + sign * numbers[0]
            cash[LISTINGS[what].currency] -= sign * numbers[0] * numbers[1]
            continue
        amount = numbers[0] if kind == "DEPOSIT" else -numbers[0]
        cash[what] += amount
        counted = when if what == "USD" else max(when, rated)
        lacks = lacks or counted > offset
        flows += [(amount * worth[what]).quantize(D("1e-10"))] if counted == offset else []
    positions = D(0)
    for what, quantity in units.items():
        price, currency = last_known(prices[what], offset), LISTINGS[what].currency
        lacks = lacks or bool(quantity and (price is None or (currency == "EUR" and offset < rated)))
        native = (quantity * (price or D(0))).quantize(D("1e-10"))
        positions += (native * worth[currency]).quantize(D("1e-10"))
    money = cash["USD"] + (cash["EUR"] * worth["EUR"]).quantize(D("1e-10"))
    lacks = lacks or bool(cash["EUR"] and offset < rated)
    return money, positions, flows, lacks


def plain_loop(rows, prices, rates, last):
    """Value all days. One that lacks a price or rate, or had a flow that did, has no return: the next one has that since."""
    index, since, left = D(1), D(0), D(0)
    with localcontext(EXACT):
        for offset in range(min(row[1] for row in rows), last + 1):
            money, positions, flows, lacks = plain_day(rows, prices, rates, offset, min(rates, default=last + 1))
            total = money + positions
            since, left = since + sum(max(flow, D(0)) for flow in flows), left + sum(max(-flow, D(0)) for flow in flows)
            if not lacks:
                index = (index * max(total + left, D(0)) / since).quantize(D("1e-18")) if since > 0 else index
                since, left = total, D(0)
            yield offset, total, money, positions, sum(flows), index, not lacks


class TestDerive:
    @given(
        st.lists(st.one_of(trades, flows), min_size=1, max_size=12),
        st.fixed_dictionaries({SHARE: closes, OTHER: closes, FOREIGN: closes}),
        rate_rows,
    )
    def test_values_each_day_as_a_plain_loop_does(self, rows, prices, rates):
        entries = []
        for kind, offset, what, *numbers in rows:
            if kind in {"BUY", "SELL"}:
                sign, currency = (1 if kind == "BUY" else -1), LISTINGS[what].currency
                entries.append(entry(kind, day(offset), what, quantity=sign * numbers[0], price=numbers[1], currency=currency))
            else:
                amount = numbers[0] if kind == "DEPOSIT" else -numbers[0]
                entries.append(entry(kind, day(offset), cash=amount, currency=what))
        found = derived(
            *entries,
            closes={what: {day(offset): price for offset, price in values.items()} for what, values in prices.items()},
            rates={("EUR", "USD"): {day(offset): rate for offset, rate in rates.items()}},
        )
        touched = {row[2] for row in rows if row[0] in {"BUY", "SELL"}}
        ends = [max(prices[what]) for what in touched if prices[what]] if touched else [max(rates)] if rates else []
        last = max([row[1] for row in rows] + ends)
        expected = list(plain_loop(rows, prices, rates, last))
        figures = [
            (f.day - FIRST, f.total_value, f.cash, f.positions_value, f.net_flow, f.twr_index, f.complete) for f in found.figures
        ]
        assert figures == expected

    def test_every_day_has_its_figures_weekends_too(self):
        found = derived(
            entry("DEPOSIT", "2024-01-05", cash=100),
            entry("BUY", "2024-01-05", SHARE, quantity=1, price=50),
            closes={SHARE: {"2024-01-05": 50, "2024-01-08": 60}},
        )
        assert [(figure.total_value, figure.priced) for figure in found.figures] == [
            (100, True),
            (100, False),
            (100, False),
            (110, True),
        ]

    def test_the_gain_of_a_day_is_what_flows_do_not_explain(self):
        found = derived(
            entry("DEPOSIT", "2024-01-01", cash=100),
            entry("BUY", "2024-01-01", SHARE, quantity=1, price=50),
            entry("WITHDRAWAL", "2024-01-02", cash=-20),
            closes={SHARE: {"2024-01-01": 50, "2024-01-02": 53}},
        )
        assert [(f.net_flow, f.day_gain, f.total_gain) for f in found.figures] == [(100, 0, 0), (-20, 3, 3)]

    def test_flows_in_count_from_the_start_of_the_day_and_flows_out_until_its_end(self):
        found = derived(
            entry("DEPOSIT", "2024-01-01", cash=100),
            entry("BUY", "2024-01-01", SHARE, quantity=10, price=10),
            entry("DEPOSIT", "2024-01-02", cash=50),
            entry("WITHDRAWAL", "2024-01-02", cash=-30),
            closes={SHARE: {"2024-01-01": 10, "2024-01-02": 11}},
        )
        assert found.figures[1].twr_index == (D(130 + 30) / D(150)).quantize(D("1e-18"))

    def test_a_close_from_before_a_split_is_divided_until_the_next_one(self):
        found = derived(
            entry("BUY", "2024-01-01", SHARE, quantity=10, price=90),
            entry("SPLIT", "2024-01-02", SHARE, data={"ratio": "3:1"}),
            closes={SHARE: {"2024-01-01": 90, "2024-01-04": 31}},
        )
        assert [figure.positions_value for figure in found.figures] == [900, 900, 900, 930]
        assert [figure.priced for figure in found.figures] == [True, False, False, True]

    def test_a_price_given_by_hand_counts_until_a_newer_close(self):
        found = derived(
            entry("BUY", "2024-01-01", SHARE, quantity=1, price=90),
            entry("VALUATION", "2024-01-02", SHARE, price=120),
            closes={SHARE: {"2024-01-01": 90, "2024-01-02": 95, "2024-01-04": 99}},
        )
        assert [figure.positions_value for figure in found.figures] == [90, 120, 120, 99]

    def test_what_has_no_price_yet_is_left_out_and_named(self):
        found = derived(
            entry("BUY", "2024-01-01", SHARE, quantity=1, price=90),
            entry("BUY", "2024-01-01", OTHER, quantity=1, price=90),
            closes={SHARE: {"2024-01-03": 95}},
        )
        assert [figure.positions_value for figure in found.figures] == [0, 0, 95]
        assert found.missing[SHARE] == (date(2024, 1, 1), date(2024, 1, 3))
        assert found.missing[OTHER] == (date(2024, 1, 1), None)

    def test_a_single_day_without_a_price_is_named_too(self):
        found = derived(entry("BUY", "2024-01-01", SHARE, quantity=1, price=90), closes={SHARE: {"2024-01-02": 95}})
        assert found.missing[SHARE] == (date(2024, 1, 1), date(2024, 1, 2))

    def test_what_is_carried_forward_is_named_as_stale(self):
        found = derived(
            entry("BUY", "2024-01-01", SHARE, quantity=1, price=90),
            entry("BUY", "2024-01-01", OTHER, quantity=1, price=90),
            closes={SHARE: {"2024-01-01": 95}, OTHER: {"2024-01-03": 9}},
        )
        assert found.stale == {SHARE: date(2024, 1, 1)}

    def test_a_missing_rate_leaves_the_balance_out(self):
        found = derived(entry("DEPOSIT", "2024-01-01", cash=100, currency="EUR"))
        assert (found.figures[0].total_value, found.figures[0].net_flow) == (0, 0)
        assert (list(found.missing), found.figures[0].complete, found.waiting) == (["EUR/USD"], False, True)

    def test_units_that_come_are_a_flow_at_the_price_of_the_day(self):
        found = derived(
            entry("TRANSFER_IN", "2024-01-02", SHARE, quantity=10, data={"cost": "55"}), closes={SHARE: {"2024-01-01": 8}}
        )
        assert (found.figures[0].net_flow, found.figures[0].total_gain) == (80, 0)

    def test_units_that_come_without_a_price_are_a_flow_of_their_cost(self):
        found = derived(entry("TRANSFER_IN", "2024-01-02", SHARE, quantity=10, data={"cost": "55"}))
        assert found.figures[0].net_flow == 55

    def test_borrowing_is_no_loss_and_paying_back_no_gain(self):
        found = derived(
            entry("DEPOSIT", "2024-01-01", cash=1000),
            entry("LIABILITY", "2024-01-02", price=400, data={"name": "loan"}),
            entry("WITHDRAWAL", "2024-01-03", cash=-100),
            entry("LIABILITY", "2024-01-03", price=300, data={"name": "loan"}),
        )
        assert [(f.total_value, f.total_gain) for f in found.figures] == [(1000, 0), (600, 0), (600, 0)]

    def test_buying_power_is_cash_and_on_margin_twice_the_value_less_what_is_invested(self):
        rows = [entry("DEPOSIT", "2024-01-01", cash=1000), entry("BUY", "2024-01-01", SHARE, quantity=9, price=100)]
        market = {"closes": {SHARE: {"2024-01-01": 100}}}
        assert derived(*rows, **market).figures[0].buying_power == 100
        assert derived(*rows, margin=True, **market).figures[0].buying_power == 1100

    def test_the_gain_of_a_position_on_a_day_leaves_out_what_was_paid(self):
        found = derived(
            entry("BUY", "2024-01-01", SHARE, quantity=1, price=50),
            entry("BUY", "2024-01-02", SHARE, quantity=1, price=52, fee=1),
            entry("DIVIDEND", "2024-01-02", SHARE, cash=2),
            entry("TRANSFER_IN", "2024-01-02", SHARE, quantity=1, price=51),
            closes={SHARE: {"2024-01-01": 50, "2024-01-02": 54}},
        )
        (position,) = found.positions
        # 4 on the old unit, 1 on the new one after its fee, 2 of dividend; the unit that came in counts at the close
        assert (position.day_gain, position.market_value, position.unrealized_gain) == (7, 162, 162 - 50 - 53 - 51)

    def test_the_days_of_a_spin_off_and_a_merger_make_no_gain_by_themselves(self):
        group = str(uuid4())
        found = derived(
            entry("BUY", "2024-01-01", SHARE, quantity=10, price=50),
            entry("MERGER", "2024-01-02", SHARE, quantity=-10, group=group),
            entry("MERGER", "2024-01-02", OTHER, quantity=5, group=group),
            closes={SHARE: {"2024-01-01": 50}, OTHER: {"2024-01-02": 101}},
        )
        gains = {position.instrument: position.day_gain for position in found.positions}
        assert gains == {SHARE: 0, OTHER: 0}
        assert found.figures[-1].day_gain == 5

    def test_nothing_follows_from_nothing(self):
        found = derived()
        assert (found.figures, found.positions, found.missing) == ([], [], {})

    def test_without_instruments_the_last_rate_ends_it(self):
        found = derived(
            entry("DEPOSIT", "2024-01-01", cash=100, currency="EUR"),
            rates={("EUR", "USD"): {"2024-01-01": "1.1", "2024-01-04": "1.2"}},
        )
        assert [figure.total_value for figure in found.figures] == [110, 110, 110, 120]

    def test_large_numbers_stay_exact(self):
        found = derived(
            entry("BUY", "2024-01-01", SHARE, quantity="999999999999.123456789012", price="1", cash="-1"),
            closes={SHARE: {"2024-01-01": "99999.1234567891"}},
            listings={SHARE: Listing("USD", D("1.5"))},
        )
        with localcontext(EXACT):
            expected = (D("999999999999.123456789012") * D("99999.1234567891") * D("1.5")).quantize(D("1e-10"))
        assert found.figures[0].positions_value == expected


class TestPublished:
    def test_portfolio_performance_values_two_currencies(self):
        """Their accounts and portfolios are one account here; they round each position to cents, we don't."""
        case = published("portfolio-performance/scenario_currency_sample_period.json")
        file, expected = case["input"]["portfolio_file"], case["expected"]
        keys = {"S1": SHARE, "S2": FOREIGN}
        rows = []
        for account in file["accounts"]:
            rows += [
                entry("DEPOSIT", one["date"], cash=one["amount"], currency=one["currency"])
                for one in account["transactions"]
                if one["type"] == "DEPOSIT"
            ]
        for portfolio in file["portfolios"]:
            rows += [
                entry(
                    "BUY",
                    one["date"],
                    keys[one["security"]],
                    quantity=one["shares"],
                    price=1,
                    cash=-D(one["amount"]),
                    currency=one["currency"],
                )
                for one in portfolio["transactions"]
            ]
        rates = published("portfolio-performance/scenario_currency_sample_fifo_forex.json")["input"]["fx"]["EURUSD"]
        closes = {keys[one["key"]]: {when: price for when, price in one["prices"]} for one in file["securities"]}
        found = derived(
            *rows,
            base="EUR",
            closes=closes,
            rates={
                ("USD", "EUR"): {when: EXACT.divide(D(1), D(rate)) for when, rate in rates.items()},
                ("EUR", "USD"): rates,
            },
        )
        start, end = (date.fromisoformat(when) for when in case["input"]["period"])
        values = {figure.day: figure.total_value for figure in found.figures}
        initial, final = values[start.toordinal()], values[end.toordinal()]
        assert abs(initial - D(expected["initial"])) < D("0.02")
        assert abs(final - D(expected["final"])) < D("0.02")
        rate = money_weighted([(start, -D(expected["initial"])), (end, D(expected["final"]))]).rate
        assert rate == pytest.approx(float(expected["irr"]), abs=1e-8)

    def test_portfolio_performance_counts_a_delivery_as_a_flow(self):
        case = published("portfolio-performance/snapshot_capital_gains_with_delivery.json")
        bought, delivered = case["input"]["transactions"]
        found = derived(
            entry("DEPOSIT", bought["date"], cash=1000),
            entry("BUY", bought["date"], SHARE, quantity=bought["shares"], price=100),
            entry("TRANSFER_IN", delivered["date"], SHARE, quantity=delivered["shares"], data={"cost": delivered["amount"]}),
            closes={SHARE: case["input"]["prices"]},
        )
        start, end = (date.fromisoformat(when).toordinal() for when in case["input"]["period"])
        values = {figure.day: figure for figure in found.figures}
        assert values[start].total_value == D(case["expected"]["initial"])
        assert found.figures[-1].total_value == D(case["expected"]["final"])
        # theirs counts the delivery at its cost of 99, ours at its market value of 100
        assert found.figures[-1].total_gain == D(case["expected"]["capital_gains"]) - 1
        assert end > start

    def test_ghostfolio_finds_the_effect_of_a_currency_on_cash(self):
        case = published("ghostfolio/cash_foreign_currency_effect.json")
        found = derived(
            entry("DEPOSIT", "2023-12-31", cash=1000, currency="USD"),
            entry("DEPOSIT", "2024-12-31", cash=1000, currency="USD"),
            base="CHF",
            rates={("USD", "CHF"): case["input"]["fx"]["USDCHF"]},
        )
        last = found.figures[-1]
        assert last.total_value == D(case["expected"]["total_cash"])
        assert last.total_gain == D(case["expected"]["net_performance_with_currency_effect"])
        assert last.total_value - last.total_gain == D(case["expected"]["investment_with_currency_effect"])

    def test_ghostfolio_adds_cash_once(self):
        case = published("ghostfolio/cash_plus_holding_net_worth.json")
        found = derived(
            entry("DEPOSIT", "2023-12-31", cash=2200),
            entry("BUY", "2023-12-31", SHARE, quantity=2, price=100),
            closes={SHARE: {"2023-12-31": 100}},
        )
        assert found.figures[-1].total_value == D(case["expected"]["net_worth"])
        assert found.figures[-1].cash == D(case["expected"]["total_cash"])

    def test_ghostfolio_averages_a_short_position(self):
        case = published("ghostfolio/btcusd_short_average_price.json")
        rows = [
            entry("SHORT", one["date"], SHARE, quantity=-D(one["quantity"]), price=one["unit_price"])
            for one in case["input"]["transactions"]
        ]
        holding = derived(*rows).book.holdings[SHARE]
        # theirs leaves the fees out
        assert holding.cost / holding.quantity == D(case["expected"]["average_price"])

    def test_ghostfolio_splits_realized_from_unrealized(self):
        case = published("ghostfolio/novn_buy_and_sell_partially.json")
        rows = [
            entry(one["type"], one["date"], SHARE, quantity=sign * D(one["quantity"]), price=one["unit_price"], fee=one["fee"])
            for one in case["input"]["transactions"]
            for sign in [1 if one["type"] == "BUY" else -1]
        ]
        found = derived(*rows, closes={SHARE: case["input"]["prices"]["NOVN.SW"]})
        (position,) = found.positions
        holding, expected = found.book.holdings[SHARE], case["expected"]
        assert holding.realized + (position.unrealized_gain or 0) == D(expected["net_performance"])
        assert holding.fees == D(expected["fees"])
        assert position.market_value == D(expected["current_value"])

    def test_wealthfolio_pays_at_the_rate_of_each_trade(self):
        case = next(one for one in published("wealthfolio/holdings_and_performance.json")["cases"] if "round trip" in one["name"])
        rows = []
        for one in case["input"]["activities"]:
            if one["type"] == "DEPOSIT":
                rows.append(entry("DEPOSIT", one["date"], cash=one["amount"], currency="EUR"))
                continue
            sign, rate = (1 if one["type"] == "BUY" else -1), D(one["fx_rate"])
            cash = (-sign * D(one["quantity"]) * D(one["price"]) - D(one["fee"])) * rate
            fields = {"quantity": sign * D(one["quantity"]), "price": D(one["price"]) * rate, "cash": cash}
            rows.append(entry(one["type"], one["date"], SHARE, currency="EUR", **fields))
        found = derived(*rows, base="EUR")
        assert found.book.cash == {"EUR": D(case["expected"]["cash_eur"])}

    def test_wealthfolio_does_not_divide_by_a_tiny_start(self):
        case = next(one for one in published("wealthfolio/holdings_and_performance.json")["cases"] if "tiny" in one["name"])
        first, last = date(2026, 2, 15).toordinal(), date(2026, 4, 14).toordinal()
        points = [Point(d, D(100), D(0), D(1), priced=True) for d in range(first, last - 30)]
        points += [Point(last - 30, D(2100), D(2000), D(1), priced=True)]
        points += [Point(last, D("2089.16"), D(0), D("2089.16") / D(2100), priced=True)]
        opening = Point(first - 1, D(100), D(0), D(1), priced=True)
        found = measure(points, periods=252, opening=opening)
        assert found.gain == D(case["expected"]["period_gain"])
        low, high = map(D, case["expected"]["cash_flow_adjusted_return_between"])
        assert None not in (found.twr, found.simple_return)
        assert low < min(found.twr, found.simple_return) <= max(found.twr, found.simple_return) < high
