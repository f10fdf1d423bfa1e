"""The strategies that there are, by name: those that come with the house, and those that a site adds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from trading.domain.problems import Problem, Refused
from trading.domain.strategies.base import Parameter, Strategy, read_parameters
from trading.domain.strategies.breakout import Breakout
from trading.domain.strategies.sma_cross import MovingAverageCross

_ALL: tuple[type[Strategy], ...] = (MovingAverageCross, Breakout)
_known: dict[str, type[Strategy]] = {one.name: one for one in _ALL}
BUILT_IN: Mapping[str, type[Strategy]] = MappingProxyType(_known)
NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
DECLARED = ("name", "description", "entry_type", "indicators", "parameters")


class UnknownStrategy(Refused):
    """There is no strategy of that name."""


def register(strategy: Any) -> None:
    """Let a class that a site has written trade like those of the house.

    :raises ValueError: saying what it lacks, or that another is called so
    """
    if not isinstance(strategy, type):
        raise ValueError("This is no class.")
    lacking = [each for each in (*DECLARED, "plan") if not hasattr(strategy, each)]
    if lacking:
        raise ValueError(f"The class lacks {', '.join(lacking)}.")
    name, parameters = strategy.name, strategy.parameters  # type: ignore[attr-defined]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError("Its name has to be of small letters, digits and _, 50 at most, such as mean_reversion.")
    if _known.get(name, strategy) is not strategy:
        raise ValueError(f"There is a strategy named {name} already.")
    if not isinstance(parameters, tuple) or not all(isinstance(each, Parameter) for each in parameters):
        raise ValueError("Its parameters have to be a tuple of Parameter.")
    try:
        with_defaults = strategy(read_parameters(parameters, {}))
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(f"It cannot be made with its defaults: {type(error).__name__}: {error}") from error
    if not isinstance(with_defaults, Strategy):
        raise ValueError("It has to say how many bars it needs: warm_up.")
    _known[name] = strategy


def built_in(kind: str, *, field: str = "kind") -> type[Strategy]:
    """Return the strategy of a name; `field` is what a refusal calls it.

    :raises UnknownStrategy: if there is none, naming those there are
    """
    if kind not in BUILT_IN:
        there = f"there are {', '.join(sorted(BUILT_IN))}" if BUILT_IN else "leave it out for a program of your own"
        raise UnknownStrategy([Problem(field, "unknown_strategy", f"There is no such strategy; {there}.")])
    return BUILT_IN[kind]


def made(kind: str, written: Mapping[str, Any]) -> Strategy:
    """Return a built-in strategy with the parameters that are written, and the defaults of the others.

    :raises UnknownStrategy: if there is none of that name
    :raises ParametersRefused: by name

    >>> made("sma_cross", {"fast": "5"}).warm_up
    30
    """
    strategy = built_in(kind)
    return strategy(read_parameters(strategy.parameters, written))
