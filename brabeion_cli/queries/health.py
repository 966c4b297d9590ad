"""The warnings of `check`: things that may damage a sound store one day, or that fail silently."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

from brabeion_cli.database import connection
from brabeion_cli.store import task_admin
from brabeion_cli.store.store import Store

MOUNT_TABLE = "/proc/self/mountinfo"
#: A line of it (Linux), and of what `mount` prints (macOS, BSD): the mount point, the file system's type, its source.
MOUNTED = (
    re.compile(r"^(?:\S+ ){4}(?P<point>/\S*) .*? - (?P<type>\S+) (?P<source>\S+)", re.MULTILINE),
    re.compile(r"^(?P<source>.+?) on (?P<point>/.*) \((?P<type>[\w.]+)[,)]", re.MULTILINE),
)
NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|afpfs|ncpfs|webdav|davfs2?|ceph|glusterfs|lustre|ocfs2|gfs2?|gpfs|beegfs|pvfs2|orangefs"
    r"|fuse\.(sshfs|rclone|s3fs|gcsfuse|goofys|glusterfs|ceph\S*|davfs2?|curlftpfs|juicefs|smbnetfs|nfs\S*|mfs|beegfs)"
    r"|(fuse\.)?vm(block|hgfs)\S*|vboxsf|prl_fs"  # folders that a virtual machine shares with its host
)
ESCAPED = re.compile(r"\\([0-7]{3})")

#: SQLite releases that fix the WAL-reset race. So do later ones of the same series, and all from the last one on.
WAL_RESET_FIXED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))

LONG_LOG = 64 * 1024 * 1024
OVERDUE = timedelta(hours=1)


def warnings(store: Store, cron_line: str, now: datetime) -> Iterator[str]:
    """All warnings about a store whose schema is sound. `cron_line` is the crontab line that runs its queue."""
    yield from network_file_system(store.path, mount_table())
    yield from wal_reset_race(connection.LIBRARY_VERSION)
    yield from long_log(store.path)
    yield from dead_tasks(store)
    yield from overdue_tasks(store, cron_line, now)


def mount_table() -> str:
    """The system's table of mounted file systems; empty if it cannot be read."""
    try:
        if sys.platform == "linux":
            with open(MOUNT_TABLE, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        return subprocess.run(["mount"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""


def network_file_system(path: str, mounts: str) -> Iterator[str]:
    """Warn if `path` lies on a network file system. `mounts` is text from `mount_table`.

    The longest mount point above the file counts. If several are at one place, the last counts: it hides the others.
    """
    real = os.path.realpath(path)
    longest, kind, source = 1, "", ""
    for line in itertools.chain.from_iterable(form.finditer(mounts) for form in MOUNTED):
        point = ESCAPED.sub(lambda match: chr(int(match[1], 8)), line["point"])
        if os.path.commonpath((point, real)) == point and len(point) >= longest:
            longest, kind, source = len(point), line["type"], line["source"]
    if NETWORK.fullmatch(kind) or (kind == "fuse" and "://" in source):  # davfs2 is a plain `fuse` of a URL
        yield (
            f"{path} lies on a network file system ({kind}): SQLite's locks do not hold there, and writers on two "
            "machines damage the database. Move it to a local disk and run brabeion on that machine only"
        )


def wal_reset_race(version: tuple[int, ...]) -> Iterator[str]:
    """Warn of an SQLite library with the WAL-reset race: 3.7.0 to 3.51.2, except the back-ports 3.44.6 and 3.50.7.

    If a checkpoint runs while another connection commits and restarts the log, part of the committed data may be lost
    for good (https://sqlite.org/wal.html#walresetbug; the release notes of 3.51.3).
    """
    of_series = [fixed for fixed in WAL_RESET_FIXED if fixed[:2] == version[:2]]
    if version < (of_series or WAL_RESET_FIXED)[-1]:
        yield (
            f"this Python uses SQLite {'.'.join(map(str, version))}, which has the WAL-reset race: in rare cases, when "
            "one process empties the log at the very moment in which another one commits, the database is damaged. Use "
            "a Python with SQLite 3.51.3 or later (or 3.50.7, 3.44.6), make copies with `brabeion db backup`, and run "
            "`brabeion db verify` on them"
        )


def long_log(path: str) -> Iterator[str]:
    """Warn of a write-ahead log that is no longer emptied: it is longer than `LONG_LOG` and than the database.

    SQLite restarts the log at 16 MB (`connection.LOG`) if nobody reads an older state. One large transaction, such as
    a migration, leaves a log about as long as the database.
    """
    real = os.path.realpath(path)
    try:
        log, database = os.stat(f"{real}-wal").st_size, os.stat(real).st_size
    except FileNotFoundError:
        return
    if log > max(LONG_LOG, database):
        yield (
            f"{path}-wal has grown to {log:,} bytes: some process has been reading an old state for a long time; "
            f"until it ends, the log grows and everything slows down. `fuser {path}` names the processes: end the one "
            "that hangs, such as a forgotten sqlite3 shell"
        )


def dead_tasks(store: Store) -> Iterator[str]:
    """Warn of dead tasks."""
    if count := task_admin.dead(store):
        yield (
            f"{_tasks(count)} dead, given up after too many attempts: `brabeion queue list --dead` says why, "
            "`brabeion queue retry --all` runs them again"
        )


def overdue_tasks(store: Store, cron_line: str, now: datetime) -> Iterator[str]:
    """Warn of tasks that have been due for over an hour. A claimed task is due when its lease runs out."""
    overdue = task_admin.overdue(store, now - OVERDUE)
    if overdue.tasks:
        since = f"{_tasks(overdue.tasks)} overdue, the first since {overdue.oldest}"
        yield f"{since}: is cron running, and fast enough? Its line: {cron_line}"


def _tasks(count: int) -> str:
    return "1 task is" if count == 1 else f"{count:,} tasks are"
