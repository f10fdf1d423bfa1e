"""A day's gain is told apart by its causes, to the last place, whatever the ledger and the rates."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.daybook import Day
from tests.portfolio.domain.values import FOREIGN, OTHER, SHARE, derived, entry
from tests.portfolio.fixtures import published

D = Decimal
FIRST = date(2024, 1, 1).toordinal()
SPAN = 10
CAUSES = ("price_gain", "currency_gain", "income", "interest", "fees", "taxes")
offsets = st.integers(0, SPAN - 1)
closes = st.dictionaries(offsets, st.decimals("0.01", "500", places=4), max_size=SPAN)
rates = st.dictionaries(offsets, st.decimals("0.1", "3", places=8), max_size=SPAN)
money = st.decimals("0.01", "999", places=2)
fees = st.one_of(st.just(D(0)), st.decimals("0.01", "9", places=2))
recorded = st.one_of(st.none(), st.decimals("0.1", "3", places=5))
currencies = st.sampled_from(["USD", "EUR", "GBP"])
kinds = st.sampled_from(
    ["DEPOSIT", "WITHDRAWAL", "BUY", "SELL", "DIVIDEND", "INTEREST", "FEE", "TAX", "FX", "TRANSFER_IN", "STAKING", "SPLIT"]
)
rows = st.tuples(kinds, offsets, st.sampled_from([SHARE, OTHER, FOREIGN]), currencies, money, fees, fees, recorded)


def day(offset):
    return date.fromordinal(FIRST + offset).isoformat()


def entry_of(kind, offset, instrument, currency, amount, fee, tax, rate):  # noqa: PLR0911
    """Return an entry of a kind from random parts."""
    data = {"fx_rate": str(rate)} if rate is not None else {}
    common = {"currency": currency, "data": data}
    match kind:
        case "BUY" | "SELL":
            sign = 1 if kind == "BUY" else -1
            return entry(kind, day(offset), instrument, quantity=sign * 3, price=amount, fee=fee, tax=tax, **common)
        case "DIVIDEND":
            return entry(kind, day(offset), instrument, cash=amount, fee=fee, tax=tax, **common)
        case "STAKING":
            return entry(kind, day(offset), instrument, quantity=2, price=amount, **common)
        case "TRANSFER_IN":
            return entry(kind, day(offset), instrument, quantity=2, **common | {"data": data | {"cost": str(amount)}})
        case "SPLIT":
            return entry(kind, day(offset), instrument, data={"ratio": "3:2"})
        case "INTEREST" | "DEPOSIT" | "FX":
            return entry(kind, day(offset), cash=amount, fee=fee, tax=tax, **common)
    return entry(kind, day(offset), cash=-amount, **common)


def gain_of(figure):
    """Return what the causes of a day add up to."""
    return figure.price_gain + figure.currency_gain + figure.income + figure.interest - figure.fees - figure.taxes


def market(closes_of, rates_of):
    """Return prices and rates by day."""
    return {
        "closes": {what: {day(offset): price for offset, price in values.items()} for what, values in closes_of.items()},
        "rates": {
            pair: {day(offset): rate for offset, rate in values.items()}
            for pair, values in rates_of.items()
        },
    }  # fmt: skip


class TestLaws:
    @given(
        st.lists(rows, min_size=1, max_size=12),
        st.fixed_dictionaries({SHARE: closes, OTHER: closes, FOREIGN: closes}),
        st.fixed_dictionaries({("EUR", "USD"): rates, ("GBP", "USD"): rates, ("GBP", "EUR"): rates, ("USD", "EUR"): rates}),
    )
    def test_the_causes_of_every_day_add_up_to_its_gain_and_the_days_to_the_value(self, found, closes_of, rates_of):
        figures = derived(*(entry_of(*row) for row in found), **market(closes_of, rates_of)).figures
        for figure in figures:
            assert gain_of(figure) == figure.day_gain
            assert figure.inflow - figure.outflow == figure.net_flow
            assert min(figure.inflow, figure.outflow) >= 0
        for before, after in pairwise(figures):
            assert before.total_value + after.net_flow + gain_of(after) == after.total_value

    @given(st.lists(rows, min_size=1, max_size=12), st.fixed_dictionaries({SHARE: closes, OTHER: closes}))
    def test_in_one_currency_rates_make_no_gain_and_fees_are_those_of_the_entries(self, found, closes_of):
        entries = [
            entry_of(kind, offset, SHARE if what == FOREIGN else what, "USD", *rest)
            for kind, offset, what, _, *rest in found
            if kind != "FX"  # an exchange takes two currencies
        ]
        figures = derived(*entries, **market(closes_of, {})).figures
        assert {figure.currency_gain for figure in figures} <= {0}
        charged = [one for one in entries if one.kind in {"BUY", "SELL", "DIVIDEND", "INTEREST"}]
        assert sum(figure.fees for figure in figures) == sum(one.fee for one in charged) - sum(
            one.cash for one in entries if one.kind == "FEE"
        )

    @given(
        st.lists(
            st.tuples(st.sampled_from(["DEPOSIT", "WITHDRAWAL", "INTEREST", "FEE"]), offsets, currencies, money), min_size=1
        ),
        st.fixed_dictionaries({("EUR", "USD"): rates, ("GBP", "USD"): rates}),
    )
    def test_without_instruments_prices_make_no_gain(self, found, rates_of):
        entries = [
            entry(kind, day(offset), cash=amount if kind in {"DEPOSIT", "INTEREST"} else -amount, currency=currency)
            for kind, offset, currency, amount in found
        ]
        assert {figure.price_gain for figure in derived(*entries, **market({}, rates_of)).figures} == {0}

    @given(st.lists(rows, min_size=1, max_size=8))
    def test_pages_are_read_as_they_were_written(self, found):
        pages = derived(*(entry_of(*row) for row in found)).pages
        for page in pages.values():
            assert Day.of_json(page.as_json()) == page


class TestCauses:
    def test_fees_and_taxes_inside_trades_are_no_price(self):
        found = derived(
            entry("DEPOSIT", "2024-01-01", cash=1000),
            entry("BUY", "2024-01-01", SHARE, quantity=5, price=100, fee=3, tax=2),
            entry("DIVIDEND", "2024-01-02", SHARE, cash=8, tax=2),
            entry("INTEREST", "2024-01-02", cash=4, tax=1),
            closes={SHARE: {"2024-01-01": 100, "2024-01-02": 103}},
        ).figures
        assert [tuple(getattr(day, name) for name in CAUSES) for day in found] == [(0, 0, 0, 0, 3, 2), (15, 0, 10, 5, 0, 3)]

    def test_prices_and_rates_are_told_apart(self):
        found = derived(
            entry("DEPOSIT", "2024-01-01", cash=1000, currency="EUR"),
            entry("BUY", "2024-01-01", FOREIGN, quantity=10, price=50, currency="EUR"),
            closes={FOREIGN: {"2024-01-01": 50, "2024-01-02": 60}},
            rates={("EUR", "USD"): {"2024-01-01": 1, "2024-01-02": "1.1"}},
        ).figures[-1]
        assert (found.day_gain, found.currency_gain, found.price_gain) == (210, 100, 110)

    def test_the_rate_on_an_entry_beats_the_days_and_the_difference_is_a_gain_of_currencies(self):
        found = derived(
            entry("DEPOSIT", "2024-01-01", cash=100, currency="EUR", data={"fx_rate": "1.2"}),
            entry("INTEREST", "2024-01-01", cash=10, currency="EUR", data={"fx_rate": "1.3"}),
            rates={("EUR", "USD"): {"2024-01-01": "1.1"}},
        ).figures[0]
        assert (found.net_flow, found.interest, found.currency_gain, found.total_value) == (120, 13, -12, 121)

    def test_an_exchange_at_another_rate_than_the_days_is_a_gain_of_currencies(self):
        found = derived(
            entry("DEPOSIT", "2024-01-01", cash=120),
            entry("FX", "2024-01-01", cash=-110, group="g", fee=1),
            entry("FX", "2024-01-01", cash=100, currency="EUR", group="g"),
            rates={("EUR", "USD"): {"2024-01-01": "1.12"}},
        ).figures[0]
        assert (found.day_gain, found.currency_gain, found.fees, found.price_gain) == (2, 3, 1, 0)

    def test_a_trade_paid_in_another_currency_makes_no_gain_of_prices(self):
        found = derived(
            entry("DEPOSIT", "2024-01-01", cash=120),
            entry("BUY", "2024-01-01", FOREIGN, quantity=1, price=100, cash=-115, fee=5),
            closes={FOREIGN: {"2024-01-01": 100}},
            rates={("EUR", "USD"): {"2024-01-01": "1.1"}, ("USD", "EUR"): {"2024-01-01": "0.9"}},
        ).figures[0]
        # 115 USD are 103.5 EUR by one rate, which are 113.85 USD by the other; a fee of 5 is in them
        assert (found.day_gain, found.fees, found.currency_gain, found.price_gain) == (-5, 5, D("-1.15"), D("1.15"))


def bridge(figures, start, end):
    """Return what each cause made after one day, up to another."""
    period = [figure for figure in figures if start < date.fromordinal(figure.day).isoformat() <= end]
    return {name: sum(getattr(figure, name) for figure in period) for name in (*CAUSES, "net_flow")}


class TestPublished:
    def test_portfolio_performance_bridges_cash_in_dollars(self):
        case = published("portfolio-performance/snapshot_usd_account_currency_gain.json")
        usd = {when: 1 / D(rate) for when, rate in case["input"]["fx"]["EURUSD"].items()}
        rows = [
            entry(one["type"], one["date"], cash=D(one["amount"]) * (1 if one["type"] == "DEPOSIT" else -1))
            for one in case["input"]["transactions"]
        ]
        figures = derived(*rows, base="EUR", rates={("USD", "EUR"): usd}).figures
        start, end = case["input"]["period"]
        values = {date.fromordinal(figure.day).isoformat(): figure.total_value for figure in figures}
        found = bridge(figures, start, end)
        assert abs(values[start] - D(case["expected"]["initial"])) < D("0.01")
        assert abs(values[end] - D(case["expected"]["final"])) < D("0.01")
        assert found["price_gain"] == 0
        assert values[start] + found["net_flow"] + found["currency_gain"] - found["fees"] == values[end]

    def test_ghostfolio_finds_the_effect_of_a_currency_in_each_range(self):
        case = published("ghostfolio/cash_foreign_currency_effect.json")
        rows = [entry("DEPOSIT", when, cash=1000) for when in ("2023-12-31", "2024-12-31")]
        figures = derived(*rows, base="CHF", rates={("USD", "CHF"): case["input"]["fx"]["USDCHF"]}).figures
        effects = case["expected"]["net_performance_with_currency_effect_by_range"]
        assert bridge(figures, "2024-12-31", "2025-01-01")["currency_gain"] == D(effects["1d"])
        assert bridge(figures, "2024-01-01", "2025-01-01")["currency_gain"] == D(effects["1y"])
        assert bridge(figures, "", "2025-01-01")["currency_gain"] == D(effects["max"])


class TestResuming:
    @pytest.mark.parametrize("kept", range(1, SPAN))
    def test_a_rate_moves_what_was_held_before_the_first_valued_day(self, kept):
        rows = [entry("DEPOSIT", day(0), cash=100, currency="EUR"), entry("DEPOSIT", day(kept), cash=1, currency="USD")]
        rising = {("EUR", "USD"): {day(n): 1 + D(n) / 10 for n in range(SPAN)}}
        found = derived(*rows, rates=rising).figures
        assert [figure.currency_gain for figure in found[1:]] == [10] * (len(found) - 1)
