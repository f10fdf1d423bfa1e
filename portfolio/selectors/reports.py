"""The reports of an account: realized gains, income, fees, holdings and all that was recorded, each in an order that stays.

Days are those of UTC, as everywhere. Entries that were taken back, and what took them back, are left out of all reports but the
activity. Amounts are in the currency they came in (of an instrument's lots: its own), or in one that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, DecimalException, localcontext
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.domain.ledger import EntryKind
from accounts.models import Account, LedgerEntry
from marketdata.models import Instrument
from portfolio.domain.causes import CHARGES, gross_of
from portfolio.domain.entry import Entry
from portfolio.domain.exact import EXACT, ZERO, money
from portfolio.domain.income import EARNED, KINDS
from portfolio.domain.minor import in_major
from portfolio.domain.positions import post
from portfolio.domain.pricing import Points
from portfolio.domain.reports import Kind, Period, Report, Sums, Table, columns
from portfolio.models import Closure, Position
from portfolio.selectors.conversion import rates_into
from portfolio.selectors.figures import Figures, FiguresBeyondLimits
from portfolio.selectors.past import figures_of, history_of
from portfolio.selectors.valued import Rates, Valued, positions_in

CHUNK = 2_000
N, W, F, D, T = Kind.NUMBER, Kind.WHOLE, Kind.FLAG, Kind.DAY, Kind.TEXT
CASH_FOR_UNITS = frozenset(EARNED) - {EntryKind.STAKING}  # whose cash is no income where it stands for units
NAMED: dict[str, Kind] = {"instrument": T, "name": T}
READ = (
    "id", "sequence", "kind", "occurred_at", "instrument_id", "quantity", "price", "cash", "currency", "fee", "tax", "data",
    "group", "reverses_id",
)  # fmt: skip
TOLD = (
    "sequence", "occurred_at", "recorded_at", "kind", "instrument__symbol", "instrument__exchange", "instrument__name",
    "quantity", "price", "cash", "currency", "fee", "tax", "reason_primary", "reason_explanation", "notes", "tags", "source",
    "external_id", "group", "reverses__sequence", "corrects__sequence",
)  # fmt: skip
NOBODY = ("", "")
REALIZED = columns(
    **NAMED, asset_class=T, opened_on=D, closed_on=D, quantity=N, cost=N, proceeds=N, gain=N, currency=T, term=T, holding_days=W,
    wash_sale=F, disallowed_loss=N, taxable_gain=N, missing=F, opening=W, closing=W,
)  # fmt: skip
INCOME = columns(date=D, kind=T, **NAMED, gross=N, tax=N, fee=N, net=N, currency=T, quantity=N, sequence=W)
FEES = columns(date=D, kind=T, **NAMED, fee=N, tax=N, currency=T, reason=T, notes=T, sequence=W)
HOLDINGS = columns(
    **NAMED, asset_class=T, quantity=N, average_price=N, cost_basis=N, market_price=N, priced_on=D, market_value=N,
    unrealized_gain=N, currency=T, value_in_base=N, base_currency=T,
)  # fmt: skip
ACTIVITY = columns(
    sequence=W, occurred_at=Kind.INSTANT, recorded_at=Kind.INSTANT, kind=T, **NAMED, quantity=N, price=N, cash=N, currency=T,
    fee=N, tax=N, reason_primary=T, reason_explanation=T, notes=T, tags=T, source=T, external_id=T, group=T, reverses=W,
    corrects=W,
)  # fmt: skip


class Converted(Rates):
    """The rates of entries' amounts into a currency; none asked for leaves each amount in its own."""

    def __init__(self, figures: Figures, currency: str, sources: Iterable[str]) -> None:
        super().__init__(figures, currency)
        self._sources = set(sources)

    @cached_property
    def points(self) -> Mapping[str, Points]:
        """The rates of the days, by currency."""
        return rates_into(self.currency, self._sources)

    def told(self, amount: Decimal, currency: str, at: date | datetime, sequence: int) -> Decimal | None:
        """Return an amount in the currency asked for, none where it has no rate."""
        return self.of(amount, currency, at, sequence) if self.currency else amount


def realized(figures: Figures, period: Period, currency: str) -> Report:
    """Return what was closed in a period, lot by lot in the order of closing, with the gains that count for taxes.

    A closure of no units is cash without units: beyond the cost of a lot, or in a merger; it counts like any other.
    """
    rates = Rates(figures, currency) if currency else None
    sums = Sums(["cost", "proceeds", "gain", "disallowed_loss", "taxable_gain", "short_term", "long_term"])

    def rows() -> Iterator[list[Any]]:
        for one in within(figures.closures(), period):
            own = one.instrument.money
            cost, proceeds, disallowed = _of_closure(one, rates)
            gain = None if cost is None or proceeds is None else proceeds - cost
            taxable = None if gain is None or disallowed is None else gain + disallowed
            counted = {"short_term": ZERO, "long_term": ZERO, "long_term" if one.long_term else "short_term": taxable}
            sums.add(
                (currency or own,),
                cost=cost, proceeds=proceeds, gain=gain, disallowed_loss=disallowed, taxable_gain=taxable, **counted,
            )  # fmt: skip
            yield [
                one.instrument.key, one.instrument.name, one.instrument.asset_class, _day(one.opened_at), _day(one.closed_at),
                one.quantity, cost, proceeds, gain, currency or own, one.term, one.holding_days, one.wash_sale, disallowed,
                taxable, one.missing, one.opening, one.closing,
            ]  # fmt: skip

    return Report(
        "realized", _about(figures, period, currency), [Table("rows", REALIZED, rows()), sums.table("totals", "currency")]
    )


def within(found: QuerySet[Closure] | Sequence[Closure], period: Period) -> Iterable[Closure]:
    """Return the closures of a period; those in the database one after another."""
    if not isinstance(found, QuerySet):
        return (one for one in found if period.has(_day(one.closed_at)))
    if period.start:
        found = found.filter(closed_at__gte=_midnight(period.start))
    if period.end:
        found = found.filter(closed_at__lt=_midnight(period.end))
    return found.iterator(chunk_size=CHUNK)


def _of_closure(one: Closure, rates: Rates | None) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Return the cost, the proceeds and the loss that does not count, in the currency asked for."""
    if rates is None:
        return one.cost, one.proceeds, one.disallowed_loss
    cost, proceeds = rates.of_closure(one)
    return cost, proceeds, rates.of(one.disallowed_loss, one.instrument.money, one.closed_at, one.closing)


def income(figures: Figures, period: Period, currency: str, known_at: datetime | None = None) -> Report:
    """Return what came in over a period in the order of its days, by month and by instrument, too.

    Dividends, interest and staking rewards, and cash that stands for no units: capital returned of what is not held, and what
    came beside a split or a spin-off.
    """
    asked = _entries(figures, period, known_at, Q(kind__in=KINDS))
    worth = _earned(figures, known_at) if any(entry.kind in EARNED for entry in asked) else {}
    kept = [entry for entry in asked if entry.kind not in CASH_FOR_UNITS or worth.get(entry.sequence)]
    listed = _instruments(kept)
    converted = Converted(figures, currency, {_paid(entry, listed) for entry in kept})
    names = ["gross", "tax", "fee", "net"]
    totals, months, instruments = Sums(names), Sums(names), Sums(names)

    def rows() -> Iterator[list[Any]]:
        for entry in kept:
            instrument, own, day = listed.get(entry.instrument or ""), _paid(entry, listed), _day(entry.occurred_at)
            gross, tax, fee = worth.get(entry.sequence, gross_of(entry)), entry.tax, entry.fee
            told = {
                name: converted.told(amount, own, entry.occurred_at, entry.sequence)
                for name, amount in (("gross", gross), ("tax", tax), ("fee", fee))
            }
            net = None if None in told.values() else told["gross"] - told["tax"] - told["fee"]  # type: ignore[operator]
            amounts, shown = told | {"net": net}, currency or own
            totals.add((shown,), **amounts)
            months.add((f"{day:%Y-%m}", shown), **amounts)
            instruments.add((instrument.key if instrument else "", shown), **amounts)
            yield [day, entry.kind, *_names(instrument), *amounts.values(), shown, entry.quantity, entry.sequence]

    tables = [Table("rows", INCOME, rows()), totals.table("totals", "currency"), months.table("months", "month", "currency")]
    return Report(
        "income", _about(figures, period, currency), [*tables, instruments.table("instruments", "instrument", "currency")]
    )


def _paid(entry: Entry, listed: Mapping[str, Instrument]) -> str:
    """Return the currency in which an entry earned: what is no payment is worth what it is in the instrument's."""
    return listed[entry.instrument or ""].money if entry.kind in EARNED else entry.currency


def _earned(figures: Figures, known_at: datetime | None) -> dict[int, Decimal]:
    """Return what entries that are no payments brought as it counts, in the instrument's currency, by their sequence."""
    entries, book = history_of(figures.account, known_at=known_at)
    found: dict[int, Decimal] = {}
    try:
        with localcontext(EXACT):
            for entry in entries:
                earning = entry.kind in EARNED and entry.instrument is not None
                before = book.holding(entry.instrument).income if earning and entry.instrument else ZERO
                post(book, entry)
                if earning and entry.instrument:
                    found[entry.sequence] = book.holding(entry.instrument).income - before
    except DecimalException as error:
        raise FiguresBeyondLimits from error
    return found


def fees(figures: Figures, period: Period, currency: str, known_at: datetime | None = None) -> Report:
    """Return the fees and taxes of a period, those inside trades and payments among them, in the order of their days."""
    charged = ~Q(fee=0) | ~Q(tax=0) | Q(kind__in=CHARGES)
    kept = _entries(figures, period, known_at, charged)
    listed = _instruments(kept)
    told = _texts(figures, [entry.sequence for entry in kept])
    converted = Converted(figures, currency, {entry.currency for entry in kept})
    totals, kinds = Sums(["fee", "tax"]), Sums(["fee", "tax"])

    def rows() -> Iterator[list[Any]]:
        for entry in kept:
            fee, tax = (converted.told(one, entry.currency, entry.occurred_at, entry.sequence) for one in _charges(entry))
            shown, instrument = currency or entry.currency, listed.get(entry.instrument or "")
            totals.add((shown,), fee=fee, tax=tax)
            kinds.add((entry.kind, shown), fee=fee, tax=tax)
            reason, notes = told.get(entry.sequence, ("", ""))
            day = _day(entry.occurred_at)
            yield [day, entry.kind, *_names(instrument), fee, tax, shown, reason, notes, entry.sequence]

    tables = [Table("rows", FEES, rows()), totals.table("totals", "currency"), kinds.table("kinds", "kind", "currency")]
    return Report("fees", _about(figures, period, currency), tables)


def _charges(entry: Entry) -> tuple[Decimal, Decimal]:
    """Return the fee and the tax of an entry; of a FEE or TAX the cash is the charge, less what is the other one."""
    if entry.kind == EntryKind.FEE:
        return -entry.cash - entry.tax, entry.tax
    return (entry.fee, -entry.cash - entry.fee) if entry.kind == EntryKind.TAX else (entry.fee, entry.tax)


def holdings(figures: Figures, day: date | None, currency: str) -> Report:
    """Return what is held at the end of a day, by symbol, and the cash; gains are not realized yet."""
    base = figures.account.base_currency
    last = figures.last_snapshot()
    found: Iterable[Position | Valued] = positions_in(figures, currency) if currency else figures.positions()
    sums = Sums(["cost_basis", "market_value", "unrealized_gain"])

    def rows() -> Iterator[list[Any]]:
        for one in found:
            if not one.quantity:
                continue
            shown = currency or one.instrument.money
            sums.add((shown,), cost_basis=one.cost_basis, market_value=one.market_value, unrealized_gain=one.unrealized_gain)
            yield [
                *_names(one.instrument), one.instrument.asset_class, one.quantity, _rounded(one.average_price), one.cost_basis,
                one.market_price, one.priced_on, one.market_value, one.unrealized_gain, shown, one.value_in_base, base,
            ]  # fmt: skip

    cash = [[name, balance] for name, balance in sorted(figures.balances().items()) if balance]
    about = {
        "account": str(figures.account.pk), "account_name": figures.account.name, "as_of": day or (last.date if last else None),
        "valued_on": last.date if last else None, "currency": currency or None, "base_currency": base,
        "total_value": last.total_value if last else ZERO,
    }  # fmt: skip
    tables = [
        Table("rows", HOLDINGS, rows()),
        sums.table("totals", "currency"),
        Table("cash", columns(currency=T, balance=N), cash),
    ]
    return Report("holdings", about, tables)


def activity(figures: Figures, period: Period, known_at: datetime | None = None) -> Report:
    """Return every entry of a period in the order of happening, reversals and what they took back among them."""
    asked = LedgerEntry.objects.filter(account=figures.account)
    if known_at:
        asked = asked.filter(recorded_at__lte=known_at)
    told = _happened(asked, period).order_by("occurred_at", "sequence").values_list(*TOLD, named=True)
    totals, kinds = Sums(["cash", "fee", "tax"]), Sums(["cash", "fee", "tax"])

    def rows() -> Iterator[list[Any]]:
        for one in told.iterator(chunk_size=CHUNK):
            amounts = {"cash": one.cash, "fee": one.fee, "tax": one.tax}
            totals.add((one.currency,), **amounts)
            kinds.add((one.kind, one.currency), **amounts)
            key = f"{one.instrument__symbol}:{one.instrument__exchange}"
            named = (key, one.instrument__name) if one.instrument__symbol else NOBODY
            yield [
                one.sequence, one.occurred_at, one.recorded_at, one.kind, *named, one.quantity, one.price,
                one.cash, one.currency, one.fee, one.tax, one.reason_primary, one.reason_explanation, one.notes,
                ", ".join(one.tags), one.source, one.external_id, str(one.group or ""),
                one.reverses__sequence, one.corrects__sequence,
            ]  # fmt: skip

    tables = [Table("rows", ACTIVITY, rows()), totals.table("totals", "currency"), kinds.table("kinds", "kind", "currency")]
    return Report("activity", _about(figures, period, ""), tables)


def _rounded(price: Decimal | None) -> Decimal | None:
    """Return a price with the digits that the API tells."""
    return None if price is None else money(price)


def _entries(figures: Figures, period: Period, known_at: datetime | None, kept: Q) -> list[Entry]:
    """Return the entries of a sort that count in a period, by day and sequence; those in a small coin in its currency."""
    entries = LedgerEntry.objects.filter(account=figures.account)
    if known_at:
        entries = entries.filter(recorded_at__lte=known_at)
    gone: set[UUID] = set()
    links = entries.filter(reverses__isnull=False).order_by("-sequence").values_list("pk", "reverses_id")
    for reversal, taken in links:
        if reversal not in gone and taken is not None:  # one that was taken back itself takes nothing back
            gone.add(taken)
    rows = _happened(entries, period).filter(kept, reverses__isnull=True).order_by("occurred_at", "sequence").values_list(*READ)
    made = [
        Entry._make((str(row[0]), *row[1:4], None if row[4] is None else str(row[4]), *row[5:]))
        for row in rows.iterator(chunk_size=CHUNK)
        if row[0] not in gone
    ]
    return in_major(made)


def _happened(entries: QuerySet[LedgerEntry], period: Period) -> QuerySet[LedgerEntry]:
    """Return the entries of a period."""
    if period.start:
        entries = entries.filter(occurred_at__gte=_midnight(period.start))
    if period.end:
        entries = entries.filter(occurred_at__lt=_midnight(period.end))
    return entries


def _texts(figures: Figures, sequences: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return the reasons and notes of entries that have any, by sequence."""
    found = LedgerEntry.objects.filter(account=figures.account, sequence__in=sequences).exclude(reason_primary="", notes="")
    return {sequence: (reason, notes) for sequence, reason, notes in found.values_list("sequence", "reason_primary", "notes")}


def _instruments(entries: Iterable[Entry]) -> dict[str, Instrument]:
    """Return the instruments that entries name, by their ids."""
    wanted = {entry.instrument for entry in entries if entry.instrument}
    return {str(one.pk): one for one in Instrument.objects.filter(pk__in=wanted)}


def _names(instrument: Instrument | None) -> tuple[str, str]:
    """Return the key and the name of an instrument, empty where there is none."""
    return (instrument.key, instrument.name) if instrument else NOBODY


def _about(figures: Figures, period: Period, currency: str) -> dict[str, Any]:
    """Return what a report is of; `end` is the day after the last."""
    account = figures.account
    own = {"account": str(account.pk), "account_name": account.name}
    return own | {"start": period.start, "end": period.end, "currency": currency or None}


def _day(at: datetime) -> date:
    """Return the day in UTC."""
    return at.astimezone(UTC).date()


def _midnight(day: date) -> datetime:
    """Return the start of a day in UTC."""
    return datetime.combine(day, time(), UTC)


def report_of(account: Account, name: str, period: Period, currency: str, *, known_at: datetime | None = None) -> Report:
    """Return a report by its name; holdings are those at the end of the period."""
    if name == "holdings":
        return holdings(figures_of(account, as_of=period.last, known_at=known_at), period.last, currency)
    figures = figures_of(account, known_at=known_at)
    match name:
        case "realized":
            return realized(figures, period, currency)
        case "income":
            return income(figures, period, currency, known_at)
        case "fees":
            return fees(figures, period, currency, known_at)
    return activity(figures, period, known_at)
