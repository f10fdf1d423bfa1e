"""Stop all trading on the site at once, or let it go on."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from trading.services.pauses import AlreadyHalted, accounts_that_trade, end_halt, halt_trading
from trading.services.stopping import cancel_everywhere


class Command(BaseCommand):
    """Stop all trading: no order is placed any more, in no account, and none that waits is sent."""

    help = "Stop all trading at once: no order is placed or sent until --end; with --cancel open orders are canceled, too."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the reason, and what else is to be done."""
        parser.add_argument("reason", nargs="?", default="", help="why; members who order are told")
        parser.add_argument("--cancel", action="store_true", help="cancel all open orders of all accounts, too")
        parser.add_argument("--end", action="store_true", help="let trading go on; accounts that are paused stay so")
        parser.add_argument("--by", default="", help="who does it, for the record")

    def handle(self, *_: Any, **options: Any) -> None:
        """Stop, or go on."""
        now = timezone.now()
        try:
            if options["end"]:
                end_halt(at=now, by=options["by"])
                self.stdout.write("Trading goes on.")
                return
            if not options["reason"].strip():
                raise CommandError("Say why, such as: halt_trading 'The market data is wrong.'")
            try:
                halt_trading(reason=options["reason"], at=now, by=options["by"], cancels=options["cancel"])
            except AlreadyHalted:
                if not options["cancel"]:
                    raise
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from refusal
        self.stdout.write("All trading is stopped.")
        if options["cancel"]:
            self.cancel()
        elif count := len(accounts_that_trade()):
            told = "one account stand" if count == 1 else f"{count} accounts stand"
            self.stdout.write(
                f"Open orders of {told}, and brokers may fill them still; halt_trading --cancel REASON cancels them."
            )

    def cancel(self) -> None:
        """Cancel the open orders of all accounts, each as its owner; one that fails stops no other."""
        done = cancel_everywhere(clock=timezone.now)
        for account_id, error in done.failed:
            self.stderr.write(f"{account_id}: {error}")
        count = "1 order is" if done.orders == 1 else f"{done.orders} orders are"
        self.stdout.write(f"{count} canceled, or to be canceled by the broker.")
        if done.failed:
            raise CommandError(f"The orders of {len(done.failed)} accounts could not be canceled.")
