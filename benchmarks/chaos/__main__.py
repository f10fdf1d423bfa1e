"""Send orders through real workers to a broker on this machine, and kill whatever takes part: `python -m benchmarks.chaos`.

It runs on servers of its own under var/. Workers die of SIGKILL at every step of an order's way by chance, the whole group of
them at times; Redis is killed and emptied, PostgreSQL stopped immediately, while orders are placed and filled. Afterwards every
order has to be at the broker once, filled, and every fill in the ledger once, within a minute of the last fault.
"""

import argparse
import atexit
import os
import shutil
import signal
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SYSTEM_URL", "REDIS_URL")


def main(arguments: list[str]) -> int:
    """Run it, print what was found, and return 1 if anything is lost, doubled or stuck."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--crash", type=float, default=0.04, help="how likely a worker dies at each step (%(default)s)")
    parser.add_argument("--redis-wipe", type=int, default=3)
    parser.add_argument("--pg-immediate", type=int, default=2)
    parser.add_argument("--group-kill", type=int, default=3)
    parser.add_argument("--verbose", action="store_true", help="show the ends of the logs")
    asked = parser.parse_args(arguments)
    var = ROOT / "var" / f"chaos-{os.getpid()}"
    for name in SERVERS:
        os.environ.pop(name, None)
    os.environ |= {"BEDROCK_VAR": str(var), "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "ERROR"}
    atexit.register(shutil.rmtree, var, ignore_errors=True)  # registered first, it runs last
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # who is told to leave ends all it began, too
    storm = import_module("benchmarks.chaos.storm").Storm(asked, var)  # the settings read what has just been set
    try:
        return int(storm.run())
    finally:
        storm.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
