"""Trading on paper: every type and time in force, from what was known at the time alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.drafts import OrderDraft
from trading.domain.hours import Hours
from trading.domain.orders import OrderState, OrderStatus, OrderType, Side, TimeInForce, apply
from trading.domain.paper import Look, Model, PaperOrder, execution_id, work

OPEN = datetime(2024, 5, 6, 13, 30, tzinfo=UTC)
CLOSE = datetime(2024, 5, 6, 20, tzinfo=UTC)
NEXT = Hours(OPEN + timedelta(days=1), CLOSE + timedelta(days=1))
DAYS = [Hours(OPEN, CLOSE), NEXT]
TEN = OPEN + timedelta(minutes=30)
LATE = CLOSE + timedelta(days=3)
KEY = UUID(int=7)
FREE = Model()


def order(at=TEN, **asked):
    draft = OrderDraft(**{"side": Side.BUY} | ({} if "notional" in asked else {"quantity": Decimal(10)}) | asked)
    state = OrderState(OrderStatus.ACCEPTED, draft.quantity)
    return PaperOrder(order_id=KEY, draft=draft, state=state, accepted_at=at, since=at)


def quote(minutes, bid, ask, size=None):
    number = None if size is None else Decimal(size)
    return Look.quote(TEN + timedelta(minutes=minutes), Decimal(bid), Decimal(ask), number, number)


def bar(minutes, first, low, high, volume=None, last=None, lasts=1):
    begins = TEN + timedelta(minutes=minutes)
    amount, close = (None if number is None else Decimal(number) for number in (volume, last))
    return Look.bar(begins, begins + timedelta(minutes=lasts), Decimal(first), Decimal(low), Decimal(high), amount, close)


def told(steps):
    """Return steps as (minutes, kind, quantity, price)."""
    return [
        (
            (step.at - TEN).total_seconds() / 60,
            step.event.kind.value,
            *((step.event.fill.quantity, step.event.fill.price) if step.event.fill else ()),
        )
        for step in steps
    ]


def run(one, *looks, model=FREE, now=TEN + timedelta(hours=1), days=DAYS):
    return told(work(one, looks, days, model, now=now))


def at(number):
    return Decimal(number)


class TestMarket:
    def test_takes_what_the_market_asks_at_the_moment(self):
        assert run(order(), quote(-0.5, 9, 10), quote(1, 11, 12)) == [(0, "FILLED", 10, 10)]
        assert run(order(side=Side.SELL), quote(-0.5, 9, 10)) == [(0, "FILLED", 10, 9)]

    def test_waits_for_a_price_that_is_not_stale(self):
        assert run(order(), quote(-5, 9, 10), quote(1, 11, 12)) == [(1, "FILLED", 10, 12)]
        assert run(order(), quote(-5, 9, 10)) == []

    def test_is_filled_by_what_there_is(self):
        looks = [quote(1, 9, 10, 4), quote(2, 9, 11, 4), quote(3, 9, 12, 4)]
        assert run(order(), *looks) == [(1, "FILLED", 4, 10), (2, "FILLED", 4, 11), (3, "FILLED", 2, 12)]

    def test_gets_the_first_price_of_the_bar_after_it(self):
        assert run(order(), bar(-0.5, 8, 7, 9), bar(1, 10, 9, 12)) == [(2, "FILLED", 10, 10)]

    def test_by_amount_pays_for_units_that_cost_more_or_less_than_their_price(self):
        bond = replace(order(notional=Decimal(1000)), multiplier=Decimal("0.01"))
        model = Model(fee_share=Decimal("0.001"))
        steps = work(bond, [quote(1, 79, 80, 400), quote(2, 79, 80)], DAYS, model, now=TEN + timedelta(hours=1))
        assert [(step.event.fill.quantity, step.event.fill.fee, step.event.complete) for step in steps] == [
            (400, Decimal("0.32"), False),
            (850, Decimal("0.68"), True),
        ]

    def test_by_amount_buys_as_many_parts_as_it_pays_for(self):
        steps = work(order(notional=Decimal(100)), [quote(1, 6, 7)], DAYS, FREE, now=LATE)
        assert [(step.event.fill.quantity, step.event.complete) for step in steps] == [(at("14.285714285"), True)]

    def test_waits_for_the_market_to_open(self):
        early = order(at=OPEN - timedelta(hours=2))
        assert run(early, quote(-100, 9, 10), quote(-29, 11, 12)) == [(-29, "FILLED", 10, 12)]


class TestLimit:
    def test_waits_for_its_price_and_takes_a_better_one(self):
        one = order(type=OrderType.LIMIT, limit_price=at(10))
        assert run(one, quote(1, 10, 11)) == []
        assert run(one, quote(1, 10, 11), quote(2, 8, 9)) == [(2, "FILLED", 10, 9)]

    def test_in_a_bar_gets_its_limit_or_the_first_price(self):
        one = order(type=OrderType.LIMIT, limit_price=at(10))
        assert run(one, bar(1, 12, 9, 13)) == [(2, "FILLED", 10, 10)]
        assert run(one, bar(1, 9, 8, 13)) == [(2, "FILLED", 10, 9)]
        assert run(replace(one, draft=replace(one.draft, side=Side.SELL)), bar(1, 9, 8, 13)) == [(2, "FILLED", 10, 10)]

    def test_is_never_filled_worse_by_slippage(self):
        one = order(type=OrderType.LIMIT, limit_price=at(10))
        assert run(one, quote(1, 9, 10), model=Model(slippage_points=at(50))) == [(1, "FILLED", 10, 10)]


class TestStop:
    def test_is_set_off_and_takes_the_market(self):
        one = order(type=OrderType.STOP, stop_price=at(11))
        assert run(one, quote(1, 9, 10)) == []
        assert run(one, quote(1, 9, 10), quote(2, 11, 12)) == [(2, "TRIGGERED"), (2, "FILLED", 10, 12)]

    def test_in_a_bar_gets_the_stop_or_what_the_market_opened_at_beyond_it(self):
        one = order(side=Side.SELL, type=OrderType.STOP, stop_price=at(9))
        assert run(one, bar(1, 10, 8, 11)) == [(2, "TRIGGERED"), (2, "FILLED", 10, 9)]
        assert run(one, bar(1, 7, 6, 11)) == [(2, "TRIGGERED"), (2, "FILLED", 10, 7)]

    def test_with_a_limit_is_filled_no_worse(self):
        one = order(type=OrderType.STOP_LIMIT, stop_price=at(11), limit_price=at("11.5"))
        assert run(one, quote(1, 11, 12), quote(2, 11, "11.4")) == [(1, "TRIGGERED"), (2, "FILLED", 10, at("11.4"))]

    def test_with_a_limit_does_not_guess_within_a_bar(self):
        one = order(type=OrderType.STOP_LIMIT, stop_price=at(11), limit_price=at(11))
        assert run(one, bar(1, 10, 9, 12), bar(2, 10, 10, 12)) == [(2, "TRIGGERED"), (3, "FILLED", 10, 10)]

    def test_that_trails_follows_the_price_up_and_not_down(self):
        one = order(side=Side.SELL, type=OrderType.TRAILING_STOP, trail_price=at(2))
        looks = [quote(1, 10, 11), quote(2, 15, 16), quote(3, 14, 15), quote(4, 13, 14)]
        assert run(one, *looks[:3]) == [(2, "TRAILED")]
        assert run(one, *looks) == [(2, "TRAILED"), (4, "TRIGGERED"), (4, "FILLED", 10, 13)]

    def test_that_trails_knows_no_high_of_a_bar_before_it_is_over(self):
        one = order(side=Side.SELL, type=OrderType.TRAILING_STOP, trail_percent=at(10))
        looks = [bar(1, 100, 95, 120), bar(2, 110, 109, 112), bar(3, 109, 105, 109)]
        assert run(one, *looks) == [(2, "TRAILED"), (4, "TRIGGERED"), (4, "FILLED", 10, 108)]


@pytest.mark.parametrize(
    ("asked", "looks"),
    [
        (
            {"side": Side.SELL, "type": OrderType.TRAILING_STOP, "trail_percent": at(10)},
            [bar(1, 100, 99, 120), bar(2, 105, 105, 106)],
        ),
        ({"type": OrderType.STOP_LIMIT, "stop_price": at(11), "limit_price": at(11)}, [bar(1, 10, 9, 12), bar(2, 10, 10, 12)]),
        ({}, [bar(1, 10, 9, 12, volume=4), bar(2, 11, 9, 12, volume=4), bar(3, 12, 9, 12, volume=4)]),
    ],
    ids=["trails", "is set off", "is filled in parts"],
)
def test_bar_after_bar_is_seen_as_all_of_them_are_at_once(asked, looks):
    one, seen = order(**asked), []
    for number in range(len(looks)):
        for step in work(one, looks[: number + 1], DAYS, FREE, now=looks[number].at):
            one = replace(one, state=apply(one.state, step.event), since=step.at, fills=one.fills + (step.event.fill is not None))
            seen.append(step)
    assert one.state.status == "FILLED"
    assert told(seen) == run(order(**asked), *looks)


class TestTime:
    def test_for_the_day_expires_at_the_close(self):
        one = order(type=OrderType.LIMIT, limit_price=at(5))
        minutes = (CLOSE - TEN).total_seconds() / 60
        assert run(one, quote(1, 9, 10), now=CLOSE) == []
        assert run(one, quote(1, 9, 10), now=LATE) == [(minutes, "EXPIRED")]
        assert run(one, quote(minutes + 1, 3, 4), now=LATE) == [(minutes, "EXPIRED")]

    def test_placed_after_the_close_is_for_the_next_day(self):
        one = order(at=CLOSE + timedelta(hours=1))
        minutes = (NEXT.open_at - TEN).total_seconds() / 60
        assert run(one, quote(minutes + 1, 9, 10), now=LATE) == [(minutes + 1, "FILLED", 10, 10)]

    def test_until_canceled_goes_on_the_next_day(self):
        one = order(type=OrderType.LIMIT, limit_price=at(5), time_in_force=TimeInForce.GTC)
        assert run(one, quote(1440, 3, 4), now=LATE) == [(1440, "FILLED", 10, 4)]

    def test_between_the_sessions_nothing_is_traded(self):
        one = order(type=OrderType.LIMIT, limit_price=at(5), time_in_force=TimeInForce.GTC)
        assert run(one, quote(500, 3, 4), now=LATE) == []

    def test_in_extended_hours_goes_on_after_the_close(self):
        one = order(type=OrderType.LIMIT, limit_price=at(5), extended_hours=True)
        assert run(one, quote(400, 3, 4), now=LATE) == [(400, "FILLED", 10, 4)]
        assert run(one, quote(700, 3, 4), now=LATE) == [(600, "EXPIRED")]

    def test_at_once_takes_what_there_is_and_no_more(self):
        one = order(time_in_force=TimeInForce.IOC)
        assert run(one, quote(0.5, 9, 10, 4), quote(0.6, 9, 10)) == [(0.5, "FILLED", 4, 10), (0.5, "CANCELED")]
        assert run(one, quote(5, 9, 10)) == [(1, "CANCELED")]
        assert run(one, now=TEN) == []

    def test_all_or_nothing(self):
        one = order(time_in_force=TimeInForce.FOK)
        assert run(one, quote(0.5, 9, 10, 4), quote(0.6, 9, 10)) == [(0.5, "CANCELED")]
        assert run(one, quote(0.5, 9, 10, 10)) == [(0.5, "FILLED", 10, 10)]

    def test_at_the_opening_gets_its_first_price_or_none(self):
        one = order(at=OPEN - timedelta(hours=1), time_in_force=TimeInForce.OPG)
        assert run(one, quote(-31, 1, 2), quote(-30, 9, 10), now=LATE) == [(-30, "FILLED", 10, 10)]
        limited = replace(one, draft=replace(one.draft, type=OrderType.LIMIT, limit_price=at(9)))
        assert run(limited, quote(-30, 9, 10), quote(-29, 1, 2), now=LATE) == [(-30, "CANCELED")]

    def test_at_the_close_gets_its_last_price(self):
        one = order(time_in_force=TimeInForce.CLS)
        assert run(one, quote(1, 9, 10), quote(359, 11, 12), quote(361, 1, 2), now=LATE) == [(360, "FILLED", 10, 12)]
        assert run(one, quote(1, 9, 10), now=CLOSE - timedelta(minutes=1)) == []
        assert run(one, now=LATE) == [(360, "EXPIRED")]

    def test_an_auction_has_one_price_and_not_what_a_bar_touched(self):
        early = {"at": OPEN - timedelta(hours=1), "type": OrderType.LIMIT, "limit_price": at(9)}
        opening = order(time_in_force=TimeInForce.OPG, **early)
        assert run(opening, bar(-30, 10, 8, 12), now=LATE) == [(-29, "CANCELED")]
        assert run(opening, bar(-30, 9, 8, 12), now=LATE) == [(-29, "FILLED", 10, 9)]
        closing = order(time_in_force=TimeInForce.CLS, type=OrderType.LIMIT, limit_price=at(9))
        assert run(closing, bar(359, 10, 8, 12, last=11), now=LATE) == [(360, "EXPIRED")]
        assert run(closing, bar(359, 10, 8, 12, last=9), now=LATE) == [(360, "FILLED", 10, 9)]

    def test_at_the_close_gets_the_last_price_of_the_days_bar(self):
        whole_day = bar(-30, 10, 8, 12, last=11, lasts=390)
        assert run(order(time_in_force=TimeInForce.CLS), whole_day, now=LATE) == [(360, "FILLED", 10, 11)]

    def test_for_the_day_expires_at_an_early_close(self):
        short = [Hours(OPEN, OPEN + timedelta(hours=3, minutes=30)), NEXT]
        one = order(type=OrderType.LIMIT, limit_price=at(5))
        assert run(one, quote(181, 3, 4), now=LATE, days=short) == [(180, "EXPIRED")]
        assert run(order(at=OPEN + timedelta(hours=4)), quote(240, 3, 4), quote(1441, 9, 10), now=LATE, days=short) == [
            (1441, "FILLED", 10, 10)
        ]


class TestModel:
    def test_slippage_is_against_whoever_trades(self):
        model = Model(slippage_points=at(10))
        assert run(order(), quote(1, 99, 100), model=model) == [(1, "FILLED", 10, at("100.1"))]
        assert run(order(side=Side.SELL), quote(1, 100, 101), model=model) == [(1, "FILLED", 10, at("99.9"))]

    def test_slippage_keeps_to_the_grid(self):
        one = replace(order(), tick_size=at("0.05"))
        assert run(one, quote(1, 99, 100), model=Model(slippage_points=at(3))) == [(1, "FILLED", 10, at("100.05"))]

    def test_chance_follows_from_the_seed(self):
        prices = [
            run(order(), quote(1, 99, 100), model=Model(slippage_points=at(10), chance=at(1), seed=seed))[0][3]
            for seed in (1, 1, 2)
        ]
        assert prices[0] == prices[1] != prices[2]
        assert all(100 <= price <= at("100.1") for price in prices)

    def test_commission_is_per_order_unit_and_value(self):
        model = Model(fee_per_order=at(1), fee_per_unit=at("0.01"), fee_share=at("0.001"), least_fee=at("0.1"))
        steps = work(order(), [quote(1, 99, 100, 4), quote(2, 99, 100)], DAYS, model, now=LATE)
        assert [step.event.fill.fee for step in steps] == [at("1.44"), at("0.66")]

    def test_crypto_is_filled_by_parts_of_a_unit_and_shares_are_not(self):
        looks = [quote(1, 9, 10, "0.7"), quote(2, 9, 10, "20.5")]
        assert run(replace(order(), parts=True), *looks) == [(1, "FILLED", at("0.7"), 10), (2, "FILLED", at("9.3"), 10)]
        assert run(order(), *looks) == [(2, "FILLED", 10, 10)]

    def test_takes_part_of_the_volume_alone(self):
        steps = run(order(), bar(1, 10, 9, 11, 40), bar(2, 10, 9, 11, 400), model=Model(participation=at("0.1")))
        assert steps == [(2, "FILLED", 4, 10), (3, "FILLED", 6, 10)]


LOOKS = st.lists(
    st.tuples(st.integers(1, 500), st.integers(1, 20), st.integers(0, 3), st.integers(1, 6)),
    max_size=12,
    unique_by=lambda x: x[0],
)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"type": OrderType.LIMIT, "limit_price": at(9)},
        {"type": OrderType.STOP, "stop_price": at(12)},
        {"type": OrderType.TRAILING_STOP, "trail_price": at(3), "side": Side.SELL},
        {"type": OrderType.STOP_LIMIT, "stop_price": at(12), "limit_price": at(12), "time_in_force": TimeInForce.GTC},
    ],
)
@given(found=LOOKS, cut=st.integers(0, 500))
def test_the_future_changes_nothing_and_a_stop_on_the_way_neither(asked, found, cut):
    looks = [quote(minute, bid, bid + spread, size) for minute, bid, spread, size in sorted(found)]
    one, model, moment = order(**asked), Model(slippage_points=at(5), chance=at(1), seed=3), TEN + timedelta(minutes=cut)
    whole = work(one, looks, DAYS, model, now=LATE)
    before = work(one, [look for look in looks if look.at <= moment], DAYS, model, now=moment)
    assert before == work(one, looks, DAYS, model, now=moment)  # what comes later is not known
    state = one.state
    for step in before:
        state = apply(state, step.event)
    fills = [step for step in before if step.event.fill]
    resumed = replace(one, state=state, since=before[-1].at if before else one.since, fills=len(fills))
    after = work(resumed, looks, DAYS, model, now=LATE) if state.is_open else []
    kept = [step for step in [*before, *after] if step.event.mark is None]
    assert kept == [step for step in whole if step.event.mark is None]
    assert [step.event.fill.execution_id for step in kept if step.event.fill] == [
        execution_id(KEY, number + 1) for number in range(len([step for step in kept if step.event.fill]))
    ]
