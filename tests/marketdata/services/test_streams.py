"""What a feed asks for: what is followed, by the feed's own symbols, unless other sources are named."""

import pytest

from marketdata.adapters.alpaca_stream import AlpacaStream
from marketdata.models import InstrumentSource
from marketdata.services.instruments import follow, unfollow
from marketdata.services.streams import wanted_instruments
from tests.factories import LONG_AGO, make_instrument


@pytest.fixture
def stream(settings) -> AlpacaStream:
    settings.PROVIDER_HOSTS = ["127.0.0.1"]
    return AlpacaStream(name="alpaca", url="ws://127.0.0.1:1", exchanges=["XTST"])


def test_what_is_followed_is_wanted_for_as_long_as_it_is(stream):
    followed, other, elsewhere = make_instrument(), make_instrument(), make_instrument(exchange="XLON")
    follow(instrument_ids=[followed.pk, elsewhere.pk], at=LONG_AGO)
    wanted = wanted_instruments(stream=stream)
    assert wanted[followed.symbol] == followed
    assert other.symbol not in wanted
    assert elsewhere.symbol not in wanted
    unfollow(instrument_ids=[followed.pk])
    assert followed.symbol not in wanted_instruments(stream=stream)


def test_sources_that_are_named_decide(stream):
    here, there, renamed = make_instrument(), make_instrument(), make_instrument(exchange="XLON")
    InstrumentSource.objects.create(instrument=here, provider="alpaca", rank=2)
    InstrumentSource.objects.create(instrument=there, provider="files")
    InstrumentSource.objects.create(instrument=renamed, provider="alpaca", symbol=f"{renamed.symbol}.L")
    keys = [each.key for each in (here, there, renamed)]
    assert wanted_instruments(stream=stream, keys=keys) == {here.symbol: here, f"{renamed.symbol}.L": renamed}


def test_names_mean_one_exchange(stream):
    instrument = make_instrument()
    make_instrument(symbol=instrument.symbol, exchange="XNYS")
    assert wanted_instruments(stream=stream, keys=[instrument.key]) == {instrument.symbol: instrument}
    assert wanted_instruments(stream=stream, keys=[f"{instrument.symbol}:XLON"]) == {}
