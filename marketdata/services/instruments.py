"""Write instruments down, and mark those that somebody follows."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from marketdata.domain.instruments import Listing
from marketdata.models.instruments import FollowedInstrument, Instrument

FOLLOW = """
    INSERT INTO marketdata_followedinstrument (instrument_id, since)
    SELECT id, %s FROM marketdata_instrument WHERE id = ANY (%s) ORDER BY id
    ON CONFLICT (instrument_id) DO NOTHING
"""


@transaction.atomic
def create_instrument(*, fields: Mapping[str, object]) -> Instrument:
    """Write a new instrument down.

    :raises ValidationError: by field, if one breaks its rules or the instrument is known
    """
    instrument = Instrument(**fields)
    instrument.full_clean()
    instrument.save(force_insert=True)
    return instrument


def list_instrument(*, listing: Listing) -> Instrument:
    """Return the instrument of a listing, written down if it is not known yet.

    :raises ValidationError: by field, if the listing breaks the rules of an instrument
    """
    known = Instrument.objects.filter(symbol=listing.symbol, exchange=listing.exchange).first()
    return known or create_instrument(fields=asdict(listing))


@transaction.atomic
def update_instrument(*, instrument: Instrument, changes: Mapping[str, object]) -> Instrument:
    """Change fields of an instrument.

    :raises ValidationError: by field, if one breaks its rules
    """
    current = Instrument.objects.select_for_update().get(pk=instrument.pk)
    for name, value in changes.items():
        setattr(current, name, value)
    current.full_clean()
    current.save(update_fields=[*changes] or None)
    return current


def follow(*, instrument_ids: Iterable[UUID], at: datetime) -> int:
    """Mark instruments as held or watched by somebody, so that their prices are refreshed; return how many were new.

    Marking one twice changes nothing; an unknown id is passed over.
    """
    wanted = list(instrument_ids)
    if not wanted:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW, [at, wanted])
        return cursor.rowcount


@transaction.atomic
def follow_only(*, instrument_ids: Iterable[UUID], at: datetime) -> int:
    """Mark exactly these instruments as followed and take the mark from all others; return how many changed."""
    wanted = set(instrument_ids)
    dropped, _ = FollowedInstrument.objects.exclude(instrument__in=wanted).delete()
    return follow(instrument_ids=wanted, at=at) + dropped
