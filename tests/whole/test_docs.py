"""The documentation is true: its commands print what it says, its badges load, its help texts are the real ones.

`BRABEION_WRITE_DOCS=1 pytest tests/whole/test_docs.py` writes the help texts of docs/commands.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from brabeion_cli.cli.app import main
from tests.support.project import Project

ROOT = Path(__file__).parents[2]
WRITE = os.environ.get("BRABEION_WRITE_DOCS")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell(project: Project, command: str, **env: str) -> str:
    """What a command prints, stderr with stdout, with `brabeion` on the path and the directory as /srv/site."""
    bin_directory = project.directory.parent / "bin"
    bin_directory.mkdir(exist_ok=True)
    for name, called in (("brabeion", f"{sys.executable} -m brabeion_cli"), ("python", sys.executable)):
        (bin_directory / name).write_text(f'#!/bin/sh\nexec {called} "$@"\n')
        (bin_directory / name).chmod(0o755)
    path = f"{bin_directory}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project.directory, env={**os.environ, "PATH": path, "COLUMNS": "100", **env}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    return done.stdout.replace(str(project.directory), "/srv/site")


@pytest.mark.parametrize("page", ["README.md", "docs/writing-badges.md", "docs/store.md"])
def test_examples_run_and_print_what_the_page_says(tmp_path: Path, page: str) -> None:
    (tmp_path / "site").mkdir()
    project = Project(tmp_path / "site")
    for language, text in BLOCK.findall((ROOT / page).read_text()):
        if language == "python":
            name = re.match(r"# (\S+\.py)\n", text)
            assert name is not None, f"the first line of a block of Python names its file:\n{text}"
            path = project.directory / name[1]
            if path.exists() and path.read_text() == text[name.end() :]:
                continue  # what `init` wrote
            assert page != "README.md" or name[1] != "badges/points.py", "README's first badge is not the one of init"
            project.write(name[1], text)
        elif language == "console":
            for command, expected in re.findall(r"^\$ (.*(?:\\\n.*)*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                assert shell(project, command) == expected, command


def commands(group: click.Group, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    found = {}
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                found |= commands(command, (*path, name))
            else:
                found[" ".join((*path, name))] = command
    return found


COMMANDS = commands(main)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_texts_in_the_docs_are_the_real_ones(project: Project, name: str) -> None:
    page = ROOT / "docs" / "commands.md"
    text = page.read_text()
    section = re.search(rf"^## `{name}`\n.*?^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/commands.md has no section for `{name}`"
    real = project.ok(*name.split(), "--help", env={"COLUMNS": "100"}).out
    if WRITE:
        page.write_text(text[: section.start(1)] + real + text[section.end(1) :])
        return

    assert section[1] == real


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `init` writes, and one event; to be copied."""
    folder = tmp_path_factory.mktemp("begun") / "site"
    folder.mkdir()
    project = Project(folder)
    (folder / "badges").rmdir()
    shell(project, "brabeion init && brabeion fire points_awarded --user alice --state '{\"points\": 12000}'")
    assert project.sql("SELECT badge FROM awards") == [("points",)]
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_text_has_an_example_that_runs(project: Project, begun: Path, name: str) -> None:
    (project.directory / "badges").rmdir()
    shutil.copytree(begun, project.directory, dirs_exist_ok=True)
    help_text = COMMANDS[name].help or ""
    example = re.search(r"^    .*brabeion .*$", help_text, re.MULTILINE)
    assert example is not None
    command = re.sub(r"^[* ]+", "", example[0])
    if name == "queue drop":
        shell(project, 'python -c "import sqlite3; db = sqlite3.connect(\'brabeion.db\'); db.execute(\'INSERT INTO '
              "tasks (number, event_number, badge, attempts) VALUES (12, 1, 1, 0)'); db.commit()\"")  # fmt: skip
    command = command.replace("/srv/site", str(project.directory))

    out = shell(project, command + '; echo "status $?"')

    assert out.endswith("status 0\n"), out


def test_the_first_command_of_the_readme_is_about_what_the_repository_holds(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    project = Project(tmp_path / "copy")
    (project.directory / "badges").rmdir()
    (project.directory / "badges").symlink_to(ROOT / "badges")
    first = BLOCK.search((ROOT / "README.md").read_text())
    assert first is not None
    command = first[2].rpartition("&& .venv/bin/")[2]

    assert shell(project, command) == "created /srv/site/brabeion.db\nalice earned points: Silver\n"


def test_the_addict_of_the_documentation_runs(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    project = Project(tmp_path / "copy")
    (project.directory / "badges").rmdir()
    (project.directory / "badges").symlink_to(ROOT / "badges")
    for user, days in (("alice", range(1, 31)), ("bob", (*range(1, 16), *range(17, 31)))):
        for day in days:  # 29 March, when clocks change, is one of them
            line = {"event": "page_viewed", "user": user, "at": f"2026-03-{day:02}T12:00:00Z"}
            with open(project.directory / "views.ndjson", "a") as file:
                file.write(json.dumps(line) + "\n")
    assert "59 recorded" in shell(project, "brabeion ingest views.ndjson")
    assert "59 done, 1 awarded" in shell(project, "brabeion process-queue")
    assert "alice  addict      1  Addict       2026-03-30 12:00:00  page_viewed" in shell(project, "brabeion list")


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target.partition("#")[0]).exists(), target


def test_the_changelog_tells_of_this_version() -> None:
    import brabeion_cli

    assert f"## {brabeion_cli.__version__.removesuffix('.dev0')}" in (ROOT / "CHANGELOG.md").read_text()
