"""Load prices from a provider or from a folder of CSV files."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.adapters import provider_named
from marketdata.adapters.base import PriceProvider, ProviderFailed, ProviderStalled
from marketdata.adapters.files import FolderProvider
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import AssetClass, Listing
from marketdata.models.instruments import Instrument
from marketdata.selectors.instruments import find_instrument
from marketdata.services.ingest import IngestReport
from marketdata.services.instruments import list_instrument
from marketdata.services.providers import Series, load_series

MOST_TOLD = 10


class Command(BaseCommand):
    """Stores what a source has; run again, it stores what is new."""

    help = "Load prices from a provider (--provider sample) or a folder of CSV files ({symbol}_{timeframe}.csv)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("folder", nargs="?", help="a folder of CSV files")
        parser.add_argument("--provider", help="a provider of the setting MARKETDATA_PROVIDERS, instead of a folder")
        parser.add_argument("--instrument", action="append", default=[], help="only this one (SYMBOL:MIC); may be repeated")
        parser.add_argument("--timeframe", choices=[each.value for each in Timeframe], help="only these bars; a provider: 1d")
        parser.add_argument("--create", action="store_true", help="write instruments down that are not known yet")
        parser.add_argument("--exchange", default="", help="the exchange (MIC) of the folder's files")
        parser.add_argument("--asset-class", default=AssetClass.EQUITY.value, choices=[each.value for each in AssetClass])
        parser.add_argument("--currency", default="USD", help="of instruments that are created")
        parser.add_argument("--correct", action="store_true", help="let other figures replace those already stored")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load every series and report on each."""
        if bool(options["folder"]) == bool(options["provider"]):
            raise CommandError("Name either a folder or a provider.")
        source = _folder_series if options["folder"] else _provider_series
        failures = 0
        total = IngestReport()
        for provider, instrument, timeframe in source(options, self.stderr.write):
            if self.stdout.isatty():
                self.stdout.write(f"{instrument.key} {timeframe} ...", ending="\r")
            report, failure = self._load(Series(provider, instrument, timeframe, timezone.now()), correct=options["correct"])
            total += report
            failures += bool(failure)
            self.stdout.write(f"{instrument.key} {timeframe}: {_said(report)}{failure}")
        self.stdout.write(f"Together: {_said(total)}")
        if failures:
            raise CommandError(f"{failures} series could not be read to their end.")

    def _load(self, series: Series, *, correct: bool) -> tuple[IngestReport, str]:
        """Load one series, telling the first of the rows that were refused, and return what came of it."""
        total, told = IngestReport(), 0
        try:
            for page, report in load_series(series=series, correct=correct):
                for finding in report.refused[: MOST_TOLD - told]:
                    place = page.line_of(finding.index)
                    where = f"line {place}" if place else f"row {finding.index}"
                    self.stderr.write(f"  {where}: {finding.field} {finding.value!r} refused, {finding.rule}: {finding.detail}")
                told = min(told + len(report.refused), MOST_TOLD)
                total += report
        except (ProviderFailed, ProviderStalled) as failure:
            return total, f"; {failure}"
        return total, ""


Found = Iterator[tuple[PriceProvider, Instrument, Timeframe]]


def _provider_series(options: dict[str, Any], _warn: Any) -> Found:
    """Yield the series of a provider: of the instruments named, or of all it lists."""
    try:
        provider = provider_named(options["provider"])
    except (LookupError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error
    timeframe = Timeframe(options["timeframe"] or Timeframe.DAY)
    listings = {listing.key: listing for listing in provider.listings()}
    if not options["instrument"] and not listings:
        raise CommandError(f"{provider.name} lists no instruments; is its package installed? Else name some with --instrument.")
    for key in options["instrument"] or listings:
        listing = listings.get(key)
        yield provider, _instrument(key, listing if options["create"] else None), timeframe


def _folder_series(options: dict[str, Any], warn: Any) -> Found:
    """Yield the series of the files in a folder; one whose instrument is not known is passed over and told."""
    provider = FolderProvider(folder=options["folder"], exchange=options["exchange"], name="files")
    if not provider.folder.is_dir():
        raise CommandError(f"There is no folder {provider.folder}.")
    only = {find_instrument(text).key for text in options["instrument"]}
    for path, symbol, exchange, timeframe in provider.files():
        if options["timeframe"] not in {None, timeframe}:
            continue
        crypto = options["asset_class"] == AssetClass.CRYPTO
        meant = symbol.replace("-", "/") if crypto else symbol
        listing = Listing(meant, exchange, "", AssetClass(options["asset_class"]), options["currency"])
        try:
            instrument = _instrument(listing.key if exchange else meant, listing if options["create"] and exchange else None)
        except CommandError as error:
            warn(f"{path.name}: {error}")
            continue
        if not only or instrument.key in only:
            yield provider, instrument, timeframe


def _instrument(name: str, listing: Listing | None) -> Instrument:
    """Return the instrument of a name, made from its listing where one is given."""
    try:
        return find_instrument(name) if listing is None else list_instrument(listing=listing)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error


def _said(report: IngestReport) -> str:
    """Return a report in words."""
    counts = {
        "stored": report.stored,
        "known": report.known,
        "corrected": report.corrected,
        "refused": len(report.refused),
        "warned": len(report.warned),
    }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "stored")
