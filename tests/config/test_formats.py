"""JSON in, strictly; JSON out, exactly."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from uuid import UUID

import pytest
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from config.formats import MAX_DEPTH, JSONRenderer, StrictJSONParser

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
)
objects = st.dictionaries(
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=10),
)


def parse(body: bytes | str) -> dict:
    return StrictJSONParser().parse(BytesIO(body.encode() if isinstance(body, str) else body))


class TestStrictJSONParser:
    @given(objects)
    def test_takes_every_object_that_others_write(self, value):
        assert parse(json.dumps(value)) == value
        assert parse(json.dumps(value, ensure_ascii=False)) == value

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ('{"a": NaN}', "NaN"),
            ('{"a": Infinity}', "Infinity"),
            ('{"a": -Infinity}', "Infinity"),
            ('{"a": 1e999}', "too large"),
            ('{"a": 9223372036854775808}', "64 bits"),
            ('{"a": ' + "1" * 5000 + "}", "64 bits"),
            ('{"a": 1, "a": 2}', "'a' is given twice"),
            ('{"a": {"b": 1, "b": 1}}', "'b' is given twice"),
            ("[1]", "object"),
            ('"text"', "object"),
            ("null", "object"),
            ("", "not JSON"),
            ("{", "not JSON"),
            ('{"a": 1} x', "not JSON"),
            ("{'a': 1}", "not JSON"),
            (b'{"a": "\xff"}', "not UTF-8"),
            (b"\xff\xfe{\x00}\x00", "not UTF-8"),
            (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
            (r'{"a": "\u0000"}', "stored"),
            (r'{"\u0000": 1}', "stored"),
            (r'{"a": ["\ud800"]}', "stored"),
            (r'{"a": "\udfff x"}', "stored"),
            ('{"a": "\0"}', "not JSON"),
            ('{"a": ' + "[" * 100_000, "deeper|not JSON"),
            ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "deeper"),
            ('{"a": ' * 100_000 + "1" + "}" * 100_000, "deeper"),
        ],
    )
    def test_refuses_what_readers_understand_differently(self, body, says):
        with pytest.raises(ParseError, match=says):
            parse(body)

    def test_takes_twenty_levels_and_no_more(self):
        def nested(levels: int) -> str:
            return '{"a": ' + "[" * (levels - 1) + "]" * (levels - 1) + "}"

        assert parse(nested(MAX_DEPTH))
        with pytest.raises(ParseError, match="deeper"):
            parse(nested(MAX_DEPTH + 1))

    def test_takes_escaped_characters_that_can_be_stored(self):
        assert parse(r'{"a": "\u00e9 \ud83d\ude00 \\u0000"}') == {"a": "é 😀 \\u0000"}


class TestJSONRenderer:
    def test_writes_exact_numbers_as_text_and_instants_with_z(self):
        answer = {
            "number": Decimal("1E+3"),
            "small": Decimal("0.000000000001"),
            "at": datetime(2024, 1, 2, 3, 4, 5, 6, UTC),
            "id": UUID(int=1),
            "lazy": lazystr("words"),
            "none": None,
        }
        assert json.loads(JSONRenderer().render(answer)) == {
            "number": "1000",
            "small": "0.000000000001",
            "at": "2024-01-02T03:04:05.000006Z",
            "id": "00000000-0000-0000-0000-000000000001",
            "lazy": "words",
            "none": None,
        }

    def test_writes_whole_numbers_that_came_in_by_file(self):
        assert json.loads(JSONRenderer().render({"data": {"n": 10**30}})) == {"data": {"n": 10**30}}

    def test_writes_nothing_for_no_answer(self):
        assert JSONRenderer().render(None) == b""
