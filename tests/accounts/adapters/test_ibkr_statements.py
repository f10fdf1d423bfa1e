"""Interactive Brokers: ids, corporate actions, whole statements in every form."""

from datetime import date
from decimal import Decimal

from accounts.domain.statements import CashBalance, Heading, Holding, Remark, StatementLine
from tests.accounts.flex import action, cash, flex, trade
from tests.accounts.statement_files import drafts, format_of, items, lines, said

FLEX = "broker_samples/interactive_brokers/flex/"


class TestIds:
    def test_that_are_empty_or_blackened_are_made_of_the_content(self):
        rows = [cash(transactionID=mark, symbol=symbol) for mark in ("REDACTED", "", "-") for symbol in ("A", "B")]
        ids = [line.draft.external_id for line in lines(flex(*rows))]
        assert len(set(ids)) == 6
        assert [line.draft.external_id for line in lines(flex(*rows))] == ids

    def test_of_identical_lines_differ_and_stay_what_they_were_in_an_overlapping_file(self):
        row, other = cash(transactionID=""), cash(transactionID="", amount="6")
        first, second = ([line.draft.external_id for line in lines(flex(*rows))] for rows in ((row, row), (other, row, row, row)))
        assert len(set(first)) == 2
        assert second[1:3] == first
        assert len(set(second)) == 4

    def test_do_not_depend_on_spaces_or_on_zeros_at_the_end(self):
        one, other = (
            lines(flex(cash(transactionID="", **change)))[0]
            for change in ({}, {"amount": "5.00", "description": "ACME  CASH dividend"})
        )
        assert one.draft.external_id == other.draft.external_id


class TestCorporateActions:
    def test_a_reverse_split_with_a_new_number_is_one_split_of_the_shares_that_were_bought(self):
        said_ = "QGC(CA0000001002) SPLIT 1 FOR 25 "
        new = action(
            symbol="QGC",
            isin="CA0000002000",
            quantity="400",
            description=said_ + "(QGC, INVENTED CORP, CA0000002000)",
            conid="12",
        )
        old = action(
            symbol="QGC.OLD", isin="CA0000001002", quantity="-10000", description=said_ + "(QGC.OLD, INVENTED CORP, CA0000001002)"
        )
        for text in (flex(new, old), flex(old, new)):
            (line,) = lines(text)
            assert (line.draft.kind, line.draft.quantity, line.draft.data["ratio"]) == ("SPLIT", -9600, "1:25")
            assert (line.hints.symbol, line.hints.isin, line.draft.data["renamed"]["isin"]) == (
                "QGC",
                "CA0000001002",
                "CA0000002000",
            )
            assert line.draft.occurred_at.date() == date(2024, 6, 18)

    def test_a_split_is_its_change_in_units(self):
        text = flex(
            action(
                symbol="ACME",
                isin="US0378331005",
                quantity="30",
                description="ACME(US0378331005) SPLIT 4 FOR 1 (ACME, ACME INC, US0378331005)",
            )
        )
        assert said(text, "kind", "quantity") == [("SPLIT", "30")]
        assert drafts(text)[0].data == {"ratio": "4:1"}

    def test_a_tender_moves_the_units_from_one_instrument_into_the_other(self):
        said_ = "QUU(CA0000003008) TENDERED TO CA0000004T07 1 FOR 1 "
        text = flex(
            action(symbol="QUU", isin="CA0000003008", quantity="-90", description=said_ + "(QUU, U ONE INC., CA0000003008)"),
            action(symbol="QUU.TEN2", isin="CA0000004T07", quantity="90", description=said_ + "(QUU.TEN2, TENDER, CA0000004T07)"),
        )
        assert said(text, "kind", "quantity", "cash") == [("MERGER", "-90", "0"), ("MERGER", "90", "0")]
        assert len({draft.group for draft in drafts(text)}) == 1

    def test_units_that_are_bought_out_for_money_are_sold(self):
        text = flex(
            action(
                symbol="QJML",
                isin="US0000005001",
                quantity="-250",
                proceeds="312.5",
                type="TC",
                description="QJML(US0000005001) MERGED(Liquidation) FOR USD 1.25 PER SHARE (QJML, FD, US0000005001)",
            )
        )
        assert said(text, "kind", "quantity", "price", "cash") == [("SELL", "-250", "1.25", "312.5")]

    def test_units_that_became_worthless_are_sold_for_nothing(self):
        gone = action(
            symbol="BUST",
            isin="US0000005001",
            quantity="-50",
            type="DW",
            description="(BUST) DELISTED (BUST, BUST INC, US0000005001)",
        )
        assert said(flex(gone), "kind", "quantity", "price", "cash") == [("SELL", "-50", "0", "0")]

    def test_a_spin_off_and_a_stock_dividend_bring_units(self):
        spun = action(
            symbol="KID", isin="", quantity="5", description="ACME(US0378331005) SPINOFF 1 FOR 4 (KID, KID INC, US0000000001)"
        )
        paid = action(
            symbol="ACME",
            isin="",
            quantity="1",
            description="ACME(US0378331005) STOCK DIVIDEND 1 FOR 20 (ACME, ACME INC, US0378331005)",
            reportDate="2024-07-01",
        )
        found = drafts(flex(spun, paid))
        assert [(draft.kind, draft.quantity) for draft in found] == [("SPIN_OFF", 5), ("SPLIT", 1)]
        assert (found[0].data, found[1].data) == ({"from": "ACME"}, {"ratio": "21:20"})


class TestStatements:
    def test_of_several_accounts_in_one_file_keep_them_apart(self):
        one, two = flex(cash(), account="U1"), flex(trade(accountId=""), account="U2", base="CHF")
        both = one.replace("</FlexStatements></FlexQueryResponse>", "") + two[two.index("<FlexStatement ") :]
        found = items(both)
        assert [item.account for item in found if isinstance(item, Heading)] == ["U1", "U2"]
        assert [(item.account, item.rate.currency) for item in found if isinstance(item, StatementLine)] == [
            ("U7", "EUR"),
            ("U2", "CHF"),
        ]

    def test_say_their_period_and_what_was_left(self):
        text = flex(
            '<CashReport><CashReportCurrency accountId="U7" currency="USD" endingCash="12.5"/>'
            '<CashReportCurrency currency="BASE_SUMMARY" endingCash="11"/></CashReport>',
            '<OpenPositions><OpenPosition symbol="ACME" position="10" markPrice="21" positionValue="210" levelOfDetail="SUMMARY"/>'  # noqa: E501
            "</OpenPositions>",
        )
        found = items(text)
        assert Heading("U7", "EUR", date(2024, 1, 1), date(2024, 12, 31)) in found
        assert CashBalance("U7", "USD", Decimal("12.5"), date(2024, 12, 31)) in found
        assert [(item.quantity, item.value) for item in found if isinstance(item, Holding)] == [(10, 210)]


CSV = '"CurrencyPrimary","Symbol","DateTime","TradeDate","Quantity","TradePrice","Buy/Sell","ClientAccountID","AssetClass","ISIN","TradeMoney","IBCommission","IBCommissionCurrency","NetCash","TradeID","LevelOfDetail"\n'  # noqa: E501


class TestFlexCsv:
    def test_is_read_like_the_xml_and_known_by_the_same_id(self):
        row = '"USD","ACME","20240304;093000","20240304","10","20","BUY","U7","STK","US0378331005","200","-1","USD","-201","501","EXECUTION"\n'  # noqa: E501
        (line,) = lines(CSV + row)
        (other,) = lines(flex(trade()))
        assert (line.draft.external_id, line.draft.cash, line.draft.occurred_at) == (
            "501",
            other.draft.cash,
            other.draft.occurred_at,
        )

    def test_may_hold_orders_beside_executions_and_several_sections(self):
        row = '"USD","ACME","20240304;093000","20240304","10","20","BUY","U7","STK","US0378331005","200","-1","USD","-201","{}","{}"\n'  # noqa: E501
        paid = '"Type","SettleDate","ISIN","Description","Amount","CurrencyPrimary"\n"Dividends","20240315","US0378331005","ACME","5","USD"\n'  # noqa: E501
        assert format_of(CSV) == format_of(paid) == "ibkr_flex_csv"
        assert said(CSV + row.format("", "ORDER") + row.format("501", "EXECUTION") + paid, "kind", "cash") == [
            ("BUY", "-201"),
            ("DIVIDEND", "5"),
        ]


HISTORY = """Statement,Header,Field Name,Field Value
Statement,Data,Period,"January 1, 2024 - December 31, 2024"
Summary,Header,Field Name,Field Value
Summary,Data,Base Currency,GBP
Summary,Data,Starting Cash,10.0
Summary,Data,Change,{change}
Summary,Data,Ending Cash,99.0
Transaction History,Header,Date,Account,Description,Transaction Type,Symbol,Quantity,Price,Gross Amount ,Commission,Net Amount
Transaction History,Data,2024-03-01,U1,Electronic Fund Transfer,Deposit,-,-,-,1000.0,-,1000.0
Transaction History,Data,2024-03-02,U1,WORLD FUND,Buy,WRLD,2.0,100.0,-200.0,-3.0,-203.0
Transaction History,Data,2024-03-03,U1,Net Amount in Base from Forex Trade,Forex Trade Component,GBP.USD,0.8,1.3,-2.5E-4,-,-2.5E-4
"""


class TestHistory:
    def test_reads_dashes_as_nothing_and_exponents_as_numbers(self):
        found = [("DEPOSIT", "1000", "0"), ("BUY", "-203", "3"), ("FX", "-0.00025", "0")]
        assert said(HISTORY.format(change="797.00"), "kind", "cash", "fee") == found

    def test_remarks_that_header_and_rows_do_not_reconcile(self):
        codes = [
            [item.code for item in items(HISTORY.format(change=change)) if isinstance(item, Remark)]
            for change in ("797.00", "200.00")
        ]
        assert codes == [[], ["does_not_reconcile"]]
