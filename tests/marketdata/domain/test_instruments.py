"""Symbols are plain ASCII in capitals; whatever only looks like one is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.instruments import AssetClass, BadSymbol, check_symbol, isin_is_valid, problems_of, split_key

LOOK_ALIKES = {
    "full-width": "\uff21\uff21\uff30\uff2c",
    "zero-width": "AA\u200bPL",
    "Cyrillic": "\u0410\u0410PL",
    "right-to-left": "\u202eLPAA",
    "lower case": "aapl",
    "formula": "=CMD",
    "plus": "+CMD",
    "space": "AA PL",
    "tail space": "AAPL ",
    "line break": "AAPL\n",
    "no-break space": "AAPL\u00a0",
    "NUL": "AAPL\x00",
    "Greek": "\u0391APL",
    "dotless": "\u0131BM",
    "Arabic digit": "A\u0661",
    "combining": "A\u0301PL",
    "empty": "",
    "too long": "A" * 25,
    "leading dot": ".A",
    "quote": "A'B",
}


@pytest.mark.parametrize("symbol", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_a_look_alike_is_no_symbol(symbol):
    with pytest.raises(BadSymbol):
        check_symbol(symbol)


@pytest.mark.parametrize("symbol", ["A", "AAPL", "BRK.B", "BF-B", "GOOGL", "7203", "BRK/B", "X^2"])
def test_plain_symbols_pass(symbol):
    check_symbol(symbol)


@pytest.mark.parametrize("symbol", ["TOOLONG", "AAPL.BBBB", "AB^C", "A.B.C"])
def test_a_us_share_has_five_characters_and_a_class(symbol):
    with pytest.raises(BadSymbol, match="US exchange"):
        check_symbol(symbol, asset_class="EQUITY", exchange="XNAS")
    check_symbol(symbol, asset_class="EQUITY", exchange="XETR")


@pytest.mark.parametrize(("symbol", "good"), [("BTCUSD", True), ("BTC/USD", True), ("BTC-USD", False), ("BTC.USD", False)])
def test_a_crypto_pair_is_written_with_a_slash_or_none(symbol, good):
    problems = problems_of({"symbol": symbol, "exchange": "CRYPTO", "asset_class": AssetClass.CRYPTO})
    assert (problems == {}) is good


def accepted(text):
    try:
        check_symbol(text)
    except BadSymbol:
        return False
    return True


@given(st.text(max_size=30) | st.text(alphabet="ABC019.-/^ az", max_size=26))
def test_whatever_passes_is_ascii_capitals(text):
    if accepted(text):
        assert text.isascii()
        assert text == text.upper()
        assert text.isprintable()
        assert 1 <= len(text) <= 24


def test_a_key_names_symbol_and_exchange():
    assert split_key("BRK.B:XNYS") == ("BRK.B", "XNYS")
    for wrong in ("AAPL:", "AAPL:nas", "AAPL:XNAS:X", ":XNAS", "AAPL:\uff38NAS"):
        with pytest.raises(BadSymbol):
            split_key(wrong)


def test_an_isin_needs_its_check_digit():
    assert isin_is_valid("US5949181045")
    assert isin_is_valid("DE0007164600")
    for wrong in ("US5949181046", "us5949181045", "US594918104", "US59491810A5", "US5949181045\n"):
        assert not isin_is_valid(wrong)


def test_an_option_needs_what_only_an_option_has():
    named = {"symbol": "AAPL240119C00150000", "exchange": "XCBO", "asset_class": "OPTION"}
    assert set(problems_of(named)) == {"expiry", "strike", "right"}
    assert set(problems_of(named | {"asset_class": "FUTURE", "strike": 1, "right": "PUT"})) == {"strike", "right"}


def test_every_wrong_field_is_named():
    wrong = {"symbol": "aapl", "exchange": "nasdaq", "asset_class": "EQUITY", "isin": "X", "figi": "Y"}
    assert set(problems_of(wrong)) == {"symbol", "exchange", "isin", "figi"}
