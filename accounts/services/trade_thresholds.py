"""When the last closed trades of an account are reason to worry, as its owners decide."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, TradeThresholds
from accounts.services.planning import hold, save

SHARES = ("min_win_rate", "max_drawdown_pct")  # from 0 to 1
AMOUNTS = ("min_profit_factor",)  # zero or above
FIELDS = ("window", "min_win_rate", "min_profit_factor", "min_expectancy", "max_drawdown_pct", "max_consecutive_losses")
MOST_TRADES = 1000
NAMED = "such bounds"


@transaction.atomic
def set_thresholds(*, account: Account, changes: Mapping[str, Any], anew: bool = False) -> TradeThresholds:
    """Set bounds for the trades of an account; `anew` forgets those that are not given.

    :raises ValidationError: by field
    :raises AccountClosed: if the account is closed
    """
    hold(account)
    known = None if anew else TradeThresholds.objects.filter(pk=account.pk).first()
    thresholds = known or TradeThresholds(account=account)
    for name in FIELDS:
        if name in changes:
            setattr(thresholds, name, changes[name])
    if problems := _problems(thresholds):
        raise ValidationError({name: ValidationError(text, code="invalid") for name, text in problems.items()})
    return save(thresholds, named=NAMED)


def _problems(thresholds: TradeThresholds) -> dict[str, str]:
    """Return which bounds make no sense."""
    problems = {}
    if not 1 <= thresholds.window <= MOST_TRADES:
        problems["window"] = f"Look at 1 to {MOST_TRADES} trades."
    for name in SHARES:
        value = getattr(thresholds, name)
        if value is not None and not 0 <= value <= 1:
            problems[name] = "Give a share from 0 to 1, such as 0.4."
    for name in AMOUNTS:
        value = getattr(thresholds, name)
        if value is not None and value < Decimal(0):
            problems[name] = "Give zero or more."
    return problems
