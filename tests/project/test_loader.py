"""Badge files → registry: which files, in which order, what is said of broken ones, and the original import lines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import brabeion_cli.base
from brabeion_cli.errors import BadgeLoadError, ConfigError, UntrustedPathError
from brabeion_cli.project import loader
from brabeion_cli.store.store import open_store
from tests.support.badge_texts import POINTS
from tests.support.project import Project, badge_directory

ORIGINAL_IMPORTS = POINTS.replace("brabeion_cli", "brabeion")


def load(project: Project) -> list[str]:
    return loader.load([badge_directory(project.directory / "badges")]).slugs


def test_files_straight_in_the_directory_are_loaded_sorted(project: Project) -> None:
    for name in ("zeta", "alpha", "_private"):
        project.simple_badge("return None", slug=name.strip("_"), name=f"{name}.py")
    project.simple_badge("return None", slug="deep", name="folder/deep.py")
    project.badge("this is not python", "notes.txt")

    assert load(project) == ["alpha", "zeta"]


def test_the_import_lines_of_the_original_library_give_the_same_objects(project: Project) -> None:
    project.badge(ORIGINAL_IMPORTS)
    project.badge(
        """
        import brabeion.base, brabeion.signals, brabeion_cli.base, brabeion_cli.signals, brabeion_cli
        from brabeion import badges
        assert badges is brabeion_cli.badges
        assert brabeion.base is brabeion_cli.base
        assert brabeion.signals.badge_awarded is brabeion_cli.signals.badge_awarded
        """,
        "same.py",
    )

    assert load(project) == ["points"]
    assert sys.modules["brabeion.base"] is brabeion_cli.base


def test_a_real_brabeion_package_is_left_alone(project: Project) -> None:
    package = project.write("site/brabeion/__init__.py", "REAL = True")
    project.badge("import brabeion\nassert brabeion.REAL", "real.py")
    project.badge(POINTS)

    result = project.run("fire", "points_awarded", "--user", "a", env={"PYTHONPATH": str(package.parents[1])})

    assert "no badge" not in result.err
    assert "KeyError: 'points'" in result.err


def test_a_folder_called_brabeion_is_no_package(project: Project) -> None:
    project.write("site/brabeion/badges/note.txt", "just a checkout")
    project.badge(ORIGINAL_IMPORTS)

    project.ok(
        "fire",
        "points_awarded",
        "--state",
        '{"user": "a", "points": 1}',
        env={"PYTHONPATH": str(project.directory / "site")},
    )


def test_files_of_a_directory_may_import_one_another(project: Project) -> None:
    project.badge("LIMIT = 5", "_limits.py")
    project.badge("from .later import Later\nfrom ._limits import LIMIT\nassert LIMIT == 5", "early.py")
    project.badge(POINTS.replace("PointsBadge", "Later"), "later.py")

    assert load(project) == ["points"]


def test_a_dataclass_under_future_annotations_works(project: Project) -> None:
    project.badge(
        """
        from __future__ import annotations
        from dataclasses import dataclass

        @dataclass
        class Limits:
            low: int = 1
        """
    )

    assert load(project) == []


def test_an_edit_within_the_same_second_and_size_is_seen(project: Project) -> None:
    path = project.badge(POINTS)
    load(project)
    stamp = path.stat().st_mtime
    path.write_text(path.read_text().replace('slug = "points"', 'slug = "pointz"'))
    os.utime(path, (stamp, stamp))
    loader.badges.clear()

    assert load(project) == ["pointz"]
    assert not (path.parent / "__pycache__").exists()


def test_a_directory_named_twice_is_loaded_once(project: Project) -> None:
    project.badge(POINTS)
    (project.directory / "link").symlink_to(project.directory / "badges")

    folders = [badge_directory(project.directory / name) for name in ("badges", "badges", "link")]

    assert loader.load(folders).slugs == ["points"]


def test_mistakes_of_all_files_are_told_together_with_file_and_line(project: Project) -> None:
    project.badge("x = 1\nasync = True\n", "a.py")
    project.badge("import no_such_module", "b.py")
    project.badge("x = 1\ny = 2\nraise SystemExit(3)", "c.py")
    project.badge(POINTS.replace('"points"', '"Points"', 1).replace('["points_awarded"]', "[]"), "d.py")
    project.badge("def f(:\n", "e.py")
    project.badge(POINTS, "f.py")

    with pytest.raises(BadgeLoadError) as caught:
        load(project)

    heading, *lines = str(caught.value).splitlines()
    assert heading == "6 mistakes in badge modules:"
    folder = project.directory / "badges"
    expected = [
        (f"{folder}/a.py:2: SyntaxError", "write async_ instead of async"),
        (f"{folder}/b.py:1: ModuleNotFoundError", "no_such_module"),
        (f"{folder}/c.py:3: SystemExit", "3"),
        (f"{folder}/d.py:5: PointsBadge: slug is 'Points'", "a-z"),
        (f"{folder}/d.py:7: PointsBadge: events is empty", "at least one"),
        (f"{folder}/e.py:1: SyntaxError", "invalid syntax"),
    ]
    for line, (start, part) in zip(lines, expected, strict=True):
        assert line.startswith(start)
        assert part in line


@pytest.mark.parametrize("line", ["x = 2; async = True", "async: bool = True", "    async=True"])
def test_async_as_a_name_gets_the_hint(project: Project, line: str) -> None:
    project.badge(f"class A:\n    x = 1\n    {line.strip()}\n")

    with pytest.raises(BadgeLoadError, match=r"badge\.py:3: .*write async_ instead of async"):
        load(project)


def test_a_file_that_cannot_be_read_is_a_mistake_at_its_place(project: Project) -> None:
    (project.directory / "badges/gone.py").symlink_to("nowhere.py")

    with pytest.raises(BadgeLoadError, match=r"badges/gone\.py:1: FileNotFoundError"):
        load(project)


def test_a_duplicate_slug_names_both_places(project: Project) -> None:
    project.badge(POINTS, "a.py")
    project.badge(POINTS, "b.py")

    with pytest.raises(
        BadgeLoadError, match=r"b\.py:5: PointsBadge: slug 'points' is taken by PointsBadge \(.*badges/a\.py:4\)"
    ):
        load(project)


def test_a_directory_that_is_not_there_names_its_origin(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no badge directory .*nowhere \(from --badges\)"):
        loader.load([badge_directory(tmp_path / "nowhere")])


@pytest.mark.parametrize("target", ["badges", "badges/badge.py", "badges/_shared.py"])
def test_code_found_by_searching_that_everybody_may_write_is_not_executed(project: Project, target: str) -> None:
    project.badge("raise AssertionError('executed')")
    project.badge("LIMIT = 1", "_shared.py")
    (project.directory / target).chmod(0o777)

    with pytest.raises(UntrustedPathError, match=r"may be written by everybody \(mode 0777\).*name it: --badges"):
        loader.load([badge_directory(project.directory / "badges", searched=True)])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_code_found_by_searching_that_belongs_to_another_user_is_not_executed(project: Project) -> None:
    path = project.badge(POINTS)
    os.chown(path, 12345, 12345)

    with pytest.raises(UntrustedPathError, match=r"badge\.py belongs to another user \(uid 12345\)"):
        loader.load([badge_directory(project.directory / "badges", searched=True)])
    assert loader.load([badge_directory(project.directory / "badges")]).slugs == ["points"]


@pytest.mark.parametrize("command", ["list --json", "check --json", "badges --json"])
def test_what_a_badge_module_starts_prints_to_stderr(project: Project, command: str) -> None:
    project.badge(POINTS + "    import os; os.system('echo shell'); print('python')\n")
    project.fire("points_awarded", {"points": 6000})

    result = project.ok(*command.split())

    assert result.json
    assert "shell" in result.err
    assert "python" in result.err


def test_what_a_badge_module_prints_goes_to_stderr(project: Project) -> None:
    project.badge(POINTS + "    print('loading')\n")

    result = project.ok("fire", "points_awarded", "--state", '{"user": "a", "points": 9}', "--json")

    assert result.json["results"][0]["outcome"] == "none"
    assert "loading" in result.err


@pytest.mark.parametrize("command", ["fire it_happened --user a", "ingest", "process-queue", "list", "badges", "check"])
def test_a_broken_badge_module_stops_every_command_that_needs_it(project: Project, command: str) -> None:
    project.badge(POINTS)
    project.fire("points_awarded", {"points": 6000})
    project.badge("1 / 0", "odd.py")

    result = project.run(*command.split(), stdin='{"event": "e", "user": "u"}')

    assert result.status == 78
    assert "odd.py:1: ZeroDivisionError: division by zero" in result.err
    assert "Traceback" not in result.err
    assert project.sql("SELECT count(*) FROM events") == [(1,)]


def test_a_badge_module_that_ends_the_process_is_not_a_success(project: Project) -> None:
    project.badge("import os\nos._exit(0)")

    for command in (
        "fire it_happened --user a",
        "ingest",
        "process-queue",
        "check",
        "award --user a --badge b --reason c",
    ):
        project.db.unlink(missing_ok=True)
        open_store(str(project.db), create=True).close()
        result = project.run(*command.split())

        assert result.status == 78
        assert "loading the badge modules failed: its process ended with exit status 0" in result.err


def test_a_directory_that_is_missing_leaves_no_badges_of_the_others(project: Project) -> None:
    project.badge(POINTS)
    there, missing = badge_directory(project.directory / "badges"), badge_directory(project.directory / "none")

    with pytest.raises(ConfigError, match="no badge directory"):
        loader.load([there, missing])

    assert len(loader.load([there])) == 1  # which would find its own slug taken
