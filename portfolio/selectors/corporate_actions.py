"""What companies did to the shares an account held: what of it is in the ledger, and the entries that would post the rest."""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import Exists, OuterRef, Q

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.models import Account, LedgerEntry
from marketdata.domain.actions import ActionKind
from marketdata.models import CorporateAction, Instrument
from marketdata.selectors.actions import actions
from marketdata.selectors.prices import Series, closes
from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.minor import unit_of
from portfolio.domain.proposals import SOURCE, NotProposed, Said, Terms, days_by_hand, entries_for
from portfolio.models import Position

DISMISSED = "dismissed"
NEAR = timedelta(days=10)  # after a spin-off, within which both must have been traded
FRACTION = Decimal("1e-9")


class Status(enum.StrEnum):
    """What became of a corporate action in an account."""

    PROPOSED = "proposed"
    UPCOMING = "upcoming"
    POSTED = "posted"
    BY_HAND = "posted_by_hand"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An action, the units held before its ex-date, what became of it, and the entries: those posted, or those to post.

    `problem` says what is needed before anything can be posted, `field` where to say it.
    """

    action: CorporateAction
    held: Decimal
    status: Status
    drafts: Sequence[EntryDraft] = ()
    posted: Sequence[LedgerEntry] = ()
    problem: str = ""
    field: str = ""


class _Entry(NamedTuple):
    """An entry that may be what an action asks for."""

    kind: str
    instrument: UUID
    day: date


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ledger knows of actions: entries and notes by their external id, and those posted by hand."""

    own: Mapping[str, list[LedgerEntry]]
    gone: frozenset[str]
    hand: Collection[_Entry]
    closes: Mapping[UUID, Series]  # of what was spun off, and from what, where the action does not say its part of the cost


def proposals(
    *, account: Account, today: date, action_id: UUID | None = None, said: Said | None = None, using: str = "default"
) -> list[Proposal]:
    """Return what companies did to shares of the account, the earliest first; those it did not hold on the day are left out.

    The account's figures have to be up to date: units come from its daily values.
    """
    found = _actions(account, action_id, using)
    held = _holdings(account, {action.instrument_id for action in found}, using)
    concerned = [(action, _held_before(held.get(action.instrument_id, ([], [])), action.ex_date)) for action in found]
    concerned = [(action, units_) for action, units_ in concerned if units_]
    known = _known(account, [action for action, _ in concerned], using)
    return [_proposal(account, action, units_, known, today, said) for action, units_ in concerned]


def _actions(account: Account, action_id: UUID | None, using: str) -> list[CorporateAction]:
    """Return the actions on instruments the account ever held, the earliest first."""
    held = Position.objects.using(using).filter(account=account, since__isnull=False).values_list("instrument_id", "since")
    since = {instrument: day or date.max for instrument, day in held}
    rows = actions(instruments=list(since))
    if action_id is not None:
        rows = rows.filter(pk=action_id)
    found = [row for row in rows if row.ex_date > since[row.instrument_id]]
    return sorted(found, key=lambda row: (row.ex_date, row.pk))


def _holdings(account: Account, instruments: Collection[UUID], using: str) -> dict[UUID, tuple[list[date], list[Decimal]]]:
    """Return the days on which the units held of instruments changed, and what was held at their end."""
    query = """
        SELECT moved.key::uuid, s.date, moved.value::numeric
        FROM portfolio_snapshot AS s, jsonb_each_text(s.moves -> 'units') AS moved
        WHERE s.account_id = %s AND s.moves ? 'units' AND moved.key = ANY (%s)
        ORDER BY s.date
    """
    found: dict[UUID, tuple[list[date], list[Decimal]]] = defaultdict(lambda: ([], []))
    with connections[using].cursor() as cursor:
        cursor.execute(query, [account.pk, [str(one) for one in instruments]])
        for instrument, day, quantity in cursor.fetchall():
            days, quantities = found[instrument]
            days.append(day)
            quantities.append(quantity)
    return found


def _held_before(series: tuple[list[date], list[Decimal]], day: date) -> Decimal:
    """Return what was held at the end of the day before."""
    days, quantities = series
    index = bisect_left(days, day) - 1
    return quantities[index] if index >= 0 else ZERO


def _known(account: Account, found: Sequence[CorporateAction], using: str) -> _Known:
    """Return what the ledger has of actions."""
    reversal = LedgerEntry.objects.filter(account=OuterRef("account"), reverses=OuterRef("pk"))
    rows = (
        LedgerEntry.objects.using(using)
        .filter(account=account, reverses=None)
        .annotate(gone=Exists(reversal))
        .select_related("instrument")
    )
    kinds = [EntryKind.SPLIT, EntryKind.DIVIDEND, EntryKind.SPIN_OFF, EntryKind.MERGER]
    concerned = {one for action in found for one in (action.instrument_id, action.other_id) if one}
    own: dict[str, list[LedgerEntry]] = defaultdict(list)
    gone: set[str] = set()
    entries: set[_Entry] = set()
    for entry in rows.filter(Q(source=SOURCE) | Q(kind__in=kinds, instrument__in=concerned)).order_by("sequence"):
        taken_back: bool = entry.gone
        name, _, leg = entry.external_id.partition(":")
        if entry.source != SOURCE:
            if entry.instrument_id and not taken_back:
                entries.add(_Entry(entry.kind, entry.instrument_id, entry.occurred_at.astimezone(UTC).date()))
        elif leg.startswith(DISMISSED):
            if not taken_back:
                own[f"{name}:{DISMISSED}"].append(entry)
        elif taken_back:
            gone.add(name)
        else:
            own[name].append(entry)
    return _Known(own, frozenset(gone), entries, _closes_of_spin_offs([action for action in found if str(action.pk) not in own]))


def _closes_of_spin_offs(found: Iterable[CorporateAction]) -> Mapping[UUID, Series]:
    """Return the closes that tell how the cost is to be parted where actions do not say."""
    untold = [one for one in found if one.kind == ActionKind.SPIN_OFF and one.cost_fraction is None]
    if not untold:
        return {}
    instruments = {one.instrument_id for one in untold} | {one.other_id for one in untold if one.other_id}
    start, end = min(one.ex_date for one in untold), max(one.ex_date for one in untold) + NEAR
    return closes(instrument_ids=instruments, start=start, end=end)


def _proposal(
    account: Account, action: CorporateAction, held: Decimal, known: _Known, today: date, said: Said | None
) -> Proposal:
    """Return what became of one action, or should."""
    terms, name = terms_of(action), str(action.pk)
    if posted := known.own.get(name):
        return Proposal(action, held, Status.POSTED, posted=posted)
    if name in known.gone or known.own.get(f"{name}:{DISMISSED}"):
        return Proposal(action, held, Status.DISMISSED, posted=known.own.get(f"{name}:{DISMISSED}", ()))
    if _by_hand(terms, known.hand):
        return Proposal(action, held, Status.BY_HAND)
    status = Status.UPCOMING if terms.due_on > today else Status.PROPOSED
    try:
        return Proposal(
            action, held, status, entries_for(_priced(action, terms, known.closes), held, account=account.pk, said=said)
        )
    except NotProposed as reason:
        return Proposal(action, held, status, problem=str(reason), field=reason.field)


def _by_hand(terms: Terms, entries: Iterable[_Entry]) -> bool:
    """Say whether somebody posted by hand what an action asks for."""
    first, last = days_by_hand(terms)
    about = {terms.other} if terms.kind == ActionKind.SPIN_OFF else {terms.instrument}
    return any(one.kind in terms.posted_as and one.instrument in about and first <= one.day <= last for one in entries)


def terms_of(action: CorporateAction) -> Terms:
    """Return an action as the domain reads it."""
    return Terms(
        id=action.pk,
        kind=action.kind,
        instrument=action.instrument_id,
        key=action.instrument.key,
        currency=action.instrument.money,
        ex_date=action.ex_date,
        pay_date=action.pay_date,
        ratio=action.ratio,
        cash=action.cash,
        cash_currency=action.currency,
        other=action.other_id,
        other_currency=action.other.money if action.other else "",
        cost_fraction=action.cost_fraction,
        old_symbol=action.old_symbol or action.instrument.symbol,
        new_symbol=action.new_symbol,
    )


def _priced(action: CorporateAction, terms: Terms, series: Mapping[UUID, Series]) -> Terms:
    """Return the terms of a spin-off with the part of the cost that its first prices tell, where nothing else does."""
    if terms.kind != ActionKind.SPIN_OFF or terms.cost_fraction is not None or terms.other is None:
        return terms
    parent, child = (_first(series.get(key), action.ex_date) for key in (terms.instrument, terms.other))
    if parent is None or child is None or action.other is None or action.instrument.money != action.other.money:
        return terms
    worth = EXACT.multiply(EXACT.multiply(child, unit_of(action.other.currency)[1]), terms.ratio or ZERO)
    whole = worth + EXACT.multiply(parent, unit_of(action.instrument.currency)[1])
    fraction = EXACT.divide(worth, whole) if whole else ZERO
    return replace(terms, cost_fraction=fraction.quantize(FRACTION))


def _first(series: Series | None, start: date) -> Decimal | None:
    """Return the first close on a day or soon after it."""
    if series is None:
        return None
    found = zip(series.days, series.values, strict=True)
    return next((value for day, value in found if start <= day < start + NEAR), None)


def instruments_of(found: Iterable[Proposal]) -> dict[UUID, Instrument]:
    """Return the instruments that the entries of proposals name."""
    wanted = {draft.instrument_id for one in found for draft in one.drafts if draft.instrument_id}
    return Instrument.objects.in_bulk(list(wanted))
