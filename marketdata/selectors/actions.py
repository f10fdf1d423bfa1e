"""What companies did to their shares, and what those were called before."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from marketdata.domain.actions import ActionKind
from marketdata.domain.adjustment import Split, split_of
from marketdata.models.actions import APPLIED_KINDS, CorporateAction
from marketdata.models.instruments import Instrument


def actions(
    *,
    instruments: Iterable[Instrument | UUID],
    start: date | None = None,
    end: date | None = None,
    kinds: Collection[ActionKind] = (),
) -> QuerySet[CorporateAction]:
    """Return what happened to instruments on days in [start, end), the earliest first; without kinds, whatever it was."""
    found = CorporateAction.objects.filter(instrument__in=list(instruments)).select_related("instrument", "other")
    if start is not None:
        found = found.filter(ex_date__gte=start)
    if end is not None:
        found = found.filter(ex_date__lt=end)
    if kinds:
        found = found.filter(kind__in=[kind.value for kind in kinds])
    return found.order_by("instrument_id", "ex_date", "kind", "label")


def splits(
    *, instrument_ids: Iterable[UUID], start: date | None = None, end: date | None = None, using: str = "default"
) -> Mapping[UUID, tuple[Split, ...]]:
    """Return the splits of instruments with ex-dates in [start, end), the earliest first; who had none is left out.

    A stock dividend multiplies the units as a split does: one of 0.05 is here as 1.05.
    """
    kinds = (ActionKind.SPLIT, ActionKind.STOCK_DIVIDEND)
    rows = actions(instruments=instrument_ids, start=start, end=end, kinds=kinds).using(using)
    found: dict[UUID, tuple[Split, ...]] = {}
    for instrument_id, day, kind, ratio in rows.values_list("instrument_id", "ex_date", "kind", "ratio"):
        if ratio is not None:
            found[instrument_id] = (*found.get(instrument_id, ()), split_of(kind, day, ratio))
    return found


def formerly(symbols: Collection[str]) -> dict[str, list[Instrument]]:
    """Return the instruments that were called by symbols once, by that symbol, each once."""
    found: dict[str, list[Instrument]] = {}
    if not symbols:
        return found
    renamed = CorporateAction.objects.filter(old_symbol__in=set(symbols)).exclude(old_symbol="")
    for action in renamed.filter(kind=ActionKind.SYMBOL_CHANGE.value).select_related("instrument").order_by("-ex_date"):
        known = found.setdefault(action.old_symbol, [])
        if action.instrument not in known:
            known.append(action.instrument)
    return found


def due(*, today: date, among: Collection[UUID] | None = None) -> QuerySet[CorporateAction]:
    """Return the changes of symbol and the delistings whose day has come and whose instrument does not show it, in their order.

    A change that a later one has overtaken is none of them, nor is one that was applied: what somebody did since then stays.
    """
    waiting = CorporateAction.objects.filter(kind__in=APPLIED_KINDS, applied_at=None, ex_date__lte=today)
    if among is not None:
        waiting = waiting.filter(pk__in=among)
    shows = Q(instrument__symbol=F("new_symbol")) | Q(kind=ActionKind.DELISTING.value, instrument__active=False)
    later = CorporateAction.objects.filter(
        instrument=OuterRef("instrument"), kind=ActionKind.SYMBOL_CHANGE.value, ex_date__gt=OuterRef("ex_date")
    ).filter(Q(applied_at__isnull=False) | Q(new_symbol=OuterRef("instrument__symbol")))
    overtaken = Q(kind=ActionKind.SYMBOL_CHANGE.value) & Exists(later)
    return waiting.exclude(shows).exclude(overtaken).select_related("instrument").order_by("ex_date", "id")
