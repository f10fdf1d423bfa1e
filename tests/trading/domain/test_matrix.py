"""Every type with every time in force, class, side and kind of instrument, held against a table of what can be ordered."""

from decimal import Decimal
from itertools import product

import pytest

from marketdata.domain.instruments import AssetClass
from trading.domain.drafts import OrderDraft, OrderRefused, StopLoss, TakeProfit, Terms
from trading.domain.legs import plan
from trading.domain.orders import OrderClass, OrderType, PositionEffect, Sending, Side, TimeInForce

TIMES = "DAY GTC IOC FOK OPG CLS"
TAKES = {
    OrderType.MARKET: TIMES,
    OrderType.LIMIT: TIMES,
    OrderType.STOP: "DAY GTC",
    OrderType.STOP_LIMIT: "DAY GTC",
    OrderType.TRAILING_STOP: "DAY GTC",
}
ASSETS = {AssetClass.EQUITY: TIMES, AssetClass.ETF: TIMES, AssetClass.CRYPTO: "GTC IOC", AssetClass.OPTION: "DAY"}
SIZES = ("whole", "part", "amount")
EVERY = list(product(OrderType, TimeInForce, OrderClass, Side, ASSETS, SIZES))


def allowed(kind, time, group, asset, size):
    """Say by the rules of the manual whether an order is taken."""
    if time.value not in TAKES[kind].split() or time.value not in ASSETS[asset].split():
        return False
    if group is not OrderClass.SIMPLE:
        plain = {OrderType.LIMIT} if group is OrderClass.OCO else {OrderType.MARKET, OrderType.LIMIT}
        shares = asset in {AssetClass.EQUITY, AssetClass.ETF}
        return kind in plain and time.value in {"DAY", "GTC"} and shares and size == "whole"
    if size != "whole" and asset is AssetClass.OPTION:
        return False
    if size != "whole" and asset is not AssetClass.CRYPTO:
        return time is TimeInForce.DAY and kind is not OrderType.TRAILING_STOP
    return True


def draft(kind, time, group, side, size):
    """Return the order with the prices that it needs: the market is at a hundred."""
    up = (side is Side.BUY) != (group is OrderClass.OCO)
    gain, loss = (Decimal(110), Decimal(90)) if up else (Decimal(90), Decimal(110))
    much = {"notional": Decimal(500)} if size == "amount" else {"quantity": Decimal("2.5" if size == "part" else 2)}
    priced = kind in {OrderType.LIMIT, OrderType.STOP_LIMIT} and group is not OrderClass.OCO
    return OrderDraft(
        side=side,
        type=kind,
        time_in_force=time,
        order_class=group,
        limit_price=Decimal(100) if priced else None,
        stop_price=Decimal(101) if kind in {OrderType.STOP, OrderType.STOP_LIMIT} else None,
        trail_percent=Decimal(5) if kind is OrderType.TRAILING_STOP else None,
        effect=PositionEffect.CLOSE if group is OrderClass.OCO else PositionEffect.OPEN,
        take_profit=TakeProfit(gain) if group in {OrderClass.BRACKET, OrderClass.OCO} else None,
        stop_loss=StopLoss(loss) if group is not OrderClass.SIMPLE else None,
        **much,
    )


def taken(one, asset):
    try:
        one.check(Terms(asset))
    except OrderRefused as refused:
        return not all(problem.code and problem.detail and problem.field for problem in refused.problems)
    return True


@pytest.mark.parametrize("asset", ASSETS, ids=str)
def test_every_order_is_taken_or_refused_by_name(asset):
    wrong = []
    for kind, time, group, side, which, size in EVERY:
        if which is not asset or (side is Side.SELL and size != "whole" and group is OrderClass.SIMPLE):
            continue  # parts are sold of what is held alone, below
        if taken(draft(kind, time, group, side, size), asset) != allowed(kind, time, group, asset, size):
            wrong.append((kind, time, group, side, size))
    assert wrong == []


def test_parts_and_amounts_are_sold_of_what_is_held_alone():
    for effect, told in ((PositionEffect.CLOSE, True), (PositionEffect.OPEN, False)):
        for size in ("part", "amount"):
            one = draft(OrderType.MARKET, TimeInForce.DAY, OrderClass.SIMPLE, Side.SELL, size)
            one = OrderDraft(**{name: getattr(one, name) for name in one.__slots__} | {"effect": effect})
            assert taken(one, AssetClass.EQUITY) is told


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("group", "roles", "waiting"),
    [
        (OrderClass.SIMPLE, [None], 0),
        (OrderClass.OTO, ["ENTRY", "STOP_LOSS"], 1),
        (OrderClass.BRACKET, ["ENTRY", "TAKE_PROFIT", "STOP_LOSS"], 2),
        (OrderClass.OCO, ["TAKE_PROFIT", "STOP_LOSS"], 0),
    ],
)
def test_what_a_class_consists_of(group, roles, waiting, side):
    legs = plan(draft(OrderType.LIMIT, TimeInForce.GTC, group, side, "whole"))
    assert [leg.role for leg in legs] == roles
    assert [leg.sending is Sending.HELD for leg in legs] == [False] * (len(legs) - waiting) + [True] * waiting
    closing = [leg.draft for leg in legs if leg.role in {"TAKE_PROFIT", "STOP_LOSS"}]
    assert {one.effect for one in closing} <= {PositionEffect.CLOSE}
    assert {one.side for one in closing} <= {side if group is OrderClass.OCO else side.opposite}
    assert {one.quantity for one in closing} <= {Decimal(2)}
