"""Decision files brought in: one JSON object each, known by its id."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(slots=True)
class DecisionRun(Run):
    """A run over decisions; with `update` one that is known and says something else now is changed, with its history."""

    def store(self, text: str) -> bool:
        """Keep a decision, unless it is known."""
        said = read_file(storable(mapping_of(text)))
        self.check_time("timestamp", said.draft.at)
        instrument = self.instrument(said.pair.upper())
        known = self._known(said.external_id)
        if known is not None:
            return self._again(known, said)
        record_decision(
            account=self.account,
            instrument=instrument,
            draft=said.draft,
            actor=self.actor,
            now=self.at,
            source=DECISION_SOURCE,
            external_id=said.external_id,
            past=True,
        )
        return True

    def _known(self, external_id: str) -> Decision | None:
        """Return the decision with an id: one of a file, or the account's own under which it went out."""
        rows = Decision.objects.filter(account=self.account).select_related("instrument", "account")
        found: Decision | None = rows.filter(source=DECISION_SOURCE, external_id=external_id).first()
        if found is None:
            try:
                found = rows.filter(pk=UUID(external_id)).first()
            except ValueError:
                return None
        return found

    def _again(self, known: Decision, said: FiledDecision) -> bool:
        """Look at a decision that is known: the same, or another version of it.

        :raises PieceRefused: if it says something else, and is not to be changed
        """
        if known.instrument_id != self.instrument(said.pair.upper()).pk:
            detail = f"asset_pair: the decision {said.external_id} is known as one on {known.instrument.key}."
            raise PieceRefused("conflicting_decision", detail)
        before, now = filed(known).to_file(), said.to_file()
        names = (before.keys() | now.keys()) - {
            "asset_pair",
            "history",
        }  # the one is spelled in many ways, the other goes out alone
        unlike = sorted(name for name in names if before.get(name) != now.get(name))
        if not unlike:
            return False
        if not self.update:
            detail = f"The decision {said.external_id} is known with another {', '.join(unlike)}."
            raise PieceRefused("conflicting_decision", detail)
        changed: dict[str, Any] = {name: getattr(said.draft, name) for name in SAID}
        with told():
            said.draft.check()
        change_decision(decision=known, changed=changed, actor=self.actor, at=self.at, reason="A file said so.")
        return True
