"""What paper trading goes by: the account's own records of its orders, and the prices that the house has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import Account
from accounts.models.tenancy import acting_as
from marketdata.domain.bars import Timeframe
from marketdata.domain.calendars import is_known, sessions
from marketdata.domain.instruments import CRYPTO_MARKET
from marketdata.models import Bar, Instrument, Quote
from marketdata.selectors.prices import bars, quotes
from trading.adapters.base import Ticket
from trading.adapters.paper import Known
from trading.domain.drafts import STANDING
from trading.domain.fills import Fill as Filled
from trading.domain.hours import Hours
from trading.domain.orders import EventKind, OrderType, Side
from trading.domain.paper import STOPS, Look
from trading.models import Fill, Order, OrderEvent

MOVES = (EventKind.ACCEPTED, EventKind.TRIGGERED, EventKind.TRAILED, EventKind.FILLED)
DAY = timedelta(days=1)
STAYS = timedelta(days=7)  # how long sessions are looked ahead for: no market is closed for longer


def ticket_of(order: Order) -> Ticket:
    """Return an order as it goes to a broker."""
    return Ticket(
        order_id=order.pk,
        client_order_id=order.client_order_id,
        listing=order.instrument.listing,
        draft=order.draft,
        at=order.created_at,
        tick_size=order.instrument.tick_size,
    )


def timetable_of(exchange: str) -> str:
    """Return the exchange whose hours count for orders: where they are not known that is every day, around the clock in UTC.

    What is quoted at a weekend trades then: nothing lies about for want of a timetable.
    """
    return exchange if is_known(exchange) else CRYPTO_MARKET


def hours_of(exchange: str, start: datetime, end: datetime) -> list[Hours]:
    """Return the sessions of an exchange that touch a time, and the ones after it."""
    first, last = (start - DAY).date(), (end + STAYS).date()
    return [Hours(each.open_at, each.close_at) for each in sessions(timetable_of(exchange), first, last)]


def hours_around(exchange: str, at: datetime) -> list[Hours]:
    """Return the sessions of an exchange around a time; none where its hours are not known."""
    return hours_of(exchange, at, at) if is_known(exchange) else []


class Records:
    """The orders of an account that a paper broker has accepted, with what came of them."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def known(self, client_order_ids: Collection[str]) -> Sequence[Known]:
        """Return the orders of these ids that were accepted."""
        with acting_as(self.account.owner_id):
            rows = Order.objects.filter(account=self.account, client_order_id__in=list(client_order_ids))
            orders = list(rows.exclude(broker_order_id="").select_related("instrument").order_by("pk"))
            events = OrderEvent.objects.filter(account=self.account, order__in=orders, kind__in=MOVES)
            times: dict[UUID, list[tuple[str, datetime]]] = defaultdict(list)
            for order_id, kind, at in events.values_list("order_id", "kind", "at"):
                times[order_id].append((kind, at))
            fills: dict[UUID, list[Filled]] = defaultdict(list)
            for fill in Fill.objects.filter(account=self.account, order__in=orders).order_by("at", "pk"):
                one = Filled(fill.execution_id, fill.quantity, fill.price, fill.at, fill.fee)
                fills[fill.order_id].append(one)
        return [_known(order, times[order.pk], fills[order.pk]) for order in orders]


class RecordedMarket:
    """Quotes, or where there are none the finest bars, each at the time at which it was to be known."""

    def looks(self, known: Known, start: datetime, end: datetime) -> Sequence[Look]:
        """Return the looks at an order's instrument in a time, oldest first, without quotes that cannot move it."""
        listing = known.ticket.listing
        instrument = Instrument.objects.get(symbol=listing.symbol, exchange=listing.exchange)
        found = quotes(instrument=instrument, start=start, end=end + timedelta(microseconds=1))
        if found.exists():
            # what was quoted when it was accepted counts as the last word before it, whatever it was
            some = found.filter(Q(timestamp__lte=known.accepted_at) | _moving(known, found))
            return [Look.quote(*row) for row in some.values_list("timestamp", "bid", "ask", "bid_size", "ask_size")]
        for timeframe in Timeframe:
            if timeframe is Timeframe.DAY:
                return self._days(instrument, start, end)
            step = timedelta(seconds=timeframe.seconds)
            if found_bars := list(_bars(instrument, timeframe, start, end - step)):
                return [
                    Look.bar(bar.timestamp, bar.timestamp + step, bar.open, bar.low, bar.high, bar.volume, bar.close)
                    for bar in found_bars
                ]
        return ()

    def sessions(self, ticket: Ticket, start: datetime, end: datetime) -> Sequence[Hours]:
        """Return the sessions of an order's exchange that touch a time, and the ones after it."""
        return hours_of(ticket.listing.exchange, start, end)

    def _days(self, instrument: Instrument, start: datetime, end: datetime) -> list[Look]:
        """Return looks at daily bars, each for the session of its day."""
        first = datetime.combine(start.date(), datetime.min.time(), UTC)
        hours = {each.day: each for each in sessions(timetable_of(instrument.exchange), first.date(), end.date() + DAY)}
        found = [(hours.get(bar.timestamp.date()), bar) for bar in _bars(instrument, Timeframe.DAY, first, end)]
        looks = [
            Look.bar(each.open_at, each.close_at, bar.open, bar.low, bar.high, bar.volume, bar.close)
            for each, bar in found
            if each is not None
        ]
        return [look for look in looks if look.at <= end]


def _moving(known: Known, found: QuerySet[Quote]) -> Q:
    """Return which quotes can move an order: a standing one waits for its price, a stop takes any once it is set off."""
    draft = known.ticket.draft
    buys, waits = draft.side is Side.BUY, draft.type in STOPS and not known.state.triggered
    every = Q(timestamp__isnull=False)
    if draft.time_in_force not in STANDING or (draft.type is OrderType.TRAILING_STOP and waits):
        return every
    if waits:
        touching = Q(ask__gte=draft.stop_price) if buys else Q(bid__lte=draft.stop_price)
        first = found.filter(touching, timestamp__gte=known.since).order_by("timestamp").first()
        return touching if first is None else Q(timestamp__gte=first.timestamp)
    if draft.limit_price is None:
        return every
    return Q(ask__lte=draft.limit_price) if buys else Q(bid__gte=draft.limit_price)


def _bars(instrument: Instrument, timeframe: Timeframe, start: datetime, end: datetime) -> Iterable[Bar]:
    return bars(instrument=instrument, timeframe=timeframe, start=start, end=end + timedelta(microseconds=1))


def _known(order: Order, times: Sequence[tuple[str, datetime]], fills: Sequence[Filled]) -> Known:
    """Return an order as far as it has come."""
    accepted = min((at for kind, at in times if kind == EventKind.ACCEPTED), default=order.submitted_at or order.created_at)
    return Known(
        ticket=ticket_of(order),
        state=order.state,
        accepted_at=accepted,
        since=max((at for _, at in times), default=accepted),
        fills=tuple(fills),
    )
