"""The table of the door for Alpaca's clients is complete, every route keeps to it, and nothing sent is a fault of ours."""

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.urls import URLPattern, reverse

from tests.access.alpaca_doors import BODIES, DOORS, PLACES, QUERIES, market_query
from tests.access.doors import PEOPLE
from tests.access.world import World
from tests.clients import make_token, nobody
from trading.api.alpaca.urls import urlpatterns

SCOPES = {"read", "trade", "manage"}
WHO = {"owner": "alice", "trader": "tom", "viewer": "bob", "operator": "operator", "stranger": "charlie"}
ROUTES: dict[str, URLPattern] = {str(pattern.name): pattern for pattern in urlpatterns if isinstance(pattern, URLPattern)}
ODD = ["NaN", "1e999999", "-1", "0", "", "x", "9" * 400, 1.5, -1, 10**18, True, [], {}, ["1"], "\u200b", "١٢"]
ODD_TIMES = [
    "now",
    "0001-01-01",
    "9999-12-31",
    "0001-01-01T00:00:00+15:59",
    "9999-12-31T23:59:59-15:59",
    "2024-02-30",
    "\0",
    "x" * 99,
]


def methods(pattern: URLPattern) -> set[str]:
    view = pattern.callback.view_class  # type: ignore[attr-defined]
    return {name for name in view.http_method_names if hasattr(view, name)} - {"options", "head"}


def caller(world: World, person: str) -> Any:
    if person == "nobody":
        return nobody()
    user = world.alice if person in SCOPES | {"limited"} else getattr(world, WHO[person])
    only = [world.second_account.pk] if person == "limited" else None
    secret = make_token(user, [person] if person in SCOPES else ["manage"], only).secret
    return nobody(HTTP_APCA_API_KEY_ID=str(world.account.pk), HTTP_APCA_API_SECRET_KEY=secret)


def address(world: World, route: str, **more: str) -> str:
    names = re.findall(r"<\w+:(\w+)>", str(ROUTES[route].pattern))
    path = reverse(route, kwargs={name: PLACES[name](world) for name in names})
    query = QUERIES[route](world) if route in QUERIES else market_query(world) if "/stocks" in path or "/crypto" in path else {}
    return f"{path}?{urlencode(query | more)}"


def knock(world: World, person: str, route: str, method: str) -> Any:
    body = BODIES[route, method](world) if (route, method) in BODIES else None
    return getattr(caller(world, person), method)(address(world, route), body, format="json" if method != "get" else None)


def test_every_route_and_method_is_in_the_table():
    known = [(route, method) for route, method, *_ in DOORS]
    assert len(known) == len(set(known))
    assert set(known) == {(name, method) for name, pattern in ROUTES.items() for method in methods(pattern)}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door[0]}-{door[1]}")
def test_each_person_gets_as_far_as_the_table_says(door):
    route, method, *expected = door
    world = World()
    heard = []
    for person in PEOPLE:
        answer = knock(world, person, route, method)
        heard.append(answer.status_code)
        if answer.status_code >= 400:
            assert set(answer.json()) == {"code", "message"}
        elif method != "get":
            world = World()  # the row was changed: the next person finds it as it was
    assert dict(zip(PEOPLE, heard, strict=True)) == dict(zip(PEOPLE, expected, strict=True))


class TestClosedAccounts:
    def test_are_read_and_take_no_orders(self):
        world = World()
        path, body = address(world, "alpaca-orders"), BODIES["alpaca-orders", "post"](world)
        order = address(world, "alpaca-order")
        owner = caller(world, "owner")
        world.close()
        assert owner.get(address(world, "alpaca-account")).json()["status"] == "ACCOUNT_CLOSED"
        assert owner.post(path, body, format="json").status_code == 403
        assert owner.delete(order).status_code == 204


class TestWhateverIsSent:
    @pytest.fixture(autouse=True)
    def often(self, settings):
        framework = settings.REST_FRAMEWORK
        rates = framework["DEFAULT_THROTTLE_RATES"] | {"caller": "1000000/min"}
        settings.REST_FRAMEWORK = framework | {"DEFAULT_THROTTLE_RATES": rates}

    @pytest.fixture(scope="class")
    def world(self) -> World:
        return World()

    @pytest.fixture(scope="class")
    def owner(self, world: World) -> Any:
        return caller(world, "owner")

    @pytest.mark.parametrize(
        "field", ["qty", "notional", "limit_price", "trail_price", "side", "type", "order_class", "take_profit", "symbol", "legs"]
    )
    def test_as_an_order_is_refused_or_taken(self, world, owner, field):
        body = BODIES["alpaca-orders", "post"](world)
        for odd in ODD:
            answer = owner.post(address(world, "alpaca-orders"), json.dumps(body | {field: odd}), content_type="application/json")
            assert answer.status_code in {200, 403, 422}, (odd, answer.content)

    @pytest.mark.parametrize("field", ["after", "until", "limit", "status", "nested", "symbols", "direction", "side"])
    def test_to_list_orders_is_refused_or_understood(self, world, owner, field):
        for odd in [*ODD_TIMES, *map(str, ODD)]:
            assert owner.get(address(world, "alpaca-orders", **{field: odd})).status_code in {200, 422}, odd

    @pytest.mark.parametrize(
        ("route", "field"),
        [
            *(("alpaca-activities", name) for name in ("after", "until", "date", "page_size", "page_token", "direction")),
            *(("alpaca-history", name) for name in ("start", "end", "date_end", "period", "timeframe", "cashflow_types")),
            *(("alpaca-history", name) for name in ("date_start", "intraday_reporting", "pnl_reset", "extended_hours")),
            *(("alpaca-orders", name) for name in ("after_order_id", "before_order_id", "asset_class")),
            *(("alpaca-option-contracts", name) for name in ("expiration_date", "strike_price_gte", "limit", "page_token")),
            *(("alpaca-announcements", name) for name in ("since", "until", "ca_types", "date_type", "symbol")),
            *(("alpaca-calendar", name) for name in ("start", "end")),
            *(("alpaca-assets", name) for name in ("status", "asset_class", "exchange", "attributes")),
        ],
    )
    def test_to_look_is_refused_or_understood(self, world, owner, route, field):
        for odd in [*ODD_TIMES, *map(str, ODD)]:
            assert owner.get(address(world, route, **{field: odd})).status_code in {200, 422}, odd

    @pytest.mark.parametrize("field", ["start", "end", "date_end", "period", "intraday_reporting", "pnl_reset"])
    def test_to_look_within_days_is_refused_or_understood(self, world, owner, field):
        for odd in [*ODD_TIMES, *map(str, ODD)]:
            for more in ({"timeframe": "1H"}, {"timeframe": "1H", "intraday_reporting": "continuous"}):
                path = address(world, "alpaca-history", **more | {field: odd})
                assert owner.get(path).status_code in {200, 422}, (odd, more)

    @pytest.mark.parametrize("field", ["symbols", "start", "end", "limit", "sort", "page_token", "timeframe"])
    def test_to_ask_for_crypto_is_refused_or_understood(self, world, owner, field):
        for odd in [*ODD_TIMES, *map(str, ODD)]:
            for kind in ("bars", "quotes"):
                assert owner.get(address(world, f"alpaca-crypto-{kind}", **{field: odd})).status_code in {200, 400}, odd

    def test_in_a_path_leads_nowhere(self, owner):
        for odd in ("%00", "x", "..%2f", "%F0%9F%98%80", "a" * 300):
            for path in ("orders", "positions", "assets", "watchlists"):
                assert owner.get(f"/alpaca/v2/{path}/{odd}").status_code == 404, (path, odd)
        assert owner.post("/alpaca/v2/orders", "{", content_type="application/json").json()["code"] == 40010000
        assert owner.put("/alpaca/v2/orders", {}, format="json").status_code == 405
