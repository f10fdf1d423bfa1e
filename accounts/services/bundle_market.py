"""What an account that comes as a ZIP is about: its instruments, found or written down, with their prices, actions and rates."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any, TypeVar

import polars as pl
from django.core.exceptions import ValidationError

from accounts.adapters.bundles import BundleReader
from accounts.domain.bundles import ACTIONS, BAR_COLUMNS, BARS, INSTRUMENTS, RATE_COLUMNS, RATES, BundleRefused, Said
from marketdata.domain.instruments import AssetClass
from marketdata.domain.quality import Dataset
from marketdata.models import Instrument
from marketdata.selectors.instruments import find_each
from marketdata.services.actions import store_actions
from marketdata.services.ingest import IngestReport, store_frame
from marketdata.services.instruments import create_instrument

SOURCE = "account_zip"
BATCH = 5_000
Row = TypeVar("Row")
MOST_INSTRUMENTS = 20_000
TEXTS = {"symbol": 24, "exchange": 8, "name": 200, "asset_class": 9, "currency": 3, "isin": 12, "figi": 12, "right": 4}
FIGURES = ("multiplier", "tick_size", "price_floor", "price_ceiling", "strike")
# where these differ, the entries would mean something else
MUST_AGREE = ("currency", "multiplier", "expiry", "strike", "right")
NUMBERS = ("isin", "figi")
UNBOUND: dict[str, Any] = {"price_floor": None, "price_ceiling": None, "active": True}
ACTION_TEXTS = {"kind": 14, "currency": 3, "new_symbol": 24, "old_symbol": 24, "label": 40, "notes": 10_000}
ACTION_FIGURES = ("ratio", "cash", "cost_fraction")
ACTION_DAYS = ("ex_date", "record_date", "pay_date")


@dataclass(slots=True)
class Known:
    """The instruments of a ZIP by the names it gives them, and those of them that are new here."""

    instruments: dict[str, Instrument] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)

    def of(self, said: Said, name: str = "instrument") -> Instrument:
        """Return the instrument that an object names.

        :raises BundleRefused: if the ZIP does not describe it
        """
        found = self.instruments.get(said.text(name))
        if found is None:
            raise BundleRefused("bad_file", f"{said.where}: {name}: {said.text(name)[:40]!r} is not among {INSTRUMENTS}.")
        return found


@dataclass(slots=True)
class Stored:
    """How many prices, rates and actions are new here, and how many differ from those that are here."""

    new: int = 0
    kept_out: int = 0
    first: str = ""

    def add(self, report: IngestReport) -> None:
        """Count a batch."""
        self.new += report.stored
        self.kept_out += report.refused_rows
        if report.refused and not self.first:
            self.first = f"{report.refused[0].field} {report.refused[0].value}: {report.refused[0].detail}".strip()


def take_instruments(reader: BundleReader, *, with_market: bool) -> Known:
    """Find the instruments of a ZIP, and write those down that nobody knows; what prices of them are believed, staff says alone.

    :raises BundleRefused: if one is none, or another one here has its name
    """
    known = Known()
    if reader.manifest.parts[INSTRUMENTS].rows > MOST_INSTRUMENTS:
        raise BundleRefused("too_large", f"{INSTRUMENTS} has more than {MOST_INSTRUMENTS:,} instruments.")
    told = islice(reader.objects(INSTRUMENTS), MOST_INSTRUMENTS)
    here = find_each({f"{one.text('symbol', most=24)}:{one.text('exchange', most=8)}" for one in told})
    for one in reader.objects(INSTRUMENTS):
        if len(known.instruments) == MOST_INSTRUMENTS:
            raise one.refusal("", f"one of at most {MOST_INSTRUMENTS:,} instruments")
        fields, key = _fields(one, known) | ({} if with_market else UNBOUND), one.text("key")
        if key != f"{fields['symbol']}:{fields['exchange']}" or key in known.instruments:
            raise BundleRefused("bad_file", f"{one.where}: key: {key[:40]!r} is not its symbol and exchange, or there twice.")
        found = here[key]
        instrument = _agreeing(found, fields, one) if isinstance(found, Instrument) else _by_number(fields)
        if instrument is None:
            instrument = _created(fields, one)
            known.created.append(key)
        known.instruments[key] = instrument
        if instrument.key != key:
            known.renamed[key] = instrument.key
    return known


def store_market(reader: BundleReader, known: Known, at: datetime, told: Callable[[], None]) -> Stored:
    """Store the prices, rates and actions of a ZIP; those that differ from what is here are kept out, and counted."""
    stored = Stored()
    for said in _batches(_action(one, known) for one in reader.objects(ACTIONS)):
        report = store_actions(source=SOURCE, rows=said, recorded_at=at)
        stored.new += report.stored
        stored.kept_out += len(report.refused)
        told()
    for rows in _batches(reader.rows(BARS, BAR_COLUMNS)):
        stored.add(_stored(Dataset.BARS, rows, at, timeframe=["1d"] * len(rows), instrument=_ids(rows, known)))
        told()
    for rows in _batches(reader.rows(RATES, RATE_COLUMNS)):
        stored.add(_stored(Dataset.FX_RATES, rows, at))
        told()
    return stored


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows some thousand at a time."""
    waiting = iter(rows)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def _fields(said: Said, known: Known) -> dict[str, Any]:
    """Return the fields of an instrument that a ZIP describes."""
    fields: dict[str, Any] = {name: said.text(name, most=most) for name, most in TEXTS.items()}
    fields |= {name: said.number(name) for name in FIGURES}
    if fields["multiplier"] is None or fields["asset_class"] not in set(AssetClass):
        raise said.refusal("asset_class", "an instrument: it lacks its class or its multiplier")
    underlying = known.of(said, "underlying") if said.text("underlying") else None
    return fields | {"active": said.flag("active", otherwise=True), "expiry": day_in(said, "expiry"), "underlying": underlying}


def day_in(said: Said, name: str) -> date | None:
    """Return a day of an object, none where there is none.

    :raises BundleRefused: if it is something else
    """
    value = said.value.get(name)
    if value is None:
        return None
    try:
        return date.fromisoformat(said.text(name, most=10))
    except ValueError as error:
        raise said.refusal(name, "a day such as 2024-01-31") from error


def _agreeing(here: Instrument, fields: Mapping[str, Any], said: Said) -> Instrument:
    """Return an instrument that is here under the same name, if it is the same.

    :raises BundleRefused: naming what differs
    """
    unlike = [name for name in MUST_AGREE if getattr(here, name) != fields[name]]
    unlike += [name for name in NUMBERS if getattr(here, name) and fields[name] and getattr(here, name) != fields[name]]
    if unlike:
        told = f"{here.key} is another instrument here, with another {', '.join(unlike)}: correct the one here, or rename it."
        raise BundleRefused("instrument_differs", f"{said.where}: {told}")
    return here


def _by_number(fields: Mapping[str, Any]) -> Instrument | None:
    """Return the one instrument that has a new name here, none if there is none or it is not sure."""
    for name in NUMBERS:
        if not fields[name]:
            continue
        same = {name: fields[name], **{one: fields[one] for one in ("exchange", *MUST_AGREE)}}
        found = list(Instrument.objects.filter(**same)[:2])
        if len(found) == 1:
            return found[0]
    return None


def _created(fields: Mapping[str, Any], said: Said) -> Instrument:
    """Return a new instrument.

    :raises BundleRefused: if its fields break the rules
    """
    try:
        return create_instrument(fields=fields)
    except ValidationError as refusal:
        raise BundleRefused("bad_file", f"{said.where}: {' '.join(refusal.messages)}") from refusal


def _action(said: Said, known: Known) -> dict[str, Any]:
    """Return what a company did as a row to be stored."""
    row: dict[str, Any] = {name: said.text(name, most=most) or None for name, most in ACTION_TEXTS.items()}
    row |= {name: said.number(name) for name in ACTION_FIGURES} | {name: day_in(said, name) for name in ACTION_DAYS}
    row |= {"instrument": known.of(said), "other": known.of(said, "other") if said.text("other") else None}
    return {name: value for name, value in row.items() if value is not None}


def _stored(dataset: Dataset, rows: list[Mapping[str, str]], at: datetime, **columns: list[str]) -> IngestReport:
    """Store rows of a table, column by column; an empty cell states nothing."""
    table = {name: [row[name] or None for row in rows] for name in rows[0]} | columns
    frame = pl.DataFrame(table, schema=dict.fromkeys(table, pl.String))
    return store_frame(dataset=dataset, source=SOURCE, frame=frame, recorded_at=at)


def _ids(rows: list[Mapping[str, str]], known: Known) -> list[str]:
    """Return the instruments of bars, by their ids.

    :raises BundleRefused: if one is not described
    """
    ids = {key: str(instrument.pk) for key, instrument in known.instruments.items()}
    for row in rows:
        if row["instrument"] not in ids:
            raise BundleRefused("bad_file", f"{BARS}: {row['instrument'][:40]!r} is not among {INSTRUMENTS}.")
    return [ids[row["instrument"]] for row in rows]
