"""The site on a port of its own, and Alpaca's own client, pointed at it; nothing else about it is changed."""

from collections.abc import Iterator

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from accounts.models import Account
from tests.admin.live import served
from tests.clients import make_token
from tests.factories import day, make_account, make_bars, make_instrument, post


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Return the address of the site."""
    with served() as address:
        yield address


@pytest.fixture
def account(alice) -> Account:
    """Return an account with ten thousand dollars."""
    made = make_account(owner=alice)
    post(made, "DEPOSIT", cash="10000", occurred_at=day("2020-01-02"))
    return made


@pytest.fixture
def apple():
    """Return a share on an exchange in the US that closed at 12, after 10 and 11."""
    made = make_instrument(exchange="XNAS")
    make_bars(made, [("2020-01-02", "10"), ("2020-01-03", "11"), ("2020-01-06", "12")])
    return made


@pytest.fixture
def client_of(site, account):
    """Return a way to get a client of the account for somebody."""

    def of(user, scopes=("manage",), *, raw=False, key=None, accounts=None):
        issued = make_token(user, scopes, accounts)
        return TradingClient(key or str(account.pk), issued.secret, url_override=f"{site}/alpaca", raw_data=raw)

    return of


@pytest.fixture
def client(client_of, alice):
    """Return Alice's client."""
    return client_of(alice)


@pytest.fixture
def raw(client_of, alice):
    """Return Alice's client, which gives what was answered as it is."""
    return client_of(alice, raw=True)


@pytest.fixture
def refused():
    """Return a way to hear a refusal: its status, number and message."""

    def of(ask, *arguments, **options):
        with pytest.raises(APIError) as caught:
            ask(*arguments, **options)
        return caught.value.status_code, caught.value.code, caught.value.message

    return of
