"""Reports as files: CSV (one table), XLSX (a sheet for each) and JSON, written part by part in flat memory.

Texts that a spreadsheet could take for formulas stand behind an apostrophe in CSV and XLSX. Amounts are exact in CSV and JSON; in
XLSX they are numbers, which spreadsheets keep fifteen digits of, so the file has no more.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain, count, islice
from typing import IO, Any

import orjson

from marketdata.domain.money import plain
from marketdata.domain.spreadsheets import harmless, harmless_in_csv
from portfolio.adapters.workbooks import BOLD, WHOLE, Workbook, day_cell, flag_cell, instant_cell, number_cell, text_cell
from portfolio.domain.reports import Kind, Report, Table, as_kept_by_spreadsheets

MOST_ROWS = 1_000_000  # of a sheet; a spreadsheet holds a little more
WIDTHS = {Kind.DAY: 12, Kind.INSTANT: 20, Kind.NUMBER: 16, Kind.WHOLE: 10, Kind.FLAG: 10, Kind.TEXT: 18}
BATCH = 500


def write_csv(file: IO[bytes], report: Report, section: str) -> None:
    """Write one table of a report: its columns on top, texts harmless, numbers with all their digits."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\r\n")
    for table in report.tables:
        if table.name == section:
            kinds = [column.kind for column in table.columns]
            writer.writerow([column.name for column in table.columns])
            writer.writerows([_csv_cell(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in table.rows)
            break
        for _ in table.rows:  # what this table adds up is gathered while they go by
            pass
    text.flush()
    text.detach()


def _csv_cell(value: Any, kind: Kind) -> str:
    """Return a cell of a CSV file."""
    if value is None:
        return ""
    match kind:
        case Kind.TEXT:
            return harmless_in_csv(str(value))
        case Kind.FLAG:
            return "true" if value else "false"
        case _:
            return _told(value)


def _told(value: Any) -> str:
    """Return a number, a day or an instant as the JSON has it."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)


def write_json(file: IO[bytes], report: Report, section: str) -> None:
    """Write all tables of a report as lists of objects."""
    about = {name: _json_cell(value) for name, value in report.about.items()}
    file.write(orjson.dumps({"report": report.name, **about})[:-1])
    for table in report.tables:
        names = [column.name for column in table.columns]
        file.write(b',"%s":[' % table.name.encode())
        first = True
        for batch in _batches(table):
            rows = orjson.dumps([dict(zip(names, map(_json_cell, row), strict=True)) for row in batch])
            file.write(rows[1:-1] if first else b"," + rows[1:-1])
            first = False
        file.write(b"]")
    file.write(b"}")


def as_json(report: Report) -> dict[str, Any]:
    """Return a report of few rows as JSON has it."""
    file = io.BytesIO()
    write_json(file, report, "")
    found: dict[str, Any] = orjson.loads(file.getvalue())
    return found


def _batches(table: Table) -> Iterator[list[Sequence[Any]]]:
    """Return the rows of a table, several at once."""
    batch: list[Sequence[Any]] = []
    for row in table.rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _json_cell(value: Any) -> Any:
    """Return a value as JSON has it: numbers as texts, so that no digit is lost."""
    return _told(value) if isinstance(value, Decimal | date) else value


def write_xlsx(file: IO[bytes], report: Report, section: str) -> None:
    """Write a workbook with a sheet for each table, and one that says what the report is of."""
    book = Workbook(file)
    for table in report.tables:
        _write_sheets(book, table)
    _write_about(book, report)
    book.close()


def _write_sheets(book: Workbook, table: Table) -> None:
    """Write a table to a sheet, and on to another where one is full; their columns stay in sight on top."""
    tellers = [_cell_of(column.kind) for column in table.columns]
    widths = [max(WIDTHS[column.kind], len(column.name) + 2) for column in table.columns]
    heads = [text_cell(_title(column.name), BOLD) for column in table.columns]
    rows = iter(table.rows)
    rest: Iterable[Sequence[Any]] = rows
    for number in count(1):
        title = table.name.capitalize() if number == 1 else f"{table.name.capitalize()} {number}"
        with book.sheet(title, widths, frozen=True) as sheet:
            sheet.add(heads)
            for row in islice(rest, MOST_ROWS):
                sheet.add(["" if value is None else tell(value) for value, tell in zip(row, tellers, strict=True)])
        if (following := next(rows, None)) is None:
            break
        rest = chain([following], rows)


def _write_about(book: Workbook, report: Report) -> None:
    """Write what a report is of."""
    lines = (
        {"report": report.name} | dict(report.about) | {"times": "UTC", "numbers": "Rounded to 15 digits; exact in CSV and JSON."}
    )
    with book.sheet("About", (16, 60)) as sheet:
        for name, value in lines.items():
            sheet.add([text_cell(_title(name)), text_cell(harmless("" if value is None else _told(value)))])


def _title(name: str) -> str:
    """Return what a column is called on top of it."""
    return name.replace("_", " ").capitalize()


def _cell_of(kind: Kind) -> Callable[[Any], str]:
    """Return how the values of a kind are told in a workbook: numbers and days as such, texts harmless."""
    match kind:
        case Kind.TEXT:
            return lambda value: text_cell(harmless(str(value)))
        case Kind.FLAG:
            return flag_cell
        case Kind.DAY:
            return day_cell
        case Kind.INSTANT:
            return instant_cell
        case Kind.WHOLE:
            return lambda value: number_cell(value, WHOLE)
    return lambda value: number_cell(float(as_kept_by_spreadsheets(value)))


Write = Callable[[IO[bytes], Report, str], None]
CSV, JSON = "text/csv", "application/json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WRITERS: Mapping[str, tuple[Write, str, str]] = {
    CSV: (write_csv, "csv", "text/csv; charset=utf-8; header=present"),
    XLSX: (write_xlsx, "xlsx", XLSX),
    JSON: (write_json, "json", JSON),
}
