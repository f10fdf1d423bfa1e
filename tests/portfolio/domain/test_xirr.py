"""The money-weighted rate: every root is found, none is invented, and the one nearest to zero is told."""

from datetime import date, timedelta
from decimal import Decimal, localcontext
from time import perf_counter

import numpy as np
import pytest
import pyxirr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from portfolio.domain.xirr import MoneyWeighted, money_weighted, rate_of

D = Decimal
FIRST = date(2020, 1, 1)
YEAR = timedelta(365)


def yearly(amounts) -> list[tuple[date, Decimal]]:
    return [(FIRST + n * YEAR, D(repr(round(float(amount), 9)))) for n, amount in enumerate(amounts)]


def solved_by(*rates: float, size: float = 1000.0) -> list[tuple[date, Decimal]]:
    """Return flows a year apart that are worth nothing at these rates: 1 + rate are the roots of a polynomial."""
    return yearly(np.poly([1 + rate for rate in rates]) * -size)


class TestSeveralRates:
    @pytest.mark.parametrize(
        "rates", [(0.01, 0.02), (0.3, 0.31), (0.1, 0.1001), (-0.5, -0.49), (0.1, 0.11, 0.12), (-0.9, 0.5, 0.51, 8.0)]
    )
    def test_are_all_named_however_near_they_are(self, rates):
        found = money_weighted(solved_by(*rates))
        assert found.rate == pytest.approx(min(rates, key=abs), abs=1e-6)
        assert found.note == f"Several rates solve it: {', '.join(f'{rate:.6f}' for rate in sorted(rates))}."

    @given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=6))
    def test_are_the_roots_of_the_polynomial(self, amounts):
        """numpy finds all roots at once; where two nearly meet, a digit decides whether they do, and we look elsewhere."""
        assume(any(amounts[1:]) and amounts[0])
        roots = np.roots(amounts)
        assume(not any(1e-9 < abs(root.imag) < 1e-3 * abs(root) for root in roots))
        real = sorted({round(float(root.real) - 1, 6) for root in roots if abs(root.imag) <= 1e-9 and 1e-6 < root.real < 1e6})
        found = money_weighted(yearly(amounts))
        if not real:
            assert found.rate is None
            return
        assert found.rate == pytest.approx(min(real, key=abs), rel=1e-5, abs=1e-5)
        assert found.note == "" or found.note.count(", ") + 1 == len(real)

    def test_that_touches_is_one(self):
        assert money_weighted(solved_by(0.1, 0.1)) == MoneyWeighted(pytest.approx(0.1, abs=1e-9))
        assert money_weighted(yearly([-100, 220, -121.001])) == MoneyWeighted(None, "No yearly rate solves it.")

    def test_a_rate_of_nothing_is_one(self):
        assert money_weighted(yearly([-100, 50, 50])) == MoneyWeighted(0.0)
        assert money_weighted(yearly([-100, 210, -110])).note == "Several rates solve it: 0.000000, 0.100000."


class TestOneRate:
    @settings(max_examples=500)
    @given(
        st.lists(
            st.tuples(st.integers(0, 4000), st.integers(-1000, 1000).filter(bool)),
            min_size=2,
            max_size=20,
            unique_by=lambda f: f[0],
        )
    )
    def test_is_never_missed_where_pyxirr_finds_one_nor_another_untold(self, moved):
        flows = [(FIRST + timedelta(day), D(amount)) for day, amount in moved]
        theirs = pyxirr.xirr([day for day, _ in flows], [float(amount) for _, amount in flows], silent=True)
        found = money_weighted(flows)
        if found.rate is not None:
            start = min(day for day, _ in flows)
            worths = [float(amount) * np.exp(-np.log1p(found.rate) * (day - start).days / 365) for day, amount in flows]
            assert abs(sum(worths)) <= 1e-8 * sum(map(abs, worths))
        if theirs is None or not -0.99999 < theirs < 1e5:
            return
        assert found.rate is not None, theirs
        rates = [found.rate, *(float(rate) for rate in found.note[24:-1].split(", ") if found.note)]
        assert any(rate == pytest.approx(theirs, rel=1e-5, abs=1e-5) for rate in rates), (found, theirs)

    def test_money_that_comes_and_goes_within_a_day_counts_net(self):
        flows = [(FIRST, D(-100)), (FIRST + YEAR, D(50)), (FIRST + YEAR, D(-50)), (FIRST + 2 * YEAR, D(121))]
        assert money_weighted(flows) == MoneyWeighted(pytest.approx(0.1))

    def test_of_many_deposits_and_withdrawals_is_known_to_be_the_only_one(self):
        """The running total changes its sign once, though the flows do two thousand times: nothing is searched for."""
        flows = [(FIRST + timedelta(n), D(-1000 if n % 2 == 0 else 900)) for n in range(2000)]
        flows.append((FIRST + timedelta(2100), D(120_000)))
        started = perf_counter()
        found = money_weighted(flows)
        assert found.note == ""
        assert found.rate == pytest.approx(pyxirr.xirr(*zip(*flows, strict=True)), rel=1e-6)
        assert perf_counter() - started < 2

    def test_is_right_to_the_last_digit_that_is_told(self):
        """Ten years of monthly deposits: in 50 digits, the worth changes its sign within half of the twelfth place."""
        flows = [(FIRST + timedelta(30 * month), D(-100_000)) for month in range(120)] + [
            (FIRST + timedelta(3600), D("12164628.663"))
        ]
        rate = D(money_weighted(flows).rate)
        assert worth_at(rate - D("5e-13"), flows) > 0 > worth_at(rate + D("5e-13"), flows)

    @given(
        st.lists(st.tuples(st.integers(0, 4000), st.integers(-(10**9), 10**9)), min_size=1, max_size=20),
        st.integers(0, 10),
    )
    def test_of_whole_numbers_is_that_of_decimals(self, moved, places):
        decimals = [(FIRST + timedelta(day), D(amount).scaleb(-places)) for day, amount in moved]
        days = [FIRST.toordinal() + day for day, _ in moved]
        assert rate_of(days, [amount for _, amount in moved], places) == money_weighted(decimals)
        more = [amount * 100 for _, amount in moved]
        assert rate_of(days, more, places + 2) == money_weighted(decimals)


def worth_at(rate: Decimal, flows: list[tuple[date, Decimal]]) -> Decimal:
    """Return what flows are worth together on the first day at a rate, in 50 digits."""
    with localcontext(prec=50):
        force = (1 + rate).ln()
        return sum((amount * (-force * (day - flows[0][0]).days / 365).exp() for day, amount in flows), D(0))
