"""Options in the old logs: a position is opened by one event and ended by another that only points to it."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from accounts.domain.event_data import EventData, read_number
from accounts.domain.events import Event, as_word
from accounts.domain.ledger import ZERO
from accounts.domain.statements import Contract, LineRefused
from marketdata.domain.money import round_to

OPEN, CLOSE, EXPIRE, ASSIGN = "OPTION_OPEN", "OPTION_CLOSE", "OPTION_EXPIRE", "OPTION_ASSIGN"
ENDS = {CLOSE: "TRADE", EXPIRE: "OPTION_EXPIRATION", ASSIGN: "OPTION_ASSIGNMENT"}
UNITS = 100  # shares that one contract stands for
PRICE_PLACES = 10
POINTERS = ("option_id", "position_id", "uuid")


@dataclass(frozen=True, slots=True)
class _Position:
    """What an event opened; `held` is negative where the option was sold."""

    contract: Contract
    held: Decimal


class OptionLog:
    """Turns the option events of a log, given in their order, into trades and expirations of contracts."""

    def __init__(self) -> None:
        self.opened: dict[tuple[str, str], _Position] = {}

    def plain(self, event: Event) -> tuple[Event, Contract | None]:
        """Return an event without the old words, and the contract it is about; any other event comes back as it is.

        :raises LineRefused: if it does not say which contract, or how many
        """
        name = as_word(event.type)
        if name == OPEN:
            return self._open(event)
        return self._end(event, name) if name in ENDS else (event, None)

    def _open(self, event: Event) -> tuple[Event, Contract]:
        """Return the purchase or the sale that opens a position, and remember it."""
        data = EventData(event.data)
        contract = _contract_of(data)
        sold = _is_sold(event, data.take_text("action"))
        contracts = _contracts_of(data)
        position = _Position(contract, -contracts if sold else contracts)
        self.opened |= dict.fromkeys([("option_id", event.id), *_pointers(event.data)], position)
        return _trade(event, data, position, contracts, opens=True), contract

    def _end(self, event: Event, name: str) -> tuple[Event, Contract]:
        """Return the trade, expiration or assignment that ends a position."""
        position = next((self.opened[key] for key in _pointers(event.data) if key in self.opened), None)
        if position is None:
            raise LineRefused("unknown_option", "data.option_id: no event before this one has opened that option.")
        data = EventData(event.data)
        data.take_text("action")
        if name == CLOSE:
            return _trade(event, data, position, abs(position.held), opens=False), position.contract
        data |= {"instrument": position.contract.symbol, "shares": -position.held}
        return replace(event, type=ENDS[name], data=data), position.contract


def _trade(event: Event, data: EventData, position: _Position, contracts: Decimal, *, opens: bool) -> Event:
    """Return the trade of a position: its price follows from the cash that moved."""
    cash = event.cash
    if cash is None:
        raise LineRefused("missing_cash", "cash_delta: an option event needs the premium that moved.")
    buys = (position.held > 0) == opens
    action = ("BUY" if buys else "SHORT") if opens else ("COVER" if buys else "SELL")
    price = round_to(abs(cash) / (contracts * UNITS), PRICE_PLACES)
    figures = {"action": action, "instrument": position.contract.symbol, "shares": contracts, "price": price}
    return replace(event, type="TRADE", data=data | figures | {"rounding": "The price follows from the premium."})


def _contract_of(data: EventData) -> Contract:
    """Return the terms of the option that an event opens; they stay in its data as well."""
    underlying = data.take_text("ticker", "symbol").upper()
    strategy = f"{data.get('option_type', '')} {data.get('strategy', '')}".lower()
    rights = [right for right in ("CALL", "PUT") if right.lower() in strategy]
    if len(rights) != 1:
        raise LineRefused("bad_option", "data.strategy: it does not say whether the option is a call or a put.")
    try:
        expiry = date.fromisoformat(str(data.get("expiration", "")))
    except ValueError as error:
        raise LineRefused("bad_option", "data.expiration: write the day as YYYY-MM-DD.") from error
    strike = read_number(data.get("strike", ""), "data.strike", places=3)
    if not underlying.isalnum() or not 0 < strike < Decimal(10**5):
        raise LineRefused("bad_option", "data: an option needs the ticker of a share and a strike above zero.")
    data["underlying"] = underlying
    return Contract(underlying, expiry, rights[0], strike)


def _contracts_of(data: EventData) -> Decimal:
    """Return how many contracts an event opens; one, where it does not say."""
    contracts = read_number(data.get("contracts", 1), "data.contracts", places=0)
    if contracts <= 0:
        raise LineRefused("bad_option", "data.contracts: the number of contracts must be above zero.")
    return contracts


def _is_sold(event: Event, action: str) -> bool:
    """Say whether an option was sold: the action says it, or else the premium that came in."""
    return as_word(action) in {"SELL", "SELL_TO_OPEN"} if action else (event.cash or ZERO) >= 0


def _pointers(data: Any) -> list[tuple[str, str]]:
    """Return the names by which an event points to a position."""
    return [(name, str(data[name])) for name in POINTERS if data.get(name) not in (None, "")]
