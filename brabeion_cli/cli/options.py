"""What the commands share: the options that all of them accept, and output to people."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar

import click

from brabeion_cli.cli.output import visible
from brabeion_cli.errors import BrabeionError, SetupError
from brabeion_cli.project import config
from brabeion_cli.project.config import Config

F = TypeVar("F", bound=Callable[..., Any])


class Given:
    """The options that may stand before or after a command's name. The last one counts; --badges adds up."""

    def __init__(self) -> None:
        self.db: str | None = None
        self.badges: list[str] = []
        self.config: str | None = None
        self.debug = False


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    given = ctx.ensure_object(Given)
    if parameter.name == "badges":
        given.badges.extend(value)
    elif value not in (None, False):
        setattr(given, str(parameter.name), value)


def everywhere(command: F) -> F:
    """Add --db, --badges, --config and --debug to a command."""
    for option in (
        click.option("--debug", is_flag=True, help="Show tracebacks.", expose_value=False, callback=_remember),
        click.option(
            "--config", metavar="FILE", help="The brabeion.toml to use.", expose_value=False, callback=_remember
        ),
        click.option(
            "--badges",
            metavar="DIR",
            multiple=True,
            help="A directory of badge modules; may be repeated.",
            expose_value=False,
            callback=_remember,
        ),
        click.option("--db", metavar="PATH", help="The database.", expose_value=False, callback=_remember),
    ):
        command = option(command)
    return command


class Number(click.ParamType):  # type: ignore[type-arg]  # generic since Click 8.5 only
    """A number within bounds. Unlike Click's own types it does not add the bounds to the help text."""

    name = "number"

    def __init__(self, kind: type[int] | type[float], least: float, most: float) -> None:
        self._kind, self._least, self._most = kind, least, most

    def convert(self, value: Any, parameter: click.Parameter | None, ctx: click.Context | None) -> int | float:
        try:
            number = self._kind(value)
        except ValueError:
            number = float("nan")
        if number > self._most:
            self.fail(f"{value!r:.40} is too large; at most {self._most:,}", parameter, ctx)
        if not number >= self._least:
            kind = "whole number" if self._kind is int else "number"
            self.fail(f"{value!r:.40} is not a {kind}, {self._least:g} or more", parameter, ctx)
        return number


class Path(click.ParamType):  # type: ignore[type-arg]
    """A path, in any locale."""

    name = "path"

    def convert(self, value: Any, parameter: click.Parameter | None, ctx: click.Context | None) -> str:
        return config.native(value)


PATH = Path()
COUNT = Number(int, 1, 2**63 - 1)  # the largest integer of SQLite
SECONDS = Number(float, 0, 10**9)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


def resolve() -> Config:
    """The configuration for the running command."""
    given = click.get_current_context().find_object(Given) or Given()
    chosen = config.Options(given.db, tuple(given.badges), given.config)
    return config.resolve(chosen, os.environ, _working_directory())


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise click.UsageError("the working directory is no longer there; change to another") from None


def now() -> datetime:
    """The present moment. Everything below the command line gets it as an argument."""
    return datetime.now(timezone.utc)


def caller() -> str:
    """Who runs this. It is recorded with awards that are given or revoked by hand."""
    import getpass

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def say(text: str) -> None:
    """Print a line of the result on stdout."""
    click.echo(visible(text))


def notice(text: str) -> None:
    """Print a line that is not the result on stderr. If that fails, the exit status still says how it went."""
    with contextlib.suppress(OSError):
        print(visible(text), file=sys.stderr, flush=True)  # click.echo() would write through a progress bar


def complain(text: str) -> None:
    """Print an error on stderr."""
    notice(f"Error: {text}")


def complain_of(error: BrabeionError) -> None:
    """Print a `BrabeionError` on stderr. A `SetupError` may have a line for each mistake."""
    lines = str(error).splitlines() if isinstance(error, SetupError) else [str(error)]
    complain(lines[0])
    for line in lines[1:]:
        notice(line)
