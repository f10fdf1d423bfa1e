"""Numbers as people and brokers write them, read exactly or refused: never guessed, never through a float."""

import enum
import re
from decimal import Decimal
from functools import lru_cache

from accounts.domain.event_data import MONEY_DIGITS, MONEY_PLACES, SHARE_DIGITS, SHARE_PLACES
from accounts.domain.statements import LineRefused
from marketdata.domain.money import round_to

SHOWN = 60
LONGEST = 80
NOTHING = frozenset({"", "-", "--", "—", "n/a", "na", "none", "null", "nan", "not available"})
SIGNS = "$€£¥₹₣₽₩฿₿"
SPACES = dict.fromkeys(map(ord, " \u00a0\u2007\u2009\u202f\t'\u2019`"))
MINUS = str.maketrans({"−": "-", "–": "-", "＋": "+", "﹣": "-", "－": "-"})  # noqa: RUF001  the look-alikes are the point
CODE = re.compile(r"(?:[A-Z]{3})?(?P<rest>.*?)(?:[A-Z]{3})?", re.ASCII)
PLAIN = re.compile(r"\d+(\.\d*)?|\.\d+", re.ASCII)
SCIENTIFIC = re.compile(r"(\d+(\.\d*)?|\.\d+)[eE][+-]?\d{1,3}", re.ASCII)
GROUPS = {",": re.compile(r"\d{1,3}(,\d{2,3})*,\d{3}(\.\d*)?", re.ASCII), ".": re.compile(r"\d{1,3}(\.\d{3})+(,\d*)?", re.ASCII)}


class Style(enum.Enum):
    """How a file separates the fraction of a number."""

    POINT = "1,234.56"
    COMMA = "1.234,56"
    EITHER = "the last separator is that of the fraction; one alone is, too"


def figure(text: str, name: str, style: Style = Style.POINT) -> Decimal | None:
    """Return the number a cell states, or None where it states none.

    Signs of currencies and their codes, separators of thousands (checked to stand where they belong), parentheses or a sign
    behind for what is negative, and exponents are understood.

    :raises LineRefused: if it is no number

    >>> figure("-$1,208.15", "Amount"), figure("($421.25)", "Amount"), figure("1.046,38", "Saldo", Style.COMMA)
    (Decimal('-1208.15'), Decimal('-421.25'), Decimal('1046.38'))
    >>> figure("12,5-", "Betrag", Style.COMMA), figure("-2.637591265E-4", "Net"), figure("", "Fee") is None
    (Decimal('-12.5'), Decimal('-0.0002637591265'), True)
    """
    if len(text) > LONGEST and len(text.strip()) > LONGEST:
        raise LineRefused("bad_number", f"{name}: {text.strip()[:SHOWN]!r} is no number such as {style.value.split(';')[0]}.")
    return _figure(text[: 2 * LONGEST], name, style)


@lru_cache(maxsize=16_384)
def _figure(text: str, name: str, style: Style) -> Decimal | None:
    """Return the number that a short text states."""
    if text.strip().lower() in NOTHING:
        return None
    bare, negative = _unsigned(text)
    number = _number(bare, style)
    if number is None:
        raise LineRefused("bad_number", f"{name}: {text.strip()[:SHOWN]!r} is no number such as {style.value.split(';')[0]}.")
    return -number if negative and number else number


def money(number: Decimal, name: str) -> Decimal:
    """Return an amount, price, fee or tax as the ledger keeps it: what of it no column keeps is rounded away.

    :raises LineRefused: if it is too large
    """
    return _kept(number, name, MONEY_DIGITS, MONEY_PLACES)


def units(number: Decimal, name: str) -> Decimal:
    """Return a number of units as the ledger keeps it.

    :raises LineRefused: if it is too large
    """
    return _kept(number, name, SHARE_DIGITS, SHARE_PLACES)


def _kept(number: Decimal, name: str, digits: int, places: int) -> Decimal:
    """Return a number with at most so many digits before and after the point."""
    if number and number.adjusted() >= digits:
        raise LineRefused("number_too_large", f"{name}: at most {digits} digits are kept before the point.")
    exponent = number.as_tuple().exponent
    return round_to(number, places) if isinstance(exponent, int) and exponent < -places else number


def _unsigned(text: str) -> tuple[str, bool]:
    """Return a number without its signs, and whether they say that it is below zero."""
    bare = text.translate(SPACES).translate(MINUS)
    negative = False
    if bare.startswith("(") and bare.endswith(")"):
        bare, negative = bare[1:-1], True
    for _ in range(2):  # a sign may stand before or behind that of the currency
        bare = _without_currency(bare)
        if bare[:1] in {"-", "+"}:
            negative ^= bare[0] == "-"
            bare = bare[1:]
        elif bare[-1:] in {"-", "+"}:
            negative ^= bare[-1] == "-"
            bare = bare[:-1]
    return bare, negative


def _without_currency(text: str) -> str:
    """Return a number without the sign or the code of a currency around it."""
    bare = text.strip(SIGNS)
    found = CODE.fullmatch(bare)
    return found["rest"] if found else bare


def _number(bare: str, style: Style) -> Decimal | None:
    """Return the number that digits and separators mean, or None if they mean none."""
    if PLAIN.fullmatch(bare) and (style is not Style.COMMA or "." not in bare):
        return Decimal(bare)
    if SCIENTIFIC.fullmatch(bare):
        return Decimal(bare)
    fraction = "," if style is Style.COMMA else "."
    if style is Style.EITHER:
        fraction = _fraction_of(bare)
    thousands = "." if fraction == "," else ","
    if thousands in bare:
        if not GROUPS[thousands].fullmatch(bare):
            return None
        bare = bare.replace(thousands, "")
    bare = bare.replace(fraction, ".")
    return Decimal(bare) if PLAIN.fullmatch(bare) else None


def _fraction_of(bare: str) -> str:
    """Return the separator of the fraction where a number has to tell itself."""
    if "," in bare and "." in bare:
        return "," if bare.rfind(",") > bare.rfind(".") else "."
    if "," in bare:
        return "," if bare.count(",") == 1 else "."
    return "," if bare.count(".") > 1 else "."
