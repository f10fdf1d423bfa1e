"""Write an account's trades, how they did, and which limits were broken, as a trading bot's logs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.management.members import MemberCommand
from accounts.models import Account, User
from trading.management.file_commands import write_file
from trading.selectors.trading_files import alert_lines, daily_lines, risk_lines, trade_lines


class Command(MemberCommand):
    """Writes the files into a folder; import_journal reads them back. Exit code 2: they could not be written."""

    help = "Write trades.jsonl (or a file a day), performance-alerts.jsonl and risk-management.jsonl into a folder."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        super().add_arguments(parser)
        parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
        parser.add_argument("--daily", action="store_true", help="write a file for each day on which trades were opened (UTC)")
        parser.add_argument("--gzip", action="store_true", help="pack each file")

    def work(self, account: Account, user: User, options: dict[str, Any]) -> int:
        """Write the files."""
        days = {f"{day}": lines for day, lines in daily_lines(account)} if options["daily"] else {"trades": trade_lines(account)}
        files = days | {"performance-alerts": alert_lines(account), "risk-management": risk_lines(account)}
        for name, lines in files.items():
            path = options["output"] / f"{name}.jsonl{'.gz' if options['gzip'] else ''}"
            write_file(path, (line.encode() for line in lines), packed=options["gzip"])
        return len(files)

    def finish(self, done: int) -> None:
        """Say how many there are."""
        self.stdout.write(f"{done:,} files are written.")
