"""The hot lists of the API beside the same lists as Django REST framework makes them, and pages far in beside the first.

The baseline is a ModelSerializer in a list view with the same fields, permissions, pages and renderer, so that the rows it
answers are the same to the byte, which is looked at first. Both views are called as the router calls them, with a person known
already: who asks is found out by the middleware, which costs either the same. The goal is eight times the stock view, stated
for answers of a hundred rows of fifteen fields: rows of fewer fields come in as many more. What smaller pages and whole requests
cost is shown as well, without a goal but for full pages; so are the entries of a ledger.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.core import signing
from django.db import connection, connections
from django.db.models import DecimalField, OuterRef, QuerySet, Subquery
from django.test import Client
from django.urls import URLPattern, path
from rest_framework import generics, mixins, serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.settings import api_settings
from rest_framework.test import APIRequestFactory, force_authenticate

from accounts.api.ledger import EntrySerializer
from accounts.api.scoping import AccountScopedViewSet
from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.domain.roles import Role
from accounts.models import Account, LedgerEntry, Membership, Scope, User
from accounts.models.tenancy import acting_as
from accounts.services.tokens import issue_token
from benchmarks.harness import Harness
from config import urls
from marketdata.api.bars import BarViewSet
from marketdata.api.quotes import QuoteViewSet
from marketdata.api.ticks import TickViewSet
from marketdata.models import Bar, Instrument, Quote, Tick

DEEP, ROWS, REPEATS = 900_000, 1_000_000, 10
STATED_CELLS = 100 * 15  # rows times fields: the size of an answer for which the goal was stated
GOAL, NO_GOAL = ">= 8.0", ">= 0.0"
START = datetime(2023, 1, 2, tzinfo=UTC)
MAKE_BARS = """
    INSERT INTO marketdata_bar
        (instrument_id, timeframe, timestamp, open, high, low, close, volume, vwap, trade_count, recorded_at)
    SELECT %(id)s, '1m', %(start)s + n * interval '1 minute', p, p + 0.37, p - 0.41, p + 0.05, 1000 + n %% 977,
           p + 0.0123, n %% 1000, now()
    FROM (SELECT n, (100 + 10 * sin(n / 1000.0))::numeric(12, 4) AS p FROM generate_series(0, %(rows)s - 1) AS n) AS walk
"""
MAKE_QUOTES = """
    INSERT INTO marketdata_quote (instrument_id, timestamp, bid, ask, bid_size, ask_size, recorded_at)
    SELECT %(id)s, %(start)s + n * interval '200 milliseconds', p, p + 0.02, 100 + n %% 7, 200, now()
    FROM (SELECT n, (100 + 10 * sin(n / 1000.0))::numeric(12, 4) AS p FROM generate_series(0, %(rows)s - 1) AS n) AS walk
"""
MAKE_TICKS = """
    INSERT INTO marketdata_tick (instrument_id, timestamp, price, size, conditions, recorded_at)
    SELECT instrument_id, timestamp, bid, bid_size, '@ T', recorded_at FROM marketdata_quote LIMIT 10000
"""


def stock(model: Any, *names: str) -> type[generics.ListAPIView]:
    """Return the stock list of a model: the fields, the renderer and the view that the framework brings along."""
    numbers = [name for name in names if isinstance(model._meta.get_field(name), DecimalField)]

    class Serializer(serializers.ModelSerializer):
        instrument = serializers.CharField(source="instrument.key")

        class Meta:
            fields = ["instrument", "timestamp", *names]
            extra_kwargs = {name: {"normalize_output": True} for name in numbers}

    Serializer.Meta.model = model

    class View(generics.ListAPIView):
        queryset = model.objects.select_related("instrument")
        serializer_class = Serializer
        renderer_classes = [JSONRenderer]
        ordering = "timestamp"
        filterset_fields = ["instrument", "timeframe"] if model is Bar else ["instrument"]

    return View


class StockEntries(mixins.ListModelMixin, AccountScopedViewSet):
    """The stock list of the entries of a ledger, behind the same gate."""

    class Serializer(serializers.ModelSerializer):
        group = serializers.UUIDField()
        instrument = serializers.CharField(source="instrument.key")
        reason = serializers.SerializerMethodField()
        reversed_by = serializers.UUIDField()
        hash = serializers.SerializerMethodField()

        class Meta:
            model = LedgerEntry
            fields = list(EntrySerializer().fields)
            extra_kwargs = {name: {"normalize_output": True} for name in ("quantity", "price", "cash", "fee", "tax")}

        def get_reason(self, entry: LedgerEntry) -> dict[str, str]:
            """Return why it was done."""
            return {"primary": entry.reason_primary, "explanation": entry.reason_explanation}

        def get_hash(self, entry: LedgerEntry) -> str:
            """Return the hash in hexadecimal."""
            return bytes(entry.hash).hex()

    queryset = LedgerEntry.objects.select_related("instrument")
    serializer_class = Serializer
    renderer_classes = [JSONRenderer]
    ordering = "sequence"

    def get_queryset(self) -> QuerySet[LedgerEntry]:
        """Return the entries, each with what took it back."""
        taken_back = LedgerEntry.objects.filter(account=OuterRef("account"), reverses=OuterRef("pk")).values("pk")[:1]
        return super().get_queryset().annotate(reversed_by=Subquery(taken_back))


LISTS: dict[str, tuple[Any, Any]] = {
    "bars": (BarViewSet, stock(Bar, "open", "high", "low", "close", "volume", "vwap", "trade_count")),
    "quotes": (QuoteViewSet, stock(Quote, "bid", "ask", "bid_size", "ask_size")),
    "ticks": (TickViewSet, stock(Tick, "price", "size", "conditions")),
}


def run(harness: Harness) -> None:
    """Measure lists, whole requests, and pages far in; calls are counted as ever, and nobody has made too many."""
    before = dict(api_settings.DEFAULT_THROTTLE_RATES)
    api_settings.DEFAULT_THROTTLE_RATES |= {"caller": "1000000/min"}
    try:
        measure(harness)
    finally:
        api_settings.DEFAULT_THROTTLE_RATES |= before


def measure(harness: Harness) -> None:
    """Measure everything, list by list."""
    instrument, user = make_world()
    client = make_client(user)
    for name in LISTS:
        measure_list(harness, name, query_of(name, instrument), user, client)
    measure_entries(harness, make_account(user, instrument), client)
    for name, step in (("bars", timedelta(minutes=1)), ("quotes", timedelta(milliseconds=200))):
        query = query_of(name, instrument)
        deep = query | {"cursor": cursor_at(name, START + DEEP * step, instrument)}
        pages = {
            "first": partial(request, client, f"/api/v1/{name}/", query),
            "deep": partial(request, client, f"/api/v1/{name}/", deep),
        }
        found = harness.interleave({key: timed(work, rate=False) for key, work in pages.items()})
        case = f"{name}, page {DEEP:,} rows in / first page"
        harness.compare("lists", case, ours=found["deep"], baseline=found["first"], unit="ms", goal="<= 1.5")


def measure_list(harness: Harness, name: str, query: dict[str, str], user: User, client: Client) -> None:
    """Measure a list as a view and as a whole request, in full pages and in usual ones."""
    ours, theirs = LISTS[name]
    for limit in (1000, STATED_CELLS // len(fields_of(theirs)), 100):
        asked = query | {"limit": str(limit)}
        calls = {
            "ours": partial(call, ours.as_view({"get": "list"}), name, asked, user),
            "stock": partial(call, theirs.as_view(), name, asked, user),
            "our request": partial(request, client, f"/api/v1/{name}/", asked),
            "stock request": partial(request, client, f"/api/v1/stock/{name}/", asked),
        }
        with stock_routes():
            if len({rows_of(work()) for work in calls.values()}) != 1:
                raise AssertionError(f"the rows of {name} differ from the serializer's")
            found = harness.interleave({key: timed(work) for key, work in calls.items()})
        stated = {"view": limit > 100, "request": limit == 1000}
        for case, mine, stocks in (("view", "ours", "stock"), ("request", "our request", "stock request")):
            told, goal = f"{name}, {limit:,} rows, {case} / stock", GOAL if stated[case] else NO_GOAL
            harness.compare("lists", told, ours=found[mine], baseline=found[stocks], unit="per second", goal=goal)


def fields_of(view: type[generics.ListAPIView]) -> list[str]:
    """Return the fields of a row."""
    return list(view.serializer_class().fields)


def measure_entries(harness: Harness, account: Account, client: Client) -> None:
    """Measure the list of a ledger's entries, 24 fields each, as a whole request: without a person's transaction it is empty."""
    routes = [path("api/v1/stock/<uuid:account_id>/entries/", StockEntries.as_view({"get": "list"}))]
    for limit in (1000, 100):
        calls = {
            "ours": partial(request, client, f"/api/v1/accounts/{account.pk}/entries/", {"limit": str(limit)}),
            "stock": partial(request, client, f"/api/v1/stock/{account.pk}/entries/", {"limit": str(limit)}),
        }
        with served(routes):
            ours, stock = (json.loads(work())["results"] for work in calls.values())
            if ours != stock or len(ours) != limit:
                raise AssertionError("the entries differ from the serializer's")
            found = harness.interleave({key: timed(work) for key, work in calls.items()})
        case = f"entries, {limit:,} rows, request / stock"
        harness.compare("lists", case, ours=found["ours"], baseline=found["stock"], unit="per second", goal=NO_GOAL)


def make_account(user: User, instrument: Instrument) -> Account:
    """Make an account with a ledger of 2,000 entries."""
    account = Account(owner=user, name="Bench", base_currency="USD", opened_on=START.date(), created_at=START)
    drafts = [
        EntryDraft(
            kind=EntryKind.BUY,
            occurred_at=START + timedelta(minutes=number),
            currency="USD",
            instrument_id=instrument.pk,
            quantity=Decimal(number % 90 + 1),
            price=Decimal("12.5"),
            cash=Decimal("-12.5") * (number % 90 + 1) - 1,
            fee=Decimal(1),
            notes=f"Number {number}",
            tags=("bench",),
            external_id=str(number),
        )
        for number in range(2000)
    ]
    with acting_as(user.pk):
        Membership.objects.create(
            account_id=account.pk, user=user, email=user.email, role=Role.OWNER, invited_at=START, accepted_at=START
        )
        account.save(force_insert=True)
        LedgerEntry.objects.append(account_id=account.pk, actor_id=user.pk, drafts=drafts)
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE accounts_ledgerentry")
    return account


def query_of(name: str, instrument: Instrument) -> dict[str, str]:
    """Return what is asked of a list."""
    return {"instrument": instrument.key} | ({"timeframe": "1m"} if name == "bars" else {})


def make_world() -> tuple[Instrument, User]:
    """Make a million bars and quotes of one instrument, and somebody who asks for them."""
    instrument = Instrument.objects.create(symbol="LISTS", exchange="XTST", asset_class="EQUITY", currency="USD")
    with connection.cursor() as cursor:
        for day in range(3):
            for dataset in ("quotes", "ticks"):
                cursor.execute("SELECT marketdata_add_day(%s, %s)", [dataset, START.date() + timedelta(days=day)])
        for statement in (MAKE_BARS, MAKE_QUOTES, MAKE_TICKS):
            cursor.execute(statement, {"id": instrument.pk, "start": START, "rows": ROWS} if "%" in statement else None)
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE marketdata_bar, marketdata_quote, marketdata_tick")
    return instrument, User.objects.create_user("bench-lists@example.com")


def make_client(user: User) -> Client:
    """Return a client with a token that may read."""
    with acting_as(user.pk):
        secret = issue_token(user=user, name="bench", scopes=[Scope.READ], at=datetime.now(UTC)).secret
    return Client(headers={"Authorization": f"Bearer {secret}"})


def stock_routes() -> AbstractContextManager[None]:
    """Serve the stock lists beside ours."""
    return served([path(f"api/v1/stock/{name}/", theirs.as_view()) for name, (_, theirs) in LISTS.items()])


@contextmanager
def served(routes: list[URLPattern]) -> Iterator[None]:
    """Serve further routes."""
    urls.urlpatterns[:0] = routes
    try:
        yield
    finally:
        del urls.urlpatterns[: len(routes)]


def call(view: Callable[..., Any], name: str, query: dict[str, str], user: User) -> bytes:
    """Return what a view answers, rendered."""
    asked = APIRequestFactory().get(f"/api/v1/{name}/", query)
    force_authenticate(asked, user)
    answer = view(asked).render()
    if answer.status_code != 200:
        raise AssertionError(answer.content)
    return bytes(answer.content)


def request(client: Client, address: str, query: dict[str, str]) -> bytes:
    """Return what a whole request answers."""
    answer = client.get(address, query)
    if answer.status_code != 200:
        raise AssertionError(answer.content)
    return answer.content


def rows_of(answer: bytes) -> bytes:
    """Return the rows of a page; its links are signed anew each time."""
    return answer.partition(b'],"next":')[0]


def cursor_at(name: str, timestamp: datetime, instrument: Instrument) -> str:
    """Return the cursor that the page before would have led to."""
    return signing.dumps([["timestamp"], "n", [timestamp.isoformat(), str(instrument.pk)]], salt=f"cursor:/api/v1/{name}/")


def timed(work: Callable[[], object], *, rate: bool = True) -> Callable[[], float]:
    """Return a contestant that tells how often a second something is done, or the milliseconds it takes."""

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(REPEATS):
            work()
        took = (time.perf_counter() - start) / REPEATS
        return 1 / took if rate else took * 1000

    return measure
