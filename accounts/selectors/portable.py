"""An account's ledger as files that Ghostfolio and Portfolio Performance read; yielded piece by piece, oldest entry first."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Exists, F, OuterRef, Sum

from accounts.domain.json_text import write_json
from accounts.domain.ledger import EntryKind, EntryRefused, ratio_of
from accounts.domain.portable import (
    MANUAL,
    PERFORMANCE_COLUMNS,
    Moved,
    Named,
    free_symbol,
    ghostfolio_activities,
    in_todays_units,
    performance_rows,
)
from accounts.models import Account, LedgerEntry
from accounts.models.ledger import LedgerQuerySet
from accounts.selectors.exports import CHUNK
from marketdata.domain.money import major_unit
from marketdata.models import Instrument

FIGURES = ("sequence", "kind", "occurred_at", "currency", "quantity", "price", "cash", "fee", "tax", "notes", "instrument_id")
SUB_CLASSES = {"ETF": "ETF", "EQUITY": "STOCK", "BOND": "BOND", "FUND": "MUTUALFUND"}
CLASSES = {"CRYPTO": "LIQUIDITY", "BOND": "FIXED_INCOME", "COMMODITY": "COMMODITY"}
NOTHING = ("comment", "cusip", "figi", "figiComposite", "figiShareClass", "url")
NONE_OF_IT: dict[str, Any] = {"countries": [], "holdings": [], "marketData": [], "sectors": [], "isActive": True}


def ghostfolio_json(account: Account, *, at: datetime) -> Iterator[str]:
    """Yield an account as the JSON that Ghostfolio imports: it, what it held, and its activities."""
    known, owner = _instruments(account), str(account.pk)
    yield "{" + f'"meta": {{"date": "{_moment(at)}", "version": "dev"}}, '
    yield f'"accounts": [{write_json(_account(account))}], "platforms": [], "tags": [], "assetProfiles": ['
    free = _free(account)
    # those of its own source it looks up itself
    profiles = [_profile(one.id, one.currency, one) for one in known.values() if not one.ticker]
    yield ",\n".join(map(write_json, [*profiles, *free]))
    yield '], "activities": [\n'
    between = ""
    for moved in _moves(account, known):
        for activity in ghostfolio_activities(moved, owner):
            yield between + write_json(activity)
            between = ",\n"
    yield f'\n], "user": {{"settings": {{"currency": "{account.base_currency}"}}}}}}\n'


def performance_csv(account: Account) -> Iterator[str]:
    """Yield an account as the CSV of all transactions that Portfolio Performance imports."""
    known, line = _instruments(account), io.StringIO()
    table = csv.writer(line, lineterminator="\n")
    table.writerow(PERFORMANCE_COLUMNS)
    for moved in _moves(account, known):
        table.writerows(performance_rows(moved))
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def _standing(account: Account) -> LedgerQuerySet:
    """Return the entries that count: no reversals, and none that was taken back."""
    taken = LedgerEntry.objects.filter(account=account, reverses=OuterRef("pk"))
    found: LedgerQuerySet = LedgerEntry.objects.filter(~Exists(taken), account=account, reverses=None)
    return found


def _instruments(account: Account) -> dict[str, Named]:
    """Return the instruments of an account's entries."""
    ids = LedgerEntry.objects.filter(account=account).exclude(instrument=None).values("instrument")
    return {
        str(one.pk): Named(
            id=str(one.pk),
            symbol=one.symbol,
            exchange=one.exchange,
            name=one.name or one.symbol,
            isin=one.isin,
            asset_class=one.asset_class,
            currency=major_unit(one.currency)[0],
            multiplier=one.multiplier,
        )
        for one in Instrument.objects.filter(pk__in=ids).order_by("symbol", "exchange")
    }


def _moves(account: Account, known: dict[str, Named]) -> Iterator[Moved]:
    """Yield the entries that stand in the order of happening, in units of today."""
    splits = _splits(account)
    rows = _standing(account).order_by("occurred_at", "sequence").values(*FIGURES, cost=F("data__cost"))
    for row in rows.iterator(chunk_size=CHUNK):
        instrument, at = str(row.pop("instrument_id") or ""), row.pop("occurred_at")
        before, cost, note = row.pop("quantity"), row.pop("cost"), row.pop("notes")
        quantity = in_todays_units(before, instrument, at, splits)
        price = row.pop("price")
        if price is not None and quantity != before and quantity:
            price = price * before / quantity
        yield Moved(
            **row | {"kind": EntryKind(row["kind"])},
            at=at,
            quantity=quantity,
            price=price,
            cost=_number(cost),
            note=note,
            instrument=known.get(instrument),
        )


def _splits(account: Account) -> dict[str, list[tuple[datetime, Decimal]]]:
    """Return the splits of an account's instruments, with the new units for each old one."""
    found: dict[str, list[tuple[datetime, Decimal]]] = defaultdict(list)
    for entry in _standing(account).filter(kind=EntryKind.SPLIT).order_by("occurred_at"):
        try:
            found[str(entry.instrument_id)].append((entry.occurred_at, ratio_of(entry.data)))
        except EntryRefused:  # written before it was checked
            continue
    return dict(found)


def _number(value: Any) -> Decimal | None:
    """Return a number that an entry's data states, none where it states something else."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def _account(account: Account) -> dict[str, Any]:
    """Return an account as Ghostfolio knows one: what it holds in cash in its currency, as of the day of the last entry."""
    cash = LedgerEntry.objects.filter(account=account, currency=account.base_currency).aggregate(total=Sum("cash"))["total"]
    last = LedgerEntry.objects.filter(account=account).order_by("-occurred_at").values_list("occurred_at", flat=True).first()
    day = (last or datetime.combine(account.opened_on, datetime.min.time(), UTC)).astimezone(UTC).date()
    return {
        "balances": [{"date": _day(day), "value": cash or Decimal(0)}],
        "comment": None,
        "currency": account.base_currency,
        "id": str(account.pk),
        "name": account.name,
        "platformId": None,
    }


def _free(account: Account) -> list[dict[str, Any]]:
    """Return what costs, interest and debts are told to be of, for Ghostfolio wants something: one for each currency."""
    kinds = [EntryKind.FEE, EntryKind.TAX, EntryKind.INTEREST, EntryKind.LIABILITY]
    found = _standing(account).filter(kind__in=kinds).order_by("currency").values_list("currency", flat=True).distinct()
    return [_profile(free_symbol(str(account.pk), currency), currency, None) for currency in found]


def _profile(symbol: str, currency: str, one: Named | None) -> dict[str, Any]:
    """Return what Ghostfolio is told of an instrument that it can't look up."""
    kind = one.asset_class if one else ""
    about: dict[str, Any] = {
        "assetClass": CLASSES.get(kind, "EQUITY") if one else None,
        "assetSubClass": SUB_CLASSES.get(kind),
        "currency": currency,
        "dataSource": MANUAL,
        "isin": (one.isin if one else "") or None,
        "name": one.name if one else f"Costs, interest and debts in {currency}",
        "symbol": symbol,
    }
    return about | dict.fromkeys(NOTHING) | NONE_OF_IT


def _moment(at: datetime) -> str:
    """Return an instant as Ghostfolio writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _day(day: date) -> str:
    """Return a day as Ghostfolio writes it."""
    return f"{day.isoformat()}T00:00:00.000Z"
