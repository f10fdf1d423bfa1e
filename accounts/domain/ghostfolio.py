"""What Ghostfolio says of an activity, in JSON and CSV alike."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from accounts.domain.happenings import Happening, currency_of
from accounts.domain.ledger import EARLIEST, ZERO, EntryKind
from accounts.domain.listings import coin, listed
from accounts.domain.statements import InstrumentHints, LineRefused
from marketdata.domain.instruments import BadSymbol, check_symbol
from marketdata.domain.money import plain

SOURCE = "ghostfolio"
SOURCES = frozenset(
    {"ALPHA_VANTAGE", "COINGECKO", "EOD_HISTORICAL_DATA", "FINANCIAL_MODELING_PREP", "GHOSTFOLIO", "GOOGLE_SHEETS", "MANUAL",
     "RAPID_API", "YAHOO"}
)  # fmt: skip
MANUAL = "MANUAL"
TYPES = ("BUY", "SELL", "DIVIDEND", "INTEREST", "FEE", "LIABILITY", "ITEM")
COINS = frozenset(
    {"ADA", "AVAX", "ATOM", "BCH", "BNB", "BTC", "DOGE", "DOT", "ETH", "LINK", "LTC", "MATIC", "SHIB", "SOL", "TRX", "UNI", "XLM",
     "XMR", "XRP"}
)  # fmt: skip
PAIR = re.compile(r"(?P<base>[A-Z]{2,5})(?P<quoted>USD|EUR|CHF|GBP)", re.ASCII)
DASHED_PAIR = re.compile(r"[A-Z0-9]{2,6}-(USD|USDT|EUR|CHF|GBP)", re.ASCII)
FREE = frozenset({"FEE", "INTEREST", "LIABILITY", "ITEM", "CASH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One activity; `profile` is what the file says about its instrument elsewhere."""

    type: str
    at: datetime
    day_only: bool
    currency: str
    symbol: str
    source: str = ""
    quantity: Decimal | None = None
    price: Decimal | None = None
    fee: Decimal = ZERO
    note: str = ""
    account: str = ""
    id: str = ""
    profile: InstrumentHints | None = None
    crypto: bool = False


def happenings(activity: Activity) -> Iterator[Happening]:
    """Yield what an activity says; nothing for a draft that moves nothing.

    :raises LineRefused: if it can't be
    """
    kind, quantity, price = activity.type.upper(), activity.quantity or ZERO, activity.price or ZERO
    _check(activity, kind)
    made = Happening(
        kind=EntryKind.NOTE,
        at=activity.at,
        day_only=activity.day_only,
        currency=currency_of(activity.currency, "currency"),
        hints=hints_of(activity),
        fee=activity.fee,
        notes=activity.note,
        id=activity.id,
        account=activity.account,
    )
    if activity.fee < 0:
        raise LineRefused("bad_number", "fee: it is below zero; write what was paid as a number above it.")
    worth = quantity * price
    if kind in {"BUY", "SELL"}:
        if quantity or price:
            yield replace(made, kind=EntryKind(kind), quantity=quantity, price=price)
    elif kind == "DIVIDEND" and activity.fee > worth:  # no dividend takes money: the fee is one of its own
        yield replace(made, kind=EntryKind.DIVIDEND, cash=worth, fee=ZERO)
        yield replace(made, kind=EntryKind.FEE, hints=InstrumentHints(), cash=-activity.fee, fee=ZERO)
    elif kind in {"DIVIDEND", "INTEREST"}:
        instrument = made.hints if activity.profile is None or activity.profile.symbol else InstrumentHints()
        yield replace(
            made, kind=EntryKind(kind), hints=made.hints if kind == "DIVIDEND" else instrument, cash=worth - activity.fee
        )
    elif kind == "FEE":
        fee = worth + activity.fee
        yield replace(
            made, kind=EntryKind.FEE, hints=InstrumentHints(), cash=-fee, fee=ZERO, notes=activity.note or _name(activity)
        )
    elif kind == "LIABILITY":
        yield replace(
            made, kind=EntryKind.LIABILITY, hints=InstrumentHints(), price=worth, fee=ZERO, data={"name": _name(activity)}
        )
    else:
        yield replace(made, kind=EntryKind.VALUATION, price=price, fee=ZERO, data={"quantity": plain(quantity)})


def _check(activity: Activity, kind: str) -> None:
    """Refuse an activity that can't be.

    :raises LineRefused: by the name of the field
    """
    if activity.at < EARLIEST:
        raise LineRefused("bad_date", f"date: {activity.at.date()} lies before 1970.")
    if activity.source and activity.source not in SOURCES:
        raise LineRefused("bad_data_source", f"dataSource: {activity.source[:40]!r} is none of {', '.join(sorted(SOURCES))}.")
    if kind not in TYPES:
        raise LineRefused("unknown_type", f"type: {activity.type[:40]!r} is none of {', '.join(TYPES)}.")


def _name(activity: Activity) -> str:
    """Return what an activity is about, in words."""
    profile = activity.profile
    return (profile.name if profile and profile.name else activity.symbol) or activity.type.title()


def hints_of(activity: Activity) -> InstrumentHints:
    """Return what an activity says about its instrument.

    :raises LineRefused: if its symbol is none
    """
    symbol = activity.symbol.strip()
    if activity.source == MANUAL or activity.type.upper() in FREE:
        return activity.profile or InstrumentHints(name=symbol, currency=activity.currency)
    if DASHED_PAIR.fullmatch(symbol.upper()):
        raise LineRefused("bad_symbol", f"symbol: write the pair {symbol[:20]!r} without a dash, such as BTCUSD.")
    hints = _listed(symbol, crypto=activity.crypto)
    try:
        if hints.symbol:
            check_symbol(hints.symbol)
        elif not hints.isin:
            raise BadSymbol("It is empty.")
    except BadSymbol as refusal:
        raise LineRefused("bad_symbol", f"symbol: {symbol[:40]!r}: {refusal}") from refusal
    profile = activity.profile
    if profile is None:
        return replace(hints, currency=activity.currency)
    about = {name: getattr(profile, name) for name in ("isin", "figi", "cusip", "name", "asset_class") if getattr(profile, name)}
    return replace(hints, currency=profile.currency or activity.currency, **about)


def _listed(symbol: str, *, crypto: bool) -> InstrumentHints:
    """Return what a symbol says, as Yahoo Finance writes it."""
    found = PAIR.fullmatch(symbol.upper())
    if found and (crypto or found["base"] in COINS):
        return coin(found["base"], found["quoted"])
    return listed(symbol, crypto=crypto and symbol.isalnum())
