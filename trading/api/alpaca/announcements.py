"""What companies do to their shares, as Alpaca announces it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.domain.actions import ActionKind
from marketdata.models import CorporateAction
from trading.api.alpaca.base import AlpacaView
from trading.api.alpaca.errors import BadField, NotFound
from trading.api.alpaca.symbols import find, symbol_of
from trading.api.alpaca.words import as_uuid, choice, day, digits, listed

MOST_DAYS = 90
DATES = {"": "ex_date", "ex_date": "ex_date", "record_date": "record_date", "payable_date": "pay_date", "declaration_date": ""}
# how Alpaca calls each kind; names and ends of listings are not announced there
KINDS: Mapping[str, tuple[str, str]] = {
    ActionKind.CASH_DIVIDEND: ("dividend", "cash"),
    ActionKind.STOCK_DIVIDEND: ("dividend", "stock"),
    ActionKind.SPLIT: ("split", "stock_split"),
    ActionKind.SPIN_OFF: ("spinoff", "spinoff"),
    ActionKind.MERGER: ("merger", "merger_completion"),
}


class AnnouncementsView(AlpacaView):
    """Corporate actions of some kinds in at most 90 days."""

    def get(self, request: Request) -> Response:
        """List them, by day."""
        query = request.query_params
        types = {each.lower() for each in listed(query.get("ca_types"))}
        since, until = day(query.get("since"), "since"), day(query.get("until"), "until")
        if not types or since is None or until is None:
            raise BadField("ca_types, since and until are required")
        if (until - since).days > MOST_DAYS:
            raise BadField(f"the time is at most {MOST_DAYS} days")
        column = choice(query.get("date_type"), "date_type", DATES)
        asked = Q(kind__in=[kind for kind, (name, _) in KINDS.items() if name in types])
        if symbol := query.get("symbol"):
            asked &= Q(instrument=find(symbol))
        if not column or query.get("cusip"):
            return Response([])  # neither is known here
        found = CorporateAction.objects.filter(asked, **{f"{column}__range": (since, until)})
        rows = found.select_related("instrument", "other").order_by(column, "pk")
        return Response([announcement_row(one) for one in rows])


class AnnouncementView(AlpacaView):
    """One of them."""

    def get(self, request: Request, announcement_id: str) -> Response:
        """Return a corporate action."""
        key = as_uuid(announcement_id)
        rows = CorporateAction.objects.filter(kind__in=list(KINDS)).select_related("instrument", "other")
        found = rows.filter(pk=key).first() if key else None
        if found is None:
            raise NotFound(f"announcement not found for {announcement_id}")
        return Response(announcement_row(found))


def announcement_row(action: CorporateAction) -> dict[str, Any]:
    """Return a corporate action as Alpaca announces it: `new_rate` units of the new for `old_rate` of the old."""
    kind, sub_kind = KINDS[action.kind]
    if action.kind == ActionKind.SPLIT and action.ratio is not None and action.ratio < 1:
        sub_kind = "reverse_split"
    return {
        "id": action.pk,
        "corporate_action_id": action.pk,
        "ca_type": kind,
        "ca_sub_type": sub_kind,
        "initiating_symbol": symbol_of(action.instrument),
        "initiating_original_cusip": "",
        "target_symbol": symbol_of(action.other) if action.other else None,
        "target_original_cusip": None,
        "declaration_date": None,
        "ex_date": action.ex_date,
        "record_date": action.record_date,
        "payable_date": action.pay_date,
        "cash": digits(action.cash) or "0",
        "old_rate": "1",
        "new_rate": digits(action.ratio) or "1",
    }
