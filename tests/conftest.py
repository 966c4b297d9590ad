"""Fixtures: `project` is a directory with badges and a database of its own, driven through the real command."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from brabeion_cli.project.config import BadgeDirectory
from brabeion_cli.project.registry import Registry, badges
from brabeion_cli.store.store import Store, open_store

NOW = datetime(2026, 11, 22, 18, 19, tzinfo=timezone.utc)

POINTS = """
    from brabeion_cli import badges
    from brabeion_cli.base import Badge, BadgeAwarded

    class PointsBadge(Badge):
        slug = "points"
        levels = ["Bronze", "Silver", "Gold"]
        events = ["points_awarded"]

        def award(self, **state):
            if state["points"] > 10000:
                return BadgeAwarded(level=3)
            if state["points"] > 7500:
                return BadgeAwarded(level=2)
            if state["points"] > 5000:
                return BadgeAwarded(level=1)

    badges.register(PointsBadge)
"""


class Result(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Project:
    """A directory with `badges/` and `brabeion.db`; `run()` runs the command in it."""

    def __init__(self, directory: Path, db: Path | None = None) -> None:
        self.directory = directory
        self.db = db or directory / "brabeion.db"
        (directory / "badges").mkdir(exist_ok=True)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
        return path

    def badge(self, text: str, name: str = "badge.py") -> Path:
        return self.write(f"badges/{name}", text)

    def simple_badge(self, body: str, *, slug: str = "one", name: str | None = None, **attributes: Any) -> Path:
        """A badge with one level that listens to `it_happened`; `body` is the body of award()."""
        attributes = {"slug": slug, "levels": ["One"], "events": ["it_happened"], **attributes}
        lines = "".join(f"    {key} = {value!r}\n" for key, value in attributes.items())
        return self.badge(
            "import ctypes, os, signal, sys, time\n"
            "from brabeion_cli import badges\n"
            "from brabeion_cli.base import Badge, BadgeAwarded\n\n"
            "@badges.register\n"
            "class TheBadge(Badge):\n"
            f"{lines}"
            "    def award(self, **state):\n" + textwrap.indent(textwrap.dedent(body), " " * 8) + "\n",
            name or f"{slug}.py",
        )

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "brabeion_cli", *map(str, arguments)]

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command(*arguments), cwd=self.directory, **{**streams, **options})

    def run(
        self, *arguments: object, stdin: str | bytes = b"", env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Result:
        done = subprocess.run(
            self.command(*arguments),
            cwd=cwd or self.directory,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**os.environ, **(env or {})},
            timeout=120,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: object, **options: Any) -> Result:
        result = self.run(*arguments, **options)
        assert result.status == 0, result
        return result

    def fire(self, event: str = "it_happened", state: Any = None, **options: Any) -> Result:
        arguments = ["fire", event, "--json", "--state", json.dumps({"user": "alice"} | (state or {}))]
        for name, value in options.items():
            arguments += [f"--{name}", str(value)]
        return self.run(*arguments)

    def sql(self, query: str, *values: object) -> list[Any]:
        connection = sqlite3.connect(self.db)
        try:
            with connection:
                return connection.execute(query, values).fetchall()
        finally:
            connection.close()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where commands keep compiled modules when they may not lie beside the source: for this run of the tests only."""
    base = tmp_path_factory.getbasetemp()
    return str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compiled: str) -> Iterator[None]:
    """No configuration of the person who runs the tests, no default database, and no badges left behind."""
    for name in list(os.environ):
        if name.startswith("BRABEION_"):
            monkeypatch.delenv(name)
    if sys.dont_write_bytecode:  # a thousand commands would compile all modules, each anew
        monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        monkeypatch.setenv("PYTHONPYCACHEPREFIX", compiled)
    monkeypatch.chdir(tmp_path)
    badges.clear()
    yield
    badges.clear()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db"), create=True) as opened:
        yield opened


def directory(path: Path, *, searched: bool = False) -> BadgeDirectory:
    return BadgeDirectory(str(path), "--badges", searched)
