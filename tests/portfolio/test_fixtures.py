"""No published case is left out in silence."""

from pathlib import Path

import pytest

from tests.portfolio.fixtures import FIXTURES

FOLDERS = (
    "beancount", "empyrical", "freqtrade", "ghostfolio", "portfolio-performance", "pyxirr", "rotki", "wealthfolio",
)  # fmt: skip
NO_FIGURE_OF_OURS = {"fire_periods_to_retire": "how long to save for a pension"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_case_is_named_by_a_test(folder):
    if not (FIXTURES / folder).is_dir():
        pytest.skip(f"the published cases of {folder} are not there")
    tests = [path.read_text() for path in Path(__file__).parent.rglob("test_*.py") if path != Path(__file__)]
    cases = {path.stem for path in (FIXTURES / folder).glob("*.json")}
    assert {case for case in cases if not any(case in text for text in tests)} <= set(NO_FIGURE_OF_OURS)
