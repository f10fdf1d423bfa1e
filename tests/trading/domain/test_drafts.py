"""Every rule of orders: one that keeps it, one that breaks it, and what the refusal says."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from marketdata.domain.instruments import AssetClass
from trading.domain.drafts import (
    OrderDraft,
    OrderRefused,
    Replacement,
    StopLoss,
    TakeProfit,
    Terms,
    replaced,
)
from trading.domain.orders import OrderClass, OrderType, PositionEffect, Side, TimeInForce

SHARE = Terms(tick_size=Decimal("0.01"))
CRYPTO = Terms(AssetClass.CRYPTO)
OPTION = Terms(AssetClass.OPTION)
WORDS = {"side": Side, "type": OrderType, "time_in_force": TimeInForce, "order_class": OrderClass, "effect": PositionEffect}


def draft(text="", **fields):
    """Return a draft from words such as "SELL LIMIT GTC" and numbers given as texts."""
    known = {member: (name, kind(member)) for name, kind in WORDS.items() for member in kind.__members__}
    said = {"side": Side.BUY, "quantity": Decimal(10)} | dict(known[word] for word in text.split())
    for name, value in fields.items():
        said[name] = Decimal(value) if isinstance(value, str) and name != "client_order_id" else value
    return OrderDraft(**said)


def profit(price):
    return TakeProfit(Decimal(price))


def loss(stop, limit=None):
    return StopLoss(Decimal(stop), limit and Decimal(limit))


def broken(made, terms=SHARE):
    """Return the field and name of every rule that a draft breaks."""
    try:
        made.check(terms)
    except OrderRefused as refused:
        return {(problem.field, problem.code) for problem in refused.problems if problem.detail.endswith(".")}
    return set()


BRACKET = {"take_profit": profit(12), "stop_loss": loss(9)}
GOOD = [
    draft("MARKET"),
    draft("LIMIT GTC", limit_price="10.01"),
    draft("STOP", stop_price="9"),
    draft("STOP_LIMIT GTC", stop_price="9", limit_price="8.5"),
    draft("SELL CLOSE TRAILING_STOP", trail_price="1"),
    draft("SELL CLOSE TRAILING_STOP GTC", trail_percent="2.5"),
    draft("MARKET OPG"),
    draft("LIMIT CLS", limit_price="10"),
    draft("MARKET IOC"),
    draft("LIMIT FOK", limit_price="10"),
    draft("MARKET", quantity="0.5"),
    draft("MARKET", quantity=None, notional="100"),
    draft("SELL CLOSE MARKET", quantity="0.5"),
    draft("SELL OPEN MARKET", quantity="5"),
    draft("LIMIT", limit_price="10", extended_hours=True),
    draft("BRACKET MARKET", **BRACKET),
    draft("BRACKET LIMIT GTC", limit_price="10", take_profit=profit(12), stop_loss=loss(9, "8.9")),
    draft("BRACKET SELL OPEN LIMIT", limit_price="10", take_profit=profit(9), stop_loss=loss(12, "12.1")),
    draft("OTO MARKET", take_profit=profit(12)),
    draft("OTO MARKET", stop_loss=loss(9)),
    draft("OCO SELL CLOSE LIMIT GTC", **BRACKET),
    draft("OCO BUY CLOSE LIMIT", take_profit=profit(9), stop_loss=loss(12)),
]
BAD = [
    (draft(quantity=None), "quantity", "quantity_or_notional"),
    (draft(notional="5"), "quantity", "quantity_or_notional"),
    (draft(quantity="0"), "quantity", "not_positive"),
    (draft(quantity="-3"), "quantity", "not_positive"),
    (draft(quantity="NaN"), "quantity", "invalid_number"),
    (draft(quantity="1e12"), "quantity", "invalid_number"),
    (draft(quantity="1e-13"), "quantity", "invalid_number"),
    (draft("LIMIT", limit_price="-1"), "limit_price", "not_positive"),
    (draft("BRACKET", take_profit=profit(-1), stop_loss=loss(9)), "take_profit.limit_price", "not_positive"),
    (draft("GTC", quantity="0.5"), "time_in_force", "fractional_day"),
    (draft("GTC", quantity=None, notional="100"), "time_in_force", "fractional_day"),
    (draft("OTO", quantity="0.5", stop_loss=loss(9)), "order_class", "fractional_simple"),
    (draft("TRAILING_STOP", quantity="0.5", trail_price="1"), "type", "fractional_trailing"),
    (draft("SELL OPEN", quantity="0.5"), "quantity", "fractional_short"),
    (draft("LIMIT"), "limit_price", "limit_price_required"),
    (draft("STOP"), "stop_price", "stop_price_required"),
    (draft("STOP_LIMIT", stop_price="9"), "limit_price", "limit_price_required"),
    (draft("MARKET", limit_price="9"), "limit_price", "limit_price_not_taken"),
    (draft("LIMIT", limit_price="9", stop_price="8"), "stop_price", "stop_price_not_taken"),
    (draft("TRAILING_STOP"), "trail_price", "one_trail"),
    (draft("TRAILING_STOP", trail_price="1", trail_percent="1"), "trail_price", "one_trail"),
    (draft("LIMIT", limit_price="9", trail_price="1"), "trail_price", "trail_not_taken"),
    (draft("SELL CLOSE TRAILING_STOP", trail_percent="100"), "trail_percent", "trail_too_wide"),
    (draft("STOP OPG", stop_price="9"), "type", "auction_type"),
    (draft("STOP IOC", stop_price="9"), "type", "at_once_type"),
    (draft("TRAILING_STOP FOK", trail_price="1"), "type", "at_once_type"),
    (draft("MARKET", extended_hours=True), "extended_hours", "extended_limit"),
    (draft("OTO LIMIT", limit_price="10", stop_loss=loss(9), extended_hours=True), "extended_hours", "extended_limit"),
    (draft("LIMIT IOC", limit_price="10", extended_hours=True), "time_in_force", "extended_time"),
    (draft(take_profit=profit(12)), "order_class", "legs_not_taken"),
    (draft("OTO"), "take_profit", "one_leg"),
    (draft("OTO", **BRACKET), "take_profit", "one_leg"),
    (draft("BRACKET", stop_loss=loss(9)), "take_profit", "two_legs"),
    (draft("OCO SELL CLOSE LIMIT", take_profit=profit(12)), "take_profit", "two_legs"),
    (draft("OCO SELL CLOSE LIMIT", limit_price="12", **BRACKET), "limit_price", "oco_limit"),
    (draft("OCO SELL CLOSE MARKET", **BRACKET), "type", "oco_limit"),
    (draft("BRACKET STOP", stop_price="10", **BRACKET), "type", "legs_type"),
    (draft("BRACKET IOC", **BRACKET), "time_in_force", "legs_time"),
    (draft("BRACKET SELL CLOSE", take_profit=profit(9), stop_loss=loss(12)), "order_class", "legs_effect"),
    (draft("OCO SELL OPEN LIMIT", **BRACKET), "order_class", "legs_effect"),
    (draft("BRACKET", take_profit=profit(9), stop_loss=loss(12)), "take_profit.limit_price", "legs_crossed"),
    (draft("BRACKET SELL OPEN", **BRACKET), "take_profit.limit_price", "legs_crossed"),
    (draft("BRACKET", take_profit=profit(9), stop_loss=loss(9)), "take_profit.limit_price", "legs_crossed"),
    (draft("OCO BUY CLOSE LIMIT", **BRACKET), "take_profit.limit_price", "legs_crossed"),
    (draft("OTO LIMIT", limit_price="12", take_profit=profit(12)), "take_profit.limit_price", "no_profit"),
    (draft("OTO LIMIT", limit_price="9", stop_loss=loss(9)), "stop_loss.stop_price", "no_loss"),
    (draft("OTO", stop_loss=loss(9, "9.1")), "stop_loss.limit_price", "limit_beyond_stop"),
    (draft("OTO SELL OPEN", stop_loss=loss(12, "11.9")), "stop_loss.limit_price", "limit_beyond_stop"),
    (draft("LIMIT", limit_price="10.001"), "limit_price", "off_tick"),
    (draft("OTO", stop_loss=loss("9.005")), "stop_loss.stop_price", "off_tick"),
    (draft(client_order_id="x" * 129), "client_order_id", "bad_client_order_id"),
    (draft(client_order_id="a\x07"), "client_order_id", "bad_client_order_id"),
    (draft(client_order_id="a\nb"), "client_order_id", "bad_client_order_id"),
]
OF_CLASSES = [
    (CRYPTO, draft("LIMIT GTC", limit_price="10", quantity="0.0001"), set()),
    (CRYPTO, draft("MARKET IOC", quantity=None, notional="100"), set()),
    (CRYPTO, draft("MARKET"), {("time_in_force", "crypto_time")}),
    (CRYPTO, draft("LIMIT GTC", limit_price="10", extended_hours=True), {("extended_hours", "extended_shares")}),
    (CRYPTO, draft("BRACKET GTC", **BRACKET), {("order_class", "legs_class")}),
    (OPTION, draft("LIMIT", limit_price="1.5"), set()),
    (OPTION, draft("LIMIT GTC", limit_price="1.5"), {("time_in_force", "option_day")}),
    (OPTION, draft("MARKET", quantity="0.5"), {("quantity", "whole_units")}),
    (OPTION, draft("MARKET", quantity=None, notional="50"), {("quantity", "whole_units")}),
    (OPTION, draft("OTO", stop_loss=loss(9)), {("order_class", "legs_class")}),
    (Terms(AssetClass.INDEX), draft(), {("instrument", "not_tradable")}),
    (Terms(active=False), draft(), {("instrument", "inactive")}),
    (Terms(tick_size=None), draft("LIMIT", limit_price="10.00001"), set()),
]


class TestRules:
    @pytest.mark.parametrize("made", GOOD, ids=str)
    def test_are_kept(self, made):
        assert broken(made) == set()

    @pytest.mark.parametrize(("made", "field", "code"), BAD, ids=lambda value: value if isinstance(value, str) else "")
    def test_are_broken_by_name(self, made, field, code):
        assert (field, code) in broken(made)

    @pytest.mark.parametrize(("terms", "made", "problems"), OF_CLASSES)
    def test_of_what_is_traded(self, terms, made, problems):
        assert broken(made, terms) == problems

    def test_are_told_all_at_once(self):
        assert len(broken(draft("LIMIT IOC", quantity="0.5", extended_hours=True))) == 3

    @pytest.mark.parametrize(("kind", "time", "cls"), list(product(OrderType, TimeInForce, OrderClass)), ids=str)
    def test_answer_for_every_combination(self, kind, time, cls):
        """No combination of the words is forgotten: it is taken, or refused by a name."""
        prices = {"limit_price": "10", "stop_price": "9.5", "trail_price": "1"}
        needed = {"LIMIT": ["limit_price"], "STOP": ["stop_price"], "STOP_LIMIT": ["limit_price", "stop_price"]}
        given = {name: prices[name] for name in needed.get(kind, ["trail_price"] if kind == "TRAILING_STOP" else [])}
        legs = {"BRACKET": BRACKET, "OCO": BRACKET, "OTO": {"stop_loss": loss(9)}}.get(cls, {})
        found = broken(draft(f"{kind} {time} {cls}", **given, **legs))
        plain = kind in {"MARKET", "LIMIT"}
        standing = time in {"DAY", "GTC"}
        allowed = (plain or standing) if cls == "SIMPLE" else (cls != "OCO" and plain and standing)
        assert (found == set()) == allowed


class TestReplacement:
    ORDER = draft("LIMIT GTC", limit_price="10", client_order_id="first")

    def test_is_for_what_is_not_filled(self):
        made = replaced(self.ORDER, Replacement(limit_price=Decimal(11)), filled=Decimal(4), terms=SHARE)
        assert made == replace(self.ORDER, limit_price=Decimal(11), quantity=Decimal(6), client_order_id="")

    def test_counts_what_is_filled_in_its_quantity(self):
        made = replaced(self.ORDER, Replacement(quantity=Decimal(12), client_order_id="second"), filled=Decimal(4), terms=SHARE)
        assert (made.quantity, made.client_order_id) == (8, "second")

    def test_trails_by_one_of_the_two(self):
        order = draft("SELL CLOSE TRAILING_STOP", trail_price="1")
        made = replaced(order, Replacement(trail_percent=Decimal(5)), filled=Decimal(0), terms=SHARE)
        assert (made.trail_price, made.trail_percent) == (None, 5)

    @pytest.mark.parametrize(
        ("order", "change", "code"),
        [
            (ORDER, {}, "nothing_changes"),
            (ORDER, {"client_order_id": "second"}, "nothing_changes"),
            (ORDER, {"limit_price": Decimal(10)}, "nothing_changes"),
            (ORDER, {"quantity": Decimal(4)}, "below_filled"),
            (ORDER, {"stop_price": Decimal(9)}, "stop_price_not_taken"),
            (ORDER, {"limit_price": Decimal("10.001")}, "off_tick"),
            (ORDER, {"quantity": Decimal(0)}, "below_filled"),
            (draft(quantity=None, notional="100"), {"time_in_force": TimeInForce.GTC}, "not_replaceable"),
        ],
    )
    def test_is_refused_by_name(self, order, change, code):
        with pytest.raises(OrderRefused) as refused:
            replaced(order, Replacement(**change), filled=Decimal(4), terms=SHARE)
        assert code in refused.value.codes
