"""Load currency rates: what a euro was worth in other currencies on each day."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata.adapters import provider_named
from marketdata.domain.money import UnknownCurrency, check_currency
from marketdata.models.providers import Outcome
from marketdata.services.rates import refresh_rates

NO_HURRY = 86_400.0


class Command(BaseCommand):
    """Stores the rates of the currencies that are used, or of those named; run again, it stores what is new."""

    help = "Load the rates of currencies against the euro, by default of those that instruments are priced in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("--provider", help="only this source of the setting MARKETDATA_PROVIDERS, such as ecb")
        parser.add_argument("--currency", action="append", default=[], help="only this one, such as USD; may be repeated")
        parser.add_argument("--since", help="ask again from this day on (YYYY-MM-DD), whatever is known")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the rates and report on each currency."""
        runs = refresh_rates(
            at=timezone.now(),
            currencies=[_currency(code) for code in options["currency"]] or None,
            providers=[_provider(options["provider"])] if options["provider"] else None,
            since=_day(options["since"]) if options["since"] else None,
            run_seconds=NO_HURRY,
        )
        for run in runs:
            said = f"{run.report.stored:,} stored, {run.report.known:,} known, {len(run.report.refused):,} refused"
            self.stdout.write(f"EUR/{run.currency} by {run.provider}: {run.detail or said}")
        if not runs:
            self.stdout.write("No currency is used, or no source has rates.")
        answered = {run.currency for run in runs if run.outcome in {Outcome.STORED, Outcome.NOTHING_NEW}}
        missing = sorted({run.currency for run in runs} - answered)
        if missing:
            raise CommandError(f"No source has rates of {', '.join(missing)}.")


def _provider(name: str) -> Any:
    try:
        return provider_named(name)
    except (LookupError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error


def _currency(code: str) -> str:
    try:
        check_currency(code)
    except UnknownCurrency as refusal:
        raise CommandError(f"{code}: {refusal}") from refusal
    return code


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text} is no day; write YYYY-MM-DD.") from error
