"""A rate is found as it is stored, turned round, or across the euro or the dollar; never invented."""

from datetime import date
from decimal import Decimal

from marketdata.domain.fx import legs_of, rates_of

MONDAY, TUESDAY, WEDNESDAY = date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)


def test_a_stored_rate_beats_the_inverse_of_one():
    stored = {
        ("EUR", "USD"): {TUESDAY: Decimal("1.10")},
        ("USD", "EUR"): {MONDAY: Decimal("0.8"), TUESDAY: Decimal("0.5")},
    }
    assert rates_of(("EUR", "USD"), stored) == {MONDAY: Decimal("1.25"), TUESDAY: Decimal("1.10")}


def test_a_cross_is_made_only_on_days_when_both_legs_are_known():
    stored = {
        ("EUR", "USD"): {MONDAY: Decimal("1.2"), TUESDAY: Decimal("1.3")},
        ("EUR", "CHF"): {TUESDAY: Decimal("0.5"), WEDNESDAY: Decimal("1")},
    }
    assert rates_of(("CHF", "USD"), stored) == {TUESDAY: Decimal("2.6")}


def test_a_cross_is_not_made_where_the_pair_itself_is_stored():
    stored = {
        ("GBP", "CHF"): {MONDAY: Decimal("1.1")},
        ("EUR", "GBP"): {TUESDAY: Decimal("0.8")},
        ("EUR", "CHF"): {TUESDAY: Decimal("1")},
    }
    assert rates_of(("GBP", "CHF"), stored) == {MONDAY: Decimal("1.1")}


def test_what_no_rate_speaks_of_has_none():
    assert rates_of(("JPY", "USD"), {("EUR", "USD"): {MONDAY: Decimal("1.2")}}) == {}


def test_the_days_are_in_order():
    stored = {("EUR", "USD"): {WEDNESDAY: Decimal(1), MONDAY: Decimal(2)}, ("USD", "EUR"): {TUESDAY: Decimal(4)}}
    assert list(rates_of(("EUR", "USD"), stored)) == [MONDAY, TUESDAY, WEDNESDAY]


def test_the_legs_of_a_pair_go_over_both_hubs():
    assert ("EUR", "JPY") in legs_of([("GBP", "JPY")])
    assert ("JPY", "USD") in legs_of([("GBP", "JPY")])
    assert legs_of([]) == set()
