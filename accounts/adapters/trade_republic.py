"""Trade Republic: the app's export of transactions as CSV, and the older table in Dutch with net amounts.

Amounts are before fee and tax. A dividend that was wrong is booked again with its signs turned round, and then anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts.adapters.base import StatementFile
from accounts.adapters.table import Passed, Row, certain, needed, read_rows, rows
from accounts.domain.figures import Style
from accounts.domain.happenings import Happening, Lines, currency_of, flow, transfer
from accounts.domain.holdings import with_holdings
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.listings import coin
from accounts.domain.moments import stamp
from accounts.domain.statements import InstrumentHints, Item, LineRefused
from accounts.domain.takebacks import settled

SOURCE = "trade_republic"
BERLIN, UTC = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
NEEDED = ("datetime", "category", "type", "amount", "currency")
ALSO = ("account_type", "asset_class", "transaction_id", "original_currency", "fx_rate", "shares", "symbol")
OLDER = ("Datum", "Transactietype", "Waarde (netto)", "ISIN", "Aantal")
CLASSES = {"STOCK": "EQUITY", "FUND": "ETF", "BOND": "BOND", "CRYPTO": "CRYPTO", "PRIVATE_FUND": "FUND", "DERIVATIVE": "EQUITY"}
PERCENT = Decimal("0.01")

BUYS = frozenset({"BUY", "PRIVATE_MARKET_BUY", "SAVINGS_PLAN_EXECUTE", "TRADING_SAVINGSPLAN_EXECUTED"})
REDEMPTIONS = frozenset({"FINAL_MATURITY", "TILG", "REDEMPTION", "MATURITY", "EARLY_REDEMPTION", "LIQUIDATION_PROCEEDS"})
SELLS = REDEMPTIONS | {"SELL", "PRIVATE_MARKET_SELL"}
# told as a corporate action, while the money that it brought, and the units, are in a row of cash
SAID_ELSEWHERE = REDEMPTIONS | {"WARRANT_EXERCISE"}
DIVIDENDS = frozenset({"DIVIDEND", "DISTRIBUTION", "DIVIDEND_EQUIVALENT_PAYMENT"})
INTERESTS = frozenset(
    {"INTEREST_PAYMENT", "COUPON_PAYMENT", "INTEREST", "INTEREST_PAYOUT", "ADDITIONAL_INCOME", "BOND_ACCRUED_INTEREST"}
)
TAXES = frozenset(
    {"TAX_OPTIMIZATION", "TAX_REFUND", "PRE_DETERMINED_TAX_BASE", "TAX_CORRECTION", "SSP_TAX_CORRECTION_INVOICE", "SEC_ACCOUNT"}
)
MOVES = frozenset({"TRANSFER_IN", "TRANSFER_OUT", "MIGRATION"})
GIFTS = frozenset(
    {"GIFT", "STOCKPERK", "FREE_RECEIPT", "BENEFITS_SAVEBACK", "REFERRAL", "KINDERGELD_BONUS", "PEA_MARKETING", "COMPENSATION"}
)
# what does not say what it was is known by its sign
BY_SIGN = frozenset(
    {"PAYMENT", "MANUAL", "MANUAL_CASH_TRANSFER", "INSTRUCTION", "EXCHANGE", "OFFER", "OTHER_EXECUTION", "CAPITAL_INC_CASH",
     "CFD_ORDER", "CRYPTO_TRADING", "CITI_TRADING", "TRADING_CITI"}
)  # fmt: skip
OF_UNITS = {
    "SPLIT": EntryKind.SPLIT,
    "BONUS_ISSUE": EntryKind.SPLIT,
    "SPINOFF": EntryKind.SPIN_OFF,
    "SPIN_OFF": EntryKind.SPIN_OFF,
    "MERGER": EntryKind.MERGER,
}
FLOWS = (
    "INPAYMENT",
    "INBOUND",
    "OUTBOUND",
    "CARD",
    "CREDIT",
    "CASH_TRANSFER",
    "PAYOUT",
    "DEPOSIT",
    "WITHDRAWAL",
    "ROUND_UP",
    "CASHBACK",
)
OLD_WORDS = {
    "aankoop": "BUY", "buy": "BUY", "kauf": "BUY", "verkoop": "SELL", "sell": "SELL", "verkauf": "SELL", "dividend": "DIVIDEND",
    "dividende": "DIVIDEND",
    "storting": "DEPOSIT", "deposit": "DEPOSIT", "onttrekking": "WITHDRAWAL", "opname": "WITHDRAWAL",
   
    "withdrawal": "WITHDRAWAL", "removal": "WITHDRAWAL", "rente": "INTEREST", "interest": "INTEREST", "kosten": "FEE",
    "belasting": "TAX",
    "belastingteruggave": "TAX", "split": "SPLIT",
}  # fmt: skip
# what leaves open how many units were held before
LEFT_OPEN = ("SPLIT", "BONUS_ISSUE")


class TradeRepublic:
    """The transactions of accounts at Trade Republic."""

    name = SOURCE
    title = "Trade Republic transactions (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the columns of the export, or of the older one."""
        return certain(file, NEEDED, ALSO) or certain(file, OLDER)

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the transactions; what was booked again with its signs turned round comes last."""
        older = bool(certain(file, OLDER))
        yield from settled(with_holdings(lambda: (_Older() if older else _Reading()).items(file), asks=file.mentions(*LEFT_OPEN)))


@dataclass(slots=True)
class _Reading:
    """One reading of an export."""

    lines: Lines = field(default_factory=lambda: Lines(SOURCE))

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say."""
        yield from read_rows(rows(file, NEEDED), self.lines, self._happenings)

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a row says."""
        at, day_only = stamp(row.needed_text("datetime", "date"), "datetime", UTC)
        kind = row.needed_text("type").upper()
        amount, fee, tax = (row.money(name) or ZERO for name in ("amount", "fee", "tax"))
        if row.word("category") == "corporate_action" and kind in SAID_ELSEWHERE:
            raise Passed("said_elsewhere", "type: the money, and the units it was paid for, are in a row of their own.")
        data = {name: said for name in ("original_amount", "original_currency", "fx_rate") if (said := row.text(name))}
        made = Happening(
            kind=EntryKind.NOTE,
            at=at,
            day_only=day_only,
            currency=currency_of(row.text("currency") or "EUR"),
            hints=_hints(row),
            quantity=row.units("shares") or ZERO,
            cash=amount + fee + tax,
            notes=row.text("description"),
            id=row.text("transaction_id"),
            account=row.text("account_type"),
            data=data,
        )
        yield from _of_kind(row, made, kind, fee, tax)


def _of_kind(row: Row, made: Happening, kind: str, fee: Decimal, tax: Decimal) -> Iterator[Happening]:
    """Yield what a transaction of some kind is."""
    cash = made.cash or ZERO
    if kind in BUYS | SELLS and made.quantity:
        trade = EntryKind.BUY if kind in BUYS else EntryKind.SELL
        price = row.money("price")
        hints = replace(made.hints, multiplier=PERCENT) if _in_percent(made, price) else made.hints
        yield replace(
            made, kind=trade, hints=hints, price=price, fee=-fee, tax=max(-tax, ZERO), converted=price is None or tax > 0
        )
    elif kind in DIVIDENDS:
        yield _dividend(made, row, tax)
    elif kind in INTERESTS:
        yield replace(made, kind=EntryKind.INTEREST, quantity=ZERO, tax=max(-tax, ZERO))
    elif kind in REDEMPTIONS and cash > 0:
        yield replace(made, kind=EntryKind.RETURN_OF_CAPITAL, tax=max(-tax, ZERO))
    elif kind in OF_UNITS:
        together = f"{kind}|{made.at.date()}" if OF_UNITS[kind] is EntryKind.MERGER else ""
        yield replace(made, kind=OF_UNITS[kind], group=together)
    elif made.quantity and made.hints.key and (not cash or kind in GIFTS | MOVES):
        moved = -abs(made.quantity) if "OUT" in kind else made.quantity
        yield replace(made, kind=transfer(moved), quantity=moved, price=row.money("price"), cash=ZERO)
    elif not cash and not fee:
        raise Passed("nothing_moved", "amount: the row moves neither money nor units.")
    else:
        yield from _of_cash(made, kind, fee)


def _of_cash(made: Happening, kind: str, fee: Decimal) -> Iterator[Happening]:
    """Yield what moved money alone: the fee of a deposit is an entry of its own, so that both are seen."""
    plain = replace(made, hints=InstrumentHints(), quantity=ZERO)
    cash = (made.cash or ZERO) - fee
    if kind in TAXES or kind.startswith("TAX"):
        yield replace(plain, kind=EntryKind.TAX)
        return
    if kind.endswith("_FEE") or kind == "FEE":
        yield replace(plain, kind=EntryKind.FEE)
        return
    if kind in MOVES:
        entry = transfer(cash)
    elif kind in GIFTS | BY_SIGN or any(word in kind for word in FLOWS):
        entry = flow(cash)
    elif kind in {"EARNINGS", "BONUS"}:
        entry = EntryKind.INTEREST
    else:
        raise LineRefused("unknown_type", f"type: {kind[:60]!r} is not known; enter the line by hand.")
    if cash:
        yield replace(plain, kind=entry, cash=cash, group=made.id if fee else "")
    if fee:
        yield replace(plain, kind=EntryKind.FEE, cash=fee, id=made.id and f"{made.id}/fee", group=made.id if cash else "")


def _dividend(made: Happening, row: Row, tax: Decimal) -> Happening:
    """Return a dividend, or that one was booked back."""
    cash = made.cash or ZERO
    data = {**made.data, "shares": row.text("shares")} if row.text("shares") else made.data
    if cash < 0:
        return replace(made, kind=EntryKind.DIVIDEND, quantity=ZERO, tax=-tax, data={}, takes_back=True)
    return replace(made, kind=EntryKind.DIVIDEND, quantity=ZERO, tax=max(-tax, ZERO), data=data)


def _in_percent(made: Happening, price: Decimal | None) -> bool:
    """Say whether the price of a bond is in percent of its face value."""
    if made.hints.asset_class != "BOND" or price is None:
        return False
    worth, paid = abs(made.quantity * price), abs(made.cash or ZERO)
    return worth > paid * 10


def _hints(row: Row) -> InstrumentHints:
    """Return what a transaction says about its instrument."""
    symbol, name = row.text("symbol").upper(), row.text("name")
    asset_class = CLASSES.get(row.text("asset_class").upper(), "")
    if not symbol:
        return InstrumentHints()
    if asset_class == "CRYPTO":
        return replace(coin(symbol, row.text("currency") or "EUR"), name=name)
    return InstrumentHints(isin=symbol, name=name, asset_class=asset_class)


@dataclass(slots=True)
class _Older:
    """One reading of the older table, whose amounts are what moved on the account."""

    lines: Lines = field(default_factory=lambda: Lines(SOURCE))

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say."""
        yield from read_rows(rows(file, OLDER, style=Style.EITHER), self.lines, self._happenings)

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a row says."""
        at, day_only = stamp(row.needed_text("Datum"), "Datum", BERLIN)
        word, cash = row.word("Transactietype"), row.needed_money("Waarde (netto)")
        kind = OLD_WORDS.get(word)
        if kind is None:
            raise LineRefused("unknown_type", f"Transactietype: {row.text('Transactietype')[:60]!r} is not known.")
        isin, name = row.text("ISIN").upper(), row.text("Opmerking")
        made = Happening(
            kind=flow(cash) if kind in {"DEPOSIT", "WITHDRAWAL"} else EntryKind(kind),
            at=at,
            day_only=day_only,
            currency="EUR",
            hints=InstrumentHints(isin=isin, name=name) if isin else InstrumentHints(),
            quantity=row.units("Aantal") or ZERO,
            cash=cash,
            fee=row.cost("Kosten"),
            tax=row.cost("Belasting"),
            converted=True,
            notes="" if isin else name,
        )
        if kind in {"BUY", "SELL"}:
            needed(row.units("Aantal"), "Aantal")
        yield replace(made, takes_back=kind == "DIVIDEND" and cash < 0)


READERS = (TradeRepublic(),)
