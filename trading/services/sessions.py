"""Runs of trading in an account: begun under a configuration that is kept with its hash, and ended once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, User
from accounts.services.accounts import refuse_closed
from marketdata.domain.instruments import AssetClass
from marketdata.models import Instrument
from marketdata.selectors.instruments import find_each
from trading.domain.automation import MOST_INSTRUMENTS, complete
from trading.domain.sessions import VERSION, config_hash
from trading.models import Session, Strategy
from trading.services.refusals import told

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class SessionEnded(ValidationError):
    """The session has ended; begin another."""


class StrategyArchived(ValidationError):
    """The strategy was put away; take it out again to run it."""


@transaction.atomic
def start_session(
    *,
    account: Account,
    actor: User,
    at: datetime,
    strategy: Strategy | None = None,
    name: str = "",
    configuration: Mapping[str, Any] | None = None,
    code_version: str = "",
    automatic: bool = False,
) -> Session:
    """Begin a run of trading, on paper or live as the account says; without a configuration, that of the strategy.

    One that is automatic names in its configuration the `instruments` that it trades (ids or symbols), and if it likes the
    `timeframe` of the bars that it looks at, `parameters` of the strategy, and `rules` that say how much, as a backtest has them.

    :raises StrategyArchived: if the strategy was put away
    :raises ValidationError: by field
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    if automatic and (strategy is None or not strategy.kind):
        detail = "Only a built-in strategy places orders by itself; name one, or leave this out."
        raise ValidationError({"automatic": ValidationError(detail, code="needs_a_strategy")})
    if not VERSION.fullmatch(code_version):
        detail = "Write up to 100 letters, digits and . + - _ /"
        raise ValidationError({"code_version": ValidationError(detail, code="invalid")})
    kept = dict(configuration) if configuration is not None else dict(strategy.parameters) if strategy is not None else {}
    if automatic and strategy is not None:
        kept = _completed(strategy, configuration or {})
    with told():
        digest = config_hash(kept)
    if strategy is not None and strategy.archived_at is not None:
        raise StrategyArchived("The strategy is archived; take it out again to run it.", code="strategy_archived")
    session = Session(
        account=account,
        strategy=strategy,
        name=name,
        execution_mode=account.execution_mode,
        code_version=code_version,
        configuration=kept,
        config_hash=digest,
        automatic=automatic,
        actor=actor,
        started_at=at,
    )
    session.clean_fields(exclude={"account", "strategy", "actor"})
    session.save(force_insert=True)
    return session


def _completed(strategy: Strategy, written: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of an automatic session with the ids of its instruments and what is left out.

    :raises ValidationError: by field
    """
    named = written.get("instruments")
    if not isinstance(named, list) or not 0 < len(named) <= MOST_INSTRUMENTS or not all(isinstance(one, str) for one in named):
        detail = f'Name 1 to {MOST_INSTRUMENTS} instruments that it is to trade, such as ["AAPL"].'
        raise ValidationError({"configuration.instruments": ValidationError(detail, code="required")})
    found = _instruments(named)
    for one in found:
        if not one.active or one.asset_class == AssetClass.INDEX:
            detail = f"{one.key} cannot be traded; leave it out."
            raise ValidationError({"configuration.instruments": ValidationError(detail, code="not_tradable")})
    with told():
        return complete(written, kind=strategy.kind, instruments=[one.pk for one in found], base=strategy.parameters)


def _instruments(named: Sequence[str]) -> list[Instrument]:
    """Return the instruments of ids or symbols, in their order.

    :raises ValidationError: if one is not known, or could be several
    """
    ids = {text: UUID(text) for text in named if UUID_TEXT.fullmatch(text)}
    known = Instrument.objects.in_bulk(list(ids.values()))
    symbols = find_each([text for text in named if text not in ids])
    found = []
    for text in named:
        one = known.get(ids[text]) if text in ids else symbols[text]
        if one is None or isinstance(one, ValidationError):
            detail = " ".join(one.messages) if one is not None else f"There is no instrument {text}."
            raise ValidationError({"configuration.instruments": ValidationError(detail, code="unknown_instrument")})
        found.append(one)
    return found


@transaction.atomic
def rename_session(*, session: Session, name: str) -> Session:
    """Call a session otherwise; all else of it stays.

    :raises ValidationError: by field
    """
    refuse_closed(session.account)
    session.name = name
    session.clean_fields(exclude={"account", "strategy", "actor"})
    session.save(update_fields=["name"])
    return session


@transaction.atomic
def end_session(*, session: Session, at: datetime) -> Session:
    """End a session: from now on nothing is done in it.

    :raises SessionEnded: if it has ended before
    """
    refuse_closed(session.account)
    session = Session.objects.select_for_update(of=("self",)).get(pk=session.pk)
    refuse_ended(session)
    session.ended_at = max(at, session.started_at)
    session.save(update_fields=["ended_at"])
    return session


def refuse_ended(session: Session | None) -> None:
    """Refuse to do something in a session that has ended.

    :raises SessionEnded: if it has
    """
    if session is not None and session.ended_at is not None:
        raise SessionEnded(f"The session ended at {session.ended_at:%Y-%m-%d %H:%M} UTC; begin another.", code="session_ended")
