"""The pages of imports: a file is brought, asked about, looked at, posted and taken back, by whoever may; others see nothing."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.domain.roles import Role
from accounts.models import ImportBatch
from accounts.models.tenancy import acting_as
from accounts.services.accounts import close_account
from tests.accounts import flex
from tests.accounts.kept_files import NOW, again, bought, deposits, keep, post_kept, schwab, work
from tests.admin.importing import brought, do, entries, send
from tests.admin.world import HOSTILE, looks, to
from tests.factories import make_account, make_instrument, make_user, share, unique_symbol

UNKNOWN = "04/06/2024,Moon Landing,,?,,,,$1.00"


@pytest.fixture
def client(alice, account):
    return looks(alice)


class TestPreview:
    def test_shows_every_line_with_its_fate_and_posts_nothing(self, client, account):
        batch, page = brought(client, account, schwab(*deposits(2), UNKNOWN))
        assert (batch.status, entries(account)) == ("PREVIEWED", [])
        assert "2 entries would be posted" in page
        assert "<strong>Deposit</strong>" in page
        assert "<code>unknown_action</code>" in page
        assert "04/06/2024,Moon Landing" in page

    def test_shows_the_lines_of_one_fate(self, client, account):
        batch, _ = brought(client, account, schwab(*deposits(2), UNKNOWN))
        page = client.get(to(ImportBatch, "change", batch.pk), {"fate": "refused"}).content.decode()
        assert "Moon Landing" in page
        assert "Savings 0" not in page

    @pytest.mark.parametrize(
        ("page", "first"), [("1", 52), ("99999999", 2), ("5", 102), ("-1", 2), ("x", 2), ("\N{SUPERSCRIPT TWO}", 2)]
    )
    def test_shows_a_page_of_them_at_a_time(self, client, account, page, first):
        batch, _ = brought(client, account, schwab(*deposits(101)))
        shown = client.get(to(ImportBatch, "change", batch.pk), {"page": page}).context["lines"]
        assert shown[0]["number"] == first

    def test_groups_the_digits_of_many(self, client, account):
        _, page = brought(client, account, schwab(*deposits(1_200)))
        assert "1,200 entries would be posted" in page

    def test_shows_cash_and_holdings_before_and_after(self, client, account):
        instrument = make_instrument(symbol=unique_symbol())
        _, page = brought(client, account, schwab(*deposits(1), bought(instrument.symbol, 3, 100)))
        assert instrument.key in page
        assert "-299.00" in page

    def test_compares_with_the_closing_balances(self, client, account):
        content = flex.flex(flex.new_trade(), '<CashReportCurrency accountId="U7" currency="USD" endingCash="5"/>').encode()
        batch, page = brought(client, account, content, name="flex.xml")
        assert batch.figures["statement"]["cash"]
        assert 'id="compared"' in page
        assert "-206.00" in page

    def test_is_thrown_away(self, client, account):
        batch, _ = brought(client, account, schwab(*deposits(1)))
        assert "was thrown away" in do(client, batch, "discard")
        with acting_as(account.owner_id):
            assert not ImportBatch.objects.filter(account=account).exists()

    def test_is_read_as_another_format(self, client, account):
        batch, _ = brought(client, account, schwab(*deposits(1)))
        page = do(client, batch, "read", format="fidelity")
        assert "No line names the columns" in page
        assert again(batch).format == "schwab"
        do(client, batch, "read", format="schwab", time_zone="Europe/Paris")
        assert again(batch).options["time_zone"] == "Europe/Paris"
        assert "time_zone: " in do(client, batch, "read", time_zone="Moon/Base")

    def test_asks_the_database_no_more_for_more_lines(self, client, account):
        counts = []
        for number in (3, 40):
            batch = keep(account, schwab(*deposits(number), UNKNOWN))
            with CaptureQueriesContext(connection) as queries:
                client.get(to(ImportBatch, "change", batch.pk))
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 14


class TestRefusal:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"nonsense", "in none of the formats"),
            (b"", "empty"),
            (b"PK\x03\x04" + b"\0" * 50, "ZIP"),
            (b'{"a": 1}', "in none of the formats"),
            (b"<!DOCTYPE x [<!ENTITY a 'b'>]><OFX>&a;</OFX>", ""),
            (b"a,b\n" + b"x" * (2 << 20) + b"\n", "in none of the formats"),
            (b"," * 600 + b"\n" + b"," * 600, ""),
            (b"\0\0\0\0", ""),
        ],
        ids=["words", "nothing", "zip", "json", "entities", "long-line", "wide", "nul"],
    )
    def test_of_the_whole_file_keeps_nothing(self, client, account, content, says):
        answer = send(client, account, content)
        assert answer.status_code == 200
        assert set(answer.context["form"].errors) == {"file"}
        assert says in answer.content.decode()
        with acting_as(account.owner_id):
            assert not ImportBatch.objects.filter(account=account).exists()

    @pytest.mark.parametrize("field", [{"format": "x"}, {"time_zone": "Moon/Base"}, {"time_zone": "\0"}])
    def test_names_the_field(self, client, account, field):
        answer = send(client, account, schwab(*deposits(1)), **field)
        assert set(answer.context["form"].errors) == set(field)

    @pytest.mark.parametrize("wrong", ["\0", "x", "", "00000000-0000-0000-0000-000000000000"], ids=range(4))
    def test_of_an_account_that_is_none_names_it(self, client, wrong):
        assert set(send(client, wrong, schwab(*deposits(1))).context["form"].errors) == {"account"}

    def test_shows_names_and_lines_as_text(self, client, account):
        line = UNKNOWN.replace("Moon Landing", HOSTILE[0]).replace("?", HOSTILE[3])
        name = f"{HOSTILE[1]}.csv".replace("/", "")
        _, page = brought(client, account, schwab(line, *deposits(1)), name=name)
        assert all(text not in page for text in (*HOSTILE[:2], HOSTILE[3]))
        assert "&lt;script&gt;alert(1)" in page


class TestQuestionOfFormat:
    def test_of_several_accounts_is_answered_on_the_page(self, client, account):
        content = flex.flex(flex.new_trade(), flex.new_trade(accountId="U8", tradeID="502", transactionID="9002")).encode()
        batch, page = brought(client, account, content, name="flex.xml")
        assert (batch.format, "Which account of the file" in page) == ("", True)
        assert "Say first how the file is to be read." in do(client, batch, "post")
        page = do(client, batch, "read", statement_account="U8")
        assert (again(batch).format, again(batch).posted) == ("ibkr_flex_xml", 1)
        assert "Which account of the file" in do(client, batch, "read", statement_account="")
        assert again(batch).format == ""

    def test_of_an_unsure_format_offers_the_candidates(self, client, account, monkeypatch):
        monkeypatch.setattr("accounts.adapters.CLEAR", 2.0)  # so that no format is beyond doubt
        batch, page = brought(client, account, schwab(*deposits(1)))
        assert (batch.format, 'value="schwab"' in page) == ("", True)
        assert "1 entry would be posted" in do(client, batch, "read", format="schwab")


class TestQuestions:
    def test_are_answered_on_the_page(self, client, account):
        symbol = unique_symbol()
        one, _ = (make_instrument(symbol=symbol, exchange=exchange, currency="USD") for exchange in ("XETR", "XFRA"))
        batch, page = brought(client, account, schwab(bought(symbol), *deposits(1)))
        assert page.count(f'value="{symbol}:') == 2
        (asked,) = client.get(to(ImportBatch, "change", batch.pk)).context["questions"]["open"]
        name = f"answer-{asked['question'].pk}"
        assert "Choose an instrument" in do(client, batch, "answers", **{name: ""})
        assert "No instrument is called" in do(
            client, batch, "answers", **{name: "other", f"other-{asked['question'].pk}": "QQQQ:XXXX"}
        )
        assert "1 answer was kept." in do(client, batch, "answers", **{name: one.key})
        assert again(batch).posted == 2

    def test_that_were_left_for_later_are_posted_once_they_are_answered(self, client, account):
        symbol = unique_symbol()
        one, _ = (make_instrument(symbol=symbol, exchange=exchange, currency="USD") for exchange in ("XETR", "XFRA"))
        batch = post_kept(account, schwab(bought(symbol), *deposits(1)))
        (asked,) = client.get(to(ImportBatch, "change", batch.pk)).context["questions"]["open"]
        page = do(client, batch, "answers", **{f"answer-{asked['question'].pk}": one.key})
        assert "Waits for a worker" in page
        assert work(batch).status == "POSTED"
        assert [entry.kind for entry in entries(account)] == ["DEPOSIT", "BUY"]

    @pytest.mark.parametrize("text", ["\0", "x" * 10_000, "<b>", "'; --", "\u202e", "a:b:c", "=cmd()"], ids=range(7))
    def test_refuse_what_is_no_instrument(self, client, account, text):
        symbol = unique_symbol()
        for exchange in ("XETR", "XFRA"):
            make_instrument(symbol=symbol, exchange=exchange, currency="USD")
        batch = keep(account, schwab(bought(symbol)))
        (asked,) = client.get(to(ImportBatch, "change", batch.pk)).context["questions"]["open"]
        name = asked["question"].pk
        for sent in ({f"answer-{name}": text}, {f"answer-{name}": "other", f"other-{name}": text}):
            page = do(client, batch, "answers", **sent)
            assert "kept." not in page
            assert "<b>" not in page
        do(client, batch, "read", format=text, time_zone=text, statement_account=text)
        assert again(batch).options["statement_account"] == ""

    def test_of_another_import_are_no_questions_of_this(self, client, account):
        symbol = unique_symbol()
        one, _ = (make_instrument(symbol=symbol, exchange=exchange, currency="USD") for exchange in ("XETR", "XFRA"))
        batch, other = (keep(account, schwab(bought(symbol, quantity))) for quantity in (1, 2))
        (asked,) = client.get(to(ImportBatch, "change", other.pk)).context["questions"]["open"]
        assert "Choose an instrument" in do(client, batch, "answers", **{f"answer-{asked['question'].pk}": one.key})

    def test_are_asked_of_the_database_at_once(self, client, account):
        counts = []
        for number in (1, 4):
            symbols = [unique_symbol() for _ in range(number)]
            for symbol in symbols:
                for exchange in ("XETR", "XFRA"):
                    make_instrument(symbol=symbol, exchange=exchange, currency="USD")
            batch = keep(account, schwab(*(bought(symbol) for symbol in symbols)))
            with CaptureQueriesContext(connection) as queries:
                client.get(to(ImportBatch, "change", batch.pk))
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 16


class TestPosting:
    def test_waits_for_a_worker_and_shows_how_far_it_is(self, client, account):
        batch, _ = brought(client, account, schwab(*deposits(2), UNKNOWN))
        page = do(client, batch, "post")
        assert "Waits for a worker" in page
        poll = {"HTTP_HX_REQUEST": "true"}
        assert "0 of 3 lines" in client.get(to(ImportBatch, "progress", batch.pk), **poll).content.decode()
        work(batch)
        assert client.get(to(ImportBatch, "progress", batch.pk), **poll)["HX-Refresh"] == "true"
        assert client.get(to(ImportBatch, "progress", batch.pk)).status_code == 302
        page = client.get(to(ImportBatch, "change", batch.pk)).content.decode()
        assert "2 entries were posted" in page
        assert len(entries(account)) == 2

    def test_shows_what_is_posted_so_far(self, client, account):
        batch = keep(account, schwab(*deposits(4)))
        ImportBatch.objects.using("system").filter(pk=batch.pk).update(status="POSTING", progress=2, posted=2)
        page = client.get(to(ImportBatch, "progress", batch.pk), HTTP_HX_REQUEST="true").content.decode()
        assert "2 of 4 lines" in page
        assert "2 posted" in page

    def test_that_failed_can_be_tried_again(self, client, account):
        batch = keep(account, schwab(*deposits(1)))
        remarks = [{"code": "failed", "detail": "The power went."}]
        ImportBatch.objects.using("system").filter(pk=batch.pk).update(status="FAILED", remarks=remarks)
        page = client.get(to(ImportBatch, "change", batch.pk)).content.decode()
        assert "The power went." in page
        assert "Try again" in page
        do(client, batch, "post")
        assert work(batch).status == "POSTED"

    def test_leaves_the_refused_lines_to_be_downloaded(self, client, account):
        batch = post_kept(account, schwab(*deposits(1), UNKNOWN))
        answer = client.get(to(ImportBatch, "refused", batch.pk))
        assert (answer["Content-Type"], answer.content) == ("text/csv; charset=utf-8", schwab(UNKNOWN))
        assert answer["Content-Disposition"].startswith('attachment; filename="refused-')

    def test_is_undone_as_one_act(self, client, account):
        batch = post_kept(account, schwab(*deposits(3)))
        page = do(client, batch, "undo", explanation="Wrong account")
        assert "3 reversals took back" in page
        assert sum(entry.cash for entry in entries(account)) == 0
        assert {entry.reason_explanation for entry in entries(account)[3:]} == {"Wrong account"}
        assert "The import was undone before." in do(client, batch, "undo")

    @pytest.mark.parametrize("text", ["\0", "x" * 1_001])
    def test_is_not_undone_for_what_is_no_text(self, client, account, text):
        batch = post_kept(account, schwab(*deposits(1)))
        do(client, batch, "undo", explanation=text)
        assert again(batch).status == "POSTED"


class TestPeople:
    ACTS = ("read", "answers", "post", "undo", "discard", "columns")

    def test_who_trade_do_all_of_it(self, account):
        tom = share(account, make_user("tom"), Role.TRADER)
        batch, page = brought(looks(tom), account, schwab(*deposits(1)))
        assert "Post 1 entry" in page
        do(looks(tom), batch, "post")
        assert work(batch).status == "POSTED"
        assert "1 reversal took back" in do(looks(tom), batch, "undo")

    def test_who_only_look_see_it_and_do_nothing(self, account, bob):
        batch = keep(account, schwab(*deposits(1), UNKNOWN))
        client = looks(bob)
        page = client.get(to(ImportBatch, "change", batch.pk)).content.decode()
        assert "Moon Landing" in page
        assert '<form method="post" action="/admin/accounts/importbatch/' not in page
        assert send(client, account, schwab(*deposits(1))).status_code == 403
        assert {client.post(to(ImportBatch, act, batch.pk)).status_code for act in self.ACTS} == {403}
        assert client.get(to(ImportBatch, "refused", batch.pk)).status_code == 200

    def test_from_elsewhere_find_nothing(self, account, charlie):
        make_account(owner=charlie)
        batch, client = keep(account, schwab(*deposits(1))), looks(charlie)
        assert {client.post(to(ImportBatch, act, batch.pk)).status_code for act in self.ACTS} == {404}
        assert {client.get(to(ImportBatch, name, batch.pk)).status_code for name in ("progress", "refused", "columns")} == {404}
        assert set(send(client, account, schwab(*deposits(1))).context["form"].errors) == {"account"}

    def test_find_no_way_to_write_into_what_is_closed(self, client, account):
        batch = keep(account, schwab(*deposits(1)))
        with acting_as(account.owner_id):
            close_account(account=account, at=NOW)
        assert "Post 1 entry" not in client.get(to(ImportBatch, "change", batch.pk)).content.decode()
        do(client, batch, "post")
        assert client.get(to(ImportBatch, "columns", batch.pk)).status_code == 302
        assert again(batch).status == "PREVIEWED"

    def test_change_nothing_by_looking(self, client, account):
        batch = keep(account, schwab(*deposits(1)))
        assert {client.get(to(ImportBatch, act, batch.pk)).status_code for act in self.ACTS[:-1]} == {405}
        assert client.post(to(ImportBatch, "change", batch.pk)).status_code == 403
