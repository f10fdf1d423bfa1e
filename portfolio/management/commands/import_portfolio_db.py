"""Bring an old portfolio.db into an account: prices, orders, and how its positions compare with the ledger."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.management.members import MemberCommand, refusal
from accounts.models import Account, User
from marketdata.domain.money import plain
from marketdata.models import Instrument
from marketdata.selectors.instruments import find_instrument
from portfolio.selectors.comparing import Compared, Difference
from portfolio.services.portfolio_db import Done, NotReadable, Wishes, import_portfolio_db

MOST_TOLD = 20
TABLES = ("quotes", "trades", "orders")


class Command(MemberCommand):
    """Takes what is good and names the rest. Exit code 1: some rows were left; 2: nothing was done."""

    help = "Bring an old portfolio.db (SQLite) into an account; --dry-run says what would happen. Read again, it changes nothing."
    needs = Role.TRADER
    by_owner = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("file", type=Path)
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and write nothing")
        parser.add_argument("--symbol", action="append", default=[], metavar="SYMBOL=KEY", help="which instrument is meant")
        parser.add_argument("--exchange", default="", metavar="MIC", help="the exchange of the symbols, such as XNAS")
        parser.add_argument("--time-zone", default="UTC", help="of times that do not name theirs (IANA, such as Europe/Paris)")
        parser.add_argument("--skip", action="append", default=[], choices=TABLES, help="leave a table, such as orders")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> tuple[Done, bool]:
        """Bring the file in."""
        wishes = _wishes(options)
        try:
            done = import_portfolio_db(
                account=account,
                actor=user,
                path=options["file"],
                at=timezone.now(),
                wishes=wishes,
                dry_run=options["dry_run"],
                progress=self.progress if self.stderr.isatty() else None,
            )
        except NotReadable as error:
            raise refusal(str(error)) from error
        return done, options["dry_run"]

    def progress(self, table: str, rows: int) -> None:
        """Give a sign of life."""
        self.stderr.write(f"{table}: {rows:,} rows ...", ending="\r")

    def finish(self, done: tuple[Done, bool]) -> None:
        """Report table by table."""
        report, dry = done
        self._prices(report)
        self._orders(report)
        for symbol, why in list(report.unknown.items())[:MOST_TOLD]:
            self.stderr.write(f"  {symbol}: {why}")
        if report.created:
            told = ", ".join(report.created[:MOST_TOLD])
            self.stdout.write(f"{len(report.created):,} instruments nobody knew were written down: {told}.")
        self._compared("positions", report.positions)
        self._compared("portfolio_snapshots", report.snapshots)
        if dry:
            self.stdout.write("Dry run: nothing was written.")
        if report.left:
            raise CommandError(f"{report.left:,} rows were left or refused.")

    def _prices(self, report: Done) -> None:
        """Say what became of quotes and trades."""
        for table, found in report.prices.items():
            for told in found.told(MOST_TOLD):
                self.stderr.write(f"  {table}, {told.replace('line', 'row', 1)}")
            self.stdout.write(f"{table}, to market data: {found.lines:,} rows: {found.said()}")

    def _orders(self, report: Done) -> None:
        """Say what became of orders."""
        batch = report.batch
        if batch is None:
            return
        for refused in batch.refused[:MOST_TOLD]:
            self.stderr.write(f"  orders, row {refused['line']}: {refused['code']}: {refused['detail']}")
        for question in report.questions[:MOST_TOLD]:
            told = f"{question.lines:,} orders of {question.hints.symbol} left: {question.why} (--symbol, --exchange)"
            self.stderr.write(f"  {told}")
        for remark in batch.remarks:
            self.stdout.write(remark["detail"])
        self.stdout.write(
            f"orders, to the ledger: {report.rows['orders']:,} rows: {batch.posted:,} posted, {batch.known:,} known, "
            f"{len(batch.refused):,} refused, {report.unfilled:,} without a fill, not followed"
        )

    def _compared(self, table: str, found: Compared) -> None:
        """Say what does not follow from the ledger."""
        self.stdout.write(f"{table}, compared: {found.rows:,} rows, {found.figures:,} figures, {found.differing:,} differ")
        for one in found.differences:
            self.stdout.write(f"  {_told(one)}")
        if found.differing > len(found.differences):
            self.stdout.write(f"  and {found.differing - len(found.differences):,} more")


def _told(one: Difference) -> str:
    """Return a difference in words."""
    figures = ", ".join(
        f"{name} {'none' if value is None else plain(value)}" for name, value in (("theirs", one.theirs), ("ours", one.ours))
    )
    about = f"{one.instrument} " if one.instrument else ""
    return f"{one.at:%Y-%m-%d %H:%M:%S} {about}{one.figure}: {figures}{f' ({one.why})' if one.why else ''}"


def _wishes(options: dict[str, Any]) -> Wishes:
    """Return what the options say beside the file."""
    try:
        ZoneInfo(options["time_zone"])
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise refusal(f"--time-zone: {error}") from error
    symbols: dict[str, Instrument] = {}
    for text in options["symbol"]:
        symbol, equals, key = text.partition("=")
        if not equals or not symbol or not key:
            raise refusal(f"--symbol: {text!r} is not written SYMBOL=KEY.")
        try:
            symbols[symbol.upper()] = find_instrument(key)
        except ValidationError as error:
            raise refusal(f"--symbol: {' '.join(error.messages)}") from error
    return Wishes(
        symbols=symbols, exchange=options["exchange"], time_zone=options["time_zone"], skipped=frozenset(options["skip"])
    )
