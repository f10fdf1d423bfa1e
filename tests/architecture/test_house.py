"""The rules of the house that no linter sees; ARCHITECTURE.md says why each is there."""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

from accounts.models import Account, AccountImport, User
from accounts.models.tenancy import AccountScoped, OwnedByUser
from config.celery import app as celery
from marketdata.models.fields import FiniteDecimalField
from tests.architecture.tree import CODE, FLOORS, files, modules, nodes, room, text

LONGEST = 400
DOORS = {"api", "admin", "management", "tasks"}
CLOCKS = {
    "timezone": {"now", "localtime", "localdate"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime"},
}
WRITES = {
    *("create", "acreate", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "update", "save", "delete"),
    *("select_for_update", "append", "set_rollback", "on_commit"),
}
LOADERS = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
LISTS = {"append", "update"}  # what lists and dictionaries have as well: refused on a manager or a query alone
WRITING_SQL = re.compile(
    r"\s*(insert\s+into|update\s+\w+\s+set|delete\s+from|truncate|merge\s+into|copy|lock\s+table|alter|drop)\b", re.I
)

OURS = [model for label in FLOORS for model in apps.get_app_config(label).get_models(include_auto_created=True)]
COLUMNS = [(model, field) for model in OURS for field in model._meta.local_fields]


def where(path: Path, node: ast.AST) -> str:
    """Return a place that an editor can open."""
    return f"{path}:{getattr(node, 'lineno', 1)}"


def base(node: ast.AST) -> str:
    """Return the last name of what an attribute is taken from: `timezone` of `django.utils.timezone.now`."""
    return getattr(node, "attr", getattr(node, "id", ""))


class TestFiles:
    def test_are_short_enough_to_be_read_in_one_go(self):
        long = {path: lines for path in files("*.py") if (lines := text(path).count("\n")) > LONGEST}
        assert {path for path in long if "migrations" not in path.parts} == set()

    def test_of_the_suite_mirror_the_house(self):
        names = [path for path in modules("tests") if path.parts[1] in FLOORS and len(path.parts) > 3]
        assert {path for path in names if not any(next_to(path))} == set()

    def test_silence_a_checker_by_code_only(self):
        bare = re.compile(r"#\s*(noqa(?!: ?[A-Z]+\d)|type:\s*ignore(?!\[)|ruff:\s*noqa(?!:))")
        lines = ((path, number, line) for path in files("*.py") for number, line in enumerate(text(path).split("\n"), 1))
        assert [f"{path}:{number}" for path, number, line in lines if bare.search(line)] == []


def next_to(path: Path) -> Iterator[Path]:
    """Return the files of an app that a file of the suite stands for: the same room, whatever the subject."""
    return (other for other in modules(path.parts[1]) if room(other) == path.parts[2])


class TestCode:
    def test_takes_time_from_no_clock_but_in_the_doors(self):
        found = [
            where(path, node)
            for path in modules(*FLOORS)
            if room(path) not in DOORS
            for node in nodes(path)
            if isinstance(node, ast.Attribute) and node.attr in CLOCKS.get(base(node.value), ())
        ]
        assert found == []

    def test_reads_in_selectors_and_writes_nowhere_in_them(self):
        found = [
            where(path, node) for path in modules(*FLOORS) if room(path) == "selectors" for node in nodes(path) if writes(node)
        ]
        assert found == []

    def test_loads_nothing_that_could_be_code(self):
        found = [
            where(path, node)
            for path in modules(*CODE)
            for node in nodes(path)
            if isinstance(node, ast.Import | ast.ImportFrom)
            and {getattr(node, "module", None), *(name.name for name in node.names)} & LOADERS
        ]
        assert found == []

    def test_lists_the_fields_of_serializers_and_forms(self):
        found = [
            where(path, node)
            for path in modules(*CODE)
            for node in nodes(path)
            if isinstance(node, ast.Constant) and node.value == "__all__"
        ]
        assert found == []


def writes(node: ast.AST) -> bool:
    """Return whether a node is a call that writes, or the text of a statement that does."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
        return node.func.attr not in LISTS or "objects" in ast.unparse(node.func.value)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(WRITING_SQL.match(node.value))


class TestApps:
    def test_are_named_as_their_floors_and_installed_from_the_ground_up(self):
        assert [app for app in settings.INSTALLED_APPS if app in FLOORS] == list(FLOORS)
        assert [model for model in OURS if model.__module__.split(".")[0] != model._meta.app_label] == []

    def test_name_tasks_that_exist(self):
        celery.loader.import_default_modules()
        named = {entry["task"] for entry in celery.conf.beat_schedule.values()} | set(settings.JOB_TASKS.values())
        assert named - set(celery.tasks) == set()


class TestModels:
    def test_point_down_the_floors(self):
        height = {label: number for number, label in enumerate(FLOORS)}
        related = [(model, field) for model in OURS for field in chain(model._meta.local_fields, model._meta.local_many_to_many)]
        upward = [
            f"{model._meta.label}.{field.name}"
            for model, field in related
            if field.related_model and height.get(field.related_model._meta.app_label, -1) > height[model._meta.app_label]
        ]
        assert upward == []

    def test_point_at_tables_by_foreign_keys_alone(self):
        generic = [model._meta.label for model in OURS if model._meta.private_fields]
        assert generic == []

    def test_keep_numbers_as_decimals_of_the_house(self):
        loose = [
            f"{model._meta.label}.{field.name}"
            for model, field in COLUMNS
            if isinstance(field, models.FloatField | models.DecimalField) and not of_the_house(type(field))
        ]
        assert loose == []

    @pytest.mark.parametrize("model", [model for model in OURS if not model._meta.auto_created], ids=str)
    def test_of_a_person_or_an_account_have_the_gate(self, model):
        rows = model._default_manager.all()
        if model is AccountImport:  # whose it is, is whoever brings it: there is no account yet
            assert isinstance(rows, OwnedByUser)
        elif model is Account or any(parent is Account for parent in parents(model)):
            assert isinstance(rows, AccountScoped)
        elif any(field.related_model is User and field.name == "user" for field in model._meta.local_fields):
            assert isinstance(rows, OwnedByUser)


def of_the_house(column: type[models.Field]) -> bool:
    """Return whether a column's type is one of the few with a scale chosen once."""
    return issubclass(column, FiniteDecimalField) and column.__module__ in {f"{floor}.models.fields" for floor in FLOORS}


def parents(model: type[models.Model]) -> set[type[models.Model]]:
    """Return the models that a row belongs to: what its keys name, and theirs in turn; people aside."""
    found: set[type[models.Model]] = set()
    waiting = [model]
    while waiting:
        named = {field.related_model for field in waiting.pop()._meta.local_fields if field.many_to_one or field.one_to_one}
        fresh = named - found - {User, None}
        found |= fresh
        waiting += fresh
    return found
