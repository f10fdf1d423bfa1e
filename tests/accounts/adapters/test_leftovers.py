"""The refused lines of a file go back to whoever sent it, as they were but for what a spreadsheet would run."""

import pytest

from accounts.adapters.base import StatementFile
from accounts.adapters.leftovers import harmless, refused_lines
from accounts.domain.fates import Fate, Fates


@pytest.mark.parametrize(
    ("delimiter", "raw"),
    [
        (",", "04/05/2024,Buy,ACME,-1.50,--,+5,-\n"),
        (";", "-1.234,56;-€ 5,00;(1,234.50);\u22125.00;-0,5 %;-12 USD\n"),
        (",", '\'=1,Acme (A=B),a@b.example,x-y,"-1,234.50"\n'),
        ("\t", "-$1.00\t-1'000.50\t5-\n"),
        (",", 'a,2024-01-02,"{""a"": [1, -5], ""b"": ""=1""}"\n'),
    ],
    ids=["signs", "european", "texts", "tabs", "json"],
)
def test_numbers_and_plain_texts_stay(delimiter, raw):
    assert harmless(raw, delimiter) == raw


@pytest.mark.parametrize(
    ("delimiter", "raw", "told"),
    [
        (",", "=1+1,x\n", "'=1+1,x\n"),
        (",", 'x,"=HYPERLINK(""https://example.com"")"\n', 'x,"\'=HYPERLINK(""https://example.com"")"\n'),
        (";", "x;@SUM(A1);-2+3+cmd\n", "x;'@SUM(A1);'-2+3+cmd\n"),
        (",", '"\n=1",2\n', '"\'\n=1",2\n'),
        (",", '"=never closed\n', "\"'=never closed\n"),
        ("\t", " \xa0=1\t+A1\n", "' \xa0=1\t'+A1\n"),
        (",", "\uff1d1,\u22125+A1\n", "'\uff1d1,'\u22125+A1\n"),
    ],
)
def test_a_formula_gets_an_apostrophe(delimiter, raw, told):
    assert harmless(raw, delimiter) == told


def test_a_file_of_refused_lines_holds_none():
    file = StatementFile(b"Date,Note,Amount\n2024-01-02,=A1,-5\n2024-01-03,good,1\n")
    fates = Fates()
    fates.note(2, Fate.REFUSED)
    fates.note(3, Fate.POSTED)
    assert refused_lines(file, {2}, fates).decode() == "Date,Note,Amount\n2024-01-02,'=A1,-5\n"
