"""What the documents say is so: their examples run, their commands, links and routes exist."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.urls import URLPattern, URLResolver, get_resolver

from tests.architecture.tree import ROOT, files, text

PAGES = sorted(files("*.md"))
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FENCED = re.compile(r"^```.*?^```", re.S | re.M)


def anchors(path: Path) -> set[str]:
    """Return the names of a page's headings, as they are linked."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text(path)), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def spoken(path: Path) -> str:
    """Return a page's code: what stands in fences and between backticks."""
    page = text(path)
    return "\n".join([*FENCED.findall(page), *re.findall(r"`([^`\n]+)`", FENCED.sub("", page))])


@cache
def options_of(name: str) -> frozenset[str]:
    """Return the options that a management command takes."""
    app = get_commands()[name]
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)
    return frozenset(command.create_parser("manage.py", name)._option_string_actions)


@pytest.mark.parametrize("path", PAGES, ids=str)
class TestPages:
    def test_link_to_what_is_there(self, path):
        broken = []
        for link in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", text(path))):
            name, _, anchor = unquote(link).partition("#")
            target = (ROOT / path.parent / name).resolve() if name else ROOT / path
            if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target.relative_to(ROOT)))):
                broken.append(link)
        assert broken == []

    def test_name_targets_that_make_knows(self, path):
        known = set(re.findall(r"^(\w+):", text(Path("Makefile")), re.M))
        assert set(re.findall(r"\bmake ([a-z]+)\b", spoken(path))) - known == set()

    def test_name_commands_that_exist(self, path):
        assert set(re.findall(r"\bmanage\.py ([a-z_]+)", spoken(path))) - set(get_commands()) == set()

    def test_give_commands_options_that_they_take(self, path):
        given = re.findall(r"\bmanage\.py ([a-z_]+)((?: +[^\s;|>#]+)*)", spoken(path))
        unknown = [
            f"{name} {option}"
            for name, words in given
            for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", words)
            if option not in options_of(name)
        ]
        assert unknown == []

    def test_name_files_that_exist(self, path):
        named = re.findall(
            r"(?<![\w/.<*])((?:accounts|config|docs|marketdata|portfolio|tests|trading)/[\w./-]*\w)(?![\w<*{])", spoken(path)
        )
        assert [name for name in named if not (ROOT / name).exists()] == []

    def test_cite_tests_that_exist(self, path):
        cited = [node.split("::") for node in re.findall(r"\btests/[\w/]+\.py::[\w:]+", text(path))]
        assert [
            "::".join(cite)
            for cite in cited
            if not all(re.search(rf"(class|def) {name}\b", text(Path(cite[0]))) for name in cite[1:])
        ] == []

    def test_have_their_examples_run(self, path, pytestconfig):
        tried = [ROOT / folder for folder in pytestconfig.getini("testpaths")]
        assert ">>> " not in text(path) or any((ROOT / path).is_relative_to(place) for place in tried)


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Return every path of the URLs with each verb it answers; {} stands where it takes a value."""
    for pattern in patterns:
        path = prefix + re.sub(r"<[^>]+>|\(\?P<\w+>[^)]*\)", "{}", str(pattern.pattern)).strip("^$").replace("\\Z", "")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        else:
            view = getattr(pattern.callback, "cls", None)
            answered = getattr(pattern.callback, "actions", None) or [verb for verb in VERBS if hasattr(view, verb.lower())]
            yield from ((path, verb.upper()) for verb in answered if verb.upper() in VERBS)


class TestApiPage:
    def test_names_every_route_with_its_verbs_and_no_other(self):
        rows = re.findall(r"^\| `([a-z{][\w/{}-]*/)` \| ([A-Z ]+) \|", text(Path("docs/api.md")), re.M)
        named = {(re.sub(r"\{\w+\}", "{}", path), verb) for path, verbs in rows for verb in verbs.split()}
        there = {(path, verb) for path, verb in routes(get_resolver().url_patterns) if path.startswith("api/v1/")}
        assert named == {(path.removeprefix("api/v1/"), verb) for path, verb in there}
