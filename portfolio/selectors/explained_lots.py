"""Why open lots are what they are, and what is missing of acquisitions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import DecimalException
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from portfolio.domain.explain import Cited, Explanation
from portfolio.domain.explain_lots import Change, Key, Span, all_of, changes_of, explain_lot
from portfolio.domain.lots import Method
from portfolio.models import Lot
from portfolio.selectors.explained import Explained, cited_on
from portfolio.selectors.figures import Figures, FiguresBeyondLimits
from portfolio.selectors.past import history_of
from portfolio.selectors.valued import Rates


def explained_lots(figures: Figures, page: Sequence[Lot], currency: str = "") -> list[Explanation]:
    """Return why lots are what they are, in the currencies of their instruments, then in the one asked for.

    :raises FiguresBeyondLimits: if the entries are too large to be computed with
    """
    if not page:
        return []
    explained = Explained(figures)
    average = explained.account.cost_basis_method == Method.AVERAGE
    changes, held = _changes(explained, page), _held(explained.figures, page, every=average)
    rates = Rates(explained.figures, currency) if currency else None
    found = []
    for lot in page:
        key = str(lot.instrument_id)
        whole = changes[all_of(key)] if average else []
        why = explain_lot(lot, changes[key, lot.opened_at, lot.sequence], held[lot.instrument_id], whole)
        if rates is not None:
            _convert(why, lot, rates)
        found.append(why)
    return found


def _changes(explained: Explained, page: Sequence[Lot]) -> Mapping[Key, list[Change]]:
    """Return what each entry made of lots that were opened together, and of all that is held of their instruments."""
    spans: dict[str, Span] = {}
    for lot in page:
        first, last = spans.get(str(lot.instrument_id), (lot.opened_at, lot.opened_at))
        spans[str(lot.instrument_id)] = min(first, lot.opened_at), max(last, lot.opened_at)
    entries, book = history_of(explained.account, as_of=explained.as_of, known_at=explained.known_at)
    found: dict[Key, list[Change]] = defaultdict(list)
    try:
        for key, change in changes_of(book, entries, spans):
            found[key].append(change)
    except DecimalException as error:
        raise FiguresBeyondLimits from error
    return found


def _held(figures: Figures, page: Sequence[Lot], *, every: bool) -> Mapping[UUID, list[Lot]]:
    """Return the lots of some instruments: every one, or those that were opened by the same entries."""
    lots: Any = figures.lots()
    instruments, sequences = {lot.instrument_id for lot in page}, {lot.sequence for lot in page}
    if isinstance(lots, QuerySet):
        lots = lots.filter(instrument__in=instruments)
        lots = lots if every else lots.filter(sequence__in=sequences)
    found: dict[UUID, list[Lot]] = defaultdict(list)
    for lot in lots:
        if lot.instrument_id in instruments:
            found[lot.instrument_id].append(lot)
    return found


def _convert(found: Explanation, lot: Lot, rates: Rates) -> None:
    """Add the step to the cost at the rate of the day of opening, or of the entry that opened the lot."""
    own, day = lot.instrument.money, lot.opened_at.date()
    rate, cited = rates.on(own, day, lot.sequence), cited_on(rates, own, day)
    if rate is None:
        found.notes.append(f"No rate of {own}/{rates.currency} was known on {day}: the cost is null.")
        return
    if cited is None or cited.value != rate:
        cited = Cited(f"{own}/{rates.currency}", day.toordinal(), day.toordinal(), rate, f"entry #{lot.sequence}")
    found.cite(rates=[cited])
    found.find("cost", "own * rate", own=lot.cost, rate=rate)
