"""What is asked before lots move to another account, or others are chosen for a sale."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import user_of
from accounts.domain.ledger import CLOCK_SKEW
from accounts.domain.roles import Role
from accounts.models import Account, LedgerEntry
from marketdata.admin.base import Dialog, find
from portfolio.domain.lots import Choice, Method
from portfolio.models import Closure, Lot
from portfolio.services.lot_choices import choose_lots
from portfolio.services.transfers import Order, Transferred, transfer

CHOSEN = re.compile(r"#?(?P<sequence>\d{1,12})(\s*[:=]\s*(?P<quantity>\d{1,12}(\.\d{1,12})?))?", re.ASCII)
TEXT = UnfoldAdminTextInputWidget


class TransferDialog(Dialog):
    """Where a lot is to go, how much of it, and when."""

    to = forms.ModelChoiceField(Account.objects.none(), widget=UnfoldAdminSelectWidget, help_text="Date and cost go along.")
    quantity = forms.DecimalField(
        required=False, min_value=0, max_digits=24, decimal_places=12, widget=TEXT, help_text="Empty: all that remains of it."
    )
    occurred_at = forms.DateTimeField(required=False, label="When", widget=TEXT, help_text="Empty: now.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Account.objects.visible_to(user_of(self.request), role=Role.TRADER).open()
        self.fields["to"].queryset = mine.order_by("name")

    def clean_occurred_at(self) -> Any:
        """Refuse what has not happened yet."""
        at = self.cleaned_data["occurred_at"] or timezone.now()
        if at > timezone.now() + CLOCK_SKEW:
            raise ValidationError("The time lies in the future.", code="future")
        return at

    def perform(self) -> Transferred:
        """Move the lot."""
        user, given = user_of(self.request), self.cleaned_data
        rows = Lot.objects.visible_to(user, role=Role.TRADER).select_related("instrument", "account")
        lot = find(rows, self.object_id)
        averaged = lot.account.cost_basis_method == Method.AVERAGE
        quantity = given["quantity"] or lot.remaining
        order = Order(
            occurred_at=given["occurred_at"],
            instrument=lot.instrument,
            quantity=quantity,
            lots=() if averaged else (Choice(lot.sequence, quantity, lot.opened_at.date()),),
        )
        return transfer(source=lot.account, target=given["to"], order=order, actor=user)


class ChoiceDialog(Dialog):
    """Which lots the sale closes instead."""

    lots = forms.CharField(
        max_length=2_000, widget=TEXT, help_text="The entries that opened them, each with how much of it: 12: 5, 14: 2.5"
    )

    def clean_lots(self) -> list[Choice]:
        """Return the lots that were written."""
        found = [CHOSEN.fullmatch(part.strip()) for part in self.cleaned_data["lots"].split(",")]
        if not all(found):
            raise ValidationError("Write the numbers of entries, each with a quantity: 12: 5, 14: 2.5.", code="bad_lots")
        return [
            Choice(int(one["sequence"]), Decimal(one["quantity"]) if one["quantity"] else None)
            for one in found
            if one is not None
        ]

    def perform(self) -> LedgerEntry:
        """Write the choice down."""
        user = user_of(self.request)
        closure = find(Closure.objects.visible_to(user, role=Role.TRADER).select_related("account"), self.object_id)
        entry = LedgerEntry.objects.get(account=closure.account, sequence=closure.closing)
        return choose_lots(account=closure.account, entry=entry, lots=self.cleaned_data["lots"], actor=user)
