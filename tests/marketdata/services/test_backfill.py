"""Quotes and trades of a period are fetched from one source and stored once."""

from datetime import UTC, datetime, timedelta

import pytest

from marketdata.adapters.base import ProviderFailed
from marketdata.adapters.files import FolderProvider
from marketdata.domain.quality import Dataset
from marketdata.models import LatestQuote
from marketdata.services.backfill import Period, load_period
from tests.factories import make_instrument, unique_symbol
from tests.marketdata.adapters.fake import FakeProvider

START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
AT = datetime(2024, 1, 3, tzinfo=UTC)


def test_quotes_of_a_period_go_in_once_under_the_symbol_of_the_source(tmp_path):
    instrument = make_instrument()
    lines = [f"{(START + timedelta(seconds=n)).isoformat()},10,10.0{n}" for n in range(1, 9)]
    (tmp_path / "OTHER_quotes.csv").write_text("\n".join(["time,bid,ask", *lines, "never,1,2"]))
    source = FolderProvider(folder=tmp_path, name=f"files-{unique_symbol()}")
    period = Period(source, instrument, START, START + timedelta(seconds=5), symbol="OTHER")
    for stored, known in ((4, 0), (0, 4)):
        ((_, report),) = load_period(dataset=Dataset.QUOTES, period=period, at=AT)
        assert (report.stored, report.known, [each.rule for each in report.refused]) == (stored, known, ["not_a_time"])
    assert LatestQuote.objects.get(instrument=instrument).timestamp == START + timedelta(seconds=4)


def test_what_a_source_does_not_have_is_not_asked_for():
    period = Period(FakeProvider(), make_instrument(), START, AT)
    with pytest.raises(ProviderFailed, match="no corporate actions"):
        list(load_period(dataset=Dataset.CORPORATE_ACTIONS, period=period, at=AT))
