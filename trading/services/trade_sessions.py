"""The sessions of trade records that are brought in: found by what files call them, or begun as of then."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from accounts.models import Account, User
from trading.domain.sessions import VERSION, config_hash
from trading.domain.trade_records import TradeRecord
from trading.models import Session, Strategy
from trading.services.file_runs import PieceRefused

HEX = frozenset("0123456789abcdef")
HASHES = (32, 64)  # of MD5 and of SHA-256
LONGEST_NAME = 90
Key = tuple[str, str]  # what the file calls the session, and its strategy


@dataclass(slots=True)
class PastSessions:
    """The sessions of a file, each looked up once; sessions of several strategies are told apart by them."""

    account: Account
    actor: User
    at: datetime
    known: dict[Key, Session] = field(default_factory=dict)
    strategies: dict[str, Strategy] = field(default_factory=dict)
    spans: dict[UUID, tuple[datetime, datetime]] = field(default_factory=dict)  # the first and last that happened in each
    happenings: list[tuple[UUID, datetime]] = field(default_factory=list)  # of records that are not stored yet

    def of(self, record: TradeRecord) -> Session | None:
        """Return the session of a record, begun where it is not known; none where the record names none.

        :raises PieceRefused: if it says something else of its session than what is known
        """
        name, strategy_name = record.session_id, record.strategy_name
        if not name and not strategy_name:
            return None
        known = self.known.get((name, strategy_name)) or self._find(name, strategy_name)
        if known is None:
            known = self._begin(record)
        else:
            _check(known, record)
        self.known[name, strategy_name] = known
        return known

    def happened(self, session: Session | None, at: datetime) -> None:
        """Note that something happened in a session of the past."""
        if session is not None and session.external_id:
            self.happenings.append((session.pk, at))

    def settle(self) -> None:
        """Take what happened for certain: it is stored."""
        for key, at in self.happenings:
            first, last = self.spans.get(key, (at, at))
            self.spans[key] = (min(first, at), max(last, at))
        self.happenings.clear()

    def forget(self) -> None:
        """Know nothing any more: what was begun was not stored after all."""
        self.known.clear()
        self.strategies.clear()
        self.happenings.clear()

    def finish(self) -> None:
        """Let sessions of the past begin with the first that happened in them, and end with the last."""
        for session in Session.objects.filter(account=self.account, pk__in=self.spans.keys()):
            first, last = self.spans[session.pk]
            span = min(first, session.started_at), max(last, session.ended_at or last)
            if span != (session.started_at, session.ended_at):
                session.started_at, session.ended_at = span
                session.save(update_fields=["started_at", "ended_at"])

    def _find(self, name: str, strategy_name: str) -> Session | None:
        """Return the session that is known.

        :raises PieceRefused: if it cannot be called so
        """
        if "#" in name or len(name) > LONGEST_NAME:
            raise PieceRefused("invalid", f"session_id: write up to {LONGEST_NAME} characters, none of them #.")
        if len(strategy_name) > LONGEST_NAME:
            raise PieceRefused("invalid", f"strategy_name: at most {LONGEST_NAME} characters are taken.")
        called = [name, f"{name}#{strategy_name}"] if name else [f"#{strategy_name}"]
        rows = Session.objects.filter(account=self.account, external_id__in=called).select_related("strategy")
        return next((one for one in rows if (one.strategy.name if one.strategy else "") == strategy_name), None)

    def _begin(self, record: TradeRecord) -> Session:
        """Write down a session of the past."""
        name, digest = record.session_id, record.config_hash or config_hash({})
        if len(digest) not in HASHES or not set(digest) <= HEX:
            raise PieceRefused("invalid", "config_hash: write a hash in hexadecimal digits, 32 or 64 of them.")
        if not VERSION.fullmatch(record.bot_version):
            raise PieceRefused("invalid", "bot_version: write up to 100 letters, digits and . + - _ /")
        alone = name and not Session.objects.filter(account=self.account, external_id=name).exists()
        return Session.objects.create(
            account=self.account,
            strategy=self._strategy(record.strategy_name, record.timestamp) if record.strategy_name else None,
            execution_mode=record.execution_mode,
            code_version=record.bot_version,
            config_hash=digest,
            external_id=name if alone else f"{name}#{record.strategy_name}",
            actor=self.actor,
            started_at=record.timestamp,
        )

    def _strategy(self, name: str, at: datetime) -> Strategy:
        """Return a strategy by its name: one that runs in the account, or one of whoever brings the file in."""
        if name not in self.strategies:
            running = Session.objects.filter(account=self.account, strategy__name=name).select_related("strategy").first()
            found = running.strategy if running is not None else None
            if found is None:
                defaults = {"created_at": self.at, "updated_at": max(at, self.at)}
                found, _ = Strategy.objects.get_or_create(user=self.actor, name=name, defaults=defaults)
            self.strategies[name] = found
        return self.strategies[name]


def _check(session: Session, record: TradeRecord) -> None:
    """Refuse a record that says something else of its session than those before.

    :raises PieceRefused: naming the field
    """
    said = (
        ("bot_version", record.bot_version, session.code_version),
        ("config_hash", record.config_hash, session.config_hash),
    )
    for name, now, before in said:
        if now and now.lower() != before.lower():
            raise PieceRefused("conflicting_session", f"{name}: the session {record.session_id} is known with {before}.")
