"""Fees and taxes that were paid back: what was charged is what is left of them, and every figure adds up."""

import json
from decimal import Decimal

import pytest

from tests.factories import make_bars, make_instrument, make_user
from tests.portfolio.desk import Desk

D = Decimal
FEE, TAX = {"refund": "FEE"}, {"refund": "TAX"}


@pytest.fixture(params=["FIFO", "AVERAGE"])
def desk(request):
    """Both ways to derive: all columns at once, and entry by entry."""
    desk = Desk(make_user(), cost_basis_method=request.param, base_currency="USD")
    share = make_instrument(currency="USD")
    make_bars(share, [("2024-01-02", "10"), ("2024-01-03", "10"), ("2024-01-04", "11")])
    desk.share = share
    desk.post_all(
        [
            {"kind": "DEPOSIT", "occurred_at": "2024-01-02T10:00:00Z", "cash": "1000"},
            {"kind": "BUY", "occurred_at": "2024-01-02T11:00:00Z", "instrument": share.key, "quantity": "10", "price": "10",
             "fee": "1"},
            {"kind": "FEE", "occurred_at": "2024-01-03T10:00:00Z", "cash": "-20"},
            {"kind": "FEE", "occurred_at": "2024-01-04T10:00:00Z", "cash": "5", "data": FEE},
            {"kind": "FEE", "occurred_at": "2024-01-04T11:00:00Z", "cash": "2", "instrument": share.key, "data": FEE},
            {"kind": "TAX", "occurred_at": "2024-01-03T11:00:00Z", "cash": "-8", "instrument": share.key},
            {"kind": "TAX", "occurred_at": "2024-01-04T12:00:00Z", "cash": "3", "instrument": share.key, "data": TAX},
            {"kind": "TAX", "occurred_at": "2024-01-04T13:00:00Z", "cash": "1.5", "data": TAX},
        ]
    )  # fmt: skip
    return desk


def test_raise_cash_and_lower_what_was_charged(desk):
    summary = desk.get("summary/")
    assert (D(summary["cash"]["USD"]), D(summary["total_value"]), D(summary["gain"])) == (D("882.5"), D("992.5"), D("-7.5"))
    (position,) = desk.get("positions/")["results"]
    assert (D(position["fees"]), D(position["taxes"]), D(position["cost_basis"])) == (-1, 5, 101)
    gains = position["gains"]
    assert (D(gains["fees"]), D(gains["taxes"]), D(gains["total"])) == (-1, 5, D(gains["price"]) + 1 - 5)


def test_count_on_the_day_on_which_they_came(desk):
    days = {row["date"]: row for row in desk.get("snapshots/")["results"]}
    assert [(D(days[f"2024-01-0{n}"]["fees"]), D(days[f"2024-01-0{n}"]["taxes"])) for n in (2, 3, 4)] == [
        (1, 0),
        (20, 8),
        (-7, D("-4.5")),
    ]
    for row in days.values():
        made = D(row["price_gain"]) + D(row["currency_gain"]) + D(row["income"]) + D(row["interest"])
        assert D(row["day_gain"]) == made - D(row["fees"]) - D(row["taxes"])
    assert D(days["2024-01-04"]["day_gain"]) == D("21.5")


def test_are_told_below_zero_in_the_report_of_fees(desk):
    answer = desk.client.get(f"{desk.base}reports/fees/", {"year": 2024}, HTTP_ACCEPT="application/json")
    told = json.loads(b"".join(answer.streaming_content))
    (total,) = told["totals"]
    assert (D(total["fee"]), D(total["tax"])) == (14, D("3.5"))
    assert sorted((row["kind"], D(row["fee"]), D(row["tax"])) for row in told["rows"]) == [
        ("BUY", 1, 0), ("FEE", -5, 0), ("FEE", -2, 0), ("FEE", 20, 0), ("TAX", 0, -3), ("TAX", 0, D("-1.5")), ("TAX", 0, 8),
    ]  # fmt: skip


def test_are_explained_and_derived_alike_another_time(desk):
    desk.explains()
    desk.check()
    (position,) = desk.get("positions/", currency="account")["results"]
    assert (D(position["fees"]), D(position["taxes"])) == (-1, 5)


def test_may_be_taken_back(desk):
    refund = next(row for row in desk.get("entries/")["results"] if row["kind"] == "FEE" and D(row["cash"]) == 5)
    desk.take_back(refund)
    assert D(desk.get("summary/")["cash"]["USD"]) == D("877.5")
    assert D({row["date"]: row for row in desk.get("snapshots/")["results"]}["2024-01-04"]["fees"]) == -2


def test_have_to_say_so(desk):
    refused = desk.send("entries/", {"kind": "FEE", "occurred_at": "2024-01-05T10:00:00Z", "cash": "5"}, 400)
    assert "data.refund" in str(refused)
