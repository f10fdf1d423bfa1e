"""The demo: three people, three accounts with years of records, and the real prices of four shares."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from django.conf import settings

from accounts.domain.roles import Role
from accounts.models import Account, AccountKind, ImportBatch, Membership, User, Watchlist
from accounts.models.tenancy import acting_as
from accounts.selectors.users import invitations
from accounts.services.accounts import open_account
from accounts.services.imports import import_file
from accounts.services.memberships import accept_invitation, invite_member
from accounts.services.users import register_user
from accounts.services.watchlists import create_watchlist
from marketdata.models import Instrument
from portfolio.services.projections import catch_up
from trading.models import RiskLimits
from trading.services.risk import set_limits

FOLDER: Path = settings.BASE_DIR / "demo"
PASSWORD = "bedrock-demo"  # noqa: S105  printed for everybody to see, and refused in production


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in to the demo."""

    email: str
    name: str
    may: str
    operator: bool = False


@dataclass(frozen=True, slots=True)
class Records:
    """An account of the demo and the event log that fills it."""

    owner: str
    name: str
    kind: AccountKind
    opened_on: date
    file: str


ALICE = Person("alice@demo.local", "Alice", "owns Growth, Retirement and Swing (on paper), and shares Growth with Bob")
BOB = Person("bob@demo.local", "Bob", "owns First steps, and may look at Growth")
OPERATOR = Person("operator@demo.local", "Olivia", "keeps users, instruments and health; owns nothing", operator=True)
PEOPLE = (ALICE, BOB, OPERATOR)
SHOWN = Records(ALICE.email, "Growth", AccountKind.CASH, date(2003, 3, 1), "alice_growth.csv")
ACCOUNTS = (
    SHOWN,
    Records(ALICE.email, "Retirement", AccountKind.RETIREMENT, date(2006, 1, 1), "alice_retirement.csv"),
    Records(BOB.email, "First steps", AccountKind.CASH, date(2007, 1, 1), "bob_first_steps.csv"),
)

# of who holds few shares for many years, through a fall by a third: whoever tries the order ticket is not stopped by either
LIMITS = {"max_position_share": Decimal("0.9"), "max_drawdown_share": Decimal("0.5")}


def load_people(*, at: datetime) -> None:
    """Register the people who are not there yet, open their accounts with limits of their own, and share what is shared."""
    for person in PEOPLE:
        if not User.objects.filter(email=person.email).exists():
            rights = {"is_staff": True, "is_superuser": True} if person.operator else {}
            register_user(email=person.email, password=PASSWORD, display_name=person.name, **rights)
    for records in ACCOUNTS:
        user = user_of(records.owner)
        with acting_as(user.pk):
            if not Account.objects.visible_to(user).filter(name=records.name).exists():
                open_account(
                    owner=user, name=records.name, kind=records.kind, base_currency="USD", opened_on=records.opened_on, at=at
                )
            account = account_of(records)
            if not RiskLimits.objects.filter(account=account).exists():
                set_limits(account=account, changes=LIMITS, at=at)
    share(at=at)


def share(*, at: datetime) -> None:
    """Let Bob look at Alice's account, as he would: invited by her, accepted by him."""
    alice, bob = user_of(ALICE.email), user_of(BOB.email)
    with acting_as(alice.pk):
        account = account_of(SHOWN)
        if not Membership.objects.filter(account=account, email=bob.email).exists():
            invite_member(account=account, email=bob.email, role=Role.VIEWER, actor=alice, at=at)
    with acting_as(bob.pk):
        for invitation in invitations():
            accept_invitation(user=bob, invitation_id=invitation.id, at=at)


def load_records(*, at: datetime) -> Iterator[tuple[Records, ImportBatch]]:
    """Import each account's event log, as an upload would be, and yield what came of it."""
    for records in ACCOUNTS:
        user = user_of(records.owner)
        with acting_as(user.pk):
            content = (FOLDER / records.file).read_bytes()
            yield (
                records,
                import_file(account=account_of(records), actor=user, file_name=records.file, content=content, at=at),
            )


def load_watchlist(*, at: datetime) -> None:
    """Let Bob follow the four shares."""
    bob = user_of(BOB.email)
    with acting_as(bob.pk):
        if not Watchlist.objects.visible_to(bob).exists():
            create_watchlist(
                user=bob,
                name="Technology",
                at=at,
                instruments=Instrument.objects.filter(symbol__in=("AAPL", "GOOG", "IBM", "MSFT"), exchange__in=("XNAS", "XNYS")),
            )


def derive_all(*, at: datetime) -> None:
    """Bring the figures of every demo account up to date."""
    for records in ACCOUNTS:
        with acting_as(user_of(records.owner).pk):
            account_id = account_of(records).pk
        catch_up(account_id=account_id, at=at)


def user_of(email: str) -> User:
    """Return a person of the demo."""
    return User.objects.get(email=email)


def account_of(records: Records) -> Account:
    """Return an account of the demo; its owner must be acting."""
    return Account.objects.get(owner__email=records.owner, name=records.name)
