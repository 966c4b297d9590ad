"""The command line: Click only. Each command resolves, makes one call, and renders."""

from __future__ import annotations

import signal


def main() -> None:
    """The command `brabeion`.

    Until all of it is loaded (`group.begin`), Ctrl-C ends the process in silence.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from brabeion_cli.cli import group

    group.main()
