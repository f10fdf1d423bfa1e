"""Bring prices in from a DuckDB file, such as an old trading_bot.duckdb."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.domain.instruments import AssetClass
from marketdata.models.instruments import Instrument
from marketdata.selectors.instruments import find_instrument
from marketdata.services.duckdb_import import BadMapping, TableReport, UnreadableFile, Wishes, import_duckdb, look_at
from marketdata.services.series_files import Choices

MOST_TOLD = 20


class Command(BaseCommand):
    """Finds the tables of prices by their columns. Exit code 1: the file, or some of its rows, could not be taken."""

    help = "Bring in the bars, quotes and trades of a DuckDB file; --dry-run shows how its tables are understood."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="show the mapping and the counts, and write nothing")
        parser.add_argument("--map", action="append", default=[], metavar="TABLE=DATASET", help="bars:5m, quotes, ticks or skip")
        parser.add_argument("--symbol", action="append", default=[], metavar="SYMBOL=KEY", help="which instrument is meant")
        parser.add_argument("--time-zone", default="UTC", help="of times that do not name theirs (IANA, such as Asia/Kolkata)")
        parser.add_argument("--exchange", default="", help="the exchange (MIC) of the symbols")
        parser.add_argument("--create", action="store_true", help="write instruments down that are not known yet")
        parser.add_argument("--asset-class", default=AssetClass.EQUITY.value, choices=[each.value for each in AssetClass])
        parser.add_argument("--currency", default="USD", help="of instruments that are created")
        parser.add_argument("--source", default="duckdb", help="who says so")
        parser.add_argument("--correct", action="store_true", help="let other figures replace those already stored")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at the file, and bring it in."""
        wishes = _wishes(options)
        try:
            if options["dry_run"]:
                for looked in look_at(path=options["file"], wishes=wishes):
                    self._show(looked)
                self.stdout.write(f"Times without a zone are read as {wishes.time_zone}. Dry run: nothing was written.")
                return
            done = import_duckdb(
                path=options["file"],
                source=options["source"],
                recorded_at=timezone.now(),
                wishes=wishes,
                progress=self._progress if self.stdout.isatty() else None,
            )
            bad = sum([self._tell(looked) for looked in done])
        except (UnreadableFile, BadMapping) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Times without a zone were read as {wishes.time_zone}.")
        if bad:
            raise CommandError(f"{bad:,} rows were left or refused.")

    def _show(self, looked: TableReport) -> None:
        """Say how a table is understood."""
        table = looked.table
        if not table.datasets:
            self.stdout.write(f"{table.name}: {table.rows:,} rows, left: {table.problem}")
            return
        lasts = f" of {table.timeframe} (by {table.said_by})" if table.timeframe else ""
        self.stdout.write(f"{table.name}: {table.rows:,} rows, {' and '.join(table.datasets)}{lasts}")
        for name, column in table.columns.items():
            self.stdout.write(f"  {name} from {column} ({table.types[column]})")
        self.stdout.write(f"  {len(looked.known):,} symbols are known, {len(looked.unknown):,} are not ({looked.left:,} rows)")
        self._unknown(looked)

    def _tell(self, looked: TableReport) -> int:
        """Say what became of a table, and return how many of its rows did not go in."""
        table = looked.table
        if not table.datasets:
            self.stdout.write(f"{table.name}: left, {table.problem}")
            return 0
        self._unknown(looked)
        bad = looked.left
        for dataset, report in looked.reports.items():
            for told in report.told(MOST_TOLD):
                self.stderr.write(f"  {told.replace('line', 'row', 1)}")
            self.stdout.write(f"{table.name}, {dataset}: {report.lines:,} rows: {report.said()}")
            bad += report.refusals
        return bad

    def _unknown(self, looked: TableReport) -> None:
        """Name the symbols that mean no instrument."""
        for symbol, (rows, why) in list(looked.unknown.items())[:MOST_TOLD]:
            self.stderr.write(f"  {symbol!r}: {rows:,} rows left. {why} (--symbol, --exchange, --create)")
        if len(looked.unknown) > MOST_TOLD:
            self.stderr.write(f"  and {len(looked.unknown) - MOST_TOLD:,} symbols more")

    def _progress(self, table: str, rows: int) -> None:
        """Give a sign of life."""
        self.stdout.write(f"{table}: {rows:,} rows ...", ending="\r")


def _wishes(options: dict[str, Any]) -> Wishes:
    """Return what the options say beside the file."""
    try:
        ZoneInfo(options["time_zone"])
        symbols: dict[str, Instrument] = {
            symbol: find_instrument(key) for symbol, key in (_pair(text, "--symbol") for text in options["symbol"])
        }
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise CommandError(f"--time-zone: {error}") from error
    except ValidationError as error:
        raise CommandError(f"--symbol: {' '.join(error.messages)}") from error
    choices = Choices(
        exchange=options["exchange"],
        create=options["create"] and not options["dry_run"],
        asset_class=AssetClass(options["asset_class"]),
        currency=options["currency"],
        correct=options["correct"],
    )
    tables = dict(_pair(text, "--map") for text in options["map"])
    return Wishes(tables=tables, symbols=symbols, time_zone=options["time_zone"], choices=choices)


def _pair(text: str, option: str) -> tuple[str, str]:
    """Return both sides of an equals sign."""
    left, sign, right = text.rpartition("=")
    if not sign or not left or not right:
        raise CommandError(f"{option} takes two names with = between them.")
    return left, right
