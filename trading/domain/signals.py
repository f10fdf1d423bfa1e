"""Signals: what a strategy or a scanner saw, how strongly, and until when it counts."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.domain.limits import problem_of_data, problem_of_text
from trading.domain.problems import Problem, Refused, refuse_if

LONGEST_NAME = 100
PLACES = 6


class SignalKind(enum.StrEnum):
    """What a signal says."""

    ENTER_LONG = "ENTER_LONG"
    ENTER_SHORT = "ENTER_SHORT"
    EXIT_LONG = "EXIT_LONG"
    EXIT_SHORT = "EXIT_SHORT"
    WATCH = "WATCH"


class SignalStatus(enum.StrEnum):
    """What became of a signal."""

    ACTIVE = "ACTIVE"
    TAKEN = "TAKEN"
    DISMISSED = "DISMISSED"
    EXPIRED = "EXPIRED"


# A status without a row is final.
NEXT: Mapping[SignalStatus, frozenset[SignalStatus]] = {
    SignalStatus.ACTIVE: frozenset({SignalStatus.TAKEN, SignalStatus.DISMISSED, SignalStatus.EXPIRED}),
}


class SignalRefused(Refused):
    """A signal that cannot stand."""


class SignalNotActive(Refused):
    """The signal was taken or dismissed, or its time is over."""

    by_state = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDraft:
    """A signal before it is written down; `source` is the scanner or strategy that saw it."""

    at: datetime
    kind: SignalKind
    source: str
    strength: Decimal = Decimal(1)
    expires_at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a signal that cannot stand.

        :raises SignalRefused: by field
        """
        refuse_if(_problems(self), SignalRefused)


def status_at(status: SignalStatus, expires_at: datetime | None, now: datetime) -> SignalStatus:
    """Return what a signal is at an instant: one that is active until its time has come."""
    over = status is SignalStatus.ACTIVE and expires_at is not None and expires_at <= now
    return SignalStatus.EXPIRED if over else status


def moved(status: SignalStatus, target: SignalStatus) -> SignalStatus:
    """Return the status after a change.

    :raises SignalNotActive: if the signal has come to its end
    """
    if target not in NEXT.get(status, frozenset()):
        raise SignalNotActive([Problem("status", "signal_not_active", f"The signal is {status}; it is not {target} any more.")])
    return target


def _problems(draft: SignalDraft) -> Iterator[Problem]:
    """Yield what is wrong with a signal."""
    times = [("at", draft.at), ("expires_at", draft.expires_at)]
    naive = [name for name, at in times if at is not None and at.tzinfo is None]
    for name in naive:
        yield Problem(name, "naive", "Write the time with its offset, such as 2024-12-29T10:30:00Z.")
    if not naive and draft.expires_at is not None and draft.expires_at <= draft.at:
        yield Problem("expires_at", "before_start", "A signal ends after it begins; leave the end out if it has none.")
    if not (draft.strength.is_finite() and 0 <= draft.strength <= 1):
        yield Problem("strength", "not_a_share", "The strength is a number from 0 to 1, such as 0.85; the kind says which way.")
    elif draft.strength != round(draft.strength, PLACES):
        yield Problem("strength", "too_precise", f"The strength has at most {PLACES} decimal places.")
    if not draft.source:
        yield Problem("source", "required", "Name the strategy or scanner that saw it.")
    elif told := problem_of_text(draft.source, most=LONGEST_NAME):
        yield Problem("source", "invalid", told)
    if told := problem_of_data(draft.data):
        yield Problem("data", "invalid", told)
