"""Commands that one member of an account gives: they reach as far as that person does."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.domain.roles import Role
from accounts.models import Account, User
from accounts.models.tenancy import acting_as
from accounts.selectors.accounts import accounts_of

NOTHING_DONE = 2  # exit code
SYSTEM = "system"


class MemberCommand(BaseCommand):
    """The base of a command on one account: `--account` names it, `--as` who gives the command.

    With `by_owner` that may be left out: then it is the owner of the account.
    """

    needs = Role.VIEWER
    by_owner = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what every such command takes."""
        parser.add_argument("--account", required=True, metavar="ID|NAME", help="the account, by its id or its name")
        who = "the member who gives the command" + (" (the owner)" if self.by_owner else "")
        parser.add_argument("--as", required=not self.by_owner, dest="email", metavar="EMAIL", help=who)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the work as the member, and then say what came of it."""
        user = owner_of(options["account"]) if options["email"] is None else person(options["email"])
        with acting_as(user.pk):
            try:
                done = self.work(account_named(options["account"], user, self.needs), user, options)
            except ValidationError as error:
                raise refusal(" ".join(error.messages)) from error
        self.finish(done)

    def work(self, account: Account, user: User, options: dict[str, Any]) -> Any:
        """Do the work inside the member's transaction."""
        raise NotImplementedError

    def finish(self, done: Any) -> None:
        """Say what came of it, once it is committed."""


def person(email: str) -> User:
    """Return the person with an e-mail.

    :raises CommandError: if there is none who may log in
    """
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        raise refusal(f"Nobody who may log in has the e-mail {email}.")
    return user


def owner_of(text: str) -> User:
    """Return the owner of the account that an id or a name means.

    :raises CommandError: if there is none, or several
    """
    accounts = Account.objects.using(SYSTEM)
    try:
        found = accounts.filter(pk=UUID(text))
    except ValueError:
        found = accounts.filter(name=text)
    owners = [account.owner_id for account in found[:2]]
    if len(owners) != 1:
        told = "Several accounts have that name; give the id of one" if owners else f"There is no account {text!r}"
        raise refusal(f"{told}, or say by --as who gives the command.")
    return User.objects.get(pk=owners[0])


def account_named(text: str, user: User, needs: Role) -> Account:
    """Return the account of a user that an id or a name means.

    :raises CommandError: if there is none, or several, or the user's role does not reach
    """
    mine = accounts_of(user)
    try:
        found = list(mine.filter(pk=UUID(text)))
    except ValueError:
        found = list(mine.filter(name=text))
    if len(found) > 1:
        ids = ", ".join(str(account.pk) for account in found)
        raise refusal(f"{user.email} has several accounts of that name; give the id of one: {ids}.")
    if not found:
        names = ", ".join(sorted(account.name for account in mine)) or "none"
        raise refusal(f"{user.email} has no account {text!r}; there are {names}.")
    if found[0].role < needs:  # type: ignore[attr-defined]
        raise refusal(f"This takes the role {needs.name} in the account.")
    return found[0]


def refusal(text: str) -> CommandError:
    """Return what ends a command that has done nothing."""
    return CommandError(text, returncode=NOTHING_DONE)
