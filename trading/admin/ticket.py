"""The order ticket: what is to be ordered, what it costs and every rule it is held against, and then the order itself."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from accounts.admin.base import user_of
from accounts.domain.roles import Role
from accounts.models import Account
from marketdata.admin.base import page_of, show_refusal
from marketdata.domain.display import NOTHING, money_text, percent_text, price_text, quantity_text
from marketdata.models import Instrument
from marketdata.selectors.instruments import find_instrument
from trading.domain.drafts import LIMITED, LONGEST_ID, STOPPED, OrderDraft, StopLoss, TakeProfit
from trading.domain.orders import OrderClass, OrderType, Side, TimeInForce
from trading.domain.risk_checks import Check, Outcome, Unit
from trading.models import Decision, Door
from trading.models.words import choices
from trading.selectors.risk import PAPER
from trading.services.estimates import Estimate, estimate_of
from trading.services.orders import Ordering, Preview, RiskBreached, place_order, preview_order

TEXT = UnfoldAdminTextInputWidget
TONES = {Outcome.KEPT: "up", Outcome.BROKEN: "down", Outcome.NOT_WATCHED: "faint", Outcome.NOT_ASKED: "faint"}
SAID = {
    Outcome.KEPT: "kept",
    Outcome.BROKEN: "broken",
    Outcome.NOT_WATCHED: "not watched",
    Outcome.NOT_ASKED: "not asked of what closes",
}
AMOUNT: dict[str, Any] = {"required": False, "min_value": Decimal("1e-10"), "max_digits": 25, "decimal_places": 10}


def amount(label: str, **more: Any) -> forms.DecimalField:
    """Return a field for a price or an amount."""
    return forms.DecimalField(label=label, widget=TEXT({"inputmode": "decimal", "autocomplete": "off"}), **AMOUNT | more)


class Ticket(forms.Form):
    """What is to be ordered. A price that an order of the type does not have is left out, wherever it comes from."""

    account = forms.ModelChoiceField(Account.objects.none(), widget=UnfoldAdminSelectWidget)
    instrument = forms.CharField(max_length=50, widget=TEXT({"placeholder": "AAPL:XNAS", "autocomplete": "off"}))
    side = forms.ChoiceField(choices=choices(Side), widget=UnfoldAdminSelectWidget)
    type = forms.ChoiceField(choices=choices(OrderType), widget=UnfoldAdminSelectWidget)
    quantity = amount("Quantity", max_digits=24, decimal_places=12, min_value=Decimal("1e-12"))
    notional = amount("or amount", help_text="Of the instrument's currency, instead of a quantity.")
    limit_price = amount("Limit")
    stop_price = amount("Stop")
    trail_price = amount("Trail by")
    trail_percent = amount("or by percent", max_digits=9, decimal_places=6)
    time_in_force = forms.ChoiceField(
        choices=[(word.value, word.value) for word in TimeInForce], label="Time in force", widget=UnfoldAdminSelectWidget
    )
    extended_hours = forms.BooleanField(required=False, label="Outside of regular hours, too", widget=UnfoldBooleanWidget)
    order_class = forms.ChoiceField(
        choices=[(word.value, word.value.title() if word is OrderClass.SIMPLE else word.value) for word in OrderClass],
        label="Class",
        widget=UnfoldAdminSelectWidget,
        help_text="BRACKET and OTO open a position with exits that wait for it; OCO closes one by whichever of two comes first.",
    )
    take_profit = amount("Take profit at")
    stop_loss = amount("Stop loss at")
    stop_loss_limit = amount("for no worse than", help_text="Empty: at the market once the stop is touched.")
    decision = forms.ModelChoiceField(Decision.objects.none(), required=False, widget=forms.HiddenInput)
    client_order_id = forms.CharField(max_length=LONGEST_ID, widget=forms.HiddenInput)

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user = user_of(request)
        shown = cast("dict[str, forms.ModelChoiceField]", self.fields)
        shown["account"].queryset = Account.objects.visible_to(user, role=Role.TRADER).open().order_by("name")
        shown["decision"].queryset = Decision.objects.visible_to(user, role=Role.TRADER)

    def clean_instrument(self) -> Instrument:
        """Return the instrument that is meant."""
        return find_instrument(self.cleaned_data["instrument"].strip())

    def clean(self) -> dict[str, Any]:
        """Leave out what an order of the type does not have."""
        said = self.cleaned_data
        kind = said.get("type")
        for name, types in (("limit_price", LIMITED), ("stop_price", STOPPED)):
            if kind not in types:
                said[name] = None
        if kind != OrderType.TRAILING_STOP:
            said["trail_price"] = said["trail_percent"] = None
        order_class = said.get("order_class")
        if order_class == OrderClass.SIMPLE:
            said["take_profit"] = said["stop_loss"] = said["stop_loss_limit"] = None
        if order_class == OrderClass.OCO:
            said["limit_price"] = None
        decision = said.get("decision")
        if decision is not None and decision.account_id != getattr(said.get("account"), "pk", None):
            raise ValidationError("The decision is one of another account.", code="decision_of_another")
        return said

    @property
    def draft(self) -> OrderDraft:
        """The order that is asked for."""
        said = self.cleaned_data
        profit, loss = said.get("take_profit"), said.get("stop_loss")
        names = ("quantity", "notional", "limit_price", "stop_price", "trail_price", "trail_percent", "extended_hours")
        return OrderDraft(
            side=Side(said["side"]),
            type=OrderType(said["type"]),
            time_in_force=TimeInForce(said["time_in_force"]),
            order_class=OrderClass(said["order_class"]),
            client_order_id=said["client_order_id"],
            take_profit=TakeProfit(profit) if profit else None,
            stop_loss=StopLoss(loss, said.get("stop_loss_limit")) if loss else None,
            **{name: said[name] for name in names},
        )

    @property
    def digest(self) -> str:
        """What tells this order from another: placed is what was looked at, and nothing else."""
        said = sorted((name, str(self.data.get(name, ""))) for name in self.fields)
        return hashlib.sha256(repr(said).encode()).hexdigest()


def ticket_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show the ticket, what would become of the order, or place it."""
    asked = request.method == "POST"
    form = Ticket(request.POST if asked else None, request=request, initial=None if asked else first_said(request))
    page: dict[str, Any] = {"title": "New order", "form": form}
    if asked and form.is_valid():
        try:
            if request.POST.get("do") == "place" and request.POST.get("seen") == form.digest:
                return placed(request, form)
            page |= looked_at(request, form)
            if request.POST.get("do") == "place":
                page["changed"] = True
        except RiskBreached as refusal:
            page |= looked_at(request, form)  # as it stands after what was recorded
            show_refusal(form, named(refusal))
        except ValidationError as refusal:
            show_refusal(form, named(refusal))
    page["top"] = [*form.non_field_errors(), *(error for field in form.hidden_fields() for error in field.errors)]
    return TemplateResponse(request, "bedrock/ticket.html", context | page)


def first_said(request: HttpRequest) -> dict[str, Any]:
    """Return what the ticket says at first: what the address asks for, and the account that was looked at last."""
    said = {name: request.GET[name] for name in Ticket.base_fields if name in request.GET}
    usual = {
        "account": request.session.get("account"),
        "side": Side.BUY.value,
        "type": OrderType.LIMIT.value,
        "time_in_force": TimeInForce.DAY.value,
        "order_class": OrderClass.SIMPLE.value,
    }
    return usual | said | {"client_order_id": f"admin-{uuid4().hex}"}


def placed(request: HttpRequest, form: Ticket) -> HttpResponse:
    """Place the order, and show its page.

    :raises ValidationError: as the service refuses it; limits that it would break are on record then
    """
    rows = place_order(**wanted(request, form))
    messages.success(
        request, "The order is placed." if len(rows) == 1 else f"The order and {len(rows) - 1} that hang on it are placed."
    )
    return redirect(page_of(rows[0]))


def looked_at(request: HttpRequest, form: Ticket) -> dict[str, Any]:
    """Return what would become of the order, as it is shown.

    :raises ValidationError: as the service refuses it
    """
    asked = wanted(request, form)
    preview = preview_order(**asked)
    found = estimate_of(instrument=asked["instrument"], preview=preview)
    return {
        "seen": form.digest,
        "preview": preview,
        "figures": figures_of(found, preview, asked["account"], asked["instrument"]),
        "checks": [shown(check, asked["account"].base_currency) for check in found.checks],
        "legs": [leg_of(leg) for leg in preview.legs],
    }


def wanted(request: HttpRequest, form: Ticket) -> dict[str, Any]:
    """Return what a service is asked to look at, or to place."""
    said = form.cleaned_data
    by = Ordering(actor=user_of(request), door=Door.ADMIN, at=timezone.now(), decision=said["decision"])
    return {"account": said["account"], "instrument": said["instrument"], "draft": form.draft, "by": by}


def figures_of(found: Estimate, preview: Preview, account: Account, instrument: Instrument) -> list[tuple[str, str, str]]:
    """Return the figures of a preview: what they are, what they come to, and a remark."""
    money = account.base_currency
    fee = "by the model of paper trading" if preview.broker == PAPER else f"as {preview.broker} charges"
    opens = preview.assessment.draft.effect == "OPEN"
    cost = found.cost if found.cost is None or found.cost >= 0 else -found.cost
    return [
        ("Price expected", f"{price_text(found.price)} {instrument.currency}", "the last known, or the limit"),
        ("Value", f"{money_text(found.value, money)} {money}", f"{quantity_text(found.quantity)} of {instrument.key}"),
        ("Fees", f"{money_text(found.fee, money)} {money}" if found.fee is not None else NOTHING, fee),
        ("Cost" if found.cost is None or found.cost >= 0 else "Proceeds", f"{money_text(cost, money)} {money}", "fees included"),
        ("Buying power now", f"{money_text(found.power, money)} {money}", "less what open orders will spend"),
        ("Buying power after", f"{money_text(found.power_after, money)} {money}", ""),
        ("Position now", quantity_text(found.held), ""),
        ("Position after", quantity_text(found.held_after), "opens or adds to it" if opens else "closes of it"),
    ]


def shown(check: Check, currency: str) -> dict[str, Any]:
    """Return a rule as it is shown."""
    return {
        "name": check.rule.replace("_", " ").capitalize(),
        "value": number(check.value, check.unit, currency),
        "limit": number(check.limit, check.unit, currency),
        "outcome": SAID[check.outcome],
        "tone": TONES[check.outcome],
        "detail": check.detail,
    }


def number(value: Decimal | None, unit: Unit, currency: str) -> str:
    """Return a number of a rule as it is shown."""
    if value is None:
        return NOTHING
    if unit is Unit.SHARE:
        return percent_text(value)
    return f"{money_text(value, currency)} {currency}" if unit is Unit.MONEY else quantity_text(value)


def leg_of(leg: Any) -> dict[str, str]:
    """Return one of the orders that would be placed, as it is shown."""
    draft = leg.draft
    prices = " / ".join(price_text(price) for price in (draft.stop_price, draft.limit_price) if price is not None)
    return {
        "role": (leg.role or "order").replace("_", " ").capitalize(),
        "what": f"{draft.side} {draft.type.replace('_', ' ').lower()} {prices}".strip(),
        "how": "waits for the entry" if leg.sending == "HELD" else "is sent at once",
    }


def named(refusal: ValidationError) -> ValidationError:
    """Return a refusal whose names are those of the form."""
    if not hasattr(refusal, "error_dict"):
        return refusal
    names = {
        "take_profit.limit_price": "take_profit",
        "stop_loss.stop_price": "stop_loss",
        "stop_loss.limit_price": "stop_loss_limit",
        NON_FIELD_ERRORS: "",
    }
    return ValidationError({names.get(name, name): errors for name, errors in refusal.error_dict.items()})
