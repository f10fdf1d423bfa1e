"""What every broker promises: orders go in under an id of ours, which it takes once, and whatever it knows can be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from marketdata.domain.instruments import Listing
from trading.domain.drafts import OrderDraft
from trading.domain.fills import Fill, exact_sum
from trading.domain.orders import OrderStatus


class BrokerFailed(Exception):
    """The broker could not be asked, or its answer makes no sense; it says so without secrets."""


class BrokerAway(BrokerFailed):
    """Nobody was reached: nothing has been asked of anybody, so it may be asked again."""


class OutcomeUnknown(BrokerFailed):
    """The request left, and no answer came: whether it was carried out is to be asked for by the client order id."""


class BrokerRefused(BrokerFailed):
    """The broker says no: nothing has changed there. `code` is the name of its reason, `duplicate` that it has the id already."""

    def __init__(self, detail: str, *, code: str = "refused", duplicate: bool = False) -> None:
        super().__init__(detail)
        self.detail, self.code, self.duplicate = detail, code, duplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order as it goes to a broker. Orders of a group go one by one: what follows for the others, we see to ourselves.

    `partner`: the other exit of the same position, a stop loss, which goes along to a broker that takes `pairs`: once one of
    them is filled the other is canceled there. `keeps_quantity`: it takes the place of an order for as much.
    """

    order_id: UUID
    client_order_id: str
    listing: Listing
    draft: OrderDraft
    at: datetime
    tick_size: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    partner: Ticket | None = None
    keeps_quantity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """An order as the broker knows it, with every execution of it; `complete` says that an amount will not be filled further.

    `legs` are orders that went along with it; the broker gave them ids of its own. `trigger` says what set its stop off.
    """

    client_order_id: str
    broker_order_id: str
    status: OrderStatus
    at: datetime
    quantity: Decimal | None = None
    filled_quantity: Decimal = Decimal(0)
    fills: tuple[Fill, ...] = ()
    triggered: bool = False
    mark: Decimal | None = None
    complete: bool = False
    detail: str = ""
    trigger: str = ""
    symbol: str = ""
    legs: tuple[BrokerOrder, ...] = ()

    @property
    def missing(self) -> Decimal:
        """How much it says is filled beyond the executions that it shows: they may come a moment later."""
        return self.filled_quantity - exact_sum(fill.quantity for fill in self.fills)


@dataclass(frozen=True, slots=True)
class Holding:
    """A position as the broker has it; a short one is below zero."""

    symbol: str
    quantity: Decimal
    average_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """Something a broker did to an account that is no trade: a dividend, a fee, a transfer."""

    id: str
    kind: str
    at: datetime
    amount: Decimal
    symbol: str = ""
    detail: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


class Broker(Protocol):
    """Carries out orders. Everything it answers is read once more when it is asked again: asking changes nothing.

    `local`: it goes by our own records, and is to be asked while they are held. `pairs`: the two exits of a position go to it as
    one, the take profit with its `partner`, because it counts each open order against what is held.
    """

    name: str
    local: bool
    pairs: bool

    def submit(self, ticket: Ticket) -> BrokerOrder:
        """Place an order under its client order id, which is taken once.

        :raises BrokerRefused: if nothing was placed; `duplicate` if there is an order of this id
        :raises BrokerAway: if nobody was reached
        :raises OutcomeUnknown: if it may have been placed
        """

    def find(self, client_order_id: str) -> BrokerOrder | None:
        """Return the order of an id with all of its executions, or None: it never came here.

        :raises BrokerFailed: if it cannot be told now
        """

    def cancel(self, ticket: Ticket, broker_order_id: str) -> BrokerOrder:
        """Ask for an order to be canceled, and return how it then stands, which may be open still.

        :raises BrokerRefused: if it has come to its end
        :raises BrokerFailed: if it cannot be told now
        """

    def replace(self, ticket: Ticket, broker_order_id: str) -> BrokerOrder:
        """Put an order in the place of an open one, for what that one has not filled; return the new one.

        :raises BrokerRefused: if the old one stays as it is
        :raises OutcomeUnknown: if it may have been replaced
        """

    def look(self, known: Mapping[str, str], *, since: datetime) -> Sequence[BrokerOrder]:
        """Return how orders of ours stand, and all others that were changed since; those it does not know are left out.

        `known` are the broker's ids by our client order ids, empty where it has told none; each is answered under ours.

        :raises BrokerFailed: if it cannot be told now
        """

    def holdings(self) -> Sequence[Holding] | None:
        """Return the positions of the account; None where our own ledger is all there is.

        :raises BrokerFailed: if it cannot be told now
        """

    def cash(self) -> Mapping[str, Decimal] | None:
        """Return the cash by currency; None where our own ledger is all there is.

        :raises BrokerFailed: if it cannot be told now
        """

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        """Return what else happened to the account since.

        :raises BrokerFailed: if it cannot be told now
        """
