"""Interactive Brokers: the traps of its trades and movements of cash, each on figures of our own."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from accounts.domain.statements import Reference, StatementLine
from tests.accounts.flex import cash, flex, trade
from tests.accounts.statement_files import drafts, items, lines, refusals, said


class TestTrades:
    def test_are_read_with_their_time_of_new_york_in_utc(self):
        (line,) = lines(flex(trade()))
        draft = line.draft
        assert draft.occurred_at == datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
        assert (draft.kind, draft.quantity, draft.price, draft.cash, draft.fee) == ("BUY", 10, 20, -201, 1)
        assert (line.instrument, line.hints.isin, line.account, draft.external_id) == ("ACME:XNYS", "US0378331005", "U7", "501")
        assert (line.rate.currency, line.rate.value) == ("EUR", Decimal("0.9"))

    def test_in_summer_are_an_hour_nearer_to_utc(self):
        assert lines(flex(trade(dateTime="20240704;093000")))[0].draft.occurred_at.hour == 13

    def test_that_open_or_close_a_short_position_say_so(self):
        sold = {"buySell": "SELL", "quantity": "-10", "netCash": "199"}
        text = flex(
            trade(**sold), trade(openCloseIndicator="C", tradeID="502"), trade(**sold, openCloseIndicator="C", tradeID="503")
        )
        assert [draft.kind for draft in drafts(text)] == ["SHORT", "COVER", "SELL"]

    def test_of_options_name_the_contract_and_count_a_hundred_shares(self):
        text = flex(
            trade(
                assetCategory="OPT",
                symbol="FB    180921C00200000",
                isin="",
                underlyingSymbol="FB",
                strike="200",
                putCall="C",
                expiry="20180921",
                multiplier="100",
                quantity="2",
                tradePrice="6.95",
                tradeMoney="1390",
                netCash="-1391",
            )
        )
        (line,) = lines(text)
        assert (line.contract.symbol, line.hints.multiplier, line.hints.exchange) == ("FB180921C00200000", 100, "OPRA")

    def test_of_a_fund_whose_price_was_set_later_have_the_price_that_was_paid(self):
        (draft,) = drafts(flex(trade(quantity="25.5", tradePrice="8.9", tradeMoney="200", netCash="-201")))
        assert draft.price == Decimal("7.8431372549")
        assert draft.data["stated_price"] == "8.9 USD"

    def test_quoted_in_pence_are_kept_in_pounds(self):
        (draft,) = drafts(
            flex(
                trade(
                    currency="GBX",
                    ibCommissionCurrency="GBX",
                    ibCommission="-300",
                    quantity="3",
                    tradePrice="45550",
                    tradeMoney="136650",
                    netCash="-136950",
                )
            )
        )
        assert (draft.currency, draft.price, draft.cash, draft.fee) == ("GBP", Decimal("455.50"), Decimal("-1369.50"), 3)

    def test_with_a_commission_in_another_currency_have_a_fee_of_its_own(self):
        text = flex(trade(ibCommissionCurrency="CHF", netCash="-200"))
        assert said(text, "kind", "cash", "currency", "fee") == [("BUY", "-200", "USD", "0"), ("FEE", "-1", "CHF", "0")]

    def test_whose_figures_contradict_each_other_by_more_than_rounding_follow_the_cash(self):
        (draft,) = drafts(flex(trade(tradePrice="25")))
        assert (draft.price, draft.cash) == (20, -201)

    def test_without_an_instrument_are_refused_with_what_to_add_to_the_query(self):
        text = flex(trade(symbol="", isin="", conid="", assetCategory="", description=""), trade(tradeID="502"))
        assert refusals(text) == [(5, "missing_instrument")]
        assert len([item for item in items(text) if isinstance(item, StatementLine)]) == 1

    @pytest.mark.parametrize("change", [{"quantity": "many"}, {"dateTime": "20241301;000000"}, {"dateTime": "", "tradeDate": ""}])
    def test_that_can_not_be_are_refused_by_the_name_of_the_field(self, change):
        ((line, code),) = refusals(flex(trade(**change)))
        assert (line, code) in {(5, "bad_number"), (5, "bad_date"), (5, "missing_value")}


class TestCanceledExecutions:
    CANCEL = {
        "transactionType": "TradeCancel",
        "buySell": "BUY (Ca.)",
        "quantity": "-10",
        "tradeMoney": "-200",
        "netCash": "200",
        "ibCommission": "0",
        "tradeID": "",
        "origTradeID": "501",
        "transactionID": "9002",
        "notes": "Ca",
    }

    def test_are_taken_back_and_the_commission_that_was_kept_is_a_fee(self):
        for text in (flex(trade(), trade(**self.CANCEL)), flex(trade(**self.CANCEL), trade())):
            bought, canceled, kept = lines(text)
            assert canceled.reverses == Reference("ibkr", "501")
            assert (canceled.draft.quantity, canceled.draft.cash, canceled.draft.fee) == (-10, 201, -1)
            assert (kept.draft.kind, kept.draft.cash) == ("FEE", -1)
            assert sum(line.draft.cash for line in (bought, canceled, kept)) == -1

    def test_whose_trade_is_in_an_earlier_file_still_name_it(self):
        (line,) = lines(flex(trade(**self.CANCEL)))
        assert (line.takes_back, line.reverses) == (True, Reference("ibkr", "501"))


class TestCurrencyExchanges:
    def test_are_two_legs_and_a_fee_that_share_a_group(self):
        text = flex(
            trade(
                assetCategory="CASH",
                symbol="EUR.USD",
                isin="",
                quantity="-1000",
                tradePrice="1.08",
                tradeMoney="-1080",
                buySell="SELL",
                netCash="0",
                ibCommission="-2",
                ibCommissionCurrency="CHF",
            )
        )
        assert said(text, "kind", "cash", "currency") == [("FX", "-1000", "EUR"), ("FX", "1080", "USD"), ("FEE", "-2", "CHF")]
        assert len({draft.group for draft in drafts(text)}) == 1


class TestCash:
    def test_is_of_the_day_on_which_it_was_booked(self):
        (line,) = lines(flex(cash()))
        assert (line.draft.occurred_at, line.day_only) == (datetime(2024, 3, 18, tzinfo=UTC), True)

    def test_of_every_kind_finds_its_entry(self):
        kinds = {
            "Dividends": "5",
            "Payment In Lieu Of Dividends": "2",
            "Withholding Tax": "-1",
            "Broker Interest Received": "3",
            "Broker Interest Paid": "-3",
            "Bond Interest Received": "4",
            "Deposits/Withdrawals": "100",
            "Other Fees": "-9",
            "Commission Adjustments": "1",
        }
        rows = [cash(type=kind, amount=amount, transactionID=str(n)) for n, (kind, amount) in enumerate(kinds.items(), 1)]
        found = [draft.kind for draft in drafts(flex(*rows, cash(type="Deposits/Withdrawals", amount="-50", transactionID="99")))]
        assert found == ["DIVIDEND", "DIVIDEND", "TAX", "INTEREST", "INTEREST", "INTEREST", "DEPOSIT", "FEE", "FEE", "WITHDRAWAL"]

    def test_that_was_paid_back_is_a_fee_or_tax_with_the_other_sign(self):
        (draft,) = drafts(flex(cash(type="Withholding Tax", amount="8.97")))
        assert (draft.kind, draft.cash, draft.data) == ("TAX", Decimal("8.97"), {"refund": "TAX"})

    def test_in_summary_and_in_detail_counts_once(self):
        text = flex(cash(accountId="-", levelOfDetail="SUMMARY", transactionID=""), cash())
        assert [line.account for line in lines(text)] == ["U7"]

    def test_in_summary_alone_counts(self):
        assert len(lines(flex(cash(levelOfDetail="SUMMARY")))) == 1

    def test_dividends_booked_back_take_back_the_one_that_was_paid(self):
        back = cash(amount="-5", transactionID="7002", reportDate="20240520", description="ACME CASH DIVIDEND - REVERSAL")
        again = cash(amount="4.5", transactionID="7003", reportDate="20240520")
        found = {line.draft.external_id: line for line in lines(flex(back, again, cash()))}
        assert found["7002"].reverses == Reference("ibkr", "7001")
        assert (found["7002"].draft.cash, found["7002"].draft.occurred_at.date()) == (-5, date(2024, 3, 18))

    def test_dividends_booked_back_that_were_paid_before_the_file_say_so(self):
        (line,) = lines(flex(cash(amount="-5")))
        assert (line.takes_back, line.reverses) == (True, None)
