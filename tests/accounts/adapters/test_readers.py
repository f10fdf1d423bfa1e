"""Every reader alike: whatever stands in a file, it answers with lines that the ledger takes, or says what is wrong with which."""  # noqa: E501

import json
from contextlib import suppress
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.adapters import FORMATS, READERS
from accounts.adapters.base import NotReadable, StatementFile
from accounts.domain.ledger import EntryRefused
from accounts.domain.statements import LineRefused, Refusal, StatementLine, completed
from tests.accounts import flex
from tests.accounts.adapters import test_european as european
from tests.accounts.adapters import test_exports as exports
from tests.accounts.adapters import test_schwab as american
from tests.accounts.statement_files import format_of

SAMPLES = {
    "ibkr_flex_xml": flex.flex(flex.trade(), flex.cash(), flex.trade(assetCategory="CASH", symbol="EUR.USD", tradeID="9")),
    "schwab": american.schwab(
        ("04/18/2023", "Sell", "BND", "12.5", "$40.1231", "$0.01", "$501.53"),
        ("04/17/2023 as of 04/15/2023", "Reverse Split", "BND", "10", "", "", ""),
        ("04/16/2023", "Journal", "BND", "10", "", "", "$5"),
    ),
    "fidelity": american.fidelity(("12/04/2025", "1", "YOU BOUGHT A BOND (Cash)", "412003AD7", "88.40", "100", "2.00", "-90.40")),
    "robinhood": american.robinhood(american.TestRobinhood.BUY, ("6/10/2024", "AAPL", "Split", "SPL", "4.5S", "", "")),
    "alpaca": json.dumps(
        [exports.fill("1", "2"), {"id": "2", "activity_type": "JNLS", "date": "2024-01-02", "qty": "1", "symbol": "A"}]
    ),
    "degiro": european.degiro(("Koop 2 @ 33,9 EUR", "EUR", "-67,80", "o"), ("STOCK SPLIT: Koop 4 @ 1 EUR", "EUR", "-4,00", "")),
    "trading212": european.T212
    + "Market buy,2023-12-18 14:30:03.6,US0378331005,AAPL,Apple,2,100,USD,1.25,,EUR,161,EUR,,,,EOF1234567,1,EUR\n",
    "trade_republic": european.TR
    + european.republic("BUY", "a", symbol="US0378331005", shares="2", price="25.5", amount="-51.00", fee="-1.00"),
    "coinbase": exports.COINBASE
    + "a,2024-12-05 06:33:40 UTC,Convert,BTC,0.5,EUR,€90000,€45000,€45100,,Converted 0.5 BTC to 12.5 ETH\n",
    "ofx": exports.ofx(exports.bought("f1")),
    "portfolio_performance": exports.GERMAN + "2024-01-02;10:00;DE0007164600;SAP.DE;1;SAP SE;1.210,50;EUR;10,50;;;;;12;Kauf;n\n",
    "ghostfolio_json": exports.ghostfolio(exports.activity(), exports.activity(type="DIVIDEND")),
    "ghostfolio_csv": "Date,Code,DataSource,Currency,Price,Quantity,Action,Fee,Note\n01-09-2021,ACME,YAHOO,USD,10,1,buy,0.00,n\n",
}
NASTY = ["", "-", "0", "-1", "1e400", "NaN", "=cmd()", "\0", "\u202e", '"', "'", "9" * 60, "2999-01-01", "1900-01-01", "<x>", "&a;", "USD", "Buy",  # noqa: E501
         "Sell", "Dividend", "Split", "Transfer", "Fee", "Tax", "Interest", "Deposit", "TRANSFER_OUT", "FEE", "DIV", "CASH", "OPT"]  # fmt: skip  # noqa: E501


def test_formats_have_names_that_differ_and_titles():
    assert len(set(FORMATS)) == len(FORMATS) == len(READERS) + 1
    assert all(reader.title and len(reader.name) <= 30 for reader in READERS)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_recognized_beyond_doubt(name):
    assert format_of(SAMPLES[name]) == name
    assert format_of("\ufeff" + SAMPLES[name]) == name
    assert format_of(SAMPLES[name].encode("utf-16")) == name


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_read_twice_says_the_same_under_the_same_ids(name):
    first, second = ([item.draft for item in read(name, SAMPLES[name]) if isinstance(item, StatementLine)] for _ in "ab")
    assert first
    assert first == second


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_stands_in_a_file_is_a_good_line_or_refused_by_name(name, data):
    text = SAMPLES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text) - 1))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from(NASTY) | st.text(max_size=8)) + text[end:]
    for item in read(name, text):
        if isinstance(item, StatementLine):
            check(item)
        elif isinstance(item, Refusal):
            assert item.line >= 1
            assert item.code
            assert item.detail


def read(name, text):
    """Return what a reader says to a text, nothing if it refuses it as a whole."""
    (reader,) = (reader for reader in READERS if reader.name == name)
    try:
        file = StatementFile(text.encode("utf-8", "replace"))
        assert 0 <= reader.certainty(file) <= 1
        return list(reader.read(file, ZoneInfo("UTC")))
    except NotReadable:
        return []


def check(line):
    """Check that the ledger would take a line, or refuse it only for what the account has to tell."""
    if line.takes_back or line.reverses:
        return
    instrument = uuid4() if line.instrument else None
    problems: set[str] = set()
    with suppress(LineRefused):
        try:
            completed(line, instrument_id=instrument, currency="EUR", multiplier=line.hints.multiplier or 1).check()
        except EntryRefused as refusal:
            problems = set(refusal.problems)
    # the ratio of a split may have to come from the ledger, and a day before 1970 is the ledger's to refuse
    assert problems <= {"data.ratio", "occurred_at"}, line
