"""What the rows of a mapped table say, column by column: of those that say it plainly; every other row is read by itself.

A row is plain where it is one of a few kinds, its figures fit together and nothing in it has to be explained. The two ways of
reading agree to the last digit and id: a row that is not plain loses time, never sense.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl

from accounts.domain.columns import DAY, PLACES, SCALE, SECOND, by_distinct, instants, numbers, written
from accounts.domain.figures import money
from accounts.domain.happenings import MOST_ID, MOST_NOTES, TRADES, currency_of, price_that_follows
from accounts.domain.ledger import EXACT, GIVES_CASH, TAKES_CASH, EntryKind
from accounts.domain.mapping import Mapped
from accounts.domain.statements import NO_HINTS, InstrumentHints, LineRefused
from marketdata.domain.money import major_unit, plain

KINDS = tuple(EntryKind)
CODES = {kind: code for code, kind in enumerate(KINDS)}
BY_SIGN, UNKNOWN = len(KINDS), len(KINDS) + 1
TAKING_COSTS = frozenset({EntryKind.FEE, EntryKind.TAX})
WITH_INSTRUMENT = TRADES | {EntryKind.DIVIDEND}
MAYBE_WITH_INSTRUMENT = TAKING_COSTS | {EntryKind.INTEREST}
FLOWS = frozenset({EntryKind.DEPOSIT, EntryKind.WITHDRAWAL})
PLAIN_KINDS = WITH_INSTRUMENT | MAYBE_WITH_INSTRUMENT | FLOWS
COSTS = TAKING_COSTS | {EntryKind.WITHDRAWAL}
INCOME = frozenset({EntryKind.DEPOSIT, EntryKind.DIVIDEND, EntryKind.INTEREST, EntryKind.RETURN_OF_CAPITAL})
FIGURES = ("quantity", "price", "amount", "fee", "tax")
TEXTS = ("date", "time", "kind", "symbol", "isin", "figi", "exchange", "name", "currency", "notes", "id")
NAMES = ("symbol", "isin", "figi", "exchange", "name", "code")
SEPARATOR = "\x1f"
# as `limits.UNPRINTABLE` has it
UNPRINTABLE = r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]"
ROUNDED, FOLLOWS = 1, 2
ROUNDINGS = ("", "The price is rounded.", "The price follows from the amount.")
WIDE = pl.Int128
FIRST_DAY = date(1970, 1, 1)
UNIT = Decimal(1).scaleb(-PLACES)
LAST_DIGITS = pl.Series([10 ** (PLACES - places) for places in range(PLACES + 1)], dtype=WIDE)
HALF_A_CENT, HUNDREDTHS = 5 * 10**13, 10**16  # in units of 1e-16, what the product of two numbers is in


@dataclass(slots=True)
class Named:
    """The instruments that a file names, each once, by its place; the first is none."""

    read: Callable[..., InstrumentHints]
    hints: list[InstrumentHints] = field(default_factory=lambda: [NO_HINTS])
    places: dict[str, int] = field(default_factory=dict)
    of: dict[InstrumentHints, int] = field(default_factory=lambda: {NO_HINTS: 0})

    def place(self, names: str) -> int | None:
        """Return the place of what some names, joined, say; None if they can't be told apart again."""
        if names not in self.places:
            parts = names.split(SEPARATOR)
            if len(parts) != len(NAMES):
                return None
            said = self.read(**dict(zip(NAMES, parts, strict=True)))
            if said.multiplier or said.contract:
                return None
            self.places[names] = self.place_of(said)
        return self.places[names]

    def place_of(self, said: InstrumentHints) -> int:
        """Return the place of what is said about an instrument."""
        if said not in self.of:
            self.of[said] = len(self.hints)
            self.hints.append(said)
        return self.of[said]


def among(kinds: Collection[EntryKind]) -> pl.Expr:
    """Say which rows are of some kinds."""
    return pl.col("kind").is_in([CODES[kind] for kind in kinds])


def read_plain(cells: pl.DataFrame, mapping: Mapped, zone: ZoneInfo, named: Named) -> pl.DataFrame:
    """Return what rows of texts say; `plain` tells which rows do so plainly, of the others nothing is told.

    Numbers are in units of 1e-8, instants in microseconds; `follows` is a price that follows from the cash.
    """
    at, alone = instants(cells["date"], cells["time"], mapping.date_format, zone)
    frame = cells.select("name", "notes", "id", at=at, day_only=alone)
    good = at.is_not_null() & ~cells.select(_unprintable()).to_series()
    for name in FIGURES:
        if name in mapping.columns:
            column, fits = numbers(cells[name], mapping.style)
            good &= fits
        else:
            column = pl.repeat(None, len(cells), dtype=pl.Int64, eager=True)
        frame = frame.with_columns(column.alias(name))
    code = cells.select(code=pl.when(pl.col("currency") == "").then(pl.lit(mapping.currency)).otherwise("currency"))["code"]
    names = cells.with_columns(code=code).select(pl.concat_str(NAMES, separator=SEPARATOR)).to_series()
    frame = frame.with_columns(
        kind=by_distinct(cells["kind"], lambda word: _code_of(word, mapping), pl.UInt8),
        currency=by_distinct(code, _currency, pl.String),
        hints=by_distinct(names, named.place, pl.UInt32),
        plain=good,
    )
    frame = _with_signs(_with_kinds(frame), mapping)
    frame = _with_instruments(frame, named)
    return _checked(_with_prices(frame))


def _unprintable() -> pl.Expr:
    """Say which rows hold a note or an id that is not kept as it is written."""
    texts = (pl.col("notes"), MOST_NOTES), (pl.col("id"), MOST_ID)
    return pl.any_horizontal(text.str.contains(UNPRINTABLE) | (text.str.len_chars() > most) for text, most in texts)


def _code_of(word: str, mapping: Mapped) -> int:
    """Return the code of the kind that a word means."""
    if word:
        kind = mapping.kind_of(word)
        return UNKNOWN if kind is None else CODES[kind]
    return CODES[EntryKind(mapping.default_kind)] if mapping.default_kind else BY_SIGN


def _currency(code: str) -> str | None:
    """Return a currency as it is written everywhere; None if it is none, or a part of one."""
    if not code:
        return ""
    try:
        currency, unit = major_unit(currency_of(code))
    except LineRefused:
        return None
    return currency if unit == 1 else None


def _with_kinds(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows with their kinds where the sign tells them."""
    quantity, amount = pl.col("quantity").fill_null(0), pl.col("amount").fill_null(0)
    by_sign = (
        pl.when(quantity > 0).then(CODES[EntryKind.BUY])
        .when(quantity < 0).then(CODES[EntryKind.SELL])
        .when(amount > 0).then(CODES[EntryKind.DEPOSIT])
        .when(amount < 0).then(CODES[EntryKind.WITHDRAWAL])
        .otherwise(UNKNOWN)
    )  # fmt: skip
    return frame.with_columns(kind=pl.when(pl.col("kind") == BY_SIGN).then(by_sign).otherwise("kind").cast(pl.UInt8))


def _with_signs(frame: pl.DataFrame, mapping: Mapped) -> pl.DataFrame:
    """Return rows with their figures as the kind has them."""
    costs = {name: pl.col(name).abs().fill_null(0) for name in ("fee", "tax")}
    amount = pl.col("amount")
    if mapping.signed:
        cash = pl.when(among({EntryKind.WITHDRAWAL})).then(-amount.abs()).otherwise(amount)
    else:
        cash = pl.when(among(TAKES_CASH | COSTS)).then(-amount.abs()).otherwise(amount.abs())
    if mapping.gross:
        cash = pl.when(among(TRADES | INCOME)).then(cash - costs["fee"] - costs["tax"]).otherwise(cash)
    units = pl.col("quantity").abs().fill_null(0)
    return frame.with_columns(
        cash=cash,
        quantity=pl.when(among(TAKES_CASH)).then(units).when(among(GIVES_CASH)).then(-units).otherwise(0),
        price=pl.when(among(WITH_INSTRUMENT)).then(pl.col("price").abs()),
        **{name: pl.when(among(TAKING_COSTS)).then(0).otherwise(cost) for name, cost in costs.items()},
    ).drop("amount")


def _with_instruments(frame: pl.DataFrame, named: Named) -> pl.DataFrame:
    """Return rows with what they say about their instrument, none where the kind takes none or it is but a description."""
    keys = pl.Series([bool(one.key) for one in named.hints])
    tells = pl.Series([one.key not in {"", one.name} for one in named.hints])
    has_key, has_name = (each.gather(frame["hints"].fill_null(0)) for each in (keys, tells))
    needed = among(WITH_INSTRUMENT) | (among(MAYBE_WITH_INSTRUMENT) & has_name)
    return frame.with_columns(
        plain=pl.col("plain") & pl.col("hints").is_not_null() & (~among(WITH_INSTRUMENT) | has_key),
        hints=pl.when(needed).then("hints").otherwise(0),
    )


def _with_prices(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows with how far price and cash differ, and with the price that follows from the cash where none is stated."""
    quantity, price, cash, costs = (
        each.cast(WIDE) for each in (pl.col("quantity"), pl.col("price"), pl.col("cash"), pl.col("fee") + pl.col("tax"))
    )
    unit = pl.lit(SCALE, WIDE)
    frame = frame.with_columns(
        off=pl.when(among(TRADES)).then((quantity * price + (cash + costs) * unit).abs()),
        last=quantity.abs() * pl.lit(LAST_DIGITS).gather(_places(pl.col("price").fill_null(0))),
        follows=pl.lit(None, pl.String),
        rounding=pl.lit(0, pl.UInt8),
    )
    open_ = among(TRADES) & pl.col("price").is_null() & pl.col("cash").is_not_null() & (pl.col("quantity") != 0)
    missing = frame.select("plain" & open_).to_series()
    if not missing.any():
        return frame
    worth = frame.filter(missing).select("quantity", worth=-(pl.col("cash") + pl.col("fee") + pl.col("tax")))
    told = [price_that_follows(EXACT.multiply(one, UNIT), EXACT.multiply(units, UNIT)) for units, one in worth.rows()]
    places = pl.arange(len(frame), eager=True).filter(missing)
    return frame.with_columns(
        frame["follows"].scatter(places, pl.Series([_fitting(price) for price, _ in told], dtype=pl.String)),
        frame["rounding"].scatter(places, pl.Series([0 if exact else FOLLOWS for _, exact in told], dtype=pl.UInt8)),
    )


def _fitting(price: Decimal) -> str | None:
    """Return a price that follows, unless it is below zero or more than is kept."""
    try:
        return plain(money(price, "")) if price >= 0 else None
    except LineRefused:
        return None


def _places(price: pl.Expr) -> pl.Expr:
    """Return how many decimals prices have, two at the least."""
    return sum(((price % 10**rest != 0).cast(pl.UInt32) for rest in range(1, PLACES - 1)), pl.lit(2, pl.UInt32))


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows that are plain only where their figures are there and fit together."""
    cash, costs = pl.col("cash"), pl.col("fee") + pl.col("tax")
    signed = pl.when(among(TAKES_CASH)).then(cash <= 0).otherwise(cash >= -costs)
    fits = (pl.col("off") * 200 <= pl.col("last") * 101 + 2 * HUNDREDTHS) & signed
    stated = pl.col("price").is_not_null() & (cash.is_null() | fits)
    trade = (pl.col("quantity") != 0) & (stated | (pl.col("follows").is_not_null() & signed))
    other = cash.is_not_null() & (among({EntryKind.DIVIDEND}) | (cash != 0))
    rounded = pl.col("off").fill_null(0) > HALF_A_CENT
    earned = among({EntryKind.DIVIDEND, EntryKind.INTEREST}) & (pl.col("tax") != 0) & (pl.col("fee") == 0)
    return frame.with_columns(
        plain=(pl.col("plain") & among(PLAIN_KINDS) & pl.col("currency").is_not_null()
               & pl.when(among(TRADES)).then(trade).otherwise(other)).fill_null(value=False),
        rounding=pl.when(among(TRADES) & rounded).then(ROUNDED).otherwise("rounding").cast(pl.UInt8),
        gross=pl.when(earned).then(cash + pl.col("tax")),
        refund=among(TAKING_COSTS) & (cash > 0),
    ).drop("last")  # fmt: skip


def as_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return plain rows with their figures as texts."""
    if "cash_text" in rows.columns:
        return rows
    texts = {f"{name}_text": _text_of(rows, name) for name in ("quantity", "cash", "fee", "tax")}
    return rows.with_columns(**texts, price_text=pl.coalesce(_text_of(rows, "price", None), "follows"),
                             gross_text=_text_of(rows, "gross", None), states_cash=pl.col("cash").is_not_null())  # fmt: skip


def _text_of(rows: pl.DataFrame, name: str, nothing: str | None = "0") -> pl.Expr:
    """Return a figure as text."""
    if not rows[name].null_count() < len(rows) or not (rows[name] != 0).any():
        return pl.when(pl.col(name).is_null()).then(pl.lit(nothing, pl.String)).otherwise(pl.lit("0"))
    return written(pl.col(name)).fill_null(pl.lit(nothing, pl.String))


def contents(rows: pl.DataFrame, hints: Sequence[InstrumentHints]) -> pl.Series:
    """Return of plain rows, with their figures as texts, all that they say: what one without an id is known by."""
    kinds = pl.Series([kind.value for kind in KINDS])
    identities = pl.Series([SEPARATOR.join(one.identity) for one in hints])
    notes = rows["notes"]
    if (notes != "").any():
        notes = by_distinct(notes, lambda text: " ".join(text.split()).casefold(), pl.String)
    days = by_distinct(rows["at"] // DAY, lambda number: (FIRST_DAY + timedelta(days=number)).isoformat(), pl.String)
    clock = pl.col("at") % DAY
    told = (
        pl.lit(""), pl.lit(kinds.gather(rows["kind"])), pl.lit(days) + pl.lit("T") + _clock(clock) + pl.lit("+00:00"),
        pl.lit(identities.gather(rows["hints"])),
        "quantity_text", pl.col("price_text").fill_null(""), "cash_text", "fee_text", "tax_text",
        "currency", pl.lit(notes), pl.lit(""),
    )  # fmt: skip
    return rows.select(pl.concat_str(told, separator=SEPARATOR)).to_series() if len(rows) else pl.Series([], dtype=pl.String)


def _clock(since: pl.Expr) -> pl.Expr:
    """Return times of a day as ISO 8601 writes them."""
    parts = (
        (since // (unit * SECOND) % most + 100).cast(pl.String).str.slice(1) for unit, most in ((3600, 24), (60, 60), (1, 60))
    )
    fraction = since % SECOND
    micro = pl.when(fraction == 0).then(pl.lit("")).otherwise("." + (fraction + SECOND).cast(pl.String).str.slice(1))
    told = pl.concat_str(*parts, separator=":") + micro
    return pl.when(since == 0).then(pl.lit("00:00:00")).otherwise(told)
