"""Many lines of a statement at once: as columns, for whoever adds them up, and as lines, for whoever posts them."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any

import polars as pl

from accounts.domain.happenings import printable
from accounts.domain.ledger import ZERO, EntryDraft
from accounts.domain.mapped_columns import KINDS, ROUNDINGS, as_texts
from accounts.domain.statements import InstrumentHints, Item, StatementLine

SHOWN = 1_000
ONE = Decimal(1)
COLUMNS = (
    *("number", "hints", "day_only", "states_cash", "follows", "raw", "kind", "at", "currency", "notes", "id"),
    *("quantity_text", "price_text", "cash_text", "fee_text", "tax_text", "rounding", "gross_text", "refund"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that follow each other: those that were read by columns, and what the others among them say, both in their order.

    `own_ids` are the ids that the file gives to the rows read by columns, where a column has some.
    """

    source: str
    rows: pl.DataFrame
    hints: Sequence[InstrumentHints]
    others: list[Item]
    own_ids: Sequence[str] = ()

    def items(self) -> Iterator[Item]:
        """Yield what the rows say, one by one."""
        others = deque(self.others)
        for line in self.lines(self.rows):
            while others and number_of(others[0]) < line.number:
                yield others.popleft()
            yield line
        yield from others

    def lines(self, rows: pl.DataFrame) -> Iterator[StatementLine]:
        """Yield some of the rows as lines of a statement."""
        told = as_texts(rows).with_columns(pl.col("at").cast(pl.Datetime("us"))).select(COLUMNS)
        for number, place, day_only, states_cash, follows, raw, *figures in zip(
            *(told[name].to_list() for name in COLUMNS), strict=True
        ):
            hints = self.hints[place]
            yield StatementLine(
                number=number,
                draft=self._draft(figures),
                instrument=hints.key if place else "",
                states_cash=states_cash,
                names_zone=day_only,
                hints=hints,
                price_follows=follows is not None,
                day_only=day_only,
                raw=printable(raw.strip()[:SHOWN]),
            )

    def _draft(self, figures: list[Any]) -> EntryDraft:
        """Return the draft of a line."""
        code, at, currency, notes, known_by, quantity, price, cash, fee, tax, rounding, gross, refund = figures
        kind = KINDS[code]
        data: dict[str, Any] = {"rounding": ROUNDINGS[rounding]} if rounding else {}
        if gross is not None:
            data["gross"] = gross
        if refund:
            data["refund"] = kind.value
        return EntryDraft(
            kind=kind,
            occurred_at=at.replace(tzinfo=UTC),
            currency=currency,
            quantity=Decimal(quantity) if quantity != "0" else ZERO,
            price=None if price is None else Decimal(price),
            cash=Decimal(cash) if cash != "0" else ZERO,
            fee=Decimal(fee) if fee != "0" else ZERO,
            tax=Decimal(tax) if tax != "0" else ZERO,
            multiplier=ONE,
            data=data,
            notes=notes,
            source=self.source,
            external_id=known_by,
        )


def number_of(item: Item) -> int:
    """Return the line that a line, a refusal or what was passed over stands on."""
    return getattr(item, "number", 0) or getattr(item, "line", 0)
