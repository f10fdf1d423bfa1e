"""Reports as CSV, XLSX and JSON: gains of a tax year, income, fees, holdings and all that was recorded."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from openpyxl import load_workbook

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from tests.accounts.event_logs import bring_in
from tests.clients import browser, nobody, program
from tests.factories import make_account, make_instrument, make_user, post, share
from tests.portfolio.market import bars

CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
JSON = "application/json"


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


class Reports:
    """Somebody's way to the reports of an account."""

    def __init__(self, user, account) -> None:
        self.client, self.base = browser(user), f"/api/v1/accounts/{account.pk}/reports/"

    def ask(self, name: str, accept: str = JSON, code: int = 200, **query):
        answer = self.client.get(f"{self.base}{name}/", query, HTTP_ACCEPT=accept)
        assert answer.status_code == code, getattr(answer, "content", answer)
        return answer

    def bytes(self, name: str, accept: str, **query) -> bytes:
        return b"".join(self.ask(name, accept, **query).streaming_content)

    def json(self, name: str, **query):
        return json.loads(self.bytes(name, JSON, **query))

    def csv(self, name: str, **query) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.bytes(name, CSV, **query).decode(), newline="")))

    def book(self, name: str, **query):
        return load_workbook(io.BytesIO(self.bytes(name, XLSX, **query)))


@pytest.fixture
def stock():
    stock = make_instrument(name="=HYPERLINK(1)")
    bars(stock, {"2023-01-02": 10, "2023-12-29": 12, "2024-12-31": 30})
    return stock


@pytest.fixture
def account(alice, stock):
    """Bought twice, sold in two years, with a dividend, fees and a note that would be a formula."""
    account = make_account(owner=alice, name="Über =Depot")
    post(account, "DEPOSIT", cash="10000", occurred_at=at("2023-01-02"))
    post(account, "BUY", instrument=stock, quantity="10", price=10, fee="1.5", occurred_at=at("2023-01-02"))
    post(account, "BUY", instrument=stock, quantity="10", price=20, occurred_at=at("2024-02-02"), notes="@SUM(A1)", tags=["-tag"])
    post(account, "SELL", instrument=stock, quantity="-4", price=12, occurred_at=at("2023-06-02"))
    post(account, "SELL", instrument=stock, quantity="-10", price=25, fee="2", occurred_at=at("2024-04-02"))
    post(account, "DIVIDEND", instrument=stock, cash="8.5", tax="1.5", occurred_at=at("2024-05-02"))
    post(account, "INTEREST", cash="3", occurred_at=at("2024-05-20"))
    post(account, "FEE", cash="-7", fee="7", occurred_at=at("2024-06-02"), notes="\tcustody")
    return account


@pytest.fixture
def reports(alice, account):
    return Reports(alice, account)


class TestRealized:
    def test_tells_the_gains_of_a_tax_year_lot_by_lot(self, reports, stock):
        told = reports.json("realized", year=2024)
        assert [(row["instrument"], row["quantity"], row["cost"], row["proceeds"], row["gain"]) for row in told["rows"]] == [
            (stock.key, "6", "60.9", "148.8", "87.9"),
            (stock.key, "4", "80", "99.2", "19.2"),
        ]
        assert [(row["opened_on"], row["closed_on"], row["term"], row["holding_days"]) for row in told["rows"]] == [
            ("2023-01-02", "2024-04-02", "LONG", 456),
            ("2024-02-02", "2024-04-02", "SHORT", 60),
        ]
        assert told["totals"] == [
            {
                "currency": "USD", "count": 2, "cost": "140.9", "proceeds": "248", "gain": "107.1", "disallowed_loss": "0",
                "taxable_gain": "107.1", "short_term": "19.2", "long_term": "87.9", "without_rate": 0,
            }
        ]  # fmt: skip
        assert (told["start"], told["end"]) == ("2024-01-01", "2025-01-01")

    def test_says_the_same_in_every_format(self, reports):
        told = reports.json("realized")
        assert [row["gain"] for row in reports.csv("realized")] == [row["gain"] for row in told["rows"]]
        sheet = reports.book("realized")["Rows"]
        names = [cell.value for cell in sheet[1]]
        gains = [row[names.index("Gain")].value for row in sheet.iter_rows(min_row=2)]
        assert [Decimal(str(gain)) for gain in gains] == [Decimal(row["gain"]) for row in told["rows"]]
        closed = sheet.cell(2, names.index("Closed on") + 1)
        assert closed.is_date
        assert closed.value.date() == date(2023, 6, 2)

    def test_takes_a_tax_year_that_starts_in_april(self, reports):
        told = reports.json("realized", start="2023-04-06", end="2024-04-06")
        assert len(told["rows"]) == 3
        assert len(reports.json("realized", start="2024-04-03")["rows"]) == 0

    def test_is_named_after_the_account_and_the_year(self, reports):
        answer = reports.ask("realized", CSV, year=2024)
        assert answer["Content-Disposition"] == 'attachment; filename="uber-depot-realized-2024.csv"'
        assert int(answer["Content-Length"]) > 0
        assert (
            "uber-depot-realized-totals-2024.csv"
            in reports.ask("realized", CSV, year=2024, section="totals")["Content-Disposition"]
        )


class TestIncome:
    def test_adds_up_by_month_and_instrument(self, reports, stock):
        told = reports.json("income", year=2024)
        assert [(row["date"], row["kind"], row["gross"], row["tax"], row["net"]) for row in told["rows"]] == [
            ("2024-05-02", "DIVIDEND", "10", "1.5", "8.5"),
            ("2024-05-20", "INTEREST", "3", "0", "3"),
        ]
        assert told["totals"][0] | {"without_rate": 0} == {
            "currency": "USD", "count": 2, "gross": "13", "tax": "1.5", "fee": "0", "net": "11.5", "without_rate": 0,
        }  # fmt: skip
        assert [(row["month"], row["net"]) for row in told["months"]] == [("2024-05", "11.5")]
        assert [(row["instrument"], row["net"]) for row in told["instruments"]] == [("", "3"), (stock.key, "8.5")]
        assert [row["net"] for row in reports.csv("income", section="months")] == ["11.5"]

    def test_counts_staking_rewards_at_their_value(self, reports, account):
        coin = make_instrument(asset_class="CRYPTO")
        bars(coin, {"2024-07-01": 100})
        post(account, "STAKING", instrument=coin, quantity="0.5", occurred_at=at("2024-07-01"))
        row = reports.json("income", start="2024-07-01")["rows"][0]
        assert (row["kind"], row["gross"], row["net"], row["quantity"]) == ("STAKING", "50", "50", "0.5")

    def test_counts_cash_that_stands_for_no_units_and_none_that_does(self, reports, account, stock):
        """Six are held: a split leaves no fraction, then one; once nothing is held, capital that comes back is income."""
        post(account, "SPLIT", instrument=stock, cash="4", tax="1", data={"ratio": "2:1"}, occurred_at=at("2024-06-24"))
        post(account, "SPLIT", instrument=stock, cash="9", data={"ratio": "9:8"}, occurred_at=at("2024-06-25"))
        post(account, "RETURN_OF_CAPITAL", instrument=stock, cash="5", occurred_at=at("2024-06-26"))
        post(account, "SELL", instrument=stock, quantity="-13", price=12, occurred_at=at("2024-06-27"))
        post(account, "RETURN_OF_CAPITAL", instrument=stock, cash="17", tax="2", occurred_at=at("2024-06-28"))
        told = reports.json("income", start="2024-06-01")
        assert [(row["kind"], row["gross"], row["tax"], row["net"]) for row in told["rows"]] == [
            ("SPLIT", "5", "1", "4"),
            ("RETURN_OF_CAPITAL", "19", "2", "17"),
        ]


class TestFees:
    def test_tells_fees_and_taxes_wherever_they_were_charged(self, reports):
        told = reports.json("fees", year=2024)
        assert [(row["kind"], row["fee"], row["tax"]) for row in told["rows"]] == [
            ("SELL", "2", "0"),
            ("DIVIDEND", "0", "1.5"),
            ("FEE", "7", "0"),
        ]
        assert [(row["currency"], row["fee"], row["tax"]) for row in told["totals"]] == [("USD", "9", "1.5")]


class TestHoldings:
    def test_tells_what_was_held_at_the_end_of_a_year(self, reports, stock):
        told = reports.json("holdings", year=2023)
        assert [(row["instrument"], row["quantity"], row["cost_basis"], row["market_value"]) for row in told["rows"]] == [
            (stock.key, "6", "60.9", "72")
        ]
        assert (told["as_of"], told["total_value"]) == ("2023-12-31", "10018.5")
        assert told["cash"] == [{"currency": "USD", "balance": "9946.5"}]

    def test_tells_what_is_held_now_or_was_on_a_day(self, reports):
        assert [row["quantity"] for row in reports.json("holdings")["rows"]] == ["6"]
        assert [row["quantity"] for row in reports.json("holdings", as_of="2024-02-02")["rows"]] == ["16"]


class TestActivity:
    def test_tells_everything_in_the_order_of_happening(self, reports, account):
        post(account, "DEPOSIT", cash="1", occurred_at=at("2022-01-02"))
        told = reports.json("activity")
        assert [row["sequence"] for row in told["rows"]] == [9, 1, 2, 4, 3, 5, 6, 7, 8]
        assert told["totals"][0]["cash"] == "10000"
        sheet = reports.book("activity")["Rows"]
        assert sheet.max_row == 10
        assert isinstance(sheet["B2"].value, datetime)


class TestFormulas:
    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", '"=1', " =1", "'=1", "＝1", "\u200b=1", "\u2060-1", "\u00a0@1"])
    def test_stay_texts_in_csv_and_xlsx(self, reports, account, text):
        post(account, "DEPOSIT", cash="1", occurred_at=at("2025-01-02"), notes=text, reason_explanation=text, tags=[text.strip()])
        row = reports.csv("activity", start="2025-01-01")[0]
        assert row["notes"] == row["reason_explanation"] == f"'{text}"
        assert row["tags"] == f"'{text.strip()}"
        cells = [cell for line in reports.book("activity", start="2025-01-01")["Rows"].iter_rows() for cell in line]
        assert all(cell.data_type != "f" for cell in cells)
        assert not any(isinstance(cell.value, str) and cell.value[:1] in set("=+-@\t\r") for cell in cells)

    @pytest.mark.parametrize(
        ("text", "told"), [("a;=1", "a;'=1"), ('a;"=1', "a;'\"=1"), ("\t=1", "'\t'=1"), ("a\n -1", "a\n' -1")]
    )
    def test_stay_texts_where_cells_are_parted_elsewhere(self, reports, account, text, told):
        post(account, "DEPOSIT", cash="1", occurred_at=at("2025-01-02"), notes=text)
        assert reports.csv("activity", start="2025-01-01")[0]["notes"] == told

    def test_in_names_tags_and_the_account_stay_texts(self, reports, alice, account):
        with acting_as(alice.pk):
            Account.objects.filter(pk=account.pk).update(name="=cmd|' /C calc'!A0")
        for name in ("realized", "income", "fees", "holdings", "activity"):
            for sheet in reports.book(name).worksheets:
                cells = [cell for line in sheet.iter_rows() for cell in line]
                assert all(cell.data_type != "f" for cell in cells)
                assert not any(isinstance(cell.value, str) and cell.value[:1] in set("=+-@\t\r") for cell in cells)
        assert {row["name"] for row in reports.csv("realized")} == {"'=HYPERLINK(1)"}
        assert [row["tags"] for row in reports.csv("activity") if row["tags"]] == ["'-tag"]
        assert [row["cash"] for row in reports.csv("activity")][1] == "-101.5"


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "query", "field"),
        [
            ("realized", {"year": "20x4"}, "year"),
            ("realized", {"year": "99999"}, "year"),
            ("realized", {"year": "2024", "start": "2024-01-01"}, "year"),
            ("income", {"start": "2024-02-01", "end": "2024-01-01"}, "end"),
            ("fees", {"section": "months"}, "section"),
            ("holdings", {"year": "2024", "as_of": "2024-01-01"}, "year"),
            ("realized", {"as_of": "2024-01-01"}, "as_of"),
            ("realized", {"currency": "XXQ"}, "currency"),
        ],
    )
    def test_name_the_field(self, reports, name, query, field):
        assert reports.ask(name, code=400, **query).json()["errors"][0]["field"] == field

    def test_answer_nothing_in_a_format_that_nobody_writes(self, reports):
        reports.ask("realized", "application/pdf", 406)

    def test_strangers_find_nothing_and_viewers_read(self, reports, account, charlie):
        Reports(charlie, account).ask("realized", CSV, 404)
        bob = share(account, make_user("bob"))
        Reports(bob, account).ask("realized", CSV)

    @pytest.mark.parametrize("name", ["realized", "income", "fees", "holdings", "activity"])
    def test_tokens_reach_as_far_as_they_say(self, reports, alice, account, name):
        other = make_account(owner=alice)
        page = f"{reports.base}{name}/"
        assert program(alice, ["read"]).get(page).status_code == 200
        assert program(alice, ["read"], [account.pk]).get(page).status_code == 200
        assert program(alice, ["read"], [other.pk]).get(page).status_code == 404
        assert nobody().get(page).status_code == 401


class TestEventLog:
    @pytest.mark.parametrize("text", ["=1+1", " =1", "\u00a0@A1", "\u200b-1", "'=1", "\uff1d1", "\u2060+1", '"=1'])
    def test_is_as_harmless_and_comes_back_as_it_was(self, alice, account, text):
        told = {"data": {"said": f"a;{text}"}, "tags": ["a;=1"], "reason_explanation": "b;=1"}
        post(account, "NOTE", cash=0, notes=text, external_id=f"{text}x", occurred_at=at("2025-01-02"), **told)
        answer = browser(alice).get(f"/api/v1/accounts/{account.pk}/export/")
        assert answer["X-Content-Type-Options"] == "nosniff"
        content = b"".join(answer.streaming_content)
        last = list(csv.DictReader(io.StringIO(content.decode(), newline="")))[-1]
        assert (last["notes"], last["event_id"]) == (f"'{text}", f"'{text}x")
        assert b";=" not in content
        there = make_account(owner=alice)
        assert bring_in(there, content).refused == []
        with acting_as(alice.pk):
            found = LedgerEntry.objects.filter(account=there).order_by("-sequence").first()
        assert (found.notes, found.external_id, found.tags) == (text, f"{text}x", ["a;=1"])
        assert (found.data["said"], found.reason_explanation) == (f"a;{text}", "b;=1")
