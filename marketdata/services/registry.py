"""The rules in force: ours, and those that a setting adds."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from marketdata.domain.quality import Rule
from marketdata.domain.rules import OURS


def rules_in_force() -> tuple[Rule, ...]:
    """Return our rules and those that MARKETDATA_RULES names: modules, whose rules are taken, or a rule each.

    :raises ImproperlyConfigured: naming what is no rule, or has the name of another
    """
    return (*OURS.values(), *_own(tuple(settings.MARKETDATA_RULES)))


@cache
def _own(paths: tuple[str, ...]) -> tuple[Rule, ...]:
    """Return the rules at dotted paths."""
    found: dict[str, Rule] = {}
    for path in paths:
        for rule in _rules_at(path):
            if rule.name in found or rule.name in OURS:
                raise ImproperlyConfigured(f"MARKETDATA_RULES: {path}: there is a rule named {rule.name} already.")
            if rule.check is None:
                raise ImproperlyConfigured(f"MARKETDATA_RULES: {path}: the rule {rule.name} has no check.")
            found[rule.name] = rule
    return tuple(found.values())


def _rules_at(path: str) -> Iterable[Rule]:
    """Return the rules of a module, or the one that a path names.

    :raises ImproperlyConfigured: naming the path at which there are none
    """
    try:
        try:
            there: Any = import_module(path)
        except ModuleNotFoundError:
            there = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"MARKETDATA_RULES: {path}: {error}") from error
    members: Mapping[str, Any] = vars(there) if isinstance(there, ModuleType) else {path: there}
    found = [member for member in members.values() if isinstance(member, Rule)]
    if not found:
        raise ImproperlyConfigured(f"MARKETDATA_RULES: {path}: there is no rule there.")
    return found
