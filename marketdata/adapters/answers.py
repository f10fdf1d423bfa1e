"""What an answer from elsewhere must keep before its rows are handed on: the shape, the instrument, the period, the order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from marketdata.adapters.base import ProviderFailed
from marketdata.domain.money import round_to

SLACK = timedelta(days=2)
MOST_PAGES = 100_000
PLACES = {"volume": 12, "size": 12, "bid_size": 12, "ask_size": 12, "trade_count": 0}


def number(name: str, value: object) -> object:
    """Return a number as a decimal, rounded to the places that are stored; what is none stays as it came, to be refused."""
    if isinstance(value, str):
        try:
            value = Decimal(value)
        except ArithmeticError:
            return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if isinstance(value, float):
        return str(value)
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value.adjusted()) > 30:  # noqa: PLR2004
        return value if isinstance(value, Decimal) or value is None else str(value)
    return round_to(value, PLACES.get(name, 10))


def instant(value: object, what: str) -> datetime:
    """Return the time of a row: ISO 8601 with an offset, or milliseconds since 1970.

    :raises ProviderFailed: if it is none, for then it can't be said which period the row is of
    """
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value // 1000, UTC) + timedelta(milliseconds=value % 1000)
        at = datetime.fromisoformat(str(value)) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        at = None
    if at is None or at.tzinfo is None:
        raise ProviderFailed(f"{what}: {str(value)[:40]!r} is no time.")
    return at.astimezone(UTC)


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """Return a value that has to be an object of JSON.

    :raises ProviderFailed: if it is not
    """
    if not isinstance(value, Mapping):
        raise ProviderFailed(f"{what} is {_kind(value)} instead of an object.")
    return value


def sequence(value: object, what: str) -> Sequence[Any]:
    """Return a value that has to be a list.

    :raises ProviderFailed: if it is not
    """
    if not isinstance(value, list | tuple):
        raise ProviderFailed(f"{what} is {_kind(value)} instead of a list.")
    return value


def in_period(rows: Iterable[tuple[datetime, Any]], start: datetime, end: datetime, what: str) -> list[tuple[datetime, Any]]:
    """Return the rows of a period; who is asked may round it, but not by days, and has to keep the order.

    :raises ProviderFailed: if rows are far outside it, or go back in time
    """
    came = list(rows)
    for at, _ in came:
        if not start - SLACK <= at < end + SLACK:
            raise ProviderFailed(
                f"{what}: asked for {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}, it sends {at:%Y-%m-%d %H:%M}."
            )
    for (earlier, _), (later, _) in pairwise(came):
        if later < earlier:
            raise ProviderFailed(f"{what}: its rows are not in order, {later:%Y-%m-%d %H:%M} follows {earlier:%Y-%m-%d %H:%M}.")
    return [(at, row) for at, row in came if start <= at < end]


class Forward:
    """Sees to it that pages lead forward: a token that comes twice, or rows before those of the last page, would never end."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._tokens: set[str] = set()
        self._last: datetime | None = None

    def token(self, value: object) -> str | None:
        """Return the token of the next page, None at the end.

        :raises ProviderFailed: if it is none, or was there before
        """
        if value is None or value == "":
            return None
        if not isinstance(value, str) or value in self._tokens or len(self._tokens) > MOST_PAGES:
            raise ProviderFailed(f"{self.what}: its pages lead in a circle.")
        self._tokens.add(value)
        return value

    def rows(self, rows: list[tuple[datetime, Any]]) -> list[tuple[datetime, Any]]:
        """Return the rows of a page.

        :raises ProviderFailed: if they begin before the last page's end
        """
        if rows and self._last is not None and rows[0][0] < self._last:
            raise ProviderFailed(f"{self.what}: a page goes back to {rows[0][0]:%Y-%m-%d %H:%M}.")
        self._last = rows[-1][0] if rows else self._last
        return rows


def batches(rows: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows some at a time."""
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == size:
            yield tuple(some)
            some = []
    if some:
        yield tuple(some)


def _kind(value: object) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"
