"""Entries of a ledger in the words of other programs, which know fewer kinds of happenings than we do.

Neither Ghostfolio nor Portfolio Performance reads a split from a file: both count in the units of today, so what came before a
split is told in the units after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from accounts.domain.event_data import MONEY_PLACES, SHARE_PLACES
from accounts.domain.ledger import EXACT, FLOWS, GIVES_CASH, TAKES_CASH, ZERO, EntryKind
from accounts.domain.listings import SUFFIXES
from marketdata.domain.instruments import CRYPTO_MARKET
from marketdata.domain.money import plain, round_to
from marketdata.domain.spreadsheets import harmless_in_csv

BARE = frozenset({"XNAS", "XNYS", "ARCX", "BATS", "XASE", "IEXG", "OTCM"})
ENDINGS = {mic: ending for ending, mic in reversed(SUFFIXES.items())}
SILENT = frozenset({EntryKind.NOTE, EntryKind.VALUATION, EntryKind.SPLIT})
MANUAL, YAHOO = "MANUAL", "YAHOO"

PERFORMANCE_COLUMNS = (
    *("Date", "Time", "Type", "Value", "Transaction Currency", "Fees", "Taxes", "Shares", "ISIN", "Ticker Symbol"),
    *("Security Name", "Note"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An instrument as other programs want to know it."""

    id: str
    symbol: str
    exchange: str
    name: str
    isin: str
    asset_class: str
    currency: str
    multiplier: Decimal = Decimal(1)

    @property
    def ticker(self) -> str:
        """The symbol as Yahoo Finance spells it, empty where it has none.

        >>> Named(id="", symbol="NOVN", exchange="XSWX", name="", isin="", asset_class="EQUITY", currency="CHF").ticker
        'NOVN.SW'
        """
        if self.exchange == CRYPTO_MARKET:
            return self.symbol.replace("/", "")
        if self.exchange in BARE:
            return self.symbol
        return f"{self.symbol}.{ENDINGS[self.exchange]}" if self.exchange in ENDINGS else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One entry that stands: what moved by it, in units of today."""

    sequence: int
    kind: EntryKind
    at: datetime
    currency: str
    quantity: Decimal
    price: Decimal | None
    cash: Decimal
    fee: Decimal
    tax: Decimal
    cost: Decimal | None
    note: str
    instrument: Named | None = None


def in_todays_units(
    quantity: Decimal, instrument: str, at: datetime, splits: Mapping[str, Sequence[tuple[datetime, Decimal]]]
) -> Decimal:
    """Return units in those of today: each split of a later day, or of that very one's morning, is counted.

    >>> noon, later = datetime(2024, 1, 2, 12, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
    >>> in_todays_units(Decimal(3), "a", noon, {"a": [(later, Decimal(2))]}) == 6
    True
    """
    for when, ratio in splits.get(instrument, ()):
        if at < when.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0):
            quantity = EXACT.multiply(quantity, ratio)
    return round_to(quantity, SHARE_PLACES) if instrument in splits else quantity


def worth_of(moved: Moved) -> Decimal:
    """Return what units that moved are told at, zero or above: the money for them, else what they are said to have cost."""
    costs = moved.fee + moved.tax
    if moved.cash:
        paid = -moved.cash - costs if moved.quantity > 0 else moved.cash + costs
        return max(paid, ZERO)
    if moved.cost is not None:
        return max(moved.cost, ZERO)
    unit = moved.instrument.multiplier if moved.instrument else Decimal(1)
    return EXACT.multiply(EXACT.multiply(abs(moved.quantity), moved.price or ZERO), unit)


def ghostfolio_activities(moved: Moved, account: str) -> list[dict[str, object]]:
    """Return the activities of Ghostfolio that an entry is: units bought or sold, income, costs; none where only money moved.

    Ghostfolio knows no taxes, so they are told with the fees; money that came, went or was exchanged is in the balances.
    """
    rows: list[tuple[str, Decimal, Decimal, Decimal]] = []
    if moved.kind in SILENT:
        return []
    costs = moved.fee + moved.tax
    if moved.kind is EntryKind.LIABILITY:
        rows.append(("LIABILITY", Decimal(1), moved.price or ZERO, ZERO))
    elif moved.quantity:
        size = abs(moved.quantity)
        price = round_to(EXACT.divide(worth_of(moved), size), MONEY_PLACES)
        rows.append(("BUY" if moved.quantity > 0 else "SELL", size, price, costs))
        beside = _beside(moved)
        if beside:
            rows.append(("DIVIDEND", Decimal(1), beside, ZERO))
    elif moved.kind in FLOWS | {EntryKind.FX} or not moved.cash:
        return []
    elif moved.cash > 0:
        earned = "DIVIDEND" if moved.instrument and moved.kind is not EntryKind.INTEREST else "INTEREST"
        rows.append((earned, Decimal(1), moved.cash + costs, costs))
    else:
        rows.append(("FEE", ZERO, ZERO, -moved.cash))
    return [_activity(moved, account, *row) for row in rows]


def _beside(moved: Moved) -> Decimal:
    """Return the money that came beside units that came: of a merger, or for the fraction of a unit."""
    return moved.cash if moved.quantity > 0 and moved.cash > 0 else ZERO


def _activity(moved: Moved, account: str, kind: str, quantity: Decimal, price: Decimal, fee: Decimal) -> dict[str, object]:
    """Return one activity."""
    named = moved.instrument if kind not in {"FEE", "INTEREST", "LIABILITY"} else None
    if named is None:
        source, symbol = MANUAL, free_symbol(account, moved.currency)
    else:
        source, symbol = (YAHOO, named.ticker) if named.ticker else (MANUAL, named.id)
    return {
        "accountId": account,
        "comment": moved.note or None,
        "currency": moved.currency,
        "dataSource": source,
        "date": moved.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "fee": fee,
        "quantity": quantity,
        "symbol": symbol,
        "tags": [],
        "type": kind,
        "unitPrice": price,
    }


def free_symbol(account: str, currency: str) -> str:
    """Return what an activity without an instrument is known by: an id, for Ghostfolio wants one, alike for all of a currency.

    >>> free_symbol("00000000-0000-0000-0000-000000000000", "USD")
    '00000000-0000-0000-0000-555344000000'
    """
    return f"{account[:24]}{currency.encode().hex():0<12}"[:36]


def performance_rows(moved: Moved) -> list[list[str]]:
    """Return the rows of Portfolio Performance that an entry is; what it has no word for (a debt, a note) is left out."""
    if moved.kind in SILENT | {EntryKind.LIABILITY}:
        return []
    if moved.quantity:
        return _rows_of_units(moved)
    return [_row(moved, _word(moved), abs(moved.cash), units=False)] if moved.cash else []


def _rows_of_units(moved: Moved) -> list[list[str]]:
    """Return the rows of an entry that moved units: a trade where money went the other way, else a delivery."""
    inward, cash, costs = moved.quantity > 0, moved.cash, moved.fee + moved.tax
    if moved.kind in TAKES_CASH | GIVES_CASH or (cash and (cash < 0) is inward):
        return [_row(moved, "Buy" if inward else "Sell", abs(cash))]
    rows = [_row(moved, f"Delivery ({'In' if inward else 'Out'}bound)", worth_of(moved) + (costs if inward else -costs))]
    return [*rows, _row(moved, "Dividend", _beside(moved), units=False)] if _beside(moved) else rows


def _word(moved: Moved) -> str:
    """Return how Portfolio Performance calls what only money moved by."""
    inward = moved.cash > 0
    words = {
        EntryKind.INTEREST: ("Interest", "Interest Charge"),
        EntryKind.FEE: ("Fees Refund", "Fees"),
        EntryKind.TAX: ("Tax Refund", "Taxes"),
        EntryKind.FX: ("Transfer (Inbound)", "Transfer (Outbound)"),
        EntryKind.TRANSFER_IN: ("Transfer (Inbound)", "Transfer (Outbound)"),
        EntryKind.TRANSFER_OUT: ("Transfer (Inbound)", "Transfer (Outbound)"),
    }
    if moved.instrument and moved.kind not in words:
        return "Dividend" if inward else "Fees"
    return words.get(moved.kind, ("Deposit", "Removal"))[0 if inward else 1]


def _row(moved: Moved, word: str, value: Decimal, *, units: bool = True) -> list[str]:
    """Return one row: the value is what moved on the account, fees and taxes among it."""
    at, named = moved.at.astimezone(UTC), moved.instrument
    earned = word in {"Dividend", "Interest"} and not moved.quantity
    tell = units or earned
    return [
        at.date().isoformat(),
        f"{at:%H:%M:%S}" if (at.hour, at.minute, at.second) != (0, 0, 0) else "",
        word,
        plain(max(value, ZERO)),
        moved.currency,
        plain(moved.fee) if tell and moved.fee else "",
        plain(moved.tax) if tell and moved.tax else "",
        plain(abs(moved.quantity)) if units and moved.quantity else "",
        named.isin if named else "",
        named.ticker or named.symbol if named else "",
        harmless_in_csv(named.name) if named else "",
        harmless_in_csv(" ".join(moved.note.split())),
    ]
