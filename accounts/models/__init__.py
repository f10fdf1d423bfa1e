"""The tables of people, accounts and the ledger."""

from accounts.models.accounts import Account, AccountKind, CostBasisMethod, ExecutionMode, Membership
from accounts.models.bundles import AccountImport
from accounts.models.imports import ImportBatch, ImportFile, ImportQuestion, ImportStatus, ImportTemplate, InstrumentAnswer
from accounts.models.jobs import Job, JobKind, JobRun, RunOutcome
from accounts.models.ledger import Appended, LedgerEntry, LedgerHead, Link
from accounts.models.mailbox import IdempotencyKey, Level, Notification, Watchlist
from accounts.models.plans import (
    Classification,
    Policy,
    PolicyKind,
    Target,
    TargetAllocation,
    TargetBasis,
    Taxonomy,
    TradeThresholds,
)
from accounts.models.users import ApiToken, Scope, Topic, User

__all__ = [
    "Account",
    "AccountImport",
    "AccountKind",
    "ApiToken",
    "Appended",
    "Classification",
    "CostBasisMethod",
    "ExecutionMode",
    "IdempotencyKey",
    "ImportBatch",
    "ImportFile",
    "ImportQuestion",
    "ImportStatus",
    "ImportTemplate",
    "InstrumentAnswer",
    "Job",
    "JobKind",
    "JobRun",
    "LedgerEntry",
    "LedgerHead",
    "Level",
    "Link",
    "Membership",
    "Notification",
    "Policy",
    "PolicyKind",
    "RunOutcome",
    "Scope",
    "Target",
    "TargetAllocation",
    "TargetBasis",
    "Taxonomy",
    "Topic",
    "TradeThresholds",
    "User",
    "Watchlist",
]
