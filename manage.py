#!/usr/bin/env python
"""Bedrock's commands, the embedded servers started for those that need them."""

import os
import sys

from django.core.management import execute_from_command_line

from config import embedded

WITHOUT_SERVERS = {"", "help", "version", "collectstatic", "findstatic", "diffsettings", "--help", "-h", "--version"}


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in WITHOUT_SERVERS or {"--help", "-h"} & set(sys.argv):
        os.environ.setdefault("DATABASE_URL", "postgres://127.0.0.1:1/none")  # settings want an address; nobody calls there
        os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1")
    else:
        embedded.provide()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
