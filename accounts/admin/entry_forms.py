"""The form in which people write an entry: it shows what its kind takes, and the service has the last word."""

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget
from uuid_utils.compat import uuid7

from accounts.admin.base import user_of
from accounts.domain.ledger import (
    CLOCK_SKEW,
    GIVES_CASH,
    RULES,
    TAKES_CASH,
    TRANSFERS,
    EntryDraft,
    EntryKind,
    EntryRefused,
    Need,
    Sign,
    from_magnitudes,
)
from accounts.domain.roles import Role
from accounts.models import LedgerEntry
from accounts.selectors.instruments import currency_meant
from accounts.services import ledger
from marketdata.admin.base import ServiceForm, find
from marketdata.domain.money import plain
from marketdata.domain.rows import read_number

TEXTS = ("reason_primary", "reason_explanation", "notes", "external_id")
COSTLESS = frozenset({EntryKind.DEPOSIT, EntryKind.WITHDRAWAL, EntryKind.SPLIT, EntryKind.SPIN_OFF})
GROSS = frozenset({EntryKind.DIVIDEND, EntryKind.INTEREST})
# the fields that not every kind takes, with the kinds that do
TAKEN_BY: Mapping[str, frozenset[EntryKind]] = {
    "instrument": frozenset(kind for kind, rule in RULES.items() if rule.instrument is not Need.REFUSED),
    "price": frozenset(kind for kind, rule in RULES.items() if rule.price is not Need.REFUSED),
    "quantity": frozenset(kind for kind, rule in RULES.items() if rule.quantity is not Sign.NONE),
    "cash": frozenset(kind for kind, rule in RULES.items() if rule.cash is not Sign.NONE),
    "fee": frozenset(kind for kind, rule in RULES.items() if rule.cash is not Sign.NONE) - COSTLESS,
    "tax": frozenset(kind for kind, rule in RULES.items() if rule.cash is not Sign.NONE) - COSTLESS,
    "ratio": frozenset({EntryKind.SPLIT}),
    "gross": GROSS,
    "name": frozenset({EntryKind.LIABILITY}),
}
STATED = ("ratio", "gross", "name")  # what the form asks for by name, and the entry keeps in its data


class NumberField(forms.CharField):
    """A number in plain digits; other spellings could be misread, so they are refused."""

    def __init__(self, *, places: int = 10, digits: int = 15, **kwargs: Any) -> None:
        self.places, self.digits = places, digits
        widget = UnfoldAdminTextInputWidget({"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(**{"required": False, "max_length": 60, "widget": widget} | kwargs)

    def clean(self, value: Any) -> Decimal | None:
        """Return the number, None where nothing was written."""
        text = super().clean(value)
        try:
            return read_number(text, digits=self.digits, places=self.places) if text else None
        except ValueError as error:
            raise ValidationError(f"Write plain digits, such as 1234.56. {error}".strip(), code="bad_number") from error


def line(label: str = "", help_text: str = "", **attrs: Any) -> forms.CharField:
    """Return a field for one line of text that may stay empty."""
    return forms.CharField(
        required=False, max_length=200, label=label or None, help_text=help_text, widget=UnfoldAdminTextInputWidget(attrs)
    )


class EntryForm(ServiceForm):
    """An entry to be posted, or what takes the place of a wrong one."""

    occurred_at = forms.SplitDateTimeField(widget=UnfoldAdminSplitDateTimeWidget, label="When")
    quantity = NumberField(places=12, digits=12, help_text="The size alone; the kind gives the sign.")
    price = NumberField(help_text="Of one unit.")
    cash = NumberField(help_text="What the account got, below zero what it gave. Empty: as the other figures say.")
    currency = line(help_text="Empty: the instrument's, or the account's.", maxlength=3)
    fee = NumberField(help_text="The size alone.")
    tax = NumberField(help_text="The size alone.")
    ratio = line(help_text="New units to old ones, such as 2:1.")
    gross = NumberField(help_text="Before tax; the cash follows from it.")
    name = line("What is owed, and to whom")
    tags = line(help_text="Separated by commas.")
    group = forms.UUIDField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Shared by the legs of one happening; empty for FX: a new one.",
    )
    data = forms.JSONField(  # type: ignore[assignment]  # no attribute: fields leave their class
        required=False, widget=UnfoldAdminTextareaWidget({"rows": 3}), help_text="What else is known, as a JSON object."
    )

    class Meta:
        model = LedgerEntry
        fields = ("account", "kind", "instrument", *TEXTS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["notes"].widget.attrs["rows"] = self.fields["reason_explanation"].widget.attrs["rows"] = 2
        self.fields["reason_primary"].label, self.fields["reason_explanation"].label = "Reason", "Explanation"
        self.fields["occurred_at"].help_text = f"In {timezone.get_current_timezone_name()}."
        if self.corrected is not None:
            self.fields["account"].disabled = True
            self.initial.update(as_initial(self.corrected))
        else:
            self.initial.setdefault("occurred_at", timezone.now().replace(second=0, microsecond=0))

    @cached_property
    def corrected(self) -> LedgerEntry | None:
        """The entry whose place the new one takes, if the address names one that the user may correct."""
        wanted = self.request.GET.get("corrects")
        mine = LedgerEntry.objects.visible_to(user_of(self.request), role=Role.TRADER)
        return find(mine, wanted) if wanted else None

    def clean_occurred_at(self) -> Any:
        """Refuse what has not happened yet."""
        at = self.cleaned_data["occurred_at"]
        if at > timezone.now() + CLOCK_SKEW:
            raise ValidationError("The time lies in the future.", code="future")
        return at

    def clean_data(self) -> dict[str, Any]:
        """Return the data, which must be an object."""
        data = self.cleaned_data["data"] or {}
        if not isinstance(data, dict):
            raise ValidationError('Write an object, such as {"lot": "3"}.', code="not_an_object")
        return data

    def perform(self) -> LedgerEntry:
        """Post the entry, or correct the one it takes the place of."""
        given, actor = self.cleaned_data, user_of(self.request)
        try:
            draft = self.draft()
            if self.corrected is None:
                return ledger.post_entry(account=given["account"], draft=draft, actor=actor)
            reason = {"reason": given["reason_primary"], "explanation": given["reason_explanation"]}
            return ledger.correct_entry(entry=self.corrected, draft=draft, actor=actor, **reason)[1]
        except EntryRefused as refusal:
            raise ValidationError({name: [detail] for name, detail in refusal.problems.items()}) from refusal

    def draft(self) -> EntryDraft:
        """Return what was written as a draft; fields that the kind does not take are left out, filled in or not."""
        kind = EntryKind(self.cleaned_data["kind"])
        given = {name: value for name, value in self.cleaned_data.items() if kind in TAKEN_BY.get(name, EntryKind)}
        instrument, cash = given.get("instrument"), given.get("cash")
        paid = kind in {EntryKind.FEE, EntryKind.TAX} and not given["data"].get("refund")
        if cash is not None and (RULES[kind].cash is Sign.NEGATIVE or kind is EntryKind.TRANSFER_OUT or paid):
            cash = -abs(cash)  # it can only go out
        draft = EntryDraft(
            kind=kind,
            occurred_at=given["occurred_at"],
            currency=given["currency"].upper()
            or currency_meant(instrument, priced=given.get("price") is not None, otherwise=given["account"].base_currency),
            instrument_id=instrument.pk if instrument else None,
            multiplier=instrument.multiplier if instrument else Decimal(1),
            data=given["data"] | stated(given),
            tags=tuple(tag.strip() for tag in given["tags"].split(",") if tag.strip()),
            group=given["group"] or (uuid7() if kind is EntryKind.FX else None),
            price=given.get("price"),
            quantity=given.get("quantity") or Decimal(0),
            fee=given.get("fee") or Decimal(0),
            tax=given.get("tax") or Decimal(0),
            **{name: given[name] for name in TEXTS},
        )
        return from_magnitudes(draft, cash=cash)


def stated(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what goes from fields of the form into the entry's data, numbers as texts."""
    found = {name: given[name] for name in STATED if given.get(name)}
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in found.items()}


def as_initial(entry: LedgerEntry) -> dict[str, Any]:
    """Return an entry as the form shows it, to be put right."""
    data = dict(entry.data)
    shown = {name: data.pop(name) for name in STATED if name in data}
    numbers = {name: value for name in ("price", "fee", "tax") if (value := getattr(entry, name))}
    if entry.cash and entry.kind not in TAKES_CASH | GIVES_CASH:
        numbers["cash"] = entry.cash  # of a trade it follows anew
    if entry.quantity:
        either_way = RULES[EntryKind(entry.kind)].quantity in {Sign.NOT_ZERO, Sign.ANY} and entry.kind not in TRANSFERS
        numbers["quantity"] = entry.quantity if either_way else abs(entry.quantity)
    copied = {name: getattr(entry, name) for name in ("kind", "instrument", "occurred_at", "currency", "group", "notes")}
    return (
        copied
        | shown
        | {name: plain(value) for name, value in numbers.items()}
        | {
            "account": entry.account_id,
            "tags": ", ".join(entry.tags),
            "data": data or None,
        }
    )


def shown_when(name: str) -> str:
    """Return the condition, for the page's script, under which a field is shown."""
    return f"typeof kind === 'undefined' || {json.dumps(sorted(TAKEN_BY[name]))}.includes(kind)"
