"""Load the demo and print the figures of its account."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models.tenancy import acting_as
from config import demo, demo_trading
from portfolio.selectors.figures import Figures
from portfolio.selectors.past import figures_of

CENT = Decimal("0.01")
UNDEFINED = "-"


class Command(BaseCommand):
    """Brings the database to the state of the demo; run again, it finds everything there and only prints."""

    help = "Load the demo (people, accounts, prices, records) and print the figures of its account."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load what is missing, print the table, name the logins."""
        if settings.PRODUCTION:
            raise CommandError("The demo has passwords that everybody knows; it is not for production.")
        at = timezone.now()
        with self.step("Preparing the database"):
            call_command("migrate", verbosity=0)
        with self.step("Loading prices"):
            self.load_prices(until=demo_trading.BEGIN)  # what comes later is stored day by day, as the account that trades lives
        with self.step("Registering people"):
            demo.load_people(at=at)
        owner = demo.user_of(demo.SHOWN.owner)
        with self.step("Trading on paper"):
            swing = demo_trading.trade(owner=owner, at=at)
            self.load_prices()
        with acting_as(owner.pk):
            self.stdout.write(f"  {demo_trading.told(swing)}")
        for records, batch in demo.load_records(at=at):
            for refused in batch.refused:
                self.stderr.write(f"{records.file}, line {refused['line']}: {refused['detail']}")
            if any(refused["code"] != "conflicting_entry" for refused in batch.refused):
                raise CommandError("The demo could not be loaded.")
            if batch.refused:
                self.stderr.write("An older demo is here already, and stays; `make clean` starts anew.")
            self.stdout.write(f"  {records.file}: {batch.lines} events, {batch.posted} posted, {batch.known} known already")
        demo.load_watchlist(at=at)
        with self.step("Deriving figures"):
            demo.derive_all(at=at)
        with acting_as(demo.user_of(demo.SHOWN.owner).pk):
            self.stdout.write("\n".join(["", *table(figures_of(demo.account_of(demo.SHOWN))), "", *logins()]))

    def load_prices(self, **which: Any) -> None:
        """Store the prices of the sample, or those of a time."""
        call_command("load_prices", provider="sample", create=True, stdout=_Nowhere(), **which)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say what is being done, and how long it took."""
        self.stdout.write(f"{name} ...", ending="")
        self.stdout.flush()
        started = time.monotonic()
        yield
        self.stdout.write(f" {time.monotonic() - started:.1f} s")


class _Nowhere:
    """Where the words of a command within the command go."""

    def write(self, text: str) -> int:
        """Drop them."""
        return len(text)

    def flush(self) -> None:
        """Have nothing to hand on."""

    def isatty(self) -> bool:
        """Say that nobody watches."""
        return False


def table(figures: Figures) -> Iterator[str]:
    """Yield the lines of the table: the account at a glance, then its positions."""
    summary, whole = figures.summary(), figures.since_inception()
    yield f"{figures.account.name}, {summary.currency}, as of {summary.as_of}"
    yield ""
    glance = {
        "Value": amount(summary.total_value),
        "Net deposits": amount(summary.net_deposits),
        "Gain": amount(summary.gain),
        "TWR": percent(summary.twr),
        "XIRR": percent(summary.xirr),
        "Volatility": percent(whole.volatility if whole else None),
        "Max drawdown": percent(summary.max_drawdown),
    }
    yield from (f"  {name:<14}{value:>16}" for name, value in glance.items())
    yield ""
    held = [position for position in figures.positions() if position.quantity]
    rows = [
        (
            position.instrument.key,
            f"{position.quantity.normalize():,f}",
            amount(position.cost_basis),
            amount(position.market_value),
            amount(position.unrealized_gain),
        )
        for position in held
    ]
    cash = [(f"Cash {currency}", "", "", amount(balance), "") for currency, balance in summary.cash.items()]
    yield from columns([("Position", "Quantity", "Cost", "Value", "Gain"), *rows, *cash])


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows with their columns aligned: names to the left, figures to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for name, *rest in rows:
        cells = "".join(f"  {cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        yield f"  {name.ljust(widths[0])}{cells}".rstrip()


def amount(value: Decimal | None) -> str:
    """Return money as it is read: two places, thousands set apart."""
    return UNDEFINED if value is None else f"{value.quantize(CENT):,}"


def percent(value: Decimal | None) -> str:
    """Return a fraction as percent."""
    return UNDEFINED if value is None else f"{value * 100:,.2f} %"


def logins() -> Iterable[str]:
    """Yield who can log in, and with what."""
    yield f"Logins (password {demo.PASSWORD}):"
    width = max(len(person.email) for person in demo.PEOPLE)
    yield from (f"  {person.email:<{width}}  {person.may}" for person in demo.PEOPLE)
