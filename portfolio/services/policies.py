"""Check the bounds of accounts, and tell their members once when one is broken or kept again."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import Account, Policy
from accounts.models.tenancy import acting_as
from portfolio.domain.policies import Check, State
from portfolio.models import Alert, Projection
from portfolio.selectors.market import SYSTEM
from portfolio.selectors.past import figures_of
from portfolio.selectors.policies import checks_of
from portfolio.services.alerts import Finding, settle

log = logging.getLogger(__name__)

FAMILY = "policy:"


def note_checks(*, account: Account, at: datetime) -> tuple[list[Check], list[Alert]]:
    """Note what an account's bounds come to now, tell its members what is new; return what was found, and what is broken.

    It looks and notes under the lock of the projection's row: nobody who looked at older figures can have the last word.
    """
    with transaction.atomic(using=SYSTEM):
        Projection.objects.using(SYSTEM).select_for_update().filter(pk=account.pk).first()
        checks = checks_of(figures_of(account))
        findings = [
            Finding(
                subject=f"{FAMILY}{one.kind}",
                broken=None if one.state is None else one.state is State.BROKEN,
                title=f"the bound on {TITLES[one.kind.value]}",
                message=one.message,
            )
            for one in checks
        ]
        return checks, settle(account=account, findings=findings, family=FAMILY, at=at)


def watch(*, account_ids: Collection[UUID], at: datetime) -> None:
    """Check the bounds of those among some accounts that have any, or had; their figures have to be up to date."""
    bound = bound_accounts(account_ids=account_ids)
    for account in Account.objects.using(SYSTEM).filter(pk__in=bound).order_by("pk"):
        try:
            with acting_as(account.owner_id):
                note_checks(account=account, at=at)
        except Exception:  # whatever it is, it must not stop the others
            log.exception("The bounds of account %s could not be checked", account.pk)


def bound_accounts(*, account_ids: Collection[UUID]) -> set[UUID]:
    """Return those among some accounts that have bounds, or had some that were broken."""
    bound = Policy.objects.using(SYSTEM).filter(account__in=account_ids).values_list("account_id", flat=True)
    alerts = Alert.objects.using(SYSTEM).filter(account__in=account_ids, subject__startswith=FAMILY)
    return {*bound, *alerts.values_list("account_id", flat=True)}


TITLES = {
    "POSITION": "one position",
    "ASSET_CLASS": "one asset class",
    "CURRENCY": "one foreign currency",
    "FEES": "the fees of a year",
    "CASH": "uninvested cash",
}
