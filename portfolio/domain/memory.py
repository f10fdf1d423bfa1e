"""The parts of a book that have no table of their own, as JSON: what a later run needs beside positions and lots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from portfolio.domain.book import Book, Parked, Tally
from portfolio.domain.exact import plain
from portfolio.domain.lots import Lot
from portfolio.domain.pricing import Hand, Split
from portfolio.domain.wash import Loss


def as_json(book: Book) -> dict[str, Any]:
    """Return what has to be remembered of a book, in types JSON knows."""
    return {
        "cash": {currency: plain(balance) for currency, balance in book.cash.items()},
        "owed": {name: [currency, plain(amount)] for name, (currency, amount) in book.owed.items()},
        "tallies": {
            currency: [plain(tally.income), plain(tally.fees), plain(tally.taxes)] for currency, tally in book.tallies.items()
        },
        "parked": {
            group: [[*_lot(lot), instrument, currency, plain(cash)] for lot, instrument, currency, cash in lots]
            for group, lots in book.parked.items()
        },
        "losses": {
            key: [[one if isinstance(one, int) else plain(one) for one in loss] for loss in losses]
            for key, losses in book.losses.items()
        },
        "hands": {key: [[hand.day, plain(hand.price)] for hand in hands] for key, hands in book.hands.items()},
        "splits": {
            key: [[split.day, plain(split.new), plain(split.old)] for split in splits] for key, splits in book.splits.items()
        },
        "gaps": dict(book.gaps),
    }


def recall(book: Book, memory: Mapping[str, Any]) -> None:
    """Put what `as_json` remembered back into a book."""
    book.cash = {currency: Decimal(balance) for currency, balance in memory.get("cash", {}).items()}
    book.owed = {name: (currency, Decimal(amount)) for name, (currency, amount) in memory.get("owed", {}).items()}
    book.tallies = {currency: Tally(*map(Decimal, amounts)) for currency, amounts in memory.get("tallies", {}).items()}
    book.parked = {
        group: [Parked(_as_lot(fields), fields[-3], fields[-2], Decimal(fields[-1])) for fields in lots]
        for group, lots in memory.get("parked", {}).items()
    }
    book.losses = {
        key: [
            Loss(n, day, Decimal(units), Decimal(amount), held, short, opening, Decimal(disallowed))
            for n, day, units, amount, held, short, opening, disallowed in losses
        ]
        for key, losses in memory.get("losses", {}).items()
    }
    book.closed = memory.get("closures", 0)
    # what later purchases made of these closures, in a run that is taken back to here, does not hold any more
    book.amended = {loss.number: loss.disallowed for losses in book.losses.values() for loss in losses}
    book.hands = {key: [Hand(day, Decimal(price)) for day, price in hands] for key, hands in memory.get("hands", {}).items()}
    book.splits = {
        key: [Split(day, Decimal(new), Decimal(old)) for day, new, old in splits]
        for key, splits in memory.get("splits", {}).items()
    }
    book.gaps = dict(memory.get("gaps", {}))


def _lot(lot: Lot) -> list[Any]:
    """Return the fields of a lot."""
    return [
        lot.opened_at.isoformat(),
        lot.sequence,
        plain(lot.quantity),
        plain(lot.cost),
        plain(lot.opened),
        lot.missing,
        lot.tacked,
    ]


def _as_lot(fields: list[Any]) -> Lot:
    """Return the lot of its fields."""
    opened_at, sequence, quantity, cost, opened, missing, tacked = fields[:7]
    return Lot(datetime.fromisoformat(opened_at), sequence, Decimal(quantity), Decimal(cost), Decimal(opened), missing, tacked)
