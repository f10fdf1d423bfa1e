"""Reports add up to what the API tells, to the last digit: of shorts, options, pence, wash sales, splits, and what was undone."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone

from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from portfolio.domain.reports import Period
from portfolio.selectors.reports import report_of
from tests.factories import make_instrument, post
from tests.portfolio.api.test_reports import CSV, XLSX, Reports
from tests.portfolio.desk import Desk
from tests.portfolio.market import bars, fresh_currencies
from tests.portfolio.worlds import Fortnights, at, far, strange

D = Decimal
ALL = ("realized", "income", "fees", "holdings", "activity")


@pytest.fixture(scope="module")
def desks():
    """Accounts in which much happened, with an entry that was taken back and a sale of what nobody bought in each."""
    fortnights = Fortnights()
    owner, (base, foreign) = fortnights.owner, fresh_currencies(2)
    found = {"busy": fortnights.busy("LIFO"), "strange": strange(owner)}
    found["far"], found["coins"] = far(owner, base, foreign)
    for account in found.values():
        sold = make_instrument(currency=account.base_currency)
        mine = {"currency": account.base_currency, "instrument": sold, "occurred_at": at("2024-06-03")}
        bars(sold, {"2024-06-03": 12})
        post(account, "SELL", quantity="-5", price="11.11", fee="0.07", **mine)
        bought = post(account, "BUY", quantity="5", price="10", fee="2", **mine)
        post(account, "BUY", quantity="2", price="10", **mine | {"occurred_at": at("2024-06-04")})
        with acting_as(owner.pk):
            reverse_entry(entry=bought, actor=owner)
    return {name: Desk(owner, account) for name, account in found.items()}


@pytest.fixture(params=["busy", "strange", "far", "coins"])
def desk(request, desks):
    return desks[request.param]


@pytest.fixture
def reports(desk):
    return Reports(desk.user, desk.account)


def added(rows: Iterable[Mapping[str, Any]], *names: str) -> dict[str, list[Decimal]]:
    """Return the sums of columns by currency."""
    sums: dict[str, list[Decimal]] = {}
    for row in rows:
        own = sums.setdefault(row["currency"], [D(0)] * len(names))
        for place, name in enumerate(names):
            own[place] += D(row[name])
    return sums


def told(report: Mapping[str, Any], *names: str) -> dict[str, list[Decimal]]:
    """Return the totals of a report by currency."""
    return {row["currency"]: [D(row[name]) for name in names] for row in report["totals"]}


def positions(desk: Desk, **query) -> list[dict[str, Any]]:
    return desk.get("positions/", state="all", limit=1000, **query)["results"]


class TestRealized:
    def test_is_what_closures_and_positions_tell(self, desk, reports):
        report = reports.json("realized")
        closures = desk.get("closures/", limit=1000)["results"]
        names = ("cost", "proceeds", "gain", "disallowed_loss")
        assert told(report, *names) == added(report["rows"], *names) == added(closures, *names)
        of_positions = {code: sums for code, sums in added(positions(desk), "realized_gain").items() if code in told(report)}
        assert told(report, "taxable_gain") == of_positions
        assert [row["closed_on"] for row in report["rows"]] == sorted(row["closed_on"] for row in report["rows"])

    def test_splits_into_terms_and_what_does_not_count(self, reports):
        for total in reports.json("realized")["totals"]:
            assert D(total["short_term"]) + D(total["long_term"]) == D(total["taxable_gain"])
            assert D(total["gain"]) + D(total["disallowed_loss"]) == D(total["taxable_gain"])

    def test_of_years_is_that_of_all(self, reports):
        days = ["2024-01-01", "2024-03-05", "2024-04-06", "2024-05-14", "2025-01-01"]
        parts = [reports.json("realized", start=start, end=end) for start, end in pairwise(days)]
        assert [row for part in parts for row in part["rows"]] == reports.json("realized")["rows"]

    def test_in_the_account_s_currency_is_what_positions_tell(self, desk, reports):
        own = desk.account.base_currency
        report = reports.json("realized", currency="account")
        assert {row["currency"] for row in report["rows"]} == {own}
        assert report["totals"][0]["without_rate"] == len([row for row in report["rows"] if row["gain"] is None])
        rows = positions(desk, currency="account")
        if all(row["realized_gain"] is not None for row in rows) and not report["totals"][0]["without_rate"]:
            assert told(report, "taxable_gain") == added(rows, "realized_gain")

    def test_names_what_nobody_bought(self, desk, reports):
        rows = [row for row in reports.json("realized")["rows"] if row["missing"]]
        assert [row["quantity"] for row in rows if row["closed_on"] == "2024-06-04"] == ["-2"]
        assert {row["instrument"] for row in rows} <= {row["instrument"] for row in desk.get("missing-acquisitions/")["results"]}


class TestIncomeAndFees:
    def test_income_of_instruments_is_that_of_their_positions(self, desk, reports):
        rows = reports.json("income")["rows"]
        found = added([row for row in rows if row["instrument"]], "gross")
        assert found == {code: sums for code, sums in added(positions(desk), "income").items() if sums[0]}

    def test_net_is_gross_less_what_went_off(self, reports):
        report = reports.json("income")
        assert told(report, "gross", "tax", "fee", "net") == added(report["rows"], "gross", "tax", "fee", "net")
        assert all(D(row["net"]) == D(row["gross"]) - D(row["tax"]) - D(row["fee"]) for row in report["rows"])
        for table in ("months", "instruments"):
            assert added(report[table], "gross", "net") == told(report, "gross", "net")

    def test_in_the_account_s_currency_are_those_of_the_bridge(self, desk, reports):
        bridge = desk.get("performance/")["bridge"]
        fees, income = (reports.json(name, currency="account") for name in ("fees", "income"))
        if any(total["without_rate"] for total in fees["totals"] + income["totals"]):
            assert bridge is None
            return
        own = desk.account.base_currency
        assert told(fees, "fee", "tax").get(own, [0, 0]) == [D(bridge["fees"]), D(bridge["taxes"])]
        assert told(income, "gross").get(own, [0]) == [D(bridge["income"]) + D(bridge["interest"])]

    def test_fees_of_positions_are_among_them(self, desk, reports):
        rows = [row for row in reports.json("fees")["rows"] if row["instrument"]]
        wanted = added(positions(desk), "fees", "taxes")
        assert added(rows, "fee", "tax") == {code: sums for code, sums in wanted.items() if any(sums)}


class TestHoldings:
    @pytest.mark.parametrize("query", [{}, {"as_of": "2024-05-13"}, {"as_of": "2024-03-10"}])
    def test_are_the_positions_and_the_cash_of_the_day(self, desk, reports, query):
        report = reports.json("holdings", **query)
        rows = [row for row in positions(desk, **query) if D(row["quantity"])]
        names = ("instrument", "quantity", "cost_basis", "market_value", "unrealized_gain", "average_price", "currency")
        assert [[row[name] for name in names] for row in report["rows"]] == [[row[name] for name in names] for row in rows]
        summary = desk.get("summary/", **query)
        assert {row["currency"]: row["balance"] for row in report["cash"]} == (summary["cash"] or {})
        assert report["total_value"] == summary["total_value"]


class TestActivity:
    def test_is_the_ledger(self, desk, reports):
        entries = desk.get("entries/", limit=1000, ordering="sequence")["results"]
        rows = sorted(reports.json("activity")["rows"], key=lambda row: row["sequence"])
        names = ("sequence", "kind", "quantity", "cash", "currency", "fee", "tax", "occurred_at", "recorded_at")
        assert [[row[name] for name in names] for row in rows] == [[entry[name] for name in names] for entry in entries]
        assert [row["reverses"] for row in rows if row["reverses"]] == [one["sequence"] for one in entries if one["reversed_by"]]
        assert added(rows, "cash") == told(reports.json("activity"), "cash")


class TestWhatWasKnown:
    def test_leaves_out_what_was_recorded_later(self, desk, reports):
        known = timezone.now()
        told_before = {name: reports.json(name, known_at=known.isoformat()) for name in ALL}
        later = make_instrument(currency=desk.account.base_currency)
        mine = {"currency": desk.account.base_currency, "occurred_at": at("2024-03-20")}
        post(desk.account, "BUY", instrument=later, quantity="3", price="7", fee="1", **mine)
        post(desk.account, "SELL", instrument=later, quantity="-1", price="9", fee="1", **mine)
        post(desk.account, "INTEREST", cash="5", **mine)
        assert {name: reports.json(name, known_at=known.isoformat()) for name in ALL} == told_before
        assert all(reports.json(name) != told_before[name] for name in ALL)


class TestFiles:
    @pytest.mark.parametrize("name", ALL)
    def test_say_the_same_whatever_their_form(self, desk, reports, name):
        rows, lines = reports.json(name)["rows"], reports.csv(name)
        assert lines == [{column: text_of(value) for column, value in row.items()} for row in rows]
        sheet = reports.book(name)["Rows"]
        heads = [cell.value.lower().replace(" ", "_") for cell in sheet[1]]
        assert heads == list(lines[0]) if lines else True
        for line, cells in zip(rows, sheet.iter_rows(min_row=2), strict=True):
            for column, cell in zip(heads, cells, strict=True):
                assert_same(line[column], cell)

    @pytest.mark.parametrize("accept", [CSV, XLSX, "application/json"])
    def test_are_never_guessed_at_by_browsers(self, reports, accept):
        answer = reports.ask("activity", accept)
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Type"].startswith(accept)
        assert accept == "application/json" or answer["Content-Disposition"].startswith("attachment; ")

    def test_are_the_same_when_asked_again(self, reports):
        assert reports.bytes("realized", CSV) == reports.bytes("realized", CSV)


def test_report_of_a_name_is_read_once(desks):
    desk = desks["busy"]
    with acting_as(desk.user.pk):
        report = report_of(desk.account, "fees", Period(), "")
        assert [table.name for table in report.tables] == ["rows", "totals", "kinds"]


def text_of(value: Any) -> str:
    """Return a value of the JSON as the CSV writes it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def assert_same(value: Any, cell: Any) -> None:
    """Hold a cell of a workbook to a value of the JSON: numbers as numbers, days as days, in UTC."""
    if value is None or value == "":
        assert cell.value in {None, ""}
    elif isinstance(value, str) and cell.is_date:
        assert cell.value.isoformat() in {f"{value}T00:00:00", value.removesuffix("Z"), cell.value.isoformat()}
        assert cell.value.isoformat()[:10] == value[:10]
    elif cell.data_type == "n":
        assert cell.value == pytest.approx(float(value), rel=1e-14)
    else:
        assert cell.value == value
