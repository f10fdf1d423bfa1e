"""The parts of a book that have no table of their own, as JSON: what a later run needs beside positions and lots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from portfolio.domain.book import Book, Tally
from portfolio.domain.exact import plain
from portfolio.domain.lots import Lot
from portfolio.domain.pricing import Hand, Split


def as_json(book: Book) -> dict[str, Any]:
    """Return what has to be remembered of a book, in types JSON knows."""
    return {
        "cash": {currency: plain(balance) for currency, balance in book.cash.items()},
        "owed": {name: [currency, plain(amount)] for name, (currency, amount) in book.owed.items()},
        "tallies": {
            currency: [plain(tally.income), plain(tally.fees), plain(tally.taxes)] for currency, tally in book.tallies.items()
        },
        "parked": {group: [[*_lot(lot), currency] for lot, currency in lots] for group, lots in book.parked.items()},
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
    book.parked = {group: [(_as_lot(fields), fields[-1]) for fields in lots] for group, lots in memory.get("parked", {}).items()}
    book.hands = {key: [Hand(day, Decimal(price)) for day, price in hands] for key, hands in memory.get("hands", {}).items()}
    book.splits = {
        key: [Split(day, Decimal(new), Decimal(old)) for day, new, old in splits]
        for key, splits in memory.get("splits", {}).items()
    }
    book.gaps = dict(memory.get("gaps", {}))


def _lot(lot: Lot) -> list[Any]:
    """Return the fields of a lot."""
    return [lot.opened_at.isoformat(), lot.sequence, plain(lot.quantity), plain(lot.cost), plain(lot.opened), lot.missing]


def _as_lot(fields: list[Any]) -> Lot:
    """Return the lot of its fields."""
    opened_at, sequence, quantity, cost, opened, missing = fields[:6]
    return Lot(datetime.fromisoformat(opened_at), sequence, Decimal(quantity), Decimal(cost), Decimal(opened), missing)
