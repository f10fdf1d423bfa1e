"""The data of an event while it is read: what is understood is taken out of it, the rest stays."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from accounts.domain.statements import LineRefused
from marketdata.domain.money import plain, round_to

NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{0,60})?([eE][+-]?\d{1,2})?", re.ASCII)
SHARE_DIGITS, SHARE_PLACES = 12, 12
MONEY_DIGITS, MONEY_PLACES = 15, 10
FLOAT_DIGITS = 15
SHOWN = 60


class EventData(dict[str, Any]):
    """What an event states, by name. A name that is missing, null or empty states nothing."""

    def take(self, names: Sequence[str]) -> tuple[str, Any]:
        """Take out the first of some names that states something, and return it with its value; ("", None) if none does.

        :raises LineRefused: if it is a list or an object
        """
        for name in names:
            if isinstance(self.get(name), dict | list):
                raise LineRefused("bad_data", f"data.{name} must be a single value.")
            value = self.pop(name, None)
            if value is not None and value != "":
                return name, value
        return "", None

    def take_text(self, *names: str) -> str:
        """Take a text, empty if there is none.

        :raises LineRefused: if it is something else
        """
        name, value = self.take(names)
        if name and not isinstance(value, str):
            raise LineRefused("bad_data", f"data.{name} must be a text.")
        return value.strip() if name else ""

    def take_money(self, names: Sequence[str]) -> Decimal | None:
        """Take an amount or a price.

        :raises LineRefused: if it is no number that can be kept
        """
        name, value = self.take(names)
        return read_number(value, f"data.{name}") if name else None

    def take_shares(self, names: Sequence[str]) -> Decimal | None:
        """Take a number of units.

        :raises LineRefused: if it is no number that can be kept
        """
        name, value = self.take(names)
        return read_number(value, f"data.{name}", digits=SHARE_DIGITS, places=SHARE_PLACES) if name else None

    def put(self, name: str, value: object) -> None:
        """Put something in.

        :raises LineRefused: if the name is taken
        """
        if name in self:
            raise LineRefused("bad_data", f"data.{name} is given twice, or has a place of its own.")
        self[name] = value

    def merged(self) -> dict[str, Any]:
        """Return what is left, with what the event sets apart under the name `data`.

        :raises LineRefused: if that is no object, or repeats a name
        """
        apart = self.pop("data", {})
        if not isinstance(apart, dict):
            raise LineRefused("bad_data", "data.data must be an object.")
        for name, value in apart.items():
            self.put(name, value)
        return dict(self)


def read_number(value: object, name: str, *, digits: int = MONEY_DIGITS, places: int = MONEY_PLACES) -> Decimal:
    """Return an exact number that its column can keep.

    A float written out carries fifteen digits or more, and what of them no column keeps is noise: it is rounded away. Any
    other number that would lose digits is refused.

    :raises LineRefused: if it is none, too large or too precise

    >>> read_number("-4449.99999999999", "cash_delta")
    Decimal('-4450.0000000000')
    """
    text = value.strip() if isinstance(value, str) else str(value)
    if not isinstance(value, str | int | Decimal) or isinstance(value, bool) or not NUMBER.fullmatch(text):
        raise LineRefused("bad_number", f"{name}: {text[:SHOWN]!r} is no plain decimal number, such as 12.5.")
    number = Decimal(text)
    if number and number.adjusted() >= digits:
        raise LineRefused("number_too_large", f"{name}: at most {digits} digits are kept before the point.")
    kept = round_to(number, places)
    if kept != number and len(number.as_tuple().digits) < FLOAT_DIGITS:
        raise LineRefused("number_too_precise", f"{name}: {plain(number)[:SHOWN]} has more than {places} digits after the point.")
    return kept


def short(text: str, limit: int, name: str) -> str:
    """Return a text that its column can keep.

    :raises LineRefused: if it is too long
    """
    if len(text) > limit:
        raise LineRefused("too_long", f"{name}: {text[:SHOWN]!r} has more than {limit} characters.")
    return text
