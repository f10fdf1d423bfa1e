"""The archive looked through: every file as it was written, none missing, none that nobody recorded."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import F

from marketdata.adapters.store import Store, StoreFailed, archive_store
from marketdata.domain.archive import ArchiveUnreadable, digest_of_footer
from marketdata.domain.quality import Dataset
from marketdata.domain.totals import totals_of
from marketdata.models.archive import ArchiveSegment
from marketdata.selectors.archive import opened

LONGEST = 300


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file of the archive."""

    file: str
    detail: str


def verify_archive(*, at: datetime, since: date | None = None) -> Iterator[Fault | None]:
    """Look at every segment of days from `since` on, and for files that belong to none; yield each one's fault or None.

    A file is read to its end: its size, its hash and what its rows add up to must be what the segment's row says. What is found
    is written there.
    """
    store = archive_store()
    segments = ArchiveSegment.objects.order_by("dataset", "day", "part")
    for segment in segments if since is None else segments.filter(day__gte=since):
        yield verify_segment(store, segment, at=at)
    yield from unrecorded(store)


def verify_oldest(*, at: datetime, unseen: timedelta) -> Iterator[Fault | None]:
    """Look at the segments that have not been looked at for a while, the longest first; who has no more time just stops."""
    store = archive_store()
    segments = ArchiveSegment.objects.exclude(verified_at__gt=at - unseen)
    for segment in segments.order_by(F("verified_at").asc(nulls_first=True), "day", "part"):
        yield verify_segment(store, segment, at=at)


def verify_segment(store: Store, segment: ArchiveSegment, *, at: datetime) -> Fault | None:
    """Look at one segment, write down what was found, and return its fault if it has one."""
    detail = _fault_of(store, segment)[:LONGEST]
    segment.fault = detail
    if not detail:
        segment.verified_at = at
        segment.footer_sha256 = segment.footer_sha256 or _footer_of(store, segment)
    segment.save(update_fields=["fault", "verified_at", "footer_sha256"])
    return Fault(segment.file, detail) if detail else None


def unrecorded(store: Store) -> Iterator[Fault]:
    """Yield the files that no segment names: left by a run that was killed, set aside, or put there by somebody."""
    recorded = set(ArchiveSegment.objects.values_list("file", flat=True))
    for name in store.names():
        if name not in recorded:
            yield Fault(name, "no segment names this file")


def _fault_of(store: Store, segment: ArchiveSegment) -> str:
    """Return what is wrong with a segment's file, or nothing."""
    try:
        return _fault_of_bytes(store, segment) or _fault_of_rows(store, segment)
    except FileNotFoundError:
        return "the file is missing"
    except (StoreFailed, ArchiveUnreadable) as error:
        return str(error)


def _fault_of_bytes(store: Store, segment: ArchiveSegment) -> str:
    """Return what is wrong with the file, whatever is in it."""
    kept = store.look(segment.file)
    if kept.bytes != segment.bytes:
        return f"the file has {kept.bytes:,} bytes instead of {segment.bytes:,}"
    if kept.sha256 != segment.sha256:
        return "the file has changed: its sha256 is another one"
    return "" if store.is_protected(segment.file) else "the file can be written to: make it read-only"


def _footer_of(store: Store, segment: ArchiveSegment) -> str:
    """Return the hash of a file's end: segments of earlier versions lack it."""
    with closing(store.open(segment.file)) as source:
        return digest_of_footer(source)


def _fault_of_rows(store: Store, segment: ArchiveSegment) -> str:
    """Return what is wrong with the rows of the file."""
    with opened(store, segment) as reader:
        totals = totals_of(Dataset(segment.dataset), segment.day, reader.portions())
    if (totals.content, totals.sums.first_at, totals.sums.last_at) != (segment.content, segment.first_at, segment.last_at):
        return "the rows add up to something else than was recorded"
    return ""
