"""Keep the performance of each account since its beginning."""

from __future__ import annotations

import json

from django.db import connections

from accounts.models import Account
from portfolio.domain.inception import measure_whole
from portfolio.selectors.market import SYSTEM
from portfolio.selectors.performance import periods_of, whole_course

KEPT = ("end_value", "net_flows", "gain", "twr", "twr_annualized", "xirr", "simple_return", "volatility", "max_drawdown")


def write_performance(*, account: Account) -> None:
    """Measure an account from its first day on and keep the figures."""
    course = whole_course(account_id=account.pk, using=SYSTEM)
    if course is None:
        return
    found = measure_whole(course, periods=periods_of(account.kind))
    fall = found.drawdown
    fields = {
        "since": found.start,
        "as_of": found.end,
        **{name: getattr(found, name) for name in KEPT},
        "drawdown_peak": fall.peak if fall else None,
        "drawdown_trough": fall.trough if fall else None,
        "drawdown_recovered": fall.recovered if fall else None,
        "reasons": json.dumps(found.reasons),
    }
    names, values = ", ".join(fields), ", ".join(["%s"] * len(fields))
    query = f"""
        INSERT INTO portfolio_performance (account_id, {names}) VALUES (%s, {values})
        ON CONFLICT (account_id) DO UPDATE SET ({names}) = ROW ({", ".join(f"excluded.{name}" for name in fields)})
    """  # noqa: S608
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(query, [account.pk, *fields.values()])
