"""Watchlists and notifications."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from accounts.models import Level, Notification, Watchlist
from accounts.models.tenancy import acting_as
from accounts.services.notifications import delete_notification, mark_read, notify
from accounts.services.watchlists import NameTaken, change_watchlist, create_watchlist, delete_watchlist
from marketdata.models import FollowedInstrument
from tests.factories import make_instrument

NOW = datetime(2024, 5, 6, tzinfo=UTC)


class TestWatchlists:
    def test_what_is_on_one_is_followed(self, alice):
        first, second = make_instrument(), make_instrument()
        with acting_as(alice.pk):
            watchlist = create_watchlist(user=alice, name="Tech", instruments=[first], at=NOW)
            change_watchlist(watchlist=watchlist, instruments=[second], at=NOW)
            assert list(watchlist.instruments.all()) == [second]
        assert FollowedInstrument.objects.filter(instrument__in=[first, second]).count() == 2

    def test_a_name_is_a_persons_once(self, alice, bob):
        with acting_as(alice.pk):
            create_watchlist(user=alice, name="Tech", instruments=[], at=NOW)
            other = create_watchlist(user=alice, name="Energy", instruments=[], at=NOW)
            with pytest.raises(NameTaken):
                create_watchlist(user=alice, name="Tech", instruments=[], at=NOW)
            with pytest.raises(NameTaken):
                change_watchlist(watchlist=other, name="Tech", at=NOW)
        with acting_as(bob.pk):
            assert create_watchlist(user=bob, name="Tech", instruments=[], at=NOW)

    @pytest.mark.parametrize("name", ["", "x" * 101, "a\u200bb"])
    def test_a_name_that_is_none_is_refused(self, alice, name):
        with acting_as(alice.pk), pytest.raises(ValidationError) as refused:
            create_watchlist(user=alice, name=name, instruments=[], at=NOW)
        assert "name" in refused.value.error_dict

    def test_it_goes_with_what_is_on_it(self, alice):
        with acting_as(alice.pk):
            watchlist = create_watchlist(user=alice, name="Tech", instruments=[make_instrument()], at=NOW)
            delete_watchlist(watchlist=watchlist)
            assert not Watchlist.objects.exists()


class TestNotifications:
    def test_a_message_is_read_and_thrown_away(self, alice):
        with acting_as(alice.pk):
            message = notify(user=alice, title="t" * 300, level=Level.WARNING, body="b", link="/admin/", at=NOW)
            assert len(message.title) == 200
            assert mark_read(notification=message, read_at=NOW).read_at == NOW
            assert mark_read(notification=message, read_at=None).read_at is None
            delete_notification(notification=message)
            assert not Notification.objects.exists()

    def test_nobody_writes_to_another_but_the_system(self, alice, bob):
        with pytest.raises(DatabaseError), acting_as(bob.pk):
            notify(user=alice, title="Hello", at=NOW)
        notify(user=alice, title="Done", at=NOW, using="system")
        with acting_as(alice.pk):
            assert Notification.objects.get().title == "Done"
