"""What the README shows is what happens: its calls of the API, one after the other, as a newcomer would type them."""

import re
import shlex
from pathlib import Path
from string import Template

import pytest

from accounts.models import User
from config import demo
from marketdata.models import Instrument
from tests.clients import nobody
from tests.factories import PASSWORD, make_account, make_instrument

README = Path(__file__).resolve().parents[2] / "README.md"


def calls() -> list[str]:
    """Return the commands of the README's shell example, each in one line."""
    example = re.search(r"^```sh\n(.*?)^```", README.read_text(), re.M | re.S)
    assert example is not None
    return [line for line in re.sub(r"\\?\n\s+", " ", example[1]).split("\n") if line.startswith("curl")]


class Shell:
    """Calls the API as curl would be told to, with the shell's variables filled in."""

    def __init__(self, user: User) -> None:
        self.client = nobody()
        self.variables = {"API": "/api/v1"}
        self.user = user

    def curl(self, line: str):
        """Do what a line says and return the answer."""
        words = shlex.split(Template(line).safe_substitute(self.variables))[1:]
        headers, body, path = {}, None, ""
        while words:
            match words.pop(0):
                case "-H":
                    name, _, value = words.pop(0).partition(": ")
                    headers[name] = value
                case "-d":
                    body = self.mine(words.pop(0))
                case word if word.startswith("/"):
                    path = word
        if body is None:
            return self.client.get(path, headers=headers)
        return self.client.generic("POST", path, body, headers.pop("Content-Type"), headers=headers)

    def mine(self, body: str) -> str:
        """Return a body with the login of this test instead of the demo's."""
        body = re.sub(r'"email": "[^"]+"', f'"email": "{self.user.email}"', body)
        return re.sub(r'"password": "[^"]+"', f'"password": "{PASSWORD}"', body)


@pytest.fixture
def ibm() -> Instrument:
    """Return the instrument of the example, the same in every test that needs it."""
    known = Instrument.objects.filter(symbol="IBM", exchange="XNYS").first()
    return known or make_instrument(symbol="IBM", exchange="XNYS", name="International Business Machines Corp.")


def test_it_names_the_logins_of_the_demo():
    assert [
        login for login in (demo.PASSWORD, *(person.email for person in demo.PEOPLE)) if login not in README.read_text()
    ] == []


def test_its_calls_do_what_it_says(alice, ibm):
    account = make_account(owner=alice)
    shell = Shell(alice)
    login, accounts, entry, summary, performance = calls()

    made = shell.curl(login)
    assert made.status_code == 201, made.content
    shell.variables["TOKEN"] = made.json()["token"]
    assert [one["id"] for one in shell.curl(accounts).json()["results"]] == [str(account.pk)]
    shell.variables["ACCOUNT"] = str(account.pk)

    assert shell.curl(entry).json()["cash"] == "-404"
    assert shell.curl(entry).status_code == 200, "the second time it is the same entry"
    assert shell.curl(entry.replace('"2"', '"3"')).json()["code"] == "conflicting_entry"
    assert shell.curl(summary).json()["cash"] == {"USD": "-404"}
    assert shell.curl(performance).status_code == 200
