"""What is asked before a corporate action is posted to an account, or dismissed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from accounts.admin.base import user_of
from accounts.domain.roles import Role
from accounts.models import LedgerEntry
from marketdata.admin.base import Dialog, find
from marketdata.domain.money import plain
from portfolio.domain.proposals import Said
from portfolio.models import Position
from portfolio.selectors.corporate_actions import Proposal, Status, proposals
from portfolio.services.corporate_actions import apply_action, dismiss_action
from portfolio.services.projections import catch_up

TEXT = UnfoldAdminTextInputWidget


class ActionDialog(Dialog):
    """Which of the actions that met the position is to be posted."""

    action = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    cash_in_lieu = forms.DecimalField(
        required=False, min_value=0, max_digits=25, decimal_places=10, widget=TEXT, help_text="Paid for a fraction of a unit."
    )
    cost_fraction = forms.DecimalField(
        required=False, min_value=0, max_value=1, decimal_places=10, widget=TEXT, help_text="Of a spin-off, where no prices tell."
    )
    dismiss = forms.BooleanField(required=False, widget=UnfoldBooleanWidget, help_text="It shall not be posted.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Position.objects.visible_to(user_of(self.request), role=Role.TRADER).select_related("account", "instrument")
        self.position: Position = find(rows, self.object_id)
        catch_up(account_id=self.position.account_id, at=timezone.now())
        self.fields["action"].choices = [(str(one.action.pk), told(one)) for one in self.waiting()]

    def waiting(self) -> list[Proposal]:
        """Return what is proposed of the position."""
        found = proposals(account=self.position.account, today=timezone.now().date())
        own = [one for one in found if one.action.instrument_id == self.position.instrument_id]
        return [one for one in own if one.status is Status.PROPOSED]

    def perform(self) -> Sequence[LedgerEntry]:
        """Post the action, or the note that it shall not be."""
        user, given, at = user_of(self.request), self.cleaned_data, timezone.now()
        if not given["action"]:
            raise Http404
        account, action = self.position.account, UUID(given["action"])
        if given["dismiss"]:
            return [dismiss_action(account=account, action_id=action, actor=user, at=at)]
        said = Said(given["cash_in_lieu"], given["cost_fraction"])
        return apply_action(account=account, action_id=action, actor=user, at=at, said=said)[0]


def told(proposal: Proposal) -> str:
    """Return a proposal in a line."""
    action = proposal.action
    what = ", ".join(f"{draft.kind} {plain(draft.quantity or draft.cash)}".strip() for draft in proposal.drafts)
    return f"{action.kind} on {action.ex_date}, {plain(proposal.held)} held: {what or proposal.problem}"
