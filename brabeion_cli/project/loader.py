"""Loads badge files into the registry."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType

from brabeion_cli import locations
from brabeion_cli.base import Badge
from brabeion_cli.errors import BadgeLoadError, ConfigError
from brabeion_cli.locations import Location
from brabeion_cli.project import compat, trust
from brabeion_cli.project.config import BadgeDirectory
from brabeion_cli.project.registry import Registry, badges

ASYNC_AS_NAME = r"\basync\s*[:=]"
PACKAGE_PREFIX = "brabeion_badges_"
OURS = os.path.dirname(os.path.dirname(__file__))
_package_numbers = itertools.count(1)


def load(directories: Iterable[BadgeDirectory]) -> Registry:
    """Execute the `*.py` files of each directory, sorted, and return the registry that they filled.

    Skips `_*`, `.*` and subdirectories. The files of a directory are one package: `from ._shared import RULES` works.
    What they print goes to stderr. Raises `BadgeLoadError` with every mistake in every file; `ConfigError` for a
    directory that does not exist; `UntrustedPathError`.
    """
    compat.install()
    seen: set[str] = set()
    with badges.collecting_mistakes() as mistakes, _stdout_as_stderr(), _no_bytecode():
        for directory in directories:
            files = _badge_files(directory)
            package = _package(directory.path)
            for path in files:
                if (real := os.path.realpath(path)) not in seen:
                    seen.add(real)
                    mistakes += _execute(package, path)
    _reopen_stderr()
    if mistakes:
        many = f"{len(mistakes)} mistakes in badge modules" if len(mistakes) > 1 else "a mistake in a badge module"
        raise BadgeLoadError("\n".join([f"{many}:", *mistakes]))
    return badges


def unregistered(registry: Registry) -> list[str]:
    """Return a line, with file and line number, for each class with a slug that a badge file does not register."""
    lines = []
    for name, module in list(sys.modules.items()):
        if not name.startswith(PACKAGE_PREFIX):
            continue
        for value in vars(module).values():
            is_badge = isinstance(value, type) and issubclass(value, Badge) and value.__module__ == name
            if is_badge and "slug" in vars(value) and value not in registry:
                file, line = locations.of_class(value) or (name, 1)
                lines.append(
                    f"{file}:{line}: {value.__name__} is never registered; write badges.register({value.__name__})"
                )
    return lines


def _badge_files(directory: BadgeDirectory) -> list[str]:
    way_out = f"--badges {directory.path} (or BRABEION_BADGES)"
    if directory.searched:
        trust.require_trusted(directory.path, way_out)
    try:
        names = sorted(os.listdir(directory.path))
    except FileNotFoundError:
        raise ConfigError(
            f"no badge directory {directory.path} (from {directory.origin}): "
            "`brabeion init` writes a first one, --badges DIR names another"
        ) from None
    except OSError as error:
        raise ConfigError(f"badge directory {directory.path} (from {directory.origin}): {error.strerror}") from error
    files = [
        path for name in names if name.endswith(".py") and not os.path.isdir(path := os.path.join(directory.path, name))
    ]
    if directory.searched:
        for path in files:  # also _*, which other files may import
            trust.require_trusted(path, way_out)
    return [path for path in files if not os.path.basename(path).startswith(("_", "."))]


def _package(path: str) -> str:
    """Make a new package for a directory, and return its name. So no badge file can hide another module."""
    name = f"{PACKAGE_PREFIX}{next(_package_numbers)}"
    package = ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package
    return name


def _execute(package: str, path: str) -> list[str]:
    """Execute one badge file. Return what is wrong with it, as lines with file and line number."""
    name = f"{package}.{os.path.basename(path).removesuffix('.py').replace('.', '_')}"
    if name in sys.modules:  # another file of the directory has imported it
        return []
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # a .py file always has one
    module = importlib.util.module_from_spec(spec)
    # Before execution, because dataclasses, pickle and typing look the module up by its name.
    sys.modules[name] = module
    process = os.getpid()
    try:
        # Always from the source: a cached file is compared by size and second, which misses a quick edit.
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except SyntaxError as error:
        mistake = _syntax_mistake(error, path)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            raise  # a person pressed Ctrl-C; not the file's mistake
        place = locations.of_failure(error.__traceback__, os.path.dirname(path))
        if place is None or place.file.startswith(OURS + os.sep):
            place = Location(path, 1)  # the file could not even be read
        mistake = f"{place.file}:{place.line}: {type(error).__name__}: {error}"
    else:
        return []
    finally:
        if os.getpid() != process:
            os._exit(0)  # this is a child process that the file forked; it must not continue as us
    del sys.modules[name]
    return [mistake]


def _syntax_mistake(error: SyntaxError, path: str) -> str:
    hint = ""
    if re.search(ASYNC_AS_NAME, error.text or ""):
        hint = " (write async_ instead of async, which is a keyword since Python 3.7)"
    return f"{error.filename or path}:{error.lineno or 1}: {type(error).__name__}: {error.msg}{hint}"


@contextlib.contextmanager
def _no_bytecode() -> Iterator[None]:
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@contextlib.contextmanager
def _stdout_as_stderr() -> Iterator[None]:
    """Redirect stdout to stderr, for Python code and for the commands that it starts."""
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # an application may have closed stdout or stderr
            kept = os.dup(1)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 1)
            os.dup2(2, 1)
        yield


def _reopen_stderr() -> None:
    """Open `sys.stderr` again if a badge file closed or detached it, perhaps as stdout. Messages still need it."""
    try:
        closed = sys.stderr is not None and sys.stderr.closed
    except ValueError:  # its buffer was detached
        closed = True
    if closed:
        with contextlib.suppress(OSError):
            sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
