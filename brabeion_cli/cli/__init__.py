"""The command line: Click only. Each command resolves, makes one call, and renders."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys

GARBAGE = 50_000  # objects between two looks for garbage: loading the modules makes about as many, and no garbage


def run() -> None:
    """The command `brabeion`, as a process of its own.

    It ends at once: taking apart what is loaded would copy memory that `fire` shares with its child.
    """
    try:
        main()
    except SystemExit as end:
        if not isinstance(end.code, int):  # not of ours
            raise
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # full, closed, not there
                stream.flush()
        os._exit(end.code)


def main() -> None:
    """The command `brabeion`, within a process.

    Until all of it is loaded (`app.begin`), Ctrl-C ends the process in silence.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.set_threshold(GARBAGE)
    from brabeion_cli.cli import app

    app.main()
