"""The command line: Click only. Each command resolves, makes one call, and renders."""

from __future__ import annotations

import gc
import signal

GARBAGE = 50_000  # objects between two looks for garbage: loading the modules makes about as many, and no garbage


def main() -> None:
    """The command `brabeion`.

    Until all of it is loaded (`group.begin`), Ctrl-C ends the process in silence.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.set_threshold(GARBAGE)
    from brabeion_cli.cli import group

    group.main()
