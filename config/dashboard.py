"""The start page: the figures of one of the user's accounts, and what to do where there are none yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models import Account, JobRun, LedgerEntry, User
from accounts.selectors.accounts import accounts_of
from accounts.selectors.users import invitations
from marketdata.domain.display import money_text, percent_text, price_text, quantity_text
from marketdata.models import Instrument
from portfolio.domain.curves import dots, start_of, thinned
from portfolio.domain.performance import Performance, Point
from portfolio.models import Position, Projection, Snapshot
from portfolio.selectors.performance import performance_of, points
from portfolio.services.projections import catch_up

PERIODS = {"1m": "1M", "6m": "6M", "ytd": "YTD", "1y": "1Y", "all": "All"}
RECENT_ENTRIES, RECENT_RUNS = 8, 5
UNIX_DAY = date(1970, 1, 1).toordinal()
ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class Card:
    """One figure with its name, how it is to be read, and whether it is good news."""

    label: str
    text: str
    note: str = ""
    tone: str = ""
    hint: str = ""


def start_page(request: HttpRequest) -> dict[str, Any]:
    """Return what the start page shows to who asks."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  the site lets nobody else in
    accounts = sorted(accounts_of(user), key=lambda account: (account.closed_on is not None, account.pk))
    chosen = _chosen(request, accounts)
    page: dict[str, Any] = {"accounts": accounts, "chosen": chosen, "invitations": invitations()}
    if chosen is None:
        return page
    role = Role(chosen.role)  # type: ignore[attr-defined]
    page |= {"role": role.name.title(), "may_post": role >= Role.TRADER and chosen.closed_on is None}
    page["entries"] = _recent_entries(user, chosen)
    page["runs"] = JobRun.objects.visible_to(user).filter(account=chosen).select_related("job").order_by("-due_at")[:RECENT_RUNS]
    try:
        projection = catch_up(account_id=chosen.pk, at=timezone.now())
    except ValidationError as refusal:
        return page | {"refusal": " ".join(refusal.messages)}
    period = request.GET.get("period", "")
    return page | _figures(user, chosen, projection, period if period in PERIODS else "all")


def _chosen(request: HttpRequest, accounts: Sequence[Account]) -> Account | None:
    """Return the account that is asked for, or was the last time, or else the first."""
    known = {str(account.pk): account for account in accounts}
    last = request.session.get("account", "")
    chosen = known.get(request.GET.get("account", "")) or known.get(last) or next(iter(accounts), None)
    if chosen is not None and str(chosen.pk) != last:
        request.session["account"] = str(chosen.pk)
    return chosen


def _figures(user: User, account: Account, projection: Projection, period: str) -> dict[str, Any]:
    """Return the cards, curves and positions of an account over a period; nothing where no day has been valued."""
    days = points(account_id=account.pk)
    start = start_of(period, days[-1].date) if days else None
    shown = [day for day in days if start is None or day.date >= start - timedelta(days=1)]
    performance = performance_of(shown, kind=account.kind, start=start)
    if performance is None:
        return {}
    last = Snapshot.objects.visible_to(user).get(account=account, date=days[-1].date)
    before = sum((day.net_flow for day in days if day.day < shown[0].day), ZERO)
    return {
        "period": period,
        "periods": PERIODS,
        "as_of": last.date,
        "headline": _headline(account, last),
        "cards": _cards(account, performance, last, since_the_beginning=start is None),
        "curves": _curves(shown, before, account.base_currency, peak=ZERO if shown[0] is not days[0] else ONE),
        "positions": _positions(user, account, last),
        "cash": _share(last.cash, last) | {"value": money_text(last.cash, account.base_currency)},
        "missing": _named({name: f"since {since}" for name, (since, _) in projection.missing.items()}),
        "stale": _named({name: f"last known {seen}" for name, seen in projection.stale.items()}),
    }


def _headline(account: Account, last: Snapshot) -> dict[str, str]:
    """Return the value of the account and what its last day brought."""
    before = last.total_value - last.day_gain - last.net_flow
    return {
        "value": money_text(last.total_value, account.base_currency),
        "day": money_text(last.day_gain, account.base_currency, signed=True),
        "day_percent": percent_text(last.day_gain / before, signed=True) if before > 0 else "",
        "tone": _tone(last.day_gain),
    }


def _cards(account: Account, figures: Performance, last: Snapshot, *, since_the_beginning: bool) -> list[Card]:
    """Return the figures of the period as cards; one that is not defined says why."""
    money, fall, why = account.base_currency, figures.drawdown, figures.reasons
    deposits = last.total_value - last.total_gain if since_the_beginning else figures.net_flows
    return [
        Card("Net deposits", money_text(deposits, money, signed=not since_the_beginning), hint="Paid in, less taken out."),
        Card(
            "Gain",
            money_text(figures.gain, money, signed=True),
            _note(figures.simple_return, "", signed=True),
            _tone(figures.gain),
            "Value less what was paid in. In percent: of what was there at the start and was paid in since.",
        ),
        Card(
            "TWR",
            percent_text(figures.twr, signed=True),
            _note(None if figures.short else figures.twr_annualized, " a year", signed=True),
            _tone(figures.twr),
            why.get("twr") or "Time-weighted return: what the money earned, whenever it came in.",
        ),
        Card(
            "XIRR",
            percent_text(figures.xirr, signed=True),
            f"a year{', carried on from less' if figures.short else ''}" if figures.xirr is not None else "",
            _tone(figures.xirr),
            why.get("xirr") or "Money-weighted return: it counts when the money came in.",
        ),
        Card(
            "Max drawdown",
            percent_text(figures.max_drawdown),
            f"{fall.peak:%Y-%m} to {fall.trough:%Y-%m}" if fall else "",
            _tone(figures.max_drawdown),
            "The deepest fall of the time-weighted index from a peak.",
        ),
        Card(
            "Volatility",
            percent_text(figures.volatility),
            "a year" if figures.volatility is not None else "",
            "",
            why.get("volatility") or "The standard deviation of the log returns of priced days.",
        ),
    ]


def _positions(user: User, account: Account, last: Snapshot) -> list[dict[str, Any]]:
    """Return what is held, the most valuable first, with its weight in the account."""
    held = Position.objects.visible_to(user).filter(account=account).open().select_related("instrument")
    return [
        {
            "position": position,
            "quantity": quantity_text(position.quantity),
            "price": price_text(position.market_price),
            "value": money_text(position.value_in_base, account.base_currency),
            "gain": money_text(position.unrealized_gain, position.instrument.money, signed=True),
            "gain_percent": percent_text(position.unrealized_gain_pct, signed=True),
            "tone": _tone(position.unrealized_gain),
        }
        | _share(position.value_in_base, last)
        for position in sorted(held, key=lambda position: abs(position.value_in_base or ZERO), reverse=True)
    ]


def _share(value: Decimal | None, last: Snapshot) -> dict[str, Any]:
    """Return the weight of a part of the account, as text and as the length of a bar."""
    weight = value / last.total_value if value is not None and last.total_value > 0 else None
    return {"weight": percent_text(weight), "bar": round(min(max(weight or ZERO, ZERO), Decimal(1)) * 100)}


def _recent_entries(user: User, account: Account) -> list[dict[str, Any]]:
    """Return the last entries of the account's ledger."""
    entries = LedgerEntry.objects.visible_to(user).filter(account=account).select_related("instrument").order_by("-sequence")
    return [
        {
            "entry": entry,
            "quantity": quantity_text(entry.quantity, signed=True) if entry.quantity else "",
            "cash": money_text(entry.cash, entry.currency, signed=True) if entry.cash else "",
            "tone": _tone(max(entry.cash, ZERO)),
        }
        for entry in entries[:RECENT_ENTRIES]
    ]


def _curves(days: Sequence[Point], deposits: Decimal, currency: str, *, peak: Decimal) -> dict[str, Any]:
    """Return the curves over successive days as the lists that the page's script draws."""
    shown = thinned(list(dots(days, deposits=deposits, peak=peak)))
    return {
        "currency": currency,
        "days": [dot.day - UNIX_DAY for dot in shown],
        "value": [float(round(dot.value, 2)) for dot in shown],
        "deposits": [float(round(dot.deposits, 2)) for dot in shown],
        "drawdown": [round(dot.drawdown * 100, 3) for dot in shown],
    }


def _named(lacking: Mapping[str, str]) -> list[str]:
    """Return what lacks a price (instruments, by id) or a rate (pairs), in words."""
    ids = [UUID(name) for name in lacking if "/" not in name]
    symbols = {str(pk): symbol for pk, symbol in Instrument.objects.filter(pk__in=ids).values_list("pk", "symbol")} if ids else {}
    return sorted(f"{symbols.get(name, name)} ({what})" for name, what in lacking.items())


def _note(ratio: Decimal | None, text: str, *, signed: bool) -> str:
    """Return a ratio with what follows it, nothing where it is not defined."""
    return "" if ratio is None else percent_text(ratio, signed=signed) + text


def _tone(value: Decimal | None) -> str:
    """Return the CSS class of a gain, a loss or neither."""
    return ("up" if value > 0 else "down") if value else ""
