"""How the columns of any table are to be read: which one says what, and how days and numbers are written."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from accounts.domain.figures import Style
from accounts.domain.ledger import EntryKind
from accounts.domain.moments import ISO, ORDERS

DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("auto", "utf-8", "cp1252", "utf-16", "latin-1")
STYLES = {"1,234.56": Style.POINT, "1.234,56": Style.COMMA}
MOST_LINES, MOST_WORDS, MOST_TEXT = 1_000, 200, 100
# the fields a column may say, with headings that are taken for them, without case and signs
FIELDS: Mapping[str, tuple[str, ...]] = {
    "date": (
        "date",
        "tradedate",
        "transactiondate",
        "datum",
        "buchungstag",
        "valuedate",
        "rundate",
        "fecha",
        "data",
        "timestamp",
        "datetime",
    ),
    "time": ("time", "uhrzeit", "tradetime"),
    "kind": (
        "type",
        "kind",
        "action",
        "transactiontype",
        "typ",
        "art",
        "vorgang",
        "transaction",
        "side",
        "operation",
        "tipo",
        "buysell",
    ),
    "symbol": ("symbol", "ticker", "security", "instrument", "stock", "asset", "kürzel"),
    "isin": ("isin", "isincode"),
    "figi": ("figi",),
    "exchange": ("exchange", "mic", "market", "börse", "boerse"),
    "name": ("name", "description", "securityname", "wertpapier", "bezeichnung", "product"),
    "quantity": ("quantity", "shares", "units", "qty", "stück", "stueck", "anzahl", "menge", "cantidad"),
    "price": ("price", "unitprice", "kurs", "preis", "shareprice", "pricepershare", "precio"),
    "amount": ("amount", "total", "netamount", "value", "betrag", "gesamt", "net", "cash", "importe", "proceeds"),
    "fee": ("fee", "fees", "commission", "gebühr", "gebühren", "gebuehr", "provision", "comm", "costs", "kosten"),
    "tax": ("tax", "taxes", "steuer", "steuern", "withholding", "withholdingtax"),
    "currency": ("currency", "ccy", "währung", "waehrung", "divisa", "moneda"),
    "notes": ("notes", "note", "comment", "memo", "bemerkung", "notiz"),
    "id": ("id", "transactionid", "tradeid", "orderid", "reference", "referenz", "uuid"),
}
WORDS: Mapping[str, EntryKind] = {
    "buy": EntryKind.BUY,
    "bought": EntryKind.BUY,
    "purchase": EntryKind.BUY,
    "kauf": EntryKind.BUY,
    "compra": EntryKind.BUY,
    "b": EntryKind.BUY,
    "sell": EntryKind.SELL,
    "sold": EntryKind.SELL,
    "sale": EntryKind.SELL,
    "verkauf": EntryKind.SELL,
    "venta": EntryKind.SELL,
    "s": EntryKind.SELL,
    "dividend": EntryKind.DIVIDEND,
    "dividends": EntryKind.DIVIDEND,
    "dividende": EntryKind.DIVIDEND,
    "div": EntryKind.DIVIDEND,
    "interest": EntryKind.INTEREST,
    "zinsen": EntryKind.INTEREST,
    "zins": EntryKind.INTEREST,
    "fee": EntryKind.FEE,
    "fees": EntryKind.FEE,
    "gebühr": EntryKind.FEE,
    "gebühren": EntryKind.FEE,
    "commission": EntryKind.FEE,
    "tax": EntryKind.TAX,
    "taxes": EntryKind.TAX,
    "steuer": EntryKind.TAX,
    "steuern": EntryKind.TAX,
    "deposit": EntryKind.DEPOSIT,
    "einzahlung": EntryKind.DEPOSIT,
    "cash in": EntryKind.DEPOSIT,
    "contribution": EntryKind.DEPOSIT,
    "withdrawal": EntryKind.WITHDRAWAL,
    "auszahlung": EntryKind.WITHDRAWAL,
    "cash out": EntryKind.WITHDRAWAL,
    "split": EntryKind.SPLIT,
    "staking": EntryKind.STAKING,
    "short": EntryKind.SHORT,
    "cover": EntryKind.COVER,
}
MAPPABLE = frozenset(EntryKind) - {EntryKind.NOTE, EntryKind.LIABILITY, EntryKind.FX}


class BadMapping(ValueError):
    """The mapping can't be used; the text names the part and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """How the columns of a table are to be read.

    `headings_line` is the line that names the columns, `skip_last` how many lines at the end are no rows. With `signed` the
    amounts carry their signs; else the kind gives it. With `gross` the amount is that before costs.
    """

    columns: Mapping[str, str]
    delimiter: str = ","
    encoding: str = "auto"
    headings_line: int = 1
    skip_last: int = 0
    date_format: str = ISO
    number_format: str = "1,234.56"
    kinds: Mapping[str, str] = field(default_factory=dict)
    default_kind: str = ""
    currency: str = ""
    signed: bool = True
    gross: bool = False

    @property
    def style(self) -> Style:
        """How numbers are written."""
        return STYLES[self.number_format]

    def kind_of(self, word: str) -> EntryKind | None:
        """Return what a word of the file says to have happened, None if that is not known."""
        known = self.kinds.get(word) or self.kinds.get(word.casefold())
        return EntryKind(known) if known else WORDS.get(word.casefold())

    def as_json(self) -> dict[str, Any]:
        """Return the mapping as it is stored."""
        return asdict(self)


def mapping_of(given: Any) -> Mapped:
    """Return a mapping that came from outside, checked.

    :raises BadMapping: naming what is wrong

    >>> mapping_of({"columns": {"date": "Day", "amount": "Sum"}}).columns["amount"]
    'Sum'
    >>> mapping_of({"columns": {"amount": "Sum"}})
    Traceback (most recent call last):
        ...
    accounts.domain.mapping.BadMapping: columns: say which column holds the date.
    """
    if not isinstance(given, Mapping) or not isinstance(given.get("columns"), Mapping):
        raise BadMapping('columns: write an object such as {"date": "Trade Date", "amount": "Total"}.')
    known = {name for name in Mapped.__dataclass_fields__}
    if unknown := sorted(map(str, given.keys() - known)):
        raise BadMapping(f"{unknown[0][:60]}: there is no such part; there are {', '.join(sorted(known))}.")
    try:
        made = replace(Mapped(columns={}), **given)
    except TypeError as error:
        raise BadMapping("columns: the mapping can't be read.") from error
    _check_columns(made)
    _check_formats(made)
    return made


def _check_columns(made: Mapped) -> None:
    """Refuse columns that are none, or without which nothing can be read."""
    for name, heading in made.columns.items():
        if name not in FIELDS:
            raise BadMapping(f"columns: {str(name)[:60]!r} is none of {', '.join(FIELDS)}.")
        if not isinstance(heading, str) or not 0 < len(heading) <= MOST_TEXT:
            raise BadMapping(f"columns: name the column for {name} as it is written in the file.")
    if "date" not in made.columns:
        raise BadMapping("columns: say which column holds the date.")
    if not made.columns.keys() & {"amount", "quantity"}:
        raise BadMapping("columns: say which column holds the amount, or the quantity.")


def _check_formats(made: Mapped) -> None:
    """Refuse ways of writing that are not known."""
    choices: tuple[tuple[str, Any, Any], ...] = (
        ("delimiter", made.delimiter, DELIMITERS),
        ("encoding", made.encoding, ENCODINGS),
        ("date_format", made.date_format, tuple(ORDERS)),
        ("number_format", made.number_format, tuple(STYLES)),
        ("default_kind", made.default_kind or "BUY", tuple(kind.value for kind in MAPPABLE)),
        ("signed", made.signed, (True, False)),
        ("gross", made.gross, (True, False)),
    )
    for name, value, known in choices:
        if not isinstance(value, str | bool) or value not in known:
            raise BadMapping(f"{name}: write one of {', '.join(repr(one) for one in sorted(known))}.")
    for name, number, least in (("headings_line", made.headings_line, 1), ("skip_last", made.skip_last, 0)):
        if type(number) is not int or not least <= number <= MOST_LINES:
            raise BadMapping(f"{name}: write a whole number from {least} to {MOST_LINES}.")
    _check_words(made)


def _check_words(made: Mapped) -> None:
    """Refuse words for kinds of entries that are none, and a currency that is none."""
    if not isinstance(made.currency, str) or (made.currency and not (len(made.currency) == 3 and made.currency.isalpha())):  # noqa: PLR2004
        raise BadMapping("currency: write three letters, such as USD.")
    if not isinstance(made.kinds, Mapping) or len(made.kinds) > MOST_WORDS:
        raise BadMapping('kinds: write an object such as {"Kauf": "BUY"}.')
    for word, kind in made.kinds.items():
        if kind not in {one.value for one in MAPPABLE}:
            raise BadMapping(f"kinds: {word[:60]!r} can't be {str(kind)[:30]!r}; write a kind of entry such as BUY.")
