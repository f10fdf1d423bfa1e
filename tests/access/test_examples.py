"""The examples in the API's document: those of figures are asked for again, and all of them are what their schema says.

WRITE_EXAMPLES=1 python -m pytest tests/access/test_examples.py     writes what the product answers now
"""

import os
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import orjson
import pytest
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from accounts.domain.plans import TargetDraft
from accounts.models.tenancy import acting_as
from accounts.services.policies import create_policy
from accounts.services.targets import create_allocation
from accounts.services.trade_thresholds import set_thresholds
from config.document import EXAMPLES, document
from marketdata.models import CorporateAction
from tests.clients import browser
from tests.factories import make_account, make_bars, make_instrument, make_user, post, unique_symbol

ACCOUNT = "/api/v1/accounts/{account_id}/"
HOUSE = "/api/v1/household/"
QUARTER = {"start": "2024-01-01", "end": "2024-04-01"}
LAST = {"as_of": "2024-03-28"}
CASES: list[tuple[str, str, dict[str, str], dict[str, Any] | None]] = [
    ("The account at a glance", f"get {ACCOUNT}summary/", {}, None),
    ("What is held", f"get {ACCOUNT}positions/", {}, None),
    ("Why a position is what it is", f"get {ACCOUNT}positions/", {"explain": "1", "as_of": "2024-01-04"}, None),
    ("How far it is from its targets", f"get {ACCOUNT}drift/", {}, None),
    ("Why it is so far from them", f"get {ACCOUNT}drift/", {"explain": "1", "as_of": "2024-01-10"}, None),
    ("What would bring it nearer", f"post {ACCOUNT}rebalance/", {}, {"cash_only": True, "new_cash": "1000"}),
    ("Whether its bounds are kept", f"get {ACCOUNT}policy-checks/", {}, None),
    ("Open lots", f"get {ACCOUNT}lots/", {}, None),
    ("Why a lot is what it is", f"get {ACCOUNT}lots/", {"explain": "1", "as_of": "2024-03-01"}, None),
    ("What was sold", f"get {ACCOUNT}closures/", {}, None),
    ("The last days", f"get {ACCOUNT}snapshots/", {"date__gte": "2024-03-27"}, None),
    ("What another method would move", f"get {ACCOUNT}cost-basis/", {"method": "LIFO"}, None),
    ("Nothing is missing", f"get {ACCOUNT}missing-acquisitions/", {}, None),
    ("A quarter beside a benchmark", f"get {ACCOUNT}performance/", {**QUARTER, "risk_free": "0.02"}, None),
    ("What each position made", f"get {ACCOUNT}contributions/", QUARTER, None),
    ("Two weeks that move along", f"get {ACCOUNT}rolling/", {"window": "10", "figures": "twr,volatility,sharpe"} | QUARTER, None),
    ("The deepest two", f"get {ACCOUNT}drawdowns/", {"top": "2"}, None),
    ("Why it fell so deep", f"get {ACCOUNT}drawdowns/", {"explain": "1", "top": "1", "end": "2024-01-09"}, None),
    ("Month by month", f"get {ACCOUNT}monthly-returns/", {}, None),
    ("Received, and to be expected", f"get {ACCOUNT}income/", LAST, None),
    ("Why income is what it is", f"get {ACCOUNT}income/", {"explain": "1", **LAST}, None),
    ("The last trades", f"get {ACCOUNT}trades-performance/", {}, None),
    ("The bounds of trades", f"get {ACCOUNT}trade-thresholds/", {}, None),
    ("Set the bounds of trades", f"put {ACCOUNT}trade-thresholds/", {}, {"min_win_rate": "0.4", "max_consecutive_losses": 3}),
    ("Several accounts at a glance", f"get {HOUSE}summary/", {}, None),
    ("What several accounts hold", f"get {HOUSE}positions/", {}, None),
    ("How several accounts did", f"get {HOUSE}performance/", QUARTER, None),
]


class Showcase:
    """An account with two shares, a dividend, a sale and another sale at a loss over three months."""

    def __init__(self) -> None:
        self.owner = make_user("showcase")
        self.account = make_account(owner=self.owner, opened_on=date(2024, 1, 2))
        self.acme, self.fund, self.index = (make_instrument(symbol=unique_symbol(letter)) for letter in "KLM")
        days = [date(2024, 1, 2) + timedelta(n) for n in range(87)]
        days = [day for day in days if day.weekday() < 5]
        make_bars(self.acme, [(day, f"{100 + n // 3 + (n * 7) % 5 - n % 4}") for n, day in enumerate(days)])
        make_bars(self.fund, [(day, f"{50 + (n * 3) % 4 - n // 20}.5") for n, day in enumerate(days)])
        make_bars(self.index, [(day, f"{4000 + 9 * n - (n * 11) % 60}") for n, day in enumerate(days)])
        self.post("2024-01-02", "DEPOSIT", cash="10000")
        self.post("2024-01-02", "BUY", instrument=self.acme, quantity="40", price="100", fee="4")
        self.post("2024-01-10", "BUY", instrument=self.fund, quantity="60", price="50", fee="3")
        self.post("2024-02-01", "BUY", instrument=self.acme, quantity="10", price="108", fee="1")
        self.post("2024-02-15", "DIVIDEND", instrument=self.acme, cash="34", tax="6")
        self.post("2024-03-01", "SELL", instrument=self.acme, quantity="-20", price="115", fee="2")
        self.post("2024-03-04", "WITHDRAWAL", cash="-500")
        self.post("2024-03-08", "SELL", instrument=self.fund, quantity="-25", price="48.5", fee="2")
        CorporateAction.objects.using("owner").create(
            instrument=self.acme, kind="CASH_DIVIDEND", ex_date="2024-05-15", pay_date="2024-05-22", cash="1.1", currency="USD",
            recorded_at=datetime(2024, 3, 1, tzinfo=UTC),
        )  # fmt: skip
        with acting_as(self.owner.pk):
            set_thresholds(account=self.account, changes={"min_win_rate": Decimal("0.6"), "window": 10}, anew=True)
            weights = ((self.acme, "0.5"), (self.fund, "0.4"))
            targets = [TargetDraft(Decimal(weight), instrument_id=one.pk, label=one.key) for one, weight in weights]
            create_allocation(account=self.account, name="Half and less", targets=targets, at=datetime(2024, 1, 2, tzinfo=UTC))
            create_policy(account=self.account, kind="POSITION", threshold=Decimal("0.4"), at=datetime(2024, 1, 2, tzinfo=UTC))

    def post(self, day: str, kind: str, **fields: Any) -> None:
        post(self.account, kind, occurred_at=datetime.fromisoformat(day).replace(hour=15, tzinfo=UTC), **fields)

    def ask(self, summary: str, operation: str, query: dict[str, str], body: dict[str, Any] | None) -> dict[str, Any]:
        """Return the example that a case makes: what is asked, and the answer with names that stay."""
        method, path = operation.split(" ")
        asked = query | ({"benchmark": self.index.key} if "benchmark" in summary else {})
        url = path.replace("{account_id}", str(self.account.pk))
        client = browser(self.owner)
        response = client.get(url, asked) if method == "get" else getattr(client, method)(url, body, format="json")
        assert response.status_code == 200, response.content
        named = self.with_names_that_stay({"query": asked, "answer": response.json()})
        return {"summary": summary, "method": method, "path": path, "status": 200, "body": body} | named

    def with_names_that_stay(self, told: Any) -> Any:
        """Return JSON with the symbols and ids of this run replaced."""
        text = orjson.dumps(told).decode()
        for instrument, name in ((self.acme, "ACME"), (self.fund, "FUND"), (self.index, "INDEX")):
            text = text.replace(instrument.symbol, name)
        number, ids = count(1), {str(self.account.pk): "01890a5d-ac96-774b-bcce-000000000000"}
        for found in re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", text):
            ids.setdefault(found, f"01890a5d-ac96-774b-bcce-{next(number):012}")
        for found, stays in ids.items():
            text = text.replace(found, stays)
        return orjson.loads(text)


def shown() -> list[tuple[str, dict[str, Any], Any]]:
    """Return the examples of the document: where each is, its schema and its value."""
    found = []
    for path, operations in orjson.loads(document())["paths"].items():
        for method, operation in operations.items():
            bodies = {"request": operation.get("requestBody", {})} | operation.get("responses", {})
            for which, body in bodies.items():
                for content in body.get("content", {}).values():
                    for name, example in content.get("examples", {}).items():
                        found.append((f"{method} {path} {which} {name}", content["schema"], example["value"]))
    return found


@pytest.fixture(scope="module")
def answers(django_db_setup, django_db_blocker):
    """Return what the product answers to each case, by its summary."""
    with django_db_blocker.unblock():
        showcase = Showcase()
        found = [showcase.ask(*case) for case in CASES]
    if os.environ.get("WRITE_EXAMPLES"):
        EXAMPLES.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
        document.cache_clear()
    return {one["summary"]: one for one in found}


@pytest.mark.parametrize("summary", [case[0] for case in CASES])
def test_an_example_is_what_the_product_answers(summary, answers):
    known = {one["summary"]: one for one in orjson.loads(EXAMPLES.read_bytes())}
    assert known[summary] == answers[summary]
    assert len(known) == len(CASES)


def test_every_example_is_what_its_schema_says(answers):
    whole = orjson.loads(document())
    registry: Registry[Any] = Registry().with_resource("", Resource(whole, DRAFT4))
    examples = shown()
    assert len(examples) >= len(CASES)
    for name, schema, value in examples:
        problems = list(
            OAS30Validator(
                schema, registry=registry, format_checker=oas30_format_checker, _resolver=registry.resolver()
            ).iter_errors(value)
        )
        assert not problems, (name, problems[0].message, list(problems[0].path))
