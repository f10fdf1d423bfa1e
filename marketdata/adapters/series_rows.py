"""What a line of a price series says: a bar, a quote, a trade, or two of these; whatever its columns are called.

Numbers are exact where the file is: a JSON number is read by its digits. A binary float is read by its shortest spelling, which
is what was written into it, and rounded to the places that are kept. Times without an offset are UTC, whole numbers are Unix
seconds, milliseconds, microseconds or nanoseconds by their length, a daily bar belongs to the day as written. A price of which
nobody says how much was traded at it is no trade: it is kept as a quote whose bid and ask are that price.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from marketdata.domain.bars import Timeframe
from marketdata.domain.money import round_to
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import PLACES, SIZE_PLACES

NAMES: Mapping[str, frozenset[str]] = {
    "timestamp": frozenset({"timestamp", "time", "datetime", "date", "ts", "t", "open_time", "exchange_ts"}),
    "symbol": frozenset({"symbol", "asset_pair", "pair", "ticker", "instrument", "instrument_key"}),
    "timeframe": frozenset({"timeframe", "interval", "tf", "granularity"}),
    "open": frozenset({"open", "o", "open_price"}),
    "high": frozenset({"high", "h", "high_price"}),
    "low": frozenset({"low", "l", "low_price"}),
    "close": frozenset({"close", "c", "close_price"}),
    "volume": frozenset({"volume", "vol", "v"}),
    "vwap": frozenset({"vwap", "vw"}),
    "trade_count": frozenset({"trade_count", "trades", "n", "num_trades"}),
    "bid": frozenset({"bid", "bid_price", "bp"}),
    "ask": frozenset({"ask", "ask_price", "ap"}),
    "bid_size": frozenset({"bid_size", "bs", "bid_volume", "bid_qty"}),
    "ask_size": frozenset({"ask_size", "as", "ask_volume", "ask_qty"}),
    "price": frozenset({"price", "p", "last", "last_price", "ltp"}),
    "size": frozenset({"size", "s", "qty", "quantity", "amount"}),
    "conditions": frozenset({"conditions", "condition"}),
}
MEANS = {spelling: name for name, spellings in NAMES.items() for spelling in spellings}
TIMEFRAMES = {
    **{each.value: each for each in Timeframe},
    **{"1min": Timeframe.MINUTE, "5min": Timeframe.FIVE_MINUTES, "15min": Timeframe.QUARTER_HOUR, "60m": Timeframe.HOUR},
    **{"1minute": Timeframe.MINUTE, "5minute": Timeframe.FIVE_MINUTES, "15minute": Timeframe.QUARTER_HOUR},
    **{"1hour": Timeframe.HOUR, "1day": Timeframe.DAY, "day": Timeframe.DAY, "daily": Timeframe.DAY, "d": Timeframe.DAY},
    **{"minute": Timeframe.MINUTE, "hour": Timeframe.HOUR, "1hr": Timeframe.HOUR},
}
OHLC = ("open", "high", "low", "close")
PRICES = frozenset({*OHLC, "vwap", "bid", "ask", "price"})
SIZES = frozenset({"volume", "bid_size", "ask_size", "size"})
BAR = (*OHLC, "volume", "vwap", "trade_count")
QUOTE = ("bid", "ask", "bid_size", "ask_size")
LONGEST_NUMBER = 60
PLAIN = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,2})?", re.ASCII)
ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
EXACT = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Record:
    """A row for one data set, and the line of the file it stands on."""

    line: int
    dataset: Dataset
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that says nothing, and why."""

    line: int
    detail: str
    text: str = ""


def timeframe_of(text: object) -> Timeframe | None:
    """Return the timeframe that a text names, None if it is none of ours.

    >>> timeframe_of("1Min"), timeframe_of("4h")
    (<Timeframe.MINUTE: '1m'>, None)
    """
    return TIMEFRAMES.get(str(text).strip().lower())


def named(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that mean something to us by our own names; others are passed over, and so is what is empty."""
    found: dict[str, Any] = {}
    for spelling, value in columns.items():
        name = MEANS.get(str(spelling).strip().lower().replace(" ", "_"))
        if name is not None and value is not None and value != "":
            found.setdefault(name, value)
    return found


def records(line: int, values: Mapping[str, Any], timeframe: Timeframe | None) -> Iterator[Record | BadLine]:
    """Yield what a line says, its columns being named as ours; `timeframe` is that of bars that do not say theirs."""
    if "timestamp" not in values:
        yield BadLine(line, "The line has no timestamp.")
        return
    if all(name in values for name in OHLC):
        yield _bar(line, values, timeframe)
        return
    found: list[Record | BadLine] = [*_tick(line, values), *_quote(line, values)]
    yield from found or [BadLine(line, "The line has neither open, high, low and close, nor bid and ask, nor a price.")]


def _bar(line: int, values: Mapping[str, Any], usual: Timeframe | None) -> Record | BadLine:
    """Return the bar of a line."""
    timeframe = timeframe_of(values["timeframe"]) if "timeframe" in values else usual
    if timeframe is None and "timeframe" not in values and _is_day(values["timestamp"]):
        timeframe = Timeframe.DAY
    if timeframe is None:
        said = f"{str(values['timeframe'])[:20]!r} is none of ours" if "timeframe" in values else "the line does not say it"
        return BadLine(line, f"Which timeframe the bar has is not known: {said}; there are {', '.join(Timeframe)}.")
    at = values["timestamp"]
    start = _day_as_written(at) if timeframe is Timeframe.DAY else moment(at)
    figures = {name: figure(name, values[name]) for name in BAR if name in values}
    return Record(line, Dataset.BARS, {"timestamp": start, "timeframe": timeframe.value, **figures})


def _tick(line: int, values: Mapping[str, Any]) -> list[Record]:
    """Return the trade of a line, if it says how much was traded."""
    size = figure("size", values.get("size", values.get("volume", 0)))
    if "price" not in values or size == 0:
        return []
    tick = {"timestamp": moment(values["timestamp"]), "price": figure("price", values["price"]), "size": size}
    return [Record(line, Dataset.TICKS, tick | {"conditions": str(values.get("conditions", ""))})]


def _quote(line: int, values: Mapping[str, Any]) -> list[Record]:
    """Return the quote of a line: its bid and ask, or else its price, where that is of no trade."""
    if "bid" not in values or "ask" not in values:
        if "price" not in values or _tick(line, values):
            return []
        price = figure("price", values["price"])
        return [Record(line, Dataset.QUOTES, {"timestamp": moment(values["timestamp"]), "bid": price, "ask": price})]
    figures = {name: figure(name, values[name]) for name in QUOTE if name in values}
    return [Record(line, Dataset.QUOTES, {"timestamp": moment(values["timestamp"]), **figures})]


def figure(name: str, value: Any) -> Any:
    """Return a number exactly, rounded to the places its column keeps; what is none stays as it is, for the rules to refuse.

    >>> figure("close", 0.1), figure("close", "1e2"), figure("close", 0.1 + 0.2)
    (Decimal('0.1'), Decimal('1E+2'), Decimal('0.3000000000'))
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return value
    if isinstance(value, str | float):
        text = value.strip() if isinstance(value, str) else repr(value)
        if not PLAIN.fullmatch(text):
            return value if isinstance(value, str) else text
        value = Decimal(text)
    number = EXACT.create_decimal(value) if isinstance(value, int) and abs(value) < 10**LONGEST_NUMBER else value
    if not isinstance(number, Decimal) or not number.is_finite() or number.adjusted() > LONGEST_NUMBER:
        return str(value)[:LONGEST_NUMBER]
    if name == "trade_count":
        return number
    places = SIZE_PLACES if name in SIZES else PLACES
    exponent = number.as_tuple().exponent
    try:
        return round_to(number, places) if isinstance(exponent, int) and -exponent > places else number
    except InvalidOperation:
        return str(value)[:LONGEST_NUMBER]


def moment(value: Any) -> Any:
    """Return an instant in UTC; what is none stays as it is, for the rules to refuse.

    >>> moment("2024-12-29T10:00:00").isoformat(), moment(1735466400).isoformat()
    ('2024-12-29T10:00:00+00:00', '2024-12-29T10:00:00+00:00')
    """
    if isinstance(value, datetime):
        return _in_utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _unix(value)
    if isinstance(value, str):
        text = value.strip()
        if text.isascii() and text.isdigit() and len(text) >= len("100000000"):
            return _unix(int(text[:20]))
        if ISO.fullmatch(text):
            return _iso(text)
    return value if isinstance(value, str) else str(value)[:LONGEST_NUMBER]


def _in_utc(value: datetime) -> datetime | str:
    """Return an instant in UTC, which one without a zone is; at the end of time there may be none."""
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        return str(value)


def _iso(text: str) -> Any:
    """Return the instant of a text, cut to microseconds."""
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.replace(" +", "+").replace(" Z", "Z")))
    except ValueError:
        return text
    return moment(found) if found.year > 1 else text


def _unix(value: float | Decimal) -> Any:
    """Return the instant of a Unix time, in whichever unit makes it a time of our age."""
    try:
        number = Decimal(str(value))
        for digits in (0, 3, 6, 9):
            if abs(number) < Decimal(10) ** (11 + digits):
                micros = int(number.scaleb(6 - digits))
                return datetime.fromtimestamp(micros // 10**6, UTC).replace(microsecond=micros % 10**6)
    except (InvalidOperation, OverflowError, OSError, ValueError):
        pass
    return str(value)[:LONGEST_NUMBER]


def _is_day(value: Any) -> bool:
    """Say whether a time is written as a day."""
    if isinstance(value, str):
        return bool(DAY.fullmatch(value.strip()))
    return isinstance(value, date) and not isinstance(value, datetime)


def _day_as_written(value: Any) -> Any:
    """Return the midnight in UTC of the day a time is written with, whatever its offset: that is the day of a daily bar."""
    if isinstance(value, str) and ISO.fullmatch(value.strip()):
        return _iso(value.strip()[:10])
    if isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    at = moment(value)
    return datetime(at.year, at.month, at.day, tzinfo=UTC) if isinstance(at, datetime) else at
