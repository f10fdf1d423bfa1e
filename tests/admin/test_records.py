"""What else people write in the admin: accounts, members, tokens, jobs, lists, profiles; each through its service."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import authenticate

from accounts.domain.roles import Role
from accounts.models import (
    Account,
    ApiToken,
    Job,
    Membership,
    Notification,
    User,
    Watchlist,
)
from accounts.models.tenancy import acting_as
from accounts.selectors.users import find_token
from accounts.services.jobs import open_jobs
from accounts.services.memberships import invite_member
from accounts.services.notifications import notify
from accounts.services.tokens import issue_token
from accounts.services.watchlists import create_watchlist
from marketdata.models import Instrument, QualityIssue
from tests.admin.world import looks, to
from tests.factories import PASSWORD, make_account, make_instrument, make_user, post, share, unique_symbol

NOW = datetime.now(UTC)
SENT = {"_form_submitted": "True"}


def errors(answer) -> set[str]:
    assert answer.status_code == 200
    return set(answer.context["adminform"].form.errors)


def dialog(client, record, name: str, **form):
    """Send what a dialog of a record asks."""
    return client.post(to(type(record), "change", record.pk).replace("/change/", f"/{name}/"), SENT | form)


def seen(person, rows) -> list:
    """Return rows as a person sees them."""
    with acting_as(person.pk):
        return list(rows)


@pytest.fixture
def client(alice, account):
    return looks(alice)


@pytest.fixture
def operator():
    return make_user("operator", is_staff=True, is_superuser=True)


class TestAccounts:
    FIELDS = {"name": "Second", "kind": "MARGIN", "base_currency": "EUR", "execution_mode": "PAPER", "cost_basis_method": "FIFO",
              "opened_on": "2020-01-01"}  # fmt: skip

    def test_are_opened_with_their_owner_and_jobs(self, client, alice):
        client.post(to(Account, "add"), self.FIELDS)
        (second,) = seen(alice, Account.objects.filter(name="Second"))
        assert (second.owner_id, second.base_currency) == (alice.pk, "EUR")
        assert len(seen(alice, Job.objects.filter(account=second))) == 4

    def test_are_refused_with_fields_that_are_wrong(self, client):
        assert errors(client.post(to(Account, "add"), self.FIELDS | {"base_currency": "euro", "opened_on": "2999-01-01"})) == {
            "base_currency"
        }
        assert errors(client.post(to(Account, "add"), self.FIELDS | {"opened_on": "2999-01-01"})) == {"opened_on"}

    def test_are_changed_by_their_owner(self, client, alice, account):
        client.post(to(Account, "change", account.pk), self.FIELDS | {"base_currency": "USD"})
        (changed,) = seen(alice, Account.objects.filter(pk=account.pk))
        assert (changed.name, changed.kind) == ("Second", "MARGIN")

    def test_keep_their_currency_once_they_have_entries(self, client, account):
        post(account, "DEPOSIT", cash="1")
        assert errors(client.post(to(Account, "change", account.pk), self.FIELDS)) == {"__all__"}

    def test_are_closed_once_and_then_read_only(self, client, alice, account):
        assert dialog(client, account, "close").status_code == 302
        assert seen(alice, Account.objects.filter(pk=account.pk))[0].closed_on is not None
        assert dialog(client, account, "close").status_code == 403
        assert client.post(to(Account, "change", account.pk), self.FIELDS).status_code == 403

    def test_are_closed_by_owners_alone(self, account, bob, charlie):
        for person in (bob, charlie, share(account, make_user("tom"), Role.TRADER)):
            assert dialog(looks(person), account, "close").status_code == 403


class TestMembers:
    def test_are_invited_and_accept(self, client, alice, account):
        dora = make_user("dora")
        client.post(to(Membership, "add"), {"account": account.pk, "email": dora.email, "role": Role.TRADER})
        (invitation,) = seen(alice, Membership.objects.filter(account=account, email=dora.email))
        hers = looks(dora)
        assert f"invitations/{invitation.pk}/accept/" in hers.get("/admin/").content.decode()
        assert hers.post(f"/admin/accounts/membership/invitations/{invitation.pk}/accept/").status_code == 302
        assert seen(dora, Account.objects.filter(pk=account.pk)) == [account]

    def test_decline(self, alice, account):
        dora = make_user("dora")
        with acting_as(alice.pk):
            invitation = invite_member(account=account, email=dora.email, role=Role.VIEWER, actor=alice, at=NOW)
        looks(dora).post(f"/admin/accounts/membership/invitations/{invitation.pk}/decline/")
        assert seen(alice, Membership.objects.filter(pk=invitation.pk)) == []

    @pytest.mark.parametrize("answer", ["accept", "decline"])
    def test_answer_their_own_invitations_alone(self, alice, account, charlie, answer):
        with acting_as(alice.pk):
            invitation = invite_member(account=account, email="dora@example.com", role=Role.VIEWER, actor=alice, at=NOW)
        page = looks(charlie).post(f"/admin/accounts/membership/invitations/{invitation.pk}/{answer}/", follow=True)
        assert b"There is no such invitation" in page.content
        assert seen(alice, Membership.objects.filter(pk=invitation.pk)) == [invitation]

    def test_are_not_invited_twice(self, client, account, bob):
        form = {"account": account.pk, "email": bob.email, "role": Role.VIEWER}
        assert errors(client.post(to(Membership, "add"), form)) == {"__all__"}

    def test_get_another_role(self, client, alice, account, bob):
        (membership,) = seen(alice, Membership.objects.filter(account=account, user=bob))
        client.post(to(Membership, "change", membership.pk), {"role": Role.TRADER, "email": "other@example.com"})
        (changed,) = seen(alice, Membership.objects.filter(pk=membership.pk))
        assert (changed.role, changed.email) == (Role.TRADER, bob.email)

    def test_leave_the_last_owner_in_place(self, client, alice, account):
        (membership,) = seen(alice, Membership.objects.filter(account=account, user=alice))
        assert errors(client.post(to(Membership, "change", membership.pk), {"role": Role.VIEWER})) == {"__all__"}
        answer = dialog(client, membership, "remove")
        assert b"always keeps an owner" in answer.content
        assert seen(alice, Membership.objects.filter(pk=membership.pk)) == [membership]

    def test_are_removed_by_owners_and_leave_by_themselves(self, client, alice, account, bob):
        (his,) = seen(bob, Membership.objects.filter(account=account, user=bob))
        tom = share(account, make_user("tom"))
        (toms,) = seen(alice, Membership.objects.filter(account=account, user=tom))
        assert dialog(looks(bob), toms, "remove").status_code == 403
        assert dialog(looks(bob), his, "remove").status_code == 302
        assert dialog(client, toms, "remove").status_code == 302
        assert [membership.user_id for membership in seen(alice, Membership.objects.filter(account=account))] == [alice.pk]


class TestTokens:
    def test_are_shown_once(self, client, alice, account):
        answer = client.post(to(ApiToken, "add"), {"name": "laptop", "scope": "trade", "limited_to": [account.pk]})
        (token,) = seen(alice, ApiToken.objects.filter(name="laptop"))
        secret = answer.context["token"].secret
        assert secret in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        assert find_token(secret=secret, at=NOW).pk == token.pk
        assert (token.scopes, token.accounts) == (["trade"], [account.pk])
        for page in (to(ApiToken, "changelist"), to(ApiToken, "change", token.pk), "/admin/"):
            assert secret not in client.get(page).content.decode()

    def test_are_refused_for_accounts_of_others_and_times_that_are_past(self, client, charlie):
        theirs = make_account(owner=charlie)
        assert errors(client.post(to(ApiToken, "add"), {"name": "x", "scope": "read", "limited_to": [theirs.pk]})) == {
            "limited_to"
        }
        past = {"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}
        assert errors(client.post(to(ApiToken, "add"), {"name": "x", "scope": "read"} | past)) == {"expires_at"}
        assert errors(client.post(to(ApiToken, "add"), {"name": "x", "scope": "root"})) == {"scope"}

    def test_are_revoked_by_their_owner_once(self, client, alice, bob):
        with acting_as(alice.pk):
            issued = issue_token(user=alice, name="old", scopes=["read"], at=NOW)
        assert dialog(looks(bob), issued.token, "revoke").status_code == 403
        assert dialog(client, issued.token, "revoke").status_code == 302
        assert find_token(secret=issued.secret, at=NOW) is None
        assert dialog(client, issued.token, "revoke").status_code == 403
        assert b"Revoked" in client.get(to(ApiToken, "changelist")).content

    def test_that_expired_say_so(self, client, alice):
        with acting_as(alice.pk):
            issue_token(user=alice, name="short", scopes=["read"], at=NOW - timedelta(days=2), expires_at=NOW - timedelta(days=1))
        assert b"Expired" in client.get(to(ApiToken, "changelist")).content


class TestJobs:
    @pytest.fixture
    def job(self, alice, account):
        with acting_as(alice.pk):
            return open_jobs(account=account, at=NOW)[0]

    def test_are_rescheduled_by_owners(self, client, alice, job):
        client.post(to(Job, "change", job.pk), {"schedule": "0 6 * * *", "enabled": "on"})
        (changed,) = seen(alice, Job.objects.filter(pk=job.pk))
        assert (changed.schedule, changed.next_run_at.hour) == ("0 6 * * *", 6)
        client.post(to(Job, "change", job.pk), {"schedule": "0 6 * * *"})
        assert seen(alice, Job.objects.filter(pk=job.pk))[0].next_run_at is None

    def test_are_refused_a_schedule_that_is_none(self, client, job):
        assert errors(client.post(to(Job, "change", job.pk), {"schedule": "at noon"})) == {"schedule"}

    def test_run_at_once_for_owners_alone(self, client, alice, job, bob, charlie):
        for person in (bob, charlie):
            assert dialog(looks(person), job, "run_now").status_code == 403
        assert dialog(client, job, "run_now").status_code == 302
        assert seen(alice, Job.objects.filter(pk=job.pk))[0].next_run_at <= datetime.now(UTC)


class TestListsAndMessages:
    def test_are_made_changed_and_thrown_away(self, client, alice):
        one, other = make_instrument(), make_instrument()
        client.post(to(Watchlist, "add"), {"name": "Tech", "instruments": [one.pk, other.pk]})
        (watchlist,) = seen(alice, Watchlist.objects.filter(user=alice))
        client.post(to(Watchlist, "change", watchlist.pk), {"name": "Old tech", "instruments": [one.pk]})
        (changed,) = seen(alice, Watchlist.objects.filter(user=alice).prefetch_related("instruments"))
        assert (changed.name, list(changed.instruments.all())) == ("Old tech", [one])
        assert client.post(to(Watchlist, "delete", watchlist.pk), {"post": "yes"}).status_code == 302
        assert seen(alice, Watchlist.objects.filter(user=alice)) == []

    def test_of_one_name_are_not_made_twice(self, client, alice):
        with acting_as(alice.pk):
            create_watchlist(user=alice, name="Tech", instruments=[], at=NOW)
        assert errors(client.post(to(Watchlist, "add"), {"name": "Tech", "instruments": [make_instrument().pk]})) == {"__all__"}

    def test_are_read_and_thrown_away_by_whom_they_are_for(self, client, alice, bob):
        with acting_as(alice.pk):
            message = notify(user=alice, title="Hello", at=NOW, link="/admin/")
        assert dialog(looks(bob), message, "mark_read").status_code == 403
        assert b'href="/admin/"' in client.get(to(Notification, "change", message.pk)).content
        assert dialog(client, message, "mark_read").status_code == 302
        assert seen(alice, Notification.objects.filter(pk=message.pk))[0].read_at is not None
        assert dialog(client, message, "mark_read").status_code == 403
        assert client.post(to(Notification, "delete", message.pk), {"post": "yes"}).status_code == 302
        assert seen(alice, Notification.objects.filter(pk=message.pk)) == []


class TestUsers:
    NEW = {"display_name": "New", "time_zone": "Asia/Tokyo", "base_currency": "JPY"}

    def test_are_registered_by_operators(self, operator):
        email = f"New.{unique_symbol()}@example.com"
        looks(operator).post(to(User, "add"), self.NEW | {"email": email, "password": PASSWORD})
        user = User.objects.get(email=email.lower())
        assert user.check_password(PASSWORD)
        assert (user.time_zone, user.is_staff, user.is_superuser) == ("Asia/Tokyo", False, False)

    def test_are_refused_a_weak_password_and_a_known_email(self, operator, alice):
        form = self.NEW | {"email": "x@example.com", "password": "12345"}
        assert errors(looks(operator).post(to(User, "add"), form)) == {"password"}
        known = errors(looks(operator).post(to(User, "add"), form | {"email": alice.email.upper(), "password": PASSWORD}))
        assert known

    def test_change_their_own_profile_and_nothing_else(self, client, alice):
        client.post(to(User, "change", alice.pk), self.NEW | {"email": "x@example.com", "is_staff": "on", "is_superuser": "on"})
        changed = User.objects.get(pk=alice.pk)
        assert (changed.display_name, changed.time_zone, changed.base_currency) == ("New", "Asia/Tokyo", "JPY")
        assert (changed.email, changed.is_staff, changed.is_superuser) == (alice.email, False, False)

    def test_are_locked_out_by_operators_with_all_they_have(self, operator, alice, account):
        with acting_as(alice.pk):
            issued = issue_token(user=alice, name="x", scopes=["read"], at=NOW)
        looks(operator).post(to(User, "change", alice.pk), self.NEW)
        assert authenticate(username=alice.email, password=PASSWORD) is None
        assert find_token(secret=issued.secret, at=NOW) is None
        assert looks(alice).get("/admin/").status_code == 302

    def test_are_made_operators_but_never_superusers(self, operator, alice):
        looks(operator).post(to(User, "change", alice.pk), self.NEW | {"is_active": "on", "is_staff": "on", "is_superuser": "on"})
        changed = User.objects.get(pk=alice.pk)
        assert (changed.is_staff, changed.is_superuser) == (True, False)

    def test_do_not_lock_themselves_out(self, operator):
        assert errors(looks(operator).post(to(User, "change", operator.pk), self.NEW)) == {"__all__"}
        assert User.objects.get(pk=operator.pk).is_active

    def test_get_another_password_from_operators_alone(self, operator, client, alice):
        assert dialog(client, alice, "set_password", password="another good one").status_code == 403
        assert dialog(looks(operator), operator, "set_password", password="another good one").status_code == 403
        assert b"too short" in dialog(looks(operator), alice, "set_password", password="1").content
        dialog(looks(operator), alice, "set_password", password="another good one")
        assert User.objects.get(pk=alice.pk).check_password("another good one")

    def test_hide_their_hashes(self, operator, alice):
        password = User.objects.get(pk=alice.pk).password
        assert password not in looks(operator).get(to(User, "change", alice.pk)).content.decode()
        assert looks(operator).get(to(User, "changelist"), {"password__startswith": "m"}).status_code == 400

    def test_change_their_password_knowing_the_old_one(self, client, alice):
        new = "another good one"
        client.post("/admin/password_change/", {"old_password": "wrong", "new_password1": new, "new_password2": new})
        assert not User.objects.get(pk=alice.pk).check_password(new)
        client.post("/admin/password_change/", {"old_password": PASSWORD, "new_password1": new, "new_password2": new})
        assert User.objects.get(pk=alice.pk).check_password(new)


class TestMarketData:
    FIELDS = {
        "exchange": "XTST",
        "name": "New Inc.",
        "asset_class": "EQUITY",
        "currency": "USD",
        "multiplier": "1",
        "active": "on",
    }

    def test_is_kept_by_operators(self, operator):
        symbol = unique_symbol()
        looks(operator).post(to(Instrument, "add"), self.FIELDS | {"symbol": symbol})
        instrument = Instrument.objects.get(symbol=symbol)
        looks(operator).post(to(Instrument, "change", instrument.pk), self.FIELDS | {"symbol": symbol, "name": "Old Inc."})
        assert Instrument.objects.get(symbol=symbol).name == "Old Inc."

    @pytest.mark.parametrize("symbol", ["AA\u0420L", "a b", "=cmd", "\uff21\uff21"])
    def test_refuses_symbols_that_look_like_others(self, operator, symbol):
        assert errors(looks(operator).post(to(Instrument, "add"), self.FIELDS | {"symbol": symbol})) == {"symbol"}

    def test_is_not_changed_by_others(self, client):
        instrument = make_instrument()
        assert client.post(to(Instrument, "change", instrument.pk), self.FIELDS).status_code == 403

    def test_has_its_issues_resolved_by_operators_once(self, operator, client):
        row = {"rule": "spread", "severity": "WARNING", "dataset": "quotes", "source": "test", "record": {}}
        issue = QualityIssue.objects.create(**row, fingerprint=unique_symbol(), found_at=NOW, last_found_at=NOW)
        assert dialog(client, issue, "resolve", resolution="fixed").status_code == 403
        assert dialog(looks(operator), issue, "resolve", resolution="fixed").status_code == 302
        assert b"has resolved this issue already" in dialog(looks(operator), issue, "resolve", resolution="again").content
        states = {
            state: looks(operator).get(to(QualityIssue, "changelist"), {"state": state}).content.decode()
            for state in ("open", "resolved")
        }
        page = to(QualityIssue, "change", issue.pk)
        assert (page in states["open"], page in states["resolved"]) == (False, True)

    def test_is_found_while_one_types(self, client):
        instrument = make_instrument()
        query = {"term": instrument.symbol, "app_label": "accounts", "model_name": "ledgerentry", "field_name": "instrument"}
        found = client.get("/admin/autocomplete/", query).json()["results"]
        assert [row["id"] for row in found] == [str(instrument.pk)]
