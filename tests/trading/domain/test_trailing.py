"""Stops that follow the price, and never turn back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.orders import Side
from trading.domain.trailing import Trail, best, is_touched

prices = st.lists(st.decimals("1", "1000", places=2), min_size=1, max_size=30)
trails = st.one_of(
    st.builds(Trail, st.decimals("0.01", "0.99", places=2)),
    st.builds(Trail, st.none(), st.decimals("0.1", "99", places=1)),
)


class TestTrail:
    @pytest.mark.parametrize(
        ("side", "trail", "stop"),
        [
            ("SELL", Trail(Decimal(5)), "195"),
            ("BUY", Trail(Decimal(5)), "205"),
            ("SELL", Trail(percent=Decimal("2.5")), "195"),
            ("BUY", Trail(percent=Decimal("2.5")), "205"),
        ],
    )
    def test_stands_behind_the_best_price(self, side, trail, stop):
        assert trail.stop(Side[side], Decimal(200)) == Decimal(stop)

    @given(st.sampled_from(Side), trails, prices)
    def test_never_turns_back(self, side, trail, seen):
        mark, stops = None, []
        for price in seen:
            mark = best(side, mark, price)
            stops.append(trail.stop(side, mark))
        assert stops == sorted(stops, reverse=side is Side.BUY)

    @given(st.sampled_from(Side), trails, prices)
    def test_is_not_touched_by_a_new_best_price(self, side, trail, seen):
        mark = seen[0]
        for price in seen:
            if best(side, mark, price) == price:
                assert not is_touched(side, trail.stop(side, price), price)
            mark = best(side, mark, price)
