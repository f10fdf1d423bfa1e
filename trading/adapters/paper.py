"""The paper broker: it keeps nothing of its own. What it accepted and filled is in the records of the account itself.

So nothing of it can be lost or disagree: an order is known here from the moment its acceptance is recorded, and what becomes of
it is computed from its record and the market, over and over to the same end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from marketdata.domain.instruments import AssetClass
from trading.adapters.base import Activity, BrokerOrder, BrokerRefused, Holding, Ticket
from trading.domain.drafts import SHARES
from trading.domain.fills import Fill, exact_sum
from trading.domain.hours import Hours
from trading.domain.orders import OPEN, EventKind, OrderState, OrderStatus, apply
from trading.domain.paper import STOPS, Look, Model, PaperOrder, Step, work

NAME = "paper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An order as the account's records have it, from its acceptance on.

    `rivals` are the open orders that would close the same position; `until`: when one that would have done so ended.
    """

    ticket: Ticket
    state: OrderState
    accepted_at: datetime
    since: datetime
    fills: tuple[Fill, ...] = ()
    rivals: tuple[Known, ...] = ()
    until: datetime | None = None


class Book(Protocol):
    """The account's records."""

    def known(self, client_order_ids: Collection[str]) -> Sequence[Known]:
        """Return the orders of these ids that were accepted."""


class Market(Protocol):
    """What was to be known of prices, and when."""

    def looks(self, known: Known, start: datetime, end: datetime) -> Sequence[Look]:
        """Return the looks at an order's instrument in a time, in their order; those that cannot move it may be left out."""

    def sessions(self, ticket: Ticket, start: datetime, end: datetime) -> Sequence[Hours]:
        """Return the sessions of its exchange that touch a time."""

    def split(self, ticket: Ticket, first: date, last: date) -> date | None:
        """Return the first day on which its instrument was split, of those from one until another; none if there was none."""


class PaperBroker:
    """Fills orders by the prices that the house records."""

    name = NAME
    local = True
    pairs = False

    def __init__(self, *, book: Book, market: Market, clock: Callable[[], datetime], model: Model | None = None) -> None:
        self.book, self.market, self.clock, self.model = book, market, clock, model or Model()

    def submit(self, ticket: Ticket) -> BrokerOrder:
        """Accept an order."""
        if self.book.known([ticket.client_order_id]):
            raise BrokerRefused(f"There is an order {ticket.client_order_id} already.", code="duplicate", duplicate=True)
        return self._accepted(ticket)

    def find(self, client_order_id: str) -> BrokerOrder | None:
        """Return an order as it stands now."""
        return next((self._worked(known) for known in self.book.known([client_order_id])), None)

    def cancel(self, ticket: Ticket, broker_order_id: str) -> BrokerOrder:
        """Cancel what is left of an order."""
        stands = self._open(ticket.client_order_id)
        return replace(stands, status=OrderStatus.CANCELED, at=max(stands.at, self.clock()))

    def replace(self, ticket: Ticket, broker_order_id: str) -> BrokerOrder:
        """Accept an order in the place of one that is open."""
        if self.book.known([ticket.client_order_id]):
            raise BrokerRefused(f"There is an order {ticket.client_order_id} already.", code="duplicate", duplicate=True)
        return self._accepted(ticket)

    def look(self, known: Mapping[str, str], *, since: datetime) -> Sequence[BrokerOrder]:
        """Return how orders stand now."""
        return [self._worked(each) for each in self.book.known(list(known))]

    def holdings(self) -> Sequence[Holding] | None:
        """Return nothing: the ledger is all there is."""
        return None

    def cash(self) -> Mapping[str, Decimal] | None:
        """Return nothing: the ledger is all there is."""
        return None

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        """Return nothing: nothing but trades happens on paper."""
        return ()

    def _accepted(self, ticket: Ticket) -> BrokerOrder:
        return BrokerOrder(
            client_order_id=ticket.client_order_id,
            broker_order_id=f"paper-{ticket.order_id}",
            status=OrderStatus.ACCEPTED,
            at=self.clock(),
            quantity=ticket.draft.quantity,
            symbol=ticket.listing.symbol,
        )

    def _open(self, client_order_id: str) -> BrokerOrder:
        """Return an order that is open still, after all that happened to it until now."""
        stands = self.find(client_order_id)
        if stands is None or stands.status not in OPEN:
            word = "not known" if stands is None else stands.status.lower()
            raise BrokerRefused(f"The order {client_order_id} is {word}.", code="order_not_open")
        return stands

    def _worked(self, known: Known) -> BrokerOrder:
        """Return an order after all that happened to it until now."""
        steps = list(self._first(known)) if known.state.is_open else []
        state, complete = known.state, False
        for step in steps:
            state = apply(state, step.event)
            complete = complete or step.event.complete
        fills = (*known.fills, *(step.event.fill for step in steps if step.event.fill is not None))
        return BrokerOrder(
            client_order_id=known.ticket.client_order_id,
            broker_order_id=f"paper-{known.ticket.order_id}",
            status=state.status,
            at=steps[-1].at if steps else known.since,
            quantity=state.quantity,
            filled_quantity=exact_sum(fill.quantity for fill in fills),
            fills=fills,
            triggered=state.triggered,
            mark=state.high_water_mark,
            complete=complete,
            detail=next((step.detail for step in reversed(steps) if step.event.kind is not EventKind.FILLED), ""),
            trigger=next((step.detail for step in steps if step.event.kind is EventKind.TRIGGERED), ""),
            symbol=known.ticket.listing.symbol,
        )

    def _first(self, known: Known) -> Iterator[Step]:
        """Yield what happened to an order before another closed its position, in whole or in part: then it is for the rest.

        Of two that were touched within one bar the stop goes first: nobody knows better.
        """
        steps = self._steps(known)
        if not any(step.event.fill for step in steps):
            yield from steps
            return
        ends = [(known.until, False)] if known.until is not None else []
        for rival in known.rivals:
            filled = next((step.at for step in self._steps(rival) if step.event.fill), None)
            if filled is not None:
                ends.append((filled, known.ticket.draft.type in STOPS))
        for step in steps:
            if any(step.at > at or (step.at == at and not goes_first) for at, goes_first in ends):
                return
            yield step

    def _steps(self, known: Known) -> list[Step]:
        """Return what happened to an order since its record ends."""
        ticket, now = known.ticket, self.clock()
        looks = self.market.looks(known, known.since - self.model.fresh, now)
        sessions = self.market.sessions(ticket, known.accepted_at, now)
        order = PaperOrder(
            order_id=ticket.order_id,
            draft=replace(ticket.draft, quantity=known.state.quantity) if ticket.draft.notional is None else ticket.draft,
            state=known.state,
            accepted_at=known.accepted_at,
            since=known.since,
            fills=len(known.fills),
            tick_size=ticket.tick_size,
            multiplier=ticket.multiplier,
            split_at=self._split_at(known, sessions, now),
            parts=ticket.listing.asset_class is AssetClass.CRYPTO,
        )
        return work(order, looks, sessions, self.model, now=now)

    def _split_at(self, known: Known, sessions: Sequence[Hours], now: datetime) -> datetime | None:
        """Return when the first session began in which an order's shares were not those any more that it is for."""
        begun = [one for one in sessions if known.accepted_at < one.first <= now]
        if not begun or known.ticket.listing.asset_class not in SHARES:
            return None
        day = self.market.split(known.ticket, begun[0].close_at.date(), begun[-1].close_at.date())
        return None if day is None else next(one.first for one in begun if one.close_at.date() >= day)
