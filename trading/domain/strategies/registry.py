"""The strategies that come with the house, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trading.domain.problems import Problem, Refused
from trading.domain.strategies.base import Strategy, read_parameters
from trading.domain.strategies.breakout import Breakout
from trading.domain.strategies.sma_cross import MovingAverageCross

_ALL: tuple[type[Strategy], ...] = (MovingAverageCross, Breakout)
BUILT_IN: Mapping[str, type[Strategy]] = {one.name: one for one in _ALL}


class UnknownStrategy(Refused):
    """There is no built-in strategy of that name."""


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
