"""Orders that hang together: what a bracket, an OCO and an OTO order are made of, and what follows when one of them moves."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.drafts import OrderDraft, StopLoss, TakeProfit, Terms
from trading.domain.fills import Filled
from trading.domain.legs import LegRole, Member, Step, StepKind, follow_up, plan
from trading.domain.orders import OrderClass, OrderState, OrderStatus, OrderType, PositionEffect, Sending, Side

TEN = Decimal(10)
ENTRY, PROFIT, LOSS = LegRole


def bracket(kind="BRACKET", **fields):
    legs = {"take_profit": TakeProfit(Decimal(12)), "stop_loss": StopLoss(Decimal(9))}
    made = {"side": Side.BUY, "order_class": OrderClass[kind], "quantity": TEN, "client_order_id": "mine"} | legs | fields
    return OrderDraft(**made)


def member(role, status="ACCEPTED", filled="0", *, held=False, **fields):
    state = OrderState(OrderStatus[status], TEN, Filled(Decimal(filled), Decimal(filled) * 10))
    return Member(role, role, replace(state, **fields), held)


class TestPlan:
    def test_of_a_simple_order_is_that_order(self):
        simple = bracket("SIMPLE", take_profit=None, stop_loss=None)
        assert [(leg.role, leg.draft) for leg in plan(simple)] == [(None, simple)]

    def test_of_a_bracket_is_an_entry_and_two_exits_that_wait(self):
        entry, profit, loss = plan(bracket(stop_loss=StopLoss(Decimal(9), Decimal("8.9"))))
        assert [leg.role for leg in (entry, profit, loss)] == [ENTRY, PROFIT, LOSS]
        assert [leg.sending for leg in (entry, profit, loss)] == [Sending.PENDING, Sending.HELD, Sending.HELD]
        assert (entry.draft.side, entry.draft.client_order_id, entry.draft.take_profit) == (Side.BUY, "mine", None)
        assert (profit.draft.type, profit.draft.limit_price) == (OrderType.LIMIT, 12)
        assert (loss.draft.type, loss.draft.stop_price, loss.draft.limit_price) == (OrderType.STOP_LIMIT, 9, Decimal("8.9"))
        assert {(leg.draft.side, leg.draft.effect, leg.draft.client_order_id) for leg in (profit, loss)} == {
            (Side.SELL, PositionEffect.CLOSE, "")
        }

    def test_of_an_oto_order_is_an_entry_and_one_exit(self):
        entry, loss = plan(bracket("OTO", take_profit=None))
        assert (entry.role, loss.role, loss.draft.type) == (ENTRY, LOSS, OrderType.STOP)

    def test_of_an_oco_order_is_two_exits_at_work_from_the_start(self):
        order = bracket("OCO", side=Side.SELL, effect=PositionEffect.CLOSE, type=OrderType.LIMIT)
        profit, loss = plan(order)
        assert [leg.sending for leg in (profit, loss)] == [Sending.PENDING, Sending.PENDING]
        assert (profit.role, profit.draft.limit_price, profit.draft.client_order_id) == (PROFIT, 12, "mine")
        assert (loss.role, loss.draft.type, loss.draft.side, loss.draft.limit_price) == (LOSS, OrderType.STOP, Side.SELL, None)

    @given(st.sampled_from(["BRACKET", "OTO"]), st.sampled_from(Side), st.booleans())
    def test_consists_of_orders_that_keep_the_rules(self, kind, side, limited):
        up = side is Side.BUY
        loss = StopLoss(Decimal(9 if up else 12), Decimal(8 if up else 13) if limited else None)
        profit = None if kind == "OTO" else TakeProfit(Decimal(12 if up else 9))
        order = bracket(kind, side=side, take_profit=profit, stop_loss=loss)
        order.check(Terms())
        for leg in plan(order):
            replace(leg.draft, order_class=OrderClass.SIMPLE).check(Terms())


class TestFollowUp:
    def waiting(self, **entry):
        return [member(ENTRY, **entry), member(PROFIT, "NEW", held=True), member(LOSS, "NEW", held=True)]

    def working(self, profit=None, loss=None):
        return [member(ENTRY, "FILLED", "10"), member(PROFIT, **(profit or {})), member(LOSS, **(loss or {}))]

    @pytest.mark.parametrize("entry", [{}, {"status": "PARTIALLY_FILLED", "filled": "4"}, {"status": "REPLACED"}])
    def test_of_an_entry_that_is_open_is_to_wait(self, entry):
        assert follow_up(self.waiting(**entry)) == []

    def test_of_a_filled_entry_is_to_release_the_exits(self):
        released = follow_up(self.waiting(status="FILLED", filled="10"))
        assert released == [Step(PROFIT, StepKind.RELEASE, TEN), Step(LOSS, StepKind.RELEASE, TEN)]

    def test_of_an_entry_that_ended_halfway_is_to_release_them_for_what_it_filled(self):
        assert {step.quantity for step in follow_up(self.waiting(status="CANCELED", filled="4"))} == {4}

    @pytest.mark.parametrize("status", ["CANCELED", "REJECTED", "EXPIRED"])
    def test_of_an_entry_that_filled_nothing_is_to_cancel_them(self, status):
        assert follow_up(self.waiting(status=status)) == [Step(PROFIT, StepKind.CANCEL), Step(LOSS, StepKind.CANCEL)]

    def test_of_an_entry_that_was_replaced_is_what_its_successor_brings(self):
        group = [member(ENTRY, "REPLACED"), *self.waiting(status="FILLED", filled="10")]
        assert {step.kind for step in follow_up(group)} == {StepKind.RELEASE}

    def test_of_an_entry_that_was_replaced_halfway_counts_what_both_filled(self):
        group = [member(ENTRY, "REPLACED", "3"), *self.waiting(status="CANCELED", filled="6")]
        assert {step.quantity for step in follow_up(group)} == {9}

    def test_of_an_entry_whose_replacement_was_refused_is_what_it_brings_itself(self):
        refused = replace(member(ENTRY, "REJECTED"), key="new", instead_of=ENTRY)
        assert follow_up([*self.waiting(), refused]) == []
        assert {step.quantity for step in follow_up([*self.waiting(status="FILLED", filled="10"), refused])} == {10}
        assert {step.kind for step in follow_up([*self.waiting(status="REPLACED"), refused])} == {StepKind.CANCEL}

    def test_of_an_exit_whose_replacement_was_refused_is_nothing(self):
        refused = replace(member(PROFIT, "REJECTED"), key="new", instead_of=PROFIT)
        assert follow_up([*self.working(), refused]) == []

    @pytest.mark.parametrize("end", ["FILLED", "CANCELED", "EXPIRED", "REJECTED"])
    def test_of_an_exit_that_ended_is_to_cancel_the_other(self, end):
        filled = "10" if end == "FILLED" else "0"
        assert follow_up(self.working(profit={"status": end, "filled": filled})) == [Step(LOSS, StepKind.CANCEL)]
        assert follow_up(self.working(loss={"status": end, "filled": filled})) == [Step(PROFIT, StepKind.CANCEL)]

    def test_is_nothing_while_the_cancel_is_under_way_and_once_all_have_ended(self):
        assert follow_up(self.working({"status": "FILLED", "filled": "10"}, {"pending_cancel": True})) == []
        assert follow_up(self.working({"status": "FILLED", "filled": "10"}, {"status": "CANCELED"})) == []

    def test_of_an_exit_that_was_replaced_is_nothing(self):
        assert follow_up([*self.working(profit={"status": "REPLACED"}), member(PROFIT)]) == []

    def test_of_an_exit_that_is_partly_filled_is_that_the_other_is_for_the_rest(self):
        group = self.working(profit={"status": "PARTIALLY_FILLED", "filled": "4"})
        assert follow_up(group) == [Step(LOSS, StepKind.RESIZE, Decimal(6))]
        assert follow_up([*group[:2], member(LOSS, quantity=Decimal(6))]) == []

    def test_of_two_exits_partly_filled_is_that_they_never_close_more_than_there_is(self):
        loss = member(LOSS, "PARTIALLY_FILLED", "2", quantity=Decimal(6))
        group = [*self.working(profit={"status": "PARTIALLY_FILLED", "filled": "4"})[:2], loss]
        assert follow_up(group) == [Step(PROFIT, StepKind.RESIZE, Decimal(8))]
