"""Take price series out as files."""

from argparse import ArgumentParser
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.selectors.instruments import find_instrument
from marketdata.selectors.series import Asked
from marketdata.selectors.series_files import write_series_frame, write_series_lines

FORMATS = {"jsonl": write_series_lines, "parquet": write_series_frame}


class Command(BaseCommand):
    """Writes one file per instrument; import_series reads it back. A file appears when it is whole, or not at all."""

    help = "Write price series as SYMBOL_timeseries.jsonl or SYMBOL_TIMEFRAME_START_END.parquet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("instruments", nargs="+", metavar="INSTRUMENT", help="SYMBOL:MIC, or a symbol where one is meant")
        parser.add_argument("--format", choices=list(FORMATS), default="jsonl")
        parser.add_argument("--dataset", choices=["bars", "quotes", "ticks"], default="bars")
        parser.add_argument("--timeframe", choices=[each.value for each in Timeframe], default=Timeframe.DAY.value)
        parser.add_argument("--start", type=date.fromisoformat, metavar="DAY", help="the first day")
        parser.add_argument("--end", type=date.fromisoformat, metavar="DAY", help="the day after the last one")
        parser.add_argument("--output", type=Path, default=Path(), metavar="FOLDER")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file of each instrument."""
        dataset = Dataset(options["dataset"])
        timeframe = Timeframe(options["timeframe"]) if dataset is Dataset.BARS else None
        for text in options["instruments"]:
            try:
                instrument = find_instrument(text)
                asked = Asked(dataset, (instrument,), _midnight(options["start"]), _midnight(options["end"]), timeframe)
                self._write(asked, options["format"], options["output"])
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from error
            except OSError as error:
                raise CommandError(f"{options['output']} can't be written to: {error.strerror}.") from error
            except ValueError as error:
                raise CommandError(str(error)) from error

    def _write(self, asked: Asked, form: str, folder: Path) -> None:
        """Write one file under another name, and give it its own when it is whole."""
        with NamedTemporaryFile(dir=folder, prefix=".series.", delete=False) as draft:
            try:
                written = FORMATS[form](asked, draft)
                draft.close()
                target = Path(draft.name).replace(folder / written.name)
            except BaseException:
                Path(draft.name).unlink(missing_ok=True)
                raise
        self.stdout.write(f"{target}: {written.rows:,} rows")


def _midnight(day: date | None) -> datetime | None:
    """Return the instant a day starts, in UTC."""
    return None if day is None else datetime.combine(day, time(), UTC)
