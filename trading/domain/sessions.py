"""A run of trading under one configuration, which is known by its hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from accounts.domain.json_text import write_json
from accounts.domain.limits import problem_of_data
from trading.domain.problems import Problem, Refused

VERSION = re.compile(r"[\w.+\-/]{0,100}", re.ASCII)


class ConfigurationRefused(Refused):
    """A configuration that cannot be kept."""


def config_hash(configuration: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration, the same however its names are ordered and its numbers are written.

    :raises ConfigurationRefused: if JSON could not carry it

    >>> config_hash({"fast": 10, "slow": 50.0}) == config_hash({"slow": 50, "fast": 10})
    True
    """
    if told := problem_of_data(configuration):
        raise ConfigurationRefused([Problem("configuration", "invalid", told)])
    return hashlib.sha256(write_json(configuration).encode()).hexdigest()
