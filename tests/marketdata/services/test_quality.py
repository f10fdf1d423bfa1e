"""An issue is resolved once, by somebody, with a word on how."""

import pytest

from marketdata.models import QualityIssue
from marketdata.selectors.quality import quality_summary
from marketdata.services.ingest import store_bars
from marketdata.services.quality import AlreadyResolved, resolve_issue
from tests.factories import LONG_AGO, make_instrument


def test_an_issue_is_resolved_once():
    instrument = make_instrument()
    store_bars(source="test", rows=["rubbish"], common={"instrument": instrument}, recorded_at=LONG_AGO)
    store_bars(source="test", rows=[{"open": "x"}], common={"instrument": instrument}, recorded_at=LONG_AGO)
    issue = QualityIssue.objects.filter(instrument=instrument).first()
    resolved = resolve_issue(issue=issue, by="alice@example.com", resolution="Asked the vendor.", at=LONG_AGO)
    assert (resolved.resolved_at, resolved.resolved_by) == (LONG_AGO, "alice@example.com")
    with pytest.raises(AlreadyResolved, match="alice"):
        resolve_issue(issue=issue, by="bob@example.com", resolution="No.", at=LONG_AGO)


def test_faults_are_counted_by_rule_and_source():
    instrument = make_instrument()
    rows = [{"open": "x"}, {"open": "x"}, {"open": "y"}]
    report = store_bars(source="counted", rows=rows, common={"instrument": instrument}, recorded_at=LONG_AGO)
    assert report.counts["not_a_number"] == 3
    (summed,) = [each for each in quality_summary() if (each["source"], each["rule"]) == ("counted", "not_a_number")]
    assert summed["times"] >= 3
    assert summed["issues"] >= 2
    assert summed["open"] == summed["issues"]
