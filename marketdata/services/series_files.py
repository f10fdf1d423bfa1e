"""Bring price series in from files, as often as one likes: good lines are stored, of every other one it is said why not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

from django.db import transaction

from marketdata.adapters.lines import UnreadableFile
from marketdata.adapters.series_files import described, read_series_file
from marketdata.adapters.series_rows import BadLine, Record
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import CRYPTO_MARKET, AssetClass, Listing
from marketdata.domain.quality import Dataset
from marketdata.models.instruments import Instrument
from marketdata.selectors.instruments import AmbiguousInstrument, UnknownInstrument, find_each
from marketdata.services.ingest import store_bars, store_quotes, store_ticks
from marketdata.services.instruments import list_instrument
from marketdata.services.line_reports import FileReport

__all__ = ["Choices", "Imported", "UnreadableFile", "import_series"]

BATCH = 10_000
STORES: dict[Dataset, Callable[..., Any]] = {
    Dataset.BARS: store_bars,
    Dataset.QUOTES: store_quotes,
    Dataset.TICKS: store_ticks,
}
PAIRS = frozenset({AssetClass.CRYPTO, AssetClass.FX})
# what pairs are quoted in, the longer ones first: BTCUSDT is BTC/USDT and no pair in T
QUOTED_IN = ("USDT", "USDC", "USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "BTC", "ETH")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the file does not say: whose prices they are, on which exchange, how long its bars last, and how it is taken.

    With `create` an instrument that is not known is written down, by its symbol, exchange, asset class and currency.
    """

    instrument: Instrument | None = None
    exchange: str = ""
    create: bool = False
    asset_class: AssetClass = AssetClass.EQUITY
    currency: str = "USD"
    timeframe: Timeframe | None = None
    correct: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that was read, of which instrument its prices are, and what became of its lines."""

    instrument: str
    report: FileReport


NO_CHOICES = Choices()


def import_series(
    *,
    file: BinaryIO,
    name: str,
    source: str,
    recorded_at: datetime,
    choices: Choices = NO_CHOICES,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Store the prices of a file, which is named as `adapters.series_files` says; read again, it changes nothing.

    With `dry_run` the answer is the same and nothing stays. `progress` is told the rows that were read so far.

    :raises UnreadableFile: if the file as a whole makes no sense
    :raises UnknownInstrument: if nothing is known of the symbol in its name
    :raises AmbiguousInstrument: if that means several
    :raises ValidationError: by field, if the instrument can't be created
    """
    about = described(name)
    with transaction.atomic():
        instrument = choices.instrument or instrument_of(about.symbol, choices)
        key = instrument.key
        if choices.dry_run and choices.create:
            transaction.set_rollback(True)
    report = FileReport()
    found = read_series_file(file, about, timeframe=choices.timeframe)
    while batch := list(islice(found, BATCH)):
        report.lines += len({each.line for each in batch})
        for each in batch:
            if isinstance(each, BadLine):
                report.refuse(each.line, each.detail, each.text)
        _store_batch([each for each in batch if isinstance(each, Record)], report, source, recorded_at, (instrument, choices))
        if progress is not None:
            progress(report.lines)
    report.settle()
    return Imported(key, report)


def _store_batch(
    rows: Sequence[Record], report: FileReport, source: str, recorded_at: datetime, about: tuple[Instrument, Choices]
) -> None:
    """Store rows, each kind by itself."""
    instrument, choices = about
    for dataset, store in STORES.items():
        of_kind = [each for each in rows if each.dataset is dataset]
        if not of_kind:
            continue
        with transaction.atomic():
            if choices.dry_run and choices.create:  # the instrument was not kept either
                Instrument.objects.bulk_create([instrument], ignore_conflicts=True)
            done = store(
                source=source,
                rows=[each.values for each in of_kind],
                recorded_at=recorded_at,
                common={"instrument": instrument},
                correct=choices.correct,
            )
            if choices.dry_run:
                transaction.set_rollback(True)
        report.add(done, [each.line for each in of_kind], rows=len(of_kind))


def instrument_of(symbol: str, choices: Choices) -> Instrument:
    """Return the instrument that a symbol of a file means, where the file does not say more than that.

    :raises UnknownInstrument: if there is none, and none is to be created
    :raises AmbiguousInstrument: if the symbol means several
    """
    exchange = choices.exchange or (CRYPTO_MARKET if choices.asset_class is AssetClass.CRYPTO else "")
    spelled = list(dict.fromkeys(_spellings(symbol)))
    names = [f"{symbol}:{exchange}" if exchange else symbol for symbol in spelled]
    found = find_each(names)
    for name in names:
        if isinstance(known := found[name], Instrument):
            return known
        if isinstance(known, AmbiguousInstrument):
            raise known
    if choices.create and exchange:
        listed = symbol.replace("-", "/") if choices.asset_class in PAIRS else symbol
        return list_instrument(listing=Listing(listed, exchange, "", choices.asset_class, choices.currency))
    remedy = "give its exchange, too" if choices.create else "name it, give its exchange, or have it created"
    raise UnknownInstrument(f"No instrument is called {' or '.join(names)}; {remedy}.", code="unknown_instrument")


def _spellings(symbol: str) -> Iterator[str]:
    """Yield what a symbol in the name of a file may be written for: BTC-USD and BTCUSD for BTC/USD."""
    yield symbol
    if "-" in symbol:
        yield symbol.replace("-", "/")
        yield symbol.replace("-", ".")
        yield symbol.replace("-", "")
    else:
        yield from (f"{symbol.removesuffix(end)}/{end}" for end in QUOTED_IN if symbol.endswith(end) and symbol != end)
