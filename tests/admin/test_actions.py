"""Operators write corporate actions by form and by file; everybody reads them."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from marketdata.models import CorporateAction, Instrument
from tests.admin.world import looks, to
from tests.factories import make_instrument, make_user, unique_symbol

UPLOAD = "/admin/marketdata/corporateaction/upload/"


@pytest.fixture
def client():
    return looks(make_user("operator", is_staff=True, is_superuser=True))


@pytest.fixture
def share():
    return make_instrument()


def form(share, kind, **fields):
    return {"kind": kind, "instrument": share.pk, "ex_date": "2024-05-01", "label": ""} | fields


def errors(answer) -> set[str]:
    assert answer.status_code == 200
    return set(answer.context["adminform"].form.errors)


def upload(client, text, **more):
    return client.post(UPLOAD, {"file": SimpleUploadedFile("actions.csv", text.encode())} | more)


class TestForm:
    def test_shows_what_each_kind_takes(self, client):
        page = client.get(to(CorporateAction, "add")).content.decode()
        assert "kind == &#x27;SPLIT&#x27;" in page or "kind == 'SPLIT'" in page

    def test_writes_an_action(self, client, share):
        client.post(
            to(CorporateAction, "add"), form(share, "SPLIT", ratio="4", cash="9", currency="USD")
        )  # the hidden are not sent on
        action = CorporateAction.objects.get(instrument=share)
        assert (action.ratio, action.cash, action.source) == (4, None, "admin")
        assert "4 for 1" in client.get(to(CorporateAction, "changelist") + f"?instrument__id__exact={share.pk}").content.decode()

    def test_is_refused_by_field(self, client, share):
        assert errors(client.post(to(CorporateAction, "add"), form(share, "CASH_DIVIDEND"))) == {"cash", "currency"}
        assert errors(client.post(to(CorporateAction, "add"), form(share, "SPLIT", ratio="1"))) == {"ratio"}
        client.post(to(CorporateAction, "add"), form(share, "SPLIT", ratio="4"))
        assert errors(client.post(to(CorporateAction, "add"), form(share, "SPLIT", ratio="5"))) == {"__all__"}

    def test_changes_one_into_another_kind(self, client, share):
        client.post(to(CorporateAction, "add"), form(share, "SPLIT", ratio="4"))
        action = CorporateAction.objects.get(instrument=share)
        page = to(CorporateAction, "change", action.pk)
        client.post(page, form(share, "CASH_DIVIDEND", ratio="4", cash="0.5", currency="USD"))
        action.refresh_from_db()
        assert (action.kind, action.ratio, action.cash) == ("CASH_DIVIDEND", None, 0.5)

    def test_renames_and_takes_it_back(self, client, share):
        new = unique_symbol()
        client.post(to(CorporateAction, "add"), form(share, "SYMBOL_CHANGE", new_symbol=new))
        assert Instrument.objects.get(pk=share.pk).symbol == new
        action = CorporateAction.objects.get(instrument=share)
        assert "Applied" in client.get(to(CorporateAction, "changelist") + f"?instrument__id__exact={share.pk}").content.decode()
        heir = make_instrument(symbol=share.symbol)
        answer = client.post(to(CorporateAction, "delete", action.pk), {"post": "yes"}, follow=True)
        assert b"is there already" in answer.content
        assert CorporateAction.objects.filter(pk=action.pk).exists()
        heir.delete()
        client.post(to(CorporateAction, "delete", action.pk), {"post": "yes"})
        assert Instrument.objects.get(pk=share.pk).symbol == share.symbol
        assert not CorporateAction.objects.filter(pk=action.pk).exists()


class TestUpload:
    def test_is_for_operators(self, alice, client):
        assert looks(alice).get(UPLOAD).status_code == 403
        assert looks(alice).post(UPLOAD).status_code == 403
        page = client.get(UPLOAD)
        assert page.status_code == 200
        assert UPLOAD in client.get(to(CorporateAction, "changelist")).content.decode()

    def test_loads_good_lines_and_tells_the_others(self, client, share):
        text = f"instrument,kind,ex_date,ratio\n{share.key},SPLIT,2024-05-01,4\n{share.key},SPLIT,2024-05-02\n<b>,SPLIT,x,y\n"
        page = upload(client, text).content.decode()
        assert "<strong>1</strong> stored" in page
        assert "malformed_line" in page
        assert "<b>,SPLIT" not in page
        assert "<strong>1</strong> known" in upload(client, text).content.decode()
        other = text.replace(",4\n", ",5\n")
        assert "conflicting_action" in upload(client, other).content.decode()
        assert "<strong>1</strong> corrected" in upload(client, other, correct="on").content.decode()

    def test_refuses_a_file_that_is_none(self, client):
        assert b"must name the columns" in upload(client, "a,b\n1,2\n").content
        assert b"required" in client.post(UPLOAD, {}).content
        assert b"larger than" in upload(client, "x" * (10 * 2**20 + 1)).content
