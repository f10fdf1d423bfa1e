"""Rows are read exactly or refused by field and reason, whatever came."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from marketdata.domain.rows import (
    BARS,
    FX_RATES,
    Unreadable,
    read_count,
    read_currency,
    read_day,
    read_instant,
    read_instrument,
    read_number,
    read_rows,
    read_size,
    read_start,
    read_timeframe,
)

RUBBISH = [
    None,
    "",
    "abc",
    b"1",
    [],
    {},
    ...,
    True,
    float("nan"),
    1.5,
    Decimal("NaN"),
    Decimal("-Infinity"),
    "Infinity",
    "NaN",
]
SPELLINGS = ["1_000", "\u0661\u0662", " 7 ", "7\n", "1e17", "+1", "0x10", "1,5", ".5", "5.", "--1", "\uff11"]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.datetimes()
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("value", RUBBISH + SPELLINGS, ids=repr)
def test_only_a_decimal_or_its_plain_spelling_is_a_number(value):
    with pytest.raises(Unreadable) as refusal:
        read_number(value)
    assert refusal.value.rule == "not_a_number"


@given(st.decimals(min_value=Decimal("-1e14"), max_value=Decimal("1e14"), places=10))
def test_a_number_is_kept_to_the_last_digit(number):
    assert read_number(number) == number
    assert read_number(f"{number:f}") == number


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("1000000000000000", "number_too_large"),
        (Decimal("1e999999"), "number_too_large"),
        ("0.00000000001", "number_too_precise"),
        (Decimal("1e-999999"), "number_too_precise"),
    ],
)
def test_a_number_that_would_not_be_kept_whole_is_refused(value, rule):
    with pytest.raises(Unreadable) as refusal:
        read_number(value)
    assert refusal.value.rule == rule


def test_a_size_has_more_places_and_fewer_digits():
    assert read_size("0.000000000001") == Decimal("1e-12")
    with pytest.raises(Unreadable):
        read_size("1000000000000")


@pytest.mark.parametrize("value", [1.0, True, "1.5", "-", Decimal("1.5"), Decimal("NaN"), 10**18, None, "\u0661"], ids=repr)
def test_a_count_is_whole(value):
    with pytest.raises(Unreadable):
        read_count(value)


def test_a_count_may_be_a_number_or_a_text():
    assert read_count(7) == read_count("7") == read_count("7.0") == read_count(Decimal(7)) == 7


def test_instants_come_out_in_utc():
    noon = datetime(2024, 1, 2, 12, tzinfo=UTC)
    assert read_instant("2024-01-02T07:00:00-05:00") == noon
    assert read_instant(noon.astimezone(timezone(timedelta(hours=9)))) == noon
    assert read_instant("2024-01-02T12:00:00Z").tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-02T12:00:00",
        datetime(2024, 1, 2),
        "yesterday",
        5,
        None,
        date(2024, 1, 2),
        "0001-01-01T00:00:00+14:00",
        "2024-13-01T00:00:00Z",
    ],
    ids=repr,
)
def test_a_time_says_its_offset(value):
    with pytest.raises(Unreadable) as refusal:
        read_instant(value)
    assert refusal.value.rule == "not_a_time"


def test_a_bar_may_start_with_a_day():
    midnight = datetime(2024, 1, 2, tzinfo=UTC)
    assert read_start("2024-01-02") == read_start(date(2024, 1, 2)) == read_start(midnight) == midnight


@pytest.mark.parametrize(
    "value",
    ["2024-02-30", "2024-1-2", datetime(2024, 1, 2, tzinfo=UTC), None, 20240102, "\uff12\uff10\uff12\uff14-01-02"],
    ids=repr,
)
def test_a_day_is_written_one_way(value):
    with pytest.raises(Unreadable):
        read_day(value)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (read_currency, "usd"),
        (read_currency, None),
        (read_currency, []),
        (read_timeframe, "1y"),
        (read_timeframe, None),
        (read_instrument, "AAPL"),
    ],
)
def test_names_have_to_be_known(read, value):
    with pytest.raises(Unreadable):
        read(value)


def test_a_bad_row_is_refused_and_the_others_are_read():
    good = {"base": "EUR", "quote": "USD", "date": "2024-01-02", "rate": "1.1"}
    read, refused = read_rows(FX_RATES, [good, 7, good | {"rate": "x", "date": ""}, good])
    assert list(read) == [0, 3]
    assert [(each.index, each.rule, each.field) for each in refused] == [
        (1, "not_a_row", ""),
        (2, "missing", "date"),
        (2, "not_a_number", "rate"),
    ]


@given(st.lists(anything | st.fixed_dictionaries({name: anything for name in BARS.columns}), max_size=5))
def test_no_rubbish_breaks_the_reading(rows):
    read, refused = read_rows(BARS, rows)
    assert set(read) | {each.index for each in refused} == set(range(len(rows)))
    assert not set(read) & {each.index for each in refused}


def test_a_shape_tells_key_series_and_time_apart():
    instrument, at = uuid7(), datetime(2024, 1, 2, tzinfo=UTC)
    values = (instrument, "1d", at, *range(7))
    assert BARS.key_of(values) == (instrument, "1d", at)
    assert BARS.series_of(values) == (instrument, "1d")
    assert BARS.time_of(values) == at
