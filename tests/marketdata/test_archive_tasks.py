"""Workers archive a day at a time, and look at files nobody has looked at for a while; being woken twice does no harm."""

from datetime import UTC, datetime

from marketdata.models import ArchiveSegment
from marketdata.tasks import roll_over_day, verify_oldest_segments
from tests.factories import make_instrument, quiet_day
from tests.marketdata.archives import archive, filed, fill, live, root


def test_finished_days_are_archived_one_by_one():
    day, late = quiet_day(), make_instrument()
    fill(day, late)
    roll_over_day(dataset="quotes", day=day.isoformat(), some_later_argument=1)
    assert (live(day, late), filed(day, late).height) == (0, 5)
    roll_over_day(dataset="quotes", day=day.isoformat())  # once more does no harm


def test_segments_are_looked_at_for_a_while(caplog):
    day = quiet_day()
    fill(day, make_instrument())
    segment = archive(day).segment
    (root() / segment.file).unlink()
    ArchiveSegment.objects.exclude(pk=segment.pk).update(verified_at=datetime.now(UTC))
    ArchiveSegment.objects.filter(pk=segment.pk).update(verified_at=None)
    verify_oldest_segments(some_later_argument=1)
    assert f"The archive is damaged: {segment.file}: the file is missing" in caplog.text
    segment.delete()
