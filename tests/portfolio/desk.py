"""An account as its owner works with it by REST: entries go in, lots, closures and positions come out."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from accounts.models import Account, User
from marketdata.models import Instrument
from portfolio.services.rebuilding import rebuild
from tests.clients import browser
from tests.factories import make_account
from tests.portfolio.recompute import recomputed

D = Decimal
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRADES = {"BUY", "SELL", "SHORT", "COVER"}


def draft(kind: str, when: str, instrument: Instrument | None = None, **fields: Any) -> dict[str, Any]:
    """Return an entry as a client writes it: a day is one at three in the afternoon."""
    body = {"kind": kind, "occurred_at": f"{when}Z" if "T" in when else f"{when}T15:00:00Z"}
    if instrument is not None:
        body["instrument"] = instrument.key
    return body | {name: value if isinstance(value, dict | list) else str(value) for name, value in fields.items()}


class Desk:
    """Somebody's way to an account."""

    def __init__(self, user: User, account: Account | None = None, **fields: Any) -> None:
        self.user = user
        self.account = account or make_account(owner=user, **fields)
        self.client = browser(user)
        self.base = f"/api/v1/accounts/{self.account.pk}/"

    def get(self, route: str, code: int = 200, **query: Any) -> Any:
        answer = self.client.get(f"{self.base}{route}", query)
        assert answer.status_code == code, answer.content
        return answer.json()

    def send(self, route: str, body: Any, code: int = 201, method: str = "post") -> Any:
        answer = getattr(self.client, method)(f"{self.base}{route}", body, format="json")
        assert answer.status_code == code, answer.content
        return answer.json()

    def post(self, kind: str, when: str, instrument: Instrument | None = None, **fields: Any) -> Any:
        """Post one entry and return it."""
        return self.send("entries/", draft(kind, when, instrument, **fields))

    def post_all(self, drafts: Iterable[dict[str, Any]], *, looking: bool = False) -> None:
        """Post entries together, or one by one with a look at the figures after each."""
        rows = list(drafts)
        if not looking:
            self.send("entries/batch/", {"entries": rows})
            return
        for row in rows:
            self.send("entries/", row)
            self.get("positions/")

    def take_back(self, entry: Any) -> None:
        """Reverse an entry."""
        self.send(f"entries/{entry['id']}/reverse/", {})

    def choose(self, entry: Any, *lots: dict[str, Any], code: int = 201) -> Any:
        """Choose the lots that an entry closes."""
        return self.send(f"entries/{entry['id']}/lots/", {"lots": list(lots)}, code)

    def lots(self, instrument: Instrument, *fields: str, **query: Any) -> list[tuple[Any, ...]]:
        """Return the open lots: the day of opening, the units and the cost, or other fields."""
        rows = self.get("lots/", instrument=instrument.key, **query)["results"]
        return [told(row, fields or ("opened_at", "remaining", "cost")) for row in rows]

    def closures(self, instrument: Instrument, *fields: str, **query: Any) -> list[tuple[Any, ...]]:
        """Return what was closed: the units, the cost and what they brought, or other fields."""
        rows = self.get("closures/", instrument=instrument.key, **query)["results"]
        return [told(row, fields or ("quantity", "cost", "proceeds")) for row in rows]

    def position(self, instrument: Instrument, *fields: str) -> tuple[Any, ...]:
        """Return the units, the cost and the realized gain of a position, or other fields; nothing where there is none."""
        rows = self.get("positions/", instrument=instrument.key, state="all")["results"]
        names = fields or ("quantity", "cost_basis", "realized_gain")
        return told(rows[0], names) if rows else ()

    def missing(self) -> list[tuple[Any, ...]]:
        """Return what lacks an acquisition."""
        return [told(row, ("instrument", "open", "made_up")) for row in self.get("missing-acquisitions/")["results"]]

    def facts(self, *instruments: Instrument) -> list[Any]:
        """Return all that follows for instruments, but for the sequences of entries."""
        closed = ("opened_at", "closed_at", "quantity", "cost", "proceeds", "disallowed_loss", "holding_days", "term", "missing")
        return [
            (
                sorted(self.lots(one, "opened_at", "remaining", "cost", "missing", "tacked_days")),
                sorted(self.closures(one, *closed)),
                self.position(one),
            )
            for one in instruments
        ]

    def check(self) -> None:
        """Hold what is kept to a derivation from the beginning."""
        assert list(rebuild(account_ids=[self.account.pk], at=NOW)) == []

    def explains(self) -> None:
        """Hold positions and what was closed to their explanations."""
        for row in self.get("positions/", explain="1", state="all")["results"] + self.get("closures/", explain="1")["results"]:
            recomputed(row["explanation"])


def told(row: dict[str, Any], fields: Iterable[str]) -> tuple[Any, ...]:
    """Return fields of a row: days of instants, and numbers as decimals."""
    return tuple(_told(row[name], name) for name in fields)


def _told(value: Any, name: str) -> Any:
    if name.endswith("_at"):
        return value[:10]
    return D(value) if isinstance(value, str) and name not in {"instrument", "term", "currency"} else value
