"""What `check` warns of: a network file system, SQLite's library, a log that only grows, a queue that nobody drains."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from brabeion_cli.domain.timestamps import moment
from brabeion_cli.queries import health
from brabeion_cli.store.store import Store
from tests.support.badge_texts import POINTS
from tests.support.moments import NOW
from tests.support.project import Project

LINUX = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
40 27 0:50 / /srv rw,relatime shared:7 master:2 - nfs4 filer:/srv rw,vers=4.2
41 40 0:51 / /srv/local rw,relatime - xfs /dev/vdb rw
42 40 0:52 / /srv/two\040words rw,relatime - cifs //filer/share rw
43 27 0:53 / /over rw,relatime - nfs filer:/over rw
44 43 0:54 / /over rw,relatime - tmpfs tmpfs rw
45 27 0:55 / /dav rw,nosuid - fuse https://example.org/dav rw
46 27 0:56 / /home/me/far rw,nosuid - fuse.sshfs me@far: rw
47 27 0:57 / /home/me/near rw,nosuid - fuse.mergerfs a:b rw
"""
MACOS = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse)
//me@filer/team share on /Volumes/team share (smbfs, nodev, nosuid, mounted by me)
filer:/export on /private/export (nfs)
"""


@pytest.mark.parametrize(
    ("mounts", "path", "kind"),
    [
        (LINUX, "/x.db", None),
        (LINUX, "/srv/x.db", "nfs4"),
        (LINUX, "/srvx/x.db", None),
        (LINUX, "/srv/local/x.db", None),
        (LINUX, "/srv/two words/deep/x.db", "cifs"),
        (LINUX, "/over/x.db", None),
        (LINUX, "/dav/x.db", "fuse"),
        (LINUX, "/home/me/far/x.db", "fuse.sshfs"),
        (LINUX, "/home/me/near/x.db", None),
        (MACOS, "/Users/me/x.db", None),
        (MACOS, "/Volumes/team share/x.db", "smbfs"),
        (MACOS, "/private/export/x.db", "nfs"),
        ("", "/srv/x.db", None),
        ("of another system\n", "/srv/x.db", None),
    ],
)
def test_a_network_file_system_is_told_from_a_local_one(mounts: str, path: str, kind: str | None) -> None:
    found = list(health.network_file_system(path, mounts))

    assert [f"({kind})" in warning for warning in found] == [True] * (kind is not None), found


def test_a_link_lies_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to("/srv/x.db")

    assert list(health.network_file_system(str(tmp_path / "link.db"), LINUX))


def test_this_system_has_a_table_of_mounts() -> None:
    assert any(line["point"] == "/" for form in health.MOUNTED for line in form.finditer(health.mount_table()))


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("3.37.2", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.45.0", True),
        ("3.50.6", True),
        ("3.50.7", False),
        ("3.51.0", True),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.53.1", False),
        ("4.0.0", False),
    ],
)
def test_libraries_with_the_wal_reset_race_are_told(version: str, affected: bool) -> None:
    warnings = list(health.wal_reset_race(tuple(map(int, version.split(".")))))

    assert [f"SQLite {version}," in warning for warning in warnings] == [True] * affected


@pytest.mark.parametrize(
    ("database", "log", "warned"),
    [
        (4096, None, False),
        (4096, health.LONG_LOG, False),
        (4096, health.LONG_LOG + 1, True),
        (health.LONG_LOG * 2, health.LONG_LOG * 2, False),
    ],
)
def test_a_log_that_only_grows_is_told(tmp_path: Path, database: int, log: int | None, warned: bool) -> None:
    path = tmp_path / "x.db"
    for name, size in (("x.db", database), ("x.db-wal", log)):
        if size is not None:
            (tmp_path / name).touch()
            os.truncate(tmp_path / name, size)  # takes no room on the disk

    assert [f"{path}-wal" in warning for warning in health.long_log(str(path))] == [True] * warned


def add_task(store: Store, due_at: datetime | None, token: str | None = None) -> None:
    with store.transaction():
        store.database.execute_sql(
            "INSERT OR IGNORE INTO events (number, name, \"user\", at, state) VALUES (1, 'e', 'u', ?, '{}')",
            (moment(NOW),),
        )
        store.database.execute_sql(
            "INSERT INTO tasks (event_number, badge, attempts, due_at, token) VALUES (1, 'b', 0, ?, ?)",
            (None if due_at is None else moment(due_at), token),
        )


def test_dead_tasks_are_counted(store: Store) -> None:
    add_task(store, NOW)
    assert list(health.dead_tasks(store)) == []

    add_task(store, None)
    assert "1 task is dead" in next(health.dead_tasks(store))

    add_task(store, None)
    assert "2 tasks are dead" in next(health.dead_tasks(store))


def test_tasks_are_overdue_an_hour_after_they_were_due_or_their_lease_ran_out(store: Store) -> None:
    hour, second = timedelta(hours=1), timedelta(seconds=1)
    for due_at, token in ((NOW - hour, None), (NOW + hour, "held"), (NOW - second, "lost"), (None, None)):
        add_task(store, due_at, token)
    assert list(health.overdue_tasks(store, "the line", NOW)) == []

    (warning,) = health.overdue_tasks(store, "the line", NOW + second)
    assert warning.startswith(f"1 task is overdue, the first since {moment(NOW - hour)}")
    assert warning.endswith("the line")
    assert "2 tasks are" in next(health.overdue_tasks(store, "the line", NOW + hour))


def test_check_warns_and_is_content(project: Project) -> None:
    project.badge(POINTS)
    project.write("100%.toml", "badges = ['badges']\n")
    assert project.fire("points_awarded", {"points": 8000}).status == 0
    project.sql("INSERT INTO tasks (event_number, badge, attempts, due_at) VALUES (1, 'b', 0, '2000-01-01')")

    result = project.ok("check", "--config", "100%.toml", "--json").json

    (overdue,) = (warning for warning in result["warnings"] if "overdue" in warning)
    config = f"{project.directory}/100\\%.toml"
    assert overdue.endswith(f"* * * * *  brabeion --config {config} --db {project.db} process-queue --max-time 50")
    assert result["ok"]
    assert "Warning: 1 task is overdue" in project.ok("check").err
