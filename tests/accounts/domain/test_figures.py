"""Numbers as files write them: read exactly, or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.figures import Style, figure, money, units
from accounts.domain.statements import LineRefused


@pytest.mark.parametrize(
    ("text", "style", "number"),
    [
        ("1234.56", Style.POINT, "1234.56"),
        ("-$1,208.15", Style.POINT, "-1208.15"),
        ("$-7.50", Style.POINT, "-7.50"),
        ("($421.25)", Style.POINT, "-421.25"),
        ("12.5-", Style.POINT, "-12.5"),
        ("+3", Style.POINT, "3"),
        ("\u22125", Style.POINT, "-5"),
        ("-2.637591265E-4", Style.POINT, "-0.0002637591265"),
        ("USD 1,000", Style.POINT, "1000"),
        ("1000 EUR", Style.POINT, "1000"),
        ("\u20ac2718.28182846", Style.POINT, "2718.28182846"),
        ("1'234.50", Style.POINT, "1234.50"),
        ("1\u00a0234,50", Style.COMMA, "1234.50"),
        ("1.046,3825", Style.COMMA, "1046.3825"),
        ("31,70", Style.COMMA, "31.70"),
        ("-0,07", Style.EITHER, "-0.07"),
        ("-41.17", Style.EITHER, "-41.17"),
        ("1.234,56", Style.EITHER, "1234.56"),
        ("1,234.56", Style.EITHER, "1234.56"),
        (".5", Style.POINT, "0.5"),
        ("00012", Style.POINT, "12"),
    ],
)
def test_a_number_is_read_as_it_is_written(text, style, number):
    assert figure(text, "Amount", style) == Decimal(number)


@pytest.mark.parametrize("text", ["", "  ", "-", "--", "N/A", "null", "Not available"])
def test_nothing_is_nothing(text):
    assert figure(text, "Amount") is None


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("abc", Style.POINT),
        ("1,2,3", Style.POINT),
        ("12,5", Style.POINT),
        ("1.234.5", Style.POINT),
        ("0.9091", Style.COMMA),
        ("1_000", Style.POINT),
        ("١٢", Style.POINT),
        ("Infinity", Style.POINT),
        ("0x10", Style.POINT),
        ("1 2 3 .", Style.COMMA),
        ("9" * 500, Style.POINT),
        ("=1+1", Style.POINT),
        ("12%", Style.POINT),
    ],
)
def test_what_is_no_number_is_refused_by_the_name_of_its_column(text, style):
    with pytest.raises(LineRefused, match=r"^Amount: ") as refusal:
        figure(text, "Amount", style)
    assert refusal.value.code == "bad_number"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_no_number_is_changed_by_the_way_it_is_written(number):
    written = f"{number:,.4f}"
    assert figure(written, "x") == number
    assert figure(written.translate(str.maketrans(",.", ".,")), "x", Style.COMMA) == number
    if number < 0:
        assert figure(f"({written[1:]})", "x") == number
        assert figure(f"{written[1:]}-", "x") == number


def test_what_no_column_keeps_is_rounded_away_and_what_is_too_large_is_refused():
    assert money(Decimal("1234.5678901234567890123"), "Price") == Decimal("1234.5678901235")
    assert units(Decimal("0.1234567890123"), "Quantity") == Decimal("0.123456789012")
    with pytest.raises(LineRefused, match="15 digits"):
        money(Decimal("1e15"), "Amount")
