"""The page of risk of one account: limits and how near they are, what broke them, open orders, and the red button."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.admin.base import user_of
from accounts.domain.roles import Role
from accounts.models import Account
from accounts.selectors.accounts import accounts_of
from marketdata.admin.base import find, page_of, show_refusal
from marketdata.domain.display import NOTHING, money_text, percent_text, price_text, quantity_text
from portfolio.models import Position
from trading.admin.risk_forms import LimitsForm, ResumeForm, StopForm
from trading.admin.ticket import SAID, TONES, number
from trading.domain.risk import Exposure
from trading.domain.risk_checks import Check, Outcome, account_checks
from trading.models import Door, Order, RiskEvent
from trading.selectors.risk import Standing, halt, limits_of, pause_of
from trading.services.orders import Ordering, cancel_order
from trading.services.pauses import end_halt, resume_trading
from trading.services.risk import set_limits
from trading.services.standing import standing_now
from trading.services.stopping import stop_account, stop_everything

BREACHES, ORDERS, POSITIONS = 10, 100, 10
HUNDRED, ZERO = Decimal(100), Decimal(0)
FULL = Decimal("0.8")  # of a limit, from which on it is shown as near


def risk_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show the risk of one of the user's accounts, or do what is asked there."""
    user = user_of(request)
    accounts = sorted(accounts_of(user), key=lambda account: (account.closed_on is not None, account.pk))
    known = {str(account.pk): account for account in accounts}
    asked = request.POST.get("account") or request.GET.get("account", "")
    chosen = known.get(asked) or known.get(request.session.get("account", "")) or next(iter(accounts), None)
    page: dict[str, Any] = {"title": "Risk", "accounts": accounts, "chosen": chosen, "superuser": user.is_superuser}
    if request.method == "POST":
        done, forms = _done(request, known.get(asked))
        if done:
            return redirect(f"{reverse('admin:trading_riskevent_desk')}?account={asked}")
        page |= forms
    if chosen is not None:
        request.session["account"] = str(chosen.pk)
        page |= _of_account(request, chosen, page)
    stopped = halt()
    page |= {"halt": stopped}
    if user.is_superuser and (request.GET.get("stop") == "everything" or "everything" in page):
        page.setdefault("everything", StopForm())
    return TemplateResponse(request, "bedrock/risk.html", context | page)


def _done(request: HttpRequest, account: Account | None) -> tuple[bool, dict[str, Any]]:
    """Do what is asked; return whether it is done, and else the form that says why not.

    :raises PermissionDenied: if the person may not ask for it
    """
    do = request.POST.get("do", "")
    if do in EVERYWHERE:
        if not user_of(request).is_superuser:
            raise PermissionDenied
        name, form, work = "everything", EVERYWHERE[do][0](request.POST), EVERYWHERE[do][1]
        return _asked(request, form, name, lambda: work(request, form))
    if account is None or do not in OF_ACCOUNT or account.role < OF_ACCOUNT[do][2]:  # type: ignore[attr-defined]
        raise PermissionDenied
    kind, act, _ = OF_ACCOUNT[do]
    form = kind(request.POST)
    return _asked(request, form, do, lambda: act(request, account, form))


def _asked(request: HttpRequest, form: Form, name: str, work: Callable[[], None]) -> tuple[bool, dict[str, Any]]:
    """Do something if its form is right; what the service refuses stands in the form, or above the page where it asks nothing."""
    if form.is_valid():
        try:
            work()
        except ValidationError as refusal:
            show_refusal(form, refusal)
            if not form.fields or isinstance(form, ResumeForm):
                messages.error(request, " ".join(refusal.messages))
        else:
            return True, {}
    return False, {name: form}


def _stop(request: HttpRequest, account: Account, form: Form) -> None:
    """Stop the account."""
    said = form.cleaned_data
    canceled = stop_account(
        account=account, actor=user_of(request), reason=said["reason"], cancel=said["cancel"], at=timezone.now()
    )
    messages.warning(request, f"Trading in {account.name} is stopped; {len(canceled)} orders are canceled, or asked to be.")


def _resume(request: HttpRequest, account: Account, form: Form) -> None:
    """Let the account trade again."""
    resume_trading(account=account, actor=user_of(request), at=timezone.now(), note=form.cleaned_data["note"])
    messages.success(request, f"{account.name} trades again.")


def _limit(request: HttpRequest, account: Account, form: Form) -> None:
    """Set the limits."""
    said = dict(form.cleaned_data)
    set_limits(account=account, restricted=said.pop("restricted"), changes=said, at=timezone.now())
    messages.success(request, "The limits are set.")


def _cancel(request: HttpRequest, account: Account, form: Form) -> None:
    """Cancel one order."""
    rows = Order.objects.visible_to(user_of(request), role=Role.TRADER).filter(account=account)
    by = Ordering(actor=user_of(request), door=Door.ADMIN, at=timezone.now())
    done = cancel_order(order=find(rows, request.POST.get("order")), by=by)
    messages.success(request, "The broker is asked to cancel the order." if done.is_open else "The order is canceled.")


def _stop_all(request: HttpRequest, form: Form) -> None:
    """Stop all trading of the site."""
    said = form.cleaned_data
    stop_everything(actor=user_of(request), reason=said["reason"], cancel=said["cancel"], at=timezone.now())
    messages.warning(request, "All trading on the site is stopped.")


def _go_on(request: HttpRequest, form: Form) -> None:
    """Let trading on the site go on."""
    end_halt(at=timezone.now(), by=user_of(request).email)
    messages.success(request, "Trading goes on; accounts that are paused stay so.")


OF_ACCOUNT: dict[str, tuple[type[Form], Callable[[HttpRequest, Account, Form], None], Role]] = {
    "stop": (StopForm, _stop, Role.TRADER),
    "cancel": (Form, _cancel, Role.TRADER),
    "resume": (ResumeForm, _resume, Role.OWNER),
    "limits": (LimitsForm, _limit, Role.OWNER),
}
EVERYWHERE: dict[str, tuple[type[Form], Callable[[HttpRequest, Form], None]]] = {
    "stop-everything": (StopForm, _stop_all),
    "go-on": (Form, _go_on),
}


def _of_account(request: HttpRequest, account: Account, page: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown of an account."""
    role, closed = Role(account.role), account.closed_on is not None  # type: ignore[attr-defined]
    shown: dict[str, Any] = {
        "owner": role >= Role.OWNER,
        "trader": role >= Role.TRADER,
        "closed": closed,
        "pause": pause_of(account),
        "breaches": _breaches(account),
        "orders": _orders(account),
        "resume": page.get("resume") or ResumeForm(),
    }
    if role >= Role.TRADER and (request.GET.get("stop") == "account" or "stop" in page):
        shown["stop"] = page.get("stop") or StopForm()
    if role >= Role.OWNER and (request.GET.get("edit") == "limits" or "limits" in page):
        shown["limits"] = page.get("limits") or LimitsForm.of(account)
    try:
        standing = standing_now(account=account, at=timezone.now())
    except ValidationError as refusal:
        return shown | {"refusal": " ".join(refusal.messages)}
    return shown | {
        "cards": _cards(standing, account),
        "checks": [_use(check, account.base_currency) for check in _checks(account, standing)],
        "positions": _positions(account, standing),
        "others": _others(account),
    }


def _checks(account: Account, standing: Standing) -> list[Check]:
    """Return the limits of the account as a whole, and how near they are."""
    return account_checks(limits_of(account).as_limits(), standing.exposure)


def _cards(standing: Standing, account: Account) -> list[tuple[str, str, str]]:
    """Return the figures of the account: name, text, remark."""
    money, exposure = account.base_currency, standing.exposure
    return [
        ("Value", money_text(exposure.equity, money), money),
        ("Buying power", money_text(exposure.buying_power, money), "less what open orders will spend"),
        ("Today", money_text(exposure.day_gain, money, signed=True), percent_text(exposure.day_gain_share, signed=True)),
        ("Open orders", str(exposure.open_orders), _of(limits_of(account).max_open_orders)),
        ("Losing trades", str(exposure.losing_streak), "in a row"),
        ("Broker", standing.broker.title(), account.get_execution_mode_display()),
    ]


def _of(most: int | None) -> str:
    """Return what a number is at most."""
    return "not watched" if most is None else f"of {most} at most"


def _use(check: Check, currency: str) -> dict[str, Any]:
    """Return how much of a limit is used, as it is shown."""
    used = check.value / check.limit if check.limit and check.value is not None else None
    near = used is not None and used >= FULL and check.outcome is Outcome.KEPT
    return {
        "name": check.rule.replace("_", " ").capitalize(),
        "value": number(check.value, check.unit, currency),
        "limit": number(check.limit, check.unit, currency),
        "bar": None if used is None else round(min(max(used, ZERO), Decimal(1)) * HUNDRED),
        "outcome": "near" if near else SAID[check.outcome],
        "tone": "near" if near else TONES[check.outcome],
        "detail": check.detail,
    }


def _positions(account: Account, standing: Standing) -> list[dict[str, Any]]:
    """Return the largest positions, each beside how large one may be."""
    exposure: Exposure = standing.exposure
    most = limits_of(account).max_position_share
    held = Position.objects.open().filter(account=account).select_related("instrument")
    rows = sorted(held, key=lambda one: abs(one.value_in_base or ZERO), reverse=True)[:POSITIONS]
    found = []
    for row in rows:
        value = abs(row.value_in_base) if row.value_in_base is not None else None
        share = value / exposure.equity if value is not None and exposure.equity and exposure.equity > 0 else None
        used = share / most if share is not None and most else None
        found.append(
            {
                "name": row.instrument.key,
                "link": page_of(row),
                "value": money_text(row.value_in_base, account.base_currency),
                "share": percent_text(share),
                "bar": None if used is None else round(min(used, Decimal(1)) * HUNDRED),
                "tone": "down" if used is not None and used > 1 else "near" if used is not None and used >= FULL else "",
            }
        )
    return found


def _others(account: Account) -> list[tuple[str, str]]:
    """Return the limits of single orders and positions."""
    limits, money = limits_of(account), account.base_currency
    return [
        ("Largest position", percent_text(limits.max_position_share) if limits.max_position_share is not None else NOTHING),
        ("Units of one order", quantity_text(limits.max_order_quantity)),
        ("Value of one order", f"{money_text(limits.max_order_value, money)} {money}"),
        ("Open orders", NOTHING if limits.max_open_orders is None else str(limits.max_open_orders)),
        ("Selling short", "allowed" if limits.allow_short else "not allowed"),
        ("While paused", "positions may be closed" if limits.close_while_paused else "nothing is placed"),
    ]


def _breaches(account: Account) -> list[dict[str, Any]]:
    """Return what broke limits lately."""
    rows = RiskEvent.objects.filter(account=account).select_related("instrument").order_by("-at", "-pk")[:BREACHES]
    return [
        {
            "at": row.at,
            "type": row.type.replace("_", " ").capitalize(),
            "detail": row.detail,
            "action": row.action_taken.lower(),
            "tone": "down" if row.severity == "CRITICAL" else "",
            "link": page_of(row),
        }
        for row in rows
    ]


def _orders(account: Account) -> list[dict[str, Any]]:
    """Return the orders that are open, the latest first."""
    rows = Order.objects.open().filter(account=account).select_related("instrument").order_by("-created_at", "-pk")[:ORDERS]
    return [
        {
            "order": row,
            "link": page_of(row),
            "what": f"{row.side} {quantity_text(row.quantity)} {row.instrument.key}",
            "type": row.type.replace("_", " ").lower(),
            "price": " / ".join(price_text(price) for price in (row.limit_price, row.stop_price) if price is not None),
            "filled": quantity_text(row.filled_quantity),
            "status": "cancel asked" if row.pending_cancel else row.status.replace("_", " ").lower(),
        }
        for row in rows
    ]
