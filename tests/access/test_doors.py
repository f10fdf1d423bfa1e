"""The table of doors is complete, and every door keeps to it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, get_resolver, reverse
from rest_framework.test import APIClient

from tests.access.doors import BODIES, DOORS, OBJECTS, PEOPLE, QUERIES
from tests.access.world import World
from tests.clients import browser, nobody, program

MISSING = "01900000-0000-7000-8000-000000000000"
SAFE = {"get"}


def routes(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern.url_patterns, path)
        elif path.startswith("api/"):
            yield path, pattern


def methods(pattern: URLPattern) -> set[str]:
    actions = getattr(pattern.callback, "actions", None)
    view = getattr(pattern.callback, "view_class", None)
    return set(actions or [name for name in view.http_method_names if hasattr(view, name)]) - {"options", "head"}


ROUTES = {pattern.name: (path, pattern) for path, pattern in routes(get_resolver().url_patterns)}


def address(world: World, route: str) -> str:
    kwargs = OBJECTS[route](world) if route in OBJECTS else {}
    if "account_id" in ROUTES[route][0]:
        kwargs = {"account_id": world.account.pk} | kwargs
    return reverse(route, kwargs=kwargs)


def client(world: World, person: str) -> APIClient:
    match person:
        case "nobody":
            return nobody()
        case "read" | "trade" | "manage":
            return program(world.alice, [person])
        case "limited":
            return program(world.alice, ["manage"], [world.second_account.pk])
    who = {"owner": "alice", "trader": "tom", "viewer": "bob", "operator": "operator", "stranger": "charlie"}
    return browser(getattr(world, who[person]))


def knock(world: World, person: str, route: str, method: str, path: str | None = None) -> Any:
    door = path or address(world, route)
    if method in SAFE:
        return client(world, person).get(door, QUERIES[route](world) if route in QUERIES else {})
    body = BODIES[route, method](world) if (route, method) in BODIES else {}
    form = "multipart" if any(hasattr(value, "read") for value in body.values()) else "json"
    return getattr(client(world, person), method)(door, body, format=form)


def test_every_route_and_method_is_in_the_table():
    known = [(route, method) for route, method, *_ in DOORS]
    assert len(known) == len(set(known))
    assert set(known) == {(name, method) for name, (_, pattern) in ROUTES.items() for method in methods(pattern)}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door[0]}-{door[1]}")
def test_each_person_gets_as_far_as_the_table_says(door):
    route, method, *expected = door
    world = World()
    heard = []
    for person in PEOPLE:
        answer = knock(world, person, route, method)
        heard.append(answer.status_code)
        if answer.status_code < 300 and method not in SAFE and (route in OBJECTS or route == "account-detail"):
            world = World()  # the row was changed: the next person finds it as it was
    assert dict(zip(PEOPLE, heard, strict=True)) == dict(zip(PEOPLE, expected, strict=True))


BEHIND_THE_GATE = [(route, method) for route, method, *_ in DOORS if "account_id" in ROUTES[route][0]]
OWN = [
    (route, method)
    for route, method, *heard in DOORS
    if route in OBJECTS and heard[4] == 404 and (route, method) not in BEHIND_THE_GATE
]

LISTS = sorted(route for route, method, *_ in DOORS if route.endswith("-list") and method == "get" and route not in OBJECTS)


def body_of(answer: Any) -> dict[str, Any]:
    return json.loads(answer.content) | {"request_id": ""}


class TestNothingLeaks:
    @pytest.fixture(scope="class")
    def world(self) -> World:
        return World()

    @pytest.mark.parametrize(("route", "method"), BEHIND_THE_GATE)
    def test_a_foreign_account_is_like_one_that_never_was(self, world, route, method):
        foreign = knock(world, "stranger", route, method)
        path = address(world, route).replace(str(world.account.pk), MISSING)
        missing = knock(world, "stranger", route, method, path)
        assert foreign.status_code == missing.status_code == 404
        assert body_of(foreign) == body_of(missing)
        kept = [dict(answer.headers) for answer in (foreign, missing)]
        for headers in kept:
            headers.pop("X-Request-ID")
            headers.pop("ETag", None)
        assert kept[0] == kept[1]

    @pytest.mark.parametrize(("route", "method"), OWN)
    def test_a_foreign_row_is_like_one_that_never_was(self, world, route, method):
        """Charlie asks in his own account for rows of Alice's."""
        mine = str(world.theirs.pk)
        path = address(world, route).replace(str(world.account.pk), mine)
        foreign = knock(world, "stranger", route, method, path)
        pk = next(value for key, value in OBJECTS[route](world).items())
        missing = knock(world, "stranger", route, method, path.replace(str(pk), MISSING))
        assert foreign.status_code == missing.status_code == 404
        assert body_of(foreign) == body_of(missing)

    @pytest.mark.parametrize(
        "wrong", ["x", "1", "%00", "..", MISSING.upper(), MISSING[:-1], f"{{{MISSING}}}", MISSING.replace("-", "")]
    )
    @pytest.mark.parametrize("route", sorted({route for route, _ in BEHIND_THE_GATE}))
    def test_an_id_that_is_none_is_not_there(self, world, route, wrong):
        path = address(world, route).replace(str(world.account.pk), wrong)
        answer = browser(world.alice).get(path)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"

    @pytest.mark.parametrize(("route", "method"), BEHIND_THE_GATE)
    def test_whoever_was_removed_is_a_stranger_at_once(self, route, method):
        world = World()
        gone = browser(world.bob)
        path = address(world, "member-detail").replace(str(world.membership(world.tom).pk), str(world.membership(world.bob).pk))
        assert browser(world.alice).delete(path).status_code == 204
        assert getattr(gone, method)(address(world, route), QUERIES[route](world) if route in QUERIES else {}).status_code == 404

    def test_somebody_invited_is_a_stranger_until_they_accept(self, world):
        invited = browser(world.alice).post(address(world, "member-list"), {"email": world.charlie.email, "role": "OWNER"})
        assert invited.status_code == 201
        assert browser(world.charlie).get(address(world, "account-detail")).status_code == 404
        browser(world.alice).delete(f"{address(world, 'member-list')}{invited.json()['id']}/")

    @pytest.mark.parametrize("route", LISTS)
    def test_no_list_holds_a_foreign_row(self, world, route):
        """What Charlie is shown names nothing of Alice's."""
        path = address(world, route).replace(str(world.account.pk), str(world.theirs.pk))
        shown = browser(world.charlie).get(path, QUERIES[route](world) if route in QUERIES else {})
        assert shown.status_code == 200
        secrets = [
            world.account.pk,
            world.alice.pk,
            world.tom.email,
            world.bob.email,
            world.token.pk,
            world.watchlist.pk,
            world.notification.pk,
            world.buy.pk,
        ]
        assert not [secret for secret in secrets if re.search(re.escape(str(secret)), shown.content.decode())]


class TestClosedAccounts:
    @pytest.mark.parametrize(("route", "method"), [one for one in BEHIND_THE_GATE if one[1] not in SAFE])
    def test_they_are_read_and_not_written(self, route, method):
        world = World()
        owner, path = browser(world.alice), address(world, route)
        world.close()
        answer = knock(world, "owner", route, method, path)
        if (route, method) in {(f"{name}-detail", "delete") for name in ("member", "broker-connection", "webhook")}:
            assert answer.status_code == 204  # people can always be let go, and nobody need be told any more
        elif (route, method) == ("order-detail", "delete"):
            assert answer.status_code == 200  # and orders taken back
        else:
            assert (answer.status_code, answer.json()["code"]) == (409, "account_closed")
        assert owner.get(address(world, "account-detail")).json()["closed_on"]
