"""Sums of fills: exact, in whatever order they come, and never beyond the order."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.exact import EXACT
from trading.domain.fills import NOTHING, Fill, FillRefused, Overfilled

AT = datetime(2024, 5, 6, 14, 30, tzinfo=UTC)
quantities = st.decimals("0.000000000001", "1000", places=12)
prices = st.decimals("0.0000000001", "100000", places=10)
fills = st.lists(st.builds(lambda quantity, price: Fill("x", quantity, price, AT), quantities, prices), min_size=1, max_size=8)


def sum_of(made, most=None):
    """Return the sum of fills."""
    return reduce(lambda filled, fill: filled.plus(fill, most=most), made, NOTHING)


class TestSum:
    @given(fills, st.randoms())
    def test_is_the_same_in_any_order(self, made, random):
        shuffled = random.sample(made, len(made))
        assert sum_of(made) == sum_of(shuffled)

    @given(fills)
    def test_loses_no_digit(self, made):
        total = sum_of(made)
        units = [(int(fill.quantity.scaleb(12)), int(fill.price.scaleb(10))) for fill in made]
        assert total.quantity.scaleb(12) == sum(quantity for quantity, _ in units)
        assert EXACT.scaleb(total.value, 22) == sum(quantity * price for quantity, price in units)

    @given(fills)
    def test_averages_between_the_lowest_and_the_highest_price(self, made):
        prices_paid = [fill.price for fill in made]
        average = sum_of(made).average_price
        assert min(prices_paid) - Decimal("1e-10") <= average <= max(prices_paid) + Decimal("1e-10")

    def test_rounds_the_average_once_and_not_fill_by_fill(self):
        thirds = [Fill(str(n), Decimal(1), price, AT) for n, price in enumerate(map(Decimal, ["10", "10", "10.01"]))]
        assert sum_of(thirds).average_price == Decimal("10.0033333333")
        assert sum_of(thirds * 100).average_price == Decimal("10.0033333333")

    def test_has_no_average_of_nothing(self):
        assert NOTHING.average_price is None

    @given(fills)
    def test_reaches_the_order_and_not_a_unit_more(self, made):
        whole = sum_of(made).quantity
        assert sum_of(made, most=whole).quantity == whole
        with pytest.raises(Overfilled) as refused:
            sum_of(made, most=whole - Decimal("1e-12"))
        assert refused.value.codes == {"overfilled"}


class TestFill:
    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"execution_id": ""}, "execution_id", "required"),
            ({"quantity": Decimal(0)}, "quantity", "not_positive"),
            ({"quantity": Decimal(-1)}, "quantity", "not_positive"),
            ({"price": Decimal("NaN")}, "price", "not_positive"),
            ({"fee": Decimal("Infinity")}, "fee", "not_a_number"),
        ],
    )
    def test_that_cannot_have_been_is_refused_by_field(self, fields, field, code):
        made = Fill(**{"execution_id": "a", "quantity": Decimal(1), "price": Decimal(1), "at": AT} | fields)
        with pytest.raises(FillRefused) as refused:
            made.check()
        assert [(problem.field, problem.code) for problem in refused.value.problems] == [(field, code)]

    def test_may_bring_a_rebate(self):
        assert sum_of([Fill("a", Decimal(1), Decimal(10), AT, fee=Decimal("-0.1"))]).fee == Decimal("-0.1")
