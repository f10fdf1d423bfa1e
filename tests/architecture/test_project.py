"""What lies around the code says what is true: settings, locks, dependencies, and nothing of anybody's machine."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import ROOT, files, modules, nodes, text

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock")
READERS = {"email_url", "str", "bool", "int", "list", "url", "get", "getenv", "pop", "setdefault"}
NOT_OURS = {"HOME", "XDG_CACHE_HOME", "CI", "DJANGO_SETTINGS_MODULE"}  # of the system, or the same for every Django project
OUTSIDE = {
    *("127.0.0.1", "localhost", "testserver", "www.apache.org", "www.w3.org", "semver.org", "json-schema.org"),
    *("data.alpaca.markets", "paper-api.alpaca.markets", "www.ecb.europa.eu"),  # where prices and rates come from
    "api.alpaca.markets",  # where orders of live accounts go
    "docs.alpaca.markets",  # what its clients speak, for who reads about the door for them
    "schemas.openxmlformats.org",  # the names of what a workbook is made of; nobody asks there
}
EXAMPLE = re.compile(r"(?:^|\.)example(?:\.(?:com|org|net))?$|^\{|^\$|^<|^%s")
MACHINE = re.compile(rf"(?<![\w.}}])/(?:home|root|Users)/\w|{re.escape(str(ROOT)) if len(ROOT.parts) > 2 else r'$^'}")
BINARY = ("*.png", "*.ico", "*.woff2", "*.gz", "*.parquet", "*.pyc")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads(text_of("pyproject.toml"))


def text_of(name: str) -> str:
    """Return what a file says."""
    return text(Path(name))


def variables() -> set[str]:
    """Return the names of all environment variables that the project itself reads."""
    return {name for path in modules("config") for node in nodes(path) for name in read_by(node)} - NOT_OURS


def read_by(node: ast.AST) -> Iterator[str]:
    """Return the environment variable that a node reads, if it does."""
    name = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args and node.func.attr in READERS:
        source = ast.unparse(node.func.value)
        name = node.args[0] if source in {"env", "os.environ", "os"} else None
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
        name = node.slice
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "_database":
        name = node.args[0]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        yield name.value


class TestSettings:
    def test_are_all_in_the_readme_and_no_others(self):
        listed = re.findall(r"^\| `([A-Z0-9_]+)` \|", text_of("README.md"), re.M)
        assert sorted(listed) == sorted(variables())


class TestLocks:
    @pytest.mark.parametrize("name", LOCKS)
    def test_name_no_host_and_give_every_version_a_hash(self, name):
        packages = re.split(r"\n(?=\S)", text_of(name).strip())
        assert not re.search(r"://|^\s*-", re.sub(r"--hash=sha256:[0-9a-f]{64}", "", "\n".join(packages)), re.M)
        assert [line for line in packages if not re.match(r"\S+==\S+.*--hash=sha256:[0-9a-f]{64}", line, re.S)] == []

    @pytest.mark.parametrize(
        ("name", "extras"), [("requirements.lock", ["demo", "talib"]), ("requirements-dev.lock", ["demo", "talib", "dev"])]
    )
    def test_hold_what_the_project_needs(self, project, name, extras):
        locked = {
            canonicalize_name(package): version for package, version in re.findall(r"^([\w.-]+)==([\w.]+)", text_of(name), re.M)
        }
        versions = [(need, locked.get(canonicalize_name(need.name), "0")) for need in needs(project, extras)]
        assert [str(need) for need, version in versions if not need.specifier.contains(version)] == []


def needs(project: dict, extras: list[str]) -> list[Requirement]:
    """Return the direct needs of the project with some of its extras."""
    own = project["project"]
    lines = own["dependencies"] + [line for extra in extras for line in own["optional-dependencies"][extra]]
    return [Requirement(line) for line in lines]


class TestDependencies:
    def test_are_each_explained_and_nothing_else_is(self, project):
        explained = re.findall(r"^\| `([\w-]+)` \|", text_of("docs/dependencies.md"), re.M)
        assert sorted(explained) == sorted(need.name for need in needs(project, [*project["project"]["optional-dependencies"]]))


class TestGates:
    def test_ignore_a_rule_with_the_reason_beside_it(self):
        lint = text_of("pyproject.toml").partition("[tool.ruff.lint]")[2].partition("\n[")[0]
        ignored = lint.partition("ignore = [")[2].partition("\n]")[0].strip().split("\n")
        assert [line for line in ignored if not re.fullmatch(r'\s*"[A-Z]+\d+",\s+# \w.+', line)] == []

    def test_exempt_a_kind_of_file_with_the_reason_above_it(self):
        exempted = text_of("pyproject.toml").partition("[tool.ruff.lint.per-file-ignores]\n")[2].partition("\n\n")[0].split("\n")
        pairs = zip(["", *exempted], exempted, strict=False)
        assert [line for above, line in pairs if not line.startswith("#") and not above.startswith(("#", '"'))] == []


class TestFiles:
    def test_name_no_host_but_a_few_that_everybody_knows(self):
        hosts = {
            (str(path), host)
            for path in files("*")
            if not any(path.match(pattern) for pattern in BINARY) and "vendor" not in path.parts
            for host in re.findall(r"https?://(?:[^/\s@\"']*@)?([^/\s:\"'`)>\]|,;\\]+)", text(path).replace("\\", ""))
        }
        assert {(path, host) for path, host in hosts if host not in OUTSIDE and not EXAMPLE.search(host)} == set()

    def test_name_no_folder_of_anybodys_machine(self):
        found = [
            f"{path}:{number}"
            for path in files("*")
            if not any(path.match(pattern) for pattern in BINARY) and "vendor" not in path.parts
            for number, line in enumerate(text(path).split("\n"), 1)
            if MACHINE.search(line)
        ]
        assert found == []
