"""Interactive Brokers: Flex queries that were set otherwise, with other sections and other ways of writing days."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from accounts.domain.statements import Skipped
from tests.accounts.flex import action, cash, element, flex, trade
from tests.accounts.statement_files import drafts, items, lines, refusals, said

HALF_PAST_NINE = datetime(2024, 3, 25, 13, 30, tzinfo=UTC)  # in New York, in summer


class TestDays:
    @pytest.mark.parametrize(
        "stamp",
        [
            "20240325;093000",
            "20240325 093000",
            "20240325,093000",
            "2024-03-25;09:30:00",
            "2024-03-25, 09:30:00",
            "2024-03-25T09:30:00",
            "2024-03-25 09:30:00 EDT",
            "03/25/2024;09:30:00",
            "25/03/2024;09:30:00",
            "03/25/24;09:30:00",
            "25/03/24 093000",
            "25-Mar-24;09:30:00",
            "25-MAR-2024, 09:30:00",
        ],
    )
    def test_may_be_written_in_any_way_a_query_can_be_set_to(self, stamp):
        (draft,) = drafts(flex(trade(dateTime=stamp, tradeDate="")))
        assert draft.occurred_at == HALF_PAST_NINE

    def test_that_only_the_whole_file_decides_are_read_as_it_does(self):
        early = {"dateTime": "04/03/2024;093000", "tradeDate": "04/03/2024"}
        late = {"reportDate": "25/03/2024", "dateTime": "25/03/2024"}
        assert drafts(flex(trade(**early), cash(**late)))[0].occurred_at.date().isoformat() == "2024-03-04"
        late = {"reportDate": "03/25/2024", "dateTime": "03/25/2024"}
        assert drafts(flex(trade(**early), cash(**late)))[0].occurred_at.date().isoformat() == "2024-04-03"

    def test_that_nothing_decides_are_refused_with_what_to_do(self):
        text = flex(trade(dateTime="04/03/2024;093000", tradeDate="04/03/2024"))
        assert refusals(text) == [(5, "bad_date")]
        (refusal,) = [item for item in items(text) if hasattr(item, "code")]
        assert "yyyyMMdd" in refusal.detail

    def test_of_tables_are_read_alike(self):
        text = (
            '"ClientAccountID","CurrencyPrimary","AssetClass","Symbol","ISIN","TradeID","DateTime","Quantity","TradePrice","NetCash","IBCommission","Buy/Sell"\n'
            '"U7","USD","STK","ACME","US0378331005","1","03/04/2024;093000","10","20","-201","-1","BUY"\n'
            '"U7","USD","STK","ACME","US0378331005","2","03/25/2024;093000","10","20","-201","-1","BUY"\n'
        )
        assert [str(draft.occurred_at.date()) for draft in drafts(text)] == ["2024-03-04", "2024-03-25"]


class TestOtherSections:
    def test_taxes_of_trades_and_sales_taxes_are_taxes(self):
        tax = element(
            "TransactionTax",
            {
                "accountId": "U7",
                "currency": "EUR",
                "assetCategory": "STK",
                "symbol": "AI",
                "conid": "5",
                "isin": "FR0000120073",
                "date": "20240325",
                "reportDate": "20240325",
                "taxDescription": "French Daily Trade Charge Tax",
                "taxAmount": "-3.60",
                "tradeId": "501",
                "levelOfDetail": "SUMMARY",
            },
            {},
        )
        sales = element(
            "SalesTax",
            {
                "accountId": "U7",
                "currency": "EUR",
                "date": "20240325",
                "country": "Germany",
                "taxType": "VAT",
                "taxableDescription": "P******2:SNAPSHOT",
                "salesTax": "-1.90",
                "transactionID": "88",
            },
            {},
        )
        assert said(flex(tax, sales), "kind", "cash", "currency") == [("TAX", "-3.6", "EUR"), ("TAX", "-1.9", "EUR")]

    def test_ends_of_options_are_said_once(self):
        option = {
            "assetCategory": "OPT",
            "symbol": "FB    180921C00200000",
            "isin": "",
            "underlyingSymbol": "FB",
            "strike": "200",
            "putCall": "C",
            "expiry": "20180921",
            "multiplier": "100",
        }
        ended = trade(
            **option,
            transactionType="BookTrade",
            quantity="-2",
            tradePrice="0",
            tradeMoney="0",
            netCash="0",
            ibCommission="0",
            notes="Ep",
            buySell="SELL",
            tradeID="7",
        )
        again = element(
            "OptionEAE",
            {
                "accountId": "U7",
                "currency": "USD",
                "date": "20180921",
                "transactionType": "Expiration",
                "quantity": "-2",
                "tradePrice": "0",
                "tradeID": "7",
            },
            option,
        )
        assert said(flex(ended, again), "kind", "quantity") == [("OPTION_EXPIRATION", "-2")]
        assert [item.code for item in items(flex(ended, again)) if isinstance(item, Skipped)] == ["said_elsewhere"]
        assert said(flex(again), "kind", "quantity") == [("OPTION_EXPIRATION", "-2")]

    def test_gains_of_currencies_and_accruals_move_nothing(self):
        text = flex(
            '<FxTransactions><FxTransaction accountId="U7" functionalCurrency="EUR" fxCurrency="USD" quantity="-200" proceeds="180"/></FxTransactions>',  # noqa: E501
            '<ChangeInDividendAccruals><ChangeInDividendAccrual accountId="U7" currency="USD" symbol="A" grossAmount="5"/></ChangeInDividendAccruals>',  # noqa: E501
            cash(),
        )
        assert said(text, "kind", "cash") == [("DIVIDEND", "5")]

    def test_transfers_in_kind_bring_units_and_money(self):
        usual = {
            "accountId": "U7",
            "currency": "USD",
            "assetCategory": "STK",
            "symbol": "ACME",
            "conid": "11",
            "isin": "US0378331005",
            "reportDate": "20240325",
            "date": "20240325",
            "type": "ACATS",
            "direction": "IN",
            "quantity": "10",
            "positionAmount": "250",
            "cashTransfer": "0",
            "transactionID": "61",
        }
        text = flex(
            element("Transfer", usual, {}),
            element("Transfer", usual, {"direction": "OUT", "quantity": "-4", "positionAmount": "-100", "transactionID": "62"}),
            element(
                "Transfer",
                usual,
                {
                    "quantity": "0",
                    "positionAmount": "0",
                    "cashTransfer": "75.5",
                    "assetCategory": "CASH",
                    "symbol": "--",
                    "isin": "",
                    "conid": "",
                    "transactionID": "63",
                },
            ),
        )
        assert said(text, "kind", "quantity", "price", "cash") == [
            ("TRANSFER_IN", "10", "25", "0"),
            ("TRANSFER_OUT", "-4", "25", "0"),
            ("TRANSFER_IN", "0", None, "75.5"),
        ]

    def test_trade_confirmations_are_trades(self):
        text = (
            '<FlexQueryResponse queryName="q" type="TCF"><FlexStatements count="1"><FlexStatement accountId="U7" fromDate="20240101" toDate="20240101">'  # noqa: E501
            '<TradeConfirms><TradeConfirm accountId="U7" currency="USD" assetCategory="STK" symbol="ACME" isin="US0378331005" conid="11" tradeID="501" '  # noqa: E501
            'dateTime="20240304;093000" quantity="10" price="20" amount="-200" proceeds="-200" netCash="-201" commission="-1" '
            'commissionCurrency="USD" tax="0" buySell="BUY" levelOfDetail="EXECUTION" listingExchange="NYSE" multiplier="1"/></TradeConfirms>'  # noqa: E501
            "</FlexStatement></FlexStatements></FlexQueryResponse>"
        )
        assert said(text, "kind", "quantity", "cash", "fee", "external_id") == [("BUY", "10", "-201", "1", "501")]


class TestCash:
    @pytest.mark.parametrize(
        ("kind", "amount", "entry"),
        [
            ("Deposits &amp; Withdrawals", "-5", "WITHDRAWAL"), ("871(m) Withholding", "-5", "TAX"), ("Broker Fees", "-5", "FEE"),
            ("Bond Interest Paid", "-5", "INTEREST"), ("Advisor Fees", "-5", "FEE"), ("Price Adjustments", "5", "FEE"),
            ("Other Income", "5", "INTEREST"),
        ],
    )  # fmt: skip
    def test_of_other_kinds_finds_its_entry(self, kind, amount, entry):
        assert said(flex(cash(type=kind, amount=amount)), "kind", "cash") == [(entry, amount)]

    def test_of_bonds_names_them(self):
        (line,) = lines(
            flex(
                cash(
                    type="Bond Interest Received", assetCategory="BOND", symbol="T 2 1/2", cusip="912828U24", isin="US912828U246"
                )
            )
        )
        assert (line.draft.kind, line.hints.asset_class, line.hints.isin) == ("INTEREST", "BOND", "US912828U246")


class TestCoins:
    @pytest.mark.parametrize("symbol", ["BTC.USD-PAXOS", "BTC.USD", "BTC"])
    def test_are_pairs_and_no_exchange_of_currencies(self, symbol):
        costs = {"netCash": "-601.75", "ibCommission": "-1.75", "tradeMoney": "600", "tradePrice": "60000", "quantity": "0.01"}
        (line,) = lines(flex(trade(assetCategory="CRYPTO", symbol=symbol, isin="", listingExchange="PAXOS", **costs)))
        assert (line.instrument, line.draft.kind, line.draft.cash) == ("BTC/USD:CRYPTO", "BUY", Decimal("-601.75"))


class TestBonds:
    def test_are_quoted_in_percent_with_accrued_interest(self):
        (draft,) = drafts(
            flex(
                trade(
                    assetCategory="BOND",
                    symbol="T 2 1/2 02/15/45",
                    isin="US912810RK60",
                    multiplier="1",
                    quantity="10000",
                    tradePrice="98.5",
                    tradeMoney="9850",
                    accruedInt="-21.25",
                    netCash="-9872.25",
                )
            )
        )
        assert (draft.kind, draft.price, draft.cash, draft.fee) == ("BUY", Decimal("98.5"), Decimal("-9872.25"), 1)
        assert draft.data["accrued_interest"] == "21.25"

    def test_come_without_the_interest_where_the_broker_books_that_by_itself(self):
        figures = {"quantity": "10000", "tradePrice": "98.5", "tradeMoney": "9850", "accruedInt": "-21.25", "netCash": "-9851"}
        interest = cash(type="Bond Interest Paid", description="PURCHASE ACCRUED INT", amount="-21.25", assetCategory="BOND")
        for written in (figures, figures | {"netCash": ""}):
            bought, paid = drafts(flex(trade(assetCategory="BOND", **written), interest))
            assert (bought.cash, bought.price, "accrued_interest" in bought.data) == (-9851, Decimal("98.5"), False)
            assert (paid.kind, paid.cash) == ("INTEREST", Decimal("-21.25"))


class TestFutures:
    @pytest.mark.parametrize("net", ["-0.62", "0", ""])
    def test_are_bought_for_what_they_are_worth_though_only_the_commission_moves(self, net):
        figures = {"quantity": "1", "tradePrice": "4800.25", "multiplier": "5", "ibCommission": "-0.62", "netCash": net}
        (line,) = lines(flex(trade(assetCategory="FUT", symbol="MESH4", isin="", tradeMoney="24001.25", **figures)))
        assert (line.draft.kind, line.draft.price, line.draft.fee) == ("BUY", Decimal("4800.25"), Decimal("0.62"))
        (draft,) = drafts(flex(trade(assetCategory="FUT", symbol="MESH4", isin="", tradeMoney="24001.25", **figures)))
        assert draft.cash == Decimal("-24001.87")


class TestCommissionInAnotherCurrency:
    def test_leaves_the_tax_in_the_money_of_the_trade(self):
        figures = {"taxes": "-1", "netCash": "-201", "ibCommission": "-3", "ibCommissionCurrency": "EUR"}
        bought, fee = drafts(flex(trade(**figures)))
        assert (bought.cash, bought.tax, bought.fee) == (-201, 1, 0)
        assert (fee.kind, fee.cash, fee.currency) == ("FEE", -3, "EUR")


class TestActionsTakenBack:
    SPUN = {"symbol": "CHLD", "isin": "US36266G1076", "type": "SO", "actionID": "802",
            "description": "ACME(US0378331005) SPINOFF 1 FOR 3 (CHLD, CHILD INC, US36266G1076)"}  # fmt: skip

    def test_are_reversed_and_booked_again(self):
        found = lines(
            flex(
                action(quantity="3.3333", transactionID="1", **self.SPUN),
                action(quantity="-3.3333", transactionID="2", code="Ca", **self.SPUN),
                action(quantity="3", transactionID="3", **self.SPUN),
            )
        )
        kinds = {line.draft.external_id: (line.draft.kind, line.draft.quantity) for line in found}
        assert kinds["1"] == ("SPIN_OFF", Decimal("3.3333"))
        assert kinds["3"] == ("SPIN_OFF", 3)
        (back,) = [line for line in found if line.reverses]
        assert (back.reverses.external_id, back.draft.quantity) == ("1", Decimal("-3.3333"))

    def test_that_the_file_does_not_hold_are_looked_up_later(self):
        (line,) = lines(flex(action(quantity="-3.3333", transactionID="2", code="Ca", **self.SPUN)))
        assert (line.takes_back, line.draft.kind, line.draft.quantity) == (True, "SPIN_OFF", Decimal("-3.3333"))

    def test_of_mergers_for_money_give_it_back(self):
        merged = {"symbol": "TWTR", "isin": "US90184L1026", "type": "TC", "actionID": "805",
                  "description": "TWTR(US90184L1026) MERGED FOR USD 54.20 PER SHARE (TWTR, TWITTER, US90184L1026)"}  # fmt: skip
        gone = action(quantity="-10", transactionID="5", **(merged | {"proceeds": "542"}))
        back = action(quantity="10", transactionID="6", code="Ca", **(merged | {"proceeds": "-542"}))
        sold, reversed_ = lines(flex(gone, back))
        assert (sold.draft.kind, sold.draft.cash) == ("SELL", 542)
        assert (reversed_.reverses.external_id, reversed_.draft.cash) == ("5", -542)


class TestNames:
    def test_of_bonds_are_made_into_symbols_that_may_be_written_down(self):
        (line,) = lines(flex(cash(symbol="T 4 1/4 11/15/34", isin="", assetCategory="BOND", type="Bond Interest Received")))
        assert line.hints.symbol == "T-4-1-4-11-15-34"

    def test_numbers_that_are_no_isin_are_left_out(self):
        (line,) = lines(flex(trade(isin="US0378331006")))
        assert line.hints.isin == ""
