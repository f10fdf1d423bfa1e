"""Whatever is sent to any route, by either of two people: never a fault of ours, and the answer is as documented."""

import os
import re
from itertools import cycle

import orjson
import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.document import document
from tests.access.doors import DOORS, OBJECTS
from tests.access.test_doors import ROUTES
from tests.access.world import World
from tests.clients import make_token

SEED = int(os.environ.get("SCHEMATHESIS_SEED", "20240506"))
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "15"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [(route, method) for route, method, *_ in DOORS if route not in {"schema", "docs"}]


@pytest.fixture(scope="module")
def api():
    """Return the document, with the site it speaks of in this process."""
    api = schemathesis.openapi.from_dict(orjson.loads(document()))
    api.app = get_wsgi_application()
    return api


def template(route: str) -> str:
    """Return the path of a route as the document writes it."""
    path = re.sub(r"\(\?P<(\w+)>.*?\)(?=/)|<\w+:(\w+)>", lambda found: f"{{{found[1] or found[2]}}}", ROUTES[route][0])
    return "/" + path.replace("^", "").replace("$", "").replace("{pk}", "{id}")


@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_no_input_is_a_fault_of_ours(api, route, method):
    world = World()
    world.alice.is_staff = True  # so that she gets as far as the writes of market data
    world.alice.save()
    named = (OBJECTS[route](world) if route in OBJECTS else {}) | {"account_id": world.account.pk}
    there = {name.replace("pk", "id"): str(value) for name, value in named.items()}
    operation = api[template(route)][method.upper()]
    alice, charlie = (make_token(person).secret for person in (world.alice, world.charlie))
    callers = cycle([alice, alice, charlie])
    modes = (GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    row = {name: value for name, value in there.items() if f"{{{name}}}" in operation.path}

    @seed(SEED)
    @settings(max_examples=EXAMPLES, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.one_of(*(operation.as_strategy(mode, path_parameters=row) for mode in modes), operation.as_strategy()))
    def knock(case) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {next(callers)}"}, checks=CHECKS)

    print(f"seed {SEED}, {EXAMPLES} examples")  # noqa: T201
    knock()
