"""What an instrument is called, and which spellings are refused."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_SYMBOL = 24
SYMBOL = r"^[A-Z0-9][A-Z0-9.\-/^]{0,23}$"
EXCHANGE = r"^[A-Z0-9]{4,8}$"
ISIN = r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$"
FIGI = r"^BBG[A-Z0-9]{9}$"
US_SHARE = r"^[A-Z0-9]{1,5}([.\-/][A-Z]{1,3})?$"
CRYPTO_PAIR = r"^[A-Z0-9]{2,12}/?[A-Z0-9]{2,8}$"

CRYPTO_MARKET = "CRYPTO"
US_EXCHANGES = ("XNAS", "XNYS", "XASE", "ARCX", "BATS", "IEXG", "XCHI", "XPHL", "XBOS")

_SYMBOL, _EXCHANGE, _ISIN, _FIGI = (re.compile(pattern, re.ASCII) for pattern in (SYMBOL, EXCHANGE, ISIN, FIGI))
_US_SHARE, _CRYPTO_PAIR = (re.compile(pattern, re.ASCII) for pattern in (US_SHARE, CRYPTO_PAIR))


class AssetClass(enum.StrEnum):
    """The kind of thing an instrument is."""

    EQUITY = "EQUITY"
    ETF = "ETF"
    FUND = "FUND"
    BOND = "BOND"
    OPTION = "OPTION"
    FUTURE = "FUTURE"
    FX = "FX"
    CRYPTO = "CRYPTO"
    INDEX = "INDEX"
    COMMODITY = "COMMODITY"


class OptionRight(enum.StrEnum):
    """What the holder of an option may do."""

    CALL = "CALL"
    PUT = "PUT"


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source of prices needs to know of an instrument to find it, and a new one starts with."""

    symbol: str
    exchange: str
    name: str = ""
    asset_class: AssetClass = AssetClass.EQUITY
    currency: str = "USD"

    @property
    def key(self) -> str:
        """The name that means this instrument alone: SYMBOL:MIC."""
        return f"{self.symbol}:{self.exchange}"


class BadSymbol(ValueError):
    """The text is not a symbol: a look-alike character, a lower-case letter or a sign where none belongs."""


def check_symbol(symbol: str, *, asset_class: str = "", exchange: str = "") -> None:
    """Refuse a text that is not the symbol of an instrument of that class on that exchange.

    :raises BadSymbol: saying what is wrong with it

    >>> check_symbol("BRK.B", asset_class="EQUITY", exchange="XNYS")
    >>> check_symbol("BTC/USD", asset_class="CRYPTO")
    >>> check_symbol("aapl")
    Traceback (most recent call last):
        ...
    marketdata.domain.instruments.BadSymbol: Write the symbol in capital letters, such as AAPL.
    """
    if not _matches(_SYMBOL, symbol):
        raise BadSymbol(_what_is_wrong(symbol))
    us_share = asset_class in {AssetClass.EQUITY, AssetClass.ETF} and exchange in US_EXCHANGES
    if us_share and not _matches(_US_SHARE, symbol):
        raise BadSymbol("A share on a US exchange has 1 to 5 letters or digits and at most a class, such as BRK.B.")
    if asset_class == AssetClass.CRYPTO and not _matches(_CRYPTO_PAIR, symbol):
        raise BadSymbol("A crypto pair is written BTCUSD or BTC/USD.")


def split_key(text: str) -> tuple[str, str]:
    """Return the symbol and the exchange of a key; the exchange is empty where only a symbol is given.

    :raises BadSymbol: if either part is misspelled

    >>> split_key("BTC/USD:CRYPTO")
    ('BTC/USD', 'CRYPTO')
    >>> split_key("AAPL")
    ('AAPL', '')
    """
    symbol, colon, exchange = text.partition(":")
    check_symbol(symbol)
    if colon and not _matches(_EXCHANGE, exchange):
        raise BadSymbol("Write the exchange after the colon as its four-letter MIC, such as AAPL:XNAS.")
    return symbol, exchange


def isin_is_valid(isin: str) -> bool:
    """Say whether an ISIN is well formed and its check digit fits.

    >>> isin_is_valid("US0378331005"), isin_is_valid("US0378331006")
    (True, False)
    """
    if not _matches(_ISIN, isin):
        return False
    digits = "".join(str(int(letter, 36)) for letter in isin)
    doubled = (int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


def problems_of(instrument: Mapping[str, object]) -> dict[str, str]:
    """Return what is wrong with the fields of an instrument, by field."""
    symbol, exchange, asset_class, isin, figi = (
        str(instrument.get(name) or "") for name in ("symbol", "exchange", "asset_class", "isin", "figi")
    )
    problems = {}
    try:
        check_symbol(symbol, asset_class=asset_class, exchange=exchange)
    except BadSymbol as refusal:
        problems["symbol"] = str(refusal)
    if not _matches(_EXCHANGE, exchange):
        problems["exchange"] = "Write the exchange as its MIC (ISO 10383), such as XNAS, or CRYPTO."
    if isin and not isin_is_valid(isin):
        problems["isin"] = "This is not an ISIN: twelve characters, the last a check digit that has to fit."
    if figi and not _matches(_FIGI, figi):
        problems["figi"] = "A FIGI starts with BBG and has twelve capital letters and digits."
    return problems | _problems_of_option(instrument, asset_class)


def _problems_of_option(instrument: Mapping[str, object], asset_class: str) -> dict[str, str]:
    """Return what is missing from an option, or what only an option may have."""
    option = asset_class == AssetClass.OPTION
    problems = {}
    for name in ("strike", "right"):
        if option and not instrument.get(name):
            problems[name] = f"An option needs its {name}."
        if not option and instrument.get(name):
            problems[name] = f"Only an option has a {name}; leave it out."
    if option and not instrument.get("expiry"):
        problems["expiry"] = "An option needs its expiry."
    return problems


def _what_is_wrong(symbol: str) -> str:
    """Return the sentence that helps the writer of a refused symbol most."""
    if not symbol:
        return "Give a symbol."
    if not symbol.isascii() or not symbol.isprintable():
        return "The symbol holds a character that only looks like a letter or can't be seen; type it in plain ASCII."
    if symbol != symbol.upper():
        return "Write the symbol in capital letters, such as AAPL."
    if len(symbol) > MAX_SYMBOL:
        return f"A symbol has at most {MAX_SYMBOL} characters."
    return "A symbol starts with a letter or digit and holds only capital letters, digits and . - / ^"


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    """Say whether the whole text matches; `$` alone would let a line break through."""
    return pattern.fullmatch(text) is not None
