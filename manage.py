#!/usr/bin/env python
"""Django's command line, with the embedded servers provided where no URL is given."""

import os
import sys

from django.core.management import execute_from_command_line

from config import embedded


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    embedded.provide()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
