"""Position sizes: the stop never costs more than it may, and no cap is broken."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.orders import Side
from trading.domain.sizing import Cap, SizeRefused, SizeRequest, size

CENT = Decimal("1e-10")


def request(**fields):
    made = {"side": Side.BUY, "entry": "100", "stop": "95", "equity": "50000"} | fields
    return SizeRequest(
        **{name: Decimal(value) if isinstance(value, str) and name != "side" else value for name, value in made.items()}
    )


class TestSize:
    def test_risks_one_percent_between_entry_and_stop(self):
        found = size(request())
        assert (found.quantity, found.value, found.risk, found.capped_by) == (100, 10_000, 500, Cap.RISK)

    @pytest.mark.parametrize(
        ("fields", "quantity", "cap"),
        [
            ({"max_position_share": Decimal("0.1")}, 50, Cap.POSITION),
            ({"max_order_quantity": Decimal(20)}, 20, Cap.ORDER_QUANTITY),
            ({"max_order_value": Decimal(3050)}, 30, Cap.ORDER_VALUE),
            ({"buying_power": Decimal(1099)}, 10, Cap.BUYING_POWER),
            ({"buying_power": Decimal(-5)}, 0, Cap.BUYING_POWER),
            ({"fees": "250"}, 50, Cap.RISK),
            ({"fees": "900"}, 0, Cap.RISK),
            ({"multiplier": "100"}, 1, Cap.RISK),
            ({"rate": "0.5"}, 200, Cap.RISK),
            ({"side": Side.SELL, "stop": "102.5"}, 200, Cap.RISK),
            ({"stop": "85", "step": "0.1"}, Decimal("33.3"), Cap.RISK),
        ],
    )
    def test_is_limited_by_what_gives_the_least(self, fields, quantity, cap):
        found = size(request(**fields))
        assert (found.quantity, found.capped_by) == (quantity, cap)

    def test_of_a_trade_with_a_target_says_what_is_to_be_won(self):
        assert size(request(target="112.5")).risk_reward == Decimal("2.5")
        assert size(request()).risk_reward is None

    @given(
        st.decimals("1", "1000", places=2),
        st.decimals("0.01", "0.99", places=2),
        st.decimals("0.001", "0.1", places=3),
        st.sampled_from([Decimal(1), Decimal("0.001"), Decimal(100)]),
        st.sampled_from(Side),
    )
    def test_never_risks_more_and_one_step_more_would(self, entry, fraction, share, step, side):
        stop = entry * (1 - side.sign * fraction)
        asked = SizeRequest(side=side, entry=entry, stop=stop, equity=Decimal(100_000), risk_share=share, step=step)
        found = size(asked)
        at_risk = abs(entry - stop)
        assert found.risk <= 100_000 * share + CENT
        assert (found.quantity + step) * at_risk > 100_000 * share - CENT
        assert found.quantity % step == 0

    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"stop": "100"}, "stop", "stop_not_beyond_entry"),
            ({"stop": "101"}, "stop", "stop_not_beyond_entry"),
            ({"side": Side.SELL}, "stop", "stop_not_beyond_entry"),
            ({"target": "100"}, "target", "target_not_beyond_entry"),
            ({"side": Side.SELL, "stop": "105", "target": "101"}, "target", "target_not_beyond_entry"),
            ({"entry": "0"}, "entry", "not_positive"),
            ({"equity": "-1"}, "equity", "not_positive"),
            ({"stop": "NaN"}, "stop", "not_positive"),
            ({"risk_share": "1.5"}, "risk_share", "not_a_share"),
        ],
    )
    def test_follows_from_no_figures_that_contradict_each_other(self, fields, field, code):
        with pytest.raises(SizeRefused) as refused:
            size(request(**fields))
        assert (field, code) in {(problem.field, problem.code) for problem in refused.value.problems}
