"""Decision files brought in: one JSON object each, known by its id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.domain.json_text import storable
from trading.domain.decisions import FiledDecision, read_file
from trading.domain.journal_lines import mapping_of
from trading.models import Decision
from trading.selectors.trading_files import DECISION_SOURCE, filed
from trading.services.decisions import SAID, change_decision, record_decision
from trading.services.file_runs import PieceRefused, Run
from trading.services.refusals import told

HISTORY = "history"
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(slots=True)
class DecisionRun(Run[FiledDecision]):
    """A run over decisions; with `update` one that is known and says something else now is changed, with its history."""

    there: dict[str, Decision] = field(default_factory=dict)

    def read(self, text: str) -> FiledDecision:
        """Return what a file says."""
        said = read_file(storable(mapping_of(text)))
        self.check_time("timestamp", said.draft.at)
        return said

    def prepare(self, items: Sequence[FiledDecision]) -> None:
        """Find the decisions with those ids: of files, or the account's own under which they went out."""
        names = {said.external_id for said in items}
        ids = {UUID(name) for name in names if UUID_TEXT.fullmatch(name)}
        rows = Decision.objects.filter(account=self.account).select_related("instrument", "account")
        own = {str(row.pk): row for row in rows.filter(pk__in=ids)}
        brought = {row.external_id: row for row in rows.filter(source=DECISION_SOURCE, external_id__in=names)}
        self.there = own | brought

    def keep(self, item: FiledDecision) -> bool:
        """Keep a decision, unless it is known."""
        instrument = self.instrument(item.pair.upper())
        known = self.there.get(item.external_id)
        if known is not None:
            return self._again(known, item)
        self.there[item.external_id] = record_decision(
            account=self.account,
            instrument=instrument,
            draft=item.draft,
            actor=self.actor,
            now=self.at,
            source=DECISION_SOURCE,
            external_id=item.external_id,
            past=True,
        )
        return True

    def _again(self, known: Decision, said: FiledDecision) -> bool:
        """Look at a decision that is known: the same, or another version of it.

        :raises PieceRefused: if it says something else, and is not to be changed
        """
        if known.instrument_id != self.instrument(said.pair.upper()).pk:
            detail = f"asset_pair: the decision {said.external_id} is known as one on {known.instrument.key}."
            raise PieceRefused("conflicting_decision", detail)
        before, now = filed(known).to_file(), said.to_file()
        names = (before.keys() | now.keys()) - {"asset_pair", HISTORY}  # the one is spelled in many ways, the other grows here
        unlike = sorted(name for name in names if before.get(name) != now.get(name))
        if not unlike:
            return False
        if not self.update:
            detail = f"The decision {said.external_id} is known with another {', '.join(unlike)}."
            raise PieceRefused("conflicting_decision", detail)
        changed: dict[str, Any] = {name: getattr(said.draft, name) for name in SAID}
        changed["metadata"] = {name: value for name, value in said.draft.metadata.items() if name != HISTORY}
        if HISTORY in known.metadata:
            changed["metadata"][HISTORY] = known.metadata[HISTORY]
        with told():
            said.draft.check()
        self.there[said.external_id] = change_decision(
            decision=known, changed=changed, actor=self.actor, at=self.at, reason="A file said so."
        )
        return True
