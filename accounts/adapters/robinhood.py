"""Robinhood: the activity of an account as CSV, with amounts in parentheses, descriptions of several lines and a disclaimer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts.adapters.base import StatementFile
from accounts.adapters.table import Refused, Row, certain, paired, read_rows, rows
from accounts.domain.contracts import UNITS, contract_of
from accounts.domain.figures import figure, units
from accounts.domain.happenings import Happening, Lines, flow, ratio_text, transfer
from accounts.domain.holdings import with_holdings
from accounts.domain.ledger import HALF_A_CENT, ZERO, EntryKind
from accounts.domain.listings import coin
from accounts.domain.moments import US, day, midnight
from accounts.domain.statements import InstrumentHints, Item, LineRefused
from accounts.domain.takebacks import TAKEN_BACK, canceled, settled

NEEDED = ("Activity Date", "Instrument", "Description", "Trans Code", "Quantity", "Price", "Amount")
ALSO = ("Process Date", "Settle Date")
CUSIP = re.compile(r"CUSIP: *(?P<cusip>[0-9A-Z]{9})", re.ASCII)
SMALL, LEAST = Decimal("0.02"), Decimal("0.05")

CODES = {
    "BUY": EntryKind.BUY,
    "SELL": EntryKind.SELL,
    "BTO": EntryKind.BUY,
    "STC": EntryKind.SELL,
    "STO": EntryKind.SHORT,
    "BTC": EntryKind.COVER,
    "CDIV": EntryKind.DIVIDEND,
    "MDIV": EntryKind.DIVIDEND,
    "QDIV": EntryKind.DIVIDEND,
    "CIL": EntryKind.DIVIDEND,
    "ROC": EntryKind.RETURN_OF_CAPITAL,
    "INT": EntryKind.INTEREST,
    "MINT": EntryKind.INTEREST,
    "SLIP": EntryKind.INTEREST,
    "GDBP": EntryKind.INTEREST,
    "GMPC": EntryKind.INTEREST,
    "GOLD": EntryKind.FEE,
    "AFEE": EntryKind.FEE,
    "DFEE": EntryKind.FEE,
    "FEE": EntryKind.FEE,
    "DTAX": EntryKind.TAX,
    "NRAT": EntryKind.TAX,
    "FTAX": EntryKind.TAX,
    "SPL": EntryKind.SPLIT,
    "SPR": EntryKind.SPLIT,
    "SDIV": EntryKind.SPLIT,
    "SOFF": EntryKind.SPIN_OFF,
    "MRGS": EntryKind.MERGER,
    "MRGC": EntryKind.MERGER,
    "MGRS": EntryKind.MERGER,
    "SXCH": EntryKind.MERGER,
    "CONV": EntryKind.MERGER,
    "OEXP": EntryKind.OPTION_EXPIRATION,
    "OASGN": EntryKind.OPTION_ASSIGNMENT,
    "OEXCS": EntryKind.OPTION_EXERCISE,
    "OEXER": EntryKind.OPTION_EXERCISE,
    "REC": EntryKind.TRANSFER_IN,
    "NOA": EntryKind.TRANSFER_IN,
}
CANCELS = {"BCXL": EntryKind.BUY, "SCXL": EntryKind.SELL}
RATIO = "+ratio"
OF_SHARES = frozenset({"BUY", "SELL", *CANCELS})  # whatever option brought them about
TRADES = frozenset({EntryKind.BUY, EntryKind.SELL, EntryKind.SHORT, EntryKind.COVER})
FLOWS = frozenset({"ACH", "RTP", "WIRE", "DCF", "XENT", "XENT_CC", "CSR", "CSD", "MISC", "SWEEP", "ABIP", "ADP"})
MOVES = frozenset({"ACATI", "ACATO", "T/A", "JNLC", "JNLS", "FUTSWP", "ITRF"})
# what leaves open how many units were held before
LEFT_OPEN = (
    "SPL",
    "SPR",
    "SDIV",
    "OEXP",
    "OASGN",
    "OEXC",
    "OEXE",
)


class Robinhood:
    """The activity of an account at Robinhood."""

    name = "robinhood"
    title = "Robinhood account activity (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the columns, of which "Trans Code" is Robinhood's own."""
        return certain(file, NEEDED, ALSO)

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the activities."""
        found = with_holdings(lambda: _Reading().items(file), asks=file.mentions(*LEFT_OPEN), ends=True)
        yield from settled(found, trades=file.mentions(*CANCELS))


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    lines: Lines = field(default_factory=lambda: Lines("robinhood"))

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say; a row without a day and a code is the disclaimer."""
        genuine = (row for row in rows(file, NEEDED) if _is_line(row))
        yield from read_rows(paired(genuine, _reverse_split, _joined), self.lines, self._happenings)

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a row says."""
        code, cash = row.text("Trans Code").upper(), row.money("Amount")
        quantity, shown_short = _quantity(row.text("Quantity"))
        kind = CODES.get(code)
        made = Happening(
            kind=kind or EntryKind.NOTE,
            at=midnight(day(row.needed_text("Activity Date"), "Activity Date", US)),
            day_only=True,
            currency="USD",
            hints=_hints(row),
            quantity=quantity or ZERO,
            cash=cash,
            notes=" ".join(row.text("Description").split()),
            data={"code": code, **({"ratio": ratio} if (ratio := row.cells.get(RATIO)) else {})},
        )
        if code in CANCELS:
            yield canceled(replace(made, kind=CANCELS[code], price=row.money("Price")), made.quantity)
        elif kind is None:
            yield _moved(made, code, cash, quantity)
        elif kind in TRADES:
            yield _trade(made, row, cash)
        elif kind in {EntryKind.SPLIT, EntryKind.SPIN_OFF, EntryKind.MERGER} or code.startswith("OE") or code == "OASGN":
            yield _of_units(made, code, shorter=shown_short)
        elif kind is EntryKind.TRANSFER_IN:
            yield replace(made, cash=ZERO)
        else:
            yield replace(made, takes_back=kind in TAKEN_BACK and (cash or ZERO) < 0)


def _is_line(row: Row | Refused) -> bool:
    """Say whether a row is an activity; what can't be taken apart may be."""
    return not isinstance(row, Row) or bool(row.text("Activity Date") or row.text("Trans Code"))


def _reverse_split(row: Row) -> tuple[str, str] | None:
    """Return what the two rows of a reverse split have in common, None for other rows."""
    return (row.text("Activity Date"), row.text("Instrument")) if row.text("Trans Code").upper() == "SPR" else None


def _joined(one: Row, other: Row) -> Row | None:
    """Return one row for the two of a reverse split, the many units that went and the few that came, with its ratio."""
    try:
        few, many = sorted(abs(_quantity(row.text("Quantity"))[0] or ZERO) for row in (one, other))
    except LineRefused:
        return None
    return replace(one, cells={**one.cells, "quantity": f"{few - many:f}", RATIO: ratio_text(few, many)})


def _quantity(text: str) -> tuple[Decimal | None, bool]:
    """Return the units in a cell such as "4.5S", and whether the letter is there, which marks units moved by an action."""
    bare = text.strip()
    marked = bare[-1:] in {"S", "s"}
    number = figure(bare[:-1] if marked else bare, "Quantity")
    return (None if number is None else units(number, "Quantity")), marked


def _trade(made: Happening, row: Row, cash: Decimal | None) -> Happening:
    """Return a purchase or a sale; the little that the amount lacks, or has too much, are the fees of the exchange."""
    price, quantity = row.money("Price"), made.quantity
    if price is None or cash is None:
        return replace(made, price=price)
    worth = abs(quantity) * price * (made.hints.multiplier or 1)
    kept = worth - cash if cash > 0 else -cash - worth
    fee = kept if HALF_A_CENT < kept <= max(worth * SMALL, LEAST) else ZERO
    return replace(made, price=price, fee=fee.quantize(Decimal("0.01")) if fee else ZERO)


def _of_units(made: Happening, code: str, *, shorter: bool) -> Happening:
    """Return what moved units: a corporate action, or the end of an option."""
    cash = made.cash or ZERO
    if made.kind is EntryKind.MERGER and cash > 0:
        if not made.quantity:
            return replace(made, kind=EntryKind.RETURN_OF_CAPITAL)
        return replace(made, kind=EntryKind.SELL)
    if made.kind is EntryKind.MERGER:  # the units that go and those that come are rows of one day
        gone = code == "MRGC" or shorter
        return replace(made, quantity=-abs(made.quantity) if gone else made.quantity, cash=cash, group=f"{code}|{made.at.date()}")
    return replace(made, cash=cash)


def _moved(made: Happening, code: str, cash: Decimal | None, quantity: Decimal | None) -> Happening:
    """Return what came from outside or from another account, or went there."""
    if code in MOVES and quantity and made.hints.key:
        moved = -abs(quantity) if code == "ACATO" else quantity
        return replace(made, kind=transfer(moved), quantity=moved, cash=ZERO)
    if code in FLOWS | MOVES:
        if not cash:
            raise LineRefused("missing_amount", "Amount: the row needs its amount.")
        return replace(made, kind=transfer(cash) if code in MOVES else flow(cash), quantity=ZERO)
    raise LineRefused("unknown_code", f"Trans Code: {code[:20]!r} is not known; enter the line by hand.")


def _hints(row: Row) -> InstrumentHints:
    """Return what a row says about its instrument."""
    symbol, said = row.text("Instrument").upper(), row.text("Description")
    if not symbol and not CUSIP.search(said):
        return InstrumentHints()
    contract = None if row.text("Trans Code").upper() in OF_SHARES else contract_of(said)
    if contract:
        return InstrumentHints(exchange="OPRA", asset_class="OPTION", currency="USD", multiplier=UNITS, contract=contract)
    if symbol.endswith("-USD"):
        return coin(symbol.removesuffix("-USD"), "USD")
    found = CUSIP.search(said)
    cusip = found["cusip"] if found else ""
    name = said.split("\n")[0].strip() if found else ""
    return InstrumentHints(symbol=symbol, cusip=cusip, name=name, currency="USD")


READERS = (Robinhood(),)
