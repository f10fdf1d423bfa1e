"""The admin's page of reports: which report of which account and days, as which file; and the one to print."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from rest_framework.exceptions import ValidationError as Refused

from accounts.models import Account, User
from accounts.selectors.accounts import accounts_of
from marketdata.domain.money import UnknownCurrency, check_currency
from portfolio.api.reports import FILES, file_of
from portfolio.domain.reports import FIRST, LAST, Period, year_of
from portfolio.selectors.reports import report_of
from portfolio.services.projections import catch_up

REPORTS = [
    ("realized", "Realized gains", "task_alt", "Lot by lot, with term, wash sales and what counts for taxes."),
    ("income", "Income", "payments", "Dividends, interest and staking rewards."),
    ("fees", "Fees and taxes", "receipt", "All that were charged, inside trades and payments, too."),
    ("holdings", "Holdings", "pie_chart", "What is held at the end of the last day, with costs and values."),
    ("activity", "Activity", "receipt_long", "Every entry of the ledger, in the order of happening."),
]
ENDINGS = [("csv", "CSV"), ("xlsx", "XLSX")]


class ReportForm(forms.Form):
    """Which days a report is of, and in which currency."""

    year = forms.IntegerField(required=False, min_value=FIRST, max_value=LAST)
    start = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(required=False, label="to", widget=forms.DateInput(attrs={"type": "date"}))
    currency = forms.CharField(required=False, max_length=3, min_length=3)
    download = forms.ChoiceField(required=False, choices=[(name, title) for name, title, *_ in REPORTS])
    format = forms.ChoiceField(required=False, choices=ENDINGS)

    def clean_currency(self) -> str:
        """Return the currency asked for, empty for each amount in its own."""
        code = str(self.cleaned_data["currency"]).upper()
        if code:
            try:
                check_currency(code)
            except UnknownCurrency as refusal:
                raise ValidationError(str(refusal), code="unknown_currency") from refusal
        return code

    def clean(self) -> dict[str, Any]:
        """Refuse two periods at once, and one that ends before it starts."""
        asked = self.cleaned_data
        start, last = asked.get("start"), asked.get("last")
        if asked.get("year") and (start or last):
            raise ValidationError({"year": "Choose a year, or days."})
        if start and last and last < start:
            raise ValidationError({"last": "The last day comes before the first."})
        return asked

    @property
    def period(self) -> Period:
        """The days asked for."""
        asked = self.cleaned_data
        if asked["year"]:
            return year_of(asked["year"])
        return Period(asked["start"], asked["last"] + timedelta(days=1) if asked["last"] else None)


@require_safe
def report_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show what can be had of one of the user's accounts, or answer with the file that was chosen."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  the site lets nobody else in
    accounts = sorted(accounts_of(user), key=lambda account: (account.closed_on is not None, account.pk))
    known = {str(account.pk): account for account in accounts}
    chosen = known.get(request.GET.get("account", "")) or known.get(request.session.get("account", ""))
    chosen = chosen or next(iter(accounts), None)
    page: dict[str, Any] = {"title": "Reports", "accounts": accounts, "chosen": chosen, "reports": REPORTS}
    if chosen is not None:
        request.session["account"] = str(chosen.pk)
        today = timezone.now().date()
        asked = any(name in request.GET for name in ReportForm.base_fields)
        form = ReportForm(request.GET if asked else {"year": today.year})
        page |= {"form": form, "years": range(today.year, max(today.year - 12, chosen.opened_on.year - 1), -1)}
        if form.is_valid():
            if form.cleaned_data["download"]:
                try:
                    return cast(HttpResponse, download(chosen, form))  # as far as the site minds: it has headers
                except (ValidationError, Refused) as refusal:
                    page["refusal"] = " ".join(map(str, getattr(refusal, "messages", [refusal])))
            page["printed"] = printed(form)
    return TemplateResponse(request, "bedrock/reports.html", context | page)


def download(account: Account, form: ReportForm) -> HttpResponseBase:
    """Return the file that was chosen."""
    catch_up(account_id=account.pk, at=timezone.now())
    asked, period = form.cleaned_data, form.period
    report = report_of(account, asked["download"], period, asked["currency"])
    return file_of(report, media_type=FILES[asked["format"] or "csv"], account=account, label=period.label)


def printed(form: ReportForm) -> dict[str, str]:
    """Return what the printed report is asked for."""
    start, end = form.period
    asked = {"start": start, "end": end, "currency": form.cleaned_data["currency"]}
    return {name: str(value) for name, value in asked.items() if value}
