"""What Interactive Brokers says of corporate actions and of transfers from and to other brokers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from accounts.domain.figures import money, units
from accounts.domain.happenings import Happening, ratio_text, transfer
from accounts.domain.ibkr import Record
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.statements import InstrumentHints, LineRefused
from marketdata.domain.instruments import isin_is_valid
from marketdata.domain.money import plain

FOR = re.compile(r"(?P<new>\d+(\.\d+)?) FOR (?P<old>\d+(\.\d+)?)", re.ASCII)
ABOUT = re.compile(r"\((?P<symbol>[^(),]+), (?P<name>[^()]*), (?P<isin>[A-Z0-9]{6,12})\)\s*$", re.ASCII)
PAIR = 2


def described(record: Record) -> str:
    """Return how the broker describes a corporate action."""
    return record.text("actionDescription", "description")


def action_of(record: Record) -> str:
    """Return what the records of one corporate action have in common."""
    prefix = ABOUT.sub("", described(record)).strip()
    return record.id("actionID") or f"{prefix}|{record.text('dateTime', 'reportDate')}"


def booking_of(record: Record) -> tuple[str, bool]:
    """Return what the records of one booking of a corporate action have in common: it may be taken back, and booked anew."""
    return action_of(record), "CA" in re.split(r"[;, ]+", record.text("code", "notes").upper())


def corporate(records: Sequence[Record]) -> Iterator[tuple[int, Happening]]:
    """Yield what the records of one booking of a corporate action say, each with its place among them: they belong together.

    :raises LineRefused: if one does not say how many units it moves
    """
    if not booking_of(records[0])[1]:
        yield from _booked(records)
        return
    for place, made in _booked([record.turned("quantity", "proceeds") for record in records]):
        yield place, replace(made, quantity=-made.quantity, cash=-(made.cash or ZERO), takes_back=True)


def _booked(records: Sequence[Record]) -> Iterator[tuple[int, Happening]]:
    """Yield what the records of a booking say that takes none back."""
    said = described(records[0]).upper()
    found = FOR.search(said)
    moved = [units(record.amount("quantity"), "quantity") for record in records]
    if found and "SPLIT" in said:
        yield from _split(records, moved, ratio_text(Decimal(found["new"]), Decimal(found["old"])))
    elif found and "STOCK DIVIDEND" in said:
        ratio = ratio_text(Decimal(found["new"]) + Decimal(found["old"]), Decimal(found["old"]))
        for place, record in enumerate(records):
            yield place, replace(_action(record, EntryKind.SPLIT, moved[place]), data={"ratio": ratio})
    else:
        for place, record in enumerate(records):
            yield place, _other(record, moved[place], alone=len(records) == 1)


def _split(records: Sequence[Record], moved: Sequence[Decimal], ratio: str) -> Iterator[tuple[int, Happening]]:
    """Yield a split, on the instrument under which it was bought; where the company got a new number, old and new are one."""
    comes = [place for place, quantity in enumerate(moved) if quantity > 0]
    goes = [place for place, quantity in enumerate(moved) if quantity < 0]
    if len(records) == PAIR and comes and goes:
        new, old = _of_action(records[comes[0]]), _of_action(records[goes[0]])
        one = _action(records[comes[0]], EntryKind.SPLIT, moved[comes[0]] + moved[goes[0]])
        renamed = {name: getattr(new, name) for name in ("isin", "cusip", "symbol") if getattr(new, name)}
        hints = replace(old, symbol=new.symbol, exchange=new.exchange, venue=new.venue)
        yield comes[0], replace(one, hints=hints, data={"ratio": ratio, "renamed": renamed})
        return
    for place, record in enumerate(records):
        yield place, replace(_action(record, EntryKind.SPLIT, moved[place]), data={"ratio": ratio})


def _other(record: Record, quantity: Decimal, *, alone: bool) -> Happening:
    """Return one side of a merger, a tender, a spin-off; what is bought out for money alone, or for nothing, is sold."""
    proceeds = money(record.number("proceeds") or ZERO, "proceeds")
    said = described(record).upper().replace("-", "")
    worthless = record.text("type").upper() == "DW" or "WORTHLESS" in said or "DELIST" in said
    if alone and quantity < 0 and (proceeds > 0 or worthless):
        return replace(_action(record, EntryKind.SELL, quantity), cash=proceeds)
    if not quantity:
        if not proceeds:
            raise LineRefused("nothing_moved", "quantity: the action moves neither units nor money; leave the line out.")
        return replace(_action(record, EntryKind.RETURN_OF_CAPITAL, ZERO), cash=abs(proceeds))
    if quantity > 0 and (alone or "SPINOFF" in said):
        parent = re.match(r"[A-Z0-9.]+", said)
        made = _action(record, EntryKind.SPIN_OFF, quantity)
        return replace(made, cash=proceeds, data={"from": parent[0]} if parent else {})
    return replace(_action(record, EntryKind.MERGER, quantity), cash=proceeds)


def _action(record: Record, kind: EntryKind, quantity: Decimal) -> Happening:
    """Return what all sides of corporate actions have in common."""
    return Happening(
        kind=kind,
        at=record.booked(),
        day_only=True,
        currency=record.currency(),
        hints=_of_action(record),
        quantity=quantity,
        cash=ZERO,
        notes=described(record),
        id=record.id("transactionID"),
        account=record.account(),
        group=action_of(record),
        rate=record.rate(),
    )


def _of_action(record: Record) -> InstrumentHints:
    """Return what the record of a corporate action says about the instrument whose units it moves."""
    hints = record.hints()
    found = ABOUT.search(described(record))
    if not found:
        return hints
    isin = hints.isin or (found["isin"] if isin_is_valid(found["isin"]) else "")
    return replace(hints, isin=isin, name=found["name"])


def transferred(record: Record) -> Iterator[Happening]:
    """Yield what a record of a transfer says: units, money, or both that came from elsewhere or went there."""
    quantity, cash = record.number("quantity") or ZERO, money(record.number("cashTransfer") or ZERO, "cashTransfer")
    if record.text("direction").upper() == "OUT":
        quantity = -abs(quantity)
    if not quantity and not cash:
        raise LineRefused("nothing_moved", "quantity: the transfer moves neither units nor money; leave the line out.")
    worth = record.number("positionAmount") or ZERO
    price = record.number("transferPrice") or (abs(worth / quantity) if quantity else None)
    for moved, money_moved in ((quantity, ZERO), (ZERO, cash)):
        if moved or money_moved:
            yield Happening(
                kind=transfer(moved or money_moved),
                at=record.booked(),
                day_only=True,
                currency=record.currency(),
                hints=record.hints() if moved else InstrumentHints(),
                quantity=units(moved, "quantity"),
                price=price if moved else None,
                cash=money_moved,
                data={"cost": plain(abs(worth))} if moved and worth > 0 else {},
                notes=record.text("description", "type"),
                id=record.id("transactionID") and f"{record.id('transactionID')}/{'units' if moved else 'cash'}",
                account=record.account(),
            )
