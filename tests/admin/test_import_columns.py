"""What people say of tables nobody knows: guessed, corrected, kept for the next file, and forgotten when they like."""

import pytest

from accounts.models import ImportBatch, ImportTemplate, InstrumentAnswer
from accounts.models.tenancy import acting_as
from accounts.services.import_templates import save_template
from tests.accounts import flex
from tests.accounts.kept_files import NOW, again, bought, keep, schwab
from tests.admin.importing import brought, do
from tests.admin.world import looks, to
from tests.factories import make_account, make_instrument, unique_symbol

TABLE = b"My bank\nDatum;Betrag;Art;Notiz\n13.01.2024;1.000,50;Einzahlung;a\n14.01.2024;-2,50;Spesen;b\nSumme;998,00;;\n"


@pytest.fixture
def client(alice, account):
    return looks(alice)


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
        batch = keep(account, flex.flex(flex.new_trade()).encode())
        assert "The file is no table" in client.get(to(ImportBatch, "columns", batch.pk)).content.decode()

    def test_take_no_template_of_somebody_else(self, client, account, charlie):
        batch, _ = brought(client, account, TABLE)
        with acting_as(charlie.pk):
            theirs = ImportTemplate.objects.create(user=charlie, name="Theirs", created_at=NOW)
        for template in (theirs.pk, "x"):
            assert client.get(to(ImportBatch, "columns", batch.pk), {"template": template}).status_code == 404


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
