"""What moved on a day: enough to value the day, and every later one, without reading the ledger again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from portfolio.domain.exact import ZERO, plain


class Flow(NamedTuple):
    """Money that came from outside, or went there where below zero; `rate` if the entry says what it was worth."""

    currency: str
    amount: Decimal
    rate: Decimal | None = None


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


@dataclass(slots=True)
class Day:
    """The moves of one day."""

    units: dict[str, Decimal] = field(default_factory=dict)  # held at its end, of the instruments that moved
    paid: dict[str, Decimal] = field(default_factory=dict)  # put into an instrument less taken out, in its currency
    cash: dict[str, Decimal] = field(default_factory=dict)  # balances at its end, of the currencies that moved
    owed: dict[str, Decimal] = field(default_factory=dict)  # liabilities at its end, of the currencies that moved
    flows: list[Flow] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)

    def merge(self, later: Day) -> None:
        """Add the moves that came later on the same day."""
        self.units |= later.units
        self.cash |= later.cash
        self.owed |= later.owed
        self.flows += later.flows
        self.transfers += later.transfers
        for instrument, amount in later.paid.items():
            self.paid[instrument] = self.paid.get(instrument, ZERO) + amount

    def as_json(self) -> dict[str, Any]:
        """Return the moves in types JSON knows, numbers as plain text; empty parts are left out."""
        parts: dict[str, Any] = {
            "units": {key: plain(value) for key, value in self.units.items()},
            "paid": {key: plain(value) for key, value in self.paid.items()},
            "cash": {key: plain(value) for key, value in self.cash.items()},
            "owed": {key: plain(value) for key, value in self.owed.items()},
            "flows": [[flow.currency, plain(flow.amount), _text(flow.rate)] for flow in self.flows],
            "transfers": [
                [one.instrument, plain(one.quantity), one.currency, _text(one.amount), one.external] for one in self.transfers
            ],
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
            flows=[Flow(currency, Decimal(amount), _number(rate)) for currency, amount, rate in parts.get("flows", [])],
            transfers=[
                Transfer(key, Decimal(quantity), currency, _number(amount), external)
                for key, quantity, currency, amount, external in parts.get("transfers", [])
            ],
        )


def _text(number: Decimal | None) -> str | None:
    """Return a number as text, or nothing for none."""
    return None if number is None else plain(number)


def _number(text: str | None) -> Decimal | None:
    """Return the number of a text, or none for nothing."""
    return None if text is None else Decimal(text)
