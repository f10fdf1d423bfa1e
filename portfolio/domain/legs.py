"""Entries that belong together: the legs of one happening share a group, and what one of them does depends on the others.

An option that is exercised or assigned hands its premium to the trade in the underlying that shares its group; one without
such a trade (or with cash of its own, beyond its costs) is settled for its cash. A merger needs units that go and units that
come, of two instruments; one leg alone is a sale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from accounts.domain.ledger import EntryKind
from portfolio.domain.entry import Entry
from portfolio.domain.exact import ZERO

ROLLED = "OPTION_ROLLED"  # no kind of the ledger: an option whose premium goes to the underlying
ENDS = frozenset({EntryKind.OPTION_EXERCISE, EntryKind.OPTION_ASSIGNMENT})
TRADES = frozenset({EntryKind.BUY, EntryKind.SELL, EntryKind.SHORT, EntryKind.COVER})
MERGERS = frozenset({EntryKind.MERGER})
LEGS = ENDS | TRADES | MERGERS
# What legs are told in their data, by names that no ledger has:
DUE = "\0due"  # a trade that an option led to: the units of the group's trades from this one on
OTHERS = "\0others"  # a leg of a merger: the instruments of the legs of the other sign


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
    """Return the legs of a merger, each told what the others are of; as sales or purchases if nothing goes for what comes."""
    found = [leg for leg in legs if leg.kind in MERGERS]
    signs = {sign: {leg.instrument for leg in found if (leg.quantity > 0) is sign} for sign in (True, False)}
    if len(signs[True] | signs[False]) < 2 or not all(signs.values()):  # noqa: PLR2004
        return [leg._replace(group=None) for leg in found]
    return [leg._replace(data={**leg.data, OTHERS: sorted(map(str, signs[leg.quantity < 0]))}) for leg in found]


def _options(legs: Sequence[Entry]) -> list[Entry]:
    """Return the options whose premium goes to trades of the group, which they come before, and those trades."""
    found = [leg for leg in legs if leg.kind in ENDS and leg.cash == -leg.fee - leg.tax]
    ended = {leg.instrument for leg in found}
    trades = [leg for leg in legs if leg.kind in TRADES and leg.instrument not in ended]
    if not found or not trades:
        return []
    first = min(leg.occurred_at for leg in trades)
    due, told = ZERO, []
    for leg in sorted(trades, key=lambda leg: (leg.occurred_at, leg.sequence), reverse=True):
        due += abs(leg.quantity)
        told.append(leg._replace(data={**leg.data, DUE: due}))
    return [*(leg._replace(kind=ROLLED, occurred_at=min(leg.occurred_at, first)) for leg in found), *told]
