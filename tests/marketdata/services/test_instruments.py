"""Instruments are written through services, and those that somebody follows are marked."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from uuid_utils.compat import uuid7

from marketdata.domain.instruments import Listing
from marketdata.models import FollowedInstrument, Instrument
from marketdata.services.instruments import (
    InstrumentExists,
    create_instrument,
    follow,
    list_instrument,
    unfollow,
    update_instrument,
)
from tests.factories import LONG_AGO, make_instrument, unique_symbol


def named(**changes):
    return {"symbol": unique_symbol(), "exchange": "XTST", "asset_class": "EQUITY", "currency": "USD"} | changes


def test_an_instrument_is_written_down_once():
    fields = named()
    instrument = create_instrument(fields=fields)
    assert Instrument.objects.get(pk=instrument.pk).key == f"{fields['symbol']}:XTST"
    with pytest.raises(InstrumentExists):
        create_instrument(fields=fields)


def test_a_wrong_instrument_is_refused_by_field():
    with pytest.raises(ValidationError) as refusal:
        create_instrument(fields=named(symbol="aapl", currency="ZZZ"))
    assert {"symbol", "currency"} <= set(refusal.value.message_dict)


def test_a_change_is_checked_as_well():
    instrument = make_instrument()
    assert update_instrument(instrument=instrument, changes={"name": "Other"}).name == "Other"
    with pytest.raises(ValidationError):
        update_instrument(instrument=instrument, changes={"symbol": "aapl"})
    with pytest.raises(InstrumentExists):
        update_instrument(instrument=instrument, changes={"symbol": make_instrument().symbol})
    assert update_instrument(instrument=instrument, changes={}).name == "Other"


def test_a_listing_is_found_or_written_down():
    listing = Listing(unique_symbol(), "XTST", "Test")
    assert list_instrument(listing=listing) == list_instrument(listing=listing)


def test_following_twice_changes_nothing():
    first, second = make_instrument(), make_instrument()
    assert follow(instrument_ids=[first.pk, second.pk, first.pk], at=LONG_AGO) == 2
    assert follow(instrument_ids=[first.pk], at=LONG_AGO + timedelta(days=1)) == 0
    assert FollowedInstrument.objects.get(instrument=first).since == LONG_AGO
    assert {first, second} <= set(Instrument.objects.followed())


def test_an_unknown_instrument_is_passed_over():
    assert follow(instrument_ids=[uuid7()], at=LONG_AGO) == 0
    assert follow(instrument_ids=[], at=LONG_AGO) == 0


def test_an_inactive_instrument_is_not_refreshed():
    gone = make_instrument(active=False)
    follow(instrument_ids=[gone.pk], at=LONG_AGO)
    assert gone not in Instrument.objects.followed()


def test_what_nobody_follows_any_more_loses_its_mark():
    kept, dropped = make_instrument(), make_instrument()
    follow(instrument_ids=[kept.pk, dropped.pk], at=LONG_AGO)
    assert unfollow(instrument_ids=[dropped.pk]) == 1
    assert unfollow(instrument_ids=[dropped.pk]) == 0
    assert kept in Instrument.objects.followed()
    assert dropped not in Instrument.objects.followed()
