"""Trading 212 and Trade Republic: what their exports of other years hold."""

from decimal import Decimal

import pytest

from accounts.domain.statements import Skipped
from tests.accounts.adapters.test_european import T212, TR, republic
from tests.accounts.statement_files import drafts, format_of, items, lines, refusals, said

EARLY = (
    "Action,Time,ISIN,Ticker,Name,No. of shares,Price / share,Currency (Price / share),Exchange rate,Result (GBP),Total (GBP),"
    "Withholding tax,Currency (Withholding tax),Charge amount (GBP),Stamp duty reserve tax (GBP),Transaction fee (GBP),"
    "Finra fee (GBP),Notes,ID,Currency conversion fee (GBP)\n"
)
MONEY = "Action,Time,Notes,ID,Total,Currency (Total)\n"


class TestTrading212:
    def test_of_the_first_years_have_the_currency_in_their_headings(self):
        text = EARLY + (
            "Market buy,2021-03-01 09:30:00,GB0007188757,RIO,Rio Tinto,2.5,6300.00,GBX,100.00,,158.29,,,,0.79,,,,EOF100000001,\n"
            "Market sell,2021-03-02 15:00:01,US0378331005,AAPL,Apple,10,125.00,USD,1.40,12.00,891.23,,,,,0.05,0.24,,EOF100000002,1.34\n"  # noqa: E501
            "Dividend (Ordinary),2021-04-06 07:39:19,IE00B3XXRP09,VUSA,Vanguard,10,0.20,GBP,Not available,,2.00,-0.00,GBP,,,,,,,\n"  # noqa: E501
            "Deposit,2021-02-28 10:00:00,,,,,,,,,1000.00,,,1000.00,,,,Bank Transfer,40459ed3-7f6c-442d-a288-1fcf7ca0a73b,\n"
            "Withdrawal,2021-05-28 10:00:00,,,,,,,,,-100.00,,,,,,,,40459ed3-7f6c-442d-a288-1fcf7ca0a73c,\n"
        )
        assert format_of(text) == "trading212"
        assert said(text, "kind", "quantity", "cash", "fee", "tax", "currency") == [
            ("BUY", "2.5", "-158.29", "0", "0.79", "GBP"),
            ("SELL", "-10", "891.23", "1.63", "0", "GBP"),
            ("DIVIDEND", "0", "2", "0", "0", "GBP"),
            ("DEPOSIT", "0", "1000", "0", "0", "GBP"),
            ("WITHDRAWAL", "0", "-100", "0", "0", "GBP"),
        ]
        bought, sold, *_ = drafts(text)
        assert (bought.price, sold.price) == (Decimal(63), Decimal("89.286"))
        assert sold.data["rate"] == "1.40"

    def test_prices_in_pence_are_told_in_pounds_where_money_is_in_euros(self):
        text = (
            T212 + "Market sell,2025-03-07 10:01:00,GB00B10RZP78,ULVR,Unilever,1.5,4750.00,GBX,84.1,,,84.60,EUR,,,,EOF1234569,,\n"
        )
        (draft,) = drafts(text)
        assert (draft.cash, draft.price, draft.data["stated_price"]) == (Decimal("84.60"), Decimal("56.4"), "47.5 GBP")

    def test_of_money_alone_have_no_columns_of_shares(self):
        text = MONEY + "Interest on cash,2024-05-01 02:10:00,Interest on cash,30c841b3-068d-44f0-9809-e75638e211cd,0.12,EUR\n"
        assert format_of(text) == "trading212"
        assert said(text, "kind", "cash", "currency") == [("INTEREST", "0.12", "EUR")]

    @pytest.mark.parametrize(
        ("action", "total", "kind", "cash"),
        [
            ("Card debit", "-12.30", "WITHDRAWAL", "-12.3"),
            ("Card debit", "12.30", "WITHDRAWAL", "-12.3"),
            ("Card credit", "12.30", "DEPOSIT", "12.3"),
            ("Card refund", "12.30", "DEPOSIT", "12.3"),
            ("Spending cashback", "0.10", "INTEREST", "0.1"),
            ("Lending interest", "0.10", "INTEREST", "0.1"),
        ],
    )
    def test_tell_of_cards_and_interest(self, action, total, kind, cash):
        text = MONEY + f"{action},2024-05-01 02:10:00,,30c841b3-068d-44f0-9809-e75638e211cd,{total},EUR\n"
        assert said(text, "kind", "cash") == [(kind, cash)]

    @pytest.mark.parametrize(
        ("action", "kind"),
        [
            ("Dividend (Dividends paid by us corporations)", "DIVIDEND"),
            ("Dividend (Property income distribution)", "DIVIDEND"),
            ("Dividend (Return of capital)", "RETURN_OF_CAPITAL"),
            ("Dividend (Return of capital non us)", "RETURN_OF_CAPITAL"),
            ("Dividend (Interest)", "INTEREST"),
        ],
    )
    def test_tell_apart_what_they_call_dividends(self, action, kind):
        text = T212 + f"{action},2023-12-27 12:05:25,US0378331005,AAPL,Apple,10,0.23,USD,Not available,,,1.80,USD,0.35,USD,,,,\n"
        (draft,) = drafts(text)
        assert (draft.kind, draft.cash, draft.tax) == (
            kind,
            Decimal("1.80"),
            0 if kind == "RETURN_OF_CAPITAL" else Decimal("0.35"),
        )

    def test_exchange_one_currency_for_another_in_two_legs(self):
        text = (
            "Action,Time,Notes,ID,Total,Currency (Total),Currency conversion from amount,Currency (Currency conversion from amount),"  # noqa: E501
            "Currency conversion to amount,Currency (Currency conversion to amount),Currency conversion fee,"
            "Currency (Currency conversion fee)\n"
            "Currency conversion,2024-05-01 02:10:00,GBP -> EUR,EOF123456789,,,-100.00,GBP,117.10,EUR,0.18,EUR\n"
        )
        assert said(text, "kind", "cash", "currency") == [("FX", "-100", "GBP"), ("FX", "117.1", "EUR")]


class TestTradeRepublic:
    SHARE = {"asset_class": "STOCK", "symbol": "US0378331005", "name": "Apple"}

    @pytest.mark.parametrize(
        ("kind", "amount", "entry"),
        [
            ("CARD_TRANSACTION", "-12.30", "WITHDRAWAL"),
            ("CARD_TRANSACTION_INTERNATIONAL", "-12.30", "WITHDRAWAL"),
            ("CARD_TRANSACTION_REFUND", "12.30", "DEPOSIT"),
            ("CARD_ORDERING_FEE", "-5.00", "FEE"),
            ("CUSTOMER_OUTBOUND_REQUEST", "-50.00", "WITHDRAWAL"),
            ("TRANSFER_INSTANT_INBOUND", "50.00", "DEPOSIT"),
            ("TRANSFER_INSTANT_OUTBOUND", "-50.00", "WITHDRAWAL"),
            ("TRANSFER_DIRECT_DEBIT_INBOUND", "-50.00", "WITHDRAWAL"),
            ("VIBAN_TRANSFER_INBOUND", "50.00", "DEPOSIT"),
            ("BENEFITS_SAVEBACK", "1.00", "DEPOSIT"),
            ("KINDERGELD_BONUS", "10.00", "DEPOSIT"),
            ("REFERRAL", "10.00", "DEPOSIT"),
            ("COMPENSATION", "10.00", "DEPOSIT"),
            ("PAYMENT", "-10.00", "WITHDRAWAL"),
            ("MANUAL", "10.00", "DEPOSIT"),
            ("INTEREST_PAYMENT", "3.00", "INTEREST"),
            ("ADDITIONAL_INCOME", "3.00", "INTEREST"),
            ("BOND_ACCRUED_INTEREST", "-3.00", "INTEREST"),
            ("FEE", "-3.00", "FEE"),
            ("TAX", "-3.00", "TAX"),
        ],
    )
    def test_moves_money_in_many_ways(self, kind, amount, entry):
        text = TR + republic(kind, "a", amount=amount)
        assert said(text, "kind", "cash") == [(entry, amount.rstrip("0").rstrip("."))]

    def test_takes_taxes_without_an_amount(self):
        text = TR + republic("SEC_ACCOUNT", "a", **self.SHARE, amount="0.00", tax="-1.25")
        assert said(text, "kind", "cash") == [("TAX", "-1.25")]

    def test_pays_back_bonds_without_their_units_and_says_so_twice(self):
        bond = {"asset_class": "BOND", "symbol": "XS2002491863", "name": "Bond 2025"}
        inform = republic("REDEMPTION", "a", **bond, shares="-50").replace('"CASH"', '"CORPORATE_ACTION"')
        text = TR + republic("FINAL_MATURITY", "b", **bond, shares="50", price="1", amount="50.00", tax="-2.00") + inform
        found = items(text)
        assert [item.code for item in found if isinstance(item, Skipped)] == ["said_elsewhere"]
        assert said(text, "kind", "quantity", "cash", "tax") == [("SELL", "-50", "48", "2")]

    def test_spends_round_ups_and_savings_plans_as_purchases(self):
        text = TR + republic("BUY", "a", **self.SHARE, shares="0.013333", price="150.0011", amount="-2.00")
        assert said(text, "kind", "quantity", "cash") == [("BUY", "0.013333", "-2")]

    def test_sells_for_less_than_its_costs(self):
        text = TR + republic("SELL", "a", **self.SHARE, shares="-0.01", price="25", amount="0.25", fee="-1.00")
        assert said(text, "kind", "quantity", "cash", "fee") == [("SELL", "-0.01", "-0.75", "1")]

    def test_splits_name_the_units_that_came(self):
        come = republic("SPLIT", "b", at="2026-04-06T10:20:05Z", **self.SHARE, shares="6").replace('"CASH"', '"CORPORATE_ACTION"')
        text = TR + republic("BUY", "a", **self.SHARE, shares="2", price="25.5", amount="-51.00") + come
        assert drafts(text)[1].data["ratio"] == "4:1"

    def test_bonus_shares_are_a_split_of_those_that_were_held(self):
        come = republic("BONUS_ISSUE", "b", at="2026-04-06T10:20:05Z", **self.SHARE, shares="0.5")
        text = TR + republic("BUY", "a", **self.SHARE, shares="5", price="25.5", amount="-127.50") + come
        assert drafts(text)[1].data["ratio"] == "11:10"

    def test_shares_exchanged_for_others_hand_their_cost_on(self):
        other = self.SHARE | {"symbol": "US5949181045", "name": "Microsoft"}
        text = TR + republic("MERGER", "a", **self.SHARE, shares="-5") + republic("MERGER", "b", **other, shares="2")
        gone, come = drafts(text)
        assert (gone.quantity, come.quantity) == (-5, 2)
        assert gone.group == come.group is not None

    def test_units_with_money_of_a_type_that_is_not_known_are_refused(self):
        assert refusals(TR + republic("MOON", "a", **self.SHARE, shares="2", price="41", amount="-82.00")) == [
            (2, "unknown_type")
        ]

    def test_units_that_come_and_go_are_transfers(self):
        text = (
            TR
            + republic("TRANSFER_IN", "a", **self.SHARE, shares="2", price="25.5")
            + republic("TRANSFER_OUT", "b", **self.SHARE, shares="-1", price="26")
        )
        assert said(text, "kind", "quantity", "cash") == [("TRANSFER_IN", "2", "0"), ("TRANSFER_OUT", "-1", "0")]

    def test_units_whose_price_is_below_zero_are_refused(self):
        row = republic("TRANSFER_OUT", "b", **self.SHARE, shares="1", price="-26")
        assert refusals(TR + row) == [(2, "bad_number")]
        assert said(TR + row.replace("-26", "26"), "kind", "quantity") == [("TRANSFER_OUT", "-1")]

    def test_money_in_another_currency_keeps_its_rate(self):
        row = republic("DIVIDEND", "a", **self.SHARE, shares="2", amount="9.00", tax="-1.35").replace(
            '"EUR","","",""', '"EUR","10.00","USD","1.1111"'
        )
        (line,) = lines(TR + row)
        assert (line.draft.cash, line.draft.tax, line.draft.data["original_amount"]) == (
            Decimal("7.65"),
            Decimal("1.35"),
            "10.00",
        )
        assert line.draft.data["fx_rate"] == "1.1111"

    def test_what_is_not_known_is_refused(self):
        assert refusals(TR + republic("MOON", "a", amount="5")) == [(2, "unknown_type")]
