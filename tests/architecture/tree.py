"""The project's own files, as the architecture tests walk them."""

import ast
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("marketdata", "accounts", "portfolio", "trading")
CODE = (*FLOORS, "config")
IGNORED = (".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text().split()))


def files(*patterns: str) -> Iterator[Path]:
    """Return the paths, from the root, of the project's files whose names match; what git ignores is none of them."""
    for folder, below, names in os.walk(ROOT):
        below[:] = sorted(name for name in below if not any(fnmatch(name, ignored) for ignored in IGNORED))
        for name in sorted(names):
            if any(fnmatch(name, pattern) for pattern in patterns) and not any(fnmatch(name, ignored) for ignored in IGNORED):
                yield (Path(folder) / name).relative_to(ROOT)


def modules(*tops: str) -> Iterator[Path]:
    """Return the paths of the Python files below some of the top folders, migrations aside."""
    return (path for path in files("*.py") if path.parts[0] in tops and "migrations" not in path.parts)


@cache
def text(path: Path) -> str:
    """Return what a file says."""
    return (ROOT / path).read_text()


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Return every node of a module's syntax tree."""
    return list(ast.walk(ast.parse(text(path))))


def room(path: Path) -> str:
    """Return the room of a module in its app: `models`, `services`, ..."""
    return path.parts[1].removesuffix(".py") if len(path.parts) > 1 else ""
