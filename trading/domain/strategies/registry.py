"""The strategies that come with the house, by name."""

from __future__ import annotations

from collections.abc import Mapping

from trading.domain.problems import Problem, Refused
from trading.domain.strategies.base import Strategy

BUILT_IN: Mapping[str, type[Strategy]] = {}


class UnknownStrategy(Refused):
    """There is no built-in strategy of that name."""


def built_in(kind: str) -> type[Strategy]:
    """Return the strategy of a name.

    :raises UnknownStrategy: if there is none, naming those there are
    """
    if kind not in BUILT_IN:
        there = f"there are {', '.join(sorted(BUILT_IN))}" if BUILT_IN else "leave it out for a program of your own"
        raise UnknownStrategy([Problem("kind", "unknown_strategy", f"There is no such strategy; {there}.")])
    return BUILT_IN[kind]
