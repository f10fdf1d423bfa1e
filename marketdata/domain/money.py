"""Rounding and currencies."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

CURRENCY = r"^[A-Z]{3}$"

# ISO 4217: the currencies in use, by the number of digits of their minor unit.
_MINOR_UNITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
    "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP "
    "MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD "
    "SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "VES WST XCD XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
CURRENCIES = {code: digits for digits, codes in _MINOR_UNITS.items() for code in codes.split()}

# What exchanges quote prices in where the smallest coin is the custom: the currency it is a part of, and how many make one.
MINOR_UNITS = {
    "GBX": ("GBP", 100),
    "GBp": ("GBP", 100),
    "GBPX": ("GBP", 100),
    "ZAC": ("ZAR", 100),
    "ZAc": ("ZAR", 100),
    "ILA": ("ILS", 100),
    "ILa": ("ILS", 100),
    "USX": ("USD", 100),
    "USc": ("USD", 100),
    "EUX": ("EUR", 100),
}

_QUOTING = {"GBP": "GBX", "ZAR": "ZAC", "ILS": "ILA", "USD": "USX", "EUR": "EUX"}

# Rates that follow from others keep all digits a decimal carries, whatever context the caller has set.
_EXACT = Context(prec=28, rounding=ROUND_HALF_EVEN)


class UnknownCurrency(ValueError):
    """The text is not the code of a currency in use."""


def check_currency(code: str) -> None:
    """Refuse a text that is not an ISO 4217 code.

    :raises UnknownCurrency: if it is none
    """
    if code not in CURRENCIES:
        raise UnknownCurrency("Write the currency as its three capital letters (ISO 4217), such as USD.")


def major_unit(code: str) -> tuple[str, Decimal]:
    """Return the currency that a code means, and what one unit of the code is worth in it.

    Prices in London are written in pence (GBX, GBp), in Johannesburg and Tel Aviv in cents and agorot. Money is kept in
    currencies alone, so such an amount is divided where it comes in.

    :raises UnknownCurrency: if the code is neither a currency nor such a part of one

    >>> major_unit("GBX"), major_unit("USD")
    (('GBP', Decimal('0.01')), ('USD', Decimal('1')))
    """
    if code in MINOR_UNITS:
        currency, parts = MINOR_UNITS[code]
        return currency, _EXACT.divide(Decimal(1), Decimal(parts))
    check_currency(code)
    return code, Decimal(1)


def in_major_units(amount: Decimal, code: str) -> tuple[str, Decimal]:
    """Return an amount in the currency that a code means, exactly.

    :raises UnknownCurrency: if the code is neither a currency nor such a part of one

    >>> in_major_units(Decimal("12.5"), "GBX")
    ('GBP', Decimal('0.125'))
    """
    currency, factor = major_unit(code)
    return currency, Context(prec=60).multiply(amount, factor)


def quoting_code(code: str) -> str:
    """Return the three capital letters by which prices are known to be quoted in a currency, or in a part of one.

    :raises UnknownCurrency: if the code is neither a currency nor such a part of one

    >>> quoting_code("GBp"), quoting_code("ILA"), quoting_code("EUR")
    ('GBX', 'ILA', 'EUR')
    """
    return _QUOTING.get(major_unit(code)[0], code) if code in MINOR_UNITS else major_unit(code)[0]


def round_money(amount: Decimal, currency: str) -> Decimal:
    """Return the amount in the smallest unit of its currency, halves to the even neighbor; for display alone.

    >>> round_money(Decimal("2.345"), "USD"), round_money(Decimal("1234.5"), "JPY")
    (Decimal('2.34'), Decimal('1234'))
    """
    return round_to(amount, CURRENCIES.get(currency, 2))


def round_to(number: Decimal, places: int) -> Decimal:
    """Return the number with that many decimal places, halves to the even neighbor.

    >>> round_to(Decimal("0.00000000005"), 10)
    Decimal('0E-10')
    """
    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, Context(prec=60))


def plain(number: Decimal) -> str:
    """Return the number as digits, without exponent and without zeros that say nothing.

    >>> plain(Decimal("1E+3")), plain(Decimal("-0.2500")), plain(Decimal("-0.00"))
    ('1000', '-0.25', '0')
    """
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def inverse(rate: Decimal) -> Decimal:
    """Return the rate the other way round.

    >>> inverse(Decimal("1.25"))
    Decimal('0.8')
    """
    return _EXACT.divide(Decimal(1), rate)


def cross(first: Decimal, second: Decimal) -> Decimal:
    """Return the rate of a to c from those of a to b and of b to c.

    >>> cross(Decimal("0.8"), Decimal("1.5"))
    Decimal('1.20')
    """
    return _EXACT.multiply(first, second)
