"""An instrument is found by its key, or by its symbol where only one is meant."""

import pytest

from marketdata.selectors.instruments import (
    AmbiguousInstrument,
    BadInstrument,
    UnknownInstrument,
    find_instrument,
    find_instruments,
)
from tests.factories import make_instrument, unique_symbol


def test_a_key_means_one_instrument():
    here, there = make_instrument(symbol=unique_symbol()), None
    there = make_instrument(symbol=here.symbol, exchange="XETR")
    assert find_instrument(here.key) == here
    assert find_instrument(there.key) == there


def test_a_bare_symbol_is_enough_where_only_one_is_meant():
    instrument = make_instrument()
    assert find_instrument(instrument.symbol) == instrument


def test_a_bare_symbol_that_means_several_is_refused_with_the_candidates():
    here = make_instrument()
    there = make_instrument(symbol=here.symbol, exchange="XETR")
    with pytest.raises(AmbiguousInstrument) as refusal:
        find_instrument(here.symbol)
    assert refusal.value.code == "ambiguous_instrument"
    assert here.key in refusal.value.messages[0]
    assert there.key in refusal.value.messages[0]


def test_what_is_not_there_is_refused_by_name():
    with pytest.raises(UnknownInstrument, match="XTST"):
        find_instrument(unique_symbol() + ":XTST")


@pytest.mark.parametrize("text", ["aapl", "AAPL:nas", "", "\uff21APL"], ids=ascii)
def test_what_is_misspelled_is_refused(text):
    with pytest.raises(BadInstrument):
        find_instrument(text)


def test_many_are_found_at_once():
    first, second = make_instrument(), make_instrument()
    assert find_instruments([first.key, second.symbol]) == {first.key: first, second.symbol: second}
    assert find_instruments([]) == {}
