"""An instrument whose chart has something to show."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from marketdata.models import Bar, Instrument
from marketdata.selectors.charts import MOST
from tests.factories import LONG_AGO, make_bars, make_instrument

FIRST = date(2015, 1, 1)


def make_charted() -> Instrument:
    """Return an instrument with more daily bars than the browser gets at once, and a day of hours."""
    instrument = make_instrument()
    make_bars(instrument, [(FIRST + timedelta(days=number), str(50 + number % 30)) for number in range(MOST + 100)])
    start = datetime(2020, 1, 2, tzinfo=UTC)
    numbers = {"open": Decimal(10), "high": Decimal(12), "low": Decimal(9), "close": Decimal(11)}
    Bar.objects.bulk_create(
        Bar(instrument=instrument, timeframe="1h", timestamp=start + timedelta(hours=hour), recorded_at=LONG_AGO, **numbers)
        for hour in range(24)
    )
    return instrument
