"""A list asks the database as often for many rows as for one: nothing is looked up row by row."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.domain.roles import Role
from accounts.models import (
    AccountImport,
    Classification,
    ImportBatch,
    ImportTemplate,
    JobRun,
    Policy,
    PolicyKind,
    Target,
    TargetAllocation,
    Taxonomy,
)
from accounts.models.tenancy import acting_as
from accounts.services.memberships import invite_member
from accounts.services.notifications import notify
from accounts.services.tokens import issue_token
from accounts.services.watchlists import create_watchlist
from marketdata.models import CorporateAction, FxRate, QualityIssue, StreamState
from tests.access.doors import DOORS, QUERIES
from tests.access.test_doors import address
from tests.access.world import NOW, World
from tests.clients import program
from tests.factories import (
    LONG_AGO,
    day,
    make_account,
    make_bars,
    make_instrument,
    make_quotes,
    make_segment,
    make_ticks,
    make_user,
    post,
    unique_symbol,
)
from tests.trading.factories import (
    make_break,
    make_change,
    make_connection,
    make_decision,
    make_delivery,
    make_evaluation,
    make_fill,
    make_order,
    make_risk_event,
    make_run,
    make_session,
    make_signal,
    make_strategy,
    make_webhook,
    move_order,
)
from trading.domain.orders import Event, EventKind

MOST = 15
# trades that are open ask for their last prices: closes, quotes and ticks, stored and live
DEARER = {"journal-list": 18, "trade-record-list": 18}
LISTS = sorted(
    route for route, method, *_ in DOORS if route.endswith(("-list", "-latest", "-events", "-changes")) and method == "get"
)


def acting(world: World, make: Callable[[], object]) -> None:
    with acting_as(world.alice.pk):
        make()


def trade(world: World, n: int) -> None:
    """Buy and sell an instrument of its own, so that there is a position, a lot and a closure more."""
    instrument = make_instrument()
    make_bars(instrument, [("2020-01-02", "10"), ("2020-01-03", "11")])
    post(world.account, "BUY", instrument=instrument, quantity="10", price="10")
    post(
        world.account,
        "SELL",
        instrument=instrument,
        quantity="-4",
        price="11",
        occurred_at=day("2020-01-03") + timedelta(hours=15, minutes=n),
    )


def invite(world: World, account, email: str) -> None:
    with acting_as(account.owner_id):
        invite_member(account=account, email=email, role=Role.VIEWER, actor=account.owner, at=NOW)


def import_file(world: World) -> None:
    fields = {"file_name": "b.csv", "format": "event_log", "size": 1, "sha256": "1" * 64, "status": "POSTED", "created_at": NOW}
    ImportBatch.objects.create(account=world.account, actor=world.alice, **fields)


def bring_account(world: World) -> None:
    fields = {"file_name": "b.zip", "size": 1, "sha256": "1" * 64, "status": "POSTED", "created_at": NOW}
    AccountImport.objects.create(user=world.alice, account=world.account, remarks=[{"code": "a", "detail": "b"}], **fields)


def allocate(world: World, n: int) -> None:
    allocation = TargetAllocation.objects.create(
        account=world.account, name=f"More {n}", in_force=False, created_at=NOW, updated_at=NOW
    )
    for instrument in (make_instrument(), make_instrument()):
        Target.objects.create(account=world.account, allocation=allocation, instrument=instrument, weight="0.1")


GROW: dict[str, Callable[[World, int], object]] = {
    "account-import-list": lambda world, n: acting(world, lambda: bring_account(world)),
    "account-list": lambda world, n: make_account(owner=world.alice, name=f"More {n}"),
    "member-list": lambda world, n: invite(world, world.account, f"more-{n}@example.com"),
    "invitation-list": lambda world, n: invite(world, make_account(owner=world.charlie), world.alice.email),
    "token-list": lambda world, n: acting(world, lambda: issue_token(user=world.alice, name=f"{n}", scopes=["read"], at=NOW)),
    "watchlist-list": lambda world, n: acting(
        world, lambda: create_watchlist(user=world.alice, name=f"{n}", instruments=[make_instrument(), make_instrument()], at=NOW)
    ),
    "notification-list": lambda world, n: acting(world, lambda: notify(user=world.alice, title=f"{n}", at=NOW)),
    "job-run-list": lambda world, n: JobRun.objects.using("system").create(
        account_id=world.account.pk, job_id=world.job.pk, due_at=NOW + timedelta(days=n + 1), leased_until=NOW
    ),
    "import-template-list": lambda world, n: acting(
        world, lambda: ImportTemplate.objects.create(user=world.alice, name=f"More {n}", created_at=NOW)
    ),
    "import-list": lambda world, n: acting(world, lambda: import_file(world)),
    "entry-list": lambda world, n: post(world.account, "BUY", instrument=make_instrument(), quantity="1", price="1"),
    "taxonomy-list": lambda world, n: acting(
        world, lambda: Taxonomy.objects.create(account=world.account, name=f"More {n}", created_at=NOW)
    ),
    "classification-list": lambda world, n: acting(
        world,
        lambda: Classification.objects.create(
            account=world.account, taxonomy=world.taxonomy, instrument=make_instrument(), category="Asia"
        ),
    ),
    "target-list": lambda world, n: acting(world, lambda: allocate(world, n)),
    "policy-list": lambda world, n: acting(
        world,
        lambda: Policy.objects.get_or_create(
            account=world.account, kind=PolicyKind.values[n % 5], defaults={"threshold": 1, "created_at": NOW}
        ),
    ),
    "strategy-list": lambda world, n: make_strategy(world.alice),
    "session-list": lambda world, n: make_session(world.account, strategy=make_strategy(world.alice)),
    "evaluation-list": lambda world, n: make_evaluation(world.account, make_instrument(), session=make_session(world.account)),
    "signal-list": lambda world, n: make_signal(world.account, make_instrument(), session=make_session(world.account)),
    "decision-list": lambda world, n: make_decision(world.account, make_instrument(), session=make_session(world.account)),
    "order-events": lambda world, n: move_order(world.order, Event(EventKind.SENT)),
    "decision-changes": lambda world, n: make_change(world.desk.decision),
    "order-list": lambda world, n: make_order(world.account, make_instrument(), session=make_session(world.account)),
    "fill-list": lambda world, n: make_fill(make_order(world.account, make_instrument())),
    "broker-connection-list": lambda world, n: make_connection(world.account, broker=f"broker {n}", enabled=False),
    "break-list": lambda world, n: make_break(world.account, instrument=make_instrument()),
    "webhook-list": lambda world, n: make_webhook(world.account),
    "delivery-list": lambda world, n: make_delivery(make_webhook(world.account)),
    "trade-record-list": lambda world, n: make_fill(make_order(world.account, make_instrument())),
    "journal-list": lambda world, n: make_fill(make_order(world.account, make_instrument(), session=make_session(world.account))),
    "backtest-list": lambda world, n: make_run(world.account, make_instrument(), strategy=make_strategy(world.alice)),
    "risk-event-list": lambda world, n: make_risk_event(world.account, instrument=make_instrument(), actor=make_user()),
    "position-list": trade,
    "lot-list": trade,
    "closure-list": trade,
    "action-proposal-list": lambda world, n: CorporateAction.objects.create(
        kind="CASH_DIVIDEND",
        instrument=world.instrument,
        ex_date="2020-01-06",
        label=f"{n}",
        cash=2,
        currency="USD",
        recorded_at=NOW,
    ),
    "missing-acquisition-list": lambda world, n: post(
        world.account, "SELL", instrument=make_instrument(), quantity="-1", price="1"
    ),
    "snapshot-list": lambda world, n: make_bars(world.instrument, [(f"2020-02-{n + 1:02}", "12")]),
    "instrument-list": lambda world, n: make_instrument(),
    "bar-list": lambda world, n: make_bars(world.instrument, [(f"2020-03-{n + 1:02}", "12")]),
    "quote-list": lambda world, n: make_quotes(world.instrument, [(LONG_AGO + timedelta(days=n), "1", "2")]),
    "quote-latest": lambda world, n: None,
    "tick-list": lambda world, n: make_ticks(world.instrument, [(LONG_AGO + timedelta(days=n), "1", "2")]),
    "tick-latest": lambda world, n: None,
    "fx-rate-list": lambda world, n: FxRate.objects.create(
        base=f"X{chr(65 + n)}{unique_symbol()[-1]}", quote="USD", date="2020-01-02", rate=1, recorded_at=NOW
    ),
    "corporate-action-list": lambda world, n: CorporateAction.objects.create(
        kind="SPIN_OFF", instrument=make_instrument(), other=make_instrument(), ex_date="2020-01-06", ratio=2, recorded_at=NOW
    ),
    "quality-issue-list": lambda world, n: QualityIssue.objects.create(
        rule="spread",
        severity="WARNING",
        dataset="quotes",
        source="test",
        record={},
        fingerprint=unique_symbol(),
        instrument=make_instrument(),
        found_at=NOW,
        last_found_at=NOW,
    ),
    "job-list": lambda world, n: None,
    "archive-segment-list": lambda world, n: make_segment(),
    "provider-list": lambda world, n: None,
    "stream-list": lambda world, n: StreamState.objects.create(provider=unique_symbol()),
}


def count(client, path: str, query: dict[str, str]) -> tuple[int, int]:
    """Return how many rows were answered and how many queries that took."""
    with ExitStack() as stack:
        captured = [stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in ("default", "system")]
        answer = client.get(path, {"limit": "1000"} | query)
    assert answer.status_code == 200, answer.content
    return len(answer.json()["results"]), sum(map(len, captured))


def test_every_list_is_counted():
    assert set(GROW) == set(LISTS)


@pytest.mark.parametrize("route", LISTS)
def test_many_rows_cost_no_more_queries(route):
    world = World()
    client, path = program(world.alice), address(world, route)
    query = QUERIES[route](world) if route in QUERIES else {}
    GROW[route](world, 0)
    count(client, path, query)  # what is derived, cached or noted once is not counted
    few = count(client, path, query)
    for n in range(1, 8):
        GROW[route](world, n)
    count(client, path, query)
    many = count(client, path, query)
    assert many[0] >= few[0]
    assert many[1] == few[1] <= DEARER.get(route, MOST), (few, many)


FIGURES = [
    "summary", "drift", "policy-checks", "performance", "trades-performance", "income", "rolling", "drawdowns", "monthly-returns",
    "contributions", "cost-basis", "report-realized", "report-income", "report-fees", "report-holdings", "report-activity",
    "report-performance", "household-summary", "household-positions", "household-performance", "household-snapshots",
]  # fmt: skip


def live(world: World, n: int) -> None:
    """Let the account trade an instrument more, earn from it, and hear that it will pay."""
    trade(world, n)
    instrument = make_instrument()
    make_bars(instrument, [("2020-01-02", "10"), ("2020-01-03", "11")])
    post(world.account, "DEPOSIT", cash="100")
    post(world.account, "BUY", instrument=instrument, quantity="3", price="10")
    post(world.account, "DIVIDEND", instrument=instrument, cash="2")
    post(world.account, "STAKING", instrument=instrument, quantity="1")
    CorporateAction.objects.create(
        kind="CASH_DIVIDEND", instrument=instrument, ex_date=day("2020-01-06").date(), cash=2, currency="USD", recorded_at=NOW
    )


def queries_of(client, path: str, query: dict[str, str]) -> int:
    """Return how many queries an answer took."""
    with ExitStack() as stack:
        captured = [stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in ("default", "system")]
        answer = client.get(path, query)
    assert answer.status_code == 200, answer.content
    return sum(map(len, captured))


@pytest.mark.parametrize(
    ("route", "past"),
    [(route, {}) for route in FIGURES]
    + [(route, {"as_of": "2020-01-03"}) for route in FIGURES if not route.startswith("report-") and route != "cost-basis"],
)
def test_figures_of_much_cost_no_more_queries_than_those_of_little(route, past):
    world = World()
    client, path = program(world.alice), address(world, route)
    query = (QUERIES[route](world) if route in QUERIES else {}) | past
    live(world, 0)
    queries_of(client, path, query)
    few = queries_of(client, path, query)
    for n in range(1, 6):
        live(world, n)
    queries_of(client, path, query)
    many = queries_of(client, path, query)
    assert many == few, (few, many)
