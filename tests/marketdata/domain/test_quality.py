"""Every rule says what it is, and levels say how strictly it is taken."""

import pytest

from marketdata.domain.quality import Level, Rule, Severity, as_text, register
from marketdata.domain.rules import OURS


def test_every_rule_is_described():
    for name, rule in OURS.items():
        assert rule.name == name
        assert rule.description.endswith((".", "?"))
        assert rule.datasets
        assert rule.field or rule.check is None


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="already"):
        register(next(iter(OURS.values())))


@pytest.mark.parametrize(
    ("severity", "essential", "level", "seen"),
    [
        (Severity.ERROR, True, Level.OFF, Severity.ERROR),
        (Severity.ERROR, False, Level.OFF, None),
        (Severity.ERROR, False, Level.WARN, Severity.WARNING),
        (Severity.ERROR, False, Level.STRICT, Severity.ERROR),
        (Severity.WARNING, False, Level.OFF, None),
        (Severity.WARNING, False, Level.WARN, Severity.WARNING),
        (Severity.INFO, False, Level.WARN, Severity.INFO),
    ],
)
def test_a_level_loosens_what_the_tables_do_not_demand(severity, essential, level, seen):
    assert Rule("any", severity, "Any.", essential=essential).severity_at(level) is seen


class Unprintable:
    """What a broken source may hand out."""

    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("value", "text"), [("a\x00b", "a\ufffdb"), ("\ud800", "?"), (Unprintable(), "<Unprintable>"), ("x" * 999, "x" * 200)]
)
def test_any_value_can_be_told(value, text):
    assert as_text(value) == text
