"""The command line: Click only. Each command resolves, makes one call, and renders."""

from brabeion_cli.cli.main import main

__all__ = ["main"]
