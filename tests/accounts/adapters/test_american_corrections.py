"""Schwab, Fidelity, Robinhood and Alpaca: what is rare: bonds with accrued interest, dividends booked back, shares exchanged."""

import json
from decimal import Decimal

import pytest

from tests.accounts.adapters.test_schwab import ROBINHOOD, schwab
from tests.accounts.statement_files import lines, refusals, said

NEW = (
    "Run Date,Action,Symbol,Description,Type,Price ($),Quantity,Commission ($),Fees ($),Accrued Interest ($),Amount ($),"
    "Settlement Date\n"
)


def robinhood(*rows: tuple[str, ...]) -> str:
    """Return the activity of an account; a row is day, instrument, code, quantity, price, amount."""
    return ROBINHOOD + "".join(
        f'"{day}","{day}","{day}","{name}","About {name}","{code}","{units}","{price}","{amount}"\n'
        for day, name, code, units, price, amount in rows
    )


def alpaca(*activities: dict[str, str]) -> str:
    """Return activities as the API gives them, all of one day."""
    usual = {"date": "2024-07-08", "net_amount": "0", "status": "executed"}
    return json.dumps([usual | {"id": f"20240708::{place}"} | said_ for place, said_ in enumerate(activities)])


class TestSchwab:
    def test_a_bond_is_bought_and_sold_with_the_interest_that_had_accrued_in_its_amount(self):
        bought, sold = lines(
            schwab(
                ("06/05/2024", "Buy", "91282CLW9", "10000", "$98.50", "$1.00", "-$9915.50"),
                ("06/06/2024", "Sell", "91282CLW9", "5000", "$98.50", "$1.00", "$4956.25"),
            )
        )
        assert [line.draft.data["accrued_interest"] for line in (bought, sold)] == ["64.5", "32.25"]
        assert (bought.draft.price, bought.draft.cash, bought.hints.multiplier) == (
            Decimal("98.5"),
            Decimal("-9915.5"),
            Decimal("0.01"),
        )

    def test_a_bond_whose_amount_is_far_off_is_refused(self):
        assert refusals(schwab(("06/05/2024", "Buy", "91282CLW9", "10000", "$98.50", "", "-$10900.00"))) == [
            (2, "contradicting_amount")
        ]
        assert refusals(schwab(("06/05/2024", "Buy", "91282CLW9", "10000", "$98.50", "", "-$9800.00"))) == [
            (2, "contradicting_amount")
        ]

    def test_a_dividend_that_is_booked_back_takes_the_one_before_back(self):
        first, back = lines(
            schwab(
                ("02/02/2024", "Pr Yr Cash Div", "O", "", "", "", "-$1.10"),
                ("12/15/2023", "Cash Dividend", "O", "", "", "", "$1.10"),
            )
        )
        assert (back.reverses.external_id, back.draft.cash) == (first.draft.external_id, Decimal("-1.1"))

    @pytest.mark.parametrize(
        ("action", "amount", "kind"),
        [
            ("Futures MM Sweep", "-$5.00", "TRANSFER_OUT"),
            ("Substitute Inc Pmt", "$5.00", "DIVIDEND"),
            ("Rein Sub Inc Pmt", "$5.00", "DIVIDEND"),
            ("Return Of Cap Adj", "$5.00", "RETURN_OF_CAPITAL"),
            ("NRA Withhold", "-$5.00", "TAX"),
            ("Bank Transfer", "$5.00", "DEPOSIT"),
        ],
    )
    def test_moves_money_in_more_ways(self, action, amount, kind):
        assert said(schwab(("02/02/2024", action, "O", "", "", "", amount)), "kind") == [(kind,)]

    def test_an_action_that_moves_units_and_is_not_known_is_refused_as_that(self):
        assert refusals(schwab(("02/02/2024", "Rights Distribution", "XRT", "100", "", "", ""))) == [(2, "unknown_action")]


class TestFidelity:
    @pytest.mark.parametrize("action", ["REDEMPTION PAYOUT", "FULL CALL PAYOUT", "PARTIAL CALL PAYOUT"])
    @pytest.mark.parametrize("price", ["", "1", "100"])
    def test_a_bond_that_is_paid_back_or_called_is_sold_at_par(self, action, price):
        row = (
            f'03/25/2025,"{action} #REOR R6006463510 TREAS BILLS (912797GZ4) (Cash)",912797GZ4,"T",Cash,{price},-5000,,,,5000,\n'
        )
        (line,) = lines(NEW + row)
        assert (line.draft.kind, line.draft.price, line.draft.cash, line.hints.multiplier) == ("SELL", 100, 5000, Decimal("0.01"))


class TestRobinhood:
    def test_a_dividend_that_is_booked_back_takes_the_one_before_back(self):
        first, back = lines(robinhood(("6/27/2024", "O", "CDIV", "", "", "($2.50)"), ("6/27/2024", "O", "CDIV", "", "", "$2.50")))
        assert (back.reverses.external_id, back.draft.cash) == (first.draft.external_id, Decimal("-2.5"))

    @pytest.mark.parametrize("code", ["MRGS", "SXCH", "CONV"])
    def test_shares_exchanged_for_others_hand_their_cost_on(self, code):
        gone, come = lines(robinhood(("7/26/2021", "CCIV", code, "30S", "", ""), ("7/26/2021", "LCID", code, "30", "", "")))
        assert [(line.draft.kind, line.draft.quantity) for line in (gone, come)] == [("MERGER", -30), ("MERGER", 30)]
        assert gone.draft.group == come.draft.group is not None

    def test_shares_and_money_for_others_are_one_happening_too(self):
        rows = [("7/26/2021", "OLD", "MRGS", "30S", "", ""), ("7/26/2021", "NEW", "MRGS", "10", "", "")]
        found = lines(robinhood(*rows, ("7/27/2021", "ELSE", "MRGS", "5S", "", "$100.00")))
        assert len({line.draft.group for line in found}) == 2


class TestAlpaca:
    def test_shares_exchanged_for_others_hand_their_cost_on_where_nothing_says_that_they_belong_together(self):
        text = alpaca(
            {"activity_type": "NC", "symbol": "FB", "qty": "-5"},
            {"activity_type": "NC", "symbol": "META", "qty": "5"},
            {"activity_type": "NC", "symbol": "OLD", "qty": "-7"},
            {"activity_type": "NC", "symbol": "NEW", "qty": "7"},
            {"activity_type": "MA", "symbol": "GONE", "qty": "-3"},
            {"activity_type": "MA", "symbol": "COME", "qty": "1"},
        )
        groups = [line.draft.group for line in lines(text)]
        assert groups[0] == groups[1] != groups[2] == groups[3] != groups[4] == groups[5] is not None

    def test_what_the_api_says_belongs_together_does(self):
        text = alpaca(
            {"activity_type": "NC", "symbol": "FB", "qty": "-5", "group_id": "one"},
            {"activity_type": "NC", "symbol": "META", "qty": "5", "group_id": "two"},
        )
        assert len({line.draft.group for line in lines(text)}) == 2

    @pytest.mark.parametrize("symbol", ["BTCUSD", "BTC/USD"])
    def test_coins_are_pairs_with_and_without_a_slash(self, symbol):
        fee = {"activity_type": "CFEE", "symbol": symbol, "qty": "-0.00001"}
        fill = {"activity_type": "FILL", "symbol": symbol, "qty": "0.01", "price": "60000", "side": "buy"}
        found = lines(alpaca(fee, fill | {"transaction_time": "2024-07-06T10:00:00Z"}))
        assert {line.instrument for line in found} == {"BTC/USD:CRYPTO"}

    @pytest.mark.parametrize(
        ("code", "amount", "kind"), [("CIL", "4.2", "DIVIDEND"), ("DIVWH", "-4.2", "TAX"), ("VOF", "-4.2", "FEE")]
    )
    def test_moves_money_in_more_ways(self, code, amount, kind):
        assert said(alpaca({"activity_type": code, "symbol": "GEV", "net_amount": amount}), "kind") == [(kind,)]

    def test_options_that_were_exercised_end_under_both_codes(self):
        for code in ("OPXRC", "OPEXC"):
            text = alpaca({"activity_type": code, "symbol": "AAPL240708C00250000", "qty": "-1"})
            assert said(text, "kind", "quantity") == [("OPTION_EXERCISE", "-1")]
