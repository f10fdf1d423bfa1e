"""DEGIRO: "Account.csv", every movement of money in any language; trades, fees and exchanges are rows that share an order.

The columns are known by their places, since their names differ by language and two have none. Times are of Amsterdam.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.table import DELIMITERS, SEARCHED, Passed, Record, Row, head, key, read_rows, records
from accounts.domain.figures import Style, figure
from accounts.domain.happenings import Happening, Lines, currency_of, flow, price_in, ratio_text, side
from accounts.domain.holdings import with_holdings
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.moments import DAY_FIRST, day, moment
from accounts.domain.statements import CashBalance, InstrumentHints, Item, LineRefused, Refusal
from accounts.domain.takebacks import settled
from marketdata.domain.instruments import isin_is_valid

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
PLACES = (
    "date",
    "time",
    "value date",
    "product",
    "isin",
    "description",
    "fx",
    "currency",
    "amount",
    "balance currency",
    "balance",
    "order",
)
WORDS = ("datum", "date", "fecha", "data", "dato", "pvm")
ISINS = ("isin", "codeisin")
LAST = 11
CENT = Decimal("0.01")

_BUY = "koop|buy|kauf|achat|compra|acquisto|köp|kjøp|køb|osto|osta|kupno|koupě|nákup"
_UNITS = "\\d{1,3}(?:[ \u00a0]\\d{3})+(?:,\\d+)?|\\d[\\d.,'\u2019]*"
_SELL = "verkoop|sell|verkauf|vente|venta|venda|vendita|sälj|salg|myynti|sprzedaż|prodej"
TRADE = re.compile(
    rf"((?P<action>[^:]{{3,40}}?)\s*:\s*)?((?P<buy>{_BUY})|(?P<sell>{_SELL}))\s+(?P<units>{_UNITS})(?:\s+[^@]*?)?"
    r"\s*(?:@|\bzu je)\s*(?P<price>\d[\d., \u00a0'\u2019]*?)\s+(?P<currency>[A-Za-z]{3})\b.*",
    re.I | re.S,
)
# the first that is found in a description, in any language, says what a row is
CASH_FUND = "fonds mon[ée]taire|geldmarkt|money market fund|cash fund|fundo monet|fondo monet"
_WORDS = (
    (CASH_FUND, EntryKind.INTEREST),
    (
        r"valuta (cred|deb)|\bfx\b|w[äa]hrungswechsel|op[ée]ration de change|divisa|cambio valuta|valutav[äæ]xl|valutaveks|"
        "valutaomv|wymiana walut|sm[ěe]na m[ěe]n|valuutan",
        EntryKind.FX,
    ),
    (
        "dividendbelasting|dividend ?tax|dividendensteuer|imp[ôo]ts? sur|retenci[óo]n|impost[oa]|ritenuta|quellensteuer|"
        r"withholding|belasting|stamp duty|transaction tax|taxe sur|impuesto|steuer|skatt?\b|podatek|da[ňn] z|vero\b",
        EntryKind.TAX,
    ),
    (
        "kapitaalsuitkering|return of capital|capital return|kapitalr[üu]ck|remboursement de capital|rendimiento de capital|"
        "reembolso de capital|(rimborso|restituzione) (di |del )?capitale",
        EntryKind.RETURN_OF_CAPITAL,
    ),
    ("dividend|aussch[üu]ttung|coupon|distribution|udbytte|utbytte|utdelning|dywidend|osinko", EntryKind.DIVIDEND),
    (
        "kosten|fee|frais|comiss|comis[ií]|costes|costi|geb[üu]hr|entgelt|charge|spese|courtesy|avgift|kurtage|promo|rabat|gebyr|"
        "handelsmodalit|conectividade|op[łl]at|prowizj|poplat|palkkio|kulu",
        EntryKind.FEE,
    ),
    ("rente|interest|zins|int[ée]r[êe]t|interess|juros|r[äa]nta|odsetki|[úu]rok|korko", EntryKind.INTEREST),
    (
        "deposit|storting|einzahlung|versement|d[ée]p[ôo]t|ingreso|dep[óo]sito|sofort|ideal|withdrawal|auszahlung|retrait|retirada|"
        "prelievo|levantamento|bonifico|transfer|overboeking|[üu]berweisung|virement|transferencia|ins[äa]ttning|uttag|"
        "in[nd]betaling|u[td]betaling|w[py]+[łl]ata|vklad|v[ýy]b[ěe]r|talletus|nosto",
        None,
    ),
)
MEANINGS = tuple((re.compile(words, re.I), kind) for words, kind in _WORDS)
# between the account at DEGIRO and the one at its bank, which are one account to their owner
SWEEPS = re.compile(r"cash sweep|(geldrekening|cash account|geldkonto|compte esp[èe]ces|cuenta de efectivo|conta).*flatex", re.I)
# what leaves open how many units were held before
LEFT_OPEN = (
    "DIVIDEND:",
    "DIVIDEND :",
    "DIVIDENDE:",
    "SPLIT",
    "split",
)


class Degiro:
    """The account statement of DEGIRO."""

    name = "degiro"
    title = "DEGIRO account statement (CSV)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the shape of the headings: twelve, two of them empty, one the ISIN."""
        first = next((row for row in head(file, _delimiter(file))[:5] if _is_heading(row)), None)
        return 0.0 if first is None else 1.0

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the movements of money, and what was left of each currency."""
        yield from settled(with_holdings(lambda: _Reading().items(file), asks=file.mentions(*LEFT_OPEN)))


def _delimiter(file: StatementFile) -> str:
    """Return what separates the columns."""
    first = file.head.partition("\n")[0]
    return max(DELIMITERS, key=first.count)


def _is_heading(row: Record) -> bool:
    """Say whether a row holds the names of the columns."""
    names = [key(cell) for cell in row.cells]
    return (
        len(names) >= LAST + 1
        and names[4] in ISINS
        and not names[8]
        and not names[10]
        and any(names[0].startswith(word) for word in WORDS)
    )


@dataclass(slots=True)
class _Reading:
    """One reading of a file."""

    lines: Lines = field(default_factory=lambda: Lines("degiro"))
    balances: dict[str, list[tuple[datetime, CashBalance]]] = field(default_factory=dict)
    waiting: dict[str, list[tuple[Row, Happening]]] = field(default_factory=lambda: defaultdict(list))
    day: str = ""

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the rows say. Rows of one corporate action wait for each other until the day is over."""
        for row in _joined(records(file, _delimiter(file))):
            if isinstance(row, Refusal):
                yield row
                continue
            if row.text("date") != self.day:
                yield from self._acted()
                self.day = row.text("date")
            yield from read_rows([row], self.lines, self._happenings)
        yield from self._acted()
        for (first, newest), (last, oldest) in self.balances.values():
            yield newest if first >= last else oldest

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what a row says."""
        said = _mended(row.text("description"))
        on = day(row.needed_text("date"), "date", DAY_FIRST)
        at = moment(on, row.text("time") or "00:00", "time", AMSTERDAM)
        cash = figure(row.text("amount"), "amount", Style.EITHER)
        self._remember(row, at)
        if SWEEPS.search(said) or (not cash and "flatexdegiro" in said.casefold()):
            raise Passed("internal", "description: it moves money between the account and its own bank account.")
        made = Happening(
            kind=EntryKind.NOTE,
            at=at,
            currency=currency_of(row.text("currency") or row.text("balance currency"), "currency"),
            hints=_hints(row),
            cash=cash,
            notes=said,
            data={"order_id": order} if (order := row.text("order")) else {},
        )
        trade = TRADE.fullmatch(said)
        if MEANINGS[0][0].search(f"{said} {row.text('product')}"):
            if not cash:
                raise Passed("nothing_moved", "description: units of the fund that holds the account's cash; no money moved.")
            yield replace(made, kind=EntryKind.INTEREST, hints=InstrumentHints())
        elif trade:
            yield from self._trade(row, made, trade)
        elif not cash:
            raise LineRefused("missing_amount", "amount: the row moves no money; leave it out.")
        else:
            yield _of_cash(row, made, cash)

    def _trade(self, row: Row, made: Happening, found: re.Match[str]) -> Iterator[Happening]:
        """Yield a purchase or a sale, unless it is half of a corporate action: then it waits for the other."""
        cash = made.cash or ZERO
        quantity, price = _figures(found, made.currency, cash)
        kind = EntryKind.BUY if found["buy"] else EntryKind.SELL
        stated, converted = price_in(price, found["currency"].upper(), made.currency)
        hints = replace(made.hints, currency=found["currency"].upper())
        signed = quantity if kind is EntryKind.BUY else -quantity
        if found["action"]:
            half = replace(made, hints=hints, quantity=signed, data={"action": found["action"].strip()})
            self.waiting[found["action"].strip().casefold()].append((row, half))
            return
        yield replace(made, kind=kind, hints=hints, quantity=quantity, price=stated, converted=converted)

    def _acted(self) -> Iterator[Item]:
        """Yield the corporate actions of a day."""
        waiting, self.waiting = self.waiting, defaultdict(list)
        for action, halves in waiting.items():
            rows, made = [row for row, _ in halves], [half for _, half in halves]
            try:
                for place, happening in _action(action, made):
                    yield self.lines.line(rows[place].number, happening, rows[place].raw)
            except LineRefused as refusal:
                for row in rows:
                    yield Refusal(row.number, refusal.code, str(refusal))

    def _remember(self, row: Row, at: datetime) -> None:
        """Keep what the first and the last row say was left of a currency: either may be the newest."""
        code = row.text("balance currency")
        if code and (left := figure(row.text("balance"), "balance", Style.EITHER)) is not None:
            balance = CashBalance("", currency_of(code), left, day(row.text("date"), "date", DAY_FIRST))
            known = self.balances.setdefault(code, [(at, balance), (at, balance)])
            known[1] = (at, balance)


def _joined(found: Iterator[Record]) -> Iterator[Row | Refusal]:
    """Yield rows by the places of their columns; the second half of an order's number may stand in a line of its own."""
    held: Row | None = None
    heading = False
    for record in found:
        if not heading:
            heading = _is_heading(record)
            continue
        if record.problem:
            yield Refusal(record.number, "bad_csv", record.problem)
            continue
        cells = [cell.strip() for cell in record.cells]
        alone = [place for place, cell in enumerate(cells) if cell] == [LAST]
        if alone and held is not None:
            cells_of = {**held.cells, "order": held.cells.get("order", "") + cells[LAST]}
            held = replace(held, cells=cells_of, also=(*held.also, record.number))
            continue
        if held is not None:
            yield held
        held = Row(record.number, {key(name): cell for name, cell in zip(PLACES, cells, strict=False)}, record.raw.strip()[:1000])
    if held is not None:
        yield held
    if not heading:
        raise NotReadable("missing_columns", f"No line of the first {SEARCHED} names the twelve columns of an account statement.")


def _mended(text: str) -> str:
    """Return a text in which letters that were saved twice in UTF-8 are themselves again."""
    if "Ã" not in text:
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text


def _figures(found: re.Match[str], currency: str, cash: Decimal) -> tuple[Decimal, Decimal]:
    """Return units and price of a trade, written in the manner of the language: the one that leads to the amount.

    :raises LineRefused: if they are no numbers
    """
    told = []
    for style in (Style.COMMA, Style.POINT, Style.EITHER):
        try:
            units, price = (figure(found[name], "description", style) for name in ("units", "price"))
        except LineRefused:
            continue
        if units and price is not None:
            stated, _ = price_in(price, found["currency"].upper(), currency)
            told.append((abs(abs(units * stated) - abs(cash)), units, price))
    if not told:
        raise LineRefused("bad_number", f"description: {found[0][:60]!r} names no units and price that can be read.")
    _, units, price = min(told, key=lambda figures: figures[0])
    return units, price


def _of_cash(row: Row, made: Happening, cash: Decimal) -> Happening:
    """Return what moved money alone."""
    found = [kind for pattern, kind in MEANINGS if pattern.search(made.notes)]
    if not found:
        raise LineRefused("unknown_description", f"description: {made.notes[:60]!r} is not known; enter the line by hand.")
    kind = found[0]
    if kind is None:
        return replace(made, kind=flow(cash), hints=InstrumentHints())
    if kind is EntryKind.FX:
        rate = figure(row.text("fx"), "fx", Style.EITHER)
        group = f"{row.text('order') or row.text('date') + row.text('time')}|fx"
        return replace(
            made, kind=kind, hints=InstrumentHints(), group=group, data={**made.data, **({"rate": f"{rate:f}"} if rate else {})}
        )
    return replace(made, kind=kind, takes_back=kind in {EntryKind.DIVIDEND, EntryKind.RETURN_OF_CAPITAL} and cash < 0)


def _action(action: str, made: list[Happening]) -> Iterator[tuple[int, Happening]]:
    """Yield what the halves of a corporate action are together, each with its place among them."""
    come = [place for place, half in enumerate(made) if half.quantity > 0]
    gone = [place for place, half in enumerate(made) if half.quantity < 0]
    same = len({half.hints.isin for half in made}) == 1
    if len(come) == len(gone) == 1 and same:
        new, old = made[come[0]], made[gone[0]]
        data = {**new.data, "ratio": ratio_text(new.quantity, old.quantity)}
        cash = (new.cash or ZERO) + (old.cash or ZERO)
        yield come[0], replace(new, kind=EntryKind.SPLIT, quantity=new.quantity + old.quantity, cash=cash, data=data)
        return
    group = f"{made[0].at.date()}|{action}"
    for place, half in enumerate(made):
        if come and gone:
            yield place, replace(half, kind=EntryKind.MERGER, group=group)
        elif gone or half.cash:  # bought out or worthless; new shares that cost money
            yield place, replace(half, kind=side(half.quantity), cash=half.cash or ZERO)
        elif "dividend" in action or "split" in action:
            yield place, replace(half, kind=EntryKind.SPLIT)
        else:
            yield place, replace(half, kind=EntryKind.SPIN_OFF, group=group)


def _hints(row: Row) -> InstrumentHints:
    """Return what a row says about its instrument."""
    isin = row.text("isin").upper()
    if not isin or isin.startswith("NLFLATEX"):
        return InstrumentHints()
    if not isin_is_valid(isin):
        raise LineRefused("bad_isin", f"isin: {isin[:20]!r} is no ISIN: its last digit does not fit the others.")
    return InstrumentHints(isin=isin, name=row.text("product"))


READERS = (Degiro(),)
