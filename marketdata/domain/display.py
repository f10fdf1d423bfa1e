"""Figures as people read them: rounded for the eye alone, and grouped by thousands."""

from decimal import Decimal

from marketdata.domain.money import CURRENCIES, plain, round_money, round_to

NOTHING = "\N{EN DASH}"
CENT = 2


def money_text(amount: Decimal | None, currency: str = "", *, signed: bool = False) -> str:
    """Return an amount in the smallest unit of its currency; without one, in hundredths.

    >>> money_text(Decimal("1234567.891"), "USD"), money_text(Decimal("1234.5"), "JPY"), money_text(Decimal("-0.001"))
    ('1,234,567.89', '1,234', '0.00')
    >>> money_text(Decimal("12"), signed=True), money_text(Decimal("-12"), signed=True), money_text(None) == NOTHING
    ('+12.00', '-12.00', True)
    """
    if amount is None:
        return NOTHING
    return _grouped(round_money(amount, currency) if currency in CURRENCIES else round_to(amount, CENT), signed)


def price_text(price: Decimal | None) -> str:
    """Return a price with its cents, and with the finer digits it has: up to four, or ten where it is below one.

    >>> price_text(Decimal("123.4000000000")), price_text(Decimal("0.0001234")), price_text(Decimal(1500) / 7)
    ('123.40', '0.0001234', '214.2857')
    """
    if price is None:
        return NOTHING
    rounded = round_to(price, 4 if abs(price) >= 1 else 10)
    digits = len(plain(rounded).partition(".")[2])
    return _grouped(round_to(rounded, max(digits, CENT)), signed=False)


def quantity_text(quantity: Decimal | None, *, signed: bool = False) -> str:
    """Return a quantity without the zeros that say nothing.

    >>> quantity_text(Decimal("1200.500000000000")), quantity_text(Decimal("3.0"), signed=True), quantity_text(Decimal("0E-12"))
    ('1,200.5', '+3', '0')
    """
    return NOTHING if quantity is None else _grouped(Decimal(plain(quantity)), signed)


def percent_text(ratio: Decimal | float | None, *, signed: bool = False) -> str:
    """Return a ratio as a percentage with two decimal places.

    >>> percent_text(Decimal("0.12345")), percent_text(-0.5, signed=True), percent_text(None) == NOTHING
    ('12.34%', '-50.00%', True)
    """
    if ratio is None:
        return NOTHING
    return f"{_grouped(round_to(Decimal(str(ratio)) * 100, CENT), signed)}%"


def _grouped(number: Decimal, signed: bool) -> str:
    """Return the digits in groups of three behind their sign; zero has none."""
    text = f"{abs(number):,f}"
    if not number:
        return text
    return ("-" if number < 0 else "+" if signed else "") + text
