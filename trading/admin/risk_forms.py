"""What is asked on the page of risk: other limits, why trading stops, and why it goes on."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from accounts.models import Account
from marketdata.models import Instrument
from marketdata.selectors.instruments import find_instruments
from trading.selectors.risk import LIMITS, limits_of, restricted_in

TEXT = UnfoldAdminTextInputWidget
SHARE: dict[str, Any] = {"required": False, "max_digits": 9, "decimal_places": 6, "min_value": Decimal(0), "widget": TEXT}
COUNT: dict[str, Any] = {"required": False, "min_value": 0, "max_value": 32_767, "widget": TEXT}
NOT_WATCHED = "Empty: not watched."


class LimitsForm(forms.Form):
    """The limits of an account; shares are from 0 to 1."""

    max_position_share = forms.DecimalField(
        **SHARE, label="Largest position", max_value=100, help_text=f"Of the account, such as 0.25. {NOT_WATCHED}"
    )
    max_daily_loss_share = forms.DecimalField(**SHARE, label="Largest loss of a day", max_value=1, help_text=NOT_WATCHED)
    max_drawdown_share = forms.DecimalField(**SHARE, label="Deepest fall", max_value=1, help_text=NOT_WATCHED)
    max_consecutive_losses = forms.IntegerField(**COUNT, label="Losing trades in a row", help_text=NOT_WATCHED)
    max_order_quantity = forms.DecimalField(
        required=False, min_value=0, max_digits=24, decimal_places=12, widget=TEXT, label="Units of one order"
    )
    max_order_value = forms.DecimalField(
        required=False, min_value=0, max_digits=25, decimal_places=10, widget=TEXT, label="Value of one order"
    )
    max_open_orders = forms.IntegerField(**COUNT, label="Open orders")
    allow_short = forms.BooleanField(required=False, label="May sell short", widget=UnfoldBooleanWidget)
    close_while_paused = forms.BooleanField(
        required=False, label="May close positions while paused", widget=UnfoldBooleanWidget
    )  # fmt: skip
    restricted = forms.CharField(
        required=False,
        max_length=20_000,
        label="Not to be bought, or sold short",
        widget=UnfoldAdminTextareaWidget({"rows": 2, "placeholder": "AAPL:XNAS, BTC/USD:CRYPTO"}),
    )

    @classmethod
    def of(cls, account: Account) -> LimitsForm:
        """Return the form as the limits of an account are."""
        limits = limits_of(account)
        said: dict[str, Any] = {name: getattr(limits, name) for name in LIMITS}
        for name, value in said.items():
            if isinstance(value, Decimal):
                said[name] = f"{value.normalize():f}"
        return cls(initial=said | {"restricted": ", ".join(one.instrument.key for one in restricted_in(account))})

    def clean_restricted(self) -> list[Instrument]:
        """Return the instruments that are named."""
        return list(find_instruments(filter(None, re.split(r"[,;\s]+", self.cleaned_data["restricted"]))).values())


class StopForm(forms.Form):
    """Why all trading is to stop, and whether what is open is to be canceled."""

    reason = forms.CharField(max_length=1_000, widget=TEXT({"autocomplete": "off"}), label="Why")
    cancel = forms.BooleanField(required=False, initial=True, label="Cancel all open orders, too", widget=UnfoldBooleanWidget)
    sure = forms.BooleanField(label="I mean it: no order is placed from then on", widget=UnfoldBooleanWidget)


class ResumeForm(forms.Form):
    """Why trading goes on."""

    note = forms.CharField(required=False, max_length=1_000, widget=TEXT({"autocomplete": "off"}), label="Why it goes on")
