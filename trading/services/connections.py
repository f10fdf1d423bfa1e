"""Accounts and their brokers: which one an account trades through, and credentials that go in and never come out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, ExecutionMode
from accounts.services.accounts import refuse_closed
from marketdata.domain.addresses import BadAddress
from trading.adapters.alpaca import NAME as ALPACA
from trading.adapters.alpaca import AlpacaBroker
from trading.adapters.base import Broker, BrokerFailed
from trading.adapters.paper import NAME as PAPER
from trading.adapters.paper import PaperBroker
from trading.domain.paper import Model
from trading.models import BrokerConnection, Order, SecretLost
from trading.selectors.paper import RecordedMarket, Records

Clock = Callable[[], datetime]
BROKERS = (ALPACA, PAPER)
MODE = "mode"
WHERE: dict[str, str] = {ExecutionMode.PAPER: "on paper", ExecutionMode.LIVE: "live"}


class OrdersOpen(ValidationError):
    """The broker has open orders of the account: who left now would not hear what becomes of them."""


@transaction.atomic
def connect_broker(*, account: Account, broker: str, now: datetime, key: str = "", secret: str = "") -> BrokerConnection:
    """Let an account trade through a broker from now on, with new credentials; as an owner.

    :raises ValidationError: by field
    :raises OrdersOpen: if another broker has open orders of the account
    """
    refuse_closed(account)
    if broker not in BROKERS:
        raise ValidationError({"broker": ValidationError(f"Choose one of {', '.join(BROKERS)}.", code="unknown_broker")})
    if broker == ALPACA and not (key.strip() and secret.strip()):
        raise ValidationError({"key": ValidationError("Enter the key and its secret.", code="required")})
    if broker == PAPER and account.execution_mode == ExecutionMode.LIVE:
        raise ValidationError({"broker": ValidationError("A live account does not trade on paper.", code="live_on_paper")})
    refuse_leaving(account, broker)
    refuse_other_mode(account, broker)
    BrokerConnection.objects.filter(account=account, enabled=True).exclude(broker=broker).update(enabled=False, updated_at=now)
    found = BrokerConnection.objects.select_for_update().filter(account=account, broker=broker).first()
    made = found or BrokerConnection(account=account, broker=broker, created_at=now)
    made.enabled, made.updated_at, made.last_error = True, now, ""
    if broker != PAPER:
        made.keep(key=key.strip(), secret=secret.strip())
        made.cursor = {**made.cursor, MODE: account.execution_mode}
    made.save()
    return made


@transaction.atomic
def disconnect_broker(*, connection: BrokerConnection, now: datetime) -> BrokerConnection:
    """Let an account trade through a broker no longer, and forget its credentials; as an owner.

    :raises OrdersOpen: if it has open orders of the account
    """
    if connection.enabled:
        refuse_leaving(connection.account, "")
    connection.enabled, connection.sealed, connection.key_hint, connection.updated_at = False, b"", "", now
    connection.save(update_fields=["enabled", "sealed", "key_hint", "updated_at"])
    return connection


def refuse_leaving(account: Account, broker: str) -> None:
    """Refuse to change the broker while another has open orders.

    :raises OrdersOpen: if one has
    """
    if Order.objects.open().filter(account=account).exclude(broker=broker).exists():
        raise OrdersOpen("The account has open orders at its broker; cancel them first.", code="orders_open")


def refuse_other_mode_of_orders(*, account: Account, mode: str) -> None:
    """Refuse to let an account trade live, or on paper, while orders are open from when it did the other (`mode`).

    :raises OrdersOpen: if there are some
    """
    count = Order.objects.open().filter(account=account).count()
    if count:
        many = "1 open order" if count == 1 else f"{count} open orders"
        detail = f"The account has {many} from trading {WHERE[mode]}; cancel them, or wait for their end, then change it."
        raise OrdersOpen({"execution_mode": ValidationError(detail, code="orders_open")})


def refuse_other_mode(account: Account, broker: str) -> None:
    """Refuse new credentials while orders are open that were placed by others, on paper or live as the account is no longer.

    :raises OrdersOpen: if there are some
    """
    known = BrokerConnection.objects.filter(account=account, broker=broker).first()
    mode = credentials_mode(known) if known is not None else ""
    if mode not in ("", account.execution_mode) and Order.objects.open().filter(account=account, broker=broker).exists():
        detail = f"The account has open orders from when it was {mode}; let it be that again, cancel them, then come back."
        raise OrdersOpen(detail, code="orders_open")


def credentials_mode(connection: BrokerConnection) -> str:
    """Return whether a connection's credentials were entered for paper or live trading; nothing where that was not noted."""
    return str(connection.cursor.get(MODE, ""))


def credentials_of(connection: BrokerConnection) -> dict[str, str]:
    """Return the key and secret of a connection, if they are for what the account is: a paper key is not shown to a live broker.

    :raises BrokerFailed: if they are not
    :raises SecretLost: if they cannot be read any more
    """
    mode, now = credentials_mode(connection), connection.account.execution_mode
    if mode not in ("", now):
        raise BrokerFailed(f"The key was entered when the account was {mode}, and it is {now} now; enter the key for that.")
    return connection.credentials()


def open_broker(account: Account, name: str, clock: Clock) -> Broker:
    """Return an account's broker, ready to be asked; within a transaction of a member.

    :raises BrokerFailed: if it is not set up
    """
    if name == PAPER:
        model = Model(**settings.PAPER_TRADING)
        return PaperBroker(book=Records(account), market=RecordedMarket(), clock=clock, model=model)
    if name != ALPACA:
        raise BrokerFailed(f"There is no broker named {name}.")
    known = BrokerConnection.objects.select_related("account").filter(account=account, broker=name).first()
    try:
        credentials = credentials_of(known) if known is not None else {}
        urls = settings.BROKERS[ALPACA]
        live = account.execution_mode == ExecutionMode.LIVE
        url = urls["live_url" if live else "paper_url"]
        return AlpacaBroker(
            key=credentials.get("key", ""), secret=credentials.get("secret", ""), url=url, hosts=settings.PROVIDER_HOSTS
        )
    except (SecretLost, BadAddress) as error:
        raise BrokerFailed(str(error)) from error
