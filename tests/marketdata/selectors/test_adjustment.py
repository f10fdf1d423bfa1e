"""A split takes place between two sessions of its exchange, wherever midnight in UTC is meanwhile."""

from datetime import UTC, date, datetime
from decimal import Decimal

import orjson
import pytest

from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models import Bar, CorporateAction
from marketdata.selectors.pages import Pages
from marketdata.selectors.series import Asked
from marketdata.selectors.tables import rows
from tests.factories import LONG_AGO, make_instrument


def listed(mic, *bars, timeframe="1m", through=None):
    """Return an instrument that is split four for one on the 10th, with bars at times of January."""
    instrument = make_instrument(exchange=mic)
    CorporateAction.objects.create(
        kind="SPLIT", instrument=instrument, ex_date=date(2024, 1, 10), ratio=Decimal(4), recorded_at=LONG_AGO
    )
    for at, close in bars:
        price = dict.fromkeys(("open", "high", "low", "close"), close)
        when = datetime.fromisoformat(f"2024-01-{at}").replace(tzinfo=UTC)
        own = {"instrument": instrument, "timeframe": timeframe, "timestamp": when, "adjusted_through": through}
        Bar.objects.create(**own, **price, volume=100, recorded_at=LONG_AGO)
    return instrument


def seen(*instruments, timeframe=Timeframe.MINUTE, **more):
    """Return the closes of bars in a view, which the tables and the pages must agree on."""
    asked = {"dataset": Dataset.BARS, "instruments": instruments, "timeframe": timeframe, **more}
    by_table = {(row.instrument, row.timestamp): row.close for row in rows(**asked)}
    pages = [orjson.loads(row) for row in Pages(Asked(**asked)).after(None, descending=False, limit=100)]
    by_page = {(row["instrument"], datetime.fromisoformat(row["timestamp"])): Decimal(row["close"]) for row in pages}
    assert by_page == by_table
    return [by_table[key] for key in sorted(by_table)]


SYDNEY = [("09T04:59", "420"), ("09T23:00", "105"), ("10T04:59", "105")]  # the session of the 10th opens on the 9th of UTC
NEW_YORK = [("09T20:59", "420"), ("10T00:30", "420"), ("10T14:30", "105")]  # after hours it is the 9th until five in UTC


@pytest.mark.parametrize(("mic", "bars"), [("XASX", SYDNEY), ("XNZE", SYDNEY), ("XNAS", NEW_YORK)])
@pytest.mark.parametrize("timeframe", ["1m", "1h"])
def test_bars_are_adjusted_by_the_days_of_their_exchange(mic, bars, timeframe):
    instrument = listed(mic, *[(at[:-2] + "00" if timeframe == "1h" else at, close) for at, close in bars], timeframe=timeframe)
    assert seen(instrument, timeframe=Timeframe(timeframe), adjusted=True) == [105, 105, 105]
    assert [str(close) for close in seen(instrument, timeframe=Timeframe(timeframe))] == [
        str(Decimal(close).quantize(Decimal("1e-10"))) for _, close in bars
    ]


def test_what_a_source_has_adjusted_is_not_adjusted_again():
    instrument = listed("XASX", ("09T04:59", "105"), ("09T23:00", "105"), through=date(2024, 1, 10))
    assert seen(instrument, adjusted=True) == [105, 105]
    assert seen(instrument) == [420, 105]


def test_several_exchanges_have_days_of_their_own():
    sydney, new_york, crypto = listed("XASX", *SYDNEY), listed("XNAS", *NEW_YORK), listed("CRYPTO", ("09T23:59", "420"))
    assert set(seen(sydney, new_york, crypto, adjusted=True)) == {Decimal(105)}


def test_daily_bars_are_of_the_day_that_they_say():
    for mic in ("XASX", "XNAS"):
        instrument = listed(mic, ("09", "420"), ("10", "105"), timeframe="1d")
        assert seen(instrument, timeframe=Timeframe.DAY, adjusted=True) == [105, 105]
