"""Coinbase, Alpaca, OFX, Portfolio Performance and Ghostfolio: what exports of other years and programs hold."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from accounts.domain.statements import CashBalance, Holding, Rate
from tests.accounts.adapters.test_exports import COINBASE, ENGLISH, GERMAN, HEADER, bought, fill, ofx
from tests.accounts.statement_files import drafts, format_of, items, lines, refusals, said

SPOT = (
    "Timestamp,Transaction Type,Asset,Quantity Transacted,Spot Price Currency,Spot Price at Transaction,Subtotal,"
    "Total (inclusive of fees{}),Fees{},Notes\n"
)
FIRST = "Timestamp,Transaction Type,Asset,Quantity Transacted,EUR Spot Price at Transaction,EUR Subtotal,EUR Total (inclusive of fees),EUR Fees,Notes\n"  # noqa: E501
ABOVE = (
    '"You can use this transaction report to inform your likely tax obligations."\n\nTransactions\nUser,jane@example.com,5b3\n\n'
)


class TestCoinbase:
    @pytest.mark.parametrize(
        "heading", [SPOT.format("", ""), SPOT.format(" and/or spread", " and/or Spread"), FIRST], ids=["2021", "2023", "2019"]
    )
    def test_of_earlier_years_say_the_same(self, heading):
        middle = "" if heading == FIRST else "EUR,"
        text = (
            ABOVE
            + heading
            + f"2021-03-25T06:45:27Z,Buy,BTC,0.5,{middle}40000.00,20000.00,20100.00,100.00,Bought 0.5 BTC for €20100.00 EUR\n"
        )
        assert format_of(text) == "coinbase"
        (draft,) = drafts(text)
        assert (draft.kind, draft.quantity, draft.cash, draft.fee, draft.price) == ("BUY", Decimal("0.5"), -20100, 100, 40000)
        assert (draft.currency, draft.occurred_at) == ("EUR", datetime(2021, 3, 25, 6, 45, 27, tzinfo=UTC))

    def test_trades_against_a_coin_move_that_coin_and_no_money(self):
        row = "a,2024-02-05 06:33:40 UTC,Advanced Trade Buy,ETH,0.5,EUR,€1700,€850,€855,€5,Bought 0.5 ETH for 914.5 USDC on ETH-USDC at 1820 USDC/ETH\n"  # noqa: E501
        text = COINBASE + row
        found = lines(text)
        assert [(line.draft.kind, line.draft.quantity, line.instrument) for line in found] == [
            ("SELL", Decimal("-914.5"), "USDC/EUR:CRYPTO"),
            ("BUY", Decimal("0.5"), "ETH/EUR:CRYPTO"),
        ]
        assert sum(line.draft.cash for line in found) == 0
        assert len({line.draft.group for line in found}) == 1

    @pytest.mark.parametrize(
        ("kind", "asset", "quantity", "entry", "moved", "cash"),
        [
            ("Reward Income", "ADA", "1.5", "STAKING", "1.5", "0"),
            ("Coinbase Earn", "GRT", "1.5", "STAKING", "1.5", "0"),
            ("Learning Reward", "GRT", "1.5", "STAKING", "1.5", "0"),
            ("Subscription Rebate", "USDC", "1.5", "STAKING", "1.5", "0"),
            ("Send", "ADA", "-1.5", "TRANSFER_OUT", "-1.5", "0"),
            ("Send", "ADA", "1.5", "TRANSFER_OUT", "-1.5", "0"),
            ("Receive", "ADA", "1.5", "TRANSFER_IN", "1.5", "0"),
            ("Card Spend", "ADA", "-1.5", "TRANSFER_OUT", "-1.5", "0"),
            ("Donation", "ADA", "-1.5", "TRANSFER_OUT", "-1.5", "0"),
            ("Pro Withdrawal", "ADA", "1.5", "TRANSFER_IN", "1.5", "0"),
            ("Deposit", "EUR", "100", "DEPOSIT", "0", "100"),
            ("Withdrawal", "EUR", "-100", "WITHDRAWAL", "0", "-100"),
            ("Card Spend", "EUR", "-10", "WITHDRAWAL", "0", "-10"),
            ("Interest payout", "EUR", "1", "INTEREST", "0", "1"),
        ],
    )
    def test_moves_coins_and_money_in_many_ways(self, kind, asset, quantity, entry, moved, cash):
        text = COINBASE + f"a,2024-02-05 06:33:40 UTC,{kind},{asset},{quantity},EUR,€1.00,€1.50,€1.50,€0.00,\n"
        assert said(text, "kind", "quantity", "cash") == [(entry, moved, cash)]

    def test_conversions_of_newer_exports_are_negative(self):
        text = (
            COINBASE
            + 'a,2025-12-05 06:33:40 UTC,Convert,BTC,-0.5,EUR,€90000,-€45000,-€45100,€100,"Converted 0.5 BTC to 1,012.5 ETH"\n'
        )
        assert said(text, "kind", "quantity", "cash") == [("SELL", "-0.5", "45000"), ("BUY", "1012.5", "-45000")]


class TestAlpaca:
    def test_trades_that_end_an_option_move_the_shares(self):
        rows = [
            {
                "id": "1",
                "activity_type": "OPASN",
                "date": "2024-01-19",
                "symbol": "AAPL240119P00150000",
                "qty": "1",
                "net_amount": "0",
            },
            {
                "id": "2",
                "activity_type": "OPTRD",
                "date": "2024-01-19",
                "symbol": "AAPL",
                "qty": "100",
                "price": "150",
                "net_amount": "-15000",
            },
        ]
        assert said(json.dumps(rows), "kind", "quantity", "cash") == [("OPTION_ASSIGNMENT", "1", "0"), ("BUY", "100", "-15000")]

    def test_dividends_say_what_was_paid_a_share(self):
        row = {
            "id": "1",
            "activity_type": "DIV",
            "date": "2019-08-01",
            "net_amount": "1.02",
            "symbol": "T",
            "qty": "2",
            "per_share_amount": "0.51",
        }
        assert said(json.dumps([row]), "kind", "quantity", "cash") == [("DIVIDEND", "0", "1.02")]

    def test_splits_that_take_the_old_units_and_bring_the_new_ones_are_one(self):
        rows = [
            {"id": "1", "activity_type": "SSP", "date": "2024-06-10", "symbol": "NVDA", "qty": "-10", "net_amount": "0"},
            {"id": "2", "activity_type": "SSP", "date": "2024-06-10", "symbol": "NVDA", "qty": "100", "net_amount": "0"},
        ]
        (draft,) = drafts(json.dumps(rows))
        assert (draft.kind, draft.quantity, draft.data["ratio"]) == ("SPLIT", 90, "10:1")

    def test_times_with_an_offset_and_sales_are_read(self):
        text = json.dumps([fill("1", "2", side="sell", transaction_time="2024-03-04T13:54:20-05:00")])
        (draft,) = drafts(text)
        assert (draft.kind, draft.quantity, draft.occurred_at) == ("SELL", -2, datetime(2024, 3, 4, 18, 54, 20, tzinfo=UTC))


def bank(inner: str, currency: str = "EUR", balance: str = "") -> str:
    """Return a statement of a bank, in SGML."""
    return (
        f"{HEADER}<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>{currency}<BANKACCTFROM><BANKID>1<ACCTID>99<ACCTTYPE>CHECKING"
        f"</BANKACCTFROM><BANKTRANLIST><DTSTART>20240101<DTEND>20240331{inner}</BANKTRANLIST>{balance}</STMTRS></STMTTRNRS>"
        "</BANKMSGSRSV1></OFX>"
    )


def moved(kind: str, amount: str, identity: str, more: str = "") -> str:
    return f"<STMTTRN><TRNTYPE>{kind}<DTPOSTED>20240315120000<TRNAMT>{amount}<FITID>{identity}<NAME>About{more}</STMTTRN>\n"


class TestOfx:
    def test_of_a_bank_with_commas_and_its_balance(self):
        text = bank(
            moved("CREDIT", "1234,56", "1")
            + moved("DEBIT", "-12,5", "2")
            + moved("SRVCHG", "-3.00", "3")
            + moved("INT", "0.07", "4")
            + moved("XFER", "-100.00", "5")
            + moved("ATM", "-20", "6")
            + moved("DIRECTDEP", "+5", "7"),
            balance="<LEDGERBAL><BALAMT>1104,13<DTASOF>20240331</LEDGERBAL>",
        )
        assert said(text, "kind", "cash", "currency") == [
            ("DEPOSIT", "1234.56", "EUR"),
            ("WITHDRAWAL", "-12.5", "EUR"),
            ("FEE", "-3", "EUR"),
            ("INTEREST", "0.07", "EUR"),
            ("TRANSFER_OUT", "-100", "EUR"),
            ("WITHDRAWAL", "-20", "EUR"),
            ("DEPOSIT", "5", "EUR"),
        ]
        assert [item.cash for item in items(text) if isinstance(item, CashBalance)] == [Decimal("1104.13")]

    def test_of_a_credit_card(self):
        text = bank(moved("DEBIT", "-12.5", "2")).replace("BANKMSGSRSV1", "CREDITCARDMSGSRSV1").replace("STMTRS", "CCSTMTRS")
        assert said(text, "kind", "cash") == [("WITHDRAWAL", "-12.5")]

    def test_amounts_that_were_converted_are_in_the_currency_of_the_account(self):
        was = "<ORIGCURRENCY><CURRATE>0.9<CURSYM>USD</ORIGCURRENCY>"
        isnt = "<CURRENCY><CURRATE>0.9<CURSYM>USD</CURRENCY>"
        one, other = lines(bank(moved("DEBIT", "-9.00", "1", was) + moved("DEBIT", "-10.00", "2", isnt)))
        assert (one.draft.currency, one.draft.cash) == ("EUR", -9)
        assert (other.draft.currency, other.draft.cash, other.rate) == ("USD", -10, Rate("EUR", Decimal("0.9")))

    def test_bonds_come_with_the_interest_that_had_accrued(self):
        inner = (
            "<BUYDEBT><INVBUY><INVTRAN><FITID>1<DTTRADE>20240227</INVTRAN><SECID><UNIQUEID>912828U24<UNIQUEIDTYPE>CUSIP</SECID>"
            "<UNITS>10000<UNITPRICE>98.5<COMMISSION>0<TOTAL>-9871.25</INVBUY><ACCRDINT>21.25</BUYDEBT>"
        )
        (line,) = lines(ofx(inner))
        assert (line.draft.cash, line.draft.data["accrued_interest"], line.hints.multiplier) == (
            Decimal("-9871.25"),
            "21.25",
            Decimal("0.01"),
        )
        assert drafts(ofx(inner))

    def test_options_short_sales_and_covers(self):
        head = "<INVTRAN><FITID>{}<DTTRADE>20240227</INVTRAN><SECID><UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP</SECID>"
        inner = (
            f"<SELLSTOCK><INVSELL>{head.format(1)}<UNITS>-2<UNITPRICE>20<COMMISSION>1<TOTAL>39</INVSELL><SELLTYPE>SELLSHORT</SELLSTOCK>"
            f"<BUYSTOCK><INVBUY>{head.format(2)}<UNITS>2<UNITPRICE>19<COMMISSION>1<TOTAL>-39</INVBUY><BUYTYPE>BUYTOCOVER</BUYSTOCK>"
        )
        assert said(ofx(inner), "kind", "quantity", "cash") == [("SHORT", "-2", "39"), ("COVER", "2", "-39")]

    def test_dividends_with_tax_reinvested_interest_and_capital_gains(self):
        head = "<INVTRAN><FITID>{}<DTTRADE>20240227</INVTRAN><SECID><UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP</SECID>"
        inner = (
            f"<INCOME>{head.format(1)}<INCOMETYPE>DIV<TOTAL>8.5<SUBACCTSEC>CASH<WITHHOLDING>1.5</INCOME>"
            f"<INCOME>{head.format(2)}<INCOMETYPE>CGLONG<TOTAL>5</INCOME>"
            f"<INCOME>{head.format(3)}<INCOMETYPE>INTEREST<TOTAL>4</INCOME>"
            f"<REINVEST>{head.format(4)}<INCOMETYPE>INTEREST<TOTAL>-4<UNITS>0.2<UNITPRICE>20</REINVEST>"
        )
        assert said(ofx(inner), "kind", "cash", "tax") == [
            ("DIVIDEND", "8.5", "1.5"),
            ("DIVIDEND", "5", "0"),
            ("INTEREST", "4", "0"),
            ("INTEREST", "4", "0"),
            ("BUY", "-4", "0"),
        ]

    def test_positions_and_what_is_left_in_cash(self):
        text = ofx(bought("1")).replace(
            "</INVTRANLIST>",
            "</INVTRANLIST><INVPOSLIST><POSSTOCK><INVPOS><SECID><UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP</SECID><HELDINACCT>CASH<POSTYPE>LONG"
            "<UNITS>2<UNITPRICE>20<MKTVAL>40<DTPRICEASOF>20240331</INVPOS></POSSTOCK></INVPOSLIST><INVBAL><AVAILCASH>59<MARGINBALANCE>0"
            "<SHORTBALANCE>0</INVBAL>",
        )
        assert [(item.quantity, item.value) for item in items(text) if isinstance(item, Holding)] == [(2, 40)]
        assert [item.cash for item in items(text) if isinstance(item, CashBalance)] == [59]

    def test_units_of_funds_are_rounded(self):
        inner = bought("1", "2.361", "-1001").replace("<UNITPRICE>20", "<UNITPRICE>423.5")
        (draft,) = drafts(ofx(inner))
        assert (draft.quantity, draft.price, draft.cash) == (Decimal("2.361"), Decimal("423.5"), -1001)
        assert draft.data["rounding"]
        assert refusals(ofx(inner.replace("2.361", "2"))) == [(6, "contradicting_amount")]


class TestPortfolioPerformance:
    def test_times_of_a_table_stand_behind_a_comma(self):
        heading = "Datum;Typ;Wertpapier;Stück;Kurs;Betrag;Gebühren;Steuern;Gesamtpreis;Konto;Gegenkonto;Notiz;Quelle\n"
        (draft,) = drafts(heading + "02.01.2024, 15:30;Verkauf;SAP SE;5;130,00;650,00;5,00;10,00;635,00;Depot;Konto;;\n")
        assert (draft.kind, draft.cash, draft.tax, draft.price) == ("SELL", 635, 10, 130)
        assert draft.occurred_at == datetime(2024, 1, 2, 15, 30, tzinfo=UTC)

    def test_accounts_and_deliveries_with_costs(self):
        text = GERMAN + (
            "2024-01-02;;DE0007164600;SAP.DE;;SAP SE;120,00;EUR;11,00;10,00;;;;1,2;Einlieferung;\n"
            "2024-01-03;;DE0007164600;SAP.DE;;SAP SE;18,50;EUR;;6,63;25,13;EUR;;10;Dividende;\n"
            "2024-01-04T15:30;;DE0007164600;SAP.DE;;SAP SE;1.000,00;EUR;5,00;;1.005,00;EUR;;10;Verkauf;\n"
        )
        assert said(text, "kind", "quantity", "cash", "fee", "tax") == [
            ("TRANSFER_IN", "1.2", "0", "0", "0"),
            ("DIVIDEND", "0", "18.5", "0", "6.63"),
            ("SELL", "-10", "1000", "5", "0"),
        ]
        assert lines(text)[2].draft.occurred_at == datetime(2024, 1, 4, 15, 30, tzinfo=UTC)

    def test_prices_in_another_currency_keep_their_rate(self):
        text = ENGLISH + "2024-01-02;;US0378331005;AAPL;;Apple;905.00;EUR;5.00;;1,000.00;USD;0.9;5;Buy;\n"
        (draft,) = drafts(text)
        assert (draft.cash, draft.price, draft.fee) == (-905, 180, 5)
        assert draft.data == {"gross_amount": "1000 USD", "rate": "0.9"}

    def test_texts_that_programs_made_harmless_are_as_they_were(self):
        text = ENGLISH + "2024-01-02;;;;;;5.00;EUR;;;;;;;Deposit;'=2+3\n"
        assert drafts(text)[0].notes == "=2+3"

    @pytest.mark.parametrize("kind", ["Transfer (Inbound)", "Transfer In", "Security Transfer (Inbound)", "Delivery (Inbound)"])
    def test_moves_in(self, kind):
        text = ENGLISH + f"2024-01-02;;US0378331005;AAPL;;Apple;100.00;EUR;;;;;;5;{kind};\n"
        assert said(text, "kind", "quantity") == [("TRANSFER_IN", "5")]


class TestGhostfolio:
    def test_tables_of_other_makers_have_their_columns_in_small_letters_and_other_orders(self):
        text = "fee;date;currency;unitPrice;quantity;symbol;type;dataSource;comment\n"
        text += "1;2024-01-02;USD;10.5;2;AAPL;BUY;YAHOO;n\n"
        assert format_of(text) == "ghostfolio_csv"
        assert said(text, "kind", "quantity", "price", "cash") == [("BUY", "2", "10.5", "-22")]
