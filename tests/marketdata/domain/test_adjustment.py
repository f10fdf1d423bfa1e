"""Whatever a source had adjusted already, both views are the same: nothing is adjusted twice, and nothing stays in."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.adjustment import SIZE_PLACES, Split, adjusted_ratio, raw_ratio, scaled, scaled_one

FIRST = date(2020, 1, 1)
DAYS = st.integers(min_value=0, max_value=40).map(lambda number: FIRST + timedelta(days=number))
RATIOS = st.decimals(min_value="0.001", max_value=1000, places=6)
SPLITS = st.lists(st.builds(Split, DAYS, RATIOS), max_size=6)
PRICES = st.decimals(min_value="-1000000", max_value="999999999999999", places=10)


@given(SPLITS, DAYS, st.none() | DAYS, st.none() | DAYS)
def test_both_views_are_the_same_whatever_is_in_the_price_already(splits, day, through, as_of):
    in_it = 1 / raw_ratio(splits, day=day, adjusted_through=through)  # what the source has done to the price as traded
    assert in_it * raw_ratio(splits, day=day, adjusted_through=through) == 1
    ours = adjusted_ratio(splits, day=day, adjusted_through=None, as_of=as_of)
    assert in_it * adjusted_ratio(splits, day=day, adjusted_through=through, as_of=as_of) == ours


@given(SPLITS, DAYS)
def test_a_split_counts_for_the_days_before_its_own(splits, day):
    expected = Fraction(1)
    for split in splits:
        expected /= Fraction(split.ratio) if day < split.ex_date else 1
    assert adjusted_ratio(splits, day=day, adjusted_through=None, as_of=None) == expected


@given(st.lists(st.none() | PRICES, max_size=5), st.fractions(min_value="1/1000", max_value=1000))
def test_figures_are_the_nearest_of_their_places(values, ratio):
    for value, found in zip(values, scaled(values, ratio), strict=True):
        if value is None:
            assert found is None
            continue
        assert abs(Fraction(found) - Fraction(value) * ratio) <= Fraction(1, 2 * 10**10)
        assert found.as_tuple().exponent == -10


def test_halves_go_to_the_even_neighbor_and_long_numbers_keep_their_digits():
    assert scaled_one(Decimal("0.0000000001"), Fraction(1, 2)) == 0
    assert scaled_one(Decimal("0.0000000003"), Fraction(1, 2)) == Decimal("0.0000000002")
    longest = Decimal("999999999999.999999999999")
    assert scaled([longest], Fraction(1000), places=SIZE_PLACES) == [longest * 1000]
