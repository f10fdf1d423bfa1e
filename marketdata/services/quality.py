"""Write down what was wrong with rows, once for each row and rule, and what became of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from marketdata.domain.quality import Dataset, Finding, as_text
from marketdata.models.quality import QualityIssue

MAX_FIELDS = 40
RECORD = """
    INSERT INTO marketdata_qualityissue AS issue (rule, severity, dataset, source, instrument_id, record, field, value, detail,
                                         fingerprint, times, found_at, last_found_at, resolved_by, resolution)
    SELECT DISTINCT ON (fingerprint) rule, severity, %(dataset)s, %(source)s, instrument_id, record::jsonb, field,
           value, detail, fingerprint, sum(times) OVER (PARTITION BY fingerprint), %(at)s, %(at)s, '', ''
    FROM unnest(%(rules)s::text[], %(severities)s::text[], %(instruments)s::uuid[], %(records)s::text[],
                %(fields)s::text[], %(values)s::text[], %(details)s::text[], %(fingerprints)s::text[],
                %(times)s::integer[])
         AS found (rule, severity, instrument_id, record, field, value, detail, fingerprint, times)
    ORDER BY fingerprint
    ON CONFLICT (fingerprint) DO UPDATE
    SET times = issue.times + excluded.times, last_found_at = excluded.last_found_at,
        resolved_at = CASE WHEN issue.resolved_by <> issue.source THEN issue.resolved_at END,
        resolution = CASE WHEN issue.resolved_by <> issue.source THEN issue.resolution ELSE '' END,
        resolved_by = CASE WHEN issue.resolved_by <> issue.source THEN issue.resolved_by ELSE '' END
"""


class AlreadyResolved(ValidationError):
    """Somebody has dealt with the issue before."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding beside the row it is about, as that came, and the instrument, where it is known."""

    finding: Finding
    row: object
    instrument_id: UUID | None = None
    times: int = 1


def record_findings(*, dataset: Dataset, source: str, found: Sequence[Found], at: datetime) -> None:
    """Write findings down as issues; a row that was found before with the same fault is counted, not written again.

    What somebody has dealt with stays so; what its source itself took for gone, and finds again, is open again.
    Of one rule and batch at most `domain.quality.TOLD` rows are written; the report's `untold` ones become one issue that
    stands for them all.
    """
    if not found:
        return
    records = [_record(each.row) for each in found]
    columns: dict[str, Any] = {
        "rules": [each.finding.rule for each in found],
        "severities": [each.finding.severity.value for each in found],
        "instruments": [each.instrument_id for each in found],
        "records": records,
        "fields": [each.finding.field for each in found],
        "values": [each.finding.value for each in found],
        "details": [each.finding.detail for each in found],
        "fingerprints": [
            _fingerprint(each.finding.rule, dataset, source, str(each.instrument_id), each.finding.field, record)
            for each, record in zip(found, records, strict=True)
        ],
        "times": [each.times for each in found],
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORD, columns | {"dataset": dataset.value, "source": source, "at": at})


@transaction.atomic
def resolve_issue(*, issue: QualityIssue, by: str, resolution: str, at: datetime) -> QualityIssue:
    """Note that an issue has been dealt with, by whom and how.

    :raises AlreadyResolved: if it has been before
    """
    current = QualityIssue.objects.select_for_update(of=("self",)).get(pk=issue.pk)
    if current.resolved_at is not None:
        raise AlreadyResolved(f"{current.resolved_by} has resolved this issue already.", code="already_resolved")
    current.resolved_at, current.resolved_by, current.resolution = at, by, resolution
    current.save(update_fields=["resolved_at", "resolved_by", "resolution"])
    return current


def _fingerprint(*parts: str) -> str:
    """Return what tells one fault of one row from all others."""
    return sha256("\x1f".join(parts).encode()).hexdigest()


def _record(row: object) -> str:
    """Return a row as it came as JSON, every value as text."""
    if not isinstance(row, Mapping):
        return json.dumps({"row": as_text(row)})
    return json.dumps({as_text(name): as_text(value) for name, value in list(row.items())[:MAX_FIELDS]}, sort_keys=True)
