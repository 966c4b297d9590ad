"""The `brabeion` command: imports subcommands on demand, and turns errors into messages and exit statuses."""

from __future__ import annotations

import gc
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from brabeion_cli import __version__
from brabeion_cli.cli import interruption, options
from brabeion_cli.errors import BrabeionError

#: The module of each command. It is imported when one of its commands is used.
COMMANDS = {
    "init": "project",
    "fire": "fire",
    "ingest": "ingest",
    "process-queue": "queue",
    "queue": "queue",
    "list": "awards",
    "badges": "awards",
    "leaderboard": "awards",
    "progress": "progress",
    "explain": "explain",
    "replay": "replay",
    "award": "manual_awards",
    "revoke": "manual_awards",
    "user": "user",
    "check": "project",
    "db": "database",
}

FAILED = 1
INTERRUPTED = 130
DEFECT = 70


class Main(click.Group):
    """The group of all commands, and the only place where exceptions become messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"brabeion_cli.cli.commands.{COMMANDS[name]}")
        modules_loaded()
        command: click.Command = getattr(module, name.replace("-", "_") + "_command")
        return command

    def main(  # type: ignore[override]  # Click's has overloads for standalone_mode
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        if not extra.get("standalone_mode", True):
            return super().main(args, prog_name, **extra)
        _prepare_process()
        args = [_as_utf8(argument) for argument in (sys.argv[1:] if args is None else args)]
        before = signal.getsignal(signal.SIGINT), signal.signal(signal.SIGTERM, interruption.handle_signal)
        given = options.Given()
        try:
            with interruption.resending_lost_signals():
                status = super().main(args, "brabeion", **{**extra, "standalone_mode": False, "obj": given})
                sys.stdout.flush()
        except click.ClickException as error:
            shown = io.StringIO()
            error.show(shown)
            _notice_lines(shown.getvalue())
            status = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            options.notice("interrupted")
            status = INTERRUPTED
        except BrabeionError as error:
            options.complain_of(error)
            status = error.exit_status
            if given.debug:
                _show_traceback(error)
        except OSError as error:
            options.complain(f"cannot write the answer: {error.strerror}")
            status = FAILED
        except Exception as error:
            options.complain(
                f"a bug in brabeion: {type(error).__name__}: {error}; --debug shows where. Please report it"
            )
            status = DEFECT
            if given.debug:
                _show_traceback(error)
        finally:
            for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
                signal.signal(number, handler)
        sys.exit(status if isinstance(status, int) else 0)


def modules_loaded() -> None:
    """Call this when all modules are loaded. From now on Ctrl-C is handled.

    What was loaded is no garbage: collections skip it, also at the end of this process and of forked ones.
    """
    gc.freeze()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, interruption.handle_signal)


def _prepare_process() -> None:
    """Make sure that stdin, stdout and stderr exist and take any text, and that child processes can be waited for."""
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(fd)
    for fd in (1, 2):  # otherwise what does not fit into a pipe at once would be lost
        os.set_blocking(fd, True)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _as_utf8(argument: str) -> str:
    """An argument as UTF-8, even if Python decoded it for a locale that knows only ASCII."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        return argument


def _show_traceback(error: BaseException) -> None:
    import traceback

    notes = getattr(error, "__notes__", ())
    _notice_lines("\n".join(notes) if notes else "".join(traceback.format_exception(error)))


def _notice_lines(text: str) -> None:
    for line in text.splitlines():
        options.notice(line)


@click.command(cls=Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="brabeion")
@options.everywhere
def main() -> None:
    """Award badges for events.

    Record an event and see what it earns:

    \b
        brabeion fire points_awarded --user alice --state '{"points": 8000}'
    """
