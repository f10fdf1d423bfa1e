"""Published cases beside the repository, where they are there."""

import json
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).resolve().parents[2].parent / "shared" / "fixtures"


def published(name: str) -> Any:
    """Return the content of a published case, or skip the test by its name."""
    path = FIXTURES / name
    if not path.exists():
        pytest.skip(f"the published case {name} is not there")
    return json.loads(path.read_text())
