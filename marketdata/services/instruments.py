"""Write instruments down, and mark those that somebody follows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from marketdata.domain.instruments import Listing
from marketdata.models.instruments import FollowedInstrument, Instrument
from marketdata.selectors.providers import Choice
from marketdata.services.quotes import forget_quote
from marketdata.services.sources import set_sources

FOLLOW = """
    INSERT INTO marketdata_followedinstrument (instrument_id, since)
    SELECT id, %s FROM marketdata_instrument WHERE id = ANY (%s) ORDER BY id
    ON CONFLICT (instrument_id) DO NOTHING
"""


class InstrumentExists(ValidationError):
    """There is an instrument with that symbol on that exchange."""


@transaction.atomic
def create_instrument(*, fields: Mapping[str, object], sources: Sequence[Choice] | None = None) -> Instrument:
    """Write a new instrument down, with the sources of its prices where they are given.

    :raises InstrumentExists: if its symbol is taken on its exchange
    :raises ValidationError: by field, if one breaks its rules
    """
    instrument = Instrument(**fields)
    _check(instrument)
    instrument.save(force_insert=True)
    if sources is not None:
        set_sources(instrument=instrument, sources=sources)
    return instrument


def list_instrument(*, listing: Listing) -> Instrument:
    """Return the instrument of a listing, written down if it is not known yet.

    :raises ValidationError: by field, if the listing breaks the rules of an instrument
    """
    known = Instrument.objects.filter(symbol=listing.symbol, exchange=listing.exchange).first()
    return known or create_instrument(fields=asdict(listing))


@transaction.atomic
def update_instrument(
    *, instrument: Instrument, changes: Mapping[str, object], sources: Sequence[Choice] | None = None
) -> Instrument:
    """Change fields of an instrument, and the sources of its prices where they are given.

    :raises InstrumentExists: if its new symbol is taken on its exchange
    :raises ValidationError: by field, if one breaks its rules
    """
    current = Instrument.objects.select_for_update().get(pk=instrument.pk)
    before = (current.symbol, current.exchange)
    for name, value in changes.items():
        setattr(current, name, value)
    _check(current)
    if changes:
        current.save(update_fields=[*changes])
    if sources is not None:
        set_sources(instrument=current, sources=sources)
    if (current.symbol, current.exchange) != before:
        transaction.on_commit(lambda: forget_quote(*before), robust=True)
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


def unfollow(*, instrument_ids: Iterable[UUID]) -> int:
    """Take the mark from instruments that nobody holds or watches any more; return how many had it."""
    dropped, _ = FollowedInstrument.objects.filter(instrument__in=list(instrument_ids)).delete()
    return dropped


def _check(instrument: Instrument) -> None:
    """Refuse an instrument that breaks a rule, or that is there already."""
    instrument.full_clean(validate_unique=False, validate_constraints=False)
    namesakes = Instrument.objects.filter(symbol=instrument.symbol, exchange=instrument.exchange)
    if namesakes.exclude(pk=instrument.pk).exists():
        raise InstrumentExists(f"{instrument.key} is there already.", code="instrument_exists")
    instrument.validate_constraints()
