"""Any table goes in by its columns: with what stands around it, its way of writing days and numbers, and its own words."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.mapped import MappedTable
from accounts.domain.statements import Refusal, StatementLine

GERMAN = (
    "Depot 4711\nStand;31.12.2024\n\n"
    "Datum;Vorgang;ISIN;Stück;Kurs;Betrag;Gebühr;Währung\n"
    "02.01.2024;Einzahlung;;;;1.000,00;;EUR\n"
    "03.01.2024;Kauf;DE0007164600;2;150,25;-301,50;1,00;EUR\n"
    "04.01.2024;Ausschüttung;DE0007164600;;;3,10;;EUR\n"
    "05.01.2024;Bonus;;;;1,00;;EUR\n"
    "06.01.2024;Kauf;DE0007164600;zwei;1;1;;EUR\n"
    "Summe;;;;;702,60;;EUR\n"
).encode()
MAPPING = {
    "delimiter": ";",
    "headings_line": 4,
    "skip_last": 1,
    "date_format": "DD-MM-YYYY",
    "number_format": "1.234,56",
    "kinds": {"Ausschüttung": "DIVIDEND"},
    "columns": {
        "date": "Datum",
        "kind": "Vorgang",
        "isin": "ISIN",
        "quantity": "Stück",
        "price": "Kurs",
        "amount": "Betrag",
        "fee": "Gebühr",
        "currency": "Währung",
    },
}


def read(content: bytes, **mapping):
    return list(MappedTable(MAPPING | mapping).read(StatementFile(content), ZoneInfo("UTC")))


class TestTable:
    def test_is_read_by_its_columns(self):
        lines = [item for item in read(GERMAN) if isinstance(item, StatementLine)]
        told = [(line.number, line.draft.kind.value, line.draft.cash, line.draft.quantity, line.hints.isin) for line in lines]
        assert told == [
            (5, "DEPOSIT", Decimal("1000.00"), 0, ""),
            (6, "BUY", Decimal("-301.50"), 2, "DE0007164600"),
            (7, "DIVIDEND", Decimal("3.10"), 0, "DE0007164600"),
        ]

    def test_names_the_lines_it_can_not_take(self):
        refused = [(item.line, item.code) for item in read(GERMAN) if isinstance(item, Refusal)]
        assert refused == [(8, "unknown_type"), (9, "bad_number")]

    def test_in_another_encoding_says_the_same_under_the_same_ids(self):
        ids = [[item.draft.external_id for item in read(content) if isinstance(item, StatementLine)]
               for content in (GERMAN, GERMAN.decode().encode("cp1252"), GERMAN.decode().encode("utf-16"))]  # fmt: skip
        assert ids[0] == ids[1] == ids[2]

    def test_without_signs_gets_them_from_its_words(self):
        content = b"Date,Type,Amount\n2024-01-02,deposit,5\n2024-01-03,withdrawal,2\n2024-01-04,fee,1\n"
        mapping = {"columns": {"date": "Date", "kind": "Type", "amount": "Amount"}, "signed": False}
        lines = MappedTable(mapping).read(StatementFile(content), ZoneInfo("UTC"))
        assert [line.draft.cash for line in lines] == [5, -2, -1]

    def test_keeps_lines_alike_apart(self):
        content = b"Date,Amount\n2024-01-02,5\n2024-01-02,5\n"
        lines = MappedTable({"columns": {"date": "Date", "amount": "Amount"}}).read(StatementFile(content), ZoneInfo("UTC"))
        assert len({line.draft.external_id for line in lines}) == 2

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"columns": {"date": "Day", "amount": "Betrag"}}, "mapping.columns.date"),
            ({"columns": {"amount": "Betrag"}}, "mapping.columns"),
            ({"delimiter": "x"}, "mapping.delimiter"),
            ({"headings_line": 0}, "mapping.headings_line"),
            ({"skip_last": "1"}, "mapping.skip_last"),
            ({"kinds": {"Kauf": "GIFT"}}, "mapping.kinds"),
            ({"colour": "red"}, "mapping.colour"),
            ({"encoding": "utf-16"}, "mapping.encoding"),
            ({"date_format": []}, "mapping.date_format"),
        ],
    )
    def test_with_a_mapping_that_does_not_fit_is_refused_by_its_part(self, change, named):
        with pytest.raises(NotReadable) as refusal:
            read(GERMAN, **change)
        assert str(refusal.value).startswith(named)
