"""Reading a mapped table by columns says the same as reading it row by row: the same lines, ids and refusals, of any table."""

import subprocess
import sys
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.mapped import MappedTable, encoded, without_tail
from accounts.adapters.table import Row, read_rows, records
from accounts.domain.blocks import SHOWN
from accounts.domain.happenings import Lines
from accounts.domain.mapping import FIELDS
from accounts.domain.statements import LineRefused, Refusal, StatementLine
from tests.architecture.tree import ROOT

UTC = ZoneInfo("UTC")
ODD = ["", " ", "\u00a0", "\x1c", "\x0b", '"', "a,b", "x;y", '""', "\x85", "\u202e", "\0", "'", "é\u0301", "1\n2", "-", "n/a"]
DAYS = ["2024-01-02", "2024-03-10", "20240102", "2024-02-30", "1/2/2024", "13/02/2024", "02.01.2024", "Jan 2, 2024", "3-Feb-2023"]
CLOCKS = ["15:30:00", "02:30", "1:5", "23:59:59.123456", "10:00:00Z", "12:00 PM", "15:30:00+02:00", "24:00", "01:30:00", "0930"]
STAMPS = [f"{day}{sign}{clock}" for day in DAYS for sign in "T ;" for clock in CLOCKS]
FIGURES = ["0", "1", "2", "10", "-10", "3.5", "1,000.00", "1.000,00", "12,5", "-$5.00", "(20)", "0.00000001", "1e-7", "+4", "007"]
LARGE = [
    "999999999.99999999",
    "1000000000",
    "0.000000001",
    "123456789012345678",
    "1e30",
    "-0",
    "5.",
    ".5",
    "1,00,000",
    "33.333333",
]
WORDS = [
    "Buy",
    "sell",
    "SHORT",
    "cover",
    "Dividend",
    "interest",
    "fee",
    "tax",
    "deposit",
    "withdrawal",
    "split",
    "staking",
    "gift",
]
NAMES = [
    "AAPL",
    "SAP.DE",
    "BTC-USD",
    "xnas",
    "BRK.B",
    "AAPL:XNAS",
    "DE0007164600",
    "US0378331005",
    "BBG000B9XRY4",
    "Some Inc",
    "ß",
]
MONEY = ["USD", "eur", "GBp", "GBX", "XXX", "US"]
KNOWN = {
    "date": [*DAYS, *STAMPS],
    "time": ["", *CLOCKS],
    "kind": WORDS,
    **dict.fromkeys(("quantity", "price", "amount", "fee", "tax"), FIGURES),
    **dict.fromkeys(("symbol", "isin", "figi", "exchange", "name"), NAMES),
    "currency": MONEY,
    "notes": ["Note", "note  ", "a\tb", "Straße", "x" * 2001],
    "id": ["1", "2", "2", "7d0f8a52-3f4e-5c1c-9a53-0d6c2f3a5f10", "i" * 151],
}


def by_rows(mapping, file, zone):
    """Yield the lines of a table, each row read by itself."""
    reader = MappedTable(mapping)
    lines, names = Lines(reader.name), None
    for record in without_tail(records(encoded(file, reader.mapping), reader.mapping.delimiter), reader.mapping.skip_last):
        if record.number < reader.mapping.headings_line:
            continue
        if names is None:
            names = reader._named(record)
            continue
        row = (record.number, LineRefused("bad_csv", record.problem))
        if not record.problem:
            cells = dict(zip(names, record.cells, strict=False))
            row = Row(record.number, cells, record.raw.strip()[:SHOWN], reader.mapping.style)
        yield from read_rows([row], lines, lambda row: reader._happenings(row, zone))
    if names is None:
        raise NotReadable("missing_columns", f"mapping.headings_line: the file ends before line {reader.mapping.headings_line}.")


def told(read, mapping, content, zone):
    """Return what is read of a file, or as what it is refused."""
    try:
        return list(read(mapping, StatementFile(content), zone))
    except NotReadable as refusal:
        return refusal.code, str(refusal)


def by_columns(mapping, file, zone):
    return MappedTable(mapping).read(file, zone)


@st.composite
def tables(draw):
    """Draw a table with its mapping: mostly what people write, and whatever else may stand in a cell."""
    fields = ["date", *draw(st.lists(st.sampled_from(sorted(FIELDS.keys() - {"date"})), unique=True, max_size=12))]
    fields += ["amount"] if not {"amount", "quantity"} & set(fields) else []
    delimiter = draw(st.sampled_from(",;\t|"))
    plain = {field: draw(st.sampled_from(KNOWN[field])) for field in fields}
    odd = st.one_of(st.sampled_from(ODD), st.sampled_from(LARGE), st.text(max_size=6))

    def cell(field):
        return st.one_of(st.just(plain[field]), st.sampled_from(KNOWN[field]), st.just(""), st.sampled_from(KNOWN[field]), odd)

    rows = draw(st.lists(st.tuples(*map(cell, fields)), max_size=12))
    ends = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = [delimiter.join(field.title() for field in fields)]
    for row in rows:
        quoted = [f'"{one}"' if draw(st.integers(0, 9)) == 0 else one for one in row]
        text.append(delimiter.join(quoted[: draw(st.sampled_from([len(row), len(row), len(row), max(1, len(row) - 2)]))]))
    above = draw(st.lists(st.sampled_from(["", "Depot 1", 'an "open quote']), max_size=2))
    mapping = {
        "columns": {field: field.title() for field in fields},
        "delimiter": delimiter,
        "headings_line": len(above) + 1,
        "skip_last": draw(st.sampled_from([0, 0, 0, 1, 3])),
        "date_format": draw(st.sampled_from(["YYYY-MM-DD", "MM/DD/YYYY", "DD-MM-YYYY"])),
        "number_format": draw(st.sampled_from(["1,234.56", "1.234,56"])),
        "kinds": {"gift": draw(st.sampled_from(["STAKING", "DIVIDEND", "TRANSFER_IN"]))},
        "default_kind": draw(st.sampled_from(["", "", "BUY", "INTEREST"])),
        "currency": draw(st.sampled_from(["", "USD", "usd"])),
        "signed": draw(st.booleans()),
        "gross": draw(st.booleans()),
    }
    return mapping, (ends.join([*above, *text]) + draw(st.sampled_from(["", ends]))).encode("utf-8", "replace")


@settings(max_examples=150, deadline=None)
@given(table=tables(), zone=st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]))
def test_whatever_the_table_both_ways_say_the_same(table, zone):
    mapping, content = table
    try:
        StatementFile(content)
    except NotReadable:
        return
    assert told(by_columns, mapping, content, ZoneInfo(zone)) == told(by_rows, mapping, content, ZoneInfo(zone))


PLAIN = {"columns": {name: name.title() for name in ("date", "kind", "symbol", "quantity", "price", "amount", "fee", "currency")}}
ROW = "2024-01-{:02},{},AAPL,{},{}.50,{},0.00,USD\n"


def rows_of(number):
    """Return a table with so many lines, good and bad."""
    text = "Date,Kind,Symbol,Quantity,Price,Amount,Fee,Currency\n"
    for one in range(number):
        text += ROW.format(one % 31 + 1, "gift" if one % 97 == 0 else "buy", one % 9 + 1, 10, -10.5 * (one % 9 + 1))
    return text


@pytest.fixture
def small(monkeypatch):
    """Let a piece have two thousand letters: there are many in a small file."""
    monkeypatch.setattr("accounts.adapters.pieces.LETTERS", 2_000)
    monkeypatch.setattr("accounts.adapters.pieces.ROWS", 10)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", [0, 1, 60, 300, 301])
@pytest.mark.usefixtures("small")
def test_pieces_join_without_a_seam(end, tail):
    content = rows_of(300).replace("\n", end).encode()
    mapping = PLAIN | {"skip_last": tail}
    assert told(by_columns, mapping, content, UTC) == told(by_rows, mapping, content, UTC)


@pytest.mark.usefixtures("small")
def test_a_quote_far_down_is_read_row_by_row_from_its_piece_on():
    below = '2024-01-02,"buy",AAPL,1,5.00,-5.00,0,"USD"\n2024-01-02,"buy\n' + ROW.format(3, "buy", 1, 1, -1.5)
    found = told(by_columns, PLAIN, (rows_of(300) + below).encode(), UTC)
    assert found == told(by_rows, PLAIN, (rows_of(300) + below).encode(), UTC)
    assert isinstance(found[-1], StatementLine)
    assert [item.code for item in found[-3:] if isinstance(item, Refusal)] == ["bad_csv"]


@pytest.mark.parametrize(
    "bad",
    ["," * 600, "x" * 140_000, "y" * (1024 * 1024 + 5), '"' + "z" * 1_100_000 + '"', "\0,", "2024-01-02,buy,AAPL,1\n" * 3],
    ids=["cells", "cell", "line", "quoted line", "nul", "short"],
)
@pytest.mark.parametrize("above", [0, 300])
@pytest.mark.usefixtures("small")
def test_a_line_that_can_not_be_is_refused_alike(bad, above):
    content = f"{rows_of(above)}{bad}\n{ROW.format(1, 'buy', 1, 1, -1.5)}".encode()
    assert told(by_columns, PLAIN, content, UTC) == told(by_rows, PLAIN, content, UTC)


def test_what_is_written_plainly_is_read_by_columns():
    (block,) = MappedTable(PLAIN).blocks(StatementFile(rows_of(500).encode()), UTC)
    assert (len(block.rows), len(block.others)) == (494, 6)


FORKED = """
import os, signal
from zoneinfo import ZoneInfo
from accounts.adapters import StatementFile, reader_for
child = os.fork()
if not child:
    signal.alarm(60)
    mapping = {"columns": {"date": "Date", "amount": "Amount"}}
    file = StatementFile(b"Date,Amount\\n" + b"2024-01-02,5\\n" * 1000)
    os._exit(len(list(reader_for("auto", file, mapping).read(file, ZoneInfo("UTC")))) != 1000)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_worker_can_read_that_was_forked_from_a_process_that_knows_the_reader():
    done = subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
