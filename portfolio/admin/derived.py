"""What the pages of derived rows share: they are caught up before they are shown, or say until when their figures stand."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin.base import MemberAdmin, roles_of
from accounts.models import Account
from marketdata.admin.base import page_of
from marketdata.domain.display import NOTHING
from portfolio.models import Performance
from portfolio.selectors.lagging import Standing, standings_of
from portfolio.services.projections import catch_up

CHOSEN = ("account__id__exact", "account__id")
ACCOUNT = ("account", "to_account")  # the columns that name it
MOST = 20  # accounts that a list of several looks after; whoever has more is told which are behind
SECONDS = 3.0  # until whoever waits gets the page; an account that was begun with is finished


def stands(row: Any) -> str:
    """Return the last day of a row's account, and what its figures lack; the way to its own list leads to those that don't."""
    standing: Standing | None = getattr(row, "standing", None)
    if standing is None:
        return NOTHING
    day = standing.until or NOTHING
    behind = standing.behind or ("new days" if isinstance(row, Performance) and not standing.measured else "")
    if not behind:
        return format_html('<span class="nowrap">{}</span>', day)
    return format_html(
        '<span class="nowrap">{} <a class="tag" href="?{}={}" title="Show this account alone, up to date">{}</a></span>',
        day,
        CHOSEN[0],
        row.account_id,
        behind,
    )


stands.short_description = "Figures until"  # type: ignore[attr-defined]


class DerivedAdmin(MemberAdmin):
    """Rows that follow from the ledger and the prices: nobody sees yesterday's for today's.

    One account, or the few that somebody has, are caught up first. A list of more accounts says of each how far it is.
    """

    natural: ClassVar[tuple[str, ...]] = ()  # what a row is known by when it was written again

    def prepare(self, rows: Iterable[Any]) -> None:
        """Tell each row where its account stands."""
        standings = standings_of({row.account_id for row in rows})
        for row in rows:
            row.standing = standings.get(row.account_id)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns; where several accounts may be listed, until when the figures of each stand."""
        shown = list(super().get_list_display(request))
        if stands in shown or account_asked(request):
            return shown
        after = 1 + next(place for place, one in enumerate(shown) if one in ACCOUNT or getattr(one, "__name__", "") in ACCOUNT)
        return [*shown[:after], stands, *shown[after:]]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list after the accounts were brought up to date."""
        mine, asked = roles_of(request), account_asked(request)
        wanted = {asked} & mine.keys() if asked else mine.keys()
        if len(wanted) <= MOST:
            bring_up_to_date(request, wanted)
        return super().changelist_view(request, extra_context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a row after its account was brought up to date; one that was written again is found by what it is of."""
        row = self.get_object(request, unquote(object_id)) if object_id else None
        if row is not None:
            bring_up_to_date(request, {row.account_id})
            if (again := self._again(request, row)) is not None and again.pk != row.pk:
                return redirect(page_of(again))
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        return answer

    def _again(self, request: HttpRequest, row: Model) -> Model | None:
        """Return the row that has a row's place now."""
        place = {name: getattr(row, name) for name in ("account_id", *self.natural)}
        found: Model | None = self.get_queryset(request).filter(**place).first() if self.natural else row
        return found


def account_asked(request: HttpRequest) -> UUID | None:
    """Return the one account that a list is filtered to."""
    asked = next((request.GET[name] for name in CHOSEN if name in request.GET), "")
    try:
        return UUID(asked)
    except ValueError:
        return None


def bring_up_to_date(request: HttpRequest, account_ids: Collection[UUID]) -> None:
    """Catch up those of some accounts that are behind, as far as the time goes; say which could not be."""
    started = time.monotonic()
    behind = [
        account_id for account_id, standing in standings_of(account_ids).items() if not (standing.current and standing.measured)
    ]
    for account_id in sorted(behind):
        if time.monotonic() - started > SECONDS:
            break
        try:
            catch_up(account_id=account_id, at=timezone.now(), measuring=True)
        except ValidationError as refusal:
            name = Account.objects.filter(pk=account_id).values_list("name", flat=True).first() or account_id
            told = " ".join(refusal.messages)
            messages.warning(request, f"The figures of {name} could not be brought up to date: {told}")
        except Account.DoesNotExist:
            continue
