"""The pages of people, accounts and ledgers: members find their own, and write as far as their role reaches."""

from accounts.admin import accounts, bundles, import_memory, imports, jobs, ledger, mailbox, memberships, plans, tokens, users

__all__ = [
    "accounts",
    "bundles",
    "import_memory",
    "imports",
    "jobs",
    "ledger",
    "mailbox",
    "memberships",
    "plans",
    "tokens",
    "users",
]
