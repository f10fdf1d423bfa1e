"""What paper trading goes by: the account's own records of its orders, and the prices that the house has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import NullIf

from accounts.models import Account
from accounts.models.tenancy import acting_as
from marketdata.domain.bars import Timeframe
from marketdata.domain.calendars import is_known, sessions
from marketdata.domain.instruments import CRYPTO_MARKET, AssetClass
from marketdata.models import Bar, Instrument, Quote
from marketdata.selectors.actions import splits
from marketdata.selectors.prices import bars, quotes
from trading.adapters.base import Ticket
from trading.adapters.paper import Known
from trading.domain.drafts import STANDING
from trading.domain.fills import Fill as Filled
from trading.domain.hours import Hours
from trading.domain.legs import EXITS
from trading.domain.orders import EventKind, OrderStatus, OrderType, Side
from trading.domain.paper import STOPS, Look
from trading.models import Fill, Order, OrderEvent

MOVES = (EventKind.ACCEPTED, EventKind.TRIGGERED, EventKind.TRAILED, EventKind.FILLED)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
EVERY = Q(timestamp__isnull=False)
UNSIZED = frozenset({AssetClass.FX, AssetClass.FUND, AssetClass.BOND, AssetClass.COMMODITY})  # no volume is told of many
# the best and the worst price that a quote, or a bar, has for who buys and who sells
QUOTED = {Side.BUY: ("ask", "ask"), Side.SELL: ("bid", "bid")}
BARRED = {Side.BUY: ("low", "high"), Side.SELL: ("high", "low")}
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
        multiplier=order.instrument.multiplier,
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
        """Return the orders of these ids that were accepted, exits with those that would close the same position."""
        with acting_as(self.account.owner_id):
            rows = Order.objects.filter(account=self.account).exclude(broker_order_id="").select_related("instrument")
            orders = list(rows.filter(client_order_id__in=list(client_order_ids)).order_by("pk"))
            roots = {_root(order) for order in orders if order.role in EXITS}
            exits = list(rows.filter(Q(pk__in=roots) | Q(parent__in=roots), role__in=EXITS)) if roots else []
            known = self._read({order.pk: order for order in (*orders, *exits)})
        return [_beside(known[order.pk], order, exits, known) for order in orders]

    def _read(self, orders: Mapping[UUID, Order]) -> dict[UUID, Known]:
        """Return orders as far as they have come."""
        events = OrderEvent.objects.filter(account=self.account, order__in=orders, kind__in=MOVES)
        times: dict[UUID, list[tuple[str, datetime]]] = defaultdict(list)
        for order_id, kind, at in events.values_list("order_id", "kind", "at"):
            times[order_id].append((kind, at))
        fills: dict[UUID, list[Filled]] = defaultdict(list)
        for fill in Fill.objects.filter(account=self.account, order__in=orders).order_by("at", "pk"):
            one = Filled(fill.execution_id, fill.quantity, fill.price, fill.at, fill.fee)
            fills[fill.order_id].append(one)
        return {key: _known(order, times[key], fills[key]) for key, order in orders.items()}


class RecordedMarket:
    """Quotes, or where there are none the finest bars, each at the time at which it was to be known."""

    def looks(self, known: Known, start: datetime, end: datetime) -> Sequence[Look]:
        """Return the looks at an order's instrument in a time, oldest first, without quotes that cannot move it."""
        listing = known.ticket.listing
        instrument = Instrument.objects.get(symbol=listing.symbol, exchange=listing.exchange)
        found = quotes(instrument=instrument, start=start, end=end + MOMENT)
        if found.exists():
            # what was quoted when it was accepted counts as the last word before it, whatever it was
            some = found.filter(Q(timestamp__lte=known.accepted_at) | _moving(known, found, QUOTED))
            return [Look.quote(*row) for row in some.values_list("timestamp", "bid", "ask", "bid_size", "ask_size")]
        for timeframe in Timeframe:
            if timeframe is Timeframe.DAY:
                return self._days(known, instrument, start, end)
            step = timedelta(seconds=timeframe.seconds)
            barred = bars(instrument=instrument, timeframe=timeframe, start=start, end=end - step + MOMENT)
            if barred.exists():
                some_bars = barred.filter(_moving(known, barred, BARRED)).values_list("timestamp", *_columns(instrument))
                return [Look.bar(begins, begins + step, *prices) for begins, *prices in some_bars]
        return ()

    def sessions(self, ticket: Ticket, start: datetime, end: datetime) -> Sequence[Hours]:
        """Return the sessions of an order's exchange that touch a time, and the ones after it."""
        return hours_of(ticket.listing.exchange, start, end)

    def split(self, ticket: Ticket, first: date, last: date) -> date | None:
        """Return the first day on which an order's instrument was split, of those from one until another; none if it was not."""
        instrument = Instrument.objects.get(symbol=ticket.listing.symbol, exchange=ticket.listing.exchange)
        found = splits(instrument_ids=[instrument.pk], start=first, end=last + DAY).get(instrument.pk, ())
        return found[0].ex_date if found else None

    def _days(self, known: Known, instrument: Instrument, start: datetime, end: datetime) -> list[Look]:
        """Return looks at daily bars, each for the session of its day."""
        first = datetime.combine(start.date(), datetime.min.time(), UTC)
        hours = {each.day: each for each in sessions(timetable_of(instrument.exchange), first.date(), end.date() + DAY)}
        found = bars(instrument=instrument, timeframe=Timeframe.DAY, start=first, end=end + MOMENT)
        some = found.filter(_moving(known, found, BARRED)).values_list("timestamp", *_columns(instrument))
        looks = [
            Look.bar(each.open_at, each.close_at, *prices)
            for each, prices in ((hours.get(begins.date()), prices) for begins, *prices in some)
            if each is not None
        ]
        return [look for look in looks if look.at <= end]


def _columns(instrument: Instrument) -> tuple[str | NullIf, ...]:
    """Return what a look at a bar is made of; a volume of zero says nothing where volumes are not told."""
    size = NullIf("volume", Value(Decimal(0))) if instrument.asset_class in UNSIZED else "volume"
    return "open", "low", "high", size, "close"


def _moving(known: Known, found: QuerySet[Quote] | QuerySet[Bar], edges: Mapping[Side, tuple[str, str]]) -> Q:
    """Return which quotes or bars can move an order: it waits for its price, and what was set off takes any from then on.

    So an order that stands for months does not have to be shown all of them, time and again.
    """
    draft, state = known.ticket.draft, known.state
    best, worst = edges[draft.side]
    worse, better, further = ("gte", "lte", "lt") if draft.side is Side.BUY else ("lte", "gte", "gt")
    if draft.time_in_force not in STANDING:
        return EVERY
    if draft.type not in STOPS or state.triggered:
        return EVERY if draft.limit_price is None else Q(**{f"{best}__{better}": draft.limit_price})
    touching = Q(**{f"{worst}__{worse}": draft.stop_price})
    if draft.type is OrderType.TRAILING_STOP:
        mark = state.high_water_mark
        if mark is None or draft.trail is None:
            return EVERY
        touching = Q(**{f"{worst}__{worse}": draft.trail.stop(draft.side, mark)}) | Q(**{f"{best}__{further}": mark})
    # a daily bar begins before its session does
    first = found.filter(touching, timestamp__gte=known.since - DAY).order_by("timestamp").values_list("timestamp", flat=True)
    return touching if (begins := first.first()) is None else Q(timestamp__gte=begins)


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


def _beside(known: Known, order: Order, exits: Iterable[Order], others: Mapping[UUID, Known]) -> Known:
    """Return an order with the exits of the same position: those that are open, and when the first of the others ended."""
    beside = [one for one in exits if one.pk != order.pk and _root(one) == _root(order)] if order.role in EXITS else []
    ended = [one.ended_at for one in beside if one.ended_at is not None and one.status != OrderStatus.REPLACED]
    rivals = tuple(others[one.pk] for one in beside if one.is_open)
    return replace(known, rivals=rivals, until=min(ended, default=None))


def _root(order: Order) -> UUID:
    """Return the id of the order that a group hangs on."""
    return order.parent_id or order.pk
