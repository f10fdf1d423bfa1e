"""A frame is read as columns: floats are refused by name, what can't be read row by row, the rest goes in."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.frames import SCHEMAS, UnusableFrame, frame_of, read_frame
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import SHAPES, Unreadable, read_number, read_rows

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)
ONE = "00000000-0000-0000-0000-000000000001"


def quotes(**columns):
    """Return a frame of quotes of one instrument, as texts where nothing else is said."""
    rows = max([len(values) for values in columns.values() if values], default=1)
    given = {"instrument": [ONE] * rows, "timestamp": [NOON] * rows, "bid": ["1"] * rows, "ask": ["2"] * rows} | columns
    return pl.DataFrame({name: values for name, values in given.items() if values is not None})


def told(found):
    return [(each.index, each.rule, each.field) for each in found.told]


def test_every_schema_has_the_columns_of_its_shape():
    assert {dataset: tuple(schema) for dataset, schema in SCHEMAS.items()} == {
        dataset: shape.columns for dataset, shape in SHAPES.items()
    }


@pytest.mark.parametrize("number", [[Decimal("1.5")], ["1.5"], [Decimal("1.500000000000")]], ids=str)
def test_numbers_are_decimals_or_spelled(number):
    rows, found = read_frame(Dataset.QUOTES, quotes(bid=number))
    assert (rows["bid"].to_list(), rows["bid"].dtype, found.told) == ([Decimal("1.5")], SCHEMAS[Dataset.QUOTES]["bid"], [])
    assert rows["bid_size"].to_list() == [None]


def test_integers_are_numbers():
    assert read_frame(Dataset.QUOTES, quotes(bid=[7]))[0]["bid"].to_list() == [7]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"bid": [1.5]}, "bid is Float64: give decimals"),
        ({"bid": None}, "bid is missing"),
        ({"timestamp": [datetime(2024, 1, 2)]}, "timestamp is Datetime"),
        ({"instrument": [1]}, "instrument is Int64"),
        ({"ask": [True]}, "ask is Boolean"),
    ],
)
def test_a_column_that_can_not_be_read_is_refused_by_name(columns, said):
    with pytest.raises(UnusableFrame, match=said):
        read_frame(Dataset.QUOTES, quotes(**columns))


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("bid", ["x", "1"], "not_a_number"),
        ("bid", ["", "1"], "missing"),
        ("bid", [None, "1"], "missing"),
        ("bid", ["1000000000000000", "1"], "number_too_large"),
        ("bid", ["0.00000000001", "1"], "number_too_precise"),
        ("bid", [10**15, 1], "number_too_large"),
        ("bid", [Decimal("0.00000000001"), Decimal(1)], "number_too_precise"),
        ("bid_size", [Decimal(10**12), Decimal(1)], "number_too_large"),
        ("timestamp", ["yesterday", "2024-01-02T12:00:00Z"], "not_a_time"),
        ("timestamp", ["2024-01-02T12:00:00", "2024-01-02T12:00:00Z"], "not_a_time"),
        ("timestamp", [None, "2024-01-02T12:00:00Z"], "missing"),
    ],
)
def test_one_bad_row_is_kept_out_and_the_others_are_read(column, values, rule):
    rows, found = read_frame(Dataset.QUOTES, quotes(**{column: values}))
    assert told(found) == [(0, rule, column)]
    assert rows["index"].to_list() == [1]


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("timeframe", ["1y", "1d"], "unknown_timeframe"),
        ("rolled_from", ["bars", "ticks"], "unknown_origin"),
        ("trade_count", ["1.5", "7.0"], "not_a_number"),
        ("adjusted_through", ["2024-02-30", "2024-02-29"], "not_a_time"),
    ],
)
def test_what_bars_have_beside_prices_is_read_too(column, values, rule):
    given = {"instrument": [ONE] * 2, "timeframe": ["1d"] * 2, "timestamp": [date(2024, 1, 2)] * 2}
    prices = {name: ["1", "1"] for name in ("open", "high", "low", "close")}
    rows, found = read_frame(Dataset.BARS, pl.DataFrame(given | prices | {column: values}))
    assert told(found) == [(0, rule, column)]
    assert rows["timestamp"].to_list() == [datetime(2024, 1, 2, tzinfo=UTC)]


@pytest.mark.parametrize(("conditions", "rule"), [("a\x00", "not_a_text"), ("x" * 101, "text_too_long")])
def test_conditions_are_kept_whole_or_refused(conditions, rule):
    given = {"instrument": [ONE] * 2, "timestamp": [NOON] * 2, "price": ["1"] * 2, "size": ["1"] * 2}
    rows, found = read_frame(Dataset.TICKS, pl.DataFrame(given | {"conditions": [conditions, None]}))
    assert told(found) == [(0, rule, "conditions")]
    assert rows["conditions"].to_list() == [""]


@given(st.lists(st.text("0123456789.-+e", max_size=40) | st.decimals(allow_nan=False, allow_infinity=False).map(str), min_size=1))
def test_a_spelling_is_read_as_rows_read_it(spellings):
    def read(text):
        try:
            return read_number(text)
        except Unreadable:
            return None

    rows, _ = read_frame(Dataset.QUOTES, quotes(bid=spellings))
    kept = dict(zip(rows["index"].to_list(), rows["bid"].to_list(), strict=True))
    assert [kept.get(index) for index in range(len(spellings))] == [read(text) if text else None for text in spellings]


def test_rows_read_one_by_one_become_the_same_frame():
    row = {"base": "EUR", "quote": "USD", "date": "2024-01-02", "rate": "1.1"}
    shape = SHAPES[Dataset.FX_RATES]
    frame, _ = read_frame(Dataset.FX_RATES, pl.DataFrame([row]))
    assert frame_of(shape, read_rows(shape, [row])[0]).equals(frame)
