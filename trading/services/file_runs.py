"""What runs over the pieces of files of trading bots share: what became of each, and names of instruments looked up once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction

from accounts.domain.ledger import CLOCK_SKEW, EntryRefused
from accounts.domain.statements import Refusal
from accounts.models import Account, User
from marketdata.domain.instruments import CRYPTO_MARKET, AssetClass, BadSymbol
from marketdata.models import Instrument
from marketdata.services.series_files import Choices, instrument_of
from trading.adapters.trading_files import Piece
from trading.domain.problems import Refused

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_DETAIL = 500


class PieceRefused(ValueError):
    """A line that is not taken; `code` is the rule."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


@dataclass(slots=True)
class Run:
    """One run over a file: who brings it in, and what became of its pieces so far."""

    account: Account
    actor: User
    at: datetime
    source: str
    create_on: str | None = None
    update: bool = False
    lines: int = 0
    posted: int = 0
    known: int = 0
    refused: list[Refusal] = field(default_factory=list)
    names: dict[str, Instrument | PieceRefused] = field(default_factory=dict)

    def take(self, piece: Piece) -> None:
        """Take one piece: it goes in, was known, or is refused by name; what is refused leaves nothing behind."""
        self.lines += 1
        if piece.code:
            self.refuse(piece, piece.code, piece.detail)
            return
        try:
            with transaction.atomic():
                new = self.store(piece.text)
        except PieceRefused as refusal:
            self.refuse(piece, refusal.code, str(refusal))
        except (Refused, EntryRefused) as refusal:
            self.refuse(piece, "invalid", str(refusal))
        except ValidationError as refusal:
            self.refuse(piece, getattr(refusal, "code", None) or "invalid", " ".join(refusal.messages))
        except (DataError, IntegrityError) as error:
            self.refuse(piece, "refused_by_database", str(error).partition("\n")[0][:200])
        else:
            self.posted, self.known = self.posted + new, self.known + (not new)

    def store(self, text: str) -> bool:
        """Store what a piece says; return whether it is new.

        :raises PieceRefused: if it is not taken
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Do what is to be done once, after all pieces."""

    def refuse(self, piece: Piece, code: str, detail: str) -> None:
        """Write down why a piece is not taken."""
        self.refused.append(Refusal(piece.number, code, detail[:LONGEST_DETAIL]))

    def check_time(self, name: str, at: datetime | None) -> None:
        """Refuse a time that cannot be.

        :raises PieceRefused: if it lies in the future or before 1970
        """
        if at is not None and at > self.at + CLOCK_SKEW:
            raise PieceRefused("future_time", f"{name}: the time lies in the future.")
        if at is not None and at < EARLIEST:
            raise PieceRefused("too_early", f"{name}: the time lies before 1970.")

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument that a file means; BTCUSD may mean BTC/USD.

        :raises PieceRefused: if it is unknown or means several
        """
        if symbol not in self.names:
            self.names[symbol] = self._find(symbol)
        found = self.names[symbol]
        if isinstance(found, PieceRefused):
            raise found
        return found

    def _find(self, symbol: str) -> Instrument | PieceRefused:
        """Look an instrument up, or write it down where that is asked for."""
        kind = AssetClass.CRYPTO if self.create_on == CRYPTO_MARKET else AssetClass.EQUITY
        choices = Choices(
            create=bool(self.create_on),
            exchange=self.create_on or "",
            asset_class=kind,
            currency=self.account.base_currency,
        )
        try:
            try:
                return instrument_of(symbol, Choices())
            except ValidationError:
                if not self.create_on:
                    raise
            with transaction.atomic():
                return instrument_of(symbol, choices)
        except ValidationError as refusal:
            return PieceRefused(
                str(getattr(refusal, "code", "") or "bad_instrument"), " ".join(refusal.messages)[:LONGEST_DETAIL]
            )
        except BadSymbol as refusal:
            return PieceRefused("bad_symbol", str(refusal))
