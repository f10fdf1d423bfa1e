"""Traps that lie in several formats: lines without an id, pence, several accounts, days in two orders, two formats in one file."""  # noqa: E501

import json
from decimal import Decimal

import pytest

from accounts.adapters import detect
from accounts.adapters.base import NotReadable, StatementFile
from accounts.domain.statements import StatementLine
from tests.accounts.adapters.test_european import T212, TR, republic
from tests.accounts.adapters.test_exports import COINBASE, GERMAN, activity, bought, fill, ghostfolio, ofx
from tests.accounts.adapters.test_mapped_variants import read
from tests.accounts.adapters.test_readers import SAMPLES
from tests.accounts.adapters.test_schwab import robinhood, schwab
from tests.accounts.statement_files import drafts, format_of, items, lines


def t212(*amounts: str) -> str:
    rows = (f"Dividend (Dividend),2023-12-27 12:05:25,US0378331005,AAPL,Apple,1,0.2,EUR,,,,{one},EUR,,,,,,\n" for one in amounts)
    return T212 + "".join(rows)


def coinbase(*amounts: str) -> str:
    return COINBASE + "".join(f",2022-03-25 06:45:27 UTC,Staking Income,ETH,{one},EUR,€3,€3,€3,€0,\n" for one in amounts)


def trade_republic(*amounts: str) -> str:
    return TR + "".join(republic("INTEREST_PAYMENT", "", amount=one) for one in amounts)


def alpaca(*amounts: str) -> str:
    return json.dumps([fill("", one) for one in amounts])


def quicken(*amounts: str) -> str:
    return ofx("".join(bought("", one, f"-{Decimal(one) * 20 + 1}") for one in amounts))


def programs(*amounts: str) -> str:
    return ghostfolio(*(activity(quantity=Decimal(one).__float__()) for one in amounts))


@pytest.mark.parametrize("file", [t212, coinbase, trade_republic, alpaca, quicken, programs])
class TestWithoutIds:
    def test_lines_alike_are_kept_apart_and_those_of_an_overlapping_file_together(self, file):
        first, second = (
            [draft.external_id for draft in drafts(file(*amounts))] for amounts in (("2", "2"), ("3", "2", "2", "2"))
        )
        assert all(first)
        assert len(set(second)) == 4
        assert second[1:3] == first

    def test_the_order_of_the_lines_makes_no_difference(self, file):
        one, other = ({draft.external_id for draft in drafts(file(*amounts))} for amounts in (("2", "3", "2"), ("2", "2", "3")))
        assert one == other


@pytest.mark.parametrize(
    ("content", "cash"),
    [
        (ghostfolio(activity(currency="GBp", quantity=2, unitPrice=150, fee=0)), "-3"),
        (GERMAN + "2024-01-02;;GB00BP6MXD84;SHEL.L;;Shell;300,00;GBX;;;;;;2;Kauf;\n", "-3"),
        (ofx(bought("1")).replace("<CURDEF>USD", "<CURDEF>GBX"), "-0.41"),
    ],
    ids=["ghostfolio", "portfolio_performance", "ofx"],
)
def test_pence_are_pounds(content, cash):
    (draft,) = drafts(content)
    assert (draft.currency, draft.cash) == ("GBP", Decimal(cash))


@pytest.mark.parametrize(
    ("content", "accounts"),
    [
        (ofx(bought("1")) + ofx(bought("2")).partition("<OFX>")[2].replace("<ACCTID>77", "<ACCTID>88"), ["77", "88"]),
        (ghostfolio(activity(accountId="a"), activity(accountId="b")), ["a", "b"]),
        (TR + republic("INTEREST_PAYMENT", "1", amount="1") + republic("INTEREST_PAYMENT", "2", amount="1").replace("DEFAULT", "TAX_WRAPPER"),  # noqa: E501
         ["DEFAULT", "TAX_WRAPPER"]),
    ],
    ids=["ofx", "ghostfolio", "trade_republic"],
)  # fmt: skip
def test_several_accounts_in_one_file_are_kept_apart(content, accounts):
    assert [line.account for line in lines(content)] == accounts


def test_days_of_two_manners_in_one_table_are_read():
    found, _ = read("Date;Amount\n2024-01-15;5\n01/16/2024;6\n2024-02-01;7\n")
    assert [str(line.draft.occurred_at.date()) for line in found] == ["2024-01-15", "2024-01-16", "2024-02-01"]


@pytest.mark.parametrize("broker", [schwab, robinhood], ids=["schwab", "robinhood"])
def test_a_file_turned_round_says_the_same_under_the_same_ids(broker):
    rows = {
        schwab: [("04/18/2023", "Sell", "BND", "2", "$40.00", "", "$80.00"), ("04/17/2023", "Buy", "BND", "2", "$30.00", "", "-$60.00")],  # noqa: E501
        robinhood: [("4/18/2023", "F", "Ford", "Sell", "2", "$40", "$80"), ("4/17/2023", "F", "Ford", "Buy", "2", "$30", "($60)")],  # noqa: E501
    }[broker]  # fmt: skip
    one, other = ({line.draft.external_id for line in lines(broker(*some))} for some in (rows, rows[::-1]))
    assert one == other


class TestDetection:
    def test_of_two_formats_in_one_row_of_headings_asks(self):
        both = "Run Date,Action,Symbol,Quantity,Settlement Date,Amount,Accrued Interest,Commission,Fees,Date,Description,Price,Fees & Comm\n"  # noqa: E501
        found = detect(StatementFile(both.encode()))
        assert (found.reader, {name for name, _ in found.candidates}) == (None, {"fidelity", "schwab"})

    @pytest.mark.parametrize(
        "content",
        [
            "Buchungstag;Valuta;Verwendungszweck;Betrag;Währung\n02.01.2024;02.01.2024;x;5,00;EUR\n",
            "User_ID,UTC_Time,Account,Operation,Coin,Change,Remark\n",
            "txid,refid,time,type,subtype,aclass,asset,amount,fee,balance\n",
            "Datum,Tijd,Product,ISIN,Beurs,Uitvoeringsplaats,Aantal,Koers,,Lokale waarde,,Waarde,,Wisselkoers,Transactiekosten,,Totaal,,Order ID\n",  # noqa: E501
            "<html><body><table><tr><td>Date</td><td>Action</td></tr></table></body></html>",
            '{"a": 1}',
            "[]",
            "<?xml version='1.0'?><root/>",
        ],
        ids=["bank", "binance", "kraken", "degiro transactions", "page", "object", "list", "xml"],
    )
    def test_of_what_is_none_of_them_guesses_nothing(self, content):
        assert format_of(content) == ""
        with pytest.raises(NotReadable, match="none of the formats"):
            items(content)

    @pytest.mark.parametrize("name", SAMPLES)
    def test_of_one_leaves_no_other_close_by(self, name):
        weighed = detect(StatementFile(SAMPLES[name].encode())).candidates
        assert weighed[0][0] == name
        assert all(sure <= 0.6 for _, sure in weighed[1:])

    @pytest.mark.parametrize(
        "start", [b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"%PDF-1.7", b"\xd0\xcf\x11\xe0", b"SQLite format 3\0"]
    )
    def test_of_an_archive_or_a_workbook_says_what_it_is(self, start):
        with pytest.raises(NotReadable) as refusal:
            StatementFile(start + b"Date,Action,Symbol\n" * 9)
        assert refusal.value.code == "not_text"
        assert "export the statement" in str(refusal.value)


def test_every_sample_has_lines():
    assert all([item for item in items(text) if isinstance(item, StatementLine)] for text in SAMPLES.values())
