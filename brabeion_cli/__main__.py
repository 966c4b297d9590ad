"""`python -m brabeion_cli`."""

from brabeion_cli.cli import run

run()
