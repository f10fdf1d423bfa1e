"""The commands archive what is over and look through the archive; both say what became of what, and fail when something did."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Max

from marketdata.models import ArchiveSegment
from marketdata.services.rollover import make_days
from tests.factories import make_instrument, quiet_day
from tests.marketdata.archives import archive, fill, has_table, live, root


def run(*arguments):
    """Run a command and return what it said and why it failed."""
    out = StringIO()
    try:
        call_command(*arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_a_day_is_archived_and_told():
    day = quiet_day()
    fill(day, make_instrument(), rows=1234)
    said, failure = run("rollover", "--day", day.isoformat(), "--dataset", "quotes")
    assert failure == ""
    assert f"quotes   {day} archived         1,234" in said
    assert f"quotes/date={day}/part-0.parquet" in said
    said, failure = run("rollover", "--day", day.isoformat())
    assert (said.count("absent"), failure) == (2, "")


def test_every_day_that_is_over_is_archived(settings):
    settings.ARCHIVE_KEEP_DAYS = 0
    days = [quiet_day(), quiet_day("ticks")]
    fill(days[0], make_instrument())
    fill(days[1], make_instrument(), dataset="ticks")
    said, failure = run("rollover", "--all")
    assert failure == ""
    assert all(str(day) in said for day in days)
    assert not has_table(days[0])
    assert not has_table(days[1], "ticks")
    assert run("rollover", "--all") == ("No day is over that is still in the database, but for the last ones that stay.\n", "")


def test_a_day_that_fails_is_told_and_left_as_it_was(settings, tmp_path):
    day, one = quiet_day(), make_instrument()
    fill(day, one)
    (tmp_path / "quotes").write_text("in the way")
    settings.ARCHIVE_URL = tmp_path.as_uri()
    said, failure = run("rollover", "--day", day.isoformat(), "--dataset", "quotes")
    assert "failed" in said
    assert "Could not give" in said
    assert failure == "1 of 1 days could not be archived; they are as they were."
    assert live(day, one) == 5


def test_a_day_that_is_not_over_is_refused():
    make_days(at=datetime.now(UTC))
    today = datetime.now(UTC).date()
    said, failure = run("rollover", "--day", today.isoformat(), "--dataset", "ticks")
    assert "is not over for all exchanges" in said
    assert "1 of 1 days" in failure


@pytest.mark.parametrize("arguments", [["--day", "yesterday"], ["--dataset", "bars"]])
def test_what_makes_no_sense_is_refused(arguments):
    assert "argument" in run("rollover", *arguments)[1]


def test_the_archive_is_looked_through(settings, tmp_path):
    settings.ARCHIVE_URL = tmp_path.as_uri()
    day = ArchiveSegment.objects.aggregate(last=Max("day", default=date(2000, 1, 1)))["last"] + timedelta(days=1)
    fill(day, make_instrument())
    segment = archive(day).segment
    since = ("--since", day.isoformat())
    assert run("verify_archive", *since) == ("1 files are as they were written.\n", "")
    (root() / segment.file).unlink()
    (root() / "quotes" / "stray.parquet").write_bytes(b"x")
    said, failure = run("verify_archive", *since)
    assert said == f"{segment.file}: the file is missing\nquotes/stray.parquet: no segment names this file\n"
    assert failure == "2 of 2 files are not as they should be."
    segment.delete()
