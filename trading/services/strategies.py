"""The ways of trading that a person has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts.domain.limits import problem_of_data, problem_of_text
from accounts.models import User
from portfolio.domain.exact import plain
from trading.domain.problems import Problem, Refused, refuse_if
from trading.domain.strategies.base import read_parameters
from trading.domain.strategies.registry import built_in
from trading.models import Strategy
from trading.services.refusals import told, unless_taken

LONGEST = 10_000
CHANGEABLE = frozenset({"name", "entry_type", "description", "indicators", "parameters"})


class StrategyNameTaken(ValidationError):
    """The person has a strategy of that name."""


class StrategyInUse(ValidationError):
    """Sessions or backtests refer to the strategy: it can be archived, and not thrown away."""


@transaction.atomic
def create_strategy(*, user: User, name: str, at: datetime, kind: str = "", **fields: Any) -> Strategy:
    """Write a strategy down; a built-in one gets the defaults of the parameters that are left out.

    :raises StrategyNameTaken: if the person has one of that name
    :raises ValidationError: by field
    """
    return _store(Strategy(user=user, name=name, kind=kind, created_at=at, updated_at=at, **fields))


@transaction.atomic
def change_strategy(*, strategy: Strategy, changes: Mapping[str, Any], at: datetime) -> Strategy:
    """Change what a strategy is called and how it trades from now on; `archived` puts it away, or takes it out again.

    :raises StrategyNameTaken: if the person has another one of that name
    :raises ValidationError: by field
    """
    for name in CHANGEABLE & changes.keys():
        setattr(strategy, name, changes[name])
    if "archived" in changes:
        strategy.archived_at = (strategy.archived_at or at) if changes["archived"] else None
    strategy.updated_at = at
    return _store(strategy)


@transaction.atomic
def delete_strategy(*, strategy: Strategy) -> None:
    """Throw a strategy away that never ran.

    :raises StrategyInUse: if a session or a backtest refers to it
    """
    refusal = StrategyInUse("It has run: archive it, so that its record stays.", code="strategy_in_use")
    try:
        with transaction.atomic():
            strategy.delete()
    except (ProtectedError, IntegrityError) as error:
        raise refusal from error


def _store(strategy: Strategy) -> Strategy:
    """Store a strategy that can stand."""
    with told():
        refuse_if(_problems(strategy), Refused)
        if strategy.kind:
            made = built_in(strategy.kind)
            values = read_parameters(made.parameters, strategy.parameters)
            made(values)  # refuses values that do not go together
            strategy.parameters = {name: plain(value) if isinstance(value, Decimal) else value for name, value in values.items()}
            strategy.entry_type = strategy.entry_type or made.entry_type
            strategy.indicators = strategy.indicators or list(made.indicators)
    strategy.clean_fields(exclude={"user"})
    with unless_taken(StrategyNameTaken("You have a strategy of that name.", code="name_taken")):
        strategy.save()
    return strategy


def _problems(strategy: Strategy) -> list[Problem]:
    """Return what columns alone would not refuse."""
    told = {
        "description": problem_of_text(strategy.description, most=LONGEST),
        "parameters": problem_of_data(strategy.parameters),
    }
    return [Problem(name, "invalid", text) for name, text in told.items() if text]
