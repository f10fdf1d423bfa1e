"""Ghostfolio: the whole export as JSON."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.jsons import Piece, pieces, text_in
from accounts.adapters.table import Row, key, read_rows
from accounts.domain.ghostfolio import FREE, MANUAL, SOURCE, Activity, happenings
from accounts.domain.happenings import Happening, Lines
from accounts.domain.ledger import ZERO
from accounts.domain.moments import said_day, stamp
from accounts.domain.statements import CashBalance, Heading, InstrumentHints, Item, LineRefused, Skipped

UTC = ZoneInfo("UTC")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I | re.ASCII)
FIELDS = ('"activities"', '"dataSource"', '"unitPrice"')
CLASSES = {"CRYPTOCURRENCY": "CRYPTO", "ETF": "ETF", "STOCK": "EQUITY", "BOND": "BOND", "MUTUALFUND": "FUND",
           "COMMODITY": "COMMODITY", "PRECIOUS_METAL": "COMMODITY"}  # fmt: skip


class GhostfolioJson:
    """The export of Ghostfolio."""

    name = "ghostfolio_json"
    title = "Ghostfolio (JSON)"

    def certainty(self, file: StatementFile) -> float:
        """Say how sure it is by the fields of an activity."""
        if not file.head.lstrip("\ufeff \r\n\t").startswith("{"):
            return 0.0
        if '"activities"' in file.head or file.mentions('"activities"'):
            return 1.0 if any(name in file.head for name in FIELDS[1:]) or file.mentions(*FIELDS[1:]) else 0.4
        return 0.0

    def read(self, file: StatementFile, zone: ZoneInfo) -> Iterator[Item]:
        """Yield the activities, whose accounts they are in, and what these hold in cash."""
        yield from _Reading().items(file)


@dataclass(slots=True)
class _Reading:
    """One reading of a file: what it says about accounts and instruments, which may stand behind the activities."""

    lines: Lines = field(default_factory=lambda: Lines(SOURCE))
    accounts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    platforms: set[str] | None = None
    profiles: dict[tuple[str, str], InstrumentHints] = field(default_factory=dict)

    def items(self, file: StatementFile) -> Iterator[Item]:
        """Yield what the file says."""
        found = False
        for piece in pieces(file):
            found |= piece.name in {"activities", "meta"}
            self._learn(piece)
        if not found:
            raise NotReadable("missing_activities", "The JSON holds no activities: export them in Ghostfolio once more.")
        yield from self._headings()
        for piece in pieces(file):
            if piece.name == "activities" and piece.listed:
                yield from self._activity(piece)

    def _learn(self, piece: Piece) -> None:
        """Keep what a piece says about an account, a platform or an instrument."""
        value = piece.value
        if piece.name == "platforms" and self.platforms is None:
            self.platforms = set()
        if not isinstance(value, dict):
            return
        if piece.name == "accounts":
            self.accounts[text_in(value.get("id"))] = value
        elif piece.name == "platforms":
            self.platforms = (self.platforms or set()) | {text_in(value.get("id"))}
        elif piece.name == "assetProfiles":
            self.profiles[text_in(value.get("dataSource")), text_in(value.get("symbol"))] = _profile(value)

    def _headings(self) -> Iterator[Item]:
        """Yield the accounts, and what they held in cash at last."""
        for identity, account in self.accounts.items():
            currency = text_in(account.get("currency"))
            yield Heading(identity, currency, name=text_in(account.get("name")))
            balances = account.get("balances")
            dated = [one for one in balances if isinstance(one, dict)] if isinstance(balances, list) else []
            stated = [(text_in(one.get("date"))[:10], said) for one in dated if isinstance(said := one.get("value"), Decimal)]
            if stated:
                last, cash = max(stated)
                yield CashBalance(identity, currency, cash, said_day(last))

    def _activity(self, piece: Piece) -> Iterator[Item]:
        """Yield the line that an activity is, or why it can't be taken."""
        value = piece.value if isinstance(piece.value, dict) else {}
        cells = {key(name): text_in(said) for name, said in value.items()}
        row = Row(piece.line, cells, ", ".join(f"{name}: {said}" for name, said in cells.items() if said))
        nothing = True
        for item in read_rows([row], self.lines, self._happenings):
            nothing = False
            yield item
        if nothing:
            yield Skipped(piece.line, "draft", "quantity: a draft without units and price moves nothing.")

    def _happenings(self, row: Row) -> Iterator[Happening]:
        """Yield what an activity says."""
        at, day_only = stamp(row.needed_text("date"), "date", UTC)
        midnight = (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)
        source, symbol, account = row.text("dataSource").upper(), row.needed_text("symbol"), row.text("accountId")
        kind = row.needed_text("type")
        self._check_account(account)
        profile = self.profiles.get((source, symbol)) or self.profiles.get(("", symbol))
        if source == MANUAL and profile is None and not UUID.fullmatch(symbol) and kind.upper() not in FREE - {"ITEM"}:
            raise LineRefused(
                "bad_symbol", f"symbol: {symbol[:40]!r} of the data source MANUAL is described nowhere in the file."
            )
        yield from happenings(
            Activity(
                type=kind,
                at=at,
                day_only=day_only or midnight,
                currency=row.needed_text("currency"),
                symbol=symbol,
                source=source,
                quantity=row.units("quantity"),
                price=row.money("unitPrice"),
                fee=row.money("fee") or ZERO,
                note=row.text("comment"),
                account=account,
                id=row.text("id"),
                profile=profile,
                crypto=bool(profile and profile.asset_class == "CRYPTO") or source == "COINGECKO",
            )
        )

    def _check_account(self, identity: str) -> None:
        """Refuse an activity whose account is on a platform that the file does not know.

        :raises LineRefused: if it is
        """
        platform = text_in(self.accounts.get(identity, {}).get("platformId"))
        if platform and (not UUID.fullmatch(platform) or (self.platforms is not None and platform not in self.platforms)):
            raise LineRefused("unknown_platform", f"accountId: the account's platform {platform[:40]!r} is not in the file.")


def _profile(value: Mapping[str, Any]) -> InstrumentHints:
    """Return what a file says about an instrument."""
    said = {name: text_in(value.get(name)) for name in ("isin", "cusip", "figi", "name", "currency", "symbol", "assetSubClass")}
    manual = text_in(value.get("dataSource")).upper() == MANUAL
    return InstrumentHints(
        isin=said["isin"].upper(),
        cusip=said["cusip"].upper(),
        figi=said["figi"].upper(),
        name=said["name"],
        currency=said["currency"],
        broker_id=said["symbol"] if manual else "",
        asset_class=CLASSES.get(said["assetSubClass"].upper(), ""),
    )


READERS = (GhostfolioJson(),)
