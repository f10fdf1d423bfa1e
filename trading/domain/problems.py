"""How the domain says no: every rule has a name, the field it is about, and a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule; `code` is the rule's name."""

    field: str
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.field}: {self.detail}" if self.field else self.detail


class Refused(ValueError):
    """Something that cannot stand; `problems` says of each field what is wrong and what to do.

    `by_state`: what was asked for is well formed, and refused for how things stand.
    """

    by_state: ClassVar[bool] = False

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)

    @property
    def codes(self) -> set[str]:
        """The names of the rules that are broken."""
        return {problem.code for problem in self.problems}


def refuse_if(problems: Iterable[Problem], refusal: type[Refused] = Refused) -> None:
    """Do nothing, unless there is a problem.

    :raises Refused: with all of them
    """
    if found := tuple(problems):
        raise refusal(found)
