"""What an import changes: cash and holdings before and after, and beside what the statement says was left at its end."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from accounts.domain.statements import CashBalance, Heading, Holding, InstrumentHints
from accounts.models import Account
from accounts.selectors.standing_figures import Standing, cash_of, units_of
from marketdata.domain.money import plain
from marketdata.models import Instrument

NOTHING = Decimal(0)
HALF_A_CENT = Decimal("0.005")
HAIR = Decimal("1e-9")


class Names(Protocol):
    """Whoever knows which instrument a file means."""

    def known_to_be(self, hints: InstrumentHints) -> Instrument | None:
        """Return the instrument that a file describes, None if that is not known for sure."""
        ...


def shown(before: Standing, after: Standing) -> dict[str, Any]:
    """Return the cash and the holdings that differ after an import, and all of the cash."""
    moved = [one for one in before.units.keys() | after.units.keys() if before.units.get(one, 0) != after.units.get(one, 0)]
    keys = keys_of(moved)
    return {
        "cash": [
            {"currency": currency, **_pair(before.cash, after.cash, currency)}
            for currency in sorted(before.cash.keys() | after.cash.keys())
        ],
        "holdings": sorted(
            ({"instrument": keys[one], **_pair(before.units, after.units, one)} for one in moved),
            key=lambda row: row["instrument"],
        ),
    }


def keys_of(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of instruments."""
    return {pk: f"{symbol}:{exchange}" for pk, symbol, exchange in
            Instrument.objects.filter(pk__in=list(ids)).values_list("pk", "symbol", "exchange")}  # fmt: skip


def compared(
    account: Account,
    balances: Iterable[CashBalance],
    holdings: Iterable[Holding],
    headings: Iterable[Heading],
    names: Names,
) -> dict[str, Any]:
    """Return what a statement says was left of cash and holdings, beside the ledger at the end of the same day."""
    ends = [heading.end for heading in headings if heading.end]
    end = max(ends) if ends else None
    return {"statement": {"cash": _cash(account, balances, end), "holdings": _holdings(account, holdings, end, names)}}


def _cash(account: Account, balances: Iterable[CashBalance], end: date | None) -> list[dict[str, Any]]:
    """Return the stated balances beside those of the ledger; of several accounts of the file, their sum."""
    stated: dict[tuple[str, date | None], Decimal] = {}
    for one in balances:
        at = (one.currency, one.day or end)
        stated[at] = stated.get(at, NOTHING) + one.cash
    by_day = {day: cash_of(account, day=day) for _, day in stated}
    return [
        {"currency": currency, **_beside(said, by_day[day].get(currency, NOTHING), day, HALF_A_CENT)}
        for (currency, day), said in sorted(stated.items(), key=lambda item: item[0][0])
    ]


def _holdings(account: Account, holdings: Iterable[Holding], end: date | None, names: Names) -> list[dict[str, Any]]:
    """Return the stated holdings beside those of the ledger."""
    stated: dict[tuple[str, UUID | None, date | None], Decimal] = {}
    for one in holdings:
        found = names.known_to_be(one.hints)
        at = (found.key if found else one.hints.key, found.pk if found else None, one.day or end)
        stated[at] = stated.get(at, NOTHING) + one.quantity
    by_day = {day: units_of(account, day=day) for _, _, day in stated}
    return [
        {"instrument": key, **_beside(said, by_day[day].get(pk, NOTHING) if pk else NOTHING, day, HAIR)}
        for (key, pk, day), said in sorted(stated.items(), key=lambda item: item[0][0])
    ]


def _pair(before: Mapping[Any, Decimal], after: Mapping[Any, Decimal], key: object) -> dict[str, str]:
    return {"before": plain(before.get(key, NOTHING)), "after": plain(after.get(key, NOTHING))}


def _beside(said: Decimal, ours: Decimal, day: date | None, bound: Decimal) -> dict[str, Any]:
    off = ours - said
    return {
        "day": day.isoformat() if day else None,
        "statement": plain(said),
        "ledger": plain(ours),
        "difference": plain(off),
        "agrees": abs(off) < bound,
    }
