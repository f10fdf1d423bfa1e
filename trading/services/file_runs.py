"""What runs over the pieces of files of trading bots share: what became of each, and names of instruments looked up once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Generic, TypeVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
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
AT_ONCE = 500  # pieces that are stored together


class PieceRefused(ValueError):
    """A line that is not taken; `code` is the rule."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


Item = TypeVar("Item")  # what a piece says
REFUSALS = (PieceRefused, Refused, EntryRefused, ValidationError)


@dataclass(slots=True)
class Run(Generic[Item]):
    """One run over a file: who brings it in, and what became of its pieces so far.

    Pieces are taken some at a time, with a few questions for all of them. Where the database, or a rule that is looked at last,
    refuses them together, they are halved until the one is found that it means.
    """

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

    def take(self, pieces: Iterable[Piece]) -> None:
        """Take pieces: each goes in, was known, or is refused by name; what is refused leaves nothing behind."""
        left = iter(pieces)
        while some := list(islice(left, AT_ONCE)):
            self.lines += len(some)
            self._take(some)
        self.finish()

    def read(self, text: str) -> Item:
        """Return what a piece says.

        :raises PieceRefused: if it is not taken
        """
        raise NotImplementedError

    def prepare(self, items: Sequence[Item]) -> None:
        """Look up, once for all of them, what is to be known of items that come next."""

    def keep(self, item: Item) -> bool:
        """Store what a piece says, or have it stored by `write`; return whether it is new.

        :raises PieceRefused: if it is not taken
        """
        raise NotImplementedError

    def write(self) -> None:
        """Store what is still to be stored of the items that were kept."""

    def forget(self) -> None:
        """Know nothing any more of items that were kept: they were not stored after all."""

    def finish(self) -> None:
        """Do what is to be done once, after all pieces."""

    def _take(self, pieces: Sequence[Piece]) -> None:
        """Take some pieces together, or else in halves."""
        before = self.posted, self.known, len(self.refused)
        try:
            with transaction.atomic():
                self._store(pieces)
        except (DataError, IntegrityError, Refused, EntryRefused, ValidationError) as error:
            self.posted, self.known = before[:2]
            del self.refused[before[2] :]
            self.forget()
            if len(pieces) == 1:
                self._refuse(pieces[0], error)
                return
            half = len(pieces) // 2
            self._take(pieces[:half])
            self._take(pieces[half:])
        else:
            self.refused[before[2] :] = sorted(self.refused[before[2] :], key=lambda refusal: refusal.line)

    def _store(self, pieces: Sequence[Piece]) -> None:
        """Read some pieces, and store what they say."""
        items: list[tuple[Piece, Item]] = []
        for piece in pieces:
            if piece.code:
                self.refuse(piece, piece.code, piece.detail)
                continue
            try:
                items.append((piece, self.read(piece.text)))
            except REFUSALS as refusal:
                self._refuse(piece, refusal)
        self.prepare([item for _, item in items])
        for piece, item in items:
            try:
                new = self.keep(item)
            except REFUSALS as refusal:
                self._refuse(piece, refusal)
            else:
                self.posted, self.known = self.posted + new, self.known + (not new)
        self.write()

    def _refuse(self, piece: Piece, refusal: Exception) -> None:
        """Write down why a piece is not taken, by what was raised."""
        if isinstance(refusal, ValidationError):
            self.refuse(piece, getattr(refusal, "code", None) or "invalid", _told(refusal))
        elif isinstance(refusal, PieceRefused):
            self.refuse(piece, refusal.code, str(refusal))
        elif isinstance(refusal, DataError | IntegrityError):
            self.refuse(piece, "refused_by_database", str(refusal).partition("\n")[0][:200])
        else:
            self.refuse(piece, "invalid", str(refusal))

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


def _told(refusal: ValidationError) -> str:
    """Return what a refusal says, field by field."""
    if not hasattr(refusal, "error_dict"):
        return " ".join(refusal.messages)
    named = ((name, " ".join(messages)) for name, messages in refusal.message_dict.items())
    return "; ".join(text if name == NON_FIELD_ERRORS else f"{name}: {text}" for name, text in named)
