"""Keep the performance of each account since its beginning."""

from __future__ import annotations

from accounts.models import Account
from portfolio.models import Performance
from portfolio.selectors.market import SYSTEM
from portfolio.selectors.performance import performance_of, points

KEPT = ("end_value", "net_flows", "gain", "twr", "twr_annualized", "xirr", "simple_return", "volatility", "max_drawdown")


def write_performance(*, account: Account) -> None:
    """Measure an account from its first day on and keep the figures."""
    found = performance_of(points(account_id=account.pk, using=SYSTEM), kind=account.kind)
    if found is None:
        return
    fall = found.drawdown
    Performance.objects.using(SYSTEM).update_or_create(
        account=account,
        defaults={
            "since": found.start,
            "as_of": found.end,
            **{name: getattr(found, name) for name in KEPT},
            "drawdown_peak": fall.peak if fall else None,
            "drawdown_trough": fall.trough if fall else None,
            "drawdown_recovered": fall.recovered if fall else None,
            "reasons": {name: reason for name, reason in found.reasons.items() if name in KEPT},
        },
    )
