"""Each data set into its tables: bars and rates beside their histories, quotes and ticks into the tables of their days."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import polars as pl

from marketdata.domain.quality import Dataset
from marketdata.domain.rows import SHAPES, Shape, Values
from marketdata.selectors.archive import archived
from marketdata.services.batches import Instruments
from marketdata.services.days import by_day, days_of, open_days
from marketdata.services.histories import Change, Histories, last_of, lock_histories, note_changes
from marketdata.services.latest import keep_latest, mark_for_rollup
from marketdata.services.staging import TARGETS
from marketdata.services.storing import Outcome, write_rows


@dataclass(frozen=True, slots=True)
class Delivery:
    """What kind of rows a batch holds, who sent it, when it came, and whether it may replace what is known."""

    dataset: Dataset
    source: str
    recorded_at: datetime
    correct: bool


def write_batch(delivery: Delivery, rows: pl.DataFrame, about: Instruments | None) -> Outcome:
    """Write rows that come in order and once each, and all that follows from them."""
    rows = rows.with_columns(recorded_at=pl.lit(delivery.recorded_at).dt.convert_time_zone("UTC").dt.cast_time_unit("us"))
    if delivery.dataset in (Dataset.QUOTES, Dataset.TICKS):
        if about is None:
            raise AssertionError("quotes and ticks have instruments")
        return _write_days(delivery, rows, about)
    if delivery.dataset is Dataset.FX_RATES:
        rows = rows.with_columns(source=pl.lit(delivery.source[:100]))
    return _write_series(delivery, rows)


def _write_series(delivery: Delivery, rows: pl.DataFrame) -> Outcome:
    """Write rows of series that have a history, and extend that."""
    shape = SHAPES[delivery.dataset]
    series = rows.select(shape.series).unique(maintain_order=True)
    names = [_named(shape, each) for each in series.rows()]
    histories = lock_histories(dataset=delivery.dataset, series=names)
    doubtful = _up_to(shape, rows, series.with_columns(_reach(shape, histories, names, rows.schema[shape.time])))
    outcome = write_rows(
        TARGETS[delivery.dataset], rows, doubtful=doubtful, feed=(delivery.dataset, delivery.source), correct=delivery.correct
    )
    note_changes(dataset=delivery.dataset, histories=histories, changes=_changes(shape, rows, outcome))
    return outcome


def _write_days(delivery: Delivery, rows: pl.DataFrame, about: Instruments) -> Outcome:
    """Write quotes or ticks to the tables of their days, in the order of the days."""
    dataset, days = delivery.dataset, days_of(rows)
    archived_days = open_days(dataset, days)
    reach = about.reach.gather(rows["instrument"].to_physical())
    rows = rows.with_columns(doubtful=(reach >= rows["timestamp"]).fill_null(value=False))
    outcome = Outcome()
    for day, of_day in by_day(rows, days):
        settled = _compare_archived(dataset, day, of_day) if day in archived_days else Outcome()
        rest, outcome = _rest(of_day, settled), outcome + settled
        if rest.height:
            outcome += write_rows(
                TARGETS[dataset].on(day),
                rest,
                doubtful=rest["doubtful"],
                feed=(dataset, delivery.source),
                correct=delivery.correct,
            )
    written = _of(rows, pl.concat([outcome.stored, outcome.corrected]))
    if written.height:
        keep_latest(dataset, written, delivery.recorded_at)
        mark_for_rollup(dataset, written, delivery.recorded_at)
    return outcome


def _compare_archived(dataset: Dataset, day: date, rows: pl.DataFrame) -> Outcome:
    """Return which rows of a day are in the archive, with the same figures or with others; nothing there is ever changed."""
    shape, start = SHAPES[dataset], datetime.combine(day, time(), UTC)
    ids = {UUID(name) for name in rows["instrument"].unique().to_list()}
    there = archived(dataset=dataset, instrument_ids=ids, start=start, end=start + timedelta(days=1), columns=shape.columns)
    if not there.height:
        return Outcome()
    there = there.with_columns(pl.col("instrument").cast(rows.schema["instrument"], strict=False), there=pl.lit(value=True))
    both = rows.join(there, on=list(shape.key), how="inner", suffix="_known")
    same = pl.all_horizontal([pl.col(name).eq_missing(pl.col(f"{name}_known")) for name in shape.figures])
    known, other = both.filter(same)["index"], both.filter(~same)["index"]
    return Outcome(known=known.len(), settled=other, seen=pl.concat([known, other]))


def _rest(rows: pl.DataFrame, found: Outcome) -> pl.DataFrame:
    """Return the rows that are not in the archive."""
    return rows.filter(~pl.col("index").is_in(found.seen.implode())) if found.seen.len() else rows


def _of(rows: pl.DataFrame, indices: pl.Series) -> pl.DataFrame:
    """Return the rows with these indices, in the order they have."""
    return rows if indices.len() == rows.height else rows.filter(pl.col("index").is_in(indices.implode()))


def _named(shape: Shape, series: tuple[Any, ...]) -> Values:
    """Return a series as its history is named."""
    return (UUID(series[0]), *series[1:]) if "instrument" in shape.series else series


def _reach(shape: Shape, histories: Histories, names: list[Values], dtype: pl.DataType) -> pl.Series:
    """Return the time of the last row known of each series."""
    return pl.Series("reach", [last_of(shape.dataset, histories[name]) for name in names], dtype=dtype)


def _up_to(shape: Shape, rows: pl.DataFrame, reach: pl.DataFrame) -> pl.Series:
    """Mark the rows that are not later than the last one known of their series."""
    beside = rows.select(*shape.series, shape.time).join(reach, on=list(shape.series), how="left", maintain_order="left")
    return beside.select((pl.col("reach") >= pl.col(shape.time)).fill_null(value=False)).to_series()


def _changes(shape: Shape, rows: pl.DataFrame, outcome: Outcome) -> list[Change]:
    """Return what was written to each series."""
    written = _of(rows, pl.concat([outcome.stored, outcome.corrected]))
    by_series = written.group_by(shape.series, maintain_order=True).agg(
        first=pl.col(shape.time).min(),
        last=pl.col(shape.time).max(),
        new=pl.col("index").is_in(outcome.stored.implode()).sum(),
    )
    width = len(shape.series)
    return [Change(_named(shape, row[:width]), *row[width:]) for row in by_series.rows()]
