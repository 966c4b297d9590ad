"""The errors that a user can fix, each with the exit status that tells a script what to do next."""

BAD_INPUT = 2
TRY_AGAIN = 75
BAD_SETUP = 78


class BrabeionError(Exception):
    """The base of all errors of brabeion. The text says what is wrong, where, and what to do about it."""

    exit_status = BAD_INPUT


class EventError(BrabeionError):
    """An event that cannot be recorded as it is: its name, user, time, id or state."""


class UnknownBadgeError(BrabeionError):
    """No badge has that name, or the badge has no such level."""


class NoSuchAwardError(BrabeionError):
    """There is no such award to revoke."""


class NoSuchEventError(BrabeionError):
    """No event has that name, neither in the journal nor in a badge."""


class UserError(BrabeionError):
    """The user does not exist, or the new name of a user is taken."""


class NoSuchTaskError(BrabeionError):
    """No task has that number, or the command cannot be used on the task."""


class FileProblemError(BrabeionError):
    """A file named on the command line cannot be read, or must not be written."""


class NestedFireError(BrabeionError):
    """A badge called `possibly_award_badge()` while it was being evaluated."""


class StoreError(BrabeionError):
    """The store is busy, full, damaged or out of reach. Nothing was recorded; try again."""

    exit_status = TRY_AGAIN


class StoreBusyError(StoreError):
    """Other processes held the write lock for longer than brabeion waits."""


class StoreFullError(StoreError):
    """The disk or the quota is full."""


class StoreDamagedError(StoreError):
    """SQLite reports that the file is malformed."""


class LostProcessError(StoreError):
    """A child process was ended from outside, or could not be started."""


class SetupError(BrabeionError):
    """The configuration, a badge module or the database is wrong. A person has to fix it."""

    exit_status = BAD_SETUP


class ConfigError(SetupError):
    """An option, an environment variable or a setting in brabeion.toml is invalid."""


class UntrustedPathError(SetupError):
    """A file or directory was found by searching, and another user may have written it."""


class BadgeLoadError(SetupError):
    """Badge modules have one or more mistakes. The text has a line for each, with file and line number."""


class NoDatabaseError(SetupError):
    """The database does not exist, or is empty."""


class ForeignDatabaseError(SetupError):
    """The file is not a brabeion database, but text or the database of another application."""


class SchemaVersionError(SetupError):
    """A newer version of brabeion wrote the database."""
