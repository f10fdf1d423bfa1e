"""Alpaca: the activities of accounts as the API gives them, as JSON or as a table of its fields; positions and balances."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.jsons import pieces, text_in
from accounts.adapters.table import Passed, Row, certain, key, read_rows, rows
from accounts.domain.contracts import UNITS, contract_of
from accounts.domain.happenings import Happening, Lines, flow, ratio_text, side, transfer
from accounts.domain.holdings import with_holdings
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.listings import QUOTED_IN, coin
from accounts.domain.moments import day, midnight, stamp
from accounts.domain.statements import CashBalance, Heading, Holding, InstrumentHints, Item, LineRefused, Refusal

UTC = ZoneInfo("UTC")
PAIR = re.compile(r"[A-Z]{3,8}(USD|USDT|USDC)", re.ASCII)  # of coins: shares have five letters at most
NEEDED = ("activity_type", "id")
ALSO = ("transaction_time", "qty", "side", "symbol", "order_id", "price")
KINDS = {
    "CSD": None,
    "CSW": None,
    "CSR": None,
    "TRANS": None,
    "DIV": EntryKind.DIVIDEND,
    "DIVCGL": EntryKind.DIVIDEND,
    "DIVCGS": EntryKind.DIVIDEND,
    "DIVTXEX": EntryKind.DIVIDEND,
    "DIVROC": EntryKind.RETURN_OF_CAPITAL,
    "DIVFEE": EntryKind.FEE,
    "DIVFT": EntryKind.TAX,
    "DIVNRA": EntryKind.TAX,
    "DIVTW": EntryKind.TAX,
    "INT": EntryKind.INTEREST,
    "INTNRA": EntryKind.TAX,
    "INTTW": EntryKind.TAX,
    "INTPNL": EntryKind.INTEREST,
    "FEE": EntryKind.FEE,
    "PTC": EntryKind.FEE,
    "PTR": EntryKind.FEE,
    "MEM": EntryKind.FEE,
    "WH": EntryKind.TAX,
    "DIVWH": EntryKind.TAX,
    "CIL": EntryKind.DIVIDEND,
    "VOF": EntryKind.FEE,
    "FIMAT": EntryKind.RETURN_OF_CAPITAL,
}
OF_UNITS = {
    "SSO": EntryKind.SPIN_OFF,
    "SPIN": EntryKind.SPIN_OFF,
    "SSP": EntryKind.SPLIT,
    "SPLIT": EntryKind.SPLIT,
    "MA": EntryKind.MERGER,
    "REORG": EntryKind.MERGER,
    "NC": EntryKind.MERGER,
    "SC": EntryKind.MERGER,
    "OPASN": EntryKind.OPTION_ASSIGNMENT,
    "OPEXP": EntryKind.OPTION_EXPIRATION,
    "OPXRC": EntryKind.OPTION_EXERCISE,
    "OPEXC": EntryKind.OPTION_EXERCISE,
}
RENAMES = frozenset({"NC", "SC"})
# shares that an option brought or took, and what a bond paid back at its end
TRADES = frozenset({"OPTRD", "FIMAT"})
MOVES = frozenset({"JNL", "JNLC", "JNLS", "ACATC", "ACATS"})
# what leaves open how many units were held before
LEFT_OPEN = (
    "SSP",
    "SPLIT",
)


class AlpacaActivities:
    """The activities of accounts at Alpaca."""

    name = "alpaca"
    title = "Alpaca activities (JSON or CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the fields of an activity, a position or an account."""
        head = file.head
        if head.lstrip()[:1] not in {"[", "{"}:
            return certain(file, NEEDED, ALSO)
        if '"activity_type"' in head:
            return 1.0 if '"id"' in head else 0.8
        if '"avg_entry_price"' in head and '"cost_basis"' in head:
            return 0.9
        return 0.9 if '"account_number"' in head and '"buying_power"' in head else 0.0

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the activities, or what a list of positions or an account says is held."""
        yield from with_holdings(lambda: _Reading().items(file), asks=file.mentions(*LEFT_OPEN))


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    lines: Lines = field(default_factory=lambda: Lines("alpaca"))
    halves: dict[tuple[str, str, date], tuple[Row, Happening]] = field(default_factory=dict)

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the file says."""
        if file.head.lstrip()[:1] not in {"[", "{"}:
            yield from read_rows(rows(file, NEEDED), self.lines, self._happenings)
        else:
            yield from self._pieces(file)
        for row, half in self.halves.values():
            try:
                yield self.lines.line(row.number, half, row.raw)
            except LineRefused as refusal:
                yield Refusal(row.number, refusal.code, str(refusal))

    def _pieces(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the elements of a list say, or a single object."""
        alone: dict[str, Any] = {}
        for piece in pieces(file):
            if not piece.listed:
                alone[piece.name] = piece.value
            elif isinstance(piece.value, dict) and piece.name in {"", "activities"}:
                yield from self._listed(piece.line, piece.value)
        if alone:
            yield from self._alone(alone)

    def _listed(self, line: int, value: Mapping[str, Any]) -> Iterator[Item]:
        """Yield what an element of the list says."""
        cells = {key(name): text_in(said) for name, said in value.items()}
        row = Row(line, cells, " ".join(f"{name}={said}" for name, said in cells.items() if said)[:1000])
        if "activitytype" in cells:
            yield from read_rows([row], self.lines, self._happenings)
        elif "avgentryprice" in cells:
            yield from _held(row)
        else:
            refusal = LineRefused("unknown_record", "activity_type: this is no activity; ask the API for account/activities.")
            yield from read_rows([(line, refusal)], self.lines, self._happenings)

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what an activity says; a split takes the old units in one and brings the new ones in another."""
        for made in _happenings(row):
            if made.kind is not EntryKind.SPLIT:
                yield made
                continue
            known = (made.account, made.hints.key, made.at.date())
            _, held = self.halves.pop(known, (row, None))
            if held and (held.quantity < 0) != (made.quantity < 0):
                new, old = (made, held) if made.quantity > 0 else (held, made)
                data = {**new.data, "ratio": ratio_text(new.quantity, old.quantity)}
                yield replace(new, quantity=new.quantity + old.quantity, data=data)
                continue
            self.halves[known] = (row, made)
            if held:
                yield held

    def _alone(self, value: Mapping[str, Any]) -> Iterator[Item]:
        """Yield what a single object says: an account, or one activity."""
        cells = {key(name): text_in(said) for name, said in value.items()}
        if "buyingpower" in cells:
            row = Row(1, cells, "")
            yield Heading(cells.get("accountnumber", ""), cells.get("currency", ""))
            if (left := row.money("cash")) is not None:
                yield CashBalance(cells.get("accountnumber", ""), cells.get("currency") or "USD", left)
        elif "activitytype" in cells:
            yield from self._listed(1, value)
        elif cells.keys() - {"nextpagetoken"}:
            raise NotReadable("unknown_record", "The JSON holds no activities: ask the API for account/activities.")


def _held(row: Row) -> Iterator[Item]:
    """Yield what a position says is held."""
    quantity = row.units("qty") or ZERO
    if row.word("side") == "short":
        quantity = -abs(quantity)
    yield Holding("", _hints(row), quantity, row.money("current_price"), row.money("market_value"))


def _happenings(row: Row) -> Iterator[Happening]:
    """Yield what an activity says."""
    code = row.needed_text("activity_type").upper()
    if row.word("status") in {"canceled", "cancelled"}:
        raise Passed("canceled", "status: the activity was canceled, so nothing moved.")
    made = Happening(
        kind=EntryKind.NOTE,
        at=_at(row)[0],
        day_only=_at(row)[1],
        currency=row.text("currency") or "USD",
        hints=_hints(row),
        notes=row.text("description"),
        id=row.text("id"),
        group=row.text("group_id") or _together(row, code),
        account=row.text("account_id", "account_number"),
        data={"activity_type": code, **({"order_id": order} if (order := row.text("order_id")) else {})},
    )
    cash, quantity = row.money("net_amount"), row.units("qty")
    if code == "FILL":
        yield _fill(row, made)
    elif code in TRADES and quantity:
        yield replace(made, kind=side(quantity), quantity=quantity, price=row.money("price"), cash=cash or None)
    elif code in OF_UNITS and quantity:
        yield replace(made, kind=OF_UNITS[code], quantity=quantity, cash=cash or ZERO, price=None)
    elif code in MOVES and quantity and made.hints.key:
        yield replace(made, kind=transfer(quantity), quantity=quantity, price=row.money("price"), cash=ZERO)
    elif code == "CFEE" and quantity:
        yield replace(made, kind=EntryKind.TRANSFER_OUT, quantity=abs(quantity), cash=ZERO, notes=made.notes or "Fee in coins")
    else:
        yield _of_cash(made, code, cash)


def _together(row: Row, code: str) -> str:
    """Return what the units that go and those that come for them have in common where the API does not say."""
    if OF_UNITS.get(code) is not EntryKind.MERGER:
        return ""
    renamed = row.text("qty").lstrip("-") if code in RENAMES else ""
    return f"{code}|{_at(row)[0].date()}|{renamed}"


def _of_cash(made: Happening, code: str, cash: Decimal | None) -> Happening:
    """Return what moved money alone."""
    if cash is None or not cash:
        raise LineRefused("missing_amount", f"net_amount: a {code[:20]} needs its amount.")
    if code in MOVES:
        return replace(made, kind=transfer(cash), cash=cash)
    if code in OF_UNITS:
        return replace(made, kind=EntryKind.RETURN_OF_CAPITAL, cash=cash)
    if code not in KINDS:
        raise LineRefused("unknown_type", f"activity_type: {code[:20]!r} is not known; enter the line by hand.")
    kind = KINDS[code] or flow(cash)
    if kind is EntryKind.INTEREST or not code.startswith("DIV"):
        return replace(made, kind=kind, cash=cash)
    return replace(made, kind=kind, cash=cash, takes_back=kind is EntryKind.DIVIDEND and cash < 0)


def _fill(row: Row, made: Happening) -> Happening:
    """Return a fill, one of perhaps several of its order: each has an id of its own, and the order's number in its data."""
    said, quantity = row.word("side"), row.needed_units("qty")
    signed = -abs(quantity) if said.startswith("sell") else abs(quantity)
    kind = side(signed, opens=True if said == "sell_short" else (False if said == "buy_to_cover" else None))
    return replace(made, kind=kind, quantity=quantity, price=row.needed_money("price"), cash=None)


def _at(row: Row) -> tuple[Any, bool]:
    """Return when it happened, and whether only the day is known."""
    if said := row.text("transaction_time"):
        return stamp(said, "transaction_time", UTC)
    return midnight(day(row.needed_text("date", "settle_date", "created_at")[:10], "date")), True


def _hints(row: Row) -> InstrumentHints:
    """Return what an activity says about its instrument."""
    symbol = row.text("symbol").upper()
    contract = contract_of(symbol) if symbol else None
    if contract:
        return InstrumentHints(exchange="OPRA", asset_class="OPTION", currency="USD", multiplier=UNITS, contract=contract)
    base, slash, quoted = symbol.partition("/")
    if slash or row.word("asset_class") == "crypto" or PAIR.fullmatch(symbol):
        quoted = quoted or next((end for end in QUOTED_IN if symbol.endswith(end)), "")
        return coin(base if slash else symbol.removesuffix(quoted), quoted)
    return InstrumentHints(symbol=symbol, cusip=row.text("cusip"), currency="USD") if symbol else InstrumentHints()


READERS = (AlpacaActivities(),)
