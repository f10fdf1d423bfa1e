"""What Interactive Brokers says of a trade: of units, of currencies, the end of an option, or that one was canceled."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from accounts.domain.figures import money, units
from accounts.domain.happenings import Happening, currency_of, first_of, side
from accounts.domain.ibkr import PERCENT, Record
from accounts.domain.ledger import ZERO, EntryKind
from accounts.domain.statements import InstrumentHints, LineRefused

PAIR = re.compile(r"(?P<base>[A-Z]{3})[./](?P<quoted>[A-Z]{3})", re.ASCII)
BY_NAME = {
    "EXPIRATION": EntryKind.OPTION_EXPIRATION, "EXERCISE": EntryKind.OPTION_EXERCISE, "ASSIGNMENT": EntryKind.OPTION_ASSIGNMENT
}  # fmt: skip
# what is settled day by day: the money of a trade is its commission alone, and gains and losses come on their own
SETTLED_DAILY = frozenset({"FUT", "CFD"})
ENDS = {"EP": EntryKind.OPTION_EXPIRATION, "EX": EntryKind.OPTION_EXERCISE, "A": EntryKind.OPTION_ASSIGNMENT}


def trade(record: Record) -> Iterator[Happening]:
    """Yield what a record of a trade says: a purchase, a sale, an exchange of currencies, or that one is canceled."""
    category = record.text("assetCategory", "assetClass").upper()
    if category == "CASH" or (category != "CRYPTO" and PAIR.fullmatch(record.text("symbol"))):
        yield from _exchange(record)
        return
    hints = record.hints()
    if not hints.key and not hints.isin:
        raise LineRefused(
            "missing_instrument",
            "symbol: the record names no instrument (an exchange of currencies?); add Symbol and Asset Class to the Flex query.",
        )
    if hints.contract and (end := _end_of(record)):
        yield _ended(record, end, hints)
        return
    at, day_only = record.traded()
    quantity = units(_signed(record), "quantity")
    canceled = record.text("transactionType") == "TradeCancel" or "(CA" in record.text("buySell", "buy/sell").upper()
    number = first_of(record.id("tradeID"), record.id("transactionID"))
    fee, tax = abs(_in_currency(record, "ibCommission")), abs(record.number("taxes") or ZERO)
    price, cash = record.number("tradePrice", "price"), _net_cash(record)
    accrued = _accrued(record, cash)
    opens = {"O": True, "C": False}.get(record.text("openCloseIndicator", "open/closeIndicator")[:1].upper())
    data = {"accrued_interest": f"{abs(accrued):f}"} if accrued else {}
    yield Happening(
        kind=side(quantity, opens=_opens(quantity, opens)),
        at=at,
        day_only=day_only,
        currency=record.currency(),
        hints=hints,
        quantity=quantity,
        price=price,
        cash=cash,
        converted=cash is not None and not _explains(record, price, quantity, hints.multiplier),
        fee=money(fee, "ibCommission"),
        tax=money(tax, "taxes"),
        data=data,
        notes=record.text("description"),
        id=number and (f"{number}/canceled" if canceled else number),
        account=record.account(),
        rate=record.rate(),
        takes_back=canceled,
        reverses=record.id("origTradeID") if canceled else "",
    )
    if (other := _commission_elsewhere(record)) is not None:
        yield _fee(record, other, number, at)


def ended(record: Record) -> Iterator[Happening]:
    """Yield what a record of the ends of options says: that one expired, was exercised or assigned, or the shares that moved."""
    kind, hints = BY_NAME.get(record.text("transactionType").upper()), record.hints()
    quantity = units(record.number("quantity") or ZERO, "quantity")
    said = Happening(
        kind=kind if kind and hints.contract else side(quantity),
        at=record.booked(),
        day_only=True,
        currency=record.currency(),
        hints=hints,
        quantity=quantity,
        cash=ZERO,
        notes=record.text("description"),
        id=record.id("tradeID"),
        account=record.account(),
    )
    if kind and hints.contract:
        yield said
    else:
        cash = (record.number("proceeds") or ZERO) + (record.number("commisionsAndTax", "commissionsAndTax") or ZERO)
        yield replace(said, price=record.number("tradePrice"), cash=money(cash, "proceeds"), converted=True)


def _end_of(record: Record) -> EntryKind | None:
    """Return how an option came to its end, where a trade is only the booking of that."""
    if record.text("transactionType") != "BookTrade" or record.number("tradePrice", "price"):
        return None
    return next((ENDS[note] for note in re.split(r"[;, ]+", record.text("notes", "notes/codes").upper()) if note in ENDS), None)


def _ended(record: Record, kind: EntryKind, hints: InstrumentHints) -> Happening:
    """Return the end of an option, which moves the contracts and no money."""
    at, day_only = record.traded()
    return Happening(
        kind=kind,
        at=at,
        day_only=day_only,
        currency=record.currency(),
        hints=hints,
        quantity=units(_signed(record), "quantity"),
        cash=ZERO,
        notes=record.text("description"),
        id=first_of(record.id("tradeID"), record.id("transactionID")),
        account=record.account(),
    )


def _opens(quantity: Decimal, opens: bool | None) -> bool | None:
    """Return whether a trade is of a short position: a sale that opens one, or a purchase that closes one."""
    return opens if opens is not None and (quantity < 0) == opens else None


def _explains(record: Record, price: Decimal | None, quantity: Decimal, multiplier: Decimal | None) -> bool:
    """Say whether price times quantity is the money of the trade; a fund's price may be one that was computed afterwards."""
    worth = record.number("tradeMoney", "proceeds")
    if price is None or worth is None:
        return price is not None
    off = abs(abs(price * quantity * (multiplier or 1)) - abs(worth))
    return off <= abs(quantity) * (multiplier or 1) * Decimal(1).scaleb(min(int(price.as_tuple().exponent), -2)) / 2 + PERCENT


def _signed(record: Record) -> Decimal:
    """Return the quantity of a trade with the sign of its side."""
    quantity = record.number("quantity")
    if quantity is None:
        raise LineRefused("missing_value", "quantity: nothing is stated; add Quantity to the Flex query.")
    return -abs(quantity) if record.text("buySell", "buy/sell").upper().startswith("SELL") else quantity


def _net_cash(record: Record) -> Decimal | None:
    """Return the money that a trade moved: as stated, or what it was worth less its costs in the same currency.

    Of futures it is left open, so that it follows from the price: what they were bought for comes back when they are sold, and
    what is left is the gain that was settled day by day.
    """
    if record.text("assetCategory", "assetClass").upper() in SETTLED_DAILY:
        return None
    net, worth = record.number("netCash"), _worth_less_costs(record)
    if worth is not None and (net is None or _commission_elsewhere(record) is not None):
        net = worth
    return None if net is None else money(net, "netCash")


def _worth_less_costs(record: Record) -> Decimal | None:
    """Return what a trade was worth, less its costs in the same currency, with the sign of money."""
    worth = record.number("proceeds", "tradeMoney")
    if worth is None:
        return None
    gross = abs(worth) if _signed(record) < 0 else -abs(worth)
    return gross - abs(_in_currency(record, "ibCommission")) - abs(record.number("taxes") or ZERO)


def _accrued(record: Record, cash: Decimal | None) -> Decimal:
    """Return the interest that had accrued where it is in the money of the trade; usually it is a movement of its own."""
    accrued, without = record.number("accruedInt", "accruedInterest"), _worth_less_costs(record)
    if not accrued or cash is None or without is None:
        return ZERO
    return accrued if abs(cash - without - accrued) < abs(cash - without) else ZERO


def _in_currency(record: Record, name: str) -> Decimal:
    """Return the commission of a trade where it is in the trade's currency."""
    other = record.text(f"{name}Currency").upper()
    return ZERO if other and other != record.text("currency", "currencyPrimary").upper() else record.number(name) or ZERO


def _commission_elsewhere(record: Record) -> Decimal | None:
    """Return the commission of a trade where it is in a currency of its own."""
    other, commission = record.text("ibCommissionCurrency").upper(), record.number("ibCommission")
    return commission if commission and other and other != record.text("currency", "currencyPrimary").upper() else None


def _fee(record: Record, commission: Decimal, number: str, at: datetime) -> Happening:
    """Return the commission of a trade as a fee of its own."""
    return Happening(
        kind=EntryKind.FEE,
        at=at,
        currency=currency_of(record.text("ibCommissionCurrency"), "ibCommissionCurrency"),
        cash=money(commission, "ibCommission"),
        notes=f"Commission: {record.text('symbol', 'description')}",
        id=number and f"{number}/fee",
        account=record.account(),
        group=number,
    )


def _exchange(record: Record) -> Iterator[Happening]:
    """Yield the two legs of an exchange of currencies, and its commission."""
    pair = PAIR.fullmatch(record.text("symbol").upper())
    if pair is None:
        raise LineRefused("bad_pair", "symbol: an exchange of currencies is of a pair such as EUR.USD.")
    at, day_only = record.traded()
    quantity, price = _signed(record), record.number("tradePrice", "price")
    worth = record.number("tradeMoney", "proceeds")
    if worth is None:
        worth = quantity * (price or ZERO)
    number = first_of(record.id("tradeID"), record.id("transactionID"))
    group = number or f"{at.isoformat()}|{pair[0]}|{quantity}|{worth}"
    legs = ((pair["base"], quantity), (pair["quoted"], -abs(worth) if quantity > 0 else abs(worth)))
    for currency, cash in legs:
        yield Happening(
            kind=EntryKind.FX,
            at=at,
            day_only=day_only,
            currency=currency_of(currency, "symbol"),
            price=price,
            cash=money(cash, "quantity"),
            notes=f"{pair[0]} {quantity:f}",
            id=number and f"{number}/{currency}",
            account=record.account(),
            group=group,
        )
    commission = record.number("ibCommission")
    if commission:
        yield _fee(record, commission, number or "", at)
