"""Rounding, plain spelling and currencies."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.money import (
    CURRENCIES,
    MINOR_UNITS,
    UnknownCurrency,
    check_currency,
    cross,
    in_major_units,
    inverse,
    major_unit,
    plain,
    round_money,
    round_to,
)

numbers = st.decimals(min_value=Decimal("-1e20"), max_value=Decimal("1e20"), allow_nan=False, allow_infinity=False, places=12)


@given(numbers)
def test_plain_spelling_loses_nothing(number):
    text = plain(number)
    assert Decimal(text) == number
    assert "E" not in text
    assert not text.endswith(".")
    assert text != "-0"


@given(numbers, st.integers(min_value=0, max_value=12))
def test_rounding_moves_by_half_a_unit_at_most(number, places):
    rounded = round_to(number, places)
    assert abs(rounded - number) * 2 <= Decimal(1).scaleb(-places)
    assert round_to(rounded, places) == rounded


def test_a_yen_has_no_cents_and_a_dinar_has_three_digits():
    assert round_money(Decimal("10.5"), "JPY") == 10
    assert round_money(Decimal("1.23456"), "BHD") == Decimal("1.235")


@given(st.decimals(min_value=Decimal("0.000001"), max_value=Decimal("1e6"), places=6))
def test_a_rate_turned_round_twice_is_the_rate(rate):
    assert abs(inverse(inverse(rate)) / rate - 1) < Decimal("1e-20")
    assert abs(cross(rate, inverse(rate)) - 1) < Decimal("1e-20")


@pytest.mark.parametrize("code", ["usd", "US", "USDT", "ZZZ", "", "US\n", "\uff35\uff33\uff24"])
def test_only_currencies_in_use_are_known(code):
    assert code not in CURRENCIES
    with pytest.raises(UnknownCurrency):
        check_currency(code)


@pytest.mark.parametrize(
    ("code", "currency", "worth"),
    [
        ("GBX", "GBP", "0.01"),
        ("GBp", "GBP", "0.01"),
        ("ZAc", "ZAR", "0.01"),
        ("ILA", "ILS", "0.01"),
        ("GBP", "GBP", "1"),
        ("JPY", "JPY", "1"),
    ],
)
def test_a_part_of_a_currency_is_kept_as_the_currency(code, currency, worth):
    assert major_unit(code) == (currency, Decimal(worth))
    assert in_major_units(Decimal("12345.6789"), code) == (currency, Decimal("12345.6789") * Decimal(worth))


@pytest.mark.parametrize("code", ["", "gbp", "gbx", "XXX", "GBPp", "US$"])
def test_a_part_of_no_currency_is_refused(code):
    with pytest.raises(UnknownCurrency):
        major_unit(code)


def test_every_part_is_of_a_currency_and_none_itself():
    for code, (currency, parts) in MINOR_UNITS.items():
        assert code not in CURRENCIES
        assert currency in CURRENCIES
        assert parts > 1
