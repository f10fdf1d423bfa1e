"""Every page of the admin, as everybody: who gets it, what it shows of others, what it believes, what it costs."""

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.models import (
    Account,
    AccountImport,
    ApiToken,
    Classification,
    ImportBatch,
    ImportTemplate,
    InstrumentAnswer,
    Job,
    LedgerEntry,
    Membership,
    Policy,
    TargetAllocation,
    Taxonomy,
    TradeThresholds,
    User,
    Watchlist,
)
from accounts.models.tenancy import acting_as
from config.unfold import NAVIGATION
from marketdata.models import CorporateAction, Instrument, ProviderHealth, ProviderState, StreamState
from tests.admin.world import HOSTILE, SHARED, AdminWorld, looks, pages, to
from tests.clients import nobody
from trading.models import BrokerConnection, Session, Trade, Webhook

MODELS = sorted(pages(), key=lambda model: model._meta.label)
PRIVATE = [model for model in MODELS if model not in SHARED]
MOST_QUERIES = 14
EVERYBODY = {"alice", "tom", "bob", "charlie", "operator"}
OPERATORS_ALONE = {ProviderHealth, ProviderState, StreamState}
PLANS = (TargetAllocation, Taxonomy, Classification)
# who may add, who may change Alice's record; everybody else may not
ADDS = {
    Account: EVERYBODY,
    AccountImport: EVERYBODY,
    ApiToken: EVERYBODY,
    Watchlist: EVERYBODY,
    ImportBatch: {"alice", "tom", "charlie"},  # Charlie, in the account of his own
    LedgerEntry: {"alice", "tom", "charlie"},
    Membership: {"alice", "charlie"},
    Session: {"alice", "tom", "charlie"},
    **dict.fromkeys(PLANS, frozenset({"alice", "tom", "charlie"})),
    Policy: {"alice", "charlie"},
    TradeThresholds: {"alice", "charlie"},
    BrokerConnection: {"alice", "charlie"},
    Webhook: {"alice", "charlie"},
    CorporateAction: {"operator"},
    Instrument: {"operator"},
    User: {"operator"},
}
CHANGES = {
    Account: {"alice"},
    ImportTemplate: {"alice"},
    Job: {"alice"},
    Membership: {"alice"},
    Trade: {"alice", "tom"},
    **dict.fromkeys(PLANS, frozenset({"alice", "tom"})),
    Policy: {"alice"},
    TradeThresholds: {"alice"},
    Webhook: {"alice"},
    Watchlist: {"alice"},
    CorporateAction: {"operator"},
    Instrument: {"operator"},
    User: {"alice", "operator"},
}


@pytest.fixture(scope="module")
def world():
    return AdminWorld()


@pytest.fixture(scope="module")
def clients(world):
    return {name: looks(person) for name, person in world.people().items()}


def named(model) -> str:
    return model._meta.label


def own(world, model) -> set[str]:
    """Return who sees Alice's record of a kind."""
    if model in OPERATORS_ALONE:
        return {"operator"}
    if model in SHARED:
        return EVERYBODY
    if model is User:
        return {"alice", "operator"}
    alone = (
        model in {AccountImport, ApiToken, ImportTemplate, InstrumentAnswer, Watchlist}
        or model._meta.model_name == "notification"
    )
    return {"alice"} if alone else {"alice", "tom", "bob"}


class TestEveryRecord:
    def test_has_a_page(self, world):
        assert set(world.records) == set(MODELS)

    def test_is_led_to_by_the_navigation(self):
        led_to = {str(item["link"]) for group in NAVIGATION for item in group["items"]}
        assert {model.__name__ for model in pages() if to(model, "changelist") not in led_to} == set()

    @pytest.mark.parametrize("model", MODELS, ids=named)
    def test_is_listed_for_those_who_may_see_it_alone(self, model, world, clients):
        record, marks = world.records[model], to(model, "change", world.records[model].pk)
        filters = f"?instrument__id__exact={world.instrument.pk}" if hasattr(record, "instrument_id") else ""
        for name, client in clients.items():
            answer = client.get(to(model, "changelist") + filters)
            if model in OPERATORS_ALONE and name != "operator":
                assert answer.status_code == 403, name
                continue
            assert answer.status_code == 200, name
            if model not in SHARED:
                assert (marks in answer.content.decode()) is (name in own(world, model)), name

    @pytest.mark.parametrize("model", MODELS, ids=named)
    def test_opens_for_those_who_may_see_it_alone(self, model, world, clients):
        for name, client in clients.items():
            answer = client.get(to(model, "change", world.records[model].pk))
            if name in own(world, model):
                assert answer.status_code == 200, name
                can_save = b'name="_save"' in answer.content
                assert can_save is (name in CHANGES.get(model, ())), name
            elif model in OPERATORS_ALONE:
                assert answer.status_code == 403, name
            else:  # as if it had never been
                assert answer.status_code == 302, name
                page = client.get(answer["Location"]).content.decode()
                assert str(world.records[model].pk) in page
                assert name in {"tom", "bob"} or "Alice" not in page  # who shares the account knows its name

    @pytest.mark.parametrize("model", MODELS, ids=named)
    def test_is_added_by_those_who_may_alone(self, model, clients):
        for name, client in clients.items():
            expected = 200 if name in ADDS.get(model, ()) else 403
            assert client.get(to(model, "add")).status_code == expected, name

    @pytest.mark.parametrize("model", MODELS, ids=named)
    def test_asks_strangers_to_log_in(self, model, world):
        for page, *pk in (["changelist"], ["add"], ["change", world.records[model].pk], ["delete", world.records[model].pk]):
            answer = nobody().get(to(model, page, *pk))
            assert answer.status_code == 302
            assert answer["Location"].startswith("/admin/login/")

    @pytest.mark.parametrize("model", MODELS, ids=named)
    def test_is_deleted_by_nobody_but_whose_alone_it_is(self, model, world, clients):
        for name, client in clients.items():
            answer = client.get(to(model, "delete", world.records[model].pk))
            deletable = (
                model._meta.model_name in {"watchlist", "notification", "importtemplate", "instrumentanswer"} and name == "alice"
            )
            deletable |= model is CorporateAction and name == "operator"
            deletable |= model in {*PLANS, Policy} and name in CHANGES[model]
            assert answer.status_code == (
                200 if deletable else 302 if name not in own(world, model) and not refused(answer) else 403
            ), name

    @pytest.mark.parametrize("model", MODELS, ids=named)
    def test_is_shown_as_text_whatever_it_says(self, model, world, clients):
        for name in own(world, model):
            for page in (to(model, "changelist"), to(model, "change", world.records[model].pk)):
                content = clients[name].get(page).content.decode()
                for text in HOSTILE:
                    if "<" in text:
                        assert text not in content, (page, text)
                assert not re.search(r'href="\s*javascript:', content)

    @pytest.mark.parametrize("model", MODELS, ids=named)
    def test_is_listed_with_few_queries_that_count_no_further_than_they_page(self, model, clients):
        client = clients["operator" if model in OPERATORS_ALONE else "alice"]
        with CaptureQueriesContext(connection) as queries:
            assert client.get(to(model, "changelist")).status_code == 200
        derived = 2 if model is Trade else 0  # from fills, which are matched before those of the page are read, and splits
        assert len(queries) <= MOST_QUERIES + derived, "\n".join(query["sql"] for query in queries)
        counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
        assert counts
        assert all("LIMIT 10000" in sql for sql in counts)

    @pytest.mark.parametrize("model", MODELS, ids=named)
    def test_is_listed_in_an_order_that_an_index_gives(self, model, world, clients):
        who = "operator" if model in OPERATORS_ALONE else "alice"
        with CaptureQueriesContext(connection) as queries:
            clients[who].get(to(model, "changelist"))
        (listing,) = (sql for query in queries if is_listing(sql := query["sql"], model._meta.db_table))
        with acting_as(world.people()[who].pk), connection.cursor() as cursor:
            for way in ("sort", "incremental_sort", "seqscan", "bitmapscan", "hashjoin", "mergejoin"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
            cursor.execute(f"EXPLAIN (COSTS OFF) {listing}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert not re.search(r"^\s*(->\s*)?(Incremental )?Sort$", plan, re.MULTILINE), plan


class TestTheGate:
    @pytest.mark.parametrize("model", PRIVATE, ids=named)
    def test_holds_without_row_level_security(self, model, world):
        record, model_admin = world.records[model], admin.site._registry[model]
        for name, person in world.people().items():
            request = RequestFactory().get("/")
            request.user = person
            with acting_as(person.pk):
                found = model_admin.get_queryset(request).using("system").filter(pk=record.pk).exists()
            assert found is (name in own(world, model)), name


def is_listing(sql: str, table: str) -> bool:
    """Say whether a query reads the rows of a list."""
    return re.match(rf'SELECT "{table}"\..* FROM "{table}".* ORDER BY [^)]*$', sql) is not None


def refused(answer) -> bool:
    return answer.status_code == 403


class TestEveryPage:
    def test_belongs_to_our_site(self):
        assert type(admin.site).__name__ == "DefaultAdminSite"
        assert admin.site.site_url is not None

    @pytest.mark.parametrize("name", sorted(EVERYBODY))
    def test_of_an_app_opens(self, name, clients):
        for label in ("accounts", "marketdata", "portfolio"):
            assert clients[name].get(f"/admin/{label}/").status_code == 200

    def test_loads_nothing_from_elsewhere(self, world, clients):
        for page in ("/admin/", to(LedgerEntry, "changelist"), to(LedgerEntry, "add"), "/admin/login/"):
            content = clients["alice"].get(page).content.decode()
            assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', content) == []
