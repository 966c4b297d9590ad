"""Makes one `Config` of options, environment variables, brabeion.toml and defaults. The first that has a value wins."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from brabeion_cli.errors import ConfigError
from brabeion_cli.project import trust

FILE_NAME = "brabeion.toml"
DEFAULT_DB = "brabeion.db"
DEFAULT_BADGES = "badges"
BY_DEFAULT = "the default"


class Options(NamedTuple):
    """What was given on the command line. None or empty if it was not."""

    db: str | None = None
    badges: tuple[str, ...] = ()
    config: str | None = None


class BadgeDirectory(NamedTuple):
    """A directory of badge modules, as an absolute path. `origin` says what named it.

    `searched` is true if no person named it. Then its owner and mode are checked before its files are executed.
    """

    path: str
    origin: str
    searched: bool


class Config(NamedTuple):
    """The configuration. Times are in seconds, sizes in bytes, `badge_memory` in MiB.

    `file` is the configuration file, or None. `origins` says for each setting where its value is from.
    """

    db: str
    badges: tuple[BadgeDirectory, ...]
    file: str | None
    origins: Mapping[str, str]
    award_timeout: float = 5.0
    task_timeout: float = 60.0
    max_attempts: int = 5
    retry_delay: float = 30.0
    max_state_bytes: int = 1024 * 1024
    badge_memory: int = 1024
    timezone: str = "UTC"


#: The settings of brabeion.toml besides db, badges and timezone: name → type, lowest and highest value.
NUMBERS: dict[str, tuple[type, float, float]] = {
    "award_timeout": (float, 0.1, 3600),
    "task_timeout": (float, 0.1, 86400),
    "max_attempts": (int, 1, 1000),
    "retry_delay": (float, 0, 86400),
    "max_state_bytes": (int, 1, 7 * 1024 * 1024),
    "badge_memory": (int, 128, 1024 * 1024),
}


def resolve(options: Options, environ: Mapping[str, str], directory: str) -> Config:
    """Return the configuration for the working directory `directory`.

    Raises `ConfigError`; `UntrustedPathError` if another user may have written a file that was found by searching.
    """
    file, file_origin = _find_file(options, environ, directory)
    searched = file_origin == "found by searching"
    settings = _read(file) if file is not None else {}
    base = os.path.dirname(file) if file is not None else directory

    if options.db is not None:
        db, db_origin = _located(options.db, directory, "--db"), "--db"
    elif environ.get("BRABEION_DB"):
        db, db_origin = _located(environ["BRABEION_DB"], directory, "BRABEION_DB"), "BRABEION_DB"
    elif "db" in settings:
        db, db_origin = _located(settings["db"], base, str(file)), str(file)
    else:
        db, db_origin = os.path.join(directory, DEFAULT_DB), BY_DEFAULT

    if options.badges:
        names, origin, named = options.badges, "--badges", True
    elif environ.get("BRABEION_BADGES"):
        names, origin, named = tuple(environ["BRABEION_BADGES"].split(os.pathsep)), "BRABEION_BADGES", True
    elif "badges" in settings:
        names, origin, named = tuple(settings["badges"]), str(file), not searched
    else:
        names, origin, named = (DEFAULT_BADGES,), BY_DEFAULT, False
    start = base if origin == str(file) else directory
    if not all(names) or "\0" in "".join(names):
        raise ConfigError(
            f"an empty path, or one with NUL, from {origin}: name a badge directory (is a variable unset?)"
        )
    badges = tuple(BadgeDirectory(_absolute(name, start), origin, not named) for name in names)

    others = {name: settings[name] for name in (*NUMBERS, "timezone") if name in settings}
    origins = {"config": file_origin, "db": db_origin, "badges": origin}
    origins |= {name: str(file) if name in others else BY_DEFAULT for name in (*NUMBERS, "timezone")}
    return Config(db, badges, file, origins, **others)


def _find_file(options: Options, environ: Mapping[str, str], directory: str) -> tuple[str | None, str]:
    """Return the configuration file, and what named it: an option, a variable, or the search."""
    for name, origin in ((options.config, "--config"), (environ.get("BRABEION_CONFIG"), "BRABEION_CONFIG")):
        if name == "" and origin == "--config":
            raise ConfigError("an empty path from --config: name a file (is a variable unset?)")
        if name:
            return _absolute(name, directory), origin
    folder = directory
    while True:
        file = os.path.join(folder, FILE_NAME)
        if os.path.isfile(file):
            trust.require_trusted(file, f"--config {file} (or BRABEION_CONFIG)")
            return file, "found by searching"
        parent = os.path.dirname(folder)
        if parent == folder:
            return None, "none found"
        folder = parent


def _read(file: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(file, "rb") as opened:
            settings = tomllib.load(opened)
    except OSError as error:
        raise ConfigError(f"configuration {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {file} is not TOML: {error}") from error
    if isinstance(settings.get("badges"), str):
        settings["badges"] = [settings["badges"]]
    mistakes = [mistake for name, value in settings.items() if (mistake := _mistake(name, value))]
    if mistakes:
        raise ConfigError("\n".join(f"{file}: {mistake}" for mistake in mistakes))
    return settings


def _mistake(name: str, value: Any) -> str | None:
    if name == "db":
        return None if isinstance(value, str) and value else f"db is {value!r}; it must be a path"
    if name == "badges":
        if isinstance(value, list) and value and all(isinstance(path, str) and path for path in value):
            return None
        return f"badges is {value!r}; it must be a path or a list of paths"
    if name == "timezone":
        return _zone_mistake(value)
    if name not in NUMBERS:
        known = ", ".join(["db", "badges", "timezone", *NUMBERS])
        return f"unknown setting {name!r}; the settings are {known}"
    kind, least, most = NUMBERS[name]
    right_kind = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if right_kind and least <= value <= most:
        return None
    return f"{name} is {value!r:.80}; it must be a {'whole ' if kind is int else ''}number from {least:,} to {most:,}"


def _zone_mistake(name: Any) -> str | None:
    from brabeion_cli.domain import timestamps

    try:
        timestamps.zone_of(name)
    except ValueError as error:
        return f"timezone: {error}"
    return None


def native(path: str) -> str:
    """Return a path so that the system gets it in UTF-8, also in a locale that has only ASCII."""
    return os.fsdecode(path.encode(errors="surrogateescape"))


def _absolute(path: str, start: str) -> str:
    return os.path.normpath(os.path.join(start, os.path.expanduser(native(path))))


def _located(db: str, start: str, origin: str) -> str:
    """Return the absolute path of a database, given as a path or as `sqlite:///path`.

    Raises `ConfigError` for other URLs, and for what is not a file.
    """
    if db.startswith("sqlite:///"):
        db = db.removeprefix("sqlite:///")
    scheme, separator, _ = db.partition("://")
    if separator:
        if scheme in ("postgresql", "postgres"):
            raise ConfigError(f"{origin}: {scheme}://…: PostgreSQL is not supported yet; name a SQLite file")
        raise ConfigError(f"{origin}: {scheme}://…: unknown kind of database; name a SQLite file")
    if db.startswith((":memory:", "file:")) or not db or "\0" in db:
        raise ConfigError(f"{origin}: the database {db!r} is not a permanent file; name a SQLite file")
    return _absolute(db, start)


def settings_table(config: Config) -> Sequence[tuple[str, str, str]]:
    """Return (setting, value, origin) of every setting, for `brabeion check`."""
    rows = [("config", config.file or "none", config.origins["config"]), ("db", config.db, config.origins["db"])]
    rows += [("badges", directory.path, directory.origin) for directory in config.badges]
    rows += [(name, str(getattr(config, name)), config.origins[name]) for name in (*NUMBERS, "timezone")]
    return rows
