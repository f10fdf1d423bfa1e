"""Decisions: what was made up one's mind to do, how surely and why; and the files in which they come and go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from accounts.domain.limits import problem_of_data, problem_of_number, problem_of_text
from portfolio.domain.exact import plain
from trading.domain.outcomes import Choice
from trading.domain.problems import Problem, Refused, refuse_if

LONGEST = 10_000
LONGEST_NAME = 100
MOST_INDICATORS = 50
PLACES = 6
FILE_KEYS = frozenset({"id", "timestamp", "asset_pair", "action", "confidence"})
PRICES = ("price", "stop_loss", "target")
PRICE = re.compile(r"\d{1,15}(\.\d{1,10})?", re.ASCII)
FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)


class DecisionRefused(Refused):
    """A decision that cannot stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionDraft:
    """A decision before it is written down."""

    at: datetime
    choice: Choice
    confidence: Decimal
    reasoning: str = ""
    entry_type: str = ""
    indicators: tuple[str, ...] = ()
    price: Decimal | None = None
    stop_loss: Decimal | None = None
    target: Decimal | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a decision that cannot stand.

        :raises DecisionRefused: by field
        """
        refuse_if(_problems(self), DecisionRefused)

    @property
    def risk_reward(self) -> Decimal | None:
        """What is to be won for each unit at risk; none without price, stop and target."""
        return risk_reward(self.price, self.stop_loss, self.target)


def risk_reward(price: Decimal | None, stop: Decimal | None, target: Decimal | None) -> Decimal | None:
    """Return what is to be won for each unit at risk, to two places; none where that is not known.

    >>> risk_reward(Decimal(100), Decimal(98), Decimal(105))
    Decimal('2.50')
    """
    if price is None or stop is None or target is None or price == stop:
        return None
    return round(abs(target - price) / abs(price - stop), 2)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return what a change of a decision changed, as its history keeps it: the old and the new value by name, as JSON has them.

    >>> changes({"confidence": Decimal("0.50"), "choice": "BUY"}, {"confidence": Decimal("0.7")})
    {'confidence': ['0.5', '0.7']}
    """
    return {
        name: [_recorded(before.get(name)), _recorded(value)]
        for name, value in after.items()
        if _recorded(before.get(name)) != _recorded(value)
    }


@dataclass(frozen=True, slots=True)
class FiledDecision:
    """A decision file: its id and pair, the decision, and in its metadata all else that the file says."""

    external_id: str
    pair: str
    draft: DecisionDraft

    @property
    def file_name(self) -> str:
        """What the file is called."""
        return f"{self.draft.at:%Y-%m-%d}_{self.external_id}.json"

    def to_file(self) -> dict[str, Any]:
        """Return what the file holds."""
        draft = self.draft
        at = draft.at.astimezone(UTC).replace(tzinfo=None)
        head = {"id": self.external_id, "timestamp": at.isoformat(timespec="microseconds"), "asset_pair": self.pair}
        return head | {"action": draft.choice.value, "confidence": _shown(draft.confidence)} | dict(draft.metadata)


def read_file(said: Mapping[str, Any]) -> FiledDecision:
    """Return the decision of a file; a time without a zone is UTC.

    :raises DecisionRefused: by field
    """
    problems = [
        Problem(name, "required", "The file does not say it.") for name in sorted(FILE_KEYS) if said.get(name) in (None, "")
    ]
    refuse_if(problems, DecisionRefused)
    readers = {"id": _id, "asset_pair": _pair, "timestamp": _time, "action": _choice, "confidence": _confidence}
    read: dict[str, Any] = {}
    for name, reader in readers.items():
        try:
            read[name] = reader(said[name])
        except (ValueError, ArithmeticError, TypeError):
            problems.append(Problem(name, "invalid", REMEDIES[name]))
    refuse_if(problems, DecisionRefused)
    rest = {name: value for name, value in said.items() if name not in FILE_KEYS}
    confidence = round(read["confidence"], PLACES)
    if confidence != read["confidence"]:
        rest["confidence"] = said["confidence"]  # as the file has it, to the last digit
    draft = DecisionDraft(at=read["timestamp"], choice=read["action"], confidence=confidence, metadata=rest, **_understood(rest))
    return FiledDecision(read["id"], read["asset_pair"], draft)


def in_file(draft: DecisionDraft) -> DecisionDraft:
    """Return a decision as its file tells it: what has no field of its own there stands among the metadata."""
    said = {
        "reasoning": draft.reasoning,
        "entry_type": draft.entry_type,
        "indicators": list(draft.indicators),
        **{name: None if (price := getattr(draft, name)) is None else plain(price) for name in PRICES},
    }
    own = {name: value for name, value in said.items() if value}
    understood = _understood(draft.metadata)
    kept = {
        name: value
        for name, value in draft.metadata.items()
        if (name not in FILE_KEYS or (name == "confidence" and _rounds_to(value, draft.confidence)))
        and (name not in said or name not in understood or understood[name] == getattr(draft, name))
    }
    return replace(draft, metadata=own | kept)


def _rounds_to(value: Any, confidence: Decimal) -> bool:
    """Say whether a confidence that a file wrote is the one that is kept."""
    try:
        return round(_confidence(value), PLACES) == confidence
    except (ValueError, ArithmeticError, TypeError):
        return False


def _understood(rest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what among the metadata of a file are fields of a decision; what is written otherwise stays metadata alone."""
    found: dict[str, Any] = {}
    for name, most in (("reasoning", LONGEST), ("entry_type", LONGEST_NAME)):
        if isinstance(text := rest.get(name), str) and not problem_of_text(text, most=most):
            found[name] = text
    named = rest.get("indicators")
    if isinstance(named, list) and all(isinstance(one, str) and one for one in named) and len(named) <= MOST_INDICATORS:
        found |= {"indicators": tuple(named)} if not any(problem_of_text(one, most=LONGEST_NAME) for one in named) else {}
    for name in PRICES:
        written = rest.get(name)
        if isinstance(written, str | int | float) and not isinstance(written, bool) and PRICE.fullmatch(str(written)):
            price = Decimal(str(written))
            found |= {name: price} if price > 0 else {}
    return found


REMEDIES = {
    "id": "Write an id of letters, digits, - and _.",
    "asset_pair": "Write the pair or symbol as a text, such as BTCUSD.",
    "timestamp": "Write a time in ISO 8601, such as 2024-12-29T10:30:00.",
    "action": "Write BUY, SELL or HOLD.",
    "confidence": "Write a number from 0 to 1, such as 0.85.",
}


def _id(value: Any) -> str:
    if not isinstance(value, str) or not FILE_ID.fullmatch(value):
        raise ValueError
    return value


def _pair(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _time(value: Any) -> datetime:
    at = datetime.fromisoformat(value)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _choice(value: Any) -> Choice:
    return Choice(value)


def _confidence(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError
    number = Decimal(str(value))
    if not 0 <= number <= 1:
        raise ValueError
    return number


def _problems(draft: DecisionDraft) -> Iterator[Problem]:
    """Yield what is wrong with a decision."""
    if draft.at.tzinfo is None:
        yield Problem("at", "naive", "Write the time with its offset, such as 2024-12-29T10:30:00Z.")
    if not (draft.confidence.is_finite() and 0 <= draft.confidence <= 1):
        yield Problem("confidence", "not_a_share", "The confidence is a number from 0 to 1, such as 0.85.")
    elif draft.confidence != round(draft.confidence, PLACES):
        yield Problem("confidence", "too_precise", f"The confidence has at most {PLACES} decimal places.")
    for name in PRICES:
        price = getattr(draft, name)
        if price is not None and (told := problem_of_number(price, digits=15, places=10)):
            yield Problem(name, "invalid_number", told)
        elif price is not None and price <= 0:
            yield Problem(name, "not_positive", "A price is above zero.")
    yield from _bad_texts(draft)


def _bad_texts(draft: DecisionDraft) -> Iterator[Problem]:
    """Yield what is wrong with what is said of it."""
    for name, most in (("reasoning", LONGEST), ("entry_type", LONGEST_NAME)):
        if told := problem_of_text(getattr(draft, name), most=most):
            yield Problem(name, "invalid", told)
    if len(draft.indicators) > MOST_INDICATORS or not all(draft.indicators):
        yield Problem("indicators", "invalid", f"Name up to {MOST_INDICATORS} indicators, none of them empty.")
    for name in draft.indicators:
        if told := problem_of_text(name, most=LONGEST_NAME):
            yield Problem("indicators", "invalid", told)
    if told := problem_of_data(draft.metadata):
        yield Problem("metadata", "invalid", told)


def _recorded(value: Any) -> Any:
    """Return a value as the history keeps it."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return list(value) if isinstance(value, tuple) else value


def _shown(number: Decimal) -> float | str:
    """Return a number as JSON has it, where it can."""
    return float(number) if Decimal(repr(float(number))) == number else plain(number)
