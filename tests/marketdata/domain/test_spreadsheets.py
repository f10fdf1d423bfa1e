"""Texts in files for spreadsheets: none is taken for a formula, and those that are none stay as they are."""

import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.spreadsheets import FORMULA, harmless, looks_like_formula

STARTERS = "=+-@\uff0b\uff0d\uff1d\uff20\ufe62\ufe63\ufe66\ufe6b"
UNSEEN = [
    "",
    " ",
    "\u00a0",
    "\u200b",
    "\ufeff",
    "\u2060",
    "\u202e",
    "\x00",
    "\x1f",
    "\x85",
    "\u2028",
    "\t",
    "\r",
    "\n",
    "'",
    " ' ",
]


class TestHarmless:
    @given(st.text(), st.sampled_from(STARTERS), st.text())
    def test_never_starts_as_a_formula_does(self, before, starter, after):
        for text in (starter + after, f" {starter}{after}", before + after):
            told = harmless(text)
            assert told in {text, f"'{text}"}
            assert told.lstrip()[:1] not in {*STARTERS, "\t", "\r", "\n"}
            assert unicodedata.normalize("NFKC", told).lstrip()[:1] not in set("=+-@") - {""}

    @pytest.mark.parametrize("starter", STARTERS)
    @pytest.mark.parametrize("before", UNSEEN)
    def test_looks_behind_what_a_spreadsheet_passes_over(self, before, starter):
        assert harmless(f"{before}{starter}cmd|'/C calc'!A0") == f"'{before}{starter}cmd|'/C calc'!A0"

    @pytest.mark.parametrize("text", ["\tx", "\rx", "\nx"])
    def test_lets_no_text_begin_with_the_next_cell_or_line(self, text):
        assert harmless(text) == f"'{text}"

    @pytest.mark.parametrize("text", ["", "Acme", "a=b", "1-2", "O'Neill", "(5)", "a\n=1", " b", "'tis", "\u682a\u5f0f"])
    def test_leaves_other_texts_alone(self, text):
        assert harmless(text) == text

    @given(st.builds(str.__add__, st.sampled_from([*UNSEEN, "''", "'\t", "'=", *STARTERS]), st.text()))
    def test_can_be_told_from_what_it_was(self, text):
        told = harmless(text)
        assert (told[1:] if told.startswith("'") and looks_like_formula(told) else told) == text


class TestPattern:
    @given(st.lists(st.text() | st.builds(str.__add__, st.sampled_from(UNSEEN), st.text(min_size=1)), min_size=1))
    def test_means_the_same_to_polars(self, texts):
        assert pl.Series(texts, dtype=pl.String).str.contains(FORMULA).to_list() == [looks_like_formula(text) for text in texts]
