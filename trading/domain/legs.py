"""Orders that belong together: what a bracket, OCO or OTO order consists of, and what follows for each when one of them moves."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from portfolio.domain.exact import EXACT, ZERO
from trading.domain.drafts import OrderDraft
from trading.domain.fills import exact_sum
from trading.domain.orders import OrderClass, OrderState, OrderStatus, OrderType, PositionEffect, Sending


class LegRole(enum.StrEnum):
    """What an order of a group is there for."""

    ENTRY = "ENTRY"
    TAKE_PROFIT = "TAKE_PROFIT"
    STOP_LOSS = "STOP_LOSS"


EXITS = frozenset({LegRole.TAKE_PROFIT, LegRole.STOP_LOSS})


@dataclass(frozen=True, slots=True)
class PlannedLeg:
    """One order of a group as it is to be placed; what is HELD waits for the entry."""

    role: LegRole | None
    draft: OrderDraft
    sending: Sending = Sending.PENDING


@dataclass(frozen=True, slots=True)
class Member:
    """One order of a group as it stands; `key` is its name with its owner, `instead_of` that of the one whose place it takes."""

    key: Hashable
    role: LegRole
    state: OrderState
    held: bool = False
    instead_of: Hashable | None = None


class StepKind(enum.StrEnum):
    """What is to be done about an order of a group."""

    RELEASE = "RELEASE"
    RESIZE = "RESIZE"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Step:
    """What follows for one order; a released or resized one is for `quantity` from then on."""

    key: Hashable
    kind: StepKind
    quantity: Decimal | None = None


def plan(draft: OrderDraft) -> tuple[PlannedLeg, ...]:
    """Return the orders that a draft consists of, the one that the others hang on first.

    A bracket is an entry with two exits that wait for it, an OTO order an entry with one; an OCO order is a take profit with a
    stop loss, both at work from the start.
    """
    bare = replace(draft, take_profit=None, stop_loss=None)
    if draft.order_class is OrderClass.SIMPLE:
        return (PlannedLeg(None, bare),)
    if draft.order_class is OrderClass.OCO:
        assert draft.take_profit is not None  # noqa: S101  # the rules of drafts
        first = PlannedLeg(LegRole.TAKE_PROFIT, replace(bare, limit_price=draft.take_profit.limit_price))
        return (first, *_exits(replace(draft, take_profit=None), bare, Sending.PENDING))
    closing = replace(bare, side=draft.side.opposite, effect=PositionEffect.CLOSE, limit_price=None)
    return (PlannedLeg(LegRole.ENTRY, bare), *_exits(draft, closing, Sending.HELD))


def _exits(draft: OrderDraft, closing: OrderDraft, sending: Sending) -> Iterator[PlannedLeg]:
    """Yield the exits that a draft names."""
    base = replace(closing, client_order_id="", extended_hours=False)
    if profit := draft.take_profit:
        made = replace(base, type=OrderType.LIMIT, limit_price=profit.limit_price)
        yield PlannedLeg(LegRole.TAKE_PROFIT, made, sending)
    if loss := draft.stop_loss:
        kind = OrderType.STOP if loss.limit_price is None else OrderType.STOP_LIMIT
        made = replace(base, type=kind, stop_price=loss.stop_price, limit_price=loss.limit_price)
        yield PlannedLeg(LegRole.STOP_LOSS, made, sending)


def follow_up(members: Sequence[Member]) -> list[Step]:
    """Return what is to be done so that the orders of a group agree; nothing, once it has been done.

    Exits wait until the entry has come to its end, and are then for what it filled; if it filled nothing, they are canceled. Once
    an exit has ended in any way, the other is canceled; while one is partly filled, the other is for the rest. Where a broker
    refused to put an order in another's place, that one stands as if nobody had asked.
    """
    standing = {one.key for one in members if one.state.status is not OrderStatus.REPLACED}
    members = [one for one in members if one.state.status is not OrderStatus.REJECTED or one.instead_of not in standing]
    entries = [one for one in members if one.role is LegRole.ENTRY]
    exits = [one for one in members if one.role in EXITS]
    if entries and any(one.held for one in exits):
        return list(_after_entry(entries, exits))
    ended = [one for one in exits if not one.state.is_open and one.state.status is not OrderStatus.REPLACED]
    closed = exact_sum(one.state.filled.quantity for one in exits)
    if ended:
        return [Step(one.key, StepKind.CANCEL) for one in exits if one.state.is_open and not one.state.pending_cancel]
    return list(_resized(exits, closed))


def _after_entry(entries: Sequence[Member], exits: Sequence[Member]) -> Iterator[Step]:
    """Yield what follows for exits that wait for their entry, or what took its place: all that these filled counts."""
    if any(one.state.is_open for one in entries) or entries[-1].state.status is OrderStatus.REPLACED:
        return  # the entry that takes its place comes after it
    filled = exact_sum(one.state.filled.quantity for one in entries)
    for one in exits:
        if one.held and one.state.is_open:
            yield Step(one.key, StepKind.RELEASE, filled) if filled else Step(one.key, StepKind.CANCEL)


def _resized(exits: Sequence[Member], closed: Decimal) -> Iterator[Step]:
    """Yield which exits are for more than is still to be closed: what the others closed comes off."""
    whole = max((one.state.quantity or ZERO for one in exits if one.state.filled.quantity), default=None)
    if whole is None:
        return
    for one in exits:
        others = EXACT.subtract(closed, one.state.filled.quantity)
        fair = EXACT.subtract(whole, others)
        if others and one.state.is_open and not one.state.pending_replace and one.state.quantity != fair:
            yield Step(one.key, StepKind.RESIZE, fair)
