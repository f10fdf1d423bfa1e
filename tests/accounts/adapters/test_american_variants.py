"""Schwab, Fidelity and Robinhood: what their histories of other years and accounts hold."""

from decimal import Decimal

import pytest

from accounts.domain.statements import CashBalance, Reference, StatementLine
from tests.accounts.adapters.test_schwab import fidelity, robinhood, schwab
from tests.accounts.statement_files import drafts, format_of, items, lines, said


class TestSchwab:
    @pytest.mark.parametrize(
        ("action", "amount", "kind"),
        [
            ("Return Of Capital", "$5.00", "RETURN_OF_CAPITAL"),
            ("Ret Cap Reinvest", "$5.00", "RETURN_OF_CAPITAL"),
            ("Pr Yr NRA Tax", "$5.00", "TAX"),
            ("Foreign Tax Reclaim", "$5.00", "TAX"),
            ("ADR Mgmt Fee", "-$5.00", "FEE"),
            ("Bond Interest", "$5.00", "INTEREST"),
            ("Margin Interest", "-$5.00", "INTEREST"),
            ("Interest Adj", "-$5.00", "INTEREST"),
            ("Bank Interest Adj", "-$5.00", "INTEREST"),
            ("Special Qual Div", "$5.00", "DIVIDEND"),
            ("Short Term Cap Gain Reinvest", "$5.00", "DIVIDEND"),
            ("Cash In Lieu", "$5.00", "DIVIDEND"),
            ("MoneyLink Withdrawal", "-$5.00", "WITHDRAWAL"),
            ("Funds Received", "$5.00", "DEPOSIT"),
            ("Misc Cash Entry", "$5.00", "DEPOSIT"),
            ("Promotional Award", "$5.00", "DEPOSIT"),
            ("ATM Withdrawal", "-$5.00", "WITHDRAWAL"),
        ],
    )
    def test_moves_money_in_many_ways(self, action, amount, kind):
        assert said(schwab(("04/18/2023", action, "BND", "", "", "", amount)), "kind", "cash") == [
            (kind, "-5" if amount[0] == "-" else "5")
        ]

    def test_that_pays_for_all_units_of_a_share_sells_them(self):
        one = schwab(("04/18/2023", "Cash Merger", "TWTR", "-10", "", "", "$542.00"))
        two = schwab(
            ("04/18/2023", "Cash Merger Adj", "TWTR", "-10", "", "", ""),
            ("04/18/2023", "Cash Merger", "TWTR", "", "", "", "$542.00"),
        )
        turned = schwab(
            ("04/18/2023", "Cash Merger", "TWTR", "", "", "", "$542.00"),
            ("04/18/2023", "Cash Merger Adj", "TWTR", "-10", "", "", ""),
        )
        for text in (one, two, turned):
            assert said(text, "kind", "quantity", "price", "cash") == [("SELL", "-10", "54.2", "542")]

    def test_that_redeems_a_bond_in_two_rows_sells_it(self):
        text = schwab(
            ("04/18/2023", "Full Redemption Adj", "912797GN7", "-10000", "", "", ""),
            ("04/18/2023", "Full Redemption", "912797GN7", "", "", "", "$10000.00"),
        )
        (line,) = lines(text)
        assert (line.draft.kind, line.draft.quantity, line.draft.cash) == ("SELL", -10000, 10000)
        assert (line.hints.asset_class, line.hints.multiplier, line.draft.price) == ("BOND", Decimal("0.01"), 100)

    def test_that_grants_shares_brings_them_in(self):
        assert said(schwab(("04/18/2023", "Stock Plan Activity", "GOOG", "12.5", "", "", "")), "kind", "quantity", "cash") == [
            ("TRANSFER_IN", "12.5", "0")
        ]

    def test_that_takes_a_trade_back_reverses_it(self):
        text = schwab(
            ("04/19/2023", "Cancel Buy", "BND", "10", "$73.00", "", "$730.00"),
            ("04/18/2023", "Buy", "BND", "10", "$73.00", "", "-$730.00"),
        )
        taken, bought = sorted(lines(text), key=lambda line: line.number)
        assert taken.reverses == Reference("schwab", bought.draft.external_id)
        assert (taken.draft.quantity, taken.draft.cash) == (-10, 730)

    def test_in_an_older_order_of_columns_with_a_comma_behind_says_the_same(self):
        new = schwab(("04/18/2023", "Sell", "BND", "12.5", "$40.1231", "$0.01", "$501.53"))
        old = (
            '"Date","Action","Quantity","Symbol","Description","Price","Amount","Fees & Comm",\n'
            '"04/18/2023","Sell","12.5","BND","About BND","$40.1231","$501.53","$0.01",\n'
        )
        assert lines(old)[0].draft == lines(new)[0].draft

    def test_of_short_sales_and_shares_of_a_class(self):
        text = schwab(
            ("04/18/2023", "Sell Short", "BRK/B", "1", "$300.00", "", "$300.00"),
            ("04/19/2023", "Buy to Cover", "BRK/B", "1", "$290.00", "", "-$290.00"),
        )
        assert [(line.draft.kind, line.instrument) for line in lines(text)] == [("SHORT", "BRK.B"), ("COVER", "BRK.B")]

    def test_of_thousands_and_parentheses(self):
        text = schwab(("04/18/2023", "Buy", "BND", "1,250", "$73.10", "", "($91,375.00)"))
        assert said(text, "quantity", "cash") == [("1250", "-91375")]


NEW = (
    "Run Date,Action,Symbol,Description,Type,Price ($),Quantity,Commission ($),Fees ($),Accrued Interest ($),Amount ($),"
    "Cash Balance ($),Settlement Date\n"
)


class TestFidelity:
    @pytest.mark.parametrize(
        ("action", "amount", "kind"),
        [
            ("Electronic Funds Transfer Received (Cash)", "5", "DEPOSIT"),
            ("Electronic Funds Transfer Paid (Cash)", "-5", "WITHDRAWAL"),
            ("WIRE TRANSFER FROM BANK (Cash)", "5", "DEPOSIT"),
            ("WIRE TRANSFER TO BANK (Cash)", "-5", "WITHDRAWAL"),
            ("CASH CONTRIBUTION CURRENT YEAR (Cash)", "5", "DEPOSIT"),
            ("CHECK RECEIVED (Cash)", "5", "DEPOSIT"),
            ("DEBIT CARD PURCHASE COFFEE (Cash)", "-5", "WITHDRAWAL"),
            ("BILL PAYMENT POWER (Cash)", "-5", "WITHDRAWAL"),
            ("TRANSFERRED FROM VS Z12-345678-1 (Cash)", "5", "TRANSFER_IN"),
            ("JOURNALED JNL VS A/C TYPES (Margin)", "-5", "TRANSFER_OUT"),
            ("MARGIN INTEREST @ 11.5% AVG BAL -$500 (Margin)", "-5", "INTEREST"),
            ("FEE CHARGED WIRE FEE (Cash)", "-5", "FEE"),
        ],
    )
    def test_moves_money_in_many_ways(self, action, amount, kind):
        assert said(fidelity(("12/03/2025", "1", action, " ", "", "0.000", "", amount)), "kind", "cash") == [(kind, amount)]

    def test_of_one_account_with_units_in_the_headings_and_days_with_dashes(self):
        text = (
            "\ufeff\n\n"
            + NEW
            + "\n"
            + (
                '07-15-2026,"YOU BOUGHT APPLE INC (AAPL) (Cash)",AAPL,"APPLE INC",Cash,200.5,10,0,0.02,,-2005.02,994.98,07-16-2026\n'  # noqa: E501
                '07-14-2026,"DIVIDEND RECEIVED APPLE INC (AAPL) (Cash)",AAPL,"APPLE INC",Cash,,0.000,,,,2.6,3000,\n'
            )
        )
        assert format_of(text) == "fidelity"
        assert said(text, "kind", "quantity", "price", "cash", "fee") == [
            ("BUY", "10", "200.5", "-2005.02", "0.02"),
            ("DIVIDEND", "0", None, "2.6", "0"),
        ]
        assert [str(draft.occurred_at.date()) for draft in drafts(text)] == ["2026-07-15", "2026-07-14"]
        assert [item.cash for item in items(text) if isinstance(item, CashBalance)] == [Decimal("994.98")]

    def test_of_options_with_a_dash_in_front_open_and_close_positions(self):
        head = "12/03/2025", "1"
        text = (
            fidelity(
                (
                    *head,
                    "YOU SOLD OPENING TRANSACTION PUT (AAPL) APPLE INC JAN 19 24 $150 (100 SHS) (Margin)",
                    " -AAPL240119P150",
                    "2.5",
                    "-1",
                    "",
                    "249.33",
                ),
                (
                    *head,
                    "YOU BOUGHT CLOSING TRANSACTION PUT (AAPL) APPLE INC JAN 19 24 $150 (100 SHS) (Margin)",
                    " -AAPL240119P150",
                    "1.5",
                    "1",
                    "",
                    "-150.67",
                ),
                (
                    *head,
                    "YOU BOUGHT OPENING TRANSACTION CALL (SPY) JAN 19 24 $472.5 (100 SHS) (Margin)",
                    " -SPY240119C472.5",
                    "1",
                    "2",
                    "",
                    "-201.34",
                ),
                (*head, "EXPIRED CALL (SPY) JAN 19 24 $472.5 as of Jan-19-2024 (Margin)", " -SPY240119C472.5", "", "-2", "", ""),
            )
            .replace(",,,,249.33", ",0.65,0.02,,249.33")
            .replace(",,,,-150.67", ",0.65,0.02,,-150.67")
            .replace(",,,,-201.34", ",1.3,0.04,,-201.34")
        )
        assert [(line.draft.kind, line.draft.quantity, line.instrument) for line in lines(text)] == [
            ("SHORT", -1, "AAPL240119P00150000"),
            ("COVER", 1, "AAPL240119P00150000"),
            ("BUY", 2, "SPY240119C00472500"),
            ("OPTION_EXPIRATION", -2, "SPY240119C00472500"),
        ]

    def test_of_corporate_actions_in_two_rows(self):
        text = fidelity(
            ("06/10/2025", "1", "REVERSE SPLIT R/S FROM 12345X107#REOR M0051234560000 (NEWC) (Cash)", "NEWC", "", "5", "", ""),
            ("06/10/2025", "1", "REVERSE SPLIT R/S TO 12345X206#REOR M0051234560001 (Cash)", "12345X107", "", "-100", "", ""),
        )
        (draft,) = drafts(text)
        assert (draft.kind, draft.quantity, draft.data["ratio"]) == ("SPLIT", -95, "1:20")

    def test_of_distributions_that_are_splits_spin_offs_or_money(self):
        head = "06/10/2025", "1"
        text = fidelity(
            (*head, "DISTRIBUTION NVIDIA CORPORATION COM (NVDA) (Cash)", "NVDA", "", "90", "", ""),
            (*head, "DISTRIBUTION SPINOFF FROM:GE COM (GEHC) (Cash)", "GEHC", "", "3", "", ""),
            (*head, "IN LIEU OF FRX SHARE SPINOFF (GEHC) (Cash)", "GEHC", "", "0", "", "22.5"),
            ("06/09/2025", "1", "YOU BOUGHT NVIDIA (NVDA) (Cash)", "NVDA", "1200", "10", "", "-12000"),
        )
        assert said(text, "kind", "quantity", "cash") == [
            ("SPLIT", "90", "0"),
            ("SPIN_OFF", "3", "0"),
            ("DIVIDEND", "0", "22.5"),
            ("BUY", "10", "-12000"),
        ]
        assert drafts(text)[0].data["ratio"] == "10:1"

    def test_of_dividends_booked_back_takes_them_back(self):
        row = ("12/03/2025", "1", "DIVIDEND RECEIVED FUND (BND) (Cash)", "BND", "", "0", "", "7.5")
        back = ("12/04/2025", "1", "DIVIDEND RECEIVED FUND (BND) (Cash)", "BND", "", "0", "", "-7.5")
        found = sorted(lines(fidelity(back, row)), key=lambda line: line.number)
        assert found[0].reverses == Reference("fidelity", found[1].draft.external_id)
        (alone,) = [item for item in items(fidelity(back)) if isinstance(item, StatementLine)]
        assert alone.takes_back


class TestRobinhood:
    @pytest.mark.parametrize(
        ("code", "amount", "kind"),
        [
            ("RTP", "($5.00)", "WITHDRAWAL"),
            ("ITRF", "$5.00", "TRANSFER_IN"),
            ("MINT", "($5.00)", "INTEREST"),
            ("INT", "$5.00", "INTEREST"),
            ("SLIP", "$5.00", "INTEREST"),
            ("DTAX", "($5.00)", "TAX"),
            ("AFEE", "($5.00)", "FEE"),
            ("DFEE", "($5.00)", "FEE"),
            ("XENT_CC", "($5.00)", "WITHDRAWAL"),
            ("MISC", "$5.00", "DEPOSIT"),
            ("ABIP", "$5.00", "DEPOSIT"),
        ],
    )
    def test_moves_money_in_many_ways(self, code, amount, kind):
        text = robinhood(("3/1/2024", "", "About", code, "", "", amount))
        assert said(text, "kind", "cash") == [(kind, "-5" if amount[0] == "(" else "5")]

    def test_tells_no_isin_of_which_the_file_says_but_a_part(self):
        # the number is a Canadian company's: US82509L1076 would be nobody
        text = robinhood(("1/16/2024", "SHOP", "Shopify\nCUSIP: 82509L107", "Buy", "2", "$80.00", "($160.00)"))
        (line,) = lines(text)
        assert (line.hints.cusip, line.hints.isin) == ("82509L107", "")

    def test_of_thousands_fractions_and_shares_as_gifts(self):
        text = robinhood(
            ("1/16/2024", "F", "Ford\nCUSIP: 345370860", "Buy", "1,250.5", "$10.00", "($12,505.00)"),
            ("1/17/2024", "F", "Ford\nCUSIP: 345370860", "REC", "0.25", "", ""),
            ("1/18/2024", "F", "Ford\nCUSIP: 345370860\nDividend Reinvestment", "Buy", "0.012345", "$10.00", "($0.12)"),
        )
        assert said(text, "kind", "quantity", "cash") == [
            ("BUY", "1250.5", "-12505"),
            ("TRANSFER_IN", "0.25", "0"),
            ("BUY", "0.012345", "-0.12"),
        ]

    def test_of_options_that_were_assigned_and_the_shares_that_came(self):
        text = robinhood(
            ("6/21/2024", "F", "F 6/21/2024 Put $12.00", "OASGN", "1", "", ""),
            ("6/21/2024", "F", "1 F Option Assigned\nF 6/21/2024 Put $12.00", "Buy", "100", "$12.00", "($1,200.00)"),
            ("6/1/2024", "F", "F 6/21/2024 Put $12.00", "STO", "1", "$0.50", "$49.95"),
        )
        assert [(line.draft.kind, line.draft.quantity, line.instrument) for line in lines(text)] == [
            ("OPTION_ASSIGNMENT", 1, "F240621P00012000"),
            ("BUY", 100, "F"),
            ("SHORT", -1, "F240621P00012000"),
        ]

    def test_that_takes_a_trade_back_reverses_it(self):
        text = robinhood(
            ("1/17/2024", "F", "Ford", "BCXL", "10", "$10.00", "$100.00"),
            ("1/16/2024", "F", "Ford", "Buy", "10", "$10.00", "($100.00)"),
        )
        taken, bought = sorted(lines(text), key=lambda line: line.number)
        assert taken.reverses == Reference("robinhood", bought.draft.external_id)

    def test_of_a_reverse_split_moves_the_old_units_out_and_the_new_ones_in(self):
        text = robinhood(
            ("6/10/2024", "MULN", "Mullen\nCUSIP: 62526P604", "SPR", "4", "", ""),
            ("6/10/2024", "MULN", "Mullen\nCUSIP: 62526P505", "SPR", "100S", "", ""),
            ("1/10/2024", "MULN", "Mullen\nCUSIP: 62526P505", "Buy", "100", "$1.00", "($100.00)"),
        )
        assert said(text, "kind", "quantity") == [("SPLIT", "-96"), ("BUY", "100")]
        assert drafts(text)[0].data["ratio"] == "1:25"
