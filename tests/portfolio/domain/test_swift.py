"""Columns give what the fold, the daily chain and the measures give, to the last digit."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.columns import Columns
from portfolio.domain.daily import Grid, analyze, as_amount
from portfolio.domain.derivation import derive
from portfolio.domain.entries import in_order
from portfolio.domain.exact import EXACT
from portfolio.domain.performance import Point, as_ratio, exact_ratio, measure
from portfolio.domain.pricing import NOTHING
from portfolio.domain.swift import Holdings, by_fifo
from tests.portfolio.domain.values import OTHER, SHARE, book, entry, folded

FIRST = date(2024, 1, 1)
SPAN = 9
quantities = st.one_of(
    st.integers(1, 40).map(Decimal), st.decimals("0.000000000001", "90", places=12), st.decimals("1", "99999999999", places=2)
)
amounts = st.one_of(st.decimals("0.01", "900", places=2), st.decimals("0.0000000001", "99999999", places=10))
rows = st.tuples(
    st.sampled_from(["BUY", "SELL", "SELL_ALL", "DIVIDEND", "DEPOSIT", "WITHDRAWAL"]),
    st.integers(0, SPAN - 1),
    st.integers(9, 10),
    st.sampled_from([SHARE, OTHER]),
    quantities,
    amounts,
)
closes = st.dictionaries(st.integers(-2, SPAN + 2), st.decimals("0.0001", "5000", places=4), max_size=SPAN)


def ledger(drawn):
    """Return entries of which no sale takes more than is held, in the order of their sequences."""
    held: dict[str, Decimal] = {}
    entries = []
    for kind, offset, hour, what, quantity, amount in sorted(drawn, key=lambda row: row[1:3]):
        when = f"{FIRST + timedelta(days=offset)}T{hour:02}:00"
        if kind == "BUY":
            held[what] = held.get(what, Decimal(0)) + quantity
            entries.append(entry("BUY", when, what, quantity=quantity, cash=-amount, fee="0.5"))
        elif kind == "DIVIDEND":
            entries.append(entry("DIVIDEND", when, what, cash=amount, tax="0.25"))
        elif kind in {"DEPOSIT", "WITHDRAWAL"}:
            entries.append(entry(kind, when, cash=amount if kind == "DEPOSIT" else -amount))
        elif held.get(what):
            size = held[what] if kind == "SELL_ALL" else min(quantity, held[what])
            held[what] -= size
            entries.append(entry("SELL", when, what, quantity=-size, cash=amount))
    return entries


def whole(number, places):
    return int(number.scaleb(places, EXACT))


class TestByFifo:
    @given(st.lists(rows, min_size=1, max_size=40))
    def test_closes_what_the_fold_closes(self, drawn):
        entries = ledger(drawn)
        expected = folded(*entries)
        columns = Columns.of(entries).in_order()
        holdings = Holdings.of(columns)
        found, places = by_fifo(holdings), columns.quantity.places
        order = found.in_order(columns)
        parts = zip(
            *(column[order].tolist() for column in (found.opening, found.closing, found.quantity, found.cost, found.proceeds)),
            strict=True,
        )
        assert [
            (int(columns.sequence[opening]), int(columns.sequence[closing]), *numbers) for opening, closing, *numbers in parts
        ] == [
            (one.opening, one.closing, whole(one.quantity, places), whole(one.cost, 10), whole(one.proceeds, 10))
            for one in expected.closures
        ]
        lots = [
            (columns.instruments[columns.what[lot]], int(columns.sequence[lot]), units, cost)
            for lot, units, cost in zip(found.lots.tolist(), found.left.tolist(), found.left_cost.tolist(), strict=True)
        ]
        assert lots == [
            (key, lot.sequence, whole(lot.quantity, places), whole(lot.cost, 10))
            for key, holding in sorted(expected.holdings.items())
            for lot in holding.lots
        ]
        assert not len(holdings.went_short())

    def test_notes_which_instruments_went_short(self):
        entries = [
            entry("SELL", "2024-01-02", SHARE, quantity=-1, price=1),
            entry("BUY", "2024-01-03", SHARE, quantity=1, price=1),
        ]
        assert Holdings.of(Columns.of(entries).in_order()).went_short().tolist() == [0]


class TestAnalyze:
    @given(st.lists(rows, min_size=1, max_size=30), st.fixed_dictionaries({SHARE: closes, OTHER: closes}))
    def test_gives_the_figures_of_the_derivation(self, drawn, prices):
        entries = ledger(drawn)
        if not entries:
            return
        known = {key: {(FIRST + timedelta(days=n)).isoformat(): price for n, price in own.items()} for key, own in prices.items()}
        empty = book(closes=known)
        series = dict(empty.market.closes)
        expected = derive(empty, in_order(entries), margin=False)
        columns = Columns.of(entries)
        grid = Grid.of([series.get(name, NOTHING) for name in columns.instruments])
        found = analyze(Holdings.of(columns.in_order()), grid, periods=252)
        values = [as_amount(number, found.total.places) for number in found.total.digits]
        figures = expected.figures[: len(values)]
        assert values == [figure.total_value for figure in figures]
        assert found.index.integers() == [whole(figure.twr_index, 18) for figure in figures]
        points = [Point(one.day, one.total_value, one.net_flow, one.twr_index, one.priced, one.complete) for one in figures]
        measured = measure(points, periods=252)
        assert len(values) == len(expected.figures)
        twr = None if found.twr is None else exact_ratio(found.twr)
        assert (twr, as_ratio(found.xirr)) == (measured.twr, measured.xirr)
        assert (as_ratio(found.volatility), as_ratio(found.sharpe)) == (measured.volatility, measured.sharpe)
        assert exact_ratio(found.max_drawdown) == measured.max_drawdown
