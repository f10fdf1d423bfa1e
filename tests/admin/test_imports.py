"""The pages of imports: a file is brought, asked about, looked at, posted and taken back, by whoever may; others see nothing."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.domain.roles import Role
from accounts.models import ImportBatch, ImportTemplate, InstrumentAnswer, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.accounts import close_account
from accounts.services.import_templates import save_template
from tests.accounts import flex
from tests.accounts.kept_files import NOW, again, bought, deposits, keep, post_kept, schwab, work
from tests.admin.world import HOSTILE, looks, to
from tests.factories import make_account, make_instrument, make_user, share, unique_symbol

TABLE = b"My bank\nDatum;Betrag;Art;Notiz\n13.01.2024;1.000,50;Einzahlung;a\n14.01.2024;-2,50;Spesen;b\nSumme;998,00;;\n"
UNKNOWN = "04/06/2024,Moon Landing,,?,,,,$1.00"


@pytest.fixture
def client(alice, account):
    return looks(alice)


def send(client, account, content, name="history.csv", **fields):
    """Bring a file."""
    body = {"account": getattr(account, "pk", account), "file": SimpleUploadedFile(name, content)} | fields
    return client.post(to(ImportBatch, "add"), body)


def batch_of(account) -> ImportBatch:
    """Return the only import of an account."""
    with acting_as(account.owner_id):
        return ImportBatch.objects.select_related("account__owner", "actor").get(account=account)


def brought(client, account, content, **fields) -> tuple[ImportBatch, str]:
    """Bring a file, and return the import with the page that follows."""
    answer = send(client, account, content, **fields)
    assert answer.status_code == 302, answer.context["form"].errors
    return batch_of(account), client.get(answer["Location"]).content.decode()


def do(client, batch, what, **body):
    """Do something with an import, and return the page that follows."""
    return client.post(to(ImportBatch, what, batch.pk), body, follow=True).content.decode()


def entries(account) -> list[LedgerEntry]:
    with acting_as(account.owner_id):
        return list(LedgerEntry.objects.filter(account=account).order_by("sequence"))


def columns(client, batch) -> dict:
    """Return the form of the columns as a browser would send it."""
    page = client.get(to(ImportBatch, "columns", batch.pk)).context
    form, sample = page["form"], page["sample"]
    fields = {name: form.initial.get(name, field.initial) or "" for name, field in form.fields.items() if name != "signed"}
    return (
        fields
        | page["seen"]
        | ({"signed": "on"} if form.initial.get("signed") else {})
        | {
            "heading": [column.name for column in sample.columns],
            "says": [column.says for column in sample.columns],
            "word": [word.text for word in sample.words],
            "kind": [word.kind for word in sample.words],
        }
    )


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
        content = flex.flex(flex.trade(), '<CashReportCurrency accountId="U7" currency="USD" endingCash="5"/>').encode()
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
        content = flex.flex(flex.trade(), flex.trade(accountId="U8", tradeID="502", transactionID="9002")).encode()
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


class TestColumns:
    def test_are_guessed_corrected_and_kept_for_the_next_file(self, client, account, alice):
        batch, page = brought(client, account, TABLE)
        assert (batch.format, "Say what the columns are" in page) == ("", True)
        form = columns(client, batch)
        assert (form["delimiter"], form["headings_line"], form["skip_last"]) == ("semicolon", 2, 1)
        assert form["says"] == ["date", "amount", "kind", "notes"]
        assert dict(zip(form["word"], form["kind"], strict=True)) == {"Spesen": "", "Einzahlung": "DEPOSIT"}
        shown = client.get(to(ImportBatch, "columns", batch.pk)).context["sample"].columns[1].cells[0]
        assert (shown.text, shown.read) == ("1.000,50", "1000.5")
        form |= {"kind": ["FEE", "DEPOSIT"], "currency": "usd", "template": "My bank", "use": "1"}
        assert "2 entries would be posted" in do(client, batch, "columns", **form)
        with acting_as(alice.pk):
            assert ImportTemplate.objects.get(user=alice).mapping["kinds"] == {"Spesen": "FEE", "Einzahlung": "DEPOSIT"}
        other = make_account(owner=alice)
        later = TABLE.replace(b"My bank\n", b"My bank\nof 2025\n\n").replace(b"2024", b"2025")
        second, _ = brought(client, other, later)
        page = client.get(to(ImportBatch, "columns", second.pk))
        assert "Filled in from your template" in page.content.decode()
        assert page.context["form"].initial["headings_line"] == 4
        assert "2 entries would be posted" in do(client, second, "columns", **columns(client, second), use="1")

    def test_are_guessed_anew_where_something_else_takes_them_apart(self, client, account):
        batch, _ = brought(client, account, TABLE)
        answer = client.post(to(ImportBatch, "columns", batch.pk), columns(client, batch) | {"delimiter": "comma", "use": "1"})
        assert answer.context["form"].initial["delimiter"] == "comma"
        assert again(batch).format == ""

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"says": ["date", "date", "", ""]}, "Two columns"),
            ({"says": ["", "amount", "", ""]}, "which column holds the date"),
            ({"says": ["evil", "amount", "", ""]}, "is none of"),
            ({"heading": ["Datum", "Nowhere", "Art", "Notiz"]}, "names no column"),
            ({"kind": ["EVIL", ""]}, "can&#x27;t be"),
            ({"word": ["\0", ""], "kind": ["FEE", ""]}, "NUL"),
            ({"headings_line": "0"}, "greater than or equal to 1"),
            ({"headings_line": "900"}, "900"),
            ({"delimiter": "x"}, "Select a valid choice"),
            ({"encoding": "utf-16"}, "utf-16"),
            ({"currency": "??!"}, "three letters"),
            ({"template": "\0"}, "Null"),
            ({"headings_line": ""}, "required"),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
    )
    def test_say_what_is_wrong_with_them(self, client, account, change, says):
        batch, _ = brought(client, account, TABLE)
        answer = client.post(to(ImportBatch, "columns", batch.pk), columns(client, batch) | {"use": "1"} | change)
        assert answer.status_code == 200
        assert says in answer.content.decode()
        assert again(batch).format == ""

    def test_that_can_be_read_in_two_ways_say_so(self, client, account):
        batch, _ = brought(client, account, b"Day,Sum\n01/02/2024,5\n03/04/2024,6\n")
        assert "The days can be read in more than one way" in client.get(to(ImportBatch, "columns", batch.pk)).content.decode()

    def test_of_a_file_that_is_no_table_are_not_asked(self, client, account):
        batch = keep(account, flex.flex(flex.trade()).encode())
        assert "The file is no table" in client.get(to(ImportBatch, "columns", batch.pk)).content.decode()

    def test_take_no_template_of_somebody_else(self, client, account, charlie):
        batch, _ = brought(client, account, TABLE)
        with acting_as(charlie.pk):
            theirs = ImportTemplate.objects.create(user=charlie, name="Theirs", created_at=NOW)
        for template in (theirs.pk, "x"):
            assert client.get(to(ImportBatch, "columns", batch.pk), {"template": template}).status_code == 404


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


class TestMemory:
    def test_of_templates_is_renamed_and_thrown_away(self, client, alice):
        with acting_as(alice.pk):
            mapping = {"columns": {"date": "Datum", "amount": "Betrag"}}
            one, _ = (
                save_template(user=alice, name=name, mapping=mapping, headings=["Datum"], at=NOW) for name in ("Bank", "Other")
            )
        assert "Betrag" in client.get(to(ImportTemplate, "change", one.pk)).content.decode()
        answer = client.post(to(ImportTemplate, "change", one.pk), {"name": "Other"})
        assert set(answer.context["adminform"].form.errors) == {"__all__"}
        client.post(to(ImportTemplate, "change", one.pk), {"name": "Savings"})
        client.post(to(ImportTemplate, "delete", one.pk), {"post": "yes"})
        with acting_as(alice.pk):
            assert [left.name for left in ImportTemplate.objects.filter(user=alice)] == ["Other"]

    def test_of_an_answer_is_forgotten_and_asked_again(self, client, account, alice):
        symbol = unique_symbol()
        one, _ = (make_instrument(symbol=symbol, exchange=exchange, currency="USD") for exchange in ("XETR", "XFRA"))
        with acting_as(alice.pk):
            known = InstrumentAnswer.objects.create(user=alice, source="schwab", identity=symbol, instrument=one)
        assert keep(account, schwab(bought(symbol))).fates == [[2, 2, "posted"]]
        client.post(to(InstrumentAnswer, "delete", known.pk), {"post": "yes"})
        assert keep(account, schwab(bought(symbol))).fates == [[2, 2, "question"]]
