"""JSON keeps every digit, and is written in one way alone."""

import json
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.json_text import read_json, storable, write_json
from marketdata.domain.money import plain

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
NUMBERS = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, places=12)
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_is_read_and_written_again_the_same(value):
    text = write_json(value)
    assert write_json(read_json(text)) == text
    assert write_json(storable(read_json(text))) == text or "." in text  # digits beyond a float become a text


def written_piece_by_piece(value):
    """Write a value the plainest way."""
    if isinstance(value, dict):
        members = (
            f"{json.dumps(str(name), ensure_ascii=False)}: {written_piece_by_piece(value[name])}" for name in sorted(value)
        )
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written_piece_by_piece, value)) + "]"
    if isinstance(value, float | Decimal):
        return plain(Decimal(repr(value)) if isinstance(value, float) else value)
    return json.dumps(value, ensure_ascii=False)


class Word(StrEnum):
    """A text of another type."""

    BUY = "BUY"


@given(VALUES)
def test_what_is_written_at_once_is_what_is_written_piece_by_piece(value):
    assert write_json(value) == written_piece_by_piece(value)


ODD = [(1, (True, None)), {2: "b", 1: 0.5}, {Word.BUY: Word.BUY}, {True: 1}, [[{"b": [], "a": {}}], 1e22, -0.0], "\u2028\x7f"]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_so_is_what_is_no_plain_json(value):
    assert write_json(value) == written_piece_by_piece(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=15))
def test_a_number_stays_the_number_it_is(number):
    assert Decimal(str(read_json(write_json(number)))) == number
    assert Decimal(str(storable(number))) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a":1,"a":2}',
        "NaN",
        "-Infinity",
        "1e500",
        "1" * 401,
        '"\\u0000"',
        '"\\udfff"',
        '{"\\ud800":1}',
        "[" * 31 + "]" * 31,
    ],
)
def test_what_nobody_can_keep_is_refused(text):
    with pytest.raises(ValueError):
        read_json(text)
