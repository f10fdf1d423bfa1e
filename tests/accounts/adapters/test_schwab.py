"""Schwab, Fidelity and Robinhood: the traps of US brokers' tables."""

from decimal import Decimal

import pytest

from accounts.domain.statements import CashBalance, Heading, Remark, StatementLine
from tests.accounts.statement_files import drafts, format_of, items, lines, refusals, said

SCHWAB = '"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"\n'
TITLE = '"Transactions  for account Savings ...123 as of 05/03/2024 02:21:05 PM ET"\n'
FIDELITY = (
    "Run Date,Account,Account Number,Action,Symbol,Description,Type,Currency,Price,Quantity,Commission,Fees,Accrued Interest,"
    "Amount,Settlement Date\n"
)
ROBINHOOD = '"Activity Date","Process Date","Settle Date","Instrument","Description","Trans Code","Quantity","Price","Amount"\n'


def schwab(*rows: tuple[str, ...], title: str = "", total: str = "") -> str:
    """Return a history of Schwab; a row is day, action, symbol, quantity, price, fees, amount."""
    made = [
        f'"{day}","{action}","{symbol}","About {symbol}","{quantity}","{price}","{fees}","{amount}"\n'
        for day, action, symbol, quantity, price, fees, amount in rows
    ]
    return title + SCHWAB + "".join(made) + (f'"Transactions Total","","","","","","","{total}",\n' if total else "")


class TestSchwab:
    def test_a_title_line_says_whose_history_it_is_and_the_total_line_is_no_transaction(self):
        text = schwab(("04/17/2024", "Bank Interest", "", "", "", "", "$0.03"), title=TITLE, total="$0.03")
        found = items(text)
        assert [item.account for item in found if isinstance(item, Heading | StatementLine)] == ["Savings ...123"] * 2
        assert len(found) == 2

    def test_lines_that_do_not_add_up_to_the_total_are_remarked(self):
        text = schwab(("04/17/2024", "Bank Interest", "", "", "", "", "$0.03"), total="-$1,208.15")
        assert [item.code for item in items(text) if isinstance(item, Remark)] == ["does_not_reconcile"]

    def test_a_day_as_of_another_is_the_day_on_which_it_was_booked(self):
        (draft,) = drafts(schwab(("04/17/2023 as of 04/15/2023", "Bank Interest", "", "", "", "", "$0.03")))
        assert (str(draft.occurred_at.date()), draft.data["as_of"]) == ("2023-04-17", "2023-04-15")

    def test_negative_amounts_with_a_sign_of_dollars_are_read(self):
        assert said(schwab(("10/18/2023", "Wire Sent", "", "", "", "", "-$1,208.15")), "kind", "cash") == [
            ("WITHDRAWAL", "-1208.15")
        ]

    def test_a_sale_may_differ_by_the_rounding_of_its_price(self):
        text = schwab(("04/18/2023", "Sell", "BND", "12.5", "$40.1231", "$0.01", "$501.53"))
        assert said(text, "kind", "quantity", "price", "cash", "fee") == [("SELL", "-12.5", "40.1231", "501.53", "0.01")]

    def test_figures_that_contradict_each_other_are_refused_and_the_others_go_on(self):
        text = schwab(
            ("04/18/2023", "Sell", "BND", "10", "$73", "", "$100"), ("04/18/2023", "Buy", "BND", "1", "$73", "", "-$73")
        )
        assert refusals(text) == [(2, "contradicting_amount")]
        assert len(items(text)) == 2

    def test_options_are_contracts(self):
        text = schwab(
            ("03/15/2025", "Sell to Open", "SPY   250321C00500000", "1", "$12.50", "$0.65", "$1249.35"),
            ("03/16/2025", "Expired", "SPY 03/21/2025 500.00 C", "1", "", "", ""),
        )
        short, expired = lines(text)
        assert short.contract == expired.contract
        assert (short.draft.kind, short.draft.quantity, expired.draft.kind, expired.draft.quantity) == (
            "SHORT",
            -1,
            "OPTION_EXPIRATION",
            1,
        )

    def test_a_split_states_the_units_that_came_and_earlier_lines_their_ratio(self):
        rows = [
            ("07/15/2024 as of 07/12/2024", "Stock Split", "AVGO", "9", "", "", ""),
            ("06/13/2024", "Buy", "AVGO", "1", "$1680", "", "-$1680"),
        ]
        assert drafts(schwab(*rows))[0].data["ratio"] == "10:1"
        assert "ratio" not in lines(schwab(rows[0]))[0].draft.data

    def test_a_reverse_split_is_two_rows_and_one_entry(self):
        text = schwab(
            ("06/10/2024", "Reverse Split", "TNXP", "1", "", "", ""),
            ("06/10/2024", "Reverse Split", "123456AB1", "-32", "", "", ""),
        )
        (draft,) = drafts(text)
        assert (draft.kind, draft.quantity, draft.data["ratio"]) == ("SPLIT", -31, "1:32")

    def test_a_merger_is_two_rows_that_share_a_group(self):
        text = schwab(
            ("07/26/2021", "Stock Merger", "LCID", "50", "", "", ""),
            ("07/26/2021", "Stock Merger", "987654CD3", "-50", "", "", ""),
        )
        come, gone = lines(text)
        assert (come.draft.quantity, gone.draft.quantity, gone.hints.cusip) == (50, -50, "987654CD3")
        assert come.draft.group == gone.draft.group is not None

    def test_identical_fees_of_one_day_are_both_kept_and_known_again(self):
        fee = ("04/21/2023", "Advisor Fee", "", "", "", "", "-$17.25")
        first, second = (
            [line.draft.external_id for line in lines(schwab(*rows, title=title))]
            for rows, title in (((fee, fee), ""), ((fee, fee, fee), TITLE))
        )
        assert len(set(second)) == 3
        assert set(first) < set(second)

    @pytest.mark.parametrize(("action", "code"), [("Moon Landing", "unknown_action"), ("Sell", "missing_quantity")])
    def test_what_is_not_known_is_refused(self, action, code):
        assert refusals(schwab(("04/18/2023", action, "BND", "", "", "", "$100"))) == [(2, code)]


def fidelity(*rows: tuple[str, ...]) -> str:
    """Return a history of Fidelity with its tail; a row is day, account, action, symbol, price, quantity, accrued, amount."""
    made = [
        f'{day},"Mine","{account}","{action}",{symbol},"About it",Cash,USD,{price},{quantity},,,{accrued},{amount},\n'
        for day, account, action, symbol, price, quantity, accrued, amount in rows
    ]
    tail = '\n\n,,,\n"The data and information in this spreadsheet, is provided to you solely, for your use"\nDate downloaded 12/03/2025 3:00 pm\n'  # noqa: E501
    return "\n\n,,,,\n" + FIDELITY + "".join(made) + tail


class TestFidelity:
    def test_empty_lines_before_and_a_disclaimer_behind_are_nothing(self):
        text = fidelity(("12/03/2025", "1", "DIRECT DEPOSIT PAYROLL (Cash)", " ", "", "0.000", "", "100.5"))
        assert said(text, "kind", "cash") == [("DEPOSIT", "100.5")]
        assert format_of(text) == "fidelity"

    def test_several_accounts_in_one_file_are_kept_apart(self):
        row = ("12/03/2025", "DIVIDEND RECEIVED FUND (BND) (Cash)", "BND", "", "0", "", "7.5")
        found = lines(fidelity((row[0], "111", *row[1:]), (row[0], "222", *row[1:])))
        assert [line.account for line in found] == ["111", "222"]
        assert len({line.draft.external_id for line in found}) == 2

    def test_the_symbol_may_stand_in_brackets_in_the_action_alone(self):
        text = fidelity(("12/03/2025", "1", "FOREIGN TAX PAID TAIWAN SEMI... (TSM) (Cash)", "", "", "0", "", "-11.20"))
        assert [(line.instrument, line.draft.kind) for line in lines(text)] == [("TSM", "TAX")]

    def test_bonds_are_quoted_in_percent_and_come_with_accrued_interest(self):
        text = fidelity(
            ("12/04/2025", "1", "YOU BOUGHT INVENTED CNTY 04.0% (Cash)", "987654AB1", "88.40", "20000", "120.45", "-17800.45")
        )
        (line,) = lines(text)
        assert (line.hints.multiplier, line.hints.asset_class, line.hints.cusip) == (Decimal("0.01"), "BOND", "987654AB1")
        assert (line.draft.price, line.draft.cash, line.draft.data["accrued_interest"]) == (
            Decimal("88.40"),
            Decimal("-17800.45"),
            "120.45",
        )
        assert drafts(text)

    def test_a_bond_that_is_paid_back_is_sold_at_par(self):
        text = fidelity(("11/17/2025", "1", "REDEMPTION PAYOUT HOUSTON TEX (Cash)", "44244CCF2", "1", "-25000", "", "25000"))
        assert said(text, "kind", "quantity", "price", "cash") == [("SELL", "-25000", "100", "25000")]

    def test_transfers_between_own_accounts_are_no_deposits(self):
        text = fidelity(
            ("12/03/2025", "1", "TRANSFERRED FROM 5 (Cash)", " ", "", "0", "", "9"),
            ("12/03/2025", "5", "TRANSFERRED TO 1 (Cash)", " ", "", "0", "", "-9"),
        )
        assert said(text, "kind", "cash") == [("TRANSFER_IN", "9"), ("TRANSFER_OUT", "-9")]

    def test_a_line_that_lacks_its_day_is_refused_not_passed_over(self):
        text = fidelity(("not-a-date", "1", "DIVIDEND RECEIVED (BND)", "BND", "", "0", "", "5"))
        assert refusals(text) == [(5, "bad_date")]

    def test_what_was_left_in_cash_is_told_where_the_file_has_it(self):
        text = fidelity().replace("Settlement Date\n", "Cash Balance,Settlement Date\n")
        text = text.replace(",Settlement Date\n", ",Settlement Date\n12/03/2025,M,1,DIRECT DEPOSIT,,,Cash,USD,,,,,,5,105.00,\n")
        assert [item.cash for item in items(text) if isinstance(item, CashBalance)] == [105]


def robinhood(*rows: tuple[str, ...]) -> str:
    """Return an activity of Robinhood with its tail; a row is day, symbol, description, code, quantity, price, amount."""
    made = [
        f'"{day}","{day}","{day}","{symbol}","{about}","{code}","{quantity}","{price}","{amount}"\n'
        for day, symbol, about, code, quantity, price, amount in rows
    ]
    return ROBINHOOD + "".join(made) + '""\n"","","","","","","","","","The data provided is for informational purposes only."\n'


class TestRobinhood:
    BUY = ("1/16/2024", "AAPL", "Apple\nCUSIP: 037833100", "Buy", "2.5", "$168.50", "($421.25)")

    def test_a_description_of_several_lines_is_one_row_and_tells_the_number(self):
        (line,) = lines(robinhood(self.BUY))
        assert (line.hints.cusip, line.hints.name, line.draft.cash) == ("037833100", "Apple", Decimal("-421.25"))

    def test_a_quantity_with_an_s_is_the_units_of_a_split(self):
        text = robinhood(
            self.BUY,
            ("3/5/2024", "AAPL", "Apple", "Sell", "1", "$190.00", "$190.00"),
            ("6/10/2024", "AAPL", "Apple Forward Split", "SPL", "4.5S", "", ""),
        )
        assert said(text, "kind", "quantity")[-1] == ("SPLIT", "4.5")
        assert drafts(text)[-1].data["ratio"] == "4:1"

    def test_options_are_contracts_and_the_little_that_an_amount_lacks_is_a_fee(self):
        text = robinhood(
            ("6/1/2024", "MOD", "MOD 6/18/2024 Put $280.00", "STO", "1", "$16.00", "$1,599.91"),
            ("6/18/2024", "MOD", "Option Expiration for MOD 6/18/2024 Put $280.00", "OEXP", "1", "", ""),
        )
        assert said(text, "kind", "quantity", "cash", "fee") == [
            ("SHORT", "-1", "1599.91", "0.09"),
            ("OPTION_EXPIRATION", "1", "0", "0"),
        ]

    def test_money_comes_and_goes_by_its_sign(self):
        text = robinhood(
            ("3/1/2024", "", "ACH Deposit", "ACH", "", "", "$1,000.00"),
            ("3/2/2024", "", "ACH Withdrawal", "ACH", "", "", "($200.00)"),
            ("3/7/2024", "", "Gold Fee", "GOLD", "", "", "($5.00)"),
            ("3/8/2024", "AAPL", "Cash Div", "CDIV", "", "", "$0.60"),
        )
        assert said(text, "kind", "cash") == [("DEPOSIT", "1000"), ("WITHDRAWAL", "-200"), ("FEE", "-5"), ("DIVIDEND", "0.6")]

    def test_a_code_that_is_not_known_is_refused(self):
        assert refusals(robinhood(("3/1/2024", "", "?", "XYZ", "", "", "$1.00"))) == [(2, "unknown_code")]
