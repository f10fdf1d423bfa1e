"""Fetch the prices that an account's people need."""

from collections import Counter
from datetime import datetime
from uuid import UUID

from accounts.selectors.instruments import instruments_of
from marketdata.models import Instrument
from marketdata.services import providers


def refresh_account(*, account_id: UUID, at: datetime) -> str:
    """Fetch what is new of the instruments an account holds or its members watch; say in a line what came of it."""
    wanted = Instrument.objects.filter(pk__in=instruments_of(account_id, using="system"), active=True)
    report = providers.refresh(instruments=wanted, at=at)
    outcomes = Counter(str(run.outcome) for run in report.runs)
    told = ", ".join(f"{outcome}: {number}" for outcome, number in sorted(outcomes.items())) or "nothing was due"
    left = f"; {len(report.left)} instruments left for the next run" if report.left else ""
    return f"{report.stored} bars stored ({told}){left}"
