"""Accounts and their brokers: which one an account trades through, and credentials that go in and never come out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, ExecutionMode
from marketdata.domain.addresses import BadAddress
from portfolio.domain.exact import ZERO, plain
from trading.adapters.alpaca import NAME as ALPACA
from trading.adapters.alpaca import AlpacaBroker
from trading.adapters.base import Broker, BrokerFailed
from trading.adapters.paper import NAME as PAPER
from trading.adapters.paper import PaperBroker
from trading.domain.paper import Model
from trading.models import BrokerConnection, Order, SecretLost
from trading.selectors.paper import RecordedMarket, Records
from trading.services.locks import hold_trading

Clock = Callable[[], datetime]
BROKERS = (ALPACA, PAPER)
MODE = "mode"
NAMED = 5  # of open orders, where they are in the way
WHERE: dict[str, str] = {ExecutionMode.PAPER: "on paper", ExecutionMode.LIVE: "live"}


class OrdersOpen(ValidationError):
    """The account has open orders: who left its broker or closed it now would not hear what becomes of them."""


@transaction.atomic
def connect_broker(*, account: Account, broker: str, now: datetime, key: str = "", secret: str = "") -> BrokerConnection:
    """Let an account trade through a broker from now on, with new credentials; as an owner.

    :raises ValidationError: by field
    :raises OrdersOpen: if another broker has open orders of the account
    """
    hold_trading(account)
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
        if connection.account.closed_on is None:
            hold_trading(connection.account)
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
    """Refuse to let an account trade live, or on paper (`mode`), while orders are open from when it did the other.

    Nobody trades in it from then on, until the transaction ends.

    :raises OrdersOpen: if there are some
    """
    hold_trading(account)
    before = Account.objects.values_list("execution_mode", flat=True).get(pk=account.pk)
    count = Order.objects.open().filter(account=account).count() if before != mode else 0
    if count:
        many = "1 open order" if count == 1 else f"{count} open orders"
        detail = f"The account has {many} from trading {WHERE[before]}; cancel them, or wait for their end, then change it."
        raise OrdersOpen({"execution_mode": ValidationError(detail, code="orders_open")})


def refuse_closing_over_orders(*, account: Account) -> None:
    """Refuse to close an account that has open orders, naming them; nobody trades in it from then on, as above.

    :raises OrdersOpen: if there are some
    """
    hold_trading(account)
    found = Order.objects.open().filter(account=account)
    if many := found.count():
        rows = found.select_related("instrument").order_by("pk")[:NAMED]
        named = [
            f"{one.side} {plain(one.quantity or one.notional or ZERO)} {one.instrument} ({one.client_order_id})" for one in rows
        ]
        more = f" and {many - NAMED} more" if many > NAMED else ""
        detail = f"The account has open orders: {', '.join(named)}{more}. Cancel them first, then close it."
        raise OrdersOpen(detail, code="orders_open")


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


def why_misplaced(order: Order) -> str:
    """Return why an order may not leave whose account was open, or traded on paper, when it was read, and not when it was stored.

    To a broker elsewhere it does not leave either: the credentials of before are not shown to who is asked after.
    """
    account = order.account
    if account.closed_on is not None:
        return f"The account was closed on {account.closed_on}, while the order was placed."
    if order.broker == PAPER and account.execution_mode == ExecutionMode.LIVE:
        return "The account became live while the order was placed on paper."
    return ""


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
