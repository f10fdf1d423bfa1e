"""The index of many days at once is that of one day after the other, in whole fractions, to the last digit."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portfolio.domain import chaining
from portfolio.domain.chaining import ONE, linked_all, nearest

COUNT = 200


def by_fractions(starts, ends, index=ONE):
    """Return the index of each day as Python rounds fractions: to the nearest, halves to the even neighbor."""
    found = [index]
    for start, end in zip(starts, ends, strict=True):
        found.append(round(Fraction(found[-1] * end, start)))
    return found


def walk(seed, spread, size):
    """Return what successive days started and ended with."""
    steps = np.exp(np.cumsum(np.random.default_rng(seed).normal(0, spread, COUNT + 1)))
    totals = np.clip(np.rint(size * steps), 1, 1e17).astype(np.int64)
    return totals[:-1], totals[1:]


class TestLinkedAll:
    @given(st.integers(0, 2**32), st.sampled_from([1e-6, 2e-4, 0.01, 0.1, 0.5]), st.sampled_from([3.0, 1e3, 1e8, 1e15]))
    def test_is_that_of_one_day_after_the_other(self, seed, spread, size):
        starts, ends = walk(seed, spread, size)
        assert linked_all(starts, ends).tolist() == by_fractions(starts.tolist(), ends.tolist())

    @given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), min_size=1, max_size=60), st.integers(0, 2**63))
    @example([(2, 1)] * 60, 10**18)  # halves all the way
    @example([(1, 2)] * 70, 10**18)  # beyond machine integers
    @example([(3, 2), (1, 0), *[(2, 3)] * 40], 10**18)  # all is lost
    def test_is_that_of_small_amounts_where_halves_are_frequent(self, moves, index):
        starts, ends = zip(*moves, strict=True)
        assert linked_all(np.array(starts), np.array(ends), index).tolist() == by_fractions(starts, ends, index)

    @pytest.mark.parametrize("largest", [1 << 60, 1 << 70])
    def test_takes_amounts_of_any_size(self, largest):
        starts = [largest - 3 * number for number in range(COUNT)]
        ends = [start - 1 for start in starts]
        kind = np.int64 if largest < 1 << 62 else object
        found = linked_all(np.array(starts, dtype=kind), np.array(ends, dtype=kind))
        assert found.tolist() == by_fractions(starts, ends)

    def test_of_a_calm_course_is_found_at_once(self):
        starts, ends = walk(5, 2e-4, 1e9)
        assert len(chaining._at_once(starts, ends, ONE)) == COUNT + 1

    def test_is_the_same_on_machines_without_long_floats(self, monkeypatch):
        starts, ends = walk(6, 2e-4, 1e9)
        expected = linked_all(starts, ends)
        monkeypatch.setattr(chaining, "BITS_OF_LONG", 52)
        assert linked_all(starts, ends).tolist() == expected.tolist()


class TestNearest:
    @given(st.lists(st.one_of(st.integers(0, (1 << 62) - 1), st.integers(ONE - 5000, ONE + 5000)), min_size=1, max_size=99))
    @example([1 << 80, 3])
    def test_is_the_float_that_python_gives(self, values):
        whole = np.array(values, dtype=np.int64 if max(values) < 1 << 62 else object)
        assert nearest(whole).tolist() == [value / ONE for value in values]

    def test_is_so_where_rounding_twice_would_miss_it(self):
        values = np.random.default_rng(7).integers(ONE // 2, 3 * ONE, 50_000)
        right = [value / ONE for value in values.tolist()]
        assert (values.astype(np.longdouble) / np.longdouble(ONE)).astype(float).tolist() != right
        assert nearest(values).tolist() == right
