"""Entries that belong together: the legs of one happening share a group, and what one of them does depends on the others.

An option that is exercised or assigned hands its premium to the trade in the underlying that shares its group; one without
such a trade (or with cash of its own) is settled for its cash. A merger needs two instruments; one leg alone is a sale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from accounts.domain.ledger import EntryKind
from portfolio.domain.entry import Entry

ROLLED = "OPTION_ROLLED"  # no kind of the ledger: an option whose premium goes to the underlying
ENDS = frozenset({EntryKind.OPTION_EXERCISE, EntryKind.OPTION_ASSIGNMENT})
TRADES = frozenset({EntryKind.BUY, EntryKind.SELL, EntryKind.SHORT, EntryKind.COVER})
MERGERS = frozenset({EntryKind.MERGER})
LEGS = ENDS | TRADES | MERGERS


def joined(entries: list[Entry]) -> list[Entry]:
    """Return entries with those told apart that act together with others of their group."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.group is not None and entry.kind in LEGS:
            groups[entry.group].append(entry)
    changed: dict[str, Entry] = {}
    for legs in groups.values():
        changed |= {leg.id: leg for leg in _mergers(legs)} | {leg.id: leg for leg in _options(legs)}
    return [changed.get(entry.id, entry) for entry in entries] if changed else entries


def counterparts(entries: Collection[Entry]) -> tuple[set[str], set[str]]:
    """Return groups whose earlier entries, if there are any, act otherwise from now on, and the kinds that would."""
    groups = {entry.group for entry in entries if entry.group is not None and entry.kind in LEGS}
    kinds: set[str] = set()
    for entry in entries:
        if entry.group is not None and entry.kind in LEGS:
            kinds |= TRADES if entry.kind in ENDS else ENDS if entry.kind in TRADES else MERGERS
    return groups, kinds


def _mergers(legs: Sequence[Entry]) -> list[Entry]:
    """Return the legs of a merger that has one instrument alone, as the sale or purchase it is."""
    found = [leg for leg in legs if leg.kind in MERGERS]
    alone = len({leg.instrument for leg in found}) == 1
    return [leg._replace(group=None) for leg in found] if alone else []


def _options(legs: Sequence[Entry]) -> list[Entry]:
    """Return the options whose premium goes to a trade of the group, which they come before."""
    found = [leg for leg in legs if leg.kind in ENDS and not leg.cash]
    ended = {leg.instrument for leg in found}
    times = [leg.occurred_at for leg in legs if leg.kind in TRADES and leg.instrument not in ended]
    return [leg._replace(kind=ROLLED, occurred_at=min(leg.occurred_at, *times)) for leg in found] if times else []
