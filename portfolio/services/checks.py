"""The check that positions follow from the ledger, which the nightly run of `check_data` makes through a setting."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from random import Random
from time import monotonic

from django.conf import settings

from accounts.models import Account, Level
from accounts.services.notifications import notify
from marketdata.domain.quality import Dataset, Severity
from marketdata.selectors.checks import Problem, Scope
from marketdata.services.checks import CrossCheck
from portfolio.selectors.figures import FiguresBeyondLimits
from portfolio.selectors.market import SYSTEM
from portfolio.selectors.projections import accounts_with_entries
from portfolio.services.rebuilding import Difference, rebuild


def positions_that_do_not_follow(scope: Scope) -> Iterator[Problem]:
    """Derive accounts anew and yield those of which a figure comes out otherwise, by their id alone.

    What was wrong is right afterwards, and the owner is told. Accounts come in another order every night and as many as the
    time allows, so that each has its turn.
    """
    accounts = sorted(accounts_with_entries())
    Random(scope.at.toordinal()).shuffle(accounts)  # noqa: S311  an order, no secret
    started = monotonic()
    for account_id in accounts:
        if monotonic() - started > settings.CHECK_POSITIONS_SECONDS:
            return
        try:
            differences = list(rebuild(account_ids=[account_id], at=scope.at))
        except FiguresBeyondLimits:  # nothing is kept of such an account, and whoever opens it is told why
            continue
        for _, each in groupby(differences, key=attrgetter("account_id")):
            found = list(each)
            _tell_owner(found, scope.at)
            yield Problem(Dataset.BARS, None, account_id, {"account": account_id, "figures": len(found)})


def _tell_owner(differences: list[Difference], at: datetime) -> None:
    """Tell the owner of an account that figures were wrong and are right now."""
    account = Account.objects.using(SYSTEM).select_related("owner").get(pk=differences[0].account_id)
    tables = ", ".join(sorted({each.table for each in differences}))
    notify(
        user=account.owner,
        title=f"Figures of {account.name} did not follow from the ledger",
        body=f"{len(differences)} figures ({tables}) were derived anew from the ledger and are right now.",
        level=Level.WARNING,
        at=at,
        using=SYSTEM,
    )


POSITIONS_FOLLOW = CrossCheck(
    "positions_follow",
    Severity.ERROR,
    "Positions of an account do not follow from its ledger.",
    positions_that_do_not_follow,
    private=True,
)
