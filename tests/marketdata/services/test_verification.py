"""Looking through the archive finds a flipped bit, a missing file, a file nobody recorded, and a file that can be written to."""

from datetime import date, timedelta

import pytest

from marketdata.adapters.store import archive_store
from marketdata.domain.archive import ArchiveUnreadable
from marketdata.domain.quality import Dataset
from marketdata.models import ArchiveSegment
from marketdata.selectors.archive import archived
from marketdata.services.verification import verify_archive, verify_oldest, verify_segment
from tests.factories import LONG_AGO, make_instrument, quiet_day
from tests.marketdata.archives import NOW, archive, fill, root

LATER = NOW + timedelta(days=30)


@pytest.fixture(autouse=True)
def _own_archive(settings, tmp_path):
    """Keep away from the files of other tests, and leave them none."""
    settings.ARCHIVE_URL = tmp_path.as_uri()
    known = set(ArchiveSegment.objects.values_list("pk", flat=True))
    yield
    ArchiveSegment.objects.exclude(pk__in=known).delete()


@pytest.fixture(params=[Dataset.QUOTES, Dataset.TICKS])
def segment(request):
    day = quiet_day(request.param)
    fill(day, make_instrument(), make_instrument(), rows=200, dataset=request.param)
    return archive(day, request.param).segment


def look(segment):
    fault = verify_segment(archive_store(), segment, at=LATER)
    segment.refresh_from_db()
    assert segment.fault == (fault.detail if fault else "")
    return segment.fault


def test_a_sound_file_is_marked_as_seen(segment):
    assert look(segment) == ""
    assert segment.verified_at == LATER


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.999])
def test_a_flipped_bit_is_found_wherever_it_is(segment, share):
    path = root() / segment.file
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)
    assert look(segment) == "the file has changed: its sha256 is another one"
    assert segment.verified_at == NOW


def test_a_damaged_footer_is_refused_by_who_reads_and_names_its_segment(segment):
    path = root() / segment.file
    content = path.read_bytes()
    path.chmod(0o644)
    for place in (-5, -9, -200):
        path.write_bytes(content[:place] + bytes([content[place] ^ 2]) + content[place + 1 :])
        with pytest.raises(ArchiveUnreadable, match=rf"{segment} can't be read: {segment.file}: .*verify_archive"):
            archived(dataset=Dataset(segment.dataset), instrument_ids=None, start=segment.first_at, end=NOW)


def test_a_segment_of_an_earlier_version_gets_the_hash_of_its_footer(segment):
    known = segment.footer_sha256
    ArchiveSegment.objects.filter(pk=segment.pk).update(footer_sha256="")
    segment.refresh_from_db()
    assert look(segment) == ""
    assert segment.footer_sha256 == known != ""


def test_a_missing_file_and_one_cut_short_are_found(segment):
    path = root() / segment.file
    content = path.read_bytes()
    path.unlink()
    assert look(segment) == "the file is missing"
    path.write_bytes(content[:-1])
    assert look(segment) == f"the file has {len(content) - 1:,} bytes instead of {len(content):,}"
    path.write_bytes(content)
    assert look(segment) == "the file can be written to: make it read-only"
    path.chmod(0o444)
    assert look(segment) == ""


def test_rows_that_are_not_those_recorded_are_found(segment):
    ArchiveSegment.objects.filter(pk=segment.pk).update(content="400 1 2 3")
    segment.refresh_from_db()
    assert look(segment) == "the rows add up to something else than was recorded"
    ArchiveSegment.objects.filter(pk=segment.pk).update(rows=399)
    segment.refresh_from_db()
    assert "it has 400 rows instead of 399" in look(segment)


def test_a_file_that_nobody_recorded_is_found(segment):
    other = root() / "quotes" / "date=1960-01-01" / "part-0.parquet"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    faults = {fault.file: fault.detail for fault in verify_archive(at=LATER, since=date(2100, 1, 1)) if fault}
    assert faults == {"quotes/date=1960-01-01/part-0.parquet": "no segment names this file"}


def test_days_before_the_one_asked_for_are_left_alone(segment):
    (root() / segment.file).unlink()
    seen = {fault.file for fault in verify_archive(at=LATER, since=segment.day + timedelta(days=1)) if fault}
    assert segment.file not in seen
    assert segment.file in {fault.file for fault in verify_archive(at=LATER, since=segment.day) if fault}
    segment.delete()


def test_only_those_not_seen_for_a_while_are_looked_at(segment):
    ancient = LONG_AGO - timedelta(days=30_000)  # before any other test lets a day be archived
    ArchiveSegment.objects.filter(pk=segment.pk).update(verified_at=ancient)
    week = timedelta(days=7)
    assert list(verify_oldest(at=ancient + week, unseen=week)) == [None]
    assert list(verify_oldest(at=ancient + week, unseen=week)) == []
    segment.refresh_from_db()
    assert segment.verified_at == ancient + week
