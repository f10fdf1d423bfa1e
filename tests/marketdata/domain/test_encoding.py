"""What is written in PostgreSQL's binary format is read by it as the same values, to the last digit."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import polars as pl
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata.domain.encoding import encode
from marketdata.domain.frames import INSTANT, PRICE, SIZE

COLUMNS = {
    "price": ("numeric(25, 10)", PRICE),
    "size": ("numeric(24, 12)", SIZE),
    "at": ("timestamptz", INSTANT),
    "day": ("date", pl.Date),
    "count": ("bigint", pl.Int64),
    "text": ("text", pl.String),
}
LARGEST_PRICE, LARGEST_SIZE = Decimal("999999999999999.9999999999"), Decimal("999999999999.999999999999")


def come_back(rows):
    """Return rows as PostgreSQL has read them."""
    frame = pl.DataFrame([pl.Series(name, [row[name] for row in rows], dtype=dtype) for name, (_, dtype) in COLUMNS.items()])
    frame = frame.with_row_index("index")
    columns = ", ".join(f'"{name}" {kind}' for name, (kind, _) in COLUMNS.items())
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS came_back")
        cursor.execute(f"CREATE TEMP TABLE came_back (index integer, {columns})")
        with cursor.copy("COPY came_back FROM STDIN (FORMAT BINARY)") as stream:
            stream.write(encode(frame))
        cursor.execute("SELECT * FROM came_back ORDER BY index")
        return [dict(zip(COLUMNS, row[1:], strict=True)) for row in cursor.fetchall()]


def row(**values):
    return dict.fromkeys(COLUMNS) | values


rows = st.fixed_dictionaries(
    {
        "price": st.none() | st.decimals(-LARGEST_PRICE, LARGEST_PRICE, places=10),
        "size": st.none() | st.decimals(-LARGEST_SIZE, LARGEST_SIZE, places=12) | st.decimals(-9, 9, places=2),
        "at": st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
        "day": st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
        "count": st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
        "text": st.none() | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20),
    }
)


@settings(max_examples=150)
@given(st.lists(rows, max_size=12))
def test_rows_come_back_as_they_went(rows):
    assert come_back(rows) == rows


@pytest.mark.parametrize(
    "price",
    [
        *(Decimal(text) for text in ("0", "0.0000000001", "-0.0000000001", "0.9999999999", "1", "9999", "10000", "10001")),
        *(Decimal(text) for text in ("922337203.6854775807", "922337203.6854775808", "-922337203.6854775808", "12345678.9")),
        *(LARGEST_PRICE, -LARGEST_PRICE),
    ],
    ids=str,
)
def test_a_price_alone_comes_back(price):
    assert come_back([row(price=price)]) == [row(price=price)]


def test_a_slice_of_a_frame_is_written_as_that_slice():
    whole = pl.DataFrame({"price": pl.Series([Decimal(number) for number in range(9)], dtype=PRICE)})
    texts = pl.DataFrame({"text": [str(number) * number for number in range(9)]})
    for frame in (whole, texts):
        assert encode(frame[3:6]) == encode(pl.DataFrame(frame[3:6].to_dicts(), schema=frame.schema))


def test_the_names_of_an_enum_are_identifiers():
    names = [str(UUID(int=number)) for number in (1, 2)]
    frame = pl.DataFrame({"instrument": pl.Series([names[1], names[0]], dtype=pl.Enum(names))})
    assert UUID(int=2).bytes + (1).to_bytes(2, "big") + (16).to_bytes(4, "big") + UUID(int=1).bytes in encode(frame)


def test_what_has_no_format_is_refused_by_name():
    with pytest.raises(TypeError, match="price is Float64"):
        encode(pl.DataFrame({"price": [1.5]}))
