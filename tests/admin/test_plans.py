"""What the lists of big tables ask the database, and how it would answer: never by reading or sorting all of a table.

Run on tables that are big enough to show it, with their own statistics and no other hint than the page gives: every row that a
step looks at counts, those that it throws away as well.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.ledger import post_entries
from marketdata.models import Bar, QualityIssue, Quote, Tick
from tests.admin.world import looks, to
from tests.factories import LONG_AGO, draft, make_account, make_instrument, make_user

NOBODY = "019342c8-7d55-7b3a-8f5e-6f1c6f4f2a11"  # the key of no instrument
ROWS = 200_000
CAP = 10_000  # rows that a list counts, and looks at, at most
MANY = 2_000  # rows that are sorted at most
OTHERS = 100_000  # rows of others before and behind
RARE = (
    ("'1m'", "'1h'"),
    ("interval '1 minute'", "interval '1 hour'"),
    ("'WARNING', 'bars'", "'INFO', 'ticks'"),
    ("place * interval '30 seconds'", "place * interval '15 seconds'"),
)
DAYS = (date(2024, 3, 4), date(2024, 3, 5))
FILL = {
    Bar: """
        INSERT INTO marketdata_bar (instrument_id, timeframe, timestamp, open, high, low, close, volume, recorded_at)
        SELECT id, '1m', timestamptz '2020-01-01 00:00+00' + place * interval '1 minute', 10, 12, 9, 11, 100, now()
        FROM unnest(%(ids)s::uuid[]) AS id, generate_series(1, %(each)s) AS place
    """,
    Quote: """
        INSERT INTO marketdata_quote (instrument_id, timestamp, bid, ask, recorded_at)
        SELECT id, day + place * interval '30 seconds', 10, 11, now()
        FROM unnest(%(ids)s::uuid[]) AS id, generate_series(1, %(each)s / 2) AS place, unnest(%(days)s::timestamptz[]) AS day
    """,
    Tick: """
        INSERT INTO marketdata_tick (instrument_id, timestamp, price, size, recorded_at)
        SELECT id, day + place * interval '30 seconds', 10, 11, now()
        FROM unnest(%(ids)s::uuid[]) AS id, generate_series(1, %(each)s / 2) AS place, unnest(%(days)s::timestamptz[]) AS day
    """,
    QualityIssue: """
        INSERT INTO marketdata_qualityissue (rule, severity, dataset, source, instrument_id, record, field, value, detail,
                                             fingerprint, times, found_at, last_found_at, resolved_at, resolved_by, resolution)
        SELECT 'no_jump', 'WARNING', 'bars', 'test', id, '{}', 'close', '1', '', md5(random()::text || place) || md5(id::text),
               1, now(), now(), CASE WHEN place > 10 THEN now() END, '', ''
        FROM unnest(%(ids)s::uuid[]) AS id, generate_series(1, %(each)s / 4) AS place
    """,
}
TABLES = ("marketdata_bar", "marketdata_quote", "marketdata_tick", "marketdata_qualityissue", "accounts_ledgerentry")


def fill_with_others():
    """Add rows that no filter of these tests asks for, on every day and of every kind."""
    values = {
        "ids": [make_instrument().pk for _ in range(20)],
        "each": OTHERS // 20,
        "days": [datetime(*day.timetuple()[:3], tzinfo=UTC) for day in DAYS],
    }
    with connection.cursor() as cursor:
        for dataset in ("quotes", "ticks"):
            for day in DAYS:
                cursor.execute("SELECT marketdata_add_day(%s, %s)", [dataset, day])
        for statement in FILL.values():
            for common, rare in RARE:
                statement = statement.replace(common, rare)  # noqa: PLW2901
            cursor.execute(statement, values)


@pytest.fixture(scope="module")
def instruments():
    """Return forty instruments that share 200,000 rows of every kind, and one that has hardly any.

    Rows of others were there before, and more come after: whoever reads a table from one of its ends meets those first.
    """
    fill_with_others()
    many = [make_instrument() for _ in range(40)]
    values = {
        "ids": [each.pk for each in many],
        "each": ROWS // 40,
        "days": [datetime(*day.timetuple()[:3], tzinfo=UTC) for day in DAYS],
    }
    with connection.cursor() as cursor:
        for statement in FILL.values():
            cursor.execute(statement, values)
    fill_with_others()
    few = make_instrument()
    Bar.objects.create(
        instrument=few,
        timeframe="1d",
        timestamp=datetime(2020, 1, 1, tzinfo=UTC),
        open=1,
        high=1,
        low=1,
        close=1,
        recorded_at=LONG_AGO,
    )
    return many[0], few


@pytest.fixture(scope="module")
def alice(instruments):
    """Return Alice, whose ledger has ten thousand entries."""
    alice = make_user("alice")
    for person, batches in ((make_user("bob"), 25), (alice, 10), (make_user("charlie"), 25)):
        account = make_account(owner=person)
        with acting_as(person.pk):
            for batch in range(batches):
                drafts = [
                    draft("DEPOSIT", cash="1", source="test", external_id=f"{batch}-{number}-{uuid4()}") for number in range(1000)
                ]
                post_entries(account=account, drafts=drafts, actor=person)
    with connections["owner"].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ANALYZE {table}")
    return alice


def visits(model, instruments, alice) -> Iterator[str]:
    """Yield the queries of a list's address: unfiltered, a later page, a search, and each filter alone and together."""
    yield from ("", "p=3", "q=NOSUCH", f"q={instruments[0].symbol}", f"q={instruments[1].symbol}")
    chosen = [f"instrument__id__exact={each.pk}" for each in instruments]
    yield from chosen
    if model is Bar:
        for timeframe in ("1m", "1d", "5m"):
            yield f"timeframe__exact={timeframe}"
            yield from (f"{each}&timeframe__exact={timeframe}" for each in chosen)
    if model is QualityIssue:
        for one in ("state=open", "state=resolved", "severity__exact=WARNING", "severity__exact=ERROR", "dataset__exact=bars"):
            yield one
            yield from (f"{each}&{one}" for each in chosen)
    if model is LedgerEntry:
        account = alice.owned_accounts.first() if hasattr(alice, "owned_accounts") else None
        yield from (f"account__id__exact={account.pk}",) if account else ()
        yield from ("kind__exact=DEPOSIT", "kind__exact=BUY")


def nodes(plan):
    """Yield every step of a plan."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def run(sql: str, person, *, after: str = "") -> dict:
    """Run a query as a person, after what was said before it, and return the plan with what became of it."""
    with acting_as(person.pk), connection.cursor() as cursor:
        if after:
            cursor.execute(after)
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql.replace('%', '%%')}")
        plan = cursor.fetchone()[0]
    return (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]


def faults(plan) -> list[str]:
    """Return what a plan does that takes longer the bigger the table is."""
    found = []
    for step in nodes(plan):
        removed = step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Join Filter", 0)
        seen = (step["Actual Rows"] + removed) * step["Actual Loops"]
        table = step.get("Relation Name", "")
        if table.startswith(TABLES) and seen > 2 * CAP:
            found.append(f"{step['Node Type']} reads {seen:.0f} rows of {table}")
        ours = any(below.get("Relation Name", "").startswith(TABLES) for below in nodes(step))  # else it is one they point to
        if step["Node Type"] in {"Sort", "Hash"} and seen > MANY and ours:
            found.append(f"{step['Node Type']} of {seen:.0f} rows")
    return found


def questions(queries, model) -> Iterator[tuple[str, str]]:
    """Yield what a page asked of a table, each question with what it had told the planner before."""
    said = ""
    for each in queries:
        if each["sql"].startswith("SET LOCAL enable_"):
            said = each["sql"]
        elif re.match(r"SELECT\b", each["sql"]) and model._meta.db_table in each["sql"]:
            yield said, each["sql"]


@pytest.mark.parametrize("model", [Bar, Quote, Tick, QualityIssue, LedgerEntry], ids=lambda model: model._meta.label)
def test_lists_never_read_sort_or_count_all_of_a_big_table(model, instruments, alice):
    client = looks(alice)
    slow = {}
    for query in visits(model, instruments, alice):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"{to(model, 'changelist')}?{query}").status_code == 200, query
        asked = list(questions(queries, model))
        assert asked or "NOSUCH" in query
        for said, sql in asked:
            assert "COUNT(*)" not in sql or "LIMIT 10000" in sql, sql
            if wrong := faults(run(sql, alice, after=said)):
                slow[query, "count" if "COUNT" in sql else "rows"] = wrong
    assert slow == {}


@pytest.mark.parametrize("model", [Quote, Tick], ids=lambda model: model._meta.label)
def test_a_row_of_a_day_is_found_by_its_real_key(model, instruments, alice):
    row = model.objects.filter(instrument=instruments[0]).order_by("timestamp").first()
    with CaptureQueriesContext(connection) as queries:
        assert looks(alice).get(to(model, "change", row.pk)).status_code == 200
    (sql,) = [each["sql"] for each in queries if f'FROM "{model._meta.db_table}"' in each["sql"]]
    steps = list(nodes(run(sql, alice)))
    assert faults(steps[0]) == []
    assert sum(step.get("Relation Name", "").startswith(TABLES) for step in steps) == 1  # of all days, one is looked at


@pytest.mark.parametrize("model", [Quote, Tick], ids=lambda model: model._meta.label)
@pytest.mark.parametrize("key", ["x", "~", f"{NOBODY}~soon", f"{NOBODY}~1", f"{NOBODY}~1~NaN~1", f"{NOBODY}~1~1~1", "1~2~3~4~5"])
def test_a_key_that_is_none_leads_back_to_the_start(model, key, alice):
    assert looks(alice).get(to(model, "change", key)).status_code == 302
