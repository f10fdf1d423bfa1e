"""Entries that lines of files refer to: those they take back, and those that were taken back with their import."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from accounts.domain.ledger import EntryDraft
from accounts.domain.statements import Reference
from accounts.models import Account, LedgerEntry

UNDO = "import_undo"  # the source of reversals that take an import back
AGAIN = "~"


def original_of(account: Account, draft: EntryDraft, reference: Reference | None = None) -> LedgerEntry | None:
    """Return the entry of the same source that a draft takes back: the one it refers to, or else its mirror image, the latest.

    A draft that was posted before has taken back what it did then.
    """
    entries = LedgerEntry.objects.filter(account=account, source=draft.source)
    known = entries.filter(external_id=draft.external_id).select_related("reverses").first() if draft.external_id else None
    if known is not None:
        return known.reverses
    if reference is not None:
        return entries.filter(external_id=reference.external_id, reverses__isnull=True).first()
    same = entries.filter(
        Q(quantity=-draft.quantity, cash=-draft.cash),
        kind=draft.kind.value,
        instrument=draft.instrument_id,
        currency=draft.currency,
        occurred_at__lte=draft.occurred_at,
        reverses__isnull=True,
        reversals__isnull=True,
    )
    return same.order_by("-occurred_at", "-sequence").first()


def entries_known_by(account: Account, source: str, ids: list[str]) -> QuerySet[LedgerEntry]:
    """Return the entries of a source that are known by some ids, of which there may be many.

    They go as one array, which the database looks up by hashes or by the index; of a join it may know nothing, and try them all.
    """
    known = LedgerEntry.objects.filter(account=account, source=source).exclude(external_id="")
    return known.extra(where=["accounts_ledgerentry.external_id = ANY(%s)"], params=[ids])


def taken_back_before(account: Account, source: str, ids: Iterable[str]) -> dict[str, str]:
    """Return for ids whose entry was taken back with its import the one under which the line is posted anew."""
    fresh: dict[str, str] = {}
    wanted = {one: one for one in ids if one}
    while wanted:
        rows = LedgerEntry.objects.filter(
            account=account, source=source, external_id__in=wanted.keys(), reversals__source=UNDO
        ).values_list("external_id", flat=True)
        gone = set(rows)
        fresh |= {wanted[one]: _next(one) for one in gone}
        wanted = {_next(one): wanted[one] for one in gone}
    return fresh


def _next(name: str) -> str:
    """Return an id for the next time that a line is posted.

    >>> _next("a"), _next("a~2")
    ('a~2', 'a~3')
    """
    bare, sign, number = name.rpartition(AGAIN)
    return f"{bare}{AGAIN}{int(number) + 1}" if sign and number.isdigit() else f"{name}{AGAIN}2"
