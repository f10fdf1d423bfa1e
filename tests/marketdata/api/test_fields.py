"""Numbers, instants and names are taken in one spelling; whatever else comes is refused, and never with a fault."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, UtcDateTimeField
from tests.factories import make_instrument

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def refusal_of(field, value):
    with pytest.raises(serializers.ValidationError) as refusal:
        field.run_validation(value)
    return refusal.value.detail[0].code


class TestDecimalString:
    @given(st.decimals(min_value=Decimal("-1e14"), max_value=Decimal("1e14"), places=10))
    def test_what_is_written_is_read_and_written_again(self, number):
        field = DecimalStringField()
        text = field.to_representation(number)
        assert field.run_validation(text) == number
        assert field.to_representation(field.run_validation(text)) == text

    @pytest.mark.parametrize(
        ("value", "code"), [(1, "not_a_string"), (1.5, "not_a_string"), (True, "not_a_string"), ([], "not_a_string")]
    )
    def test_a_json_number_is_refused(self, value, code):
        assert refusal_of(DecimalStringField(), value) == code

    @pytest.mark.parametrize(
        "value",
        ["1_000", "\u0661", " 7 ", "1e17", "NaN", "Infinity", "+1", ".5", "5.", "1" * 16, "0.12345678901", "1,5", "0x1", "1\n"],
        ids=ascii,
    )
    def test_other_spellings_are_refused(self, value):
        assert refusal_of(DecimalStringField(), value) == "bad_number"

    def test_bounds_are_kept(self):
        assert refusal_of(DecimalStringField(positive=True), "0") == "not_positive"
        assert refusal_of(DecimalStringField(min_value=1), "0.9") == "too_small"
        assert refusal_of(DecimalStringField(max_value=1), "1.1") == "too_large"
        assert refusal_of(DecimalStringField(places=0), "1.1") == "bad_number"
        assert DecimalStringField().to_representation("1.50") == "1.5"


class TestUtcDateTime:
    @given(st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.timezones()))
    def test_what_is_written_is_read_and_written_again(self, instant):
        field = UtcDateTimeField()
        text = field.to_representation(instant)
        assert text.endswith("Z")
        assert field.run_validation(text) == instant.astimezone(UTC)

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            ("2024-01-02T15:00:00", "naive_time"),
            ("2024-01-02", "bad_time"),
            ("2024-01-02T15:00:00+16:00", "bad_offset"),
            ("2024-01-02T15:00:00-99:99", "bad_offset"),
            ("2024-01-02T15:00:00+15:60", "bad_offset"),
            ("2024-02-30T15:00:00Z", "bad_time"),
            ("2024-01-02T25:00:00Z", "bad_time"),
            ("9999-12-31T23:59:59-10:00", "bad_time"),
            ("0001-01-01T00:00:00+10:00", "bad_time"),
            ("1969-12-31T23:59:59Z", "too_early"),
            ("2024-W01-1T00:00Z", "bad_time"),
            (1704207600, "bad_time"),
            (None, "null"),
        ],
    )
    def test_other_spellings_are_refused(self, value, code):
        assert refusal_of(UtcDateTimeField(), value) == code

    def test_the_future_is_refused_where_only_the_past_can_be_meant(self):
        soon, later = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (4, 6))
        assert UtcDateTimeField(past=True).run_validation(soon.isoformat()) == soon
        assert refusal_of(UtcDateTimeField(past=True), later.isoformat()) == "future"

    def test_the_widest_offset_is_taken(self):
        assert UtcDateTimeField().run_validation("2024-01-02T15:59:00+15:59") == datetime(2024, 1, 2, tzinfo=UTC)


class Named(StrictSerializer):
    """Two fields, one of which only we write."""

    instrument = InstrumentField()
    id = serializers.CharField(read_only=True)


class TestStrictSerializer:
    def test_names_what_it_does_not_know(self):
        serializer = Named(data={"instrument": make_instrument().key, "id": "1", "colour": "red"})
        assert not serializer.is_valid()
        assert {name: errors[0].code for name, errors in serializer.errors.items()} == {
            "id": "unknown_field",
            "colour": "unknown_field",
        }

    @given(anything)
    def test_no_body_is_too_odd(self, body):
        assert not Named(data=body).is_valid()

    def test_looks_each_instrument_up_once(self, django_assert_num_queries):
        key = make_instrument().key
        serializer = Named(data=[{"instrument": key}] * 10, many=True)
        with django_assert_num_queries(1):
            serializer.is_valid(raise_exception=True)


@given(anything)
def test_no_value_is_too_odd_for_a_field(value):
    for field in (DecimalStringField(), UtcDateTimeField(), InstrumentField()):
        try:
            field.run_validation(value)
        except serializers.ValidationError as refusal:
            assert refusal.detail  # noqa: PT017 - what is refused is random
