"""Columns posted all at once leave the book, the pages and the figures of the fold, to the last digit."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.columns import Columns
from portfolio.domain.derivation import derive
from portfolio.domain.entries import in_order, place_of
from portfolio.domain.lots import Method, Rules
from portfolio.domain.posting import can_post, last_place
from tests.portfolio.domain.test_swift import FIRST, closes, ledger, rows
from tests.portfolio.domain.values import FOREIGN, OTHER, SHARE, book, entry

extras = st.lists(
    st.sampled_from(
        [
            ("INTEREST", None, "USD", "1.25", "0", "0.5"),
            ("INTEREST", SHARE, "USD", "3", "0.1", "0.75"),
            ("FEE", None, "EUR", "-2", "0", "0"),
            ("FEE", OTHER, "USD", "-2.5", "0", "0.5"),
            ("TAX", OTHER, "USD", "-4", "0.25", "0"),
            ("TAX", None, "USD", "-1", "0", "0"),
            ("DEPOSIT", None, "EUR", "700", "0", "0"),
            ("DIVIDEND", FOREIGN, "EUR", "12.5", "0", "1.875"),
        ]
    ),
    max_size=8,
)
rates = st.dictionaries(st.integers(-1, 10), st.decimals("0.5", "2", places=6), max_size=4)


def days(values):
    return {(FIRST + timedelta(days=n)).isoformat(): value for n, value in values.items()}


class TestPostAll:
    @given(st.lists(rows, max_size=30), extras, st.fixed_dictionaries({SHARE: closes, OTHER: closes}), rates, st.booleans())
    def test_comes_to_the_fold(self, drawn, further, prices, worth, margin):
        entries = ledger(drawn)
        for n, (kind, what, currency, cash, fee, tax) in enumerate(further):
            when = f"{FIRST + timedelta(days=n)}T09:30"
            entries.append(entry(kind, when, what, currency=currency, cash=cash, fee=fee, tax=tax))
        if not entries:
            return
        market = {"closes": {key: days(own) for key, own in prices.items()}, "rates": {("EUR", "USD"): days(worth)}}
        expected = derive(book(**market), in_order(entries), margin=margin)
        empty, columns = book(**market), Columns.of(entries)
        assert can_post(columns, empty)
        found = derive(empty, columns, margin=margin)
        for name in ("holdings", "cash", "owed", "tallies", "days", "closures", "touched", "gaps", "awaited", "losses", "hands"):
            assert getattr(found.book, name) == getattr(expected.book, name), name
        assert [list(page.items) for page in found.book.days.values()] == [
            list(expected.book.days[day].items) for day in found.book.days
        ]
        for name in ("figures", "positions", "missing", "stale", "pages", "frames"):
            assert getattr(found, name) == getattr(expected, name), name
        assert last_place(columns) == max(map(place_of, entries))


class TestCanPost:
    @pytest.mark.parametrize(
        "fields",
        [
            ("SELL", "2024-01-02", SHARE, {"quantity": -1, "price": 1}),
            ("BUY", "2024-01-02", SHARE, {"quantity": 1, "price": 1, "currency": "EUR"}),
            ("DEPOSIT", "2024-01-02", None, {"cash": 5, "currency": "GBX"}),
            ("DEPOSIT", "2024-01-02", SHARE, {"cash": 5}),
        ],
    )
    def test_is_refused_where_columns_are_not_all(self, fields):
        *where, more = fields
        assert not can_post(Columns.of([entry(*where, **more)]), book())

    def test_is_refused_for_other_methods_and_rules(self):
        columns = Columns.of([entry("BUY", "2024-01-02", SHARE, quantity=1, price=1)])
        assert can_post(columns, book())
        assert not can_post(columns, book(method=Method.LIFO))
        assert not can_post(columns, book(rules=Rules(None, True)))
        assert not can_post(columns.only([]), book())
