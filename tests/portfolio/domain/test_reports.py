"""Reports as tables: what is harmless in a spreadsheet, and what adds up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.reports import Period, Sums, as_kept_by_spreadsheets, harmless, year_of

STARTERS = set("=+-@\t\r\n\uff0b\uff0d\uff1d\uff20")


class TestHarmless:
    @given(st.text(), st.sampled_from(sorted(STARTERS)), st.text())
    def test_never_starts_as_a_formula_does(self, before, starter, after):
        for text in (starter + after, f" {starter}{after}", before + after):
            told = harmless(text)
            assert told[:1] not in STARTERS
            assert told.lstrip()[:1] not in STARTERS
            assert told in {text, f"'{text}"}

    @pytest.mark.parametrize("text", ["", "Acme", "a=b", "1-2", "O'Neill", "(5)"])
    def test_leaves_other_texts_alone(self, text):
        assert harmless(text) == text


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
