"""Files that are kept and posted by a worker, as tests do it: invented lines of a broker that names instruments by symbols."""

from datetime import UTC, datetime

from accounts.models import Account, ImportBatch
from accounts.models.tenancy import acting_as
from accounts.services.import_posting import start_posting, work_on
from accounts.services.import_undo import undo_import
from accounts.services.imports import ReadOptions, preview_file

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HEADING = "Date,Action,Symbol,Description,Quantity,Price,Fees & Comm,Amount\n"


def schwab(*rows: str) -> bytes:
    """Return rows as a file of Charles Schwab."""
    return (HEADING + "".join(f"{row}\n" for row in rows)).encode()


def deposits(number: int, cents: int = 0) -> list[str]:
    """Return so many deposits that differ."""
    return [f"04/03/2024,MoneyLink Deposit,,Savings {n},,,,${n + 1}.{cents:02}" for n in range(number)]


def bought(symbol: str, quantity: int = 2, price: int = 10) -> str:
    """Return a purchase."""
    return f"04/05/2024,Buy,{symbol},Invented Corp,{quantity},${price}.00,,-${quantity * price}.00"


def keep(account: Account, content: bytes, **options) -> ImportBatch:
    """Keep a file as the account's owner."""
    with acting_as(account.owner_id):
        return preview_file(
            account=account,
            actor=account.owner,
            file_name="history.csv",
            content=content,
            at=NOW,
            options=ReadOptions(**options),
        )


def begin(batch: ImportBatch) -> ImportBatch:
    """Let a kept file wait for a worker."""
    with acting_as(batch.actor_id):
        return start_posting(batch=batch, actor=batch.actor)


def work(batch: ImportBatch, clock=lambda: NOW) -> ImportBatch:
    """Let a worker post a file that waits, and return what became of it."""
    work_on(batch_id=batch.pk, clock=clock)
    return again(batch)


def post_kept(account: Account, content: bytes, **options) -> ImportBatch:
    """Keep a file and post it."""
    return work(begin(keep(account, content, **options)))


def undo(batch: ImportBatch) -> ImportBatch:
    """Take an import back as the account's owner."""
    with acting_as(batch.actor_id):
        return undo_import(batch=batch, actor=batch.actor, at=NOW)


def again(batch: ImportBatch) -> ImportBatch:
    """Return an import as it is now."""
    with acting_as(batch.actor_id):
        return ImportBatch.objects.select_related("account__owner", "actor").get(pk=batch.pk)
