"""What a row of a broker's file says, turned into a line of a statement: signs, costs, ids and groups, alike for every format."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid5

from accounts.domain.event_data import MONEY_PLACES
from accounts.domain.figures import money, units
from accounts.domain.ledger import (
    EXACT,
    GIVES_CASH,
    HALF_A_CENT,
    RULES,
    TAKES_CASH,
    TRANSFERS,
    ZERO,
    EntryDraft,
    EntryKind,
    Need,
    Sign,
)
from accounts.domain.limits import UNPRINTABLE
from accounts.domain.statements import NO_HINTS, InstrumentHints, LineRefused, Rate, Reference, StatementLine
from marketdata.domain.money import UnknownCurrency, major_unit, plain, round_to

TRADES = TAKES_CASH | GIVES_CASH
GROUPS = UUID("7d0f8a52-3f4e-5c1c-9a53-0d6c2f3a5f10")
EITHER_WAY = frozenset({Sign.ANY, Sign.NOT_ZERO})
MOST_NOTES = 2_000
MOST_ID = 150
MOST_IN_RATIO = 10**9
UNIT_PLACES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happened, as a file states it.

    `quantity` is a magnitude where the kind gives the sign, signed where a kind can go either way; `cash` is signed and None
    where the file does not state it; `converted` says that the price is in another currency than the cash. `id` is what the
    file knows it by; with `weak_id` that is no promise, so the figures are part of it. What has none is known by all it says.
    """

    kind: EntryKind
    at: datetime
    day_only: bool = False
    names_zone: bool = True
    currency: str = ""
    hints: InstrumentHints = NO_HINTS
    quantity: Decimal = ZERO
    price: Decimal | None = None
    cash: Decimal | None = None
    fee: Decimal = ZERO
    tax: Decimal = ZERO
    converted: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""
    tags: tuple[str, ...] = ()
    id: str = ""
    weak_id: bool = False
    group: str = ""
    account: str = ""
    rate: Rate | None = None
    reverses: str = ""
    takes_back: bool = False


class Lines:
    """Makes the lines of one file: what its happenings are known by, and that those alike are told apart.

    `account` is whose statement the file is where its lines do not say; what they are known by does not depend on it, since
    the same line may come in a file that says it and in one that does not.
    """

    def __init__(self, source: str, account: str = "") -> None:
        self.source = source
        self.account = account
        self.alike: Counter[bytes] = Counter()

    def line(self, number: int, happening: Happening, raw: str = "") -> StatementLine:
        """Return the line of a statement that a happening is.

        :raises LineRefused: if its figures contradict each other, or one is missing
        """
        said = _in_major_units(happening)
        notes, hints = printable(said.notes)[:MOST_NOTES], _needed(said)
        if notes != said.notes or hints is not said.hints:
            said = replace(said, notes=notes, hints=hints)
        fields = _fields(said, self.source)
        draft = EntryDraft(**fields, external_id=self._id(said, fields))
        _check_needs(draft, said)
        return StatementLine(
            number=number,
            draft=draft,
            instrument=said.hints.key,
            contract=said.hints.contract,
            states_cash=said.cash is not None,
            names_zone=said.names_zone,
            reverses=Reference(self.source, said.reverses) if said.reverses else None,
            hints=said.hints,
            account=said.account or self.account,
            rate=said.rate,
            takes_back=said.takes_back,
            price_follows=said.kind in TRADES and said.cash is not None and (said.price is None or said.converted),
            day_only=said.day_only,
            raw=printable(raw),
        )

    def _id(self, said: Happening, fields: Mapping[str, Any]) -> str:
        """Return what a happening is known by: the file's own id, or its content and how often that came before."""
        if said.id and not said.weak_id:
            return printable(said.id)[:MOST_ID]
        content = _content(said, fields)
        if said.id:
            return f"{printable(said.id)[:MOST_ID]}:{_digest(content)[:6].hex()}"
        return self.known_by(content)

    def known_by(self, content: str) -> str:
        """Return what is known by all it says: a hash of that, and how often it came before."""
        digest = _digest(content)
        self.alike[digest] += 1
        return f"{digest.hex()}-{self.alike[digest]}"


def _needed(said: Happening) -> InstrumentHints:
    """Return what is said about the instrument, nothing where the kind takes none or what is said is but a description."""
    need = RULES[said.kind].instrument
    if said.kind in TRANSFERS:
        return said.hints if said.quantity else NO_HINTS
    if need is Need.REQUIRED or (need is Need.OPTIONAL and said.hints.key not in {"", said.hints.name}):
        return said.hints
    return NO_HINTS


def _digest(content: str) -> bytes:
    return hashlib.sha256(content.encode()).digest()[:16]


def _content(said: Happening, fields: Mapping[str, Any]) -> str:
    """Return all that a happening says, written in one way however the file writes it."""
    figures = (fields[name] for name in ("quantity", "price", "cash", "fee", "tax"))
    told = (
        said.account,
        said.kind,
        said.at.isoformat(),
        *said.hints.identity,
        *("" if number is None else plain(number) for number in figures),
        said.currency,
        " ".join(said.notes.split()).casefold(),
        said.group,
    )
    return "\x1f".join(told)


def printable(text: str) -> str:
    """Return a text without what can't be printed, or turns the direction of writing round."""
    return UNPRINTABLE.sub(" ", text).strip()


def _kept_text(value: Any) -> Any:
    """Return what the ledger keeps of a value in an entry's data: texts that can be printed, not too long."""
    if isinstance(value, Mapping):
        return {name: _kept_text(one) for name, one in value.items()}
    return printable(value)[:MOST_ID] if isinstance(value, str) else value


def currency_of(code: str, name: str = "Currency") -> str:
    """Return the code of a currency, a small coin's included, as it is written everywhere.

    :raises LineRefused: if it is none

    >>> currency_of(" usd "), currency_of("GBp")
    ('USD', 'GBX')
    """
    bare = code.strip()
    bare = "GBX" if bare in {"GBp", "GBPX", "GBX"} else bare.upper()
    try:
        major_unit(bare)
    except UnknownCurrency as error:
        raise LineRefused("bad_currency", f"{name}: {code.strip()[:20]!r} is no currency such as USD.") from error
    return bare


def _in_major_units(said: Happening) -> Happening:
    """Return a happening with its money in a currency, not in pence."""
    if not said.currency:
        return said
    currency, unit = major_unit(currency_of(said.currency))
    if unit == 1:
        return said if currency == said.currency else replace(said, currency=currency)
    price, cash = (None if number is None else number * unit for number in (said.price, said.cash))
    return replace(said, currency=currency, price=price, cash=cash, fee=said.fee * unit, tax=said.tax * unit)


def _fields(said: Happening, source: str) -> dict[str, Any]:
    """Return the fields of the draft that a happening is, with the signs of its kind.

    :raises LineRefused: if its figures contradict each other, or one is missing
    """
    rule = RULES[said.kind]
    quantity = said.quantity if said.takes_back or _goes_either_way(said.kind) else abs(said.quantity) * rule.moves
    if rule.quantity is Sign.NONE:
        quantity = ZERO
    multiplier = said.hints.multiplier or Decimal(1)
    data = {name: _kept_text(value) for name, value in said.data.items()}
    earned = said.kind in {EntryKind.DIVIDEND, EntryKind.INTEREST} and said.cash is not None
    if earned and said.tax and not said.fee and not said.takes_back:
        data.setdefault("gross", plain(money((said.cash or ZERO) + said.tax, "gross")))
    if said.kind in {EntryKind.FEE, EntryKind.TAX} and (said.cash or ZERO) > 0:
        data.setdefault("refund", said.kind.value)
    price = None if rule.price is Need.REFUSED else said.price
    if said.kind in TRADES and not said.takes_back:
        price = _price_of(said, quantity, multiplier, data)
    elif price is not None and price < 0:
        raise LineRefused("bad_number", f"price: {plain(price)} is below zero; correct it.")
    return {
        "kind": said.kind,
        "occurred_at": said.at,
        "currency": said.currency,
        "quantity": units(quantity, "quantity"),
        "price": None if price is None else money(price, "price"),
        "cash": money(said.cash or ZERO, "cash"),
        "fee": money(said.fee, "fee"),
        "tax": money(said.tax, "tax"),
        "multiplier": multiplier,
        "data": data,
        "notes": said.notes or ("Said without a word." if said.kind is EntryKind.NOTE else ""),
        "tags": said.tags,
        "source": source,
        "group": uuid5(GROUPS, f"{source}|{said.account}|{said.group}") if said.group else None,
    }


def _goes_either_way(kind: EntryKind) -> bool:
    """Say whether the sign of a quantity is the file's to say."""
    return RULES[kind].quantity in EITHER_WAY and kind not in {EntryKind.TRANSFER_OUT, EntryKind.TRANSFER_IN}


def _price_of(said: Happening, quantity: Decimal, multiplier: Decimal, data: dict[str, Any]) -> Decimal | None:
    """Return the price of a trade, which follows from the cash where it is not stated in the cash's currency.

    :raises LineRefused: if price and cash contradict each other by more than their last digits explain
    """
    if not quantity:
        raise LineRefused("missing_quantity", f"quantity: a {said.kind} needs how many units, other than zero.")
    if said.cash is None:
        return said.price
    if said.cash > 0 if said.kind in TAKES_CASH else said.cash < -(said.fee + said.tax):
        raise LineRefused("contradicting_amount", f"amount: {plain(said.cash)} has the wrong sign for a {said.kind}; correct it.")
    worth = -said.cash - said.fee - said.tax
    follows, exactly = price_that_follows(worth, EXACT.multiply(quantity, multiplier))
    if said.price is not None and not said.converted:
        _check_price(said, quantity, multiplier, data)
        return said.price
    if follows < 0:
        raise LineRefused("contradicting_amount", f"amount: {plain(said.cash)} is less than the costs of the {said.kind}.")
    if not exactly:
        data["rounding"] = "The price follows from the amount."
    if said.price is not None and said.hints.currency:
        data["stated_price"] = f"{plain(said.price)} {major_unit(said.hints.currency)[0]}"
    return follows


def price_that_follows(worth: Decimal, units: Decimal) -> tuple[Decimal, bool]:
    """Return the price at which some units are worth so much, as the ledger keeps it, and whether they are to half a cent.

    >>> price_that_follows(Decimal(10), Decimal(3))
    (Decimal('3.3333333333'), True)
    """
    price = round_to(EXACT.divide(worth, units), MONEY_PLACES)
    return price, abs(EXACT.multiply(units, price) - worth) <= HALF_A_CENT


def _check_price(said: Happening, quantity: Decimal, multiplier: Decimal, data: dict[str, Any]) -> None:
    """Refuse a price that contradicts the cash by more than the last digits explain, and write down that it does.

    Units that are no whole number may be rounded, too: funds have three decimals.

    :raises LineRefused: if it does
    """
    price, cash = said.price or ZERO, said.cash or ZERO
    accrued = Decimal(data.get("accrued_interest", "0")).copy_sign(quantity)
    off = abs(EXACT.multiply(EXACT.multiply(quantity, price), multiplier) + cash + said.fee + said.tax + accrued)
    exponent = price.normalize().as_tuple().exponent
    last_digit = abs(quantity) * multiplier * Decimal(1).scaleb(min(int(exponent), -2)) / 2
    places = int(quantity.normalize().as_tuple().exponent)
    if places < 0:
        last_digit += abs(price * multiplier) * Decimal(1).scaleb(min(places, -UNIT_PLACES)) / 2
    if off > last_digit * Decimal("1.01") + Decimal("0.01"):
        raise LineRefused(
            "contradicting_amount",
            f"amount: {plain(cash)} moved, but {plain(abs(quantity))} at {plain(price)} with costs of "
            f"{plain(said.fee + said.tax)} are {plain(round_to(off, 2))} off: correct one of them.",
        )
    if accrued:
        data["rounding"] = "Accrued interest is in it."
    elif off > HALF_A_CENT:
        data["rounding"] = "The price is rounded."


def _check_needs(draft: EntryDraft, said: Happening) -> None:
    """Refuse a happening without what its kind needs, by the name of what is missing.

    :raises LineRefused: if something is missing
    """
    rule = RULES[said.kind]
    if (rule.instrument is Need.REQUIRED or (said.kind in TRANSFERS and draft.quantity)) and not said.hints.key:
        raise LineRefused("missing_instrument", f"symbol: a {said.kind} needs its instrument: a symbol, an ISIN or a name.")
    if rule.price is Need.REQUIRED and draft.price is None and not said.takes_back:
        raise LineRefused("missing_price", f"price: a {said.kind} needs its price, or its amount.")
    if said.cash is None and rule.cash in {Sign.POSITIVE, Sign.NEGATIVE, Sign.NOT_ZERO} and not (draft.fee or draft.tax):
        raise LineRefused("missing_amount", f"amount: a {said.kind} needs how much money moved.")
    if said.cash == 0 and rule.cash in {Sign.POSITIVE, Sign.NEGATIVE, Sign.NOT_ZERO}:
        raise LineRefused("nothing_moved", f"amount: a {said.kind} of nothing moves nothing; leave it out.")


def flow(cash: Decimal) -> EntryKind:
    """Return what money from outside, or to it, is.

    >>> flow(Decimal(-5))
    <EntryKind.WITHDRAWAL: 'WITHDRAWAL'>
    """
    return EntryKind.DEPOSIT if cash > 0 else EntryKind.WITHDRAWAL


def transfer(moved: Decimal) -> EntryKind:
    """Return what units or money from another account, or to it, are."""
    return EntryKind.TRANSFER_IN if moved > 0 else EntryKind.TRANSFER_OUT


def side(signed: Decimal, *, opens: bool | None = None) -> EntryKind:
    """Return what a trade is by the sign of its units; with `opens` known, whether it is of a short position.

    >>> side(Decimal(-1)), side(Decimal(-1), opens=True), side(Decimal(1), opens=False)
    (<EntryKind.SELL: 'SELL'>, <EntryKind.SHORT: 'SHORT'>, <EntryKind.COVER: 'COVER'>)
    """
    if signed > 0:
        return EntryKind.COVER if opens is False else EntryKind.BUY
    return EntryKind.SHORT if opens else EntryKind.SELL


def price_in(price: Decimal, quoted: str, currency: str) -> tuple[Decimal, bool]:
    """Return a price in a currency where it is quoted in a part of that one, and whether it is in another altogether.

    >>> price_in(Decimal(496), "GBX", "GBP")
    (Decimal('4.96'), False)
    """
    if not quoted or quoted == currency:
        return price, False
    major, unit = major_unit(currency_of(quoted))
    return EXACT.multiply(price, unit), major != currency


def ratio_text(new: Decimal, old: Decimal) -> str:
    """Return the ratio of a split as the ledger keeps it, new units to old ones, or nothing if there are none.

    >>> ratio_text(Decimal(480), Decimal(12000)), ratio_text(Decimal(6), Decimal("1.5"))
    ('1:25', '4:1')
    """
    if not new or not old:
        return ""
    ratio = Fraction(abs(new)) / Fraction(abs(old))
    if max(ratio.numerator, ratio.denominator) < MOST_IN_RATIO:
        return f"{ratio.numerator}:{ratio.denominator}"
    return f"{plain(round_to(EXACT.divide(abs(new), abs(old)), 9))}:1"


def first_of(*texts: str) -> str:
    """Return the first text that says something."""
    return next((text for text in texts if text), "")
