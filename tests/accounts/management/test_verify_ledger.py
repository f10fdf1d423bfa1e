"""The command that walks the chains."""

import pytest
from django.core.management import CommandError, call_command

from tests.accounts.ledgers import tampered
from tests.factories import make_account, post


def verify(capsys, *arguments):
    """Run the command and return what it printed."""
    call_command("verify_ledger", *arguments)
    return capsys.readouterr().out


def test_it_says_of_each_ledger_that_it_is_good(account, capsys):
    post(account, "DEPOSIT", cash=1)
    said = verify(capsys, "--account", str(account.pk))
    assert f"{account.pk} {account.name}: OK, 1 entry" in said
    assert f"{account.pk}" in verify(capsys)
    assert f"{account.pk}" not in verify(capsys, "--quiet")


def test_it_names_the_first_bad_entry_and_fails(account, capsys):
    entries = [post(account, "DEPOSIT", cash=number) for number in (1, 2, 3)]
    with tampered(account, f"update accounts_ledgerentry set cash = 9 where id = '{entries[1].pk}'"):
        with pytest.raises(CommandError, match="Bad: 1 of 1 ledger") as failure:
            call_command("verify_ledger", "--account", str(account.pk))
        assert failure.value.returncode == 1
        assert f"{account.pk} {account.name}: BAD, entry #2: its fields or its hash were changed" in capsys.readouterr().out
        with pytest.raises(CommandError, match="Bad: "):
            call_command("verify_ledger", "--quiet")


def test_it_says_where_there_is_no_ledger(account):
    for unknown in (account, make_account(owner=account.owner)):
        with pytest.raises(CommandError, match="has no ledger"):
            call_command("verify_ledger", "--account", str(unknown.pk))
