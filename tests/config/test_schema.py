"""The OpenAPI document says what the API does."""

import pytest
from django.core.management import call_command

from config.document import document
from tests.clients import browser, nobody

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def api() -> dict:
    """Return the document as everybody gets it."""
    response = nobody().get("/api/schema/")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    return response.json()


def operations(api):
    return [(path, method, one) for path, item in api["paths"].items() for method, one in item.items() if method in METHODS]


class TestDocument:
    def test_it_is_valid_and_nothing_in_it_is_guessed(self, tmp_path):
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "openapi.yaml"))

    def test_it_is_made_once(self):
        assert document() is document()

    def test_every_operation_says_how_it_refuses(self, api):
        for path, method, one in operations(api):
            missing = {"400", "429"} - set(one["responses"])
            missing |= {"404"} - set(one["responses"]) if "{" in path else set()
            missing |= {"409"} - set(one["responses"]) if method != "get" else set()
            missing |= {"401"} - set(one["responses"])  # the login's is a wrong password
            assert not missing, (path, method)

    def test_refusals_have_one_shape(self, api):
        shape = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for path, method, one in operations(api):
            for status, answer in one["responses"].items():
                if status >= "400":
                    assert answer["content"] == shape, (path, method)

    def test_every_operation_but_the_login_asks_who_calls(self, api):
        open_doors = [path for path, _, one in operations(api) if not one.get("security")]
        assert open_doors == ["/api/v1/auth/token/"]
        assert set(api["components"]["securitySchemes"]) == {"token", "session"}

    def test_every_post_may_be_retried_under_a_key(self, api):
        for path, method, one in operations(api):
            names = {parameter["name"] for parameter in one.get("parameters", [])}
            assert ("Idempotency-Key" in names) == (method == "post"), path

    def test_every_list_is_paged_alike(self, api):
        paged = [
            one for _, _, one in operations(api) if any(parameter["name"] == "cursor" for parameter in one.get("parameters", []))
        ]
        assert len(paged) >= 15
        for one in paged:
            reference = one["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            properties = set(api["components"]["schemas"][reference]["properties"])
            assert properties - {"currency", "missing", "reasons"} == {"results", "next", "previous"}, reference

    def test_every_operation_is_described(self, api):
        assert not [(path, method) for path, method, one in operations(api) if not one.get("description")]


class TestSwagger:
    def test_the_page_loads_nothing_from_elsewhere(self):
        page = nobody().get("/api/docs/", HTTP_ACCEPT="text/html")
        assert page.status_code == 200
        text = page.content.decode()
        assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in text
        assert "https://" not in text
        assert "cdn" not in text


def test_the_root_leads_to_the_admin(alice):
    response = browser(alice).get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
