"""Held for long or short: to the day, across leap days, with a threshold of the account's own."""

import pytest

from tests.factories import make_instrument
from tests.portfolio.desk import Desk


@pytest.mark.parametrize(
    ("opened", "closed", "days", "term"),
    [
        ("2022-03-01", "2023-03-01", 365, "SHORT"),
        ("2022-03-01", "2023-03-02", 366, "LONG"),
        ("2020-02-28", "2021-02-28", 366, "SHORT"),
        ("2020-02-29", "2021-02-28", 365, "SHORT"),
        ("2020-02-29", "2021-03-01", 366, "LONG"),
        ("2019-02-28", "2020-02-28", 365, "SHORT"),
        ("2019-02-28", "2020-02-29", 366, "LONG"),
        ("2019-12-31", "2020-12-31", 366, "SHORT"),
        ("2019-12-31", "2021-01-01", 367, "LONG"),
        ("2024-01-02T23:59:59", "2025-01-02T00:00:00", 366, "SHORT"),
        ("2024-01-02T00:00:00", "2024-01-02T23:59:59", 0, "SHORT"),
    ],
)
def test_a_year_is_over_after_its_day_came_round(alice, opened, closed, days, term):
    stock, desk = make_instrument(), Desk(alice)
    desk.post("BUY", opened, stock, quantity=1, price=10)
    desk.post("SELL", closed, stock, quantity=1, price=11)
    assert desk.closures(stock, "holding_days", "term") == [(days, term)]


@pytest.mark.parametrize(("threshold", "terms"), [(365, ["SHORT", "LONG"]), (364, ["LONG", "LONG"]), (0, ["LONG", "LONG"])])
def test_more_days_than_the_threshold_are_long(alice, threshold, terms):
    stock, desk = make_instrument(), Desk(alice)
    desk.post("BUY", "2022-03-01", stock, quantity=2, price=10)
    desk.post("SELL", "2023-03-01", stock, quantity=1, price=11)
    desk.post("SELL", "2023-03-02", stock, quantity=1, price=11)
    assert desk.closures(stock, "term") == [("SHORT",), ("LONG",)]
    desk.send("", {"long_term_days": threshold}, 200, method="patch")
    assert [row[0] for row in desk.closures(stock, "term")] == terms
    desk.check()


def test_units_of_a_spin_off_and_a_merger_have_the_days_of_what_they_came_from(alice):
    stock, child, desk = make_instrument(), make_instrument(), Desk(alice)
    desk.post("BUY", "2022-03-01", stock, quantity=10, price=10)
    desk.post("SPIN_OFF", "2023-01-10", child, quantity=5, data={"from": stock.key, "cost_fraction": "0.2"})
    desk.post("SELL", "2023-03-01", child, quantity=1, price=9)
    desk.post("SELL", "2023-03-02", child, quantity=4, price=9)
    assert desk.closures(child, "opened_at", "holding_days", "term") == [
        ("2022-03-01", 365, "SHORT"),
        ("2022-03-01", 366, "LONG"),
    ]
    desk.check()


def test_a_short_sale_counts_from_its_day(alice):
    stock, desk = make_instrument(), Desk(alice)
    desk.post("SHORT", "2022-03-01", stock, quantity=10, price=10)
    desk.post("COVER", "2023-03-02", stock, quantity=10, price=9)
    assert desk.closures(stock, "quantity", "holding_days", "term") == [(-10, 366, "LONG")]
