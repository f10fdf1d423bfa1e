"""Which instrument a file means: by its numbers first, by symbol and exchange then; where that leaves a doubt it is asked."""

from dataclasses import replace
from uuid import UUID

import pytest

from accounts.domain.matching import Candidate, choose, isins_of
from accounts.domain.statements import InstrumentHints

APPLE = Candidate(UUID(int=1), "AAPL", "XNAS", "USD", isin="US0378331005", figi="BBG000B9XRY4")
BARE = replace(APPLE, id=UUID(int=2), isin="", figi="")
FRANKFURT = Candidate(UUID(int=3), "APC", "XETR", "EUR", isin="US0378331005")
OTHER = Candidate(UUID(int=4), "AAPL", "XBUE", "ARS")
BOND = Candidate(UUID(int=5), "912797GN7", "XXXX", "USD", "BOND")
COIN = Candidate(UUID(int=6), "AAPL", "CRYPTO", "USD", "CRYPTO")


def says(**hints: str) -> InstrumentHints:
    return InstrumentHints(**hints)


@pytest.mark.parametrize(
    ("hints", "known", "meant"),
    [
        (says(isin="US0378331005"), [APPLE, OTHER], APPLE),
        (says(isin="US0378331005", symbol="OLD"), [APPLE], APPLE),
        (says(figi="BBG000B9XRY4", symbol="AAPL"), [APPLE, OTHER], APPLE),
        (says(cusip="037833100"), [APPLE], APPLE),
        (says(cusip="037833100", symbol="AAPL", currency="USD"), [APPLE, OTHER], APPLE),
        (says(cusip="912797GN7"), [BOND], BOND),
        (says(symbol="AAPL", exchange="XBUE"), [APPLE, OTHER], OTHER),
        (says(symbol="AAPL"), [APPLE], APPLE),
        (says(symbol="AAPL", currency="USD"), [APPLE, OTHER], APPLE),
        (says(symbol="AAPL", asset_class="CRYPTO"), [APPLE, COIN], COIN),
        (says(isin="US0378331005", currency="EUR"), [APPLE, FRANKFURT], FRANKFURT),
        (says(isin="US0378331005", exchange="XETR"), [APPLE, FRANKFURT], FRANKFURT),
        (says(symbol="AAPL", isin="US0378331005", currency="USD"), [BARE], BARE),
    ],
)
def test_is_sure_where_a_number_or_a_listing_says_it(hints, known, meant):
    assert choose(hints, known).sure == meant


@pytest.mark.parametrize(
    ("hints", "known"),
    [
        (says(symbol="AAPL"), [APPLE, OTHER]),  # listed twice
        (says(symbol="AAPL", currency="CAD"), [APPLE]),  # quoted in another currency
        (says(isin="US0378331005"), [APPLE, FRANKFURT]),  # listed twice, and the file names neither place nor currency
        (says(symbol="AAPL", isin="DE0007164600"), [BARE]),  # nothing says that it is that number
        (says(symbol="AAPL", exchange="XETR"), [replace(BARE, exchange="XXXX")]),  # nothing says that it is listed there
    ],
)
def test_is_asked_with_its_candidates_where_a_doubt_is_left(hints, known):
    verdict = choose(hints, known)
    assert verdict.sure is None
    assert set(verdict.candidates) == set(known)
    assert verdict.why


@pytest.mark.parametrize(
    ("hints", "known"),
    [
        (says(isin="DE0007164600", symbol="AAPL"), [APPLE]),  # another number
        (says(cusip="594918104", symbol="MSFT"), [APPLE]),
        (says(symbol="AAPL", exchange="XTSE"), [APPLE]),  # another listing of the same symbol
        (says(symbol="AAPL", asset_class="CRYPTO"), [APPLE]),  # a coin of that name
        (says(name="Apple"), [APPLE]),  # a name is none
    ],
)
def test_is_unknown_where_what_is_known_is_something_else(hints, known):
    verdict = choose(hints, known)
    assert (verdict.sure, verdict.candidates) == (None, ())


def test_a_number_of_cusip_is_a_part_of_two_countries_isins():
    assert isins_of(says(cusip="82509L107")) == ("US82509L1070", "CA82509L1076")
    assert isins_of(says(cusip="82509L107", isin="CA82509L1076")) == ("CA82509L1076",)
