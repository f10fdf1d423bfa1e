"""The words of the domain as choices of columns."""

from collections.abc import Iterable
from enum import StrEnum

from django.db.models import Q


def choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    """Return the words of an enumeration with what pages call them."""
    return [(word.value, word.value.replace("_", " ").capitalize()) for word in words]


def one_of(column: str, words: Iterable[str]) -> Q:
    """Return the condition that a column holds one of some words."""
    return Q(**{f"{column}__in": sorted(map(str, words))})
