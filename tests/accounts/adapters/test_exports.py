"""Alpaca, Coinbase, OFX, Portfolio Performance and Ghostfolio: the traps of their exports."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from accounts.adapters.base import NotReadable, StatementFile
from accounts.domain.statements import CashBalance, Heading, Refusal, Skipped, StatementLine
from tests.accounts.statement_files import PUBLISHED, drafts, format_of, items, lines, published, refusals, said


def fill(identity: str, quantity: str, **changes: str) -> dict[str, str]:
    """Return a fill of an order at Alpaca."""
    return {
        "id": identity,
        "account_id": "a1",
        "activity_type": "FILL",
        "transaction_time": "2024-03-04T18:54:20.903569Z",
        "type": "partial_fill",
        "price": "100.5",
        "qty": quantity,
        "side": "buy",
        "symbol": "ACME",
        "order_id": "o1",
    } | changes


class TestAlpaca:
    def test_partial_fills_of_one_order_are_kept_apart_by_their_ids(self):
        found = lines(json.dumps([fill("1::a", "2.314159265"), fill("1::b", "1")]))
        assert [line.draft.external_id for line in found] == ["1::a", "1::b"]
        assert sum(line.draft.quantity for line in found) == Decimal("3.314159265")
        assert {line.draft.data["order_id"] for line in found} == {"o1"}

    def test_money_in_activities_is_of_its_kind(self):
        kinds = {"CSD": "9", "CSW": "-9", "DIV": "1", "DIVNRA": "-0.1", "INT": "2", "FEE": "-1", "JNLC": "3", "DIVROC": "4"}
        rows = [
            {"id": str(n), "activity_type": kind, "date": "2024-01-02", "net_amount": amount, "symbol": "ACME"}
            for n, (kind, amount) in enumerate(kinds.items())
        ]
        assert [draft.kind for draft in drafts(json.dumps(rows))] == [
            *("DEPOSIT", "WITHDRAWAL", "DIVIDEND", "TAX", "INTEREST", "FEE", "TRANSFER_IN", "RETURN_OF_CAPITAL")
        ]

    def test_short_sales_options_and_coins_are_told_apart(self):
        rows = [
            fill("1", "5", side="sell_short"),
            fill("2", "1", symbol="AAPL240119C00150000"),
            fill("3", "0.5", symbol="BTC/USD"),
        ]
        found = lines(json.dumps(rows))
        assert [(line.draft.kind, line.instrument) for line in found] == [
            ("SHORT", "ACME"),
            ("BUY", "AAPL240119C00150000"),
            ("BUY", "BTC/USD:CRYPTO"),
        ]

    def test_canceled_activities_are_passed_over_and_several_accounts_kept_apart(self):
        found = items(json.dumps([fill("1", "1", status="canceled"), fill("2", "1"), fill("3", "1", account_id="a2")]))
        assert [item.code for item in found if isinstance(item, Skipped)] == ["canceled"]
        assert [item.account for item in found if isinstance(item, StatementLine)] == ["a1", "a2"]

    def test_as_a_table_they_say_the_same(self):
        names = list(fill("1", "1"))
        text = ",".join(names) + "\n" + ",".join(fill("1::a", "2").values()) + "\n"
        assert format_of(text) == "alpaca"
        assert lines(text)[0].draft == lines(json.dumps([fill("1::a", "2")]))[0].draft

    def test_a_bad_one_is_refused_with_its_line_and_the_others_go_on(self):
        text = json.dumps([fill("1", "x"), fill("2", "1"), {"id": "3", "activity_type": "MOON", "date": "2024-01-02"}], indent=1)
        assert [code for _, code in refusals(text)] == ["bad_number", "missing_amount"]
        assert refusals(text)[1][0] > 20


COINBASE = (
    "ID,Timestamp,Transaction Type,Asset,Quantity Transacted,Price Currency,Price at Transaction,Subtotal,"
    "Total (inclusive of fees and/or spread),Fees and/or Spread,Notes\n"
)


class TestCoinbase:
    def test_a_purchase_costs_what_was_paid_whatever_the_price_was(self):
        text = COINBASE + "a,2022-03-25 06:45:27 UTC,Buy,BTC,0.5,EUR,€39999.33,€20100,€20200.00,€100.00,Bought\n"
        (draft,) = drafts(text)
        assert (draft.price, draft.cash, draft.fee, draft.data["stated_price"]) == (40200, -20200, 100, "39999.33 EUR")

    def test_a_conversion_is_a_sale_and_a_purchase(self):
        text = COINBASE + "a,2024-12-05 06:33:40 UTC,Convert,BTC,0.5,EUR,€90000,€45000,€45100,,Converted 0.5 BTC to 12.5 ETH\n"
        assert said(text, "kind", "quantity", "cash") == [("SELL", "-0.5", "45000"), ("BUY", "12.5", "-45000")]
        assert len({draft.group for draft in drafts(text)}) == 1

    def test_lines_before_the_headings_and_ids_that_come_twice_do_no_harm(self):
        row = "a,2022-03-25 06:45:27 UTC,Staking Income,ETH,0.{},EUR,€3000,€3,€3,€0.00,\n"
        text = "\nTransactions\nUser,Jane,123\n" + COINBASE + row.format(1) + row.format(2)
        found = lines(text)
        assert [line.draft.kind for line in found] == ["STAKING", "STAKING"]
        assert len({line.draft.external_id for line in found}) == 2

    def test_coins_that_only_change_places_are_passed_over(self):
        text = COINBASE + "a,2022-03-25 06:45:27 UTC,Retail Staking Transfer,ETH,-1,EUR,€3000,€3,€3,,\n"
        assert [item.code for item in items(text)] == ["internal"]


HEADER = "OFXHEADER:100\r\nDATA:OFXSGML\r\nCHARSET:1252\r\n\r\n"


def ofx(inner: str, *, xml: bool = False) -> str:
    """Return a statement of a broker, in SGML or in XML."""
    start = '<?xml version="1.0"?>\n<?OFX OFXHEADER="200" VERSION="211"?>\n' if xml else HEADER
    about = "<CURDEF>USD<INVACCTFROM><BROKERID>b.com<ACCTID>77</INVACCTFROM>"
    about = about.replace("USD", "USD</CURDEF>").replace("77", "77</ACCTID>") if xml else about
    tail = "<SECLISTMSGSRSV1><SECLIST><STOCKINFO><SECINFO><SECID><UNIQUEID>037833100</UNIQUEID><UNIQUEIDTYPE>CUSIP</UNIQUEIDTYPE></SECID>"  # noqa: E501
    tail += "<SECNAME>Apple &amp; Co</SECNAME><TICKER>AAPL</TICKER></SECINFO></STOCKINFO></SECLIST></SECLISTMSGSRSV1>"
    return f"{start}<OFX><INVSTMTMSGSRSV1><INVSTMTRS>{about}<INVTRANLIST>\n{inner}\n</INVTRANLIST></INVSTMTRS></INVSTMTMSGSRSV1>{tail}</OFX>"  # noqa: E501


def bought(identity: str, units: str = "2", total: str = "-41") -> str:
    """Return a purchase whose tags are not closed."""
    return (
        f"<BUYSTOCK><INVBUY><INVTRAN><FITID>{identity}<DTTRADE>20240227160000.000[-5:EST]<MEMO>Buy</INVTRAN>"
        f"<SECID><UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP</SECID><UNITS>{units}<UNITPRICE>20<COMMISSION>1<TOTAL>{total}</INVBUY></BUYSTOCK>"
    )


class TestOfx:
    def test_of_the_old_manner_is_read_whose_tags_are_never_closed(self):
        (line,) = lines(ofx(bought("f1")))
        assert (line.draft.kind, line.draft.quantity, line.draft.cash, line.draft.fee) == ("BUY", 2, -41, 1)
        assert (line.instrument, line.hints.cusip, line.hints.name, line.account) == ("AAPL", "037833100", "Apple & Co", "77")
        assert line.draft.occurred_at == datetime(2024, 2, 27, 21, tzinfo=UTC)

    def test_of_the_new_manner_says_the_same(self):
        inner = bought("f1")
        for name in ("FITID", "DTTRADE", "MEMO", "UNIQUEID", "UNIQUEIDTYPE", "UNITS", "UNITPRICE", "COMMISSION", "TOTAL"):
            before, _, after = inner.partition(f"<{name}>")
            value, _, rest = after.partition("<")
            inner = f"{before}<{name}>{value}</{name}><{rest}"
        assert lines(ofx(inner, xml=True))[0].draft == lines(ofx(bought("f1")))[0].draft

    def test_ids_that_are_used_twice_do_not_lose_a_transaction(self):
        found = [line.draft.external_id for line in lines(ofx(bought("f1") + bought("f1", "3", "-61") + bought("f1")))]
        assert (len(set(found)), found[0]) == (2, found[2])

    def test_every_kind_of_transaction_finds_its_entry(self):
        head = "<INVTRAN><FITID>{}<DTTRADE>20240227</INVTRAN><SECID><UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP</SECID>"
        inner = [
            f"<INCOME>{head.format(1)}<INCOMETYPE>DIV<TOTAL>5</INCOME>",
            f"<REINVEST>{head.format(2)}<INCOMETYPE>DIV<TOTAL>-40<UNITS>2<UNITPRICE>20</REINVEST>",
            f"<RETOFCAP>{head.format(3)}<TOTAL>7</RETOFCAP>",
            f"<SPLIT>{head.format(4)}<OLDUNITS>10<NEWUNITS>40<NUMERATOR>4<DENOMINATOR>1</SPLIT>",
            f"<TRANSFER>{head.format(5)}<UNITS>3<TFERACTION>IN<UNITPRICE>20</TRANSFER>",
            f"<INVEXPENSE>{head.format(6)}<TOTAL>-2</INVEXPENSE>",
            f"<JRNLSEC>{head.format(7)}<UNITS>3</JRNLSEC>",
            "<INVBANKTRAN><STMTTRN><TRNTYPE>INT<DTPOSTED>20240301<TRNAMT>0.5<FITID>8<NAME>Interest</STMTTRN></INVBANKTRAN>",
            "<INVBANKTRAN><STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20240301<TRNAMT>-9<FITID>9<NAME>Out</STMTTRN></INVBANKTRAN>",
        ]
        assert said(ofx("".join(inner)), "kind", "quantity", "cash") == [
            ("DIVIDEND", "0", "5"),
            ("DIVIDEND", "0", "40"),
            ("BUY", "2", "-40"),
            ("RETURN_OF_CAPITAL", "0", "7"),
            ("SPLIT", "30", "0"),
            ("TRANSFER_IN", "3", "0"),
            ("FEE", "0", "-2"),
            ("INTEREST", "0", "0.5"),
            ("WITHDRAWAL", "0", "-9"),
        ]

    def test_a_day_at_midnight_stays_that_day_east_of_greenwich(self):
        inner = "<INVBANKTRAN><STMTTRN><TRNTYPE>INT<DTPOSTED>20240301000000[+2:CEST]<TRNAMT>1<FITID>8</STMTTRN></INVBANKTRAN>"
        assert lines(ofx(inner))[0].draft.occurred_at == datetime(2024, 3, 1, tzinfo=UTC)

    def test_a_bad_one_is_refused_and_the_others_go_on(self):
        assert [
            code for _, code in refusals(ofx(bought("1", "x") + bought("2") + bought("3").replace("20240227", "2024027")))
        ] == [*("bad_number", "bad_date")]


ENGLISH = (
    "Date;Time;ISIN;Ticker Symbol;WKN;Security Name;Value;Transaction Currency;Fees;Taxes;Gross Amount;Currency Gross Amount;"
    "Exchange Rate;Shares;Type;Note\n"
)
GERMAN = (
    "Datum;Uhrzeit;ISIN;Ticker-Symbol;WKN;Wertpapiername;Wert;Buchungswährung;Gebühren;Steuern;Bruttobetrag;"
    "Währung Bruttobetrag;Wechselkurs;Stück;Typ;Notiz\n"
)


class TestPortfolioPerformance:
    @pytest.mark.parametrize(
        ("heading", "row"),
        [
            (ENGLISH, "2024-01-02;10:00;DE0007164600;SAP.DE;716460;SAP SE;1,210.50;EUR;10.50;;;;;12;Buy;n\n"),
            (GERMAN, "2024-01-02;10:00;DE0007164600;SAP.DE;716460;SAP SE;1.210,50;EUR;10,50;;;;;12;Kauf;n\n"),
        ],
    )
    def test_is_read_in_english_and_german(self, heading, row):
        (line,) = lines(heading + row)
        assert (line.draft.kind, line.draft.price, line.draft.cash, line.draft.fee) == (
            "BUY",
            100,
            Decimal("-1210.50"),
            Decimal("10.50"),
        )
        assert (line.instrument, line.hints.isin, line.hints.wkn) == ("SAP:XETR", "DE0007164600", "716460")

    def test_in_an_old_windows_encoding_is_read(self):
        text = GERMAN + "02.01.2024;;;;;;5,00;EUR;;;;;;;Gebühren;für März\n"
        (line,) = lines(text.encode("cp1252"))
        assert (line.draft.kind, line.draft.cash, line.draft.notes) == ("FEE", -5, "für März")

    @pytest.mark.parametrize(
        ("kind", "entry", "cash"),
        [
            ("Einlage", "DEPOSIT", "5"),
            ("Entnahme", "WITHDRAWAL", "-5"),
            ("Zinsen", "INTEREST", "5"),
            ("Zinsbelastung", "INTEREST", "-5"),
            ("Gebührenerstattung", "FEE", "5"),
            ("Steuerrückerstattung", "TAX", "5"),
            ("Umbuchung (Eingang)", "TRANSFER_IN", "5"),
            ("REMOVAL", "WITHDRAWAL", "-5"),
        ],
    )
    def test_types_of_accounts_find_their_entry(self, kind, entry, cash):
        assert said(GERMAN + f"2024-01-02;;;;;;5,00;EUR;;;;;;;{kind};\n", "kind", "cash") == [(entry, cash)]

    def test_the_table_of_all_transactions_with_amounts_that_name_their_currency_is_read(self):
        text = "Date,Type,Security,Shares,Quote,Amount,Fees,Taxes,Net Transaction Value,Cash Account,Offset Account,Note,Source\n"
        text += '2024-01-02 00:00,Sell,SAP SE,10,EUR 120.00,"EUR 1,200.00",EUR 5.00,EUR 95.00,"EUR 1,100.00",Cash,Depot,,\n'
        (line,) = lines(text)
        assert (line.draft.cash, line.draft.tax, line.draft.fee, line.draft.price, line.day_only) == (1100, 95, 5, 120, True)

    def test_a_list_of_holdings_is_what_is_held(self):
        found = items("Shares;Security;ISIN;Quote;Market Value\n10;SAP SE;DE0007164600;100.00;1,000.00\n")
        assert [(item.hints.isin, item.quantity, item.value) for item in found] == [("DE0007164600", 10, 1000)]


def ghostfolio(*activities: dict[str, object], **more: object) -> str:
    """Return an export of Ghostfolio."""
    return json.dumps({"meta": {"version": "dev"}, "activities": list(activities)} | more, indent=1)


def activity(**changes: object) -> dict[str, object]:
    """Return a purchase."""
    usual = {"type": "BUY", "date": "2024-01-02T00:00:00.000Z", "symbol": "ACME", "dataSource": "YAHOO", "currency": "USD"}
    return usual | {"quantity": 2, "unitPrice": 10.1, "fee": 1, "comment": None, "accountId": None} | changes


class TestGhostfolio:
    def test_numbers_stay_as_they_are_written(self):
        (draft,) = drafts(ghostfolio(activity(quantity=0.1, unitPrice=0.3)))
        assert (draft.quantity, draft.price, draft.cash) == (Decimal("0.1"), Decimal("0.3"), Decimal("-1.03"))

    def test_kinds_find_their_entries(self):
        kinds = ["BUY", "SELL", "DIVIDEND", "INTEREST", "FEE", "LIABILITY"]
        assert [draft.kind for draft in drafts(ghostfolio(*(activity(type=kind) for kind in kinds)))] == kinds

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"currency": "<invalid>"}, "bad_currency"),
            ({"dataSource": "MOON"}, "bad_data_source"),
            ({"date": "1969-12-31"}, "bad_date"),
            ({"date": "16-09-21"}, "bad_date"),
            ({"fee": "<invalid>"}, "bad_number"),
            ({"symbol": "<invalid>"}, "bad_symbol"),
            ({"symbol": "BTC-USD"}, "bad_symbol"),
            ({"symbol": "My Flat", "dataSource": "MANUAL"}, "bad_symbol"),
            ({"type": "<invalid>"}, "unknown_type"),
            ({"quantity": "many"}, "bad_number"),
            ({"accountId": "a"}, "unknown_platform"),
        ],
    )
    def test_what_can_not_be_is_refused_and_the_others_go_on(self, changes, code):
        account = {"id": "a", "currency": "USD", "name": "A", "platformId": "<invalid>"}
        found = items(ghostfolio(activity(**changes), activity(), accounts=[account], platforms=[]))
        assert [item.code for item in found if isinstance(item, Refusal)] == [code]
        assert len([item for item in found if isinstance(item, StatementLine)]) == 1

    def test_what_the_file_says_of_an_instrument_may_stand_behind_the_activities(self):
        profile = {"symbol": "u", "dataSource": "MANUAL", "name": "My Flat", "currency": "USD", "isin": None}
        (line,) = lines(ghostfolio(activity(symbol="u", dataSource="MANUAL"), assetProfiles=[profile]))
        assert (line.instrument, line.hints.broker_id) == ("My Flat", "u")

    def test_accounts_say_their_currency_and_their_cash(self):
        account = {"id": "a", "currency": "CHF", "name": "A", "balances": [{"date": "2024-01-01T00:00:00Z", "value": 7.5}]}
        found = items(ghostfolio(activity(accountId="a"), accounts=[account]))
        assert Heading("a", "CHF", name="A") in found
        assert CashBalance("a", "CHF", Decimal("7.5"), date(2024, 1, 1)) in found

    def test_days_of_four_manners_in_one_table_are_read_and_drafts_passed_over(self):
        days = ["01-09-2021", "17/11/2021", "01.01.2022", "20220606"]
        text = "Date,Code,DataSource,Currency,Price,Quantity,Action,Fee,Note\n"
        text += "".join(f"{day},ACME,YAHOO,USD,10,1,buy,0.00,\n" for day in days) + "20500606,ACME,YAHOO,USD,0.00,0,buy,0.00,\n"
        found = items(text)
        assert [str(item.draft.occurred_at.date()) for item in found[:4]] == [
            "2021-09-01",
            "2021-11-17",
            "2022-01-01",
            "2022-06-06",
        ]
        assert isinstance(found[4], Skipped)

    def test_a_fee_above_its_dividend_is_an_entry_of_its_own(self):
        text = ghostfolio(activity(type="DIVIDEND", quantity=2, unitPrice=3, fee=10))
        assert [(kind, cash) for kind, cash in said(text, "kind", "cash")] == [("DIVIDEND", "6"), ("FEE", "-10")]

    def test_the_published_files_are_accepted_and_refused_as_their_names_say(self):
        published("ghostfolio/import_ok/sample.json")
        for file in sorted((PUBLISHED / "ghostfolio" / "import_ok").iterdir()):
            assert drafts(file.read_bytes()), file
        for file in sorted((PUBLISHED / "ghostfolio" / "import_not_ok").iterdir()):
            assert file.name == "unexpected-format.json" or refusals(file.read_bytes()), file
        with pytest.raises(NotReadable, match="none of the formats"):
            items(published("ghostfolio/import_not_ok/unexpected-format.json"))


def test_every_published_sample_is_recognized_by_its_content_alone():
    published("broker_samples/README.md")
    unknown = set()
    for file in sorted((PUBLISHED / "broker_samples").rglob("*.*")):
        found = format_of(file.read_bytes())
        if not found:
            unknown.add(file.name)
    assert unknown == {"README.md", "expected_imports.json", "order.json", "ai-import-edge-cases.csv"}
    assert StatementFile(published("broker_samples/dirty/ai-import-edge-cases.csv")).encoding == "utf-8"
