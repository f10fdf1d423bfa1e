"""Trading 212: the history of an account as CSV; prices in the instrument's currency, totals in the account's, times of UTC."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts.adapters.base import StatementFile
from accounts.adapters.table import Row, certain, headings_of, key, read_rows, rows
from accounts.domain.happenings import Happening, Lines, currency_of, flow, price_in, ratio_text
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.moments import stamp
from accounts.domain.statements import InstrumentHints, Item, LineRefused, Refusal
from accounts.domain.takebacks import settled

NEEDED = ("Action", "Time")
OWN = ("No. of shares", "Price / share", "Currency (Price / share)", "ISIN", "Ticker", "Exchange rate")
OF_MONEY, MONEY_ALONE = {key("Total"), key("Currency (Total)")}, 0.9
UTC = ZoneInfo("UTC")
ID = re.compile(r"[A-Z]{2,4}\d{6,}|[0-9a-f]{8}-[0-9a-f-]{27}", re.ASCII)
TOTAL = re.compile(r"total([a-z]{3})")
COSTS = ("Currency conversion fee", "Transaction fee", "Finra fee", "Charge amount fee", "Deposit fee")
TAXES = ("Stamp duty", "Stamp duty reserve tax", "French transaction tax", "PTM levy", "Italian transaction tax")
# where the columns stand in files of the year 2025 on: notes and id come before the shares
LATER = ("Notes", "ID", "No. of shares", "Price / share", "Currency (Price / share)", "Exchange rate", "Result",
         "Currency (Result)", "Total", "Currency (Total)", "Withholding tax", "Currency (Withholding tax)",
         "Currency conversion fee", "Currency (Currency conversion fee)")  # fmt: skip
FIRST_MOVED = 5


class Trading212:
    """The history of an account at Trading 212."""

    name = "trading212"
    title = "Trading 212 history (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the columns, some of which are its own; a history of money alone has no others."""
        found = headings_of(file, (*NEEDED, "Notes", "ID"))
        names = set(map(key, found[1].cells)) if found else set()
        alone = names >= OF_MONEY or any(map(TOTAL.fullmatch, names))
        return certain(file, (*NEEDED, "No. of shares"), OWN) or (MONEY_ALONE if alone else 0.0)

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the lines of the history; what was paid back comes last."""
        yield from settled(_Reading().items(file))


@dataclass(slots=True)
class _Reading:
    """One reading of a file; the old units of a split wait for the new ones."""

    lines: Lines = field(default_factory=lambda: Lines("trading212"))
    closed: dict[str, tuple[Row, Happening]] = field(default_factory=dict)

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say."""
        yield from read_rows(
            (_placed(row) if isinstance(row, Row) else row for row in rows(file, NEEDED)), self.lines, self._happenings
        )
        for row, half in self.closed.values():
            yield Refusal(
                row.number, "half_a_split", f"Action: the other half of the split of {half.hints.key} is not in the file."
            )

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a row says."""
        action = row.word("Action")
        at, day_only = stamp(row.needed_text("Time"), "Time", UTC)
        total, currency = _total(row)
        made = Happening(
            kind=EntryKind.NOTE,
            at=at,
            day_only=day_only,
            currency=currency,
            hints=_hints(row),
            quantity=row.units("No. of shares") or ZERO,
            cash=total,
            notes=row.text("Notes"),
            id=row.text("ID"),
            data={"action": row.text("Action")},
        )
        if action.endswith((" buy", " sell")):
            yield _trade(row, made, total)
        elif action.startswith("stock split"):
            yield from self._split(row, made)
        elif action == "currency conversion":
            yield from _conversion(row, made)
        elif kind := next((kind for start, kind in UNITS_MOVED.items() if action.startswith(start)), None):
            price, _ = price_in(row.money("Price / share") or ZERO, made.hints.currency, made.currency or made.hints.currency)
            yield replace(made, kind=kind, price=price or None, cash=ZERO, currency=made.currency or made.hints.currency)
        elif action.startswith("dividend"):
            yield _dividend(row, made, total)
        else:
            yield _of_cash(row, made, action, total)

    def _split(self, row: Row, made: Happening) -> Iterator[Happening]:
        """Yield a split once both of its halves have come."""
        known = made.hints.isin or made.hints.key
        other = self.closed.pop(known, None)
        if other is None:
            self.closed[known] = (row, made)
            return
        opens = made if row.word("Action").endswith("open") else other[1]
        closes = other[1] if opens is made else made
        data = {"ratio": ratio_text(opens.quantity, closes.quantity)}
        moved = opens.quantity - closes.quantity
        yield replace(
            opens, kind=EntryKind.SPLIT, quantity=moved, cash=ZERO, currency=made.currency or made.hints.currency, data=data
        )


UNITS_MOVED = {
    "stock distribution": EntryKind.SPIN_OFF,
    "spin-off": EntryKind.SPIN_OFF,
    "spin off": EntryKind.SPIN_OFF,
    "transfer in": EntryKind.TRANSFER_IN,
    "transfer out": EntryKind.TRANSFER_OUT,
    "free share": EntryKind.TRANSFER_IN,
}


def _placed(row: Row) -> Row:
    """Return a row with its cells under their names, also where it is of the later layout under the earlier headings."""
    values = list(row.cells.values())
    if len(values) < FIRST_MOVED + len(LATER) or row.text("No. of shares") or not ID.fullmatch(values[FIRST_MOVED + 1].strip()):
        return row
    if ID.fullmatch(row.text("ID")):
        return row
    kept = dict(list(row.cells.items())[:FIRST_MOVED])
    made = Row(row.number, kept, row.raw)
    moved = Row(row.number, {}, "")
    named = dict(zip(LATER, values[FIRST_MOVED:], strict=False))
    cells = {
        **made.cells,
        **{key(name): cell for name, cell in named.items()},
    }
    return replace(moved, cells=cells, raw=row.raw)


def _total(row: Row) -> tuple[Decimal | None, str]:
    """Return the total and its currency, which stands in a column of its own or in the heading."""
    for name in row.cells:
        found = TOTAL.fullmatch(name)
        if found and row.cells[name].strip():
            return row.money(name), currency_of(found[1], "Total")
    total, code = row.money("Total"), row.text("Currency (Total)")
    return total, currency_of(code, "Currency (Total)") if code else ""


def _costs(row: Row, names: tuple[str, ...], currency: str) -> Decimal:
    """Return the fees or taxes in the currency of the total, which contains them."""
    found = ZERO
    for name in names:
        code = row.text(f"Currency ({name})")
        if not code or code.upper() == currency:
            found += row.cost(name, f"{name} ({currency})")
    return found


def _trade(row: Row, made: Happening, total: Decimal | None) -> Happening:
    """Return a purchase or a sale; in another currency than the account's, its price follows from the total."""
    sells = row.word("Action").endswith("sell")
    if total is None:
        raise LineRefused("missing_amount", "Total: the row needs its total.")
    quoted = made.hints.currency
    price, converted = price_in(row.needed_money("Price / share"), quoted, made.currency or quoted)
    return replace(
        made,
        kind=EntryKind.SELL if sells else EntryKind.BUY,
        currency=made.currency or quoted,
        price=price,
        converted=converted,
        cash=abs(total) if sells else -abs(total),
        fee=_costs(row, COSTS, made.currency),
        tax=_costs(row, TAXES, made.currency),
        data={"rate": row.text("Exchange rate")} if converted and row.text("Exchange rate") else {},
    )


def _dividend(row: Row, made: Happening, total: Decimal | None) -> Happening:
    """Return a dividend: the total is what was paid after tax, which may have been held back in another currency.

    Capital paid back, and the interest that funds pass on, are called dividends, too.
    """
    if total is None:
        raise LineRefused("missing_amount", "Total: the row needs its total.")
    if "return of capital" in row.word("Action"):
        return replace(made, kind=EntryKind.RETURN_OF_CAPITAL, quantity=ZERO, takes_back=total < 0)
    withheld, code = row.cost("Withholding tax"), row.text("Currency (Withholding tax)").upper()
    same = code in {made.currency, ""}
    data = {"shares": row.text("No. of shares"), "type": row.text("Action")}
    if withheld and not same:
        data["withheld"] = f"{withheld:f} {code}"
    tax = withheld if same and total > 0 else ZERO
    if "(interest" in row.word("Action"):
        return replace(made, kind=EntryKind.INTEREST, quantity=ZERO, tax=tax, data=data)
    return replace(made, kind=EntryKind.DIVIDEND, quantity=ZERO, cash=total, tax=tax, data=data, takes_back=total < 0)


def _conversion(row: Row, made: Happening) -> Iterator[Happening]:
    """Yield the two legs of an exchange of currencies."""
    group = made.id or f"{made.at.isoformat()}|{row.raw[:200]}"
    for end, sign in (("from", -1), ("to", 1)):
        name = f"Currency conversion {end} amount"
        amount = abs(row.needed_money(name)) * sign
        currency = currency_of(row.needed_text(f"Currency ({name})"), name)
        yield replace(
            made, kind=EntryKind.FX, quantity=ZERO, cash=amount, currency=currency, group=group, id=made.id and f"{made.id}/{end}"
        )


def _of_cash(row: Row, made: Happening, action: str, total: Decimal | None) -> Happening:
    """Return what moved money alone."""
    if total is None:
        raise LineRefused("missing_amount", "Total: the row needs its total.")
    if "interest" in action or "cashback" in action:
        kind = EntryKind.INTEREST
    elif action in {"deposit", "withdrawal", "spending", "refund"} or action.startswith("card "):
        kind = flow(-abs(total) if action in {"withdrawal", "card debit"} else total)
    elif "fee" in action or "cost" in action:
        kind = EntryKind.FEE
    elif "tax" in action:
        kind = EntryKind.TAX
    elif action == "result adjustment":
        kind = EntryKind.INTEREST
    else:
        raise LineRefused("unknown_action", f"Action: {row.text('Action')[:60]!r} is not known; enter the line by hand.")
    goes = kind in {EntryKind.WITHDRAWAL} or (kind in {EntryKind.FEE, EntryKind.TAX} and "refund" not in action)
    return replace(made, kind=kind, quantity=ZERO, cash=-abs(total) if goes else total, hints=InstrumentHints())


def _hints(row: Row) -> InstrumentHints:
    """Return what a row says about its instrument."""
    quoted = row.text("Currency (Price / share)")
    return InstrumentHints(
        isin=row.text("ISIN").upper(),
        symbol=row.text("Ticker").upper(),
        name=row.text("Name"),
        currency=currency_of(quoted, "Currency (Price / share)") if quoted else "",
    )


READERS = (Trading212(),)
