"""What people add to trades: tags, notes and pictures, each within bounds, and nothing of a trade itself."""

import pytest
from django.core.exceptions import ValidationError

from accounts.models.tenancy import acting_as
from accounts.services.accounts import AccountClosed, close_account
from tests.factories import make_instrument
from tests.trading.factories import AT, make_fill, make_order, make_png
from trading.models import Attachment, TradeNote, TradeTag
from trading.selectors.pictures import path_of
from trading.services.journal import (
    MOST_PICTURES,
    AttachedBefore,
    NoTrade,
    attach_picture,
    note_trade,
    remove_picture,
    tag_trade,
)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """Keep pictures in a folder of the test's own."""
    settings.ATTACHMENTS = tmp_path / "pictures"
    return settings.ATTACHMENTS


@pytest.fixture
def owner(account):
    """Act as the account's owner."""
    with acting_as(account.owner_id):
        yield account.owner


@pytest.fixture
def order(account, owner):
    order = make_order(account, make_instrument())
    make_fill(order)
    return order


def tags(order):
    return list(TradeTag.objects.filter(order=order).order_by("tag").values_list("tag", flat=True))


def codes(refused, field):
    return [error.code for error in refused.value.error_dict[field]]


class TestTags:
    def test_are_those_that_were_said_last(self, order):
        tag_trade(order=order, tags=["b", " a ", "b"], at=AT)
        assert tags(order) == ["a", "b"]
        tag_trade(order=order, tags=["b", "c"], at=AT)
        assert tags(order) == ["b", "c"]
        tag_trade(order=order, tags=[], at=AT)
        assert tags(order) == []

    @pytest.mark.parametrize("wrong", [[""], ["x" * 51], ["a\x07"], ["a\nb"], [f"{n}" for n in range(21)]])
    def test_that_cannot_be_are_refused_and_change_nothing(self, order, wrong):
        tag_trade(order=order, tags=["a"], at=AT)
        with pytest.raises(ValidationError) as refused:
            tag_trade(order=order, tags=wrong, at=AT)
        assert codes(refused, "tags") in (["invalid"], ["too_many"])
        assert tags(order) == ["a"]

    def test_hang_on_trades_alone(self, account, order):
        for other in (make_order(account, make_instrument()), make_order(account, order.instrument, side="SELL", effect="CLOSE")):
            with pytest.raises(NoTrade):
                tag_trade(order=other, tags=["a"], at=AT)

    def test_stay_as_they_are_in_a_closed_account(self, account, order):
        close_account(account=account, at=AT)
        order.refresh_from_db()
        with pytest.raises(AccountClosed):
            tag_trade(order=order, tags=["a"], at=AT)


class TestNotes:
    def test_keep_their_authors_while_they_keep_their_ids(self, order, owner, bob):
        note_trade(order=order, notes=[{"text": "First."}, {"text": "Second."}], actor=owner, at=AT)
        first, second = TradeNote.objects.filter(order=order).order_by("pk")
        note_trade(order=order, notes=[{"id": first.pk, "text": "First."}, {"text": "New."}], actor=bob, at=AT)
        kept = {note.text: note.author_id for note in TradeNote.objects.filter(order=order)}
        assert kept == {"First.": owner.pk, "New.": bob.pk}
        assert not TradeNote.objects.filter(pk=second.pk).exists()

    def test_say_what_their_authors_wrote(self, order, owner, bob):
        note_trade(order=order, notes=[{"text": "Mine."}], actor=owner, at=AT)
        note = TradeNote.objects.get(order=order)
        with pytest.raises(ValidationError) as refused:
            note_trade(order=order, notes=[{"id": note.pk, "text": "In her name."}], actor=bob, at=AT)
        assert codes(refused, "notes") == ["not_the_author"]
        note_trade(order=order, notes=[{"id": note.pk, "text": "Mine, better."}], actor=owner, at=AT)
        assert TradeNote.objects.get(order=order).text == "Mine, better."

    def test_of_another_trade_are_not_there(self, account, order, owner):
        other = make_order(account, make_instrument())
        make_fill(other)
        note_trade(order=other, notes=[{"text": "x"}], actor=owner, at=AT)
        foreign = TradeNote.objects.get(order=other)
        with pytest.raises(ValidationError) as refused:
            note_trade(order=order, notes=[{"id": foreign.pk, "text": "y"}], actor=owner, at=AT)
        assert codes(refused, "notes") == ["does_not_exist"]

    @pytest.mark.parametrize("text", ["", "  ", "x" * 10_001, "a\x00b"])
    def test_that_say_nothing_or_too_much_are_refused(self, order, owner, text):
        with pytest.raises(ValidationError):
            note_trade(order=order, notes=[{"text": text}], actor=owner, at=AT)


class TestPictures:
    def test_are_kept_as_files_by_ids_alone(self, account, order, owner, folder):
        made = attach_picture(order=order, name="../../my chart.exe", content=make_png("x"), actor=owner, at=AT)
        assert (made.name, made.content_type, made.size) == ("my chart.png", "image/png", len(make_png("x")))
        assert path_of(made) == folder / str(account.pk) / str(made.pk)
        assert path_of(made).read_bytes() == make_png("x")
        assert path_of(made).stat().st_mode & 0o077 == 0

    def test_hang_on_a_trade_once(self, order, owner, folder):
        attach_picture(order=order, name="a.png", content=make_png("x"), actor=owner, at=AT)
        with pytest.raises(AttachedBefore):
            attach_picture(order=order, name="b.png", content=make_png("x"), actor=owner, at=AT)
        assert len([path for path in folder.rglob("*") if path.is_file()]) == 1

    def test_that_are_none_leave_nothing(self, order, owner, folder):
        with pytest.raises(ValidationError) as refused:
            attach_picture(order=order, name="a.png", content=b"<svg onload=alert(1)>", actor=owner, at=AT)
        assert codes(refused, "file") == ["no_picture"]
        assert not folder.exists()

    def test_are_not_too_many(self, order, owner):
        for number in range(MOST_PICTURES):
            attach_picture(order=order, name="a.png", content=make_png(f"{number}"), actor=owner, at=AT)
        with pytest.raises(ValidationError) as refused:
            attach_picture(order=order, name="a.png", content=make_png("more"), actor=owner, at=AT)
        assert codes(refused, "file") == ["too_many"]

    def test_go_with_their_files_once_that_is_certain(self, account):
        with acting_as(account.owner_id):
            order = make_order(account, make_instrument())
            make_fill(order)
            made = attach_picture(order=order, name="a.png", content=make_png(), actor=account.owner, at=AT)
        path = path_of(made)
        with acting_as(account.owner_id):
            remove_picture(attachment=made)
            assert path.exists()
        assert not path.exists()
        with acting_as(account.owner_id):
            assert not Attachment.objects.filter(order=order).exists()
