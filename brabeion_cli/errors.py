"""Everything that can go wrong and that a user can fix, with the exit status that tells a script what to do next."""

BAD_INPUT = 2
TRY_AGAIN = 75
BAD_SETUP = 78


class BrabeionError(Exception):
    """The base of all our errors: its text says what, where, and the way out."""

    exit_status = BAD_INPUT


class EventError(BrabeionError):
    """An event that cannot be recorded as it is: its name, user, time, id or state."""


class UnknownBadgeError(BrabeionError):
    """No badge, or no such level of it, under that name."""


class NoSuchAwardError(BrabeionError):
    """Nothing to revoke."""


class NoSuchEventError(BrabeionError):
    """No event of that name, in the journal or in a badge."""


class UserError(BrabeionError):
    """A user that is not there, or one that is and should not be."""


class NoSuchTaskError(BrabeionError):
    """No task with that number, or not one that the command can be used on."""


class FileProblemError(BrabeionError):
    """A file named on the command line that cannot be read or may not be written."""


class NestedFireError(BrabeionError):
    """`possibly_award_badge()` was called by a badge that is being judged."""


class StoreError(BrabeionError):
    """The store is busy, full, damaged or out of reach: nothing was recorded, try again."""

    exit_status = TRY_AGAIN


class StoreBusyError(StoreError):
    """Others held the write lock for longer than we wait."""


class StoreFullError(StoreError):
    """The disk, or the quota, is full."""


class StoreDamagedError(StoreError):
    """SQLite finds the file malformed."""


class LostProcessError(StoreError):
    """The process that writes to the store was ended from outside."""


class SetupError(BrabeionError):
    """Configuration, badge modules or the schema's version: a person has to mend it."""

    exit_status = BAD_SETUP


class ConfigError(SetupError):
    """An option, a variable or a line of brabeion.toml that makes no sense."""


class UntrustedPathError(SetupError):
    """Code found by searching that somebody else may have written."""


class BadgeLoadError(SetupError):
    """One or more mistakes in badge modules, each with file and line."""


class NoDatabaseError(SetupError):
    """The database that was named is not there."""


class ForeignDatabaseError(SetupError):
    """A file that is no brabeion database: text, or another application's."""


class SchemaVersionError(SetupError):
    """A database that a newer brabeion wrote."""
