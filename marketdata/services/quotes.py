"""The latest quotes through the cache: what a client is told of an instrument, ready to be sent.

A quote is kept with the time it is of and the time it was recorded, and gives way to later ones alone: whoever read the
database a moment too early can't put an old quote over a new one.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from redis.exceptions import RedisError

from marketdata.models.instruments import Instrument
from marketdata.services import cache
from marketdata.services.cache import QUOTE

log = logging.getLogger(__name__)
KEY_PARTS = 2
Row = dict[str, str | None]
Read = tuple[str, str, str, str]  # symbol, exchange, order and the row as JSON

# PostgreSQL writes the rows: of five hundred it takes a third of the time. The order is the time a quote is of, then the time
# it was recorded, in microseconds.
LATEST = """
    SELECT instrument.symbol, instrument.exchange,
           lpad(to_hex((extract(epoch FROM latest.timestamp) * 1000000)::bigint), 16, '0')
           || lpad(to_hex((extract(epoch FROM latest.recorded_at) * 1000000)::bigint), 16, '0'),
           json_build_object(
               'instrument', instrument.symbol || ':' || instrument.exchange,
               'timestamp', to_char(latest.timestamp AT TIME ZONE 'UTC',
                   CASE WHEN date_trunc('second', latest.timestamp) = latest.timestamp
                   THEN 'YYYY-MM-DD"T"HH24:MI:SS"Z"' ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' END),
               'bid', trim_scale(latest.bid)::text, 'ask', trim_scale(latest.ask)::text,
               'bid_size', trim_scale(latest.bid_size)::text, 'ask_size', trim_scale(latest.ask_size)::text)::text
    FROM marketdata_latestquote AS latest JOIN marketdata_instrument AS instrument ON instrument.id = latest.instrument_id
"""
BY_ID = f"{LATEST} WHERE latest.instrument_id = ANY (%s::uuid[])"
BY_KEY = f"{LATEST} WHERE (instrument.symbol, instrument.exchange) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"  # noqa: S608


def latest_rows(instruments: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Row]:
    """Return the last quote of each (symbol, exchange) as clients are told it; one that has none is left out."""
    wanted = list(dict.fromkeys(instruments))
    found: dict[tuple[str, str], Row] = cache.get_many(QUOTE, wanted)  # type: ignore[assignment]  # they have two parts
    missing = [key for key in wanted if key not in found]
    if missing:
        rows = _read(BY_KEY, [list(column) for column in zip(*missing, strict=True)])
        _keep(rows)
        found |= {(symbol, exchange): orjson.loads(text) for symbol, exchange, _, text in rows}
    return found


def kept_rows(names: Sequence[str]) -> list[Row] | None:
    """Return the last quotes of instruments named SYMBOL:MIC from the cache, in that order; None unless all are there."""
    keys = [tuple(name.split(":")) for name in names]
    if not all(len(key) == KEY_PARTS and all(key) for key in keys):
        return None
    found = cache.get_many(QUOTE, keys)
    return [found[key] for key in keys] if len(found) == len(keys) else None


def note_quotes(instrument_ids: Collection[UUID | str]) -> int:
    """Put the latest quotes of instruments into the cache, after the transaction that stored them; return how many were kept."""
    return _keep(_read(BY_ID, [f"{{{','.join(map(str, set(instrument_ids)))}}}"])) if instrument_ids else 0


def warm_up(instruments: Collection[Instrument] | None = None) -> int:
    """Put the latest quotes of instruments, or of those that somebody holds or watches, into the cache; return how many were."""
    chosen = Instrument.objects.followed() if instruments is None else instruments
    return note_quotes([instrument.pk for instrument in chosen])


def forget_quote(symbol: str, exchange: str) -> bool:
    """Forget the quote of an instrument that is called otherwise from now on; say whether there was one."""
    try:
        return cache.forget(QUOTE, symbol, exchange)
    except RedisError as error:
        log.warning("The quote of %s:%s is kept until its time is over: %s", symbol, exchange, error)
        return False


def _keep(rows: Sequence[Read]) -> int:
    """Put rows into the cache; return how many were kept."""
    return cache.set_texts(QUOTE, {(symbol, exchange): (order, text) for symbol, exchange, order, text in rows})


def _read(query: str, parameters: list[Any]) -> list[Read]:
    """Return the rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())
