"""Files sent through the API as a client does: looked at, asked about, posted by a worker, and sent again."""

from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import Account, LedgerEntry
from accounts.tasks import post_import
from marketdata.models import Instrument
from tests.clients import browser
from tests.factories import unique_symbol


class Sender:
    """An account's owner at the API."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.client: APIClient = browser(account.owner)
        self.base = f"/api/v1/accounts/{account.pk}/imports/"

    def send(self, content: bytes, name: str = "statement.csv", code: int = 201, **fields: Any) -> dict[str, Any]:
        """Send a file and return the answer."""
        answer = self.attempt(content, name, **fields)
        assert answer.status_code == code, answer.content[:2000]
        return answer.json()

    def attempt(self, content: bytes, name: str = "statement.csv", **fields: Any) -> Any:
        """Send a file, whatever comes of it."""
        return self.client.post(self.base, {"file": SimpleUploadedFile(name, content)} | fields, format="multipart")

    def preview(self, content: bytes, name: str = "statement.csv", **fields: Any) -> dict[str, Any]:
        """Have a file looked at, with every question answered: what is asked for is written down as the file says."""
        kept = self.send(content, name, keep="true", **fields)
        while kept["questions"]:
            answers = [{"question": one["id"], "create": True} for one in kept["questions"]]
            answer = self.client.post(f"{self.base}{kept['id']}/answers/", {"answers": answers}, format="json")
            assert answer.status_code == 200, answer.content[:2000]
            kept = answer.json()
        return kept

    def post(self, kept: dict[str, Any]) -> dict[str, Any]:
        """Have a file that was kept posted by a worker."""
        address = f"{self.base}{kept['id']}/"
        assert self.client.post(f"{address}post/").status_code == 202
        post_import(batch_id=kept["id"])
        return self.client.get(address).json()

    def bring(self, content: bytes, name: str = "statement.csv", **fields: Any) -> dict[str, Any]:
        """Look at a file and post it, and return what became of it."""
        return self.post(self.preview(content, name, **fields))

    def entries(self) -> list[LedgerEntry]:
        """Return the ledger."""
        rows = LedgerEntry.objects.using("system").filter(account=self.account).select_related("instrument")
        return list(rows.order_by("sequence"))


def instruments_now() -> set[UUID]:
    """Return the instruments that are there."""
    return set(Instrument.objects.values_list("pk", flat=True))


def rename(ids: set[UUID]) -> None:
    """Give instruments that only a published file knows names of their own, so that other tests don't meet them."""
    for one in Instrument.objects.filter(pk__in=ids):
        Instrument.objects.filter(pk=one.pk).update(symbol=unique_symbol(), isin="", figi="")
