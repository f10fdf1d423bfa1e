"""Texts in files for spreadsheets: none is taken for a formula, and those that are none stay as they are."""

import json
import re
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.spreadsheets import (
    CELL_IN_TEXT,
    FORMULA,
    as_it_was,
    harmless,
    harmless_in_csv,
    harmless_json,
    looks_like_formula,
)

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
    '"',
]
PARTED = st.lists(st.sampled_from([";", *STARTERS[:4], "a", *UNSEEN]), max_size=12).map("".join)


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


class TestParted:
    """What a spreadsheet makes of a line that parts its cells at semicolons or tabs, and takes quotes inside for themselves."""

    @given(PARTED)
    def test_no_part_starts_as_a_formula_does(self, text):
        parts = re.split("[;\t\r\n]", harmless_in_csv(text))
        assert not [part for part in parts if looks_like_formula(part) and not part.startswith("'")]

    @given(PARTED)
    def test_comes_back_as_it_was(self, text):
        assert as_it_was(harmless_in_csv(text)) == text

    @given(PARTED)
    def test_json_says_the_same_and_has_no_such_part(self, text):
        told = harmless_json(json.dumps({"a": text}, ensure_ascii=False))
        assert json.loads(told) == {"a": text}
        assert not [part for part in told.split(";")[1:] if looks_like_formula(part)]


class TestPattern:
    @given(st.lists(PARTED, min_size=1))
    def test_inside_means_the_same_to_polars(self, texts):
        found = pl.Series(texts, dtype=pl.String).str.replace_all(CELL_IN_TEXT, "$1'$2").to_list()
        assert list(map(harmless, found)) == list(map(harmless_in_csv, texts))

    @given(st.lists(st.text() | st.builds(str.__add__, st.sampled_from(UNSEEN), st.text(min_size=1)), min_size=1))
    def test_means_the_same_to_polars(self, texts):
        assert pl.Series(texts, dtype=pl.String).str.contains(FORMULA).to_list() == [looks_like_formula(text) for text in texts]
