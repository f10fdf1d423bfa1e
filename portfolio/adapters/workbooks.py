"""Workbooks of spreadsheets (Office Open XML), written row by row in flat memory: texts, numbers, days and instants, no formulas.

The same rows make the same bytes: nothing in the file says when it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import TextIOWrapper
from itertools import count
from typing import IO
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

LONGEST_TEXT = 32_000
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
SPELLED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")  # how a workbook would spell a character
RETURN = {"\r": "&#13;"}
FIRST_DAY, FIRST_INSTANT = date(1899, 12, 30), datetime(1899, 12, 30, tzinfo=UTC)  # day 0 of spreadsheets
DAY = timedelta(days=1)
PLAIN, BOLD, NUMBER, WHOLE, ON_DAY, AT = range(6)  # places among the styles

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
STYLES = (
    f'{HEAD}<styleSheet xmlns="{MAIN}"><numFmts count="3"><numFmt numFmtId="164" formatCode="#,##0.00########"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd"/><numFmt numFmtId="166" formatCode="yyyy\\-mm\\-dd hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    "<borders><border><left/><right/><top/><bottom/><diagonal/></border></borders>"
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="6">'
    + "".join(
        f'<xf numFmtId="{form}" fontId="{font}" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/>'
        for form, font in ((0, 0), (0, 1), (164, 0), (1, 0), (165, 0), (166, 0))
    )
    + '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)


class Workbook:
    """A workbook that is being written: its sheets one after another, then its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = ZipFile(file, "w", ZIP_DEFLATED, compresslevel=4)
        self._titles: list[str] = []

    @contextmanager
    def sheet(self, title: str, widths: Sequence[int], *, frozen: bool = False) -> Iterator[Sheet]:
        """Write a sheet with columns that wide; the first row of a frozen one stays in sight."""
        self._titles.append(title)
        with self._part(f"xl/worksheets/sheet{len(self._titles)}.xml") as text:
            pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>' if frozen else ""
            text.write(
                f'{HEAD}<worksheet xmlns="{MAIN}"><sheetViews><sheetView workbookViewId="0">{pane}</sheetView></sheetViews>'
            )
            wide = enumerate(widths, 1)
            columns = "".join(f'<col min="{place}" max="{place}" width="{width}" customWidth="1"/>' for place, width in wide)
            text.write(f"<cols>{columns}</cols><sheetData>")
            yield Sheet(text, len(widths))
            text.write("</sheetData></worksheet>")

    def close(self) -> None:
        """Write what says which sheets there are."""
        places = range(1, len(self._titles) + 1)
        named = (
            f'<sheet name={quoteattr(title)} sheetId="{place}" r:id="rId{place}"/>' for place, title in enumerate(self._titles, 1)
        )
        sheets = "".join(named)
        types = "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{KIND}.worksheet+xml"/>' for n in places)
        linked = "".join(_link(place, "worksheet", f"worksheets/sheet{place}.xml") for place in places)
        parts = {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{KIND}.styles+xml"/>{types}</Types>',
            "_rels/.rels": _links(_link(1, "officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>{sheets}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _links(linked + _link(len(self._titles) + 1, "styles", "styles.xml")),
            "xl/styles.xml": STYLES.removeprefix(HEAD),
        }
        for name, content in parts.items():
            with self._part(name) as text:
                text.write(HEAD + content)
        self._zip.close()

    @contextmanager
    def _part(self, name: str) -> Iterator[TextIOWrapper]:
        """Write a file of the workbook, under a date that is always the same."""
        info = ZipInfo(name)
        info.compress_type = ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=True) as file, TextIOWrapper(file, "utf-8", newline="") as text:
            yield text


class Sheet:
    """A sheet that rows are added to; cells are what the functions below return, empty ones are nothing."""

    def __init__(self, text: TextIOWrapper, columns: int) -> None:
        self._text, self._letters = text, [letters(place) for place in range(1, columns + 1)]
        self._numbers = count(1)

    def add(self, cells: Sequence[str]) -> None:
        """Add a row."""
        row = next(self._numbers)
        told = [f'<c r="{letter}{row}"{cell}</c>' for letter, cell in zip(self._letters, cells, strict=True) if cell]
        self._text.write(f'<row r="{row}">{"".join(told)}</row>')


def text_cell(text: str, style: int = PLAIN) -> str:
    """Return a cell that is a text, whatever the text looks like."""
    kept = escape(SPELLED.sub("_x005F_", UNWRITABLE.sub("\ufffd", text))[:LONGEST_TEXT], RETURN)
    return f' s="{style}" t="inlineStr"><is><t xml:space="preserve">{kept}</t></is>'


def number_cell(number: object, style: int = NUMBER) -> str:
    """Return a cell that is a number."""
    return f' s="{style}"><v>{number}</v>'


def flag_cell(value: bool) -> str:
    """Return a cell that is true or false."""
    return f' t="b"><v>{int(value)}</v>'


def day_cell(day: date) -> str:
    """Return a cell that is a day."""
    return number_cell((day - FIRST_DAY).days, ON_DAY)


def instant_cell(at: datetime) -> str:
    """Return a cell that is an instant, in UTC."""
    return number_cell((at - FIRST_INSTANT) / DAY, AT)


def letters(place: int) -> str:
    """Return what a column is called.

    >>> letters(1), letters(26), letters(27)
    ('A', 'Z', 'AA')
    """
    found = ""
    while place:
        place, letter = divmod(place - 1, 26)
        found = chr(65 + letter) + found
    return found


def _link(place: int, kind: str, target: str) -> str:
    """Return a link from one part of a workbook to another."""
    return f'<Relationship Id="rId{place}" Type="{LINKS}/{kind}" Target="{target}"/>'


def _links(told: str) -> str:
    """Return the links of a part."""
    return f'<Relationships xmlns="{PACKAGE}/relationships">{told}</Relationships>'
