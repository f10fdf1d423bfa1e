"""Files of trading bots brought into an account: trades, how they did, broken limits, decisions; as often as one likes.

What is good goes in, of every other line it is said why not, and the whole is written down as an import of the account.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from io import BytesIO
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, ImportBatch, ImportStatus, User
from trading.adapters.trading_files import Kind, UnreadableFile, kind_of, pieces_of
from trading.selectors.risk import limits_of
from trading.services.decision_files import DecisionRun
from trading.services.file_runs import Run
from trading.services.line_imports import PerformanceRun, RiskRun
from trading.services.locks import hold_trading
from trading.services.trade_imports import TradeRun

__all__ = ["FORMATS", "Kind", "import_trading_file"]

FORMATS: Mapping[Kind, str] = {
    Kind.TRADES: "trades_jsonl",
    Kind.PERFORMANCE: "performance_alerts_jsonl",
    Kind.RISK: "risk_management_jsonl",
    Kind.DECISIONS: "decision_files",
}
MAX_NAME = 255
BLOCK = 1024 * 1024


@transaction.atomic
def import_trading_file(
    *,
    account: Account,
    actor: User,
    file_name: str,
    content: bytes | IO[bytes],
    at: datetime,
    kind: Kind | None = None,
    create_on: str | None = None,
    update: bool = False,
    dry_run: bool = False,
) -> ImportBatch:
    """Bring a file in, and return what became of each line; a dry run returns the same and leaves nothing behind.

    Without a `kind` the file's name or its first line tells what it holds. With `create_on` instruments that are not known are
    written down on that exchange. `update` lets decisions that are known change, with their history.

    :raises ValidationError: by field, if the file as a whole can't be read
    :raises AccountClosed: if the account is closed
    """
    hold_trading(account)
    file = BytesIO(content) if isinstance(content, bytes) else content
    batch = ImportBatch(account=account, actor=actor, created_at=at, file_name=file_name[-MAX_NAME:])
    batch.size, batch.sha256 = _measured(file)
    try:
        held = kind or kind_of(file_name, file)
        batch.format = FORMATS[held]
        run = _run(held, account=account, actor=actor, at=at, source=file_name, create_on=create_on, update=update)
        with transaction.atomic():
            run.take(pieces_of(file))
            if dry_run:
                transaction.set_rollback(True)
    except UnreadableFile as error:
        raise ValidationError({"file": ValidationError(str(error), code=error.code)}) from error
    if not run.lines:
        raise ValidationError({"file": ValidationError("The file is empty.", code="empty_file")})
    _fill(batch, run)
    if dry_run:
        batch.status = ImportStatus.PREVIEWED
    else:
        batch.save(force_insert=True)
    return batch


def _measured(file: IO[bytes]) -> tuple[int, str]:
    """Return how large a file is, and its hash."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(BLOCK):
        digest.update(block)
    return file.tell(), digest.hexdigest()


def _run(kind: Kind, **about: Any) -> Run[Any]:
    """Return what takes the lines of a file in."""
    if kind is Kind.TRADES:
        return TradeRun(**about, most=limits_of(about["account"]).max_order_quantity)
    runs = {Kind.PERFORMANCE: PerformanceRun, Kind.RISK: RiskRun, Kind.DECISIONS: DecisionRun}
    run: Run[Any] = runs[kind](**about)
    return run


def _fill(batch: ImportBatch, run: Run[Any]) -> None:
    """Write down what became of the lines."""
    batch.lines, batch.posted, batch.known = run.lines, run.posted, run.known
    batch.refused = [asdict(refusal) for refusal in run.refused]
    if not run.refused:
        batch.status = ImportStatus.POSTED
    else:
        batch.status = ImportStatus.PARTIAL if run.posted or run.known else ImportStatus.REFUSED
