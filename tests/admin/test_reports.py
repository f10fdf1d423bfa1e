"""The page of reports: files of one's own accounts, and nobody else's."""

import csv
import io

import pytest
from openpyxl import load_workbook

from tests.admin.world import looks
from tests.factories import day, make_account, make_bars, make_instrument, make_user, post, share

PAGE = "/admin/reports/"


@pytest.fixture
def account(alice):
    account = make_account(owner=alice, name="Depot")
    instrument = make_instrument()
    make_bars(instrument, [("2020-01-02", "10"), ("2020-01-03", "12")])
    post(account, "DEPOSIT", cash="1000", notes="=1+1", occurred_at=day("2020-01-02"))
    post(account, "BUY", instrument=instrument, quantity="10", price="10", occurred_at=day("2020-01-02"))
    post(account, "SELL", instrument=instrument, quantity="-4", price="12", occurred_at=day("2020-01-03"))
    return account


def get(user, account, **query):
    return looks(user).get(PAGE, {"account": account.pk} | query)


def content(answer) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


class TestReports:
    def test_offers_every_report_and_the_one_to_print(self, alice, account):
        page = get(alice, account, year=2020).content.decode()
        for name in ("realized", "income", "fees", "holdings", "activity"):
            assert f'name="download" value="{name}"' in page
        assert f"/api/v1/accounts/{account.pk}/reports/performance/" in page
        assert 'name="start" value="2020-01-01"' in page
        assert 'name="end" value="2021-01-01"' in page

    def test_answers_with_the_file_that_was_chosen(self, alice, account):
        answer = get(alice, account, year=2020, download="realized", format="csv")
        assert answer["Content-Disposition"] == 'attachment; filename="depot-realized-2020.csv"'
        assert [row["gain"] for row in csv.DictReader(io.StringIO(content(answer).decode()))] == ["8"]
        book = load_workbook(io.BytesIO(content(get(alice, account, download="activity", format="xlsx"))))
        assert book["Rows"].max_row == 4
        rows = csv.DictReader(io.StringIO(content(get(alice, account, download="activity")).decode()))
        assert [row["notes"] for row in rows] == ["'=1+1", "", ""]

    def test_tells_holdings_of_the_last_day(self, alice, account):
        answer = get(alice, account, start="2020-01-02", last="2020-01-02", download="holdings")
        assert [row["quantity"] for row in csv.DictReader(io.StringIO(content(answer).decode()))] == ["10"]

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ({"year": "2020", "start": "2020-01-01"}, "Choose a year, or days."),
            ({"start": "2020-02-01", "last": "2020-01-01"}, "The last day comes before the first."),
            ({"currency": "QQQ"}, "three capital letters"),
            ({"year": "1"}, "1970"),
        ],
    )
    def test_says_what_is_wrong(self, alice, account, query, says):
        answer = get(alice, account, download="realized", **query)
        assert says in answer.content.decode()

    def test_never_shows_an_account_of_somebody_else(self, account, charlie):
        own = make_account(owner=charlie, name="Charlie's own")
        page = get(charlie, account).content.decode()
        assert str(account.pk) not in page
        assert str(own.pk) in page
        rows = csv.DictReader(io.StringIO(content(get(charlie, account, download="activity")).decode()))
        assert list(rows) == []

    def test_is_for_viewers_too(self, account):
        assert get(share(account, make_user("vera")), account, download="fees").status_code == 200
