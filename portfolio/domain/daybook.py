"""What moved on a day: enough to value the day, and every later one, without reading the ledger again."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from portfolio.domain.exact import ZERO, plain


class Flow(NamedTuple):
    """Money that came from outside, or went there where below zero; `rate` if the entry says what it was worth.

    `group` names the transfer it is a leg of: between accounts that are looked at together it is no flow.
    """

    currency: str
    amount: Decimal
    rate: Decimal | None = None
    group: str | None = None


class Transfer(NamedTuple):
    """Units that came or went without being traded.

    They count at the market value of the day, else at `amount`. `external`: to or from another account, so a flow;
    else from one instrument to another.
    """

    instrument: str
    quantity: Decimal
    currency: str
    amount: Decimal | None
    external: bool
    group: str | None = None


class Cause(enum.StrEnum):
    """What an amount of an entry was, beside prices and rates; the letters are what is stored."""

    INCOME = "d"
    INTEREST = "i"
    FEE = "f"
    TAX = "t"


class Item(NamedTuple):
    """What amounts are added up under: the cause, the instrument ("" for the account itself), the currency, the entry's rate."""

    cause: Cause
    instrument: str
    currency: str
    rate: Decimal | None


@dataclass(slots=True)
class Day:
    """The moves of one day."""

    units: dict[str, Decimal] = field(default_factory=dict)  # held at its end, of the instruments that moved
    paid: dict[str, Decimal] = field(default_factory=dict)  # put into an instrument less taken out, in its currency
    cash: dict[str, Decimal] = field(default_factory=dict)  # balances at its end, of the currencies that moved
    owed: dict[str, Decimal] = field(default_factory=dict)  # liabilities at its end, of the currencies that moved
    flows: list[Flow] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    items: dict[Item, Decimal] = field(default_factory=dict)  # income, interest, fees and taxes, before one another
    turned: dict[str, Decimal] = field(default_factory=dict)  # by exchanges: what came of a currency less what went

    def note(self, cause: Cause, instrument: str, currency: str, rate: Decimal | None, amount: Decimal) -> None:
        """Add an amount to what was earned or charged."""
        if amount:
            item = Item(cause, instrument, currency, rate)
            self.items[item] = self.items.get(item, ZERO) + amount

    def turn(self, currency: str, amount: Decimal) -> None:
        """Add an amount to what came by exchanging currencies."""
        self.turned[currency] = self.turned.get(currency, ZERO) + amount

    def merge(self, later: Day) -> None:
        """Add the moves that came later on the same day."""
        self.units |= later.units
        self.cash |= later.cash
        self.owed |= later.owed
        self.flows += later.flows
        self.transfers += later.transfers
        for instrument, amount in later.paid.items():
            self.paid[instrument] = self.paid.get(instrument, ZERO) + amount
        for item, amount in later.items.items():
            self.items[item] = self.items.get(item, ZERO) + amount
        for currency, amount in later.turned.items():
            self.turn(currency, amount)

    def as_json(self) -> dict[str, Any]:
        """Return the moves in types JSON knows, numbers as plain text; empty parts are left out."""
        parts: dict[str, Any] = {
            "units": {key: plain(value) for key, value in self.units.items()},
            "paid": {key: plain(value) for key, value in self.paid.items()},
            "cash": {key: plain(value) for key, value in self.cash.items()},
            "owed": {key: plain(value) for key, value in self.owed.items()},
            "flows": [_bare(flow.currency, plain(flow.amount), _text(flow.rate), flow.group) for flow in self.flows],
            "transfers": [
                _bare(one.instrument, plain(one.quantity), one.currency, _text(one.amount), one.external, one.group)
                for one in self.transfers
            ],
            "items": [
                _bare(plain(amount), item.cause.value, item.currency, item.instrument or None, _text(item.rate))
                for item, amount in self.items.items()
            ],
            "turned": {key: plain(value) for key, value in self.turned.items()},
        }
        return {name: part for name, part in parts.items() if part}

    @classmethod
    def of_json(cls, parts: Mapping[str, Any]) -> Day:
        """Return the moves that were written by `as_json`."""
        return cls(
            units={key: Decimal(value) for key, value in parts.get("units", {}).items()},
            paid={key: Decimal(value) for key, value in parts.get("paid", {}).items()},
            cash={key: Decimal(value) for key, value in parts.get("cash", {}).items()},
            owed={key: Decimal(value) for key, value in parts.get("owed", {}).items()},
            flows=[_flow(*fields) for fields in parts.get("flows", [])],
            transfers=[
                Transfer(key, Decimal(quantity), currency, _number(amount), external, *group)
                for key, quantity, currency, amount, external, *group in parts.get("transfers", [])
            ],
            items={_item(*fields): Decimal(amount) for amount, *fields in parts.get("items", [])},
            turned={key: Decimal(value) for key, value in parts.get("turned", {}).items()},
        )


def _bare(*fields: Any) -> list[Any]:
    """Return fields without the empty ones at their end."""
    kept = list(fields)
    while kept and kept[-1] is None:
        kept.pop()
    return kept


def _flow(currency: str, amount: str, rate: str | None = None, group: str | None = None) -> Flow:
    """Return the flow that was written as these fields."""
    return Flow(currency, Decimal(amount), _number(rate), group)


def _item(cause: str, currency: str, instrument: str | None = None, rate: str | None = None) -> Item:
    """Return the item that was written as these fields."""
    return Item(Cause(cause), instrument or "", currency, _number(rate))


def _text(number: Decimal | None) -> str | None:
    """Return a number as text, or nothing for none."""
    return None if number is None else plain(number)


def _number(text: str | None) -> Decimal | None:
    """Return the number of a text, or none for nothing."""
    return None if text is None else Decimal(text)
