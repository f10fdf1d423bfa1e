"""What a person is shown of the rules before placing an order is what the order is then held against."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.orders import PositionEffect, Side
from trading.domain.risk import Exposure, Limits, Proposal, Rule, check_account, check_order
from trading.domain.risk_checks import Outcome, account_checks, checks_of

HELD = UUID(int=1)
MONEY = st.decimals(0, 200_000, places=2)
SHARES = st.none() | st.decimals(0, 1, places=3)
LIMITS = st.builds(
    Limits,
    max_position_share=SHARES,
    max_daily_loss_share=SHARES,
    max_drawdown_share=SHARES,
    max_consecutive_losses=st.none() | st.integers(0, 6),
    max_order_quantity=st.none() | MONEY,
    max_order_value=st.none() | MONEY,
    max_open_orders=st.none() | st.integers(0, 5),
    restricted=st.sampled_from([frozenset(), frozenset({HELD})]),
    allow_short=st.booleans(),
    close_while_paused=st.booleans(),
)
EXPOSURES = st.builds(
    Exposure,
    equity=st.none() | st.decimals(-100, 200_000, places=2),
    buying_power=st.none() | MONEY,
    day_gain=st.none() | st.decimals(-10_000, 10_000, places=2),
    drawdown=st.none() | st.decimals(-1, 0, places=3),
    losing_streak=st.integers(0, 8),
    positions=st.dictionaries(st.just(HELD), st.decimals(-50_000, 50_000, places=2)),
    opening=st.dictionaries(st.just(HELD), MONEY),
    open_orders=st.integers(0, 8),
    paused=st.sampled_from(["", "By hand."]),
    halted=st.sampled_from(["", "For all."]),
)
PROPOSALS = st.builds(
    Proposal,
    instrument_id=st.just(HELD),
    side=st.sampled_from(Side),
    effect=st.sampled_from(PositionEffect),
    quantity=st.none() | MONEY,
    value=st.none() | MONEY,
)


def broken(checks) -> set[Rule]:
    return {check.rule for check in checks if check.outcome is Outcome.BROKEN}


@given(LIMITS, EXPOSURES, PROPOSALS)
def test_breaks_what_the_order_breaks_and_nothing_else_while_trading_goes_on(limits, exposure, proposal):
    found = {breach.rule for breach in check_order(limits, exposure, proposal)}
    shown = broken(checks_of(limits, exposure, proposal))
    if found & {Rule.TRADING_HALTED, Rule.TRADING_PAUSED}:
        assert found <= shown
    else:
        assert found == shown


@given(LIMITS, EXPOSURES, PROPOSALS)
def test_shows_each_rule_once(limits, exposure, proposal):
    rules = [check.rule for check in checks_of(limits, exposure, proposal)]
    assert len(rules) == len(set(rules))
    assert set(Rule) - set(rules) <= {Rule.UNKNOWN_VALUE}


@given(LIMITS, EXPOSURES, PROPOSALS)
def test_what_is_kept_is_within_its_limit(limits, exposure, proposal):
    for check in checks_of(limits, exposure, proposal):
        if check.outcome is Outcome.KEPT and check.value is not None and check.limit is not None:
            assert check.value <= check.limit or proposal.effect is PositionEffect.CLOSE
        if check.outcome is Outcome.BROKEN:
            assert check.detail


@given(LIMITS, EXPOSURES)
def test_of_the_account_are_those_that_pause_it(limits, exposure):
    assert broken(account_checks(limits, exposure)) == {breach.rule for breach in check_account(limits, exposure)}


@pytest.mark.parametrize(("effect", "outcome"), [(PositionEffect.OPEN, Outcome.KEPT), (PositionEffect.CLOSE, Outcome.NOT_ASKED)])
def test_of_what_closes_less_is_asked(effect, outcome):
    proposal = Proposal(instrument_id=HELD, side=Side.BUY, effect=effect, quantity=Decimal(1), value=Decimal(10))
    exposure = Exposure(equity=Decimal(1000), buying_power=Decimal(500))
    found = {check.rule: check for check in checks_of(Limits(), exposure, proposal)}
    assert (found[Rule.BUYING_POWER].outcome, found[Rule.ORDER_VALUE].outcome) == (outcome, Outcome.KEPT)
    assert found[Rule.ORDER_VALUE].limit == Decimal(100_000)
