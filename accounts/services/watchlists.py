"""Lists of instruments that people follow; what is on one has its prices refreshed."""

from collections.abc import Iterable
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import User, Watchlist
from marketdata.models import Instrument
from marketdata.services.instruments import follow


class NameTaken(ValidationError):
    """The person has a list of that name."""


@transaction.atomic
def create_watchlist(*, user: User, name: str, instruments: Iterable[Instrument], at: datetime) -> Watchlist:
    """Make a list of instruments.

    :raises NameTaken: if the person has one of that name
    """
    watchlist = Watchlist(user=user, name=name, created_at=at)
    _save(watchlist)
    _put(watchlist, instruments, at)
    return watchlist


@transaction.atomic
def change_watchlist(
    *, watchlist: Watchlist, at: datetime, name: str | None = None, instruments: Iterable[Instrument] | None = None
) -> Watchlist:
    """Rename a list, or put other instruments on it.

    :raises NameTaken: if the person has one of that name
    """
    if name is not None:
        watchlist.name = name
        _save(watchlist)
    if instruments is not None:
        _put(watchlist, instruments, at)
    return watchlist


@transaction.atomic
def delete_watchlist(*, watchlist: Watchlist) -> None:
    """Throw a list away."""
    watchlist.delete()


def _save(watchlist: Watchlist) -> None:
    watchlist.clean_fields(exclude={"user"})
    try:
        with transaction.atomic():
            watchlist.save()
    except IntegrityError as error:
        raise NameTaken("You have a watchlist of that name.", code="name_taken") from error


def _put(watchlist: Watchlist, instruments: Iterable[Instrument], at: datetime) -> None:
    """Put instruments on a list, each once, in their order: that of the rows, for no relation keeps one of its own."""
    wanted, rows = list(dict.fromkeys(instruments)), Watchlist.instruments.through
    watchlist.instruments.clear()
    rows.objects.bulk_create([rows(watchlist=watchlist, instrument=instrument) for instrument in wanted])
    follow(instrument_ids=[instrument.pk for instrument in wanted], at=at)
