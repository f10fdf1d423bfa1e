"""Bring price series in from files."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import AssetClass
from marketdata.selectors.instruments import find_instrument
from marketdata.services.series_files import Choices, UnreadableFile, import_series

MOST_TOLD = 20
PATTERNS = ("*_timeseries.jsonl", "*_timeseries.jsonl.gz", "*.parquet")


class Command(BaseCommand):
    """Stores what is new; run again, it changes nothing. Exit code 1: a file, or some of its lines, could not be taken."""

    help = "Bring in price series: SYMBOL_timeseries.jsonl and SYMBOL_TIMEFRAME_START_END.parquet, or folders of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or folders that hold them")
        parser.add_argument("--instrument", help="whose prices they are (SYMBOL:MIC), where the file's name does not say so")
        parser.add_argument("--exchange", default="", help="the exchange (MIC) of the symbols in the names")
        parser.add_argument("--create", action="store_true", help="write instruments down that are not known yet")
        parser.add_argument("--asset-class", default=AssetClass.EQUITY.value, choices=[each.value for each in AssetClass])
        parser.add_argument("--currency", default="USD", help="of instruments that are created")
        parser.add_argument("--timeframe", choices=[each.value for each in Timeframe], help="of bars that do not say theirs")
        parser.add_argument("--source", default="series", help="who says so")
        parser.add_argument("--correct", action="store_true", help="let other figures replace those already stored")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import each file and report on it."""
        failures = 0
        choices = _choices(options)
        for path in _files(options["paths"]):
            failures += not self._import(path, choices, options["source"])
        if choices.dry_run:
            self.stdout.write("Dry run: nothing was written.")
        if failures:
            raise CommandError(f"{failures} file{'s' if failures > 1 else ''} could not be read to the last line.")

    def _import(self, path: Path, choices: Choices, source: str) -> bool:
        """Import one file, tell what became of it, and say whether all of it went in."""
        try:
            with path.open("rb") as file:
                done = import_series(file=file, name=path.name, source=source, recorded_at=timezone.now(), choices=choices)
        except OSError as error:
            self.stderr.write(f"{path} can't be read: {error.strerror}.")
        except UnreadableFile as error:
            self.stderr.write(f"{path}: {error}")
        except ValidationError as error:
            self.stderr.write(f"{path}: {' '.join(error.messages)} (--instrument, --exchange, --create)")
        else:
            for told in done.report.told(MOST_TOLD):
                self.stderr.write(f"  {told}")
            self.stdout.write(f"{path.name}: {done.instrument}: {done.report.lines:,} lines: {done.report.said()}")
            return not done.report.refusals
        return False


def _choices(options: dict[str, Any]) -> Choices:
    """Return what the options say beside the files."""
    try:
        instrument = find_instrument(options["instrument"]) if options["instrument"] else None
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return Choices(
        instrument=instrument,
        exchange=options["exchange"],
        create=options["create"],
        asset_class=AssetClass(options["asset_class"]),
        currency=options["currency"],
        timeframe=Timeframe(options["timeframe"]) if options["timeframe"] else None,
        correct=options["correct"],
        dry_run=options["dry_run"],
    )


def _files(paths: list[Path]) -> Iterator[Path]:
    """Yield the files, those of folders in their order; a link inside a folder is not followed."""
    for path in paths:
        if path.is_dir():
            yield from sorted(
                {each for pattern in PATTERNS for each in path.glob(pattern) if each.is_file() and not each.is_symlink()}
            )
        else:
            yield path
