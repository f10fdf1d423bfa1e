"""The keys of people's programs."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from accounts.models import ApiToken
from accounts.models.tenancy import acting_as
from accounts.selectors.users import SECRET, digest_of, find_token
from accounts.services.tokens import WiderThanItself, issue_token, note_use, revoke_token
from tests.factories import make_account

NOW = datetime(2024, 5, 6, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def issue(user, scopes=("read",), **fields):
    with acting_as(user.pk):
        return issue_token(user=user, name="laptop", scopes=scopes, at=NOW, **fields)


class TestIssueToken:
    def test_only_the_hash_of_its_secret_is_stored(self, alice):
        issued = issue(alice)
        assert SECRET.fullmatch(issued.secret)
        with acting_as(alice.pk):
            (row,) = ApiToken.objects.values()
        assert issued.secret not in str(row)
        assert row["digest"] == digest_of(issued.secret)
        assert issued.secret.startswith(row["prefix"])

    def test_no_two_are_alike(self, alice):
        assert len({issue(alice).secret for _ in range(20)}) == 20

    def test_scopes_are_kept_in_order_and_once(self, alice):
        assert issue(alice, ("manage", "read", "read")).token.scopes == ["read", "manage"]

    @pytest.mark.parametrize("fields", [{"scopes": ("admin",)}, {"expires_at": NOW}, {"expires_at": NOW - timedelta(days=1)}])
    def test_what_makes_no_sense_is_refused(self, alice, fields):
        with pytest.raises(ValidationError):
            issue(alice, **fields)

    def test_a_foreign_account_is_refused_as_one_that_never_was(self, alice, charlie, account):
        with pytest.raises(ValidationError) as foreign:
            issue(charlie, accounts=[account.pk])
        with pytest.raises(ValidationError) as unknown:
            issue(charlie, accounts=[charlie.pk])
        assert foreign.value.message_dict == unknown.value.message_dict

    def test_its_accounts_may_be_several(self, alice, account):
        other = make_account(owner=alice)
        assert issue(alice, accounts=[other.pk, account.pk, other.pk]).token.accounts == sorted([account.pk, other.pk])


class TestATokenMakesNoWiderOne:
    def ask(self, alice, by, **fields):
        return issue(alice, **{"scopes": ("read",), "by": by.token} | fields)

    def test_in_scope(self, alice):
        by = issue(alice, ("trade",))
        with pytest.raises(WiderThanItself):
            self.ask(alice, by, scopes=("manage",))
        assert self.ask(alice, by, scopes=("read", "trade"))

    def test_in_reach(self, alice, account):
        other = make_account(owner=alice)
        by = issue(alice, ("manage",), accounts=[account.pk])
        with pytest.raises(WiderThanItself):
            self.ask(alice, by, accounts=[account.pk, other.pk])
        assert self.ask(alice, by).token.accounts == [account.pk]

    def test_in_time(self, alice):
        by = issue(alice, ("manage",), expires_at=LATER)
        with pytest.raises(WiderThanItself):
            self.ask(alice, by, expires_at=LATER + timedelta(seconds=1))
        assert self.ask(alice, by).token.expires_at == LATER


class TestFindToken:
    def test_it_is_found_before_anybody_is_known(self, alice):
        issued = issue(alice, ("trade",))
        found = find_token(secret=issued.secret, at=NOW)
        assert (found.pk, found.user, found.scopes, found.accounts) == (issued.token.pk, alice, ["trade"], None)

    def test_it_is_not_found_from_its_end_on(self, alice):
        issued = issue(alice, expires_at=LATER)
        assert find_token(secret=issued.secret, at=LATER - timedelta(microseconds=1))
        assert find_token(secret=issued.secret, at=LATER) is None

    def test_it_is_not_found_once_revoked(self, alice):
        issued = issue(alice)
        with acting_as(alice.pk):
            revoked = revoke_token(token=issued.token, at=NOW)
            assert revoke_token(token=revoked, at=LATER).revoked_at == NOW
        assert find_token(secret=issued.secret, at=NOW) is None

    @pytest.mark.parametrize(
        "spoil", [str.upper, lambda secret: secret[:-1], lambda secret: secret + "x", lambda secret: f" {secret}"]
    )
    def test_a_misspelled_secret_is_nobody(self, alice, spoil):
        assert find_token(secret=spoil(issue(alice).secret), at=NOW) is None


class TestNoteUse:
    def test_at_most_once_a_minute(self, alice):
        token = issue(alice).token
        with acting_as(alice.pk):
            for seconds, noted in ((0, 0), (59, 0), (60, 60)):
                token.refresh_from_db()
                note_use(token=token, at=NOW + timedelta(seconds=seconds))
                token.refresh_from_db()
                assert token.last_used_at == NOW + timedelta(seconds=noted)
