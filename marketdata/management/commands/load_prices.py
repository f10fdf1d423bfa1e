"""Load prices and corporate actions from a provider, or prices from a folder of files."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.adapters import provider_named
from marketdata.adapters.base import Page, PriceProvider, ProviderFailed, ProviderStalled
from marketdata.adapters.files import FolderProvider
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import AssetClass, Listing
from marketdata.domain.quality import Dataset
from marketdata.models.instruments import Instrument
from marketdata.selectors.instruments import find_instrument
from marketdata.selectors.providers import symbol_at
from marketdata.services.backfill import Period, load_period
from marketdata.services.instruments import list_instrument
from marketdata.services.providers import BEGINNING, Series, load_series

MOST_TOLD = 10
DATASETS = {"bars": Dataset.BARS, "quotes": Dataset.QUOTES, "ticks": Dataset.TICKS, "actions": Dataset.CORPORATE_ACTIONS}
AHEAD = timedelta(days=365)
Pages = Iterator[tuple[Page, Any]]


@dataclass(slots=True)
class Loaded:
    """How many rows of a series became what."""

    stored: int = 0
    known: int = 0
    corrected: int = 0
    refused: int = 0
    warned: int = 0

    @classmethod
    def of(cls, report: Any) -> "Loaded":
        """Return the counts of a report on a page."""
        refused = getattr(report, "refused_rows", len(report.refused))
        return cls(report.stored, report.known, report.corrected, refused, len(report.warned))

    def add(self, other: "Loaded") -> None:
        """Add the counts of others."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def __str__(self) -> str:
        counts = asdict(self).items()
        return ", ".join(f"{count:,} {name}" for name, count in counts if count or name == "stored")


class Command(BaseCommand):
    """Stores what a source has; run again, it stores what is new."""

    help = (
        "Load prices from a provider (--provider sample) or a folder of CSV or Parquet files ({symbol}_{timeframe}.csv): bars, or"
        " the quotes, trades or corporate actions of a period (--dataset)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("folder", nargs="?", help="a folder of CSV or Parquet files")
        parser.add_argument("--provider", help="a provider of the setting MARKETDATA_PROVIDERS, instead of a folder")
        parser.add_argument("--instrument", action="append", default=[], help="only this one (SYMBOL:MIC); may be repeated")
        parser.add_argument("--followed", action="store_true", help="of all instruments that somebody holds or watches")
        parser.add_argument("--dataset", choices=list(DATASETS), default="bars", help="what is loaded (%(default)s)")
        parser.add_argument("--since", type=_instant, help="from this day or time on (2024-01-02, 2024-01-02T14:30Z)")
        parser.add_argument("--until", type=_instant, help="up to this day or time, which is not included; else now")
        parser.add_argument("--timeframe", choices=[each.value for each in Timeframe], help="only these bars; a provider: 1d")
        parser.add_argument("--create", action="store_true", help="write instruments down that are not known yet")
        parser.add_argument("--exchange", default="", help="the exchange (MIC) of the folder's files")
        parser.add_argument("--asset-class", default=AssetClass.EQUITY.value, choices=[each.value for each in AssetClass])
        parser.add_argument("--currency", default="USD", help="of instruments that are created")
        parser.add_argument("--correct", action="store_true", help="let other figures replace those already stored")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load every series and report on each."""
        now = timezone.now()
        _check(options, now)
        failures, total = 0, Loaded()
        for provider, what, pages in self._wanted(options, now):
            if self.stdout.isatty():
                self.stdout.write(f"{what} ...", ending="\r")
            loaded, failure = self._load(pages)
            total.add(loaded)
            failures += bool(failure)
            while provider.traffic.reasons:
                self.stderr.write(f"  passed over: {provider.traffic.reasons.popleft()}")
            self.stdout.write(f"{what}: {loaded}{failure}")
        self.stdout.write(f"Together: {total}")
        if failures:
            raise CommandError(f"{failures} series could not be read to their end.")

    def _wanted(self, options: dict[str, Any], now: datetime) -> Iterator[tuple[PriceProvider, str, Pages]]:
        """Yield what is to be loaded: from whom, what it is called, and what loads it page by page."""
        source = _folder_series if options["folder"] else _provider_series
        dataset, correct, until = DATASETS[options["dataset"]], options["correct"], options["until"]
        for provider, instrument, timeframe in source(options, self.stderr.write):
            symbol = symbol_at(instrument=instrument, provider=provider.name)
            if dataset is Dataset.BARS:
                series = Series(provider, instrument, timeframe, now, symbol=symbol, until=until)
                what = f"{instrument.key} {timeframe}"
                yield provider, what, load_series(series=series, start=options["since"] or BEGINNING, correct=correct)
            else:
                period = Period(provider, instrument, options["since"] or BEGINNING, until or _end(dataset, now), symbol)
                pages = load_period(dataset=dataset, period=period, at=now, correct=correct)
                yield provider, f"{instrument.key} {options['dataset']}", pages

    def _load(self, pages: Pages) -> tuple[Loaded, str]:
        """Load one series, telling the first of the rows that were refused, and return what came of it."""
        total, told = Loaded(), 0
        try:
            for page, report in pages:
                for finding in report.refused[: MOST_TOLD - told]:
                    place = page.line_of(finding.index)
                    where = f"line {place}" if place else f"row {finding.index}"
                    self.stderr.write(f"  {where}: {finding.field} {finding.value!r} refused, {finding.rule}: {finding.detail}")
                told = min(told + len(report.refused), MOST_TOLD)
                total.add(Loaded.of(report))
        except (ProviderFailed, ProviderStalled) as failure:
            return total, f"; {failure}"
        return total, ""


Found = Iterator[tuple[PriceProvider, Instrument, Timeframe]]


def _check(options: dict[str, Any], now: datetime) -> None:
    """Refuse what makes no sense together.

    :raises CommandError: naming the option
    """
    if bool(options["folder"]) == bool(options["provider"]):
        raise CommandError("Name either a folder or a provider (--provider).")
    if options["timeframe"] and options["dataset"] != "bars":
        raise CommandError(f"--timeframe is for bars; {options['dataset']} have none.")
    if options["dataset"] in {"quotes", "ticks"} and options["provider"] and options["since"] is None:
        raise CommandError(f"Say from when on {options['dataset']} are wanted: --since {now:%Y-%m-%d}.")
    if options["since"] is not None and options["since"] >= (options["until"] or now + AHEAD):
        raise CommandError("--since must be earlier than --until.")
    if options["followed"] and (options["instrument"] or options["folder"]):
        raise CommandError("--followed goes with --provider, and without --instrument.")


def _instant(text: str) -> datetime:
    """Return a day as its midnight in UTC, or a time; one that does not say its offset is one of UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day or time; write 2024-01-02 or 2024-01-02T14:30Z.") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _end(dataset: Dataset, now: datetime) -> datetime:
    """Return up to when rows are asked for: actions are announced before they happen."""
    return now + AHEAD if dataset is Dataset.CORPORATE_ACTIONS else now


def _provider_series(options: dict[str, Any], _warn: Any) -> Found:
    """Yield the series of a provider: of the instruments named, or of all it lists."""
    try:
        provider = provider_named(options["provider"])
    except (LookupError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error
    timeframe = Timeframe(options["timeframe"] or Timeframe.DAY)
    if options["followed"]:
        for instrument in Instrument.objects.followed().order_by("symbol", "exchange"):
            if provider.capabilities.fits(instrument.listing):
                yield provider, instrument, timeframe
        return
    listings = {listing.key: listing for listing in provider.listings()}
    if not options["instrument"] and not listings:
        raise CommandError(f"{provider.name} lists no instruments: name some with --instrument, or say --followed.")
    for key in options["instrument"] or listings:
        listing = listings.get(key)
        yield provider, _instrument(key, listing if options["create"] else None), timeframe


def _folder_series(options: dict[str, Any], warn: Any) -> Found:
    """Yield the series of the files in a folder; one whose instrument is not known is passed over and told."""
    provider = FolderProvider(folder=options["folder"], exchange=options["exchange"], name="files")
    if not provider.folder.is_dir():
        raise CommandError(f"There is no folder {provider.folder}.")
    names = options["instrument"]
    if options["dataset"] == "bars":
        only = {text if options["create"] and ":" in text else _instrument(text, None).key for text in names}
        yield from _files(provider, only, options, warn)
    elif names:
        yield from ((provider, _instrument(text, None), Timeframe.DAY) for text in names)
    else:
        raise CommandError(f"Name the instruments whose {options['dataset']} are wanted with --instrument.")


def _files(provider: FolderProvider, only: set[str], options: dict[str, Any], warn: Any) -> Found:
    """Yield the series of the files of bars in a folder."""
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
