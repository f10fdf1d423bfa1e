"""The words of the event log: its events become lines of a statement, and lines become events, without loss.

An event carries its figures in `data` under the names the old logs use: `action`, `ticker`, `shares`, `price`, `amount`. What
else is in there belongs to the entry's data. Two names are ours: `data` holds what of the entry's data would be mistaken for
a figure, and `ledger` how the entry is known: its source and group, and the entries it reverses or corrects.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from accounts.domain.event_data import SHOWN, EventData, short
from accounts.domain.json_text import storable
from accounts.domain.ledger import RULES, ZERO, EntryDraft, EntryKind, Need, Sign
from accounts.domain.statements import Contract, LineRefused, Reference, StatementLine
from marketdata.domain.money import plain

SOURCE = "event_log"
TRADE, ADJUSTMENT = "TRADE", "ADJUSTMENT"
ACTIONS = {
    "BUY": EntryKind.BUY,
    "SELL": EntryKind.SELL,
    "SHORT": EntryKind.SHORT,
    "COVER": EntryKind.COVER,
    "BUY_TO_OPEN": EntryKind.BUY,
    "SELL_TO_CLOSE": EntryKind.SELL,
    "SELL_TO_OPEN": EntryKind.SHORT,
    "SELL_SHORT": EntryKind.SHORT,
    "BUY_TO_CLOSE": EntryKind.COVER,
    "BUY_TO_COVER": EntryKind.COVER,
}
TRADES = frozenset({EntryKind.BUY, EntryKind.SELL, EntryKind.SHORT, EntryKind.COVER})
# events of the old logs that moved nothing
MERE_NOTES = frozenset({"PRICE_UPDATE", "GOAL_UPDATE", "STRATEGY_UPDATE", "INSIGHT_LOG"})

INSTRUMENT = ("instrument", "ticker", "symbol")
SHARES = ("shares", "quantity", "qty")
PRICE = ("price", "price_per_share")
FEE = ("fee", "fees", "commission")
TAX = ("tax", "taxes", "tax_withheld")
AMOUNT = ("amount", "total_amount")
WORDS = frozenset({*INSTRUMENT, *SHARES, *PRICE, *FEE, *TAX, *AMOUNT, "action", "currency", "data", "ledger"})
# the sign that turns an amount into cash
AMOUNT_SIGN = {
    EntryKind.DEPOSIT: 1,
    EntryKind.WITHDRAWAL: -1,
    EntryKind.DIVIDEND: 1,
    EntryKind.INTEREST: 1,
    EntryKind.FEE: -1,
    EntryKind.TAX: -1,
}
BEFORE_TAX = frozenset({EntryKind.DIVIDEND, EntryKind.INTEREST})
MAX_SOURCE, MAX_REASON, MAX_TAG, MAX_ID = 50, 100, 50, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event as its log states it; `cash` and `affects_cash` are None where the log says nothing."""

    id: str
    at: datetime
    names_zone: bool = True
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    reason: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""
    tags: Sequence[str] = ()
    affects_cash: bool | None = None
    cash: Decimal | None = None


def line_of(number: int, event: Event, *, contract: Contract | None = None) -> StatementLine:
    """Return the line of a statement that an event is.

    :raises LineRefused: if it states too little, or what can't be
    """
    data = EventData(event.data)
    known = _take_ledger(data.pop("ledger", {}))
    kind = _take_kind(event, data)
    figures = _take_figures(kind, data)
    instrument = _take_instrument(kind, data)
    currency = data.take_text("currency").upper()
    cash = _take_amount(kind, data, _cash_of(event), figures["tax"])
    primary, explanation = _take_reason(event.reason, data)
    draft = EntryDraft(
        kind=kind,
        occurred_at=event.at,
        currency=currency,
        cash=ZERO if cash is None else cash,
        data=_kept(kind, data.merged()),
        reason_primary=short(primary, MAX_REASON, "reason_json.primary"),
        reason_explanation=explanation,
        notes=event.notes or (_notes_of(event, explanation) if kind is EntryKind.NOTE and not known.reverses else ""),
        tags=tuple(short(tag, MAX_TAG, "tags") for tag in event.tags),
        source=known.source,
        external_id=short(event.id, MAX_ID, "event_id"),
        group=known.group,
        **figures,
    )
    return StatementLine(
        number=number,
        draft=draft,
        instrument=instrument,
        contract=contract,
        states_cash=cash is not None,
        names_zone=event.names_zone,
        reverses=known.reverses,
        corrects=known.corrects,
    )


def event_of(line: StatementLine) -> Event:
    """Return the event that a complete line is written as; `line_of` makes the same line of it."""
    draft, kind = line.draft, line.draft.kind
    rest = dict(draft.data)
    reason, name = _give_reason(draft, rest), _give_type(line, rest)
    data: dict[str, Any] = {key: value for key, value in rest.items() if key not in WORDS}
    if apart := {key: value for key, value in rest.items() if key in WORDS}:
        data["data"] = apart
    if kind in TRADES:
        data["action"] = kind.value
    if line.instrument:
        data |= {"instrument": line.instrument, "ticker": line.instrument.partition(":")[0]}
    figures = {"shares": draft.quantity * RULES[kind].moves, "fee": draft.fee, "tax": draft.tax}
    data |= {key: value for key, value in figures.items() if value}
    if draft.price is not None:
        data["price"] = draft.price
    if kind in AMOUNT_SIGN:
        data["amount"] = _amount_of(kind, draft.cash, draft.tax)
    if ledger := _give_ledger(line):
        data["ledger"] = ledger
    return Event(
        id=draft.external_id,
        at=draft.occurred_at,
        type=name,
        data=data | {"currency": draft.currency},
        reason=reason,
        notes=draft.notes,
        tags=draft.tags,
        affects_cash=bool(draft.cash),
        cash=draft.cash,
    )


def _take_kind(event: Event, data: EventData) -> EntryKind:
    """Return the kind of an event, and keep in its data what its type says beyond it."""
    name = as_word(event.type)
    if name == TRADE:
        action = as_word(data.take_text("action"))
        if action not in ACTIONS:
            raise LineRefused("unknown_action", f"data.action: {action[:SHOWN]!r} is none of {', '.join(ACTIONS)}.")
        return ACTIONS[action]
    if name in EntryKind.__members__:
        return EntryKind(name)
    kind = _kind_of_old(name, _cash_of(event) or ZERO)
    if kind is None:
        raise LineRefused(
            "unknown_event_type",
            f"event_type: {event.type[:SHOWN]!r} is unknown; write TRADE (with data.action) or one of {', '.join(EntryKind)}.",
        )
    data.put("event_type", name)
    return kind


def _kind_of_old(name: object, cash: Decimal) -> EntryKind | None:
    """Return the kind of entry that a type of event is which only the old logs have."""
    if name == ADJUSTMENT and cash:
        return EntryKind.TRANSFER_IN if cash > 0 else EntryKind.TRANSFER_OUT
    return EntryKind.NOTE if name == ADJUSTMENT or (isinstance(name, str) and name in MERE_NOTES) else None


def _give_type(line: StatementLine, rest: dict[str, Any]) -> str:
    """Return the type a line is written under; an old one is taken out of its data."""
    draft = line.draft
    if line.reverses is None and _kind_of_old(rest.get("event_type"), draft.cash) is draft.kind:
        return str(rest.pop("event_type"))
    return TRADE if draft.kind in TRADES else draft.kind.value


def _cash_of(event: Event) -> Decimal | None:
    """Return the cash an event states, or None where it has to follow from its figures."""
    if event.affects_cash is False and event.cash:
        raise LineRefused("affects_cash", f"affects_cash says no, but cash_delta is {plain(event.cash)}: correct one of them.")
    return ZERO if event.affects_cash is False else event.cash


def _take_figures(kind: EntryKind, data: EventData) -> dict[str, Any]:
    """Take the figures that a kind of entry has out of an event's data; what it has not stays there."""
    rule = RULES[kind]
    shares = data.take_shares(SHARES) if rule.quantity is not Sign.NONE else None
    return {
        "quantity": (shares or ZERO) * rule.moves,
        "price": data.take_money(PRICE) if rule.price is not Need.REFUSED else None,
        "fee": data.take_money(FEE) or ZERO,
        "tax": data.take_money(TAX) or ZERO,
    }


def _take_instrument(kind: EntryKind, data: EventData) -> str:
    """Take the name of the instrument out of an event's data, where its kind has one."""
    need = RULES[kind].instrument
    if need is Need.REFUSED:
        return ""
    # an old note may mention anything, so its ticker says nothing
    name = data.take_text(*(INSTRUMENT[:1] if kind is EntryKind.NOTE else INSTRUMENT)).upper()
    if not name and need is Need.REQUIRED:
        raise LineRefused("missing_ticker", f"data.ticker: a {kind} needs its instrument.")
    if name and data.get("ticker") == name.partition(":")[0]:
        del data["ticker"]
    return name


def _take_amount(kind: EntryKind, data: EventData, cash: Decimal | None, tax: Decimal) -> Decimal | None:
    """Return the cash, computed from the amount where only that is stated."""
    amount = data.take_money(AMOUNT) if kind in AMOUNT_SIGN else None
    if amount is None:
        return cash
    if cash is None:
        return (amount - tax if kind in BEFORE_TAX else amount) * AMOUNT_SIGN[kind]
    if amount != _amount_of(kind, cash, tax):
        raise LineRefused(
            "contradicting_amount", f"data.amount says {plain(amount)}, cash_delta {plain(cash)}: correct one, or state the tax."
        )
    return cash


def _amount_of(kind: EntryKind, cash: Decimal, tax: Decimal) -> Decimal:
    """Return the amount that an event of a kind states beside its cash."""
    return cash * AMOUNT_SIGN[kind] + (tax if kind in BEFORE_TAX else ZERO)


def _take_reason(reason: Mapping[str, Any], data: EventData) -> tuple[str, str]:
    """Return the primary reason and its explanation; what else the old logs say there goes to the data."""
    said = {name: value for name, value in reason.items() if value is not None and value != ""}
    primary, explanation = said.pop("primary", ""), said.pop("explanation", "")
    if not isinstance(primary, str) or not isinstance(explanation, str):
        raise LineRefused("bad_reason", "reason_json: primary and explanation must be texts.")
    if said:
        data.put("reason_json", said)
    return primary, explanation


def _give_reason(draft: EntryDraft, rest: dict[str, Any]) -> dict[str, Any]:
    """Return the reason of an entry, with what else of it is in the entry's data."""
    own = {"primary": draft.reason_primary, "explanation": draft.reason_explanation}
    said = rest.get("reason_json")
    if (
        isinstance(said, dict)
        and said
        and not any(value in (None, "") for value in said.values())
        and not own.keys() & said.keys()
    ):
        own |= rest.pop("reason_json")
    return {name: value for name, value in own.items() if value != ""}


def _notes_of(event: Event, explanation: str) -> str:
    """Return what an old event without notes has to say: a note needs some."""
    content = event.data.get("content")
    return (content if isinstance(content, str) else "") or explanation or event.type.strip()


def _kept(kind: EntryKind, data: dict[str, Any]) -> dict[str, Any]:
    """Return data as the ledger keeps it: what it computes with is a text."""
    gross = data.get("gross")
    if kind in BEFORE_TAX and isinstance(gross, Decimal | int) and not isinstance(gross, bool):
        data["gross"] = plain(Decimal(gross))
    kept: dict[str, Any] = storable(data)
    return kept


@dataclass(frozen=True, slots=True)
class _Known:
    """How the ledger knows an entry."""

    source: str
    group: UUID | None
    reverses: Reference | None
    corrects: Reference | None


def _take_ledger(stated: object) -> _Known:
    """Return how the ledger knows the entry of an event."""
    if not isinstance(stated, dict) or stated.keys() - {"source", "group", "reverses", "corrects"}:
        raise LineRefused("bad_data", "data.ledger must be an object of source, group, reverses and corrects.")
    source = stated.get("source", SOURCE)
    if not isinstance(source, str) or not source:
        raise LineRefused("bad_data", "data.ledger.source must be a text.")
    return _Known(
        short(source, MAX_SOURCE, "data.ledger.source"),
        _group_of(stated.get("group")),
        _reference_of(stated.get("reverses"), "reverses"),
        _reference_of(stated.get("corrects"), "corrects"),
    )


def _group_of(value: object) -> UUID | None:
    try:
        return None if value is None else UUID(value if isinstance(value, str) else "")
    except ValueError as error:
        raise LineRefused("bad_data", "data.ledger.group must be a UUID.") from error


def _reference_of(value: object, name: str) -> Reference | None:
    """Return the entry an event refers to: by its event_id, or by source and event_id where the source is another."""
    if value is None:
        return None
    other = value if isinstance(value, dict) and value.keys() == {"source", "event_id"} else {"source": SOURCE, "event_id": value}
    source, external_id = other["source"], other["event_id"]
    if type(external_id) is int:
        external_id = str(external_id)
    if not isinstance(source, str) or not isinstance(external_id, str) or not external_id:
        raise LineRefused("bad_data", f"data.ledger.{name} must be an event_id.")
    return Reference(source, external_id)


def _give_ledger(line: StatementLine) -> dict[str, Any]:
    """Return how the ledger knows an entry, as far as it is not the usual."""
    ledger: dict[str, Any] = {
        name: each.external_id if each.source == SOURCE else {"source": each.source, "event_id": each.external_id}
        for name, each in (("reverses", line.reverses), ("corrects", line.corrects))
        if each
    }
    if line.draft.source != SOURCE:
        ledger["source"] = line.draft.source
    if line.draft.group:
        ledger["group"] = str(line.draft.group)
    return ledger


def as_word(text: str) -> str:
    """Return a name as the vocabulary spells it.

    >>> as_word(" Return of-capital ")
    'RETURN_OF_CAPITAL'
    """
    return re.sub(r"[\s\-]+", "_", text.strip()).upper()
