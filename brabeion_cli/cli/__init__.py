"""The command line: Click only. Each command resolves, makes one call, and renders."""

from __future__ import annotations

import gc
import signal


def main() -> None:
    """The command `brabeion`.

    Until all of it is loaded, Ctrl-C ends the process in silence, and no garbage is looked for: there is none.
    `group.begin` ends both.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()
    from brabeion_cli.cli import group

    group.main()
