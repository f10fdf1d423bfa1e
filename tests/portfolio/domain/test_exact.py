"""Vectors of decimals give what decimals give, one by one."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.exact import EXACT, Fixed, divided, money, share, spread

small = st.decimals("-9999", "9999", places=4)
large = st.decimals("-999999999999", "999999999999", places=12)
pairs = st.lists(st.tuples(st.one_of(small, large), st.one_of(small, large)), max_size=20)


def both(rows):
    return Fixed.of([one for one, _ in rows]), Fixed.of([other for _, other in rows])


class TestFixed:
    @given(pairs)
    def test_multiplies_as_decimals_do(self, rows):
        one, other = both(rows)
        assert (one * other).decimals() == [EXACT.multiply(a, b) for a, b in rows]

    @given(pairs)
    def test_adds_as_decimals_do(self, rows):
        one, other = both(rows)
        assert (one + other).decimals() == [EXACT.add(a, b) for a, b in rows]

    @given(pairs)
    def test_rounds_halves_to_the_even_neighbor(self, rows):
        one, other = both(rows)
        assert (one * other).at(10).decimals() == [money(EXACT.multiply(a, b)) for a, b in rows]

    @given(st.lists(st.integers(-(10**6), 10**6)), st.integers(0, 4))
    def test_rounds_small_numbers_too(self, numbers, places):
        vector = Fixed.whole(numbers, 4).at(places)
        expected = [EXACT.quantize(Decimal(number).scaleb(-4), Decimal(1).scaleb(-places)) for number in numbers]
        assert vector.decimals() == expected

    def test_uses_machine_integers_where_they_fit_and_python_integers_where_not(self):
        assert Fixed.of([Decimal("1.25")]).digits.dtype == np.int64
        big = Fixed.of([Decimal("123456789012.123456789012")])
        assert big.digits.dtype == object
        assert (big * big).decimal(0) == EXACT.multiply(big.decimal(0), big.decimal(0))

    def test_keeps_no_places_that_say_nothing(self):
        assert Fixed.of([Decimal("1.500000000000"), Decimal("2.250000000000")]).places == 2
        assert Fixed.of([Decimal(0), Decimal(0)]).places == 0

    def test_trims_what_only_later_numbers_need(self):
        values = [Decimal(1)] * 30 + [Decimal("0.001")]
        assert Fixed.of(values).decimals() == values


class TestSpread:
    @given(st.decimals("-10000", "10000", places=10), st.lists(st.decimals("0.001", "99", places=3), min_size=1, max_size=9))
    def test_neither_loses_nor_invents_anything(self, amount, weights):
        assert sum(spread(amount, weights)) == amount

    @given(st.decimals("0.01", "10000", places=2), st.lists(st.decimals("0.001", "99", places=3), min_size=2, max_size=9))
    def test_gives_each_its_share_within_the_last_place(self, amount, weights):
        whole = sum(weights)
        for given_, weight in zip(spread(amount, weights), weights, strict=True):
            assert abs(given_ - amount * weight / whole) <= Decimal("1.0001e-10")


def test_the_whole_gets_all_of_an_amount():
    assert share(Decimal("0.12345678901234"), Decimal(3), Decimal(3)) == Decimal("0.12345678901234")


@pytest.mark.parametrize("numerator", range(-20, 21))
@pytest.mark.parametrize("denominator", [1, 2, 3, 4, 7])
def test_divided_rounds_as_decimals_do(numerator, denominator):
    assert divided(numerator, denominator) == round(Decimal(numerator) / denominator)
