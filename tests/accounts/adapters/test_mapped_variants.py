"""Any table: numbers as the Swiss, Indians and French write them, years of two digits, what the whole file decides."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from accounts.adapters.base import StatementFile
from accounts.adapters.guesses import guess
from accounts.adapters.mapped import MappedTable
from accounts.domain.statements import StatementLine


def read(text: str):
    """Return what a table says by the mapping that is guessed, and what of that is not sure."""
    file = StatementFile(text.encode())
    guessed = guess(file)
    return [
        item for item in MappedTable(guessed.mapping).read(file, ZoneInfo("UTC")) if isinstance(item, StatementLine)
    ], guessed.unsure


class TestNumbers:
    @pytest.mark.parametrize(
        "amount",
        ["1'234'567.50", "1’234’567.50", "12,34,567.50", "1,234,567.50", "1.234.567,50", "1 234 567,50", "1\u202f234\u202f567,50", "1\u00a0234\u00a0567.50"],  # noqa: E501
    )  # fmt: skip
    def test_of_all_countries_are_read(self, amount):
        found, _ = read(f"Datum;Betrag\n2024-01-02;{amount}\n2024-01-03;-5{amount[-3]}25\n")
        assert [line.draft.cash for line in found] == [Decimal("1234567.50"), Decimal("-5.25")]

    def test_below_zero_may_stand_in_parentheses_or_with_their_sign_behind(self):
        found, _ = read(
            "Date,Amount\n2024-01-02,(1,234.50)\n".replace("(1,234.50)", '"(1,234.50)"')
            + "2024-01-03,12.50-\n2024-01-04,-$3.00\n"
        )
        assert [line.draft.cash for line in found] == [Decimal("-1234.50"), Decimal("-12.50"), Decimal("-3.00")]


class TestDays:
    @pytest.mark.parametrize(
        ("days", "expected"),
        [
            (["03/04/2024", "25/04/2024"], ["2024-04-03", "2024-04-25"]),
            (["03/04/2024", "04/25/2024"], ["2024-03-04", "2024-04-25"]),
            (["03/04/24", "25/04/24"], ["2024-04-03", "2024-04-25"]),
            (["3.4.24", "25.4.24"], ["2024-04-03", "2024-04-25"]),
            (["3/4/24", "4/25/24"], ["2024-03-04", "2024-04-25"]),
        ],
    )
    def test_that_only_the_whole_file_decides_are_read_as_it_does(self, days, expected):
        found, unsure = read("Date;Amount\n" + "".join(f"{day};5\n" for day in days))
        assert [str(line.draft.occurred_at.date()) for line in found] == expected
        assert "date_format" not in unsure

    def test_that_nothing_decides_are_asked(self):
        _, unsure = read("Date;Amount\n03/04/2024;5\n05/06/2024;5\n")
        assert "date_format" in unsure
