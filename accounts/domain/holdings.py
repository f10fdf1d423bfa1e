"""What a file leaves open and its own earlier lines tell: how many units were held before a split, or before an option ended."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from accounts.domain.happenings import ratio_text
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.statements import Item, StatementLine

ENDS = frozenset({EntryKind.OPTION_EXPIRATION, EntryKind.OPTION_ASSIGNMENT, EntryKind.OPTION_EXERCISE})
Identity = tuple[str, ...]


def with_holdings(read: Callable[[], Iterator[Item]], *, asks: bool, ends: bool = False) -> Iterator[Item]:
    """Yield the lines of a file, with the ratios of splits that state only the units that came.

    The ratio follows from the units that the file's own earlier lines leave; where they leave none the split stays without
    one. With `ends`, options that expired or were exercised get their sign in the same way. A file that may hold either (`asks`)
    is read up to three times; of its lines none is kept.
    """
    found = read() if asks else ()
    asked = {_identity(item) for item in found if isinstance(item, StatementLine) and _asks(item, ends)}
    if not asked:
        yield from read()
        return
    moved: defaultdict[Identity, list[tuple[datetime, Decimal, bool]]] = defaultdict(list)
    for item in read():
        if isinstance(item, StatementLine) and item.draft.quantity and _identity(item) in asked:
            moved[_identity(item)].append((item.draft.occurred_at, item.draft.quantity, _asks(item, ends)))
    for item in read():
        yield _told(item, moved) if isinstance(item, StatementLine) and _asks(item, ends) else item


def _asks(line: StatementLine, ends: bool) -> bool:
    """Say whether a line leaves something open."""
    return (line.draft.kind is EntryKind.SPLIT and "ratio" not in line.draft.data) or (ends and line.draft.kind in ENDS)


def _identity(line: StatementLine) -> Identity:
    """Return what tells the instrument of a line from others, within its account."""
    return (line.account, line.hints.key)


def _told(line: StatementLine, moved: dict[Identity, list[tuple[datetime, Decimal, bool]]]) -> StatementLine:
    """Return a line with what those before it tell."""
    draft, before = line.draft, moved[_identity(line)]
    if draft.kind is EntryKind.SPLIT:
        held = sum((quantity for at, quantity, _ in before if at < draft.occurred_at), ZERO)
        if held <= 0 or held + draft.quantity <= 0:
            return line
        data = {**draft.data, "ratio": ratio_text(held + draft.quantity, held)}
        return replace(line, draft=replace(draft, data=data))
    held = sum((quantity for at, quantity, ends in before if at <= draft.occurred_at and not ends), ZERO)
    if not held:
        held = Decimal(-1) if draft.kind is EntryKind.OPTION_ASSIGNMENT else Decimal(1)
    return replace(line, draft=replace(draft, quantity=abs(draft.quantity).copy_sign(-held)))
