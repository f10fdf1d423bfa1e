"""Whether a decision was right."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.outcomes import Choice, TradeOutcome, Verdict, judge, outcome_of

prices = st.decimals("0.01", "1000", places=2)


class TestJudge:
    @pytest.mark.parametrize(
        ("choice", "after", "verdict"),
        [
            ("BUY", "100.51", "RIGHT"),
            ("BUY", "100.50", "NEUTRAL"),
            ("BUY", "99", "WRONG"),
            ("SELL", "99", "RIGHT"),
            ("SELL", "100", "NEUTRAL"),
            ("SELL", "101", "WRONG"),
            ("HOLD", "100.50", "RIGHT"),
            ("HOLD", "99.50", "RIGHT"),
            ("HOLD", "99.49", "WRONG"),
            ("HOLD", "120", "WRONG"),
        ],
    )
    def test_by_what_the_price_did(self, choice, after, verdict):
        assert judge(Choice[choice], before=Decimal(100), after=Decimal(after)).verdict == verdict

    @given(prices, prices)
    def test_to_buy_is_right_where_to_sell_is_wrong(self, before, after):
        buy, sell = (judge(choice, before=before, after=after) for choice in (Choice.BUY, Choice.SELL))
        assert buy.move == -sell.move
        assert {buy.verdict, sell.verdict} in ({Verdict.RIGHT, Verdict.WRONG}, {Verdict.NEUTRAL})

    @given(prices, prices)
    def test_to_hold_is_right_where_neither_was(self, before, after):
        held = judge(Choice.HOLD, before=before, after=after).verdict is Verdict.RIGHT
        assert held == (judge(Choice.BUY, before=before, after=after).verdict is Verdict.NEUTRAL)


@pytest.mark.parametrize(("net", "outcome"), [("0.01", "win"), ("-0.01", "loss"), ("0", "breakeven"), (None, "open")])
def test_a_trade_came_to_what_it_made(net, outcome):
    assert outcome_of(net and Decimal(net)) is TradeOutcome(outcome)
