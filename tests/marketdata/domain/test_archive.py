"""A file of the archive gives back what went in to the last digit, to us and to anybody's tools, and says when it is damaged."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from uuid import UUID

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from marketdata.domain.archive import (
    ARCHIVED,
    GROUP_ROWS,
    KEYS,
    SegmentReader,
    SegmentWriter,
    Unmatched,
    arrow_schema,
    columns_of,
    digest_of_footer,
    footer_of,
    name_of,
)
from marketdata.domain.frames import SCHEMAS
from marketdata.domain.quality import Dataset
from marketdata.domain.totals import difference, totals_of

DAY = date(2024, 1, 2)
MIDNIGHT = datetime(2024, 1, 2, tzinfo=UTC)
NEXT = MIDNIGHT + timedelta(days=1)

instants = st.integers(0, 86_400_000_000 - 1).map(lambda number: MIDNIGHT + timedelta(microseconds=number))
prices = st.decimals("0.0000000001", "999999999999999.9999999999", places=10)
sizes = st.decimals("0", "999999999999.999999999999", places=12)
names = st.uuids().map(str)
values = {
    "instrument": names,
    "timestamp": instants,
    "bid": prices,
    "ask": prices,
    "price": st.decimals("-999999999999999", "999999999999999", places=10),
    "size": sizes,
    "bid_size": st.none() | sizes,
    "ask_size": st.none() | sizes,
    "conditions": st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20),
    "recorded_at": st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),
}


def rows_of(dataset):
    return st.lists(st.fixed_dictionaries({name: values[name] for name in columns_of(dataset)}), min_size=1, max_size=50)


def frame(dataset, rows):
    made = pl.DataFrame(rows, schema=columns_of(dataset), orient="row")
    return made.unique(KEYS[dataset], maintain_order=True).sort(KEYS[dataset])


def quotes(instruments, each):
    """Return quotes of instruments at equal distances, as many of each."""
    rows = [
        (
            str(UUID(int=number + 1)),
            MIDNIGHT + timedelta(seconds=second),
            Decimal("10.25"),
            Decimal("10.5"),
            None,
            Decimal(second),
            NEXT,
        )
        for number in range(instruments)
        for second in range(each)
    ]
    return pl.DataFrame(rows, schema=columns_of(Dataset.QUOTES), orient="row")


def write(path, dataset, rows, portion=7):
    with SegmentWriter(path, dataset) as writer:
        for start in range(0, rows.height, portion):
            for batch in rows.slice(start, portion).to_arrow().cast(arrow_schema(dataset)).to_batches():
                writer.write(batch)
    return writer


def read(path, dataset, **asked):
    reader = SegmentReader(str(path), dataset)
    return reader.read(**{"instruments": None, "start": MIDNIGHT, "end": NEXT, "columns": list(columns_of(dataset))} | asked)


@pytest.mark.parametrize("dataset", ARCHIVED)
@given(data=st.data())
def test_what_is_written_is_read_to_the_last_digit(tmp_path, dataset, data):
    rows = frame(dataset, data.draw(rows_of(dataset)))
    path = tmp_path / "one.parquet"
    assert write(path, dataset, rows).rows == rows.height
    assert_frame_equal(read(path, dataset), rows)
    one = rows["instrument"][rows.height // 2]
    assert_frame_equal(read(path, dataset, instruments=[one]), rows.filter(pl.col("instrument") == one))
    middle = rows["timestamp"].sort()[rows.height // 2]
    assert_frame_equal(read(path, dataset, end=middle), rows.filter(pl.col("timestamp") < middle))
    assert_frame_equal(
        read(path, dataset, start=middle, columns=["timestamp"]), rows.filter(pl.col("timestamp") >= middle)[["timestamp"]]
    )
    both = totals_of(dataset, DAY, [rows]), totals_of(dataset, DAY, SegmentReader(str(path), dataset).portions())
    assert difference(*both) == ""
    assert both[0].content == both[1].content


@pytest.mark.parametrize("dataset", ARCHIVED)
@hypothesis_settings(max_examples=30)
@given(data=st.data())
def test_totals_tell_one_value_from_another(dataset, data):
    rows = frame(dataset, data.draw(rows_of(dataset)))
    name = data.draw(st.sampled_from(list(columns_of(dataset))))
    other = data.draw(values[name].filter(lambda value: value != rows[name][0]))
    changed = rows.with_columns(rows[name].scatter(0, pl.Series([other], dtype=rows.schema[name])))
    assert difference(totals_of(dataset, DAY, [rows]), totals_of(dataset, DAY, [changed])) != ""


@given(data=st.data())
def test_totals_are_the_same_in_whatever_portions_the_rows_come(data):
    rows = frame(Dataset.QUOTES, data.draw(rows_of(Dataset.QUOTES)))
    cut = data.draw(st.integers(0, rows.height))
    whole, parts = totals_of(Dataset.QUOTES, DAY, [rows]), totals_of(Dataset.QUOTES, DAY, [rows[:cut], rows[cut:]])
    assert difference(whole, parts) == ""
    assert whole.content == parts.content
    assert len(whole.content) <= 200


class TestReaders:
    """Files of two days: prices with few digits on the first, with all of them on the second."""

    @pytest.fixture
    def root(self, tmp_path):
        for day, price in ((DAY, "1.25"), (date(2024, 1, 3), "1.0000000001")):
            path = tmp_path / name_of(Dataset.QUOTES, day, 0)
            path.parent.mkdir(parents=True)
            at = datetime(day.year, day.month, day.day, 15, tzinfo=UTC)
            row = ("a", at, Decimal(price), Decimal(2), None, Decimal("0.000000000001"), at)
            write(path, Dataset.QUOTES, pl.DataFrame([row], schema=columns_of(Dataset.QUOTES), orient="row"))
        return tmp_path

    PRICES = (Decimal("1.25"), Decimal("1.0000000001"))
    DAYS = (DAY, date(2024, 1, 3))

    def test_pyarrow(self, root):
        table = ds.dataset(root / "quotes", partitioning="hive").to_table().sort_by("timestamp")
        assert tuple(table["bid"].to_pylist()) == self.PRICES
        assert tuple(table["date"].to_pylist()) == tuple(map(str, self.DAYS))
        assert pq.read_schema(root / name_of(Dataset.QUOTES, DAY, 0)).equals(arrow_schema(Dataset.QUOTES))

    def test_polars(self, root):
        found = pl.scan_parquet(root / "quotes", hive_partitioning=True).filter(pl.col("instrument") == "a").collect()
        assert tuple(found.sort("timestamp")["bid"]) == self.PRICES
        assert tuple(found.sort("timestamp")["date"]) == self.DAYS
        assert pl.Schema({name: found.schema[name] for name in SCHEMAS[Dataset.QUOTES]}) == SCHEMAS[Dataset.QUOTES]

    def test_duckdb(self, root):
        line = duckdb.connect(config={"autoinstall_known_extensions": False})
        files = f"read_parquet('{root}/quotes/*/*.parquet', hive_partitioning = true)"
        found = line.execute(f"SELECT bid, date, ask_size, bid_size FROM {files} ORDER BY timestamp").fetchall()
        assert tuple(row[0] for row in found) == self.PRICES
        assert tuple(row[1] for row in found) == self.DAYS
        assert found[0][2:] == (Decimal("0.000000000001"), None)


class TestPruning:
    def test_one_instrument_costs_the_row_groups_it_is_in(self, tmp_path):
        rows = quotes(30, GROUP_ROWS // 10)
        write(tmp_path / "one.parquet", Dataset.QUOTES, rows, portion=33_333)
        reader = SegmentReader(str(tmp_path / "one.parquet"), Dataset.QUOTES)
        assert reader._groups.num_row_groups == 3
        for number in (0, 9, 10, 19, 29):
            name = str(UUID(int=number + 1))
            assert reader._groups_of([name]) == [number // 10]
            found = reader.read(instruments=[name], start=MIDNIGHT, end=NEXT)
            assert_frame_equal(found, rows.filter(pl.col("instrument") == name).select(list(SCHEMAS[Dataset.QUOTES])))
        assert reader._groups_of([str(UUID(int=2)), str(UUID(int=25))]) == [0, 2]
        assert reader.read(instruments=["nobody"], start=MIDNIGHT, end=NEXT).is_empty()
        assert reader.read(instruments=[], start=MIDNIGHT, end=NEXT).is_empty()
        assert reader.read(instruments=[], start=MIDNIGHT, end=NEXT).schema == SCHEMAS[Dataset.QUOTES]

    def test_an_instrument_may_fill_several(self, tmp_path):
        rows = quotes(2, GROUP_ROWS + 5)
        write(tmp_path / "one.parquet", Dataset.QUOTES, rows, portion=GROUP_ROWS)
        reader = SegmentReader(str(tmp_path / "one.parquet"), Dataset.QUOTES)
        assert [reader._groups_of([str(UUID(int=number))]) for number in (1, 2)] == [[0, 1], [1, 2]]
        assert reader.rows == rows.height


class TestDamage:
    @pytest.fixture
    def path(self, tmp_path):
        write(tmp_path / "one.parquet", Dataset.QUOTES, quotes(3, 500))
        return tmp_path / "one.parquet"

    def test_a_flipped_bit_in_a_page_is_never_read_as_a_price(self, path):
        content = path.read_bytes()
        good = read(path, Dataset.QUOTES)
        pages = len(content) - 8 - int.from_bytes(content[-8:-4], "little")  # then the footer, which has a hash of its own
        for place in range(4, pages, max(1, pages // 300)):
            path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
            try:
                found = read(path, Dataset.QUOTES)
            except (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError):
                continue
            assert found.equals(good), place

    def test_a_flipped_bit_in_the_footer_is_refused_before_anybody_believes_it(self, path):
        content = path.read_bytes()
        digest = digest_of_footer(BytesIO(content))
        end = len(footer_of(BytesIO(content)))
        assert SegmentReader(BytesIO(content), Dataset.QUOTES, footer=digest).everything().equals(read(path, Dataset.QUOTES))
        for place in range(len(content) - end, len(content)):
            damaged = content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]
            with pytest.raises(Unmatched, match=r"footer has changed|does not end as"):
                SegmentReader(BytesIO(damaged), Dataset.QUOTES, footer=digest)
        for short in (0, 3, 7, 8, 100):
            with pytest.raises(Unmatched):
                SegmentReader(BytesIO(content[:short]), Dataset.QUOTES, footer=digest)

    def test_a_file_of_something_else_is_refused(self, path, tmp_path):
        with pytest.raises(Unmatched, match="no file of ticks"):
            SegmentReader(str(path), Dataset.TICKS)
        pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
        with pytest.raises(Unmatched, match="no column of instruments"):
            SegmentReader(str(tmp_path / "other.parquet"), Dataset.QUOTES)

    def test_a_failure_in_the_middle_is_not_hidden_by_closing_the_file(self, tmp_path):
        with pytest.raises(RuntimeError, match="stop"), SegmentWriter(tmp_path / "half.parquet", Dataset.QUOTES):
            raise RuntimeError("stop")
