"""The life of an order: which turns it can take, what fills do to it, and that it ends once."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.ledger import RULES, EntryKind
from trading.domain.fills import Fill, Overfilled
from trading.domain.orders import (
    ENTRY_KINDS,
    NEXT,
    OPEN,
    STATUS_AFTER,
    CrossesZero,
    Event,
    EventKind,
    OrderNotOpen,
    OrderState,
    OrderStatus,
    PositionEffect,
    Side,
    apply,
    effect_of,
    entry_kind,
    tells_nothing_new,
)
from trading.domain.problems import Refused

AT = datetime(2024, 5, 6, 14, 30, tzinfo=UTC)
TEN = Decimal(10)
FINAL = sorted(set(OrderStatus) - OPEN)


def filled(quantity, price="10", **fields):
    return Event(EventKind.FILLED, fill=Fill("x", Decimal(quantity), Decimal(price), AT), **fields)


def event(kind, **fields):
    return Event(EventKind[kind], **fields)


class TestTable:
    def test_of_final_statuses_has_no_rows(self):
        assert FINAL == ["CANCELED", "EXPIRED", "FILLED", "REJECTED", "REPLACED"]

    def test_leads_from_new_to_every_status(self):
        reached, fresh = {OrderStatus.NEW}, {OrderStatus.NEW}
        while fresh:
            fresh = {status for one in fresh for status in NEXT.get(one, ())} - reached
            reached |= fresh
        assert reached == set(OrderStatus)

    def test_never_leads_back_to_new_or_from_a_fill_to_accepted(self):
        assert not [status for status, after in NEXT.items() if OrderStatus.NEW in after]
        assert OrderStatus.ACCEPTED not in NEXT[OrderStatus.PARTIALLY_FILLED]

    @pytest.mark.parametrize("status", OrderStatus)
    @pytest.mark.parametrize("kind", STATUS_AFTER)
    def test_is_what_events_keep_to(self, status, kind):
        state = OrderState(status, quantity=TEN)
        if STATUS_AFTER[kind] in NEXT.get(status, ()):
            assert apply(state, Event(kind)).status is STATUS_AFTER[kind]
        else:
            with pytest.raises(OrderNotOpen) as refused:
                apply(state, Event(kind))
            assert refused.value.codes == {"order_not_open"}


class TestFills:
    @given(st.lists(st.decimals("0.001", "5", places=3), min_size=1, max_size=10))
    def test_end_the_order_with_the_last_unit_and_not_before(self, parts):
        state = OrderState(OrderStatus.ACCEPTED, quantity=sum(parts))
        for part in parts[:-1]:
            state = apply(state, filled(part))
            assert state.status is OrderStatus.PARTIALLY_FILLED
        state = apply(state, filled(parts[-1]))
        assert (state.status, state.remaining, state.filled.quantity) == (OrderStatus.FILLED, 0, sum(parts))
        with pytest.raises(OrderNotOpen):
            apply(state, filled("0.001"))

    def test_may_come_before_the_word_that_the_order_was_accepted(self):
        state = apply(OrderState(quantity=TEN), filled(4))
        assert (state.status, state.remaining) == (OrderStatus.PARTIALLY_FILLED, 6)
        assert tells_nothing_new(state, event("ACCEPTED"))

    def test_beyond_the_quantity_are_refused(self):
        with pytest.raises(Overfilled):
            apply(OrderState(quantity=TEN), filled(11))

    @pytest.mark.parametrize("status", ["CANCELED", "EXPIRED", "REPLACED"])
    def test_that_come_late_are_recorded_and_leave_the_status(self, status):
        state = apply(OrderState(OrderStatus[status], quantity=TEN), filled(3))
        assert (state.status, state.filled.quantity, state.remaining) == (status, 3, 0)

    def test_of_a_rejected_order_cannot_be(self):
        with pytest.raises(OrderNotOpen):
            apply(OrderState(OrderStatus.REJECTED, quantity=TEN), filled(3))

    def test_of_an_order_by_amount_end_it_when_the_broker_says_so(self):
        state = apply(OrderState(), filled("0.4"))
        assert (state.status, state.remaining) == (OrderStatus.PARTIALLY_FILLED, None)
        assert apply(state, filled("0.1", complete=True)).status is OrderStatus.FILLED

    def test_of_an_order_by_amount_end_it_at_the_quantity_the_broker_gave_it(self):
        state = apply(OrderState(), event("ACCEPTED", quantity=Decimal("0.5")))
        assert apply(state, filled("0.5")).status is OrderStatus.FILLED

    def test_say_what_was_filled(self):
        with pytest.raises(Refused):
            apply(OrderState(quantity=TEN), event("FILLED"))


class TestRequests:
    def test_are_flags_until_the_broker_answers(self):
        asked = apply(OrderState(OrderStatus.ACCEPTED, TEN), event("CANCEL_REQUESTED"))
        assert (asked.status, asked.pending_cancel) == (OrderStatus.ACCEPTED, True)
        assert not apply(asked, event("CANCEL_REFUSED")).pending_cancel
        assert apply(asked, event("CANCELED")) == OrderState(OrderStatus.CANCELED, TEN)

    def test_to_cancel_may_be_overtaken_by_the_last_fill(self):
        asked = apply(OrderState(OrderStatus.ACCEPTED, TEN), event("CANCEL_REQUESTED"))
        done = apply(asked, filled(10))
        assert (done.status, done.pending_cancel) == (OrderStatus.FILLED, False)
        with pytest.raises(OrderNotOpen):
            apply(done, event("CANCELED"))

    @pytest.mark.parametrize("first", ["CANCEL_REQUESTED", "REPLACE_REQUESTED"])
    def test_to_replace_wait_for_what_was_asked_before(self, first):
        asked = apply(OrderState(OrderStatus.ACCEPTED, TEN), event(first))
        with pytest.raises(OrderNotOpen) as refused:
            apply(asked, event("REPLACE_REQUESTED"))
        assert refused.value.codes == {"order_pending"}

    def test_to_replace_that_are_refused_leave_the_order_as_it_was(self):
        order = OrderState(OrderStatus.PARTIALLY_FILLED, TEN)
        assert apply(apply(order, event("REPLACE_REQUESTED")), event("REPLACE_REFUSED")) == order

    @pytest.mark.parametrize("status", FINAL)
    @pytest.mark.parametrize("kind", ["CANCEL_REQUESTED", "REPLACE_REQUESTED", "TRIGGERED", "TRAILED", "SENT"])
    def test_of_what_has_ended_come_too_late(self, status, kind):
        with pytest.raises(OrderNotOpen):
            apply(OrderState(OrderStatus[status]), event(kind))


class TestEvents:
    @pytest.mark.parametrize("kind", ["SENT", "PUT_OFF", "UNANSWERED", "RELEASED"])
    def test_on_the_way_to_the_broker_leave_an_order_as_it_is(self, kind):
        assert apply(OrderState(quantity=TEN), event(kind)) == OrderState(quantity=TEN)

    def test_of_a_stop_are_kept(self):
        state = reduce(apply, [event("ACCEPTED"), event("TRAILED", mark=TEN), event("TRIGGERED")], OrderState(quantity=TEN))
        assert (state.triggered, state.high_water_mark) == (True, 10)

    def test_of_a_leg_change_what_it_is_for(self):
        assert apply(OrderState(quantity=TEN), event("RELEASED", quantity=Decimal(7))).quantity == 7
        assert apply(OrderState(quantity=TEN), event("RESIZED", quantity=Decimal(3))).remaining == 3

    @pytest.mark.parametrize("kind", STATUS_AFTER)
    def test_that_brokers_repeat_tell_nothing_new(self, kind):
        assert tells_nothing_new(apply(OrderState(), Event(kind)), Event(kind))
        assert not tells_nothing_new(OrderState(), Event(kind))

    def test_of_fills_always_tell_something(self):
        assert not tells_nothing_new(OrderState(OrderStatus.PARTIALLY_FILLED), filled(1))

    @given(st.lists(st.sampled_from(EventKind), max_size=30))
    def test_in_any_order_leave_an_order_that_ends_once_and_is_not_overfilled(self, kinds):
        state, ends = OrderState(quantity=TEN), 0
        for kind in kinds:
            was_open = state.is_open
            try:
                state = apply(state, filled(3) if kind is EventKind.FILLED else Event(kind))
            except Refused:
                continue
            ends += was_open and not state.is_open
            assert state.filled.quantity <= TEN
            assert not (state.pending_cancel or state.pending_replace) or state.is_open
        assert ends == (not state.is_open)


class TestEffect:
    def test_has_a_kind_in_the_ledger_of_the_right_sign(self):
        assert {key: kind.value for key, kind in ENTRY_KINDS.items()} == {
            (Side.BUY, PositionEffect.OPEN): "BUY",
            (Side.SELL, PositionEffect.CLOSE): "SELL",
            (Side.SELL, PositionEffect.OPEN): "SHORT",
            (Side.BUY, PositionEffect.CLOSE): "COVER",
        }
        assert all(RULES[entry_kind(side, effect)].moves == side.sign for side in Side for effect in PositionEffect)
        assert entry_kind(Side.SELL, PositionEffect.OPEN) is EntryKind.SHORT

    @pytest.mark.parametrize(
        ("side", "held", "effect"),
        [
            ("BUY", 0, "OPEN"),
            ("BUY", 5, "OPEN"),
            ("SELL", 0, "OPEN"),
            ("SELL", -5, "OPEN"),
            ("SELL", 5, "CLOSE"),
            ("BUY", -5, "CLOSE"),
        ],
    )
    def test_follows_from_what_is_held(self, side, held, effect):
        assert effect_of(Side[side], Decimal(5), Decimal(held)) == effect

    @pytest.mark.parametrize(("side", "held", "word"), [("SELL", 4, "long"), ("BUY", -4, "short")])
    def test_is_never_both(self, side, held, word):
        with pytest.raises(CrossesZero) as refused:
            effect_of(Side[side], Decimal(5), Decimal(held))
        assert refused.value.codes == {"crosses_zero"}
        assert f"Only 4 can be closed of the {word} position" in str(refused.value)

    def test_is_told_without_zeros_that_say_nothing(self):
        with pytest.raises(CrossesZero, match=r"Only 4\.5 can be closed"):
            effect_of(Side.SELL, Decimal(5), Decimal("4.500000000000"))
