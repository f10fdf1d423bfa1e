"""Limits: each kept at its edge and broken one step beyond, by name, with what to do about it."""

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.orders import PositionEffect, Side
from trading.domain.risk import (
    DEFAULTS,
    Action,
    Exposure,
    Limits,
    Proposal,
    RiskRefused,
    Rule,
    Severity,
    check_account,
    check_order,
)

SHARE = uuid4()
NONE = Limits(**{name: None for name in Limits.__slots__ if name.startswith("max_")}, allow_short=True)


def order(quantity="10", value="1000", side="BUY", effect="OPEN"):
    amounts = (Decimal(quantity) if quantity else None, Decimal(value) if value else None)
    return Proposal(instrument_id=SHARE, side=Side[side], effect=PositionEffect[effect], quantity=amounts[0], value=amounts[1])


def account(equity="10000", **fields):
    return Exposure(equity=equity and Decimal(equity), **fields)


def rules(limits, exposure, proposal):
    found = check_order(limits, exposure, proposal)
    assert all(breach.detail.endswith(".") for breach in found)
    return [breach.rule for breach in found]


class TestOrder:
    def test_within_the_defaults_breaks_nothing(self):
        assert check_order(DEFAULTS, account(), order()) == []

    @pytest.mark.parametrize(
        ("limit", "most", "proposal", "rule"),
        [
            ("max_order_quantity", Decimal(10), order(quantity="10.001"), Rule.ORDER_QUANTITY),
            ("max_order_value", Decimal(1000), order(value="1000.01"), Rule.ORDER_VALUE),
            ("max_position_share", Decimal("0.1"), order(value="1000.01"), Rule.POSITION_SHARE),
        ],
    )
    def test_at_a_limit_keeps_it_and_beyond_it_breaks_it(self, limit, most, proposal, rule):
        limits = replace(NONE, **{limit: most})
        assert rules(limits, account(), order()) == []
        breach = check_order(limits, account(), proposal)[0]
        assert (breach.rule, breach.limit, breach.action) == (rule, most, Action.REJECT)
        assert breach.value > most
        assert breach.field == "quantity"

    def test_counts_what_is_held_and_ordered_already(self):
        limits = replace(NONE, max_position_share=Decimal("0.25"))
        held = account(positions={SHARE: Decimal(1000)}, opening={SHARE: Decimal(500)})
        assert rules(limits, held, order(value="1000")) == []
        assert rules(limits, held, order(value="1001")) == [Rule.POSITION_SHARE]

    def test_counts_a_short_position_by_its_size(self):
        limits = replace(NONE, max_position_share=Decimal("0.25"))
        assert rules(limits, account(positions={SHARE: Decimal(-2000)}), order(side="SELL")) == [Rule.POSITION_SHARE]

    def test_breaks_the_share_of_an_account_that_is_worth_nothing(self):
        assert Rule.POSITION_SHARE in rules(DEFAULTS, account(equity="0"), order())
        assert Rule.POSITION_SHARE in rules(DEFAULTS, account(equity=None), order())

    def test_takes_no_more_than_can_be_spent(self):
        assert rules(NONE, account(buying_power=Decimal(1000)), order()) == []
        assert rules(NONE, account(buying_power=Decimal("999.99")), order()) == [Rule.BUYING_POWER]

    def test_without_a_price_cannot_be_checked(self):
        assert Rule.UNKNOWN_VALUE in rules(DEFAULTS, account(), order(value=None))
        assert rules(NONE, account(), order(value=None)) == []

    def test_sells_short_only_where_that_is_allowed(self):
        assert rules(DEFAULTS, account(), order(side="SELL")) == [Rule.SHORT_SALE]
        assert rules(replace(DEFAULTS, allow_short=True), account(), order(side="SELL")) == []

    def test_is_one_of_so_many(self):
        limits = replace(NONE, max_open_orders=3)
        assert rules(limits, account(open_orders=2), order()) == []
        assert rules(limits, account(open_orders=3), order()) == [Rule.OPEN_ORDERS]

    def test_opens_nothing_restricted_and_closes_it(self):
        limits = replace(DEFAULTS, restricted=frozenset({SHARE}))
        assert rules(limits, account(), order()) == [Rule.RESTRICTED_INSTRUMENT]
        assert rules(limits, account(), order(side="SELL", effect="CLOSE")) == []

    def test_tells_all_its_breaches_at_once(self):
        assert len(rules(DEFAULTS, account(buying_power=Decimal(1)), order("10001", "100001", "SELL"))) == 5

    def test_that_closes_keeps_to_the_limits_of_one_order_alone(self):
        worst = account(equity="1", buying_power=Decimal(0), day_gain=Decimal(-99), losing_streak=99, open_orders=999)
        assert rules(DEFAULTS, worst, order(side="SELL", effect="CLOSE")) == []
        assert rules(DEFAULTS, worst, order("10001", "1", "SELL", "CLOSE")) == [Rule.ORDER_QUANTITY]

    @given(st.decimals("0.01", "100000", places=2), st.decimals("0.01", "100000", places=2))
    def test_that_is_larger_breaks_no_fewer_limits(self, one, other):
        exposure = account(buying_power=Decimal(5000))
        small, large = (set(rules(DEFAULTS, exposure, order(value=str(value)))) for value in sorted((one, other)))
        assert small <= large


class TestAccount:
    @pytest.mark.parametrize(
        ("kept", "broken", "rule"),
        [
            ({"equity": "9700", "day_gain": Decimal(-300)}, {"equity": "9699", "day_gain": Decimal(-301)}, Rule.DAILY_LOSS),
            ({"drawdown": Decimal("-0.2")}, {"drawdown": Decimal("-0.2001")}, Rule.DRAWDOWN),
            ({"losing_streak": 5}, {"losing_streak": 6}, Rule.LOSING_STREAK),
        ],
    )
    def test_beyond_a_limit_is_paused(self, kept, broken, rule):
        assert check_account(DEFAULTS, account(**kept)) == []
        breach = check_account(DEFAULTS, account(**broken))[0]
        assert (breach.rule, breach.severity, breach.action) == (rule, Severity.CRITICAL, Action.PAUSE)
        assert breach.value > breach.limit
        assert rules(DEFAULTS, account(**broken), order()) == [rule]

    def test_of_which_nothing_is_known_is_not_paused(self):
        assert check_account(DEFAULTS, account(equity=None)) == []

    def test_that_gains_is_not_paused(self):
        assert check_account(DEFAULTS, account(day_gain=Decimal(9000), drawdown=Decimal(0))) == []

    def test_without_limits_is_not_paused(self):
        assert check_account(NONE, account(day_gain=Decimal(-9000), drawdown=Decimal(-1), losing_streak=99)) == []


class TestStops:
    def test_a_pause_lets_nothing_be_opened_and_what_is_held_be_closed(self):
        paused = account(paused="The day's loss is 5 %.")
        assert rules(DEFAULTS, paused, order()) == [Rule.TRADING_PAUSED]
        assert rules(DEFAULTS, paused, order(side="SELL", effect="CLOSE")) == []

    def test_a_pause_may_stop_closing_as_well(self):
        strict = replace(DEFAULTS, close_while_paused=False)
        assert rules(strict, account(paused="x"), order(side="SELL", effect="CLOSE")) == [Rule.TRADING_PAUSED]

    def test_a_halt_stops_everything_whatever_the_limits(self):
        halted = account(halted="The exchange is closed.", paused="x")
        for proposal in (order(), order(side="SELL", effect="CLOSE")):
            assert rules(NONE, halted, proposal) == [Rule.TRADING_HALTED]


class TestRecords:
    def test_of_limits_are_what_json_carries(self):
        record = replace(DEFAULTS, restricted=frozenset({SHARE}), max_drawdown_share=None).as_record()
        assert (record["max_position_share"], record["max_drawdown_share"]) == ("0.25", None)
        assert (record["restricted"], record["allow_short"], record["max_open_orders"]) == ([str(SHARE)], False, 200)

    def test_of_a_refusal_name_rule_and_field(self):
        found = check_order(DEFAULTS, account(), order(quantity="10001"))
        refusal = RiskRefused(tuple(found))
        assert [(problem.field, problem.code) for problem in refusal.problems] == [("quantity", "order_quantity")]


class TestShareOfTheDay:
    def test_is_of_what_there_was_before_it(self):
        assert account(equity="9500", day_gain=Decimal(-500)).day_gain_share == Decimal("-0.05")

    @pytest.mark.parametrize("fields", [{"day_gain": None}, {"equity": "100", "day_gain": Decimal(100)}, {"equity": None}])
    def test_of_nothing_is_none(self, fields):
        assert account(**fields).day_gain_share is None
