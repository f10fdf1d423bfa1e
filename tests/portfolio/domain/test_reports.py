"""Reports as tables: what adds up, and which days they are of."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.reports import Period, Sums, as_kept_by_spreadsheets, year_of


class TestNumbers:
    @given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
    def test_of_cents_are_kept_whole(self, number):
        assert Decimal(repr(float(as_kept_by_spreadsheets(number)))) == number


class TestSums:
    def test_leave_out_what_has_no_rate_and_count_it(self):
        sums = Sums(["gain"])
        sums.add(("USD",), gain=Decimal(5))
        sums.add(("USD",), gain=None)
        assert list(sums.rows()) == [["USD", 2, Decimal(5), 1]]


class TestPeriods:
    def test_are_named(self):
        year = year_of(2024)
        assert year.label == "2024"
        assert Period().label == "all"
        assert Period(year.start).label == "2024-01-01-to-last"
        assert Period(None, year.end).label == "first-to-2024-12-31"
        assert (Period().last, str(year.last)) == (None, "2024-12-31")
