"""The same statement saved by other programs says the same: other delimiters, encodings, ends of lines, orders of columns."""

import csv
import io

import pytest

from accounts.domain.statements import StatementLine
from tests.accounts.adapters.test_readers import SAMPLES, read
from tests.accounts.statement_files import format_of, items

HISTORY = (
    "Statement,Header,Field Name,Field Value\nStatement,Data,Period,\"January 1, 2024 - March 31, 2024\"\n"
    "Summary,Data,Base Currency,USD\n"
    "Transaction History,Header,Date,Account,Description,Transaction Type,Symbol,Quantity,Price,"
    "Gross Amount,Commission,Net Amount\n"
    "Transaction History,Data,2024-01-05,U1,Acme,Buy,ACME,4,25,-100,-1,-101\n"
)  # fmt: skip
TABLES = {
    name: text
    for name, text in {**SAMPLES, "ibkr_history": HISTORY}.items()
    if name not in {"ibkr_flex_xml", "alpaca", "ofx", "ghostfolio_json"}
}
MISALIGNED = {"degiro", "ibkr_history"}  # two headings of DEGIRO are empty, and a section has its name in front


def rows_of(text):
    """Return the delimiter and the rows of a table."""
    found = ((delimiter, list(csv.reader(io.StringIO(text), delimiter=delimiter))) for delimiter in ",;\t")
    return max(found, key=lambda pair: max(map(len, pair[1])))


def written(rows, delimiter, **how):
    made = io.StringIO()
    csv.writer(made, delimiter=delimiter, **{"lineterminator": "\n"} | how).writerows(rows)
    return made.getvalue()


def figures(content, name):
    """Return what a statement says, in a format that it shows beyond doubt."""
    assert format_of(content) == name
    return [item.draft for item in items(content) if isinstance(item, StatementLine)]


@pytest.mark.parametrize("name", TABLES)
class TestTable:
    def test_may_have_another_delimiter(self, name):
        own, rows = rows_of(TABLES[name])
        for delimiter in set(",;\t|") - {own}:
            assert figures(written(rows, delimiter), name) == figures(TABLES[name], name)

    def test_may_have_quotes_around_every_cell(self, name):
        own, rows = rows_of(TABLES[name])
        assert figures(written(rows, own, quoting=csv.QUOTE_ALL), name) == figures(TABLES[name], name)

    def test_may_end_its_lines_as_windows_does_and_have_empty_ones_at_the_end(self, name):
        own, rows = rows_of(TABLES[name])
        assert figures(written(rows, own, lineterminator="\r\n") + "\r\n\r\n", name) == figures(TABLES[name], name)

    def test_may_be_in_another_encoding(self, name):
        for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
            assert figures(TABLES[name].encode(encoding), name) == figures(TABLES[name], name)

    def test_may_have_a_title_in_front(self, name):
        assert figures("My statements\n\n" + TABLES[name], name) == figures(TABLES[name], name)

    def test_may_have_its_columns_in_another_order(self, name):
        own, rows = rows_of(TABLES[name])
        if name in MISALIGNED:
            pytest.skip("its columns are known by where they stand")
        width = max(map(len, rows))
        turned = [[*row, *[""] * (width - len(row))][::-1] if len(row) > 1 else row for row in rows]
        assert figures(written(turned, own), name) == figures(TABLES[name], name)

    def test_may_have_a_column_more(self, name):
        own, rows = rows_of(TABLES[name])
        if name in MISALIGNED:
            pytest.skip("its columns are known by where they stand")
        start = next(n for n, row in enumerate(rows) if len(row) == max(map(len, rows)))
        wider = [[*row, "Surplus" if n == start else "x"] if len(row) == len(rows[start]) else row for n, row in enumerate(rows)]
        assert figures(written(wider, own), name) == figures(TABLES[name], name)

    def test_keeps_lines_alike_apart_and_those_of_an_overlapping_file_together(self, name):
        own, rows = rows_of(TABLES[name])
        if name in {"trading212", "trade_republic", "coinbase", "alpaca"}:
            return  # they give each line an id
        first = [draft.external_id for draft in figures(written(rows, own), name)]
        twice = [draft.external_id for draft in figures(written([*rows, rows[-1]], own), name)]
        assert set(first) <= set(twice)
        assert len(twice) == len(set(twice))


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - set(TABLES)))
def test_what_is_no_table_may_be_in_another_encoding_and_end_its_lines_otherwise(name):
    def said(content):
        return [item.draft for item in items(content) if isinstance(item, StatementLine)]

    plain = said(SAMPLES[name])
    assert plain
    assert said(SAMPLES[name].replace("\r\n", "\n").replace("\n", "\r\n")) == plain
    for encoding in ("utf-8-sig", "utf-16"):
        assert said(SAMPLES[name].encode(encoding)) == plain
    assert read(name, SAMPLES[name])
