"""Killed at whichever step, and run again: the same rows, the same file, the same segment as if nothing had happened."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from marketdata.domain.archive import name_of
from marketdata.domain.quality import Dataset
from marketdata.models import ArchiveSegment
from marketdata.services.rollover import State
from tests.architecture.tree import ROOT
from tests.factories import make_instrument, quiet_day
from tests.marketdata.archives import archive, filed, files, fill, has_table, live, root

STEPS = ("held", "writing", "written", "staged", "compared", "published", "recorded", "dropped", "committed")
ROWS = 300
DATASET = Dataset.TICKS


@dataclass
class World:
    """A day with the same rows every time, and what an undisturbed run makes of it."""

    day: object
    instruments: list
    steps: list
    end: dict

    def fill(self):
        fill(self.day, *self.instruments, rows=ROWS, dataset=DATASET)

    def look(self):
        """Return the state of the day: its rows, its files and its segments."""
        fields = ("part", "file", "rows", "first_at", "last_at", "bytes", "sha256", "content", "schema_version")
        return {
            "live": live(self.day, dataset=DATASET),
            "table": has_table(self.day, DATASET),
            "filed": filed(self.day, dataset=DATASET, columns=None).rows(),
            "files": {name: sha256((root() / name).read_bytes()).hexdigest() for name in files()},
            "modes": {(root() / name).stat().st_mode & 0o777 for name in files()},
            "segments": list(ArchiveSegment.objects.filter(dataset=DATASET, day=self.day).values_list(*fields)),
        }

    def forget(self):
        ArchiveSegment.objects.filter(dataset=DATASET, day=self.day).delete()


def use(path: Path) -> None:
    settings.ARCHIVE_URL = path.as_uri()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    before = settings.ARCHIVE_URL
    use(tmp_path_factory.mktemp("undisturbed"))
    world = World(quiet_day(DATASET), [make_instrument() for _ in range(4)], [], {})
    world.fill()
    archive(world.day, DATASET, on_step=world.steps.append)
    world.end = world.look()
    world.forget()
    yield world
    settings.ARCHIVE_URL = before


def kill_at(step, world):
    """Start a process that archives the day, and let it die after the step; return once the database has noticed."""
    command = [sys.executable, "-m", "tests.marketdata.services.rollover_process"]
    told = [connection.settings_dict["NAME"], settings.ARCHIVE_URL, DATASET.value, world.day.isoformat(), step]
    died = subprocess.run([*command, *told], check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert died.returncode == -signal.SIGKILL, died.stderr
    with connection.cursor() as cursor:  # whoever is dead holds the day until then
        key = f"marketdata:rollover:{DATASET}:{world.day}"
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [key])
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])


def test_every_step_is_walked(world):
    assert sorted(set(world.steps), key=world.steps.index) == list(STEPS)
    assert world.end["files"].keys() == {name_of(DATASET, world.day, 0)}
    assert len(world.end["filed"]) == 4 * ROWS
    assert (world.end["live"], world.end["table"], world.end["modes"]) == (0, False, {0o444})


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_leaves_all_or_nothing_and_the_next_one_ends_the_same(world, step, tmp_path):
    use(tmp_path)
    world.forget()
    world.fill()
    kill_at(step, world)
    after = world.look()
    rows = (after["live"], len(after["filed"]), len(after["segments"]))
    assert rows == ((0, 4 * ROWS, 1) if step == "committed" else (4 * ROWS, 0, 0))
    again = archive(world.day, DATASET)
    assert again.state is (State.ABSENT if step == "committed" else State.ARCHIVED)
    assert world.look() == world.end
    world.forget()


@pytest.mark.slow
def test_killed_again_and_again_it_ends_the_same(world, tmp_path):
    use(tmp_path)
    world.forget()
    world.fill()
    for step in ("dropped", "writing", "published"):
        kill_at(step, world)
        assert live(world.day, dataset=DATASET) == 4 * ROWS
    archive(world.day, DATASET)
    assert world.look() == world.end
    world.forget()
