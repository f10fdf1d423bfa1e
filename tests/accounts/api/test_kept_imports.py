"""Files that are kept, posted, asked about and undone through the API; tables nobody knows are guessed, and kept as templates."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.tasks import post_import
from tests.accounts.kept_files import bought, deposits, schwab
from tests.clients import browser
from tests.factories import make_instrument, unique_symbol

TABLE = b"My bank\nDatum;Betrag;Art\n13.01.2024;1.000,50;Einzahlung\n14.01.2024;-2,50;Spesen\nSumme;998,00;\n"


@pytest.fixture
def client(alice):
    return browser(alice)


def send(client, account, content, **fields):
    file = SimpleUploadedFile("history.csv", content)
    return client.post(f"/api/v1/accounts/{account.pk}/imports/", {"file": file} | fields, format="multipart")


class TestKept:
    def test_is_posted_later_and_undone(self, account, client):
        kept = send(client, account, schwab(*deposits(2)), keep="true")
        assert (kept.status_code, kept.json()["status"], kept.json()["figures"]["cash"][0]["after"]) == (201, "PREVIEWED", "3")
        address = f"/api/v1/accounts/{account.pk}/imports/{kept.json()['id']}/"
        assert client.post(f"{address}post/").status_code == 202
        post_import(batch_id=kept.json()["id"])
        done = client.get(address).json()
        assert (done["status"], done["progress"], done["posted"]) == ("POSTED", 2, 2)
        assert client.delete(address).json()["code"] == "not_a_preview"
        assert client.post(f"{address}undo/", {"explanation": "Wrong account"}).json()["status"] == "UNDONE"
        assert client.post(f"{address}undo/", {}).json()["code"] == "already_undone"

    def test_asks_which_instrument_is_meant(self, account, client):
        symbol = unique_symbol()
        one, _ = (make_instrument(symbol=symbol, exchange=exchange, currency="USD") for exchange in ("XETR", "XFRA"))
        kept = send(client, account, schwab(bought(symbol)), keep="true").json()
        (question,) = kept["questions"]
        address = f"/api/v1/accounts/{account.pk}/imports/{kept['id']}/"
        answers = {"answers": [{"question": question["id"], "instrument": one.key}]}
        answered = client.post(f"{address}answers/", answers, format="json").json()
        assert (answered["questions"], answered["fates"]) == ([], [{"first": 2, "last": 2, "fate": "posted"}])

    def test_gives_back_the_lines_it_refused(self, account, client):
        bad = "04/06/2024,Moon Landing,,?,,,,$1.00"
        sent = send(client, account, schwab(*deposits(1), bad)).json()
        answer = client.get(f"/api/v1/accounts/{account.pk}/imports/{sent['id']}/refused/")
        assert (answer["Content-Type"], answer.content) == ("text/csv; charset=utf-8", schwab(bad))


class TestTable:
    def test_is_guessed_corrected_and_kept_as_a_template(self, account, client):
        guessed = client.post("/api/v1/import-guess/", {"file": SimpleUploadedFile("x.csv", TABLE)}, format="multipart").json()
        mapping = guessed["mapping"]
        assert (mapping["delimiter"], mapping["headings_line"], mapping["skip_last"]) == (";", 2, 1)
        assert (mapping["number_format"], mapping["signed"], guessed["unsure"]) == ("1.234,56", True, ["kinds.Spesen"])
        mapping["kinds"]["Spesen"] = "FEE"
        kept = {"name": unique_symbol(), "mapping": mapping, "headings": guessed["headings"]}
        template = client.post("/api/v1/import-templates/", kept, format="json").json()
        again = client.post("/api/v1/import-guess/", {"file": SimpleUploadedFile("y.csv", TABLE)}, format="multipart").json()
        assert again["template"]["id"] == template["id"]
        posted = send(client, account, TABLE, template=template["id"]).json()
        assert (posted["format"], posted["posted"], posted["refused"]) == ("mapped_csv", 2, [])
        assert send(client, account, TABLE, mapping=json.dumps(mapping)).json()["known"] == 2

    def test_with_a_mapping_that_does_not_fit_is_refused_by_its_part(self, account, client):
        problem = send(client, account, TABLE, mapping='{"columns": {"date": "Day", "amount": "Betrag"}}').json()
        assert problem["code"] == "missing_columns"
