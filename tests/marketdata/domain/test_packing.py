"""Values as JSON and back."""

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.packing import DEEPEST, Unpackable, pack, unpack

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
    st.uuids(),
)
NAMES = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["$", "$d", "$o", "$t", "$unknown"]))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)


def exactly(value):
    """Return what tells two values apart that `==` takes for one: 1.0 and 1, 1.10 and 1.1."""
    if isinstance(value, dict):
        return {name: exactly(one) for name, one in value.items()}
    return [exactly(one) for one in value] if isinstance(value, list) else (type(value), str(value))


class TestPack:
    @given(VALUES)
    def test_gives_back_what_it_was_given(self, value):
        assert exactly(unpack(pack(value))) == exactly(value)

    def test_keeps_the_places_of_a_decimal(self):
        assert str(unpack(pack(Decimal("1.100")))) == "1.100"
        assert str(unpack(pack(Decimal("123456789012345.1234567890123456789")))) == "123456789012345.1234567890123456789"

    def test_keeps_an_instant_in_utc(self):
        somewhere = datetime(2024, 1, 2, 3, 4, 5, 678901, timezone(timedelta(hours=5, minutes=45)))
        back = unpack(pack(somewhere))
        assert back == somewhere
        assert back.utcoffset() == timedelta(0)

    def test_a_tuple_comes_back_as_a_list(self):
        assert unpack(pack((1, (2, 3)))) == [1, [2, 3]]

    @pytest.mark.parametrize(
        "value",
        [float("nan"), float("inf"), datetime(2024, 1, 2), b"bytes", {1, 2}, {1: 2}, object(), {"a": [object()]}],
    )
    def test_refuses_what_would_not_come_back(self, value):
        with pytest.raises(Unpackable):
            pack(value)

    def test_refuses_what_is_nested_beyond_reason(self):
        deep: list = []
        for _ in range(DEEPEST + 1):
            deep = [deep]
        with pytest.raises(Unpackable):
            pack(deep)


class TestUnpack:
    @pytest.mark.parametrize(
        "text",
        [
            *(b"", b"{", b"\xff\xfe", b'{"$d": "x"}', b'{"$d": 1.5e}', b'{"$t": "yesterday"}', b'{"$u": "1"}', b'{"$what": 1}'),
            *(b'{"$o": 3}', b"[" * 900 + b"]" * 900, b'{"$i": null}', b'{"$day": [1]}'),
            *(pickle.dumps(UUID(int=7)), pickle.dumps({"a": date(2024, 1, 2)})),
        ],
    )
    def test_refuses_what_nobody_packed(self, text):
        with pytest.raises(Unpackable):
            unpack(text)
