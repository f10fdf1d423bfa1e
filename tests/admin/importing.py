"""Files as people bring them by the pages of imports."""

from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import ImportBatch, LedgerEntry
from accounts.models.tenancy import acting_as
from tests.admin.world import to


def send(client, account, content, name="history.csv", **fields):
    """Bring a file."""
    body = {"account": getattr(account, "pk", account), "file": SimpleUploadedFile(name, content)} | fields
    return client.post(to(ImportBatch, "add"), body)


def batch_of(account) -> ImportBatch:
    """Return the only import of an account."""
    with acting_as(account.owner_id):
        return ImportBatch.objects.select_related("account__owner", "actor").get(account=account)


def brought(client, account, content, **fields) -> tuple[ImportBatch, str]:
    """Bring a file, and return the import with the page that follows."""
    answer = send(client, account, content, **fields)
    assert answer.status_code == 302, answer.context["form"].errors
    return batch_of(account), client.get(answer["Location"]).content.decode()


def do(client, batch, what, **body):
    """Do something with an import, and return the page that follows."""
    return client.post(to(ImportBatch, what, batch.pk), body, follow=True).content.decode()


def entries(account) -> list[LedgerEntry]:
    with acting_as(account.owner_id):
        return list(LedgerEntry.objects.filter(account=account).order_by("sequence"))
