"""Reports as files: CSV (one table), XLSX (a sheet for each) and JSON, written part by part in flat memory.

Texts that a spreadsheet could take for formulas stand behind an apostrophe in CSV and XLSX. Amounts are exact in CSV and JSON; in
XLSX they are numbers, which spreadsheets keep fifteen digits of, so the file has no more.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, Any

import orjson
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from marketdata.domain.money import plain
from marketdata.domain.spreadsheets import harmless
from portfolio.domain.reports import Column, Kind, Report, Table, as_kept_by_spreadsheets

MOST_ROWS = 1_000_000  # of a sheet; a spreadsheet holds a little more
LONGEST_CELL = 32_000
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")  # how a workbook would spell a character
FORMATS = {Kind.DAY: "yyyy-mm-dd", Kind.INSTANT: "yyyy-mm-dd hh:mm:ss", Kind.NUMBER: "#,##0.00########", Kind.WHOLE: "0"}
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
            return harmless(str(value))
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
    book = Workbook(write_only=True)
    for table in report.tables:
        _write_sheets(book, table)
    _write_about(book, report)
    book.save(file)


def _write_sheets(book: Workbook, table: Table) -> None:
    """Write a table to a sheet, and on to another where one is full."""
    kinds = [column.kind for column in table.columns]
    sheet = _sheet(book, table.name.capitalize(), table.columns)
    for number, row in enumerate(table.rows, 1):
        if number % MOST_ROWS == 0:
            sheet = _sheet(book, f"{table.name.capitalize()} {number // MOST_ROWS + 1}", table.columns)
        sheet.append([_xlsx_cell(sheet, value, kind) for value, kind in zip(row, kinds, strict=True)])


def _sheet(book: Workbook, title: str, columns: Sequence[Column]) -> Any:
    """Return a fresh sheet with its columns on top, which stay in sight."""
    sheet: Any = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for place, column in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(place)].width = max(WIDTHS[column.kind], len(column.name) + 2)
    heads = [_text_cell(sheet, column.name.replace("_", " ").capitalize()) for column in columns]
    for head in heads:
        head.font = Font(bold=True)
    sheet.append(heads)
    return sheet


def _write_about(book: Workbook, report: Report) -> None:
    """Write what a report is of."""
    sheet: Any = book.create_sheet("About")
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 16, 60
    lines = (
        {"report": report.name} | dict(report.about) | {"times": "UTC", "numbers": "Rounded to 15 digits; exact in CSV and JSON."}
    )
    for name, value in lines.items():
        told = "" if value is None else _told(value)
        sheet.append([_text_cell(sheet, name.replace("_", " ").capitalize()), _text_cell(sheet, told)])


def _xlsx_cell(sheet: Any, value: Any, kind: Kind) -> Any:
    """Return a cell of a workbook: numbers and days as such, every other value as a text."""
    if value is None:
        return None
    if kind is Kind.TEXT:
        return _text_cell(sheet, str(value))
    if kind is Kind.FLAG:
        return bool(value)
    held = value
    if isinstance(value, Decimal):
        held = float(as_kept_by_spreadsheets(value))
    elif isinstance(value, datetime):
        held = value.astimezone(UTC).replace(tzinfo=None)
    cell = WriteOnlyCell(sheet, held)
    cell.number_format = FORMATS[kind]
    return cell


def _text_cell(sheet: Any, text: str) -> Any:
    """Return a cell that is a text, whatever the text looks like."""
    cell = WriteOnlyCell(sheet, "")
    cell._value = ESCAPE.sub("_x005F_", UNWRITABLE.sub("\ufffd", harmless(text)))[:LONGEST_CELL]
    cell.data_type = "s"
    return cell


Write = Callable[[IO[bytes], Report, str], None]
CSV, JSON = "text/csv", "application/json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WRITERS: Mapping[str, tuple[Write, str, str]] = {
    CSV: (write_csv, "csv", "text/csv; charset=utf-8; header=present"),
    XLSX: (write_xlsx, "xlsx", XLSX),
    JSON: (write_json, "json", JSON),
}
