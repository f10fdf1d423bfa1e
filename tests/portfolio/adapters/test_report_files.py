"""Reports written as files, read back with what others read them with."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from xml.etree import ElementTree
from zipfile import ZipFile

from openpyxl import load_workbook

from portfolio.adapters import report_files, workbooks
from portfolio.domain.reports import Kind, Report, Sums, Table, columns

HEADS = columns(
    text=Kind.TEXT, number=Kind.NUMBER, whole=Kind.WHOLE, flag=Kind.FLAG, day=Kind.DAY, instant=Kind.INSTANT, nothing=Kind.NUMBER
)
AT = datetime(2024, 2, 29, 13, 5, 6, tzinfo=UTC)


def written(write, *, rows=1, text="=1+1", number="-123456789.1234567890", section="rows") -> bytes:
    sums = Sums(["number"])

    def found():
        for _ in range(rows):
            sums.add(("USD",), number=Decimal(number))
            yield [text, Decimal(number), 7, True, date(2024, 2, 29), AT, None]

    file = io.BytesIO()
    report = Report(
        "test", {"account": "=A1", "start": date(2024, 1, 1)}, [Table("rows", HEADS, found()), sums.table("totals", "currency")]
    )
    write(file, report, section)
    return file.getvalue()


class TestCsv:
    def test_has_every_digit_and_no_formula(self):
        rows = list(csv.reader(io.StringIO(written(report_files.write_csv).decode(), newline="")))
        assert rows[1] == ["'=1+1", "-123456789.123456789", "7", "true", "2024-02-29", "2024-02-29T13:05:06Z", ""]

    def test_of_totals_adds_up_rows_it_does_not_write(self):
        rows = list(csv.reader(io.StringIO(written(report_files.write_csv, rows=3, number="1.1", section="totals").decode())))
        assert rows == [["currency", "count", "number", "without_rate"], ["USD", "3", "3.3", "0"]]

    def test_keeps_lines_and_quotes_in_one_cell(self):
        text = 'a "b",\r\nc;d'
        assert list(csv.reader(io.StringIO(written(report_files.write_csv, text=text).decode(), newline="")))[1][0] == text


class TestJson:
    def test_is_written_in_parts_and_is_one_whole(self):
        told = json.loads(written(report_files.write_json, rows=1201, number="0.1"))
        assert len(told["rows"]) == 1201
        assert told["totals"] == [{"currency": "USD", "count": 1201, "number": "120.1", "without_rate": 0}]
        assert told["account"] == "=A1"

    def test_of_nothing_has_empty_lists(self):
        assert json.loads(written(report_files.write_json, rows=0))["rows"] == []


class TestXlsx:
    def test_has_numbers_days_and_texts_as_such(self):
        sheet = load_workbook(io.BytesIO(written(report_files.write_xlsx)))["Rows"]
        text, number, whole, flag, day, instant, nothing = sheet[2]
        assert (text.value, text.data_type) == ("'=1+1", "s")
        assert (number.value, number.data_type) == (-123456789.123457, "n")
        assert (whole.value, flag.value, nothing.value) == (7, True, None)
        assert (day.value, day.is_date, instant.value) == (datetime(2024, 2, 29), True, datetime(2024, 2, 29, 13, 5, 6))

    def test_says_what_it_is_of(self):
        book = load_workbook(io.BytesIO(written(report_files.write_xlsx)))
        assert book.sheetnames == ["Rows", "Totals", "About"]
        assert [cell.value for cell in book["About"][2]] == ["Account", "'=A1"]

    def test_holds_characters_that_its_format_does_not(self):
        sheet = load_workbook(io.BytesIO(written(report_files.write_xlsx, text="bell \x07 \ufffe" + "x" * 40_000)))["Rows"]
        assert sheet["A2"].value.startswith("bell \ufffd \ufffdxxx")
        assert len(sheet["A2"].value) == workbooks.LONGEST_TEXT

    def test_does_not_let_a_text_spell_a_character(self):
        assert b"_x005F_x003D_1" in _part(written(report_files.write_xlsx, text="_x003D_1"))

    def test_goes_on_on_another_sheet(self, monkeypatch):
        monkeypatch.setattr(report_files, "MOST_ROWS", 3)
        book = load_workbook(io.BytesIO(written(report_files.write_xlsx, rows=7)))
        assert book.sheetnames[:3] == ["Rows", "Rows 2", "Rows 3"]
        assert [sheet.max_row - 1 for sheet in book.worksheets[:3]] == [3, 3, 1]
        assert [cell.value for cell in book["Rows 3"][1]][:2] == ["Text", "Number"]
        assert load_workbook(io.BytesIO(written(report_files.write_xlsx, rows=3))).sheetnames == ["Rows", "Totals", "About"]

    def test_is_the_same_for_the_same_rows(self):
        assert written(report_files.write_xlsx) == written(report_files.write_xlsx)

    def test_is_made_of_parts_that_are_named_and_well_formed(self):
        with ZipFile(io.BytesIO(written(report_files.write_xlsx, text="<&>\"' \r\n]]>"))) as file:
            parts = {name: ElementTree.fromstring(file.read(name)) for name in file.namelist()}  # noqa: S314  our own
        named = {part.get("PartName", "").lstrip("/") for part in parts["[Content_Types].xml"]} - {""}
        assert named == {name for name in parts if name.startswith("xl/") and not name.endswith(".rels")}
        linked = {link.get("Target") for link in parts["xl/_rels/workbook.xml.rels"]}
        assert {f"xl/{target}" for target in linked} == named - {"xl/workbook.xml"}

    def test_keeps_the_ends_of_lines_and_signs_of_markup(self):
        for text in ("a\r\nb", "a\rb", "<b>&amp;</b>", " two  blanks ", "]]>"):
            sheet = load_workbook(io.BytesIO(written(report_files.write_xlsx, text=text)))["Rows"]
            assert sheet["A2"].value == text

    def test_stays_in_sight_on_top(self):
        book = load_workbook(io.BytesIO(written(report_files.write_xlsx)))
        assert (book["Rows"].freeze_panes, book["About"].freeze_panes) == ("A2", None)
        assert book["Rows"]["A1"].font.b
        assert book["Rows"]["B2"].number_format == "#,##0.00########"

    def test_is_written_in_flat_memory(self):
        written(report_files.write_xlsx, rows=100)
        peaks = []
        for rows in (2_000, 20_000):
            tracemalloc.start()
            written(report_files.write_xlsx, rows=rows)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] < peaks[0] + 2_000_000


def _part(content: bytes) -> bytes:
    """Return the first sheet of a workbook as it is stored."""
    from_zip = ZipFile(io.BytesIO(content))
    return from_zip.read("xl/worksheets/sheet1.xml")
