"""Everything of an account, written into one ZIP: entries, what they are about, and what its members have decided.

It is read as the member who asks may see it, inside their transaction, and as the ledger stood when it began. Of what is long
no more than some thousand rows are in memory.
"""

import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, Min
from django.utils.module_loading import import_string

from accounts.adapters import event_csv
from accounts.adapters.bundles import BundleWriter, Counted
from accounts.domain.bundles import (
    ACCOUNT,
    ACTIONS,
    BAR_COLUMNS,
    BARS,
    ENTRIES,
    INSTRUMENTS,
    PERSONAL,
    RATE_COLUMNS,
    RATES,
    RECORD_COLUMNS,
    RECORDS,
    Manifest,
)
from accounts.domain.json_text import write_json
from accounts.domain.roles import Role
from accounts.models import (
    Account,
    Classification,
    ImportTemplate,
    InstrumentAnswer,
    Job,
    LedgerEntry,
    LedgerHead,
    Membership,
    Policy,
    Target,
    TargetAllocation,
    Taxonomy,
    TradeThresholds,
    User,
    Watchlist,
)
from accounts.selectors.exports import CHUNK, statement_lines
from marketdata.domain.fx import legs_of
from marketdata.domain.money import plain
from marketdata.domain.spreadsheets import harmless
from marketdata.models import Bar, CorporateAction, FxRate, Instrument
from marketdata.selectors.actions import actions
from marketdata.selectors.instruments import find_each

Progress = Callable[[int], None]
PROGRAM = "bedrock"
SETTINGS = ("name", "kind", "base_currency", "execution_mode", "cost_basis_method", "long_term_days", "wash_sales")
BOUNDS = ("window", "min_win_rate", "min_profit_factor", "min_expectancy", "max_drawdown_pct", "max_consecutive_losses")
ABOUT = ("symbol", "exchange", "name", "asset_class", "currency", "isin", "figi", "active", "right")
FIGURES = ("multiplier", "tick_size", "price_floor", "price_ceiling", "strike")
ACTION_TEXTS = ("kind", "currency", "new_symbol", "old_symbol", "label", "notes")
ACTION_FIGURES = ("ratio", "cash", "cost_fraction")
ACTION_DAYS = ("ex_date", "record_date", "pay_date")


def write_bundle(*, account: Account, user: User, file: IO[bytes], at: datetime, progress: Progress | None = None) -> Manifest:
    """Write everything of an account into a ZIP, and return its manifest."""
    tell = progress or (lambda entries: None)
    head = LedgerHead.objects.filter(account=account).first()
    until = head.sequence if head else 0
    writer = BundleWriter(file, at)
    held = _held(account)
    writer.document(ACCOUNT, _settings(account))
    writer.document(PERSONAL, _personal(user, held))
    with writer.part(INSTRUMENTS) as out:
        _write_objects(out, map(_instrument, _with_underlyings(held, account, user)))
    with writer.part(ACTIONS) as out:
        _write_objects(out, map(_action, actions(instruments=held).iterator(chunk_size=CHUNK)))
    with writer.part(ENTRIES) as out:
        out.write(event_csv.heading(), rows=0)
        for line in statement_lines(account, until=until):
            out.write(event_csv.row(line))
            if line.number % CHUNK == 0:
                tell(line.number)
    with writer.part(RECORDS) as out:
        _write_table(out, RECORD_COLUMNS, _records(account, until))
    with writer.part(BARS) as out:
        _write_table(out, BAR_COLUMNS, _bars(account, held))
    with writer.part(RATES) as out:
        _write_table(out, RATE_COLUMNS, _rates(account, held))
    import_string(settings.ACCOUNT_ZIP["write"])(account=account, user=user, until=until, writer=writer)
    tell(until)
    manifest = Manifest(
        made_at=_instant(at),
        made_by=f"{PROGRAM} {_version()}",
        account=str(account.pk),
        entries=until,
        head=bytes(head.hash).hex() if head else "",
        parts=writer.parts,
    )
    writer.close(manifest)
    return manifest


def bundle_file(*, account: Account, user: User, at: datetime) -> IO[bytes]:
    """Return everything of an account as a ZIP in a file that is gone once it is closed."""
    file = TemporaryFile()  # noqa: SIM115  whoever sends it closes it
    write_bundle(account=account, user=user, file=file, at=at)
    file.seek(0)
    return file


def _version() -> str:
    """Return which version of the program this is."""
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "unpacked"


def _write_objects(out: Counted, objects: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON objects, one a line."""
    for one in objects:
        out.write(write_json(one) + "\n")


def _write_table(out: Counted, columns: Collection[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table."""
    out.write(",".join(columns) + "\n", rows=0)
    csv.writer(out, lineterminator="\n").writerows(rows)


def _held(account: Account) -> dict[UUID, Instrument]:
    """Return the instruments that an account's figures may rest on: of its entries, and of what its members have decided."""
    entries = LedgerEntry.objects.filter(account=account)
    targets = Target.objects.filter(account=account, instrument__isnull=False)
    ids = {
        *entries.exclude(instrument=None).values_list("instrument", flat=True).distinct(),
        *targets.values_list("instrument", flat=True),
        *Classification.objects.filter(account=account).values_list("instrument", flat=True),
    }
    named = entries.filter(data__has_key="from").values_list("data__from", flat=True).distinct()
    meant = find_each({name for name in named if isinstance(name, str)})
    held = Instrument.objects.in_bulk(ids)
    return held | {one.pk: one for one in meant.values() if isinstance(one, Instrument)}


def _with_underlyings(held: Mapping[UUID, Instrument], account: Account, user: User) -> list[Instrument]:
    """Return instruments with those they are made of, come to, are watched with or traded on, each before what is made of it."""
    others = set(CorporateAction.objects.filter(instrument__in=held, other__isnull=False).values_list("other", flat=True))
    others |= set(Watchlist.objects.visible_to(user).exclude(instruments=None).values_list("instruments", flat=True))
    others |= import_string(settings.ACCOUNT_ZIP["instruments"])(account, user)
    found = dict(held) | Instrument.objects.in_bulk(others - held.keys())
    while missing := {one.underlying_id for one in found.values() if one.underlying_id} - found.keys():
        found |= Instrument.objects.in_bulk(missing)
    ordered: dict[UUID, Instrument] = {}
    for one in sorted(found.values(), key=lambda one: one.key):
        made_of: list[Instrument] = [one]
        while (below := found.get(made_of[-1].underlying_id)) and below not in made_of:
            made_of.append(below)
        ordered |= {each.pk: each for each in reversed(made_of) if each.pk not in ordered}
    keys = {pk: one.key for pk, one in found.items()}
    for one in ordered.values():
        one.underlying_key = keys.get(one.underlying_id, "")  # type: ignore[attr-defined]
    return list(ordered.values())


def _instrument(one: Instrument) -> dict[str, Any]:
    """Return an instrument as a ZIP tells it."""
    told = {name: getattr(one, name) for name in ABOUT} | {name: _number(getattr(one, name)) for name in FIGURES}
    return {
        "key": one.key,
        **told,
        "expiry": _day(one.expiry),
        "underlying": one.underlying_key,  # type: ignore[attr-defined]
    }


def _action(one: CorporateAction) -> dict[str, Any]:
    """Return what a company did as a ZIP tells it."""
    told = {name: getattr(one, name) for name in ACTION_TEXTS} | {name: _number(getattr(one, name)) for name in ACTION_FIGURES}
    days = {name: _day(getattr(one, name)) for name in ACTION_DAYS}
    return {"instrument": one.instrument.key, "other": one.other.key if one.other else "", **told, **days}


def _settings(account: Account) -> dict[str, Any]:
    """Return how an account is kept, and what its members have decided about it."""
    bounds = TradeThresholds.objects.filter(pk=account.pk).first()
    own = {name: getattr(account, name) for name in SETTINGS}
    members = Membership.objects.filter(account=account).order_by("email")
    return {
        "account": own | {"opened_on": _day(account.opened_on), "closed_on": _day(account.closed_on)},
        "members": [
            {"email": one.email, "role": Role(one.role).name, "accepted": one.accepted_at is not None} for one in members
        ],
        "jobs": list(Job.objects.filter(account=account).order_by("kind").values("kind", "schedule", "enabled")),
        "policies": [
            {"kind": one.kind, "threshold": _number(one.threshold), "enabled": one.enabled}
            for one in Policy.objects.filter(account=account).order_by("kind")
        ],
        "trade_thresholds": [{name: _figure(getattr(bounds, name)) for name in BOUNDS}] if bounds else [],
        "taxonomies": [_taxonomy(one) for one in Taxonomy.objects.filter(account=account).order_by("name")],
        "allocations": [
            _allocation(one)
            for one in TargetAllocation.objects.filter(account=account).select_related("taxonomy").order_by("name")
        ],
    }


def _taxonomy(taxonomy: Taxonomy) -> dict[str, Any]:
    """Return a way of grouping instruments, and what is in its groups."""
    rows = taxonomy.classifications.select_related("instrument").order_by("category", "instrument__symbol", "pk")
    put = [{"instrument": one.instrument.key, "category": one.category, "weight": _number(one.weight)} for one in rows]
    return {"name": taxonomy.name, "classifications": put}


def _allocation(allocation: TargetAllocation) -> dict[str, Any]:
    """Return an allocation with its targets."""
    rows = allocation.targets.select_related("instrument").order_by("category", "instrument__symbol", "pk")
    targets = [
        {"instrument": one.instrument.key if one.instrument else "", "category": one.category, "weight": _number(one.weight)}
        for one in rows
    ]
    return {
        "name": allocation.name,
        "basis": allocation.basis,
        "taxonomy": allocation.taxonomy.name if allocation.taxonomy else "",
        "in_force": allocation.in_force,
        "targets": targets,
    }


def _personal(user: User, held: Collection[UUID]) -> dict[str, Any]:
    """Return what belongs to the person who asks, and goes along: how they read files, and what they watch."""
    templates = ImportTemplate.objects.visible_to(user).order_by("name").values("name", "mapping", "headings")
    watched = Watchlist.objects.visible_to(user).order_by("name").prefetch_related("instruments")
    answers = InstrumentAnswer.objects.visible_to(user).filter(instrument__in=held).select_related("instrument")
    return {
        "import_templates": list(templates),
        "watchlists": [{"name": one.name, "instruments": sorted(each.key for each in one.instruments.all())} for one in watched],
        "answers": [
            {"source": one.source, "identity": one.identity, "instrument": one.instrument.key}
            for one in answers.order_by("source", "identity")
        ],
    }


def _records(account: Account, until: int) -> Iterator[Iterable[str]]:
    """Yield when each entry was written down, by whom, and its hash: told for those who compare, and not read back."""
    rows = LedgerEntry.objects.filter(account=account, sequence__lte=until).order_by("sequence")
    for sequence, at, email, digest in rows.values_list("sequence", "recorded_at", F("actor__email"), "hash").iterator(CHUNK):
        yield str(sequence), _instant(at), harmless(email or ""), bytes(digest).hex()


def _bars(account: Account, held: Mapping[UUID, Instrument]) -> Iterator[Iterable[str]]:
    """Yield the daily bars of instruments from the last one before the first entry on."""
    first = LedgerEntry.objects.filter(account=account).aggregate(first=Min("occurred_at"))["first"]
    if first is None:
        return
    names = BAR_COLUMNS[1:]
    for instrument in sorted(held.values(), key=lambda one: one.key):
        bars = Bar.objects.filter(instrument=instrument, timeframe="1d").order_by("timestamp")
        start = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        before = bars.filter(timestamp__lt=start).order_by("-timestamp").values_list("timestamp", flat=True).first()
        for bar in bars.filter(timestamp__gte=before or start).values_list(*names).iterator(CHUNK):
            yield instrument.key, *map(_cell, bar)


def _rates(account: Account, held: Mapping[UUID, Instrument]) -> Iterator[Iterable[str]]:
    """Yield all rates between the currencies of an account, and those that they may be crossed from."""
    entries = LedgerEntry.objects.filter(account=account).order_by("currency").values_list("currency", flat=True).distinct()
    currencies = {account.base_currency, *entries, *(one.money for one in held.values())}
    legs = legs_of((base, quote) for base in currencies for quote in currencies if base != quote)
    rows = (
        FxRate.objects.filter(base=base, quote=quote).order_by("date").values_list(*RATE_COLUMNS).iterator(CHUNK)
        for base, quote in sorted(legs)
    )
    for rate in chain.from_iterable(rows):
        yield map(_cell, rate)


def _cell(value: Any) -> str:
    """Return a value of a table of prices as it is written: none of them is a text of anybody's."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, str | int) else plain(value)


def _figure(value: Any) -> Any:
    """Return a bound: a count as it is, a number as a text."""
    return value if value is None or isinstance(value, int) else plain(value)


def _number(value: Any) -> str | None:
    """Return a number as a text."""
    return None if value is None else plain(value)


def _day(value: date | None) -> str | None:
    """Return a day as a text."""
    return None if value is None else value.isoformat()


def _instant(value: datetime) -> str:
    """Return an instant as a text, in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
