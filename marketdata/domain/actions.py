"""What companies do to their shares: the kinds, what each of them says, and how rows of them are read."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketdata.domain.instruments import BadSymbol, check_symbol
from marketdata.domain.money import MINOR_UNITS, in_major_units
from marketdata.domain.quality import Dataset, Finding, Rule, Severity, as_text, finding, register
from marketdata.domain.rows import Unreadable, read_currency, read_day, read_instrument, read_number, read_size

EARLIEST = date(1900, 1, 1)
MAX_LABEL, MAX_NOTES = 40, 2000
BELIEVABLE = (Decimal("0.01"), Decimal(100))


class ActionKind(enum.StrEnum):
    """What happens to the holders of an instrument on its ex-date."""

    SPLIT = "SPLIT"
    CASH_DIVIDEND = "CASH_DIVIDEND"
    STOCK_DIVIDEND = "STOCK_DIVIDEND"
    SPIN_OFF = "SPIN_OFF"
    MERGER = "MERGER"
    SYMBOL_CHANGE = "SYMBOL_CHANGE"
    DELISTING = "DELISTING"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a kind of action says: the fields it needs, and those it may have beside them."""

    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields the kind may have."""
        return (*self.needs, *self.takes)


DATES = ("record_date", "pay_date")
TERMS: Mapping[ActionKind, Terms] = {
    ActionKind.SPLIT: Terms(("ratio",), DATES),
    ActionKind.CASH_DIVIDEND: Terms(("cash", "currency"), DATES),
    ActionKind.STOCK_DIVIDEND: Terms(("ratio",), DATES),
    ActionKind.SPIN_OFF: Terms(("ratio", "other"), ("cost_fraction", *DATES)),
    ActionKind.MERGER: Terms((), ("ratio", "other", "cash", "currency", *DATES)),
    ActionKind.SYMBOL_CHANGE: Terms(("new_symbol",), ("old_symbol",)),
    ActionKind.DELISTING: Terms(()),
}
KEY = ("instrument", "ex_date", "kind", "label")
FIGURES = ("record_date", "pay_date", "ratio", "cash", "currency", "other", "new_symbol", "old_symbol", "cost_fraction")
COLUMNS = (*KEY, *FIGURES, "notes")
TEXTS = ("label", "currency", "new_symbol", "old_symbol", "notes")


@dataclass(frozen=True, slots=True)
class ActionDraft:
    """An action that was read; what its kind does not have is empty."""

    instrument: UUID
    ex_date: date
    kind: ActionKind
    label: str = ""
    record_date: date | None = None
    pay_date: date | None = None
    ratio: Decimal | None = None
    cash: Decimal | None = None
    currency: str = ""
    other: UUID | None = None
    new_symbol: str = ""
    old_symbol: str = ""
    cost_fraction: Decimal | None = None
    notes: str = ""

    @property
    def key(self) -> tuple[UUID, date, str, str]:
        """What it is known by."""
        return self.instrument, self.ex_date, self.kind.value, self.label

    @property
    def figures(self) -> tuple[Any, ...]:
        """What two drafts of one key must agree on."""
        return tuple(getattr(self, name) for name in FIGURES)


for _name, _description in {
    "unknown_action": "The kind is none of " + " ".join(ActionKind) + ".",
    "not_of_this_kind": "This kind of action has no such value; leave it out.",
    "bad_symbol": "The text is not a symbol.",
    "ratio_is_positive": "The ratio is not above zero.",
    "split_changes_something": "A split of one for one splits nothing.",
    "cash_is_positive": "The payment is not above zero.",
    "cost_fraction_is_a_part": "The part of the cost is not between 0 and 1.",
    "merger_pays_something": "A merger pays cash in a currency, units of another instrument by a ratio, or both.",
    "other_is_another": "What is received is the instrument itself.",
    "symbol_changes": "The new symbol is the old one.",
    "paid_not_before_the_ex_date": "The payment lies before the ex-date.",
    "not_that_long_ago": "The day lies before 1900.",
    "not_its_symbol": "The instrument is not called by that old symbol.",
    "symbol_is_taken": "Another instrument on that exchange has that symbol.",
}.items():
    register(Rule(_name, Severity.ERROR, _description, datasets=frozenset({Dataset.CORPORATE_ACTIONS}), essential=True))
for _name, _field, _description in (
    (
        "conflicting_action",
        "",
        "The same action came before with other figures; the first ones are kept until a correction is sent.",
    ),
    ("believable_ratio", "ratio", "The ratio is beyond 1:100 and 100:1; was it meant the other way round?"),
    ("dividend_below_price", "cash", "The dividend is not below the last close before it; was it meant in another unit?"),
    ("recorded_after_the_ex_date", "record_date", "The record date lies over a month from the ex-date."),
    ("announced_lately", "ex_date", "The ex-date lies over two years ahead."),
):
    _essential = _name == "conflicting_action"
    register(Rule(_name, Severity.WARNING, _description, _field, frozenset({Dataset.CORPORATE_ACTIONS}), essential=_essential))


def read_action(row: object, *, index: int = 0) -> tuple[ActionDraft | None, list[Finding]]:
    """Return the action that a row says, or what is wrong with the row, field by field.

    Numbers are decimals or their plain spelling, never floats. A payment in a minor unit, such as pence (GBX), is kept in the
    currency it is a part of.

    >>> draft, faults = read_action({"instrument": UUID(int=1), "kind": "SPLIT", "ex_date": "2020-08-31", "ratio": "4"})
    >>> draft.ratio, faults
    (Decimal('4.000000000000'), [])
    >>> draft, faults = read_action({"instrument": UUID(int=1), "kind": "SPLIT", "ex_date": "2020-08-31", "cash": "1"})
    >>> [(fault.field, fault.rule) for fault in faults]
    [('ratio', 'missing'), ('cash', 'not_of_this_kind')]
    """
    if not isinstance(row, Mapping):
        return None, [finding("not_a_row", index=index, value=row)]
    faults: list[Finding] = []
    values = {name: _read(name, row, index, faults) for name in COLUMNS}
    if faults:
        return None, faults + (_unfitting(values, row, index) if values.get("kind") else [])
    faults = _unfitting(values, row, index) or _contradictions(values, index)
    return (None, faults) if faults else (ActionDraft(**_in_units_of_money(values)), [])


def doubts(draft: ActionDraft, *, index: int, today: date, close: Decimal | float | None = None) -> list[Finding]:
    """Return what is odd about an action though it may be so; `close` is the last one before the ex-date, in its currency.

    >>> odd = ActionDraft(UUID(int=1), date(2020, 8, 31), ActionKind.SPLIT, ratio=Decimal(400))
    >>> [doubt.rule for doubt in doubts(odd, index=0, today=date(2020, 9, 1))]
    ['believable_ratio']
    """
    low, high = BELIEVABLE
    odd = {
        "believable_ratio": draft.ratio is not None and draft.kind is ActionKind.SPLIT and not low <= draft.ratio <= high,
        "dividend_below_price": draft.kind is ActionKind.CASH_DIVIDEND
        and close is not None
        and draft.cash is not None
        and draft.cash >= Decimal(str(close)) > 0,
        "recorded_after_the_ex_date": draft.record_date is not None and abs((draft.record_date - draft.ex_date).days) > 31,  # noqa: PLR2004
        "announced_lately": (draft.ex_date - today).days > 731,  # noqa: PLR2004
    }
    values = {"ratio": draft.ratio, "cash": draft.cash, "record_date": draft.record_date, "ex_date": draft.ex_date}
    fields = {"believable_ratio": "ratio", "dividend_below_price": "cash", "recorded_after_the_ex_date": "record_date"}
    return [
        finding(name, index=index, field=(field := fields.get(name, "ex_date")), value=values[field])
        for name, found in odd.items()
        if found
    ]


def read_kind(value: object) -> ActionKind:
    """Return the kind of an action.

    :raises Unreadable: if it is none
    """
    try:
        return ActionKind(str(value))
    except ValueError as error:
        raise Unreadable("unknown_action") from error


def _read_text(longest: int) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or "\x00" in value:
            raise Unreadable("not_a_text")
        if len(value) > longest:
            raise Unreadable("text_too_long", f"At most {longest} characters are kept.")
        return value

    return read


def _read_ex_date(value: object) -> date:
    day = read_day(value)
    if day < EARLIEST:
        raise Unreadable("not_that_long_ago")
    return day


def _read_symbol(value: object) -> str:
    try:
        check_symbol(value if isinstance(value, str) else "")
    except BadSymbol as refusal:
        raise Unreadable("bad_symbol", str(refusal)) from refusal
    return str(value)


def _read_money_code(value: object) -> str:
    return value if isinstance(value, str) and value in MINOR_UNITS else read_currency(value)


def _read_ratio(value: object) -> Decimal:
    ratio = read_size(value)
    if ratio <= 0:
        raise Unreadable("ratio_is_positive")
    return ratio


def _read_cash(value: object) -> Decimal:
    cash = read_number(value)
    if cash <= 0:
        raise Unreadable("cash_is_positive")
    return cash


def _read_part(value: object) -> Decimal:
    part = read_size(value)
    if not 0 <= part <= 1:
        raise Unreadable("cost_fraction_is_a_part")
    return part


READERS: Mapping[str, Callable[[object], Any]] = {
    "instrument": read_instrument,
    "ex_date": _read_ex_date,
    "kind": read_kind,
    "label": _read_text(MAX_LABEL),
    "record_date": _read_ex_date,
    "pay_date": _read_ex_date,
    "ratio": _read_ratio,
    "cash": _read_cash,
    "currency": _read_money_code,
    "other": read_instrument,
    "new_symbol": _read_symbol,
    "old_symbol": _read_symbol,
    "cost_fraction": _read_part,
    "notes": _read_text(MAX_NOTES),
}
NEEDED = ("instrument", "ex_date", "kind")


def _read(name: str, row: Mapping[Any, Any], index: int, faults: list[Finding]) -> Any:
    """Return one value of a row; where it can't be read, note the fault."""
    value = row.get(name)
    if value is None or value == "":
        if name in NEEDED:
            faults.append(finding("missing", index=index, field=name))
        return "" if name in TEXTS else None
    try:
        return READERS[name](value)
    except Unreadable as fault:
        faults.append(finding(fault.rule, index=index, field=name, value=as_text(value), detail=str(fault)))
        return None


def _unfitting(values: Mapping[str, Any], row: Mapping[Any, Any], index: int) -> list[Finding]:
    """Return which fields the kind lacks, and which it has not."""
    terms = TERMS[values["kind"]]
    given = [name for name in FIGURES if row.get(name) not in (None, "")]
    missing = [finding("missing", index=index, field=name) for name in terms.needs if name not in given]
    return missing + [
        finding(
            "not_of_this_kind",
            index=index,
            field=name,
            value=as_text(row[name]),
            detail=f"A {values['kind']} has no {name}; leave it out.",
        )
        for name in given
        if name not in terms.fields
    ]


def _contradictions(values: Mapping[str, Any], index: int) -> list[Finding]:
    """Return what can't be true together."""
    kind = values["kind"]
    in_cash, in_units = (values["cash"], values["currency"]), (values["ratio"], values["other"])
    half = bool(in_cash[0]) is not bool(in_cash[1]) or bool(in_units[0]) is not bool(in_units[1])
    tiny = values["currency"] in MINOR_UNITS and values["cash"] is not None and values["cash"] % Decimal("1e-8") != 0
    early = values["pay_date"] is not None and values["pay_date"] < values["ex_date"]
    wrong = {
        ("split_changes_something", "ratio"): kind is ActionKind.SPLIT and values["ratio"] == 1,
        ("merger_pays_something", "cash"): kind is ActionKind.MERGER and (half or not (any(in_cash) or any(in_units))),
        ("number_too_precise", "cash"): tiny,
        ("other_is_another", "other"): values["other"] is not None and values["other"] == values["instrument"],
        ("symbol_changes", "new_symbol"): bool(values["new_symbol"]) and values["new_symbol"] == values["old_symbol"],
        ("paid_not_before_the_ex_date", "pay_date"): early and kind is ActionKind.CASH_DIVIDEND,
    }
    return [finding(rule, index=index, field=name, value=values[name] or "") for (rule, name), broken in wrong.items() if broken]


def _in_units_of_money(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with a payment in the currency that is kept."""
    if values["currency"] not in MINOR_UNITS:
        return dict(values)
    currency, cash = in_major_units(values["cash"], values["currency"])
    return {**values, "currency": currency, "cash": cash}
