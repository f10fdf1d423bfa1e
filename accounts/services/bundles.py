"""Bring an account in as the ZIP that was made of it elsewhere: all of it, or nothing.

The ledger comes entry by entry in the order in which it was written down, so each has the sequence it had: what refers to one by
that, such as a choice of lots, still means it. It is read as an event log; entries that are there already are known by their ids.
Prices, rates and actions are everybody's, so they are written for those alone who may write such (`with_market`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.module_loading import import_string

from accounts.adapters.base import NotReadable
from accounts.adapters.bundles import BundleReader, PartFile
from accounts.adapters.event_csv import EventLog
from accounts.domain.bundles import ACCOUNT, ACTIONS, BARS, ENTRIES, RATES, TRADING, BundleRefused, Manifest, Said
from accounts.domain.ledger import EXACT, GIVES_CASH, HALF_A_CENT, TAKES_CASH, EntryDraft, expected_cash
from accounts.domain.roles import Role
from accounts.domain.statements import Item, StatementLine
from accounts.models import Account, AccountImport, ImportStatus, LedgerEntry, User
from accounts.selectors.accounts import role_in
from accounts.services.accounts import open_account
from accounts.services.bundle_market import Known, Stored, day_in, store_market, take_instruments
from accounts.services.bundle_plans import take_personal, take_plans
from accounts.services.import_run import Run
from accounts.services.instruments import InstrumentNames

PURPOSE = 4_207  # tells these locks from others
SEGMENT = 20_000  # entries after which it is looked whether one was refused
SETTINGS = {"kind": 10, "base_currency": 3, "execution_mode": 5, "cost_basis_method": 8}
LONGEST_NAME = 100
MOST_TOLD = 20
MULTIPLIER_PLACES = Decimal("1e-12")
Progress = Callable[[int], None]


@dataclass(slots=True)
class Brought:
    """What became of a ZIP: the account, whether it is new, how many of its entries are, and what its reader should know."""

    account: Account
    created: bool
    entries: int
    posted: int = 0
    known: int = 0
    remarks: list[dict[str, str]] = field(default_factory=list)

    def note(self, code: str, detail: str) -> None:
        """Keep something that its reader should know."""
        self.remarks.append({"code": code, "detail": detail})


class Ledger(Run):
    """The run over the entries of a ZIP: they were in a ledger, so their cash is what it says, whatever a unit is here."""

    def _draft(self, line: StatementLine) -> EntryDraft:
        """Return the draft of a line with the multiplier that its own cash tells, where that is another one than is known."""
        draft = super()._draft(line)
        if draft.kind not in TAKES_CASH | GIVES_CASH or not draft.quantity or not draft.price:
            return draft
        expected = expected_cash(draft)
        if expected is None or abs(draft.cash - expected) <= HALF_A_CENT or draft.data.get("rounding"):
            return draft
        worth = -(draft.cash + draft.fee + draft.tax)
        told = EXACT.divide(worth, EXACT.multiply(draft.quantity, draft.price))
        return replace(draft, multiplier=EXACT.quantize(told, MULTIPLIER_PLACES))


@transaction.atomic
def bring_in(
    *,
    reader: BundleReader,
    actor: User,
    at: datetime,
    with_market: bool,
    name: str = "",
    progress: Progress | None = None,
) -> Brought:
    """Make a ZIP an account of a person's, or bring the one up to date that it became before; return what became of it.

    :raises ValidationError: naming what is wrong with the ZIP; then nothing of it was taken
    """
    tell = progress or (lambda entries: None)
    try:
        reader.verify()
        return _bring_in(reader, actor, at, name, tell, with_market=with_market)
    except (BundleRefused, NotReadable) as refusal:
        raise ValidationError({"file": ValidationError(str(refusal), code=refusal.code)}) from refusal


def _bring_in(reader: BundleReader, actor: User, at: datetime, name: str, tell: Progress, *, with_market: bool) -> Brought:
    """Take all of a ZIP whose hashes hold."""
    manifest, settings = reader.manifest, reader.document(ACCOUNT)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [PURPOSE, f"{actor.pk} {manifest.account}"])
    account = _known_account(manifest, actor)
    if account is not None and _holds(account, manifest, actor):
        tell(manifest.entries)
        return Brought(account, created=False, entries=manifest.entries, known=manifest.entries)
    known = take_instruments(reader, with_market=with_market)
    brought = Brought(account or _opened(settings, actor, at, name), account is None, manifest.entries)
    if known.created:
        shown = ", ".join(known.created[:MOST_TOLD])
        brought.note("instruments_created", f"{len(known.created):,} instruments nobody knew were written down: {shown}.")
    _take_market(reader, known, brought, at, lambda: tell(0), with_market=with_market)
    _post(reader, known, brought, actor, at, tell)
    take_plans(settings, brought.account, known, at)
    take_personal(reader, actor, known, at)
    _take_trading(reader, known, brought, actor, at)
    _tell_of_members(settings, brought, actor)
    if closed_on := day_in(settings_of(settings), "closed_on"):
        brought.account.closed_on = closed_on
        brought.account.save(update_fields=["closed_on"])
    return brought


def _known_account(manifest: Manifest, actor: User) -> Account | None:
    """Return the account of a person's that a ZIP is of, or became when it came before."""
    origin = UUID(manifest.account)
    earlier = AccountImport.objects.visible_to(actor).filter(origin=origin, status=ImportStatus.POSTED, account__isnull=False)
    ids = [origin, *earlier.order_by("-created_at").values_list("account", flat=True)]
    for one in ids:
        account = Account.objects.filter(pk=one).first()
        if account is not None and (role_in(account, actor) or 0) >= Role.OWNER:
            return account
    return None


def _holds(account: Account, manifest: Manifest, actor: User) -> bool:
    """Say whether an account has all that a ZIP holds: the very ledger, or one that this very ZIP was read into."""
    entry = LedgerEntry.objects.filter(account=account, sequence=manifest.entries).first()
    if manifest.entries and entry is not None and bytes(entry.hash).hex() == manifest.head:
        return True
    same = AccountImport.objects.visible_to(actor).filter(account=account, status=ImportStatus.POSTED)
    return same.filter(origin=manifest.account, entries=manifest.entries, head=manifest.head).exists()


def settings_of(settings: Said) -> Said:
    """Return how an account is kept, as a ZIP tells it."""
    return Said(settings.value.get("account"), f"{settings.where}, account")


def _opened(settings: Said, actor: User, at: datetime, name: str) -> Account:
    """Open the account that a ZIP describes."""
    said = settings_of(settings)
    fields = {one: said.text(one, most=most) for one, most in SETTINGS.items()}
    return open_account(
        owner=actor,
        at=at,
        opened_on=day_in(said, "opened_on"),
        name=name or said.text("name", most=LONGEST_NAME),
        long_term_days=said.whole("long_term_days"),
        wash_sales=said.flag("wash_sales"),
        **fields,
    )


def _take_market(
    reader: BundleReader, known: Known, brought: Brought, at: datetime, told: Callable[[], None], *, with_market: bool
) -> None:
    """Store prices, rates and actions, or say that they were left out."""
    if not any(reader.manifest.parts[name].rows for name in (ACTIONS, BARS, RATES)):
        return
    if not with_market:
        detail = "The prices, rates and corporate actions of the ZIP were left out: they are everybody's, and staff writes them."
        brought.note("prices_left_out", f"{detail} The figures rest on those that are here.")
        return
    stored: Stored = store_market(reader, known, at, told)
    if stored.kept_out:
        detail = f"{stored.kept_out:,} prices, rates or actions differ from those here, or break a rule, and were left out"
        brought.note("prices_differ", f"{detail}: {stored.first[:300]} The figures may differ, too.")


def _post(reader: BundleReader, known: Known, brought: Brought, actor: User, at: datetime, tell: Progress) -> None:
    """Post the entries of a ZIP.

    :raises BundleRefused: if one of them can't be posted, or the ledger here went another way
    """
    account = brought.account
    names = InstrumentNames(None, account.base_currency, actor, EventLog.name, known=dict(known.instruments))
    run = Ledger(account, actor, at, names)
    done = _take_entries(run, _items(reader, known), tell)
    reader.check_rows(ENTRIES, done)
    brought.posted, brought.known = run.posted, run.known
    spans = [[run.known + 1, brought.entries]] if run.posted else []
    if done != brought.entries or run.spans.pairs != spans:
        told = "The ledger here has entries of its own, so those of the ZIP would not follow the ones they followed"
        raise BundleRefused("ledger_went_on", f"{told}: bring the ZIP in as another person.")


def _take_entries(run: Ledger, items: Iterator[Item], tell: Progress) -> int:
    """Post entries until there are none left, and return how many there were.

    :raises BundleRefused: naming the first that can't be posted
    """
    done = 0
    while True:
        run.lines = 0
        run.take(islice(items, SEGMENT), lambda lines, before=done: tell(before + lines))  # type: ignore[misc]
        if run.refused:
            first = run.refused[0]
            raise BundleRefused("entry_refused", f"{ENTRIES}, line {first.line}: {first.code}: {first.detail}")
        if not run.lines:
            return done
        done += run.lines


def _items(reader: BundleReader, known: Known) -> Iterator[Item]:
    """Yield the entries of a ZIP, in the names that instruments have here."""
    for item in EventLog().read(PartFile(reader, ENTRIES), ZoneInfo("UTC")):
        if known.renamed and isinstance(item, StatementLine) and item.draft.data.get("from") in known.renamed:
            data = {**item.draft.data, "from": known.renamed[item.draft.data["from"]]}
            yield replace(item, draft=replace(item.draft, data=data))
        else:
            yield item


def _take_trading(reader: BundleReader, known: Known, brought: Brought, actor: User, at: datetime) -> None:
    """Store what a ZIP holds of higher floors; what was there before may have gone on, so a later ZIP adds nothing to it."""
    if brought.created:
        take = import_string(settings.ACCOUNT_ZIP["take"])
        take(reader=reader, account=brought.account, actor=actor, known=known, at=at, note=brought.note)
    elif TRADING in reader.manifest.parts and reader.manifest.parts[TRADING].rows:
        detail = "Orders, decisions and the journal were left out: they came with the first ZIP of this account."
        brought.note("trading_left_out", detail)


def _tell_of_members(settings: Said, brought: Brought, actor: User) -> None:
    """Name the others who were members: they are invited by the owner, not by a file."""
    others = [f"{one.text('email')} ({one.text('role')})" for one in settings.each("members")]
    others = [one for one in others if not one.startswith(f"{actor.email} ")]
    if others and brought.created:
        brought.note(
            "members", f"Not invited by this: {', '.join(others[:MOST_TOLD])}. Invite them as members if they still are."
        )
