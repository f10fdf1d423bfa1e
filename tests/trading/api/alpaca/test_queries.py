"""A list asks the database as often for many rows as for one."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.models.tenancy import acting_as
from accounts.services.watchlists import create_watchlist
from tests.clients import make_token, nobody
from tests.factories import make_account, make_bars, make_instrument, make_quotes, make_user, post
from tests.trading.factories import make_fill, make_order

MOST = 15
AT = datetime(2024, 5, 6, 15, tzinfo=UTC)


def bracket(account, instrument) -> None:
    """Store an entry with two exits that wait for it."""
    entry = make_order(account, instrument, order_class="BRACKET", role="ENTRY")
    for role in ("TAKE_PROFIT", "STOP_LOSS"):
        make_order(
            account, instrument, order_class="BRACKET", role=role, parent=entry, sending="HELD", side="SELL", effect="CLOSE"
        )


def traded(account, instrument) -> None:
    make_fill(make_order(account, instrument))
    post(account, "DIVIDEND", instrument=instrument, cash="1")


def held(account, instrument) -> None:
    make_bars(instrument, [("2020-01-02", "10")])
    make_quotes(instrument, [(AT + timedelta(minutes=1), "10", "11")])
    post(account, "BUY", instrument=instrument, quantity="1", price="10")


def watched(account, instrument) -> None:
    with acting_as(account.owner_id):
        create_watchlist(user=account.owner, name=uuid4().hex, instruments=[instrument], at=AT)


LISTS = {
    "orders?nested=true&status=all": bracket,
    "orders?status=all": bracket,
    "account/activities": traded,
    "positions": held,
    "watchlists": watched,
}


@pytest.mark.parametrize("path", LISTS)
def test_many_rows_cost_no_more_queries(path):
    account = make_account(owner=make_user("alice"))
    secret = make_token(account.owner).secret
    client = nobody(HTTP_APCA_API_KEY_ID=str(account.pk), HTTP_APCA_API_SECRET_KEY=secret)

    def count() -> tuple[int, int]:
        for _ in range(2):
            client.get(f"/alpaca/v2/{path}")  # what is derived, measured or noted once is not counted
        with ExitStack() as stack:
            captured = [stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in ("default", "system")]
            answer = client.get(f"/alpaca/v2/{path}")
        return len(answer.json()), sum(map(len, captured))

    LISTS[path](account, make_instrument())
    few = count()
    for _ in range(5):
        LISTS[path](account, make_instrument())
    many = count()
    assert many[0] > few[0] >= 1
    assert many[1] == few[1] <= MOST, (few, many)


def test_pages_by_order_have_each_group_once():
    account, instrument = make_account(owner=make_user("alice")), make_instrument()
    for _ in range(3):
        bracket(account, instrument)
    client = nobody(HTTP_APCA_API_KEY_ID=str(account.pk), HTTP_APCA_API_SECRET_KEY=make_token(account.owner).secret)
    for direction, cursor in (("asc", "after_order_id"), ("desc", "before_order_id")):
        for nested, count in (("true", 3), ("false", 9)):
            seen, more = [], ""
            while page := client.get(f"/alpaca/v2/orders?limit=1&direction={direction}&nested={nested}{more}").json():
                seen += [one["id"] for one in page]
                more = f"&{cursor}={page[-1]['id']}"
            assert len(seen) == len(set(seen)) == count


def test_orders_of_one_instant_end_on_one_page():
    account, instrument = make_account(owner=make_user("alice")), make_instrument()
    bracket(account, instrument)
    secret = make_token(account.owner).secret
    client = nobody(HTTP_APCA_API_KEY_ID=str(account.pk), HTTP_APCA_API_SECRET_KEY=secret)
    assert len(client.get("/alpaca/v2/orders?limit=1").json()) == 3
