"""`Project`: a directory with badges and a database of its own, driven through the real command."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from brabeion_cli.project.config import BadgeDirectory
from tests.support import command_server

PATIENCE = 120.0  # seconds in which every command ends, also on a busy machine


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
        """The command in a Python that was started for it; the caller waits for its end."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command(*arguments), cwd=self.directory, **{**streams, **options})

    def run(
        self, *arguments: object, stdin: str | bytes = b"", env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Result:
        """The command, run to its end: forked from a Python that has loaded everything, where `env` allows it."""
        environment = {**os.environ, **(env or {})}
        given = stdin.encode() if isinstance(stdin, str) else stdin
        server = command_server.server()
        if server.fits(environment):
            forked = server.run(list(map(str, arguments)), cwd or self.directory, environment, given, PATIENCE)
            return Result(forked.status, forked.out.decode(), forked.err.decode())
        started = subprocess.run(
            self.command(*arguments), cwd=cwd or self.directory, input=given, capture_output=True, env=environment,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        return Result(started.returncode, started.stdout.decode(), started.stderr.decode())

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


def badge_directory(path: Path, *, searched: bool = False) -> BadgeDirectory:
    """A directory as the configuration names it: by an option, or found by searching."""
    return BadgeDirectory(str(path), "--badges", searched)
