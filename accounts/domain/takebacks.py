"""Lines that take an earlier one of the same file back: a canceled execution, a dividend booked with its signs turned round."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from accounts.domain.happenings import TRADES, Happening
from accounts.domain.ledger import RULES, EntryDraft, EntryKind
from accounts.domain.statements import Item, Reference, StatementLine
from marketdata.domain.money import plain

# kinds whose entries brokers take back by booking them once more with the signs turned round
TAKEN_BACK = frozenset({EntryKind.DIVIDEND, EntryKind.RETURN_OF_CAPITAL, EntryKind.STAKING})
OF_UNITS = frozenset({EntryKind.SPLIT, EntryKind.SPIN_OFF, EntryKind.MERGER})


def settled(items: Iterable[Item], *, trades: bool = False) -> Iterator[Item]:
    """Yield lines as they come, and at the end those that take one of them back, as its mirror image.

    A file may hold what was taken back before or after the line that does so. What it does not hold stays to be found in the
    ledger. With `trades`, these are taken back as well, by the id that the line refers to, or by the units and the money.
    """
    held: list[StatementLine] = []
    booked: defaultdict[object, list[StatementLine]] = defaultdict(list)
    for item in items:
        if isinstance(item, StatementLine):
            if item.takes_back:
                held.append(item)
                continue
            if item.draft.kind in TAKEN_BACK | OF_UNITS:
                booked[_figures(item, Decimal(1))].append(item)
            elif trades and item.draft.kind in TRADES:
                booked[item.draft.external_id].append(item)
                booked[_moved(item, Decimal(1))].append(item)
        yield item
    for line in sorted(held, key=lambda line: line.number):
        yield from _taken_back(line, booked)


def canceled(made: Happening, quantity: Decimal) -> Happening:
    """Return that a trade is taken back, of which a file says how much money comes back: its units go with the other sign."""
    return replace(made, quantity=-abs(quantity) * RULES[made.kind].moves, fee=-made.fee, tax=-made.tax, takes_back=True)


def _figures(line: StatementLine, sign: Decimal) -> object:
    """Return what a line and the one that takes it back have in common."""
    draft = line.draft
    signed = tuple(plain(number * sign) for number in (draft.quantity, draft.cash, draft.fee, draft.tax))
    return (draft.kind, line.account, line.hints.identity, draft.currency, draft.group, *signed)


def _moved(line: StatementLine, sign: Decimal) -> object:
    """Return what a trade and the one that takes it back have in common, whichever kinds the file makes of them."""
    draft = line.draft
    return (line.account, line.hints.identity, draft.currency, plain(draft.quantity * sign), plain(draft.cash * sign))


def _taken_back(line: StatementLine, booked: Mapping[object, list[StatementLine]]) -> Iterator[StatementLine]:
    """Yield the reversal of the line that one takes back, and what it left behind of it; the line itself if that is not known."""
    turned_round = _moved if line.draft.kind in TRADES else _figures
    wanted = line.reverses.external_id if line.reverses else turned_round(line, Decimal(-1))
    before = [other for other in booked.get(wanted, ()) if other.draft.occurred_at <= line.draft.occurred_at]
    if not before:
        yield line
        return
    taken = max(before, key=lambda other: other.draft.occurred_at)
    booked[wanted].remove(taken)
    draft = taken.draft
    turned = replace(
        draft,
        quantity=-draft.quantity,
        cash=-draft.cash,
        fee=-draft.fee,
        tax=-draft.tax,
        data={},
        notes=line.draft.notes,
        external_id=line.draft.external_id,
    )
    reference = Reference(draft.source, draft.external_id)
    yield replace(line, draft=turned, reverses=reference, takes_back=False, instrument=taken.instrument, contract=taken.contract)
    left = line.draft.cash + draft.cash
    if left:
        kept = EntryDraft(
            kind=EntryKind.FEE,
            occurred_at=line.draft.occurred_at,
            currency=draft.currency,
            cash=left,
            data={"refund": "FEE"} if left > 0 else {},
            notes=f"What was kept of {draft.external_id}, which was canceled.",
            source=draft.source,
            external_id=f"{line.draft.external_id}/kept",
        )
        yield StatementLine(number=line.number, draft=kept, account=line.account, raw=line.raw)
