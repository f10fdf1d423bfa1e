"""What records contradict each other, each kind in one query; services.checks says what it means and mends it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection

from marketdata.domain.calendars import is_known, sessions
from marketdata.domain.quality import Dataset

STALE = timedelta(days=7)
MOST_SHOWN = 5

TICKS_OUTSIDE_QUOTES = """
    WITH traded AS (
        SELECT instrument_id, (timestamp AT TIME ZONE 'UTC')::date AS day, min(price) AS low, max(price) AS high
        FROM marketdata_tick WHERE timestamp >= %(since)s GROUP BY 1, 2
    ), quoted AS (
        SELECT instrument_id, (timestamp AT TIME ZONE 'UTC')::date AS day, min(bid) AS bid, max(ask) AS ask
        FROM marketdata_quote WHERE timestamp >= %(since)s GROUP BY 1, 2
    )
    SELECT instrument_id, CASE WHEN low < bid THEN low ELSE high END, day, low, high, bid, ask
    FROM traded JOIN quoted USING (instrument_id, day) WHERE low < bid OR high > ask ORDER BY 1, day
"""
BARS_WITHOUT_TICKS = """
    WITH traded AS (
        SELECT instrument_id, date_trunc('minute', timestamp) AS minute, min(price) AS low, max(price) AS high
        FROM marketdata_tick WHERE timestamp >= %(since)s GROUP BY 1, 2
    )
    SELECT bar.instrument_id, CASE WHEN traded.high > bar.high THEN traded.high ELSE traded.low END,
           bar.timeframe, bar.timestamp, bar.low, bar.high, traded.low, traded.high
    FROM marketdata_bar AS bar
    JOIN traded ON traded.instrument_id = bar.instrument_id AND traded.minute = bar.timestamp
    WHERE bar.timeframe = '1m' AND bar.rolled_from = '' AND (traded.low < bar.low OR traded.high > bar.high)
      AND bar.adjusted_through IS NULL
    ORDER BY 1, bar.timestamp
"""
ROLLED_OTHERWISE = """
    WITH traded AS (
        SELECT instrument_id, date_trunc('minute', timestamp) AS minute,
               min(price) AS low, max(price) AS high, sum(size) AS volume
        FROM marketdata_tick WHERE timestamp >= %(since)s GROUP BY 1, 2
    )
    SELECT bar.instrument_id, bar.volume, bar.timestamp, bar.low, bar.high, traded.low, traded.high, traded.volume
    FROM marketdata_bar AS bar
    JOIN traded ON traded.instrument_id = bar.instrument_id AND traded.minute = bar.timestamp
    WHERE bar.timeframe = '1m' AND bar.rolled_from = 'ticks'
      AND (bar.low, bar.high, bar.volume) IS DISTINCT FROM (traded.low, traded.high, traded.volume)
      AND NOT EXISTS (  -- the last minute of a session has the print of the closing auction in it, too
          SELECT FROM marketdata_tick AS auction
          WHERE auction.instrument_id = bar.instrument_id AND auction.timestamp = bar.timestamp + interval '1 minute'
            AND NOT EXISTS (
                SELECT FROM marketdata_bar AS next WHERE next.instrument_id = bar.instrument_id AND next.timeframe = '1m'
                  AND next.timestamp = bar.timestamp + interval '1 minute'
            )
      )
      AND NOT EXISTS (
          SELECT FROM marketdata_pendingrollup AS mark
          WHERE mark.dataset = 'ticks' AND mark.instrument_id = bar.instrument_id
            AND mark.day = (bar.timestamp AT TIME ZONE 'UTC')::date
      )
      AND NOT EXISTS (
          SELECT FROM marketdata_archivesegment AS kept
          WHERE kept.dataset = 'ticks' AND kept.day = (bar.timestamp AT TIME ZONE 'UTC')::date
      )
    ORDER BY 1, bar.timestamp
"""
NOT_THE_LATEST = """
    SELECT instrument.id, newest.timestamp, latest.timestamp
    FROM marketdata_instrument AS instrument
    CROSS JOIN LATERAL (
        SELECT timestamp FROM {rows} WHERE instrument_id = instrument.id ORDER BY timestamp DESC LIMIT 1
    ) AS newest
    LEFT JOIN {latest} AS latest ON latest.instrument_id = instrument.id
    WHERE latest.timestamp IS NULL OR newest.timestamp > latest.timestamp ORDER BY 1
"""
PRICE_HISTORIES = """
    WITH there AS (
        SELECT instrument_id, timeframe, count(*) AS rows, min(timestamp) AS first_at, max(timestamp) AS last_at
        FROM marketdata_bar GROUP BY 1, 2
    )
    SELECT instrument_id, history.rows, timeframe, there.rows, history.first_at, there.first_at, history.last_at, there.last_at
    FROM marketdata_pricehistory AS history FULL JOIN there USING (instrument_id, timeframe)
    WHERE (coalesce(history.rows, 0), history.first_at, history.last_at)
          IS DISTINCT FROM (coalesce(there.rows, 0), there.first_at, there.last_at)
    ORDER BY 1, timeframe
"""
FX_HISTORIES = """
    WITH there AS (
        SELECT base, quote, count(*) AS rows, min(date) AS first_date, max(date) AS last_date FROM marketdata_fxrate GROUP BY 1, 2
    )
    SELECT NULL::uuid, history.rows, base, quote, there.rows,
           history.first_date, there.first_date, history.last_date, there.last_date
    FROM marketdata_fxhistory AS history FULL JOIN there USING (base, quote)
    WHERE (coalesce(history.rows, 0), history.first_date, history.last_date)
          IS DISTINCT FROM (coalesce(there.rows, 0), there.first_date, there.last_date)
    ORDER BY base, quote
"""
FOLLOWED_AND_STALE = """
    SELECT instrument.id, newest.at, instrument.symbol || ':' || instrument.exchange
    FROM marketdata_instrument AS instrument
    JOIN marketdata_followedinstrument AS followed ON followed.instrument_id = instrument.id
    LEFT JOIN LATERAL (
        SELECT max(last_at) AS at FROM marketdata_pricehistory WHERE instrument_id = instrument.id
    ) AS newest ON true
    WHERE instrument.active AND followed.since < %(stale)s AND (newest.at IS NULL OR newest.at < %(stale)s)
      AND (instrument.expiry IS NULL OR instrument.expiry >= %(today)s)
    ORDER BY 1
"""
ISIN_TWICE = """
    SELECT min(id::text)::uuid, isin, exchange, currency, string_agg(symbol, ' ' ORDER BY symbol)
    FROM marketdata_instrument WHERE isin <> '' AND active
    GROUP BY isin, exchange, currency HAVING count(*) > 1 ORDER BY isin
"""
DAILY_BARS = """
    SELECT instrument.id, instrument.exchange, (bar.timestamp AT TIME ZONE 'UTC')::date
    FROM marketdata_bar AS bar JOIN marketdata_instrument AS instrument ON instrument.id = bar.instrument_id
    WHERE bar.timeframe = '1d' AND bar.timestamp >= %(since)s ORDER BY 1, 3
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """Records that contradict each other: what they are about, the value that is wrong, and what else is to be seen."""

    dataset: Dataset
    instrument_id: UUID | None
    value: object
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at: the days since one, as things are at an instant."""

    at: datetime
    since: date | None = None

    @property
    def start(self) -> datetime:
        """The instant from which rows are looked at."""
        return datetime.combine(self.since or date(1970, 1, 1), time(), UTC)


def ticks_outside_quotes(scope: Scope) -> Iterator[Problem]:
    """Find the days on which an instrument was traded below every bid or above every ask."""
    return _problems(Dataset.TICKS, TICKS_OUTSIDE_QUOTES, scope, "day", "low", "high", "bid", "ask")


def bars_without_their_ticks(scope: Scope) -> Iterator[Problem]:
    """Find bars of sources that do not contain the trades of their minute."""
    names = ("timeframe", "timestamp", "low", "high", "traded_low", "traded_high")
    return _problems(Dataset.BARS, BARS_WITHOUT_TICKS, scope, *names)


def rolled_otherwise(scope: Scope) -> Iterator[Problem]:
    """Find bars of minutes that were rolled up and no longer follow from the trades, with nobody about to do so again."""
    names = ("timestamp", "low", "high", "traded_low", "traded_high", "traded_volume")
    return _problems(Dataset.BARS, ROLLED_OTHERWISE, scope, *names)


def quotes_not_the_latest(scope: Scope) -> Iterator[Problem]:
    """Find instruments whose latest quote is not their newest one."""
    statement = NOT_THE_LATEST.format(rows="marketdata_quote", latest="marketdata_latestquote")
    return _problems(Dataset.QUOTES, statement, scope, "latest")


def ticks_not_the_latest(scope: Scope) -> Iterator[Problem]:
    """Find instruments whose latest trade is not their newest one."""
    statement = NOT_THE_LATEST.format(rows="marketdata_tick", latest="marketdata_latesttick")
    return _problems(Dataset.TICKS, statement, scope, "latest")


def histories_that_lie(scope: Scope) -> Iterator[Problem]:
    """Find histories of bars that do not say how many there are and how far they reach."""
    return _problems(Dataset.BARS, PRICE_HISTORIES, scope, "timeframe", "rows", "said_first", "first", "said_last", "last")


def fx_histories_that_lie(scope: Scope) -> Iterator[Problem]:
    """Find histories of rates that do not say how many there are and how far they reach."""
    names = ("base", "quote", "rows", "said_first", "first", "said_last", "last")
    return _problems(Dataset.FX_RATES, FX_HISTORIES, scope, *names)


def followed_and_stale(scope: Scope) -> Iterator[Problem]:
    """Find instruments that somebody follows and no source has had a new price of for a week."""
    return _problems(Dataset.BARS, FOLLOWED_AND_STALE, scope, "instrument")


def isins_given_twice(scope: Scope) -> Iterator[Problem]:
    """Find ISINs that two active instruments of one exchange and currency have."""
    return _problems(Dataset.BARS, ISIN_TWICE, scope, "exchange", "currency", "symbols")


def bars_missing(scope: Scope) -> Iterator[Problem]:
    """Find series of daily bars that lack sessions of their exchange between their first and their last bar."""
    with connection.cursor() as cursor:
        cursor.execute(DAILY_BARS, {"since": scope.start})
        rows = cursor.fetchall()
    for (instrument_id, mic), bars in groupby(rows, key=itemgetter(0, 1)):
        days = [day for _, _, day in bars]
        if not is_known(mic):
            continue
        there = set(days)
        missing = [each.day for each in sessions(mic, days[0], days[-1]) if each.day not in there]
        if missing:
            shown = " ".join(map(str, missing[:MOST_SHOWN]))
            yield Problem(Dataset.BARS, instrument_id, missing[0], {"timeframe": "1d", "missing": len(missing), "days": shown})


def _problems(dataset: Dataset, statement: str, scope: Scope, *names: str) -> Iterator[Problem]:
    """Yield what a statement finds: an instrument, a value, and what the names say."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {"since": scope.start, "stale": scope.at - STALE, "today": scope.at.astimezone(UTC).date()})
        for instrument_id, value, *others in cursor.fetchall():
            yield Problem(dataset, instrument_id, value, dict(zip(names, others, strict=True)))
