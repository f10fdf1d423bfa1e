"""What happened to the account: executions, and what else the ledger knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.domain.ledger import EntryKind
from accounts.models import LedgerEntry
from portfolio.domain.exact import EXACT
from trading.api.alpaca.base import AccountView
from trading.api.alpaca.errors import BadField
from trading.api.alpaca.positions import rounded
from trading.api.alpaca.symbols import symbol_of
from trading.api.alpaca.words import as_uuid, choice, day, digits, instant, listed, stamp, whole
from trading.domain.orders import OrderStatus, PositionEffect, Side
from trading.models import Fill
from trading.selectors.activities import Activity, Asked, activities, filled_until, place_of

MOST = 100
FILL = "FILL"
SECURITIES, CASH = "ACATS", "ACATC"
TYPE_OF: Mapping[EntryKind, str] = {
    EntryKind.DEPOSIT: "CSD",
    EntryKind.WITHDRAWAL: "CSW",
    EntryKind.DIVIDEND: "DIV",
    EntryKind.RETURN_OF_CAPITAL: "DIVROC",
    EntryKind.INTEREST: "INT",
    EntryKind.FEE: "FEE",
    EntryKind.TAX: "WH",
    EntryKind.TRANSFER_IN: SECURITIES,
    EntryKind.TRANSFER_OUT: SECURITIES,
    EntryKind.FX: "FXTRD",
    EntryKind.SPLIT: "SPLIT",
    EntryKind.SPIN_OFF: "SPIN",
    EntryKind.MERGER: "MA",
    EntryKind.OPTION_EXERCISE: "OPEXC",
    EntryKind.OPTION_ASSIGNMENT: "OPASN",
    EntryKind.OPTION_EXPIRATION: "OPEXP",
    # trades that no order here was placed for
    **dict.fromkeys((EntryKind.BUY, EntryKind.SELL, EntryKind.SHORT, EntryKind.COVER, EntryKind.STAKING), "JNLS"),
}
KINDS: Mapping[str, Q] = {
    name: Q(kind__in=[kind for kind, named in TYPE_OF.items() if named == name]) for name in dict.fromkeys(TYPE_OF.values())
} | {
    name: Q(kind__in=[EntryKind.TRANSFER_IN, EntryKind.TRANSFER_OUT], instrument__isnull=name == CASH)
    for name in (SECURITIES, CASH)
}
CASH_MOVES = ("CSD", "CSW")
# what stands for several types
GROUPS: Mapping[str, Collection[str]] = {"TRANS": CASH_MOVES, "MISC": KINDS.keys() - {*CASH_MOVES, "DIV"}}
CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "": (FILL, *KINDS),
    "trade_activity": (FILL,),
    "non_trade_activity": tuple(KINDS),
}
DIRECTIONS = {"desc": True, "asc": False}
DAY = timedelta(days=1)


class ActivitiesView(AccountView):
    """The account's activities, newest first, by pages."""

    def get(self, request: Request, types: str = "") -> Response:
        """List activities of all types, or of some."""
        query = request.query_params
        category = choice(query.get("category"), "category", CATEGORIES)
        named = listed(types or query.get("activity_types"))
        wanted = {kind for name in named for kind in GROUPS.get(name, (name,))} or set(category)
        on = day(query.get("date"), "date")
        start = datetime.combine(on, time(), UTC) if on else None
        asked = Asked(
            fills=FILL in wanted,
            entries=_entries(wanted),
            start=start,
            after=instant(query.get("after"), "after"),
            until=start + DAY if start else instant(query.get("until"), "until"),
            newest_first=choice(query.get("direction"), "direction", DIRECTIONS, "desc"),
            beyond=self.beyond(query.get("page_token")),
            limit=whole(query.get("page_size"), "page_size", default=MOST, most=MOST),
        )
        page = activities(self.account, asked)
        fills = [one for one in page if isinstance(one, Fill)]
        sums = filled_until(self.account, fills) if fills else {}
        return Response([fill_row(one, sums[one.pk]) if isinstance(one, Fill) else entry_row(one) for one in page])

    def beyond(self, token: str | None) -> tuple[datetime, UUID] | None:
        """Return the place in the row of time that a page token, the id of the last activity of a page, means.

        :raises BadField: if it is none of the account's
        """
        if not token:
            return None
        key = as_uuid(token.rpartition("::")[2])
        found = place_of(self.account, key) if key else None
        if found is None:
            raise BadField("page_token must be the id of an activity")
        return found


def fill_row(fill: Fill, until: Decimal) -> dict[str, Any]:
    """Return an execution as Alpaca tells it; `until` is what had been filled of its order after it."""
    order = fill.order
    left = None if order.quantity is None else EXACT.subtract(order.quantity, until)
    done = left == 0 if left is not None else order.status == OrderStatus.FILLED and until == order.filled_quantity
    short = order.side == Side.SELL and order.effect == PositionEffect.OPEN
    return {
        "activity_type": FILL,
        "id": activity_id(fill.at, fill),
        "account_id": fill.account_id,
        "transaction_time": stamp(fill.at),
        "type": "fill" if done else "partial_fill",
        "side": "sell_short" if short else order.side.lower(),
        "symbol": symbol_of(order.instrument),
        "price": digits(fill.price),
        "qty": digits(fill.quantity),
        "cum_qty": digits(until),
        "leaves_qty": digits(left) if left is not None else "0",
        "order_id": fill.order_id,
        "order_status": "filled" if done else "partially_filled",
    }


def entry_row(entry: LedgerEntry) -> dict[str, Any]:
    """Return any other entry as Alpaca tells it; what takes another back is a correction."""
    name = TYPE_OF[EntryKind(entry.kind)]
    if name == SECURITIES and entry.instrument_id is None:
        name = CASH
    row = {
        "activity_type": name,
        "id": activity_id(entry.occurred_at, entry),
        "account_id": entry.account_id,
        "date": entry.occurred_at.astimezone(UTC).date().isoformat(),
        "created_at": stamp(entry.recorded_at),
        "net_amount": digits(entry.cash),
        "currency": entry.currency,
        "description": entry.notes or entry.reason_primary,
        "status": "executed" if entry.reverses_id is None else "correct",
    }
    if entry.instrument is not None:
        row |= {"symbol": symbol_of(entry.instrument), "qty": digits(entry.quantity)}
        if entry.price is not None:
            row |= {"price": digits(entry.price), "per_share_amount": rounded(entry.price)}
    return row


def activity_id(at: datetime, row: Activity) -> str:
    """Return what an activity is known by: its time to the millisecond, and the id of its row."""
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{row.pk}"


def _entries(wanted: Collection[str]) -> Q | None:
    """Return which entries are of the types that are wanted, none where none of them is of entries."""
    found: Q | None = None
    for name in wanted:
        if name not in KINDS:
            continue
        found = KINDS[name] if found is None else found | KINDS[name]
    return found
