"""The admin's page of targets: how far an account is from them, its bounds, and the trades that would bring it nearer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.domain.roles import Role
from accounts.models import Account, TargetAllocation, User
from accounts.selectors.accounts import accounts_of
from marketdata.domain.display import NOTHING, money_text, percent_text, price_text, quantity_text
from portfolio.domain.allocation import CASH, UNCLASSIFIED, Drift, Standing
from portfolio.domain.explain import Explanation
from portfolio.domain.policies import Check, State
from portfolio.domain.rebalancing import Wishes
from portfolio.selectors.explained_plans import explained_checks, explained_drift
from portfolio.selectors.figures import Figures
from portfolio.selectors.past import figures_of
from portfolio.selectors.plans import NoAllocation, Planned, Stock, allocation_of, drift_of, labels_of, planned_of, stock_of
from portfolio.selectors.rebalancing import Order, Rebalancing, chooses_lots, rebalancing_of
from portfolio.selectors.why_page import shown
from portfolio.services.policies import note_checks
from portfolio.services.projections import catch_up

WIDTH = Decimal(100)
NAMES = {CASH: "Cash", UNCLASSIFIED: "Unclassified"}
STATES = {State.OK: "up", State.BROKEN: "down", None: "faint"}
DIGITS, PLACES = 25, 10


class WishesForm(forms.Form):
    """How a proposal is to be made."""

    new_cash = forms.DecimalField(required=False, max_digits=DIGITS, decimal_places=PLACES, label="New cash")
    minimum_trade = forms.DecimalField(
        required=False, max_digits=DIGITS, decimal_places=PLACES, min_value=Decimal(0), label="Smallest trade"
    )
    whole_shares = forms.BooleanField(required=False, label="Whole shares")
    cash_only = forms.BooleanField(required=False, label="Buy only")
    tax_aware = forms.BooleanField(required=False, label="Mind the taxes")

    def wishes(self) -> Wishes:
        """Return what is wished for."""
        said = self.cleaned_data
        nothing = Decimal(0)
        return Wishes(said["minimum_trade"] or nothing, said["whole_shares"], said["cash_only"], said["new_cash"] or nothing)


@require_safe
def plan_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show one of the user's accounts beside its targets and bounds."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  the site lets nobody else in
    accounts = sorted(accounts_of(user), key=lambda account: (account.closed_on is not None, account.pk))
    known = {str(account.pk): account for account in accounts}
    chosen = known.get(request.GET.get("account", "")) or known.get(request.session.get("account", ""))
    chosen = chosen or next(iter(accounts), None)
    page: dict[str, Any] = {"title": "Targets", "accounts": accounts, "chosen": chosen}
    if chosen is not None:
        request.session["account"] = str(chosen.pk)
        page["may_plan"] = chosen.role >= Role.TRADER and chosen.closed_on is None  # type: ignore[attr-defined]
        page |= _of_account(request, chosen)
        if "why" in request.GET and "why" in page:
            return TemplateResponse(request, "bedrock/why.html", context | page["why"])
    return TemplateResponse(request, "bedrock/plan.html", context | page)


def _of_account(request: HttpRequest, account: Account) -> dict[str, Any]:
    """Return what is shown of an account."""
    asked = "rebalance" in request.GET
    form = WishesForm(request.GET if asked else None, initial={"whole_shares": True})
    try:
        catch_up(account_id=account.pk, at=timezone.now())
        figures = figures_of(account)
        checks, _ = note_checks(account=account, at=timezone.now())
        page: dict[str, Any] = {"checks": [_check(check) for check in checks], "form": form} | _drift(request, figures)
        if request.GET.get("why") == "bounds":
            page["why"] = _why(f"The bounds of {account.name}", explained_checks(figures, checks))
    except ValidationError as refusal:
        return {"refusal": " ".join(refusal.messages)}
    if asked and form.is_valid() and "planned" in page:
        try:
            page |= _proposal(figures, page["planned"], form)
        except ValidationError as refusal:
            page["refused"] = " ".join(refusal.messages)
    return page


def _drift(request: HttpRequest, figures: Figures) -> dict[str, Any]:
    """Return the rows of the drift; nothing where there is no allocation."""
    account = figures.account
    allocations = list(TargetAllocation.objects.filter(account=account).order_by("name"))
    page: dict[str, Any] = {"allocations": allocations}
    wanted = {str(one.pk): one for one in allocations}.get(request.GET.get("allocation", ""))
    try:
        planned = planned_of(wanted or allocation_of(account))
    except NoAllocation:
        return page
    stock = stock_of(figures)
    drift = drift_of(stock, planned)
    if request.GET.get("why") == "drift":
        page["why"] = _why(f"The targets of {account.name}", explained_drift(figures, drift, stock, planned))
    return page | {
        "planned": planned,
        "as_of": stock.as_of,
        "total": money_text(stock.total, account.base_currency),
        "drift": percent_text(drift.weight(drift.off)),
        "rows": rows_of(drift, labels_of(stock, planned), account.base_currency, names_of(stock, planned)),
        "missing": stock.missing,
        "stale": stock.stale,
    }


def _why(named: str, found: Explanation) -> dict[str, Any]:
    """Return why drift or bounds come to what they do as the page of reasons shows it."""
    return {"title": f"Why? {named}", "back": reverse("admin:targets"), **shown(found)}


def names_of(stock: Stock, planned: Planned) -> dict[str, str]:
    """Return the names of the instruments that have rows of their own."""
    held = {str(one.instrument_id): one.instrument.name for one in stock.positions}
    return held | {key: one.name for key, one in planned.instruments.items()}


def rows_of(drift: Drift, labels: dict[str, str], currency: str, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of a drift as they are shown: with bars whose full width is the largest weight."""
    found = [row for row in drift.everything if row.value or row.target or row.planned]
    widest = max((max(row.value, row.target) for row in found), default=Decimal(0))

    def width(amount: Decimal) -> str:
        return f"{max(amount, Decimal(0)) / widest * WIDTH:.2f}" if widest > 0 else "0"

    def row(one: Standing) -> dict[str, Any]:
        return {
            "name": labels.get(one.key) or NAMES.get(one.key, one.key),
            "planned": one.planned,
            "about": names.get(one.key, ", ".join(one.instruments)),
            "actual": percent_text(drift.weight(one.value)),
            "target": percent_text(drift.weight(one.target)),
            "difference": percent_text(drift.weight(one.difference), signed=True),
            "amount": money_text(one.difference, currency, signed=True),
            "value": money_text(one.value, currency),
            "bar": width(one.value),
            "mark": width(one.target),
            "tone": "" if one.difference > 0 else "lacking",
        }

    return [row(one) for one in found]


def _check(check: Check) -> dict[str, Any]:
    """Return a bound as it is shown."""
    return {
        "state": check.state.value if check.state else "not known",
        "tone": STATES[check.state],
        "message": check.message,
        "value": percent_text(check.value),
        "threshold": percent_text(check.threshold),
    }


def _proposal(figures: Figures, planned: Planned, form: WishesForm) -> dict[str, Any]:
    """Return a proposal as it is shown."""
    tax_aware, currency = form.cleaned_data["tax_aware"], figures.account.base_currency
    found: Rebalancing = rebalancing_of(figures, planned, form.wishes(), tax_aware=tax_aware, at=timezone.now())
    after = found.proposal.after
    short, long = found.realized(long_term=False), found.realized(long_term=True)
    return {
        "orders": [_order(order, currency) for order in found.orders],
        "proposed": {
            "cash": money_text(found.proposal.cash, currency),
            "drift": percent_text(after.weight(after.off)),
            "short": money_text(short, currency, signed=True),
            "long": money_text(long, currency, signed=True),
            "unfilled": [labels_of(found.stock, planned).get(key, key) for key in found.proposal.unfilled],
            "no_choice": tax_aware and not chooses_lots(figures.account.cost_basis_method),
        },
    }


def _order(order: Order, currency: str) -> dict[str, Any]:
    """Return an order as it is shown."""
    trade = order.trade
    return {
        "instrument": order.instrument,
        "side": order.side,
        "quantity": quantity_text(abs(trade.quantity)),
        "price": f"{price_text(trade.asset.price)} {order.instrument.money}",
        "value": money_text(abs(trade.value), currency),
        "gain": money_text(order.gain(), order.instrument.money, signed=True) if order.side == "SELL" else NOTHING,
        "lots": [
            {
                "opened": closure.opened_at.date(),
                "quantity": quantity_text(closure.quantity),
                "gain": money_text(closure.gain, order.instrument.money, signed=True),
                "term": "long" if closure.long_term else "short",
            }
            for closure in order.closures
        ],
    }
