"""The command line: Click only. Each command reads its settings, makes one call, and prints the result."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys

GARBAGE = 50_000  # new objects between two garbage collections; loading the modules makes about as many, and no garbage


def run() -> None:
    """Run the command `brabeion` as a process of its own.

    It ends with `os._exit`: freeing what is loaded would copy memory that `fire` shares with its child process.
    """
    try:
        main()
    except SystemExit as end:
        if not isinstance(end.code, int):  # not one of ours
            raise
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # disk full, closed, or None
                stream.flush()
        os._exit(end.code)


def main() -> None:
    """Run the command `brabeion` within a process.

    Until everything is loaded (`app.begin`), Ctrl-C ends the process silently.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.set_threshold(GARBAGE)
    from brabeion_cli.cli import app

    app.main()
