"""What Alpaca says that companies did to their shares, in our own words.

Unit splits, rights and redemptions have no words here: each is passed over, and counted as such with its reason.
"""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from marketdata.adapters.answers import mapping, number, sequence
from marketdata.adapters.base import ProviderFailed
from marketdata.domain.actions import ActionKind
from marketdata.domain.instruments import Listing
from marketdata.domain.money import round_to

Row = dict[str, object]
EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN)


def rows_of(answer: object, listing: Listing, what: str, skip: Callable[[str], None]) -> list[Row]:
    """Return the actions of an answer that happen to an instrument; `skip` is told of those that there are no words for.

    :raises ProviderFailed: if it makes no sense as a whole, or is about another instrument
    """
    rows = []
    for kind, came in mapping(answer or {}, what).items():
        for each in sequence(came, f"{what}: {kind}"):
            action = mapping(each, f"{what}: {kind}")
            if not any(action.get(name) == listing.symbol for name in SYMBOLS):
                raise ProviderFailed(f"{what}: it sends one of another instrument.")
            if kind not in KINDS:
                day = next((action[name] for name in DAYS if action.get(name)), "an unknown day")
                skip(f"{listing.key}: {kind.replace('_', ' ')} of {day}: there is no kind of action for these; enter it by hand.")
                continue
            read, own = KINDS[kind]
            if action.get(own) == listing.symbol:
                rows.append({name: value for name, value in read(action).items() if value not in {None, ""}})
    return rows


DAYS = ("ex_date", "effective_date", "process_date")
SYMBOLS = ("symbol", "old_symbol", "new_symbol", "source_symbol", "acquiree_symbol", "acquirer_symbol", "alternate_symbol")


def _common(action: Mapping[str, Any], kind: ActionKind, day: str = "ex_date") -> Row:
    ex_date, record_date, pay_date = (action.get(name) for name in (day, "record_date", "payable_date"))
    return {"kind": kind.value, "ex_date": ex_date, "record_date": record_date, "pay_date": pay_date}


def _ratio(action: Mapping[str, Any], new: str, old: str) -> object:
    """Return new units for one old one."""
    above, below = number(new, action.get(new)), number(old, action.get(old))
    if isinstance(above, Decimal) and isinstance(below, Decimal) and below:
        return round_to(EXACT.divide(above, below), 12)
    return above


def _split(action: Mapping[str, Any]) -> Row:
    return _common(action, ActionKind.SPLIT) | {"ratio": _ratio(action, "new_rate", "old_rate")}


def _stock_dividend(action: Mapping[str, Any]) -> Row:
    return _common(action, ActionKind.STOCK_DIVIDEND) | {"ratio": number("rate", action.get("rate"))}


def _cash_dividend(action: Mapping[str, Any]) -> Row:
    label = "special" if action.get("special") is True else ""
    return _common(action, ActionKind.CASH_DIVIDEND) | _cash(action, "rate") | {"label": label}


def _spin_off(action: Mapping[str, Any]) -> Row:
    own = {"ratio": _ratio(action, "new_rate", "source_rate"), "other": action.get("new_symbol")}
    return _common(action, ActionKind.SPIN_OFF) | own


def _cash_merger(action: Mapping[str, Any]) -> Row:
    return _common(action, ActionKind.MERGER, "effective_date") | _cash(action, "rate")


def _stock_merger(action: Mapping[str, Any]) -> Row:
    own = {"ratio": _ratio(action, "acquirer_rate", "acquiree_rate"), "other": action.get("acquirer_symbol")}
    return _common(action, ActionKind.MERGER, "effective_date") | own


def _stock_and_cash_merger(action: Mapping[str, Any]) -> Row:
    return _stock_merger(action) | _cash(action, "cash_rate")


def _name_change(action: Mapping[str, Any]) -> Row:
    own = {"old_symbol": action.get("old_symbol"), "new_symbol": action.get("new_symbol")}
    return _common(action, ActionKind.SYMBOL_CHANGE, "process_date") | own | {"record_date": None, "pay_date": None}


def _removal(action: Mapping[str, Any]) -> Row:
    return {"kind": ActionKind.DELISTING.value, "ex_date": action.get("process_date")}


def _cash(action: Mapping[str, Any], name: str) -> Row:
    return {"cash": number("cash", action.get(name)), "currency": "USD"}


# how each of its lists is read, and which of its fields names the instrument that it happens to
KINDS: Mapping[str, tuple[Callable[[Mapping[str, Any]], Row], str]] = {
    "forward_splits": (_split, "symbol"),
    "reverse_splits": (_split, "symbol"),
    "stock_dividends": (_stock_dividend, "symbol"),
    "cash_dividends": (_cash_dividend, "symbol"),
    "spin_offs": (_spin_off, "source_symbol"),
    "cash_mergers": (_cash_merger, "acquiree_symbol"),
    "stock_mergers": (_stock_merger, "acquiree_symbol"),
    "stock_and_cash_mergers": (_stock_and_cash_merger, "acquiree_symbol"),
    "name_changes": (_name_change, "old_symbol"),
    "worthless_removals": (_removal, "symbol"),
}
