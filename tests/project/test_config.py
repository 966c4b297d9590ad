"""Options, environment, file, defaults: what wins, what is wrong, and what is not trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from brabeion_cli.errors import ConfigError, UntrustedPathError
from brabeion_cli.project.config import Config, Options, resolve
from tests.support.badge_texts import POINTS
from tests.support.project import Project


def resolved(tmp_path: Path, options: Options | None = None, **environ: str) -> Config:
    return resolve(options or Options(), environ, str(tmp_path))


def paths(config: Config) -> list[str]:
    return [directory.path for directory in config.badges]


def test_the_defaults_are_the_working_directory(tmp_path: Path) -> None:
    config = resolved(tmp_path)

    assert config.db == str(tmp_path / "brabeion.db")
    assert paths(config) == [str(tmp_path / "badges")]
    assert config.badges[0].searched
    assert config.file is None
    assert set(config.origins.values()) == {"the default", "none found"}


def test_the_file_goes_before_the_defaults_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "brabeion.toml").write_text('db = "data/x.db"\nbadges = ["one", "/two"]\nmax_attempts = 3\n')
    below = tmp_path / "deep" / "down"
    below.mkdir(parents=True)

    config = resolved(below)

    assert config.file == str(tmp_path / "brabeion.toml")
    assert config.db == str(tmp_path / "data/x.db")
    assert paths(config) == [str(tmp_path / "one"), "/two"]
    assert all(directory.searched for directory in config.badges)
    assert config.max_attempts == 3
    assert config.origins["db"] == config.origins["max_attempts"] == config.file
    assert config.origins["retry_delay"] == "the default"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "brabeion.toml").write_text('db = "x.db"\nbadges = "one"\n')

    config = resolved(tmp_path, BRABEION_DB="y.db", BRABEION_BADGES=f"a{os.pathsep}/b")

    assert config.db == str(tmp_path / "y.db")
    assert paths(config) == [str(tmp_path / "a"), "/b"]
    assert not any(directory.searched for directory in config.badges)
    assert (config.origins["db"], config.origins["badges"]) == ("BRABEION_DB", "BRABEION_BADGES")


def test_options_go_before_everything(tmp_path: Path) -> None:
    for name in ("brabeion.toml", "env.toml", "option.toml"):
        (tmp_path / name).write_text(f'db = "{name}.db"\n')

    config = resolved(tmp_path, Options("z.db", ("c", "d"), "option.toml"), BRABEION_DB="y", BRABEION_CONFIG="env.toml")

    assert config.db == str(tmp_path / "z.db")
    assert paths(config) == [str(tmp_path / "c"), str(tmp_path / "d")]
    assert config.file == str(tmp_path / "option.toml")
    assert resolved(tmp_path, BRABEION_CONFIG="env.toml").db == str(tmp_path / "env.toml.db")


@pytest.mark.parametrize(
    ("options", "environ", "message"),
    [
        (Options(badges=("",)), {}, "an empty path, or one with NUL, from --badges"),
        (Options(badges=("a", "")), {}, "an empty path, or one with NUL, from --badges"),
        (Options(config=""), {}, "an empty path from --config"),
        (Options(db=""), {}, "--db: the database '' is not a permanent file"),
        (Options(), {"BRABEION_BADGES": os.pathsep}, "an empty path, or one with NUL, from BRABEION_BADGES"),
    ],
)
def test_an_unset_variable_in_a_shell_is_not_taken_for_no_badges(
    tmp_path: Path, options: Options, environ: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        resolved(tmp_path, options, **environ)


def test_empty_variables_count_as_unset(tmp_path: Path) -> None:
    assert resolved(tmp_path, BRABEION_DB="", BRABEION_BADGES="", BRABEION_CONFIG="") == resolved(tmp_path)


def test_an_explicit_configuration_names_its_badges_explicitly(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('badges = "one"\n')

    assert not resolved(tmp_path, Options(config="c.toml")).badges[0].searched


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("db = ", "is not TOML"),
        ("db = 7", "db is 7; it must be a path"),
        ("badges = []", "badges is []"),
        ('bagdes = "x"', "unknown setting 'bagdes'; the settings are db, badges, timezone, award_timeout"),
        ('timezone = "Mars/Phobos"', "timezone: no time zone 'Mars/Phobos'; write a name of the IANA database"),
        ("timezone = 2", "timezone: no time zone '2'"),
        ("max_attempts = 0", "max_attempts is 0; it must be a whole number from 1 to 1,000"),
        ("max_attempts = 2.5", "a whole number"),
        ("task_timeout = true", "task_timeout is True"),
        ('retry_delay = "soon"', "retry_delay is 'soon'"),
        ("award_timeout = inf", "award_timeout is inf"),
        ("task_timeout = 1e12", "from 0.1 to 86,400"),
    ],
)
def test_a_mistake_in_the_file_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "brabeion.toml").write_text(text)

    with pytest.raises(ConfigError) as caught:
        resolved(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path / "brabeion.toml") in str(caught.value)


def test_all_mistakes_in_the_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "brabeion.toml").write_text("db = 1\nbadges = 2\nx = 3\n")

    with pytest.raises(ConfigError) as caught:
        resolved(tmp_path)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("db", ["postgresql://host/name", "mysql://x", ":memory:", "file:x?mode=ro", "nul\0"])
def test_a_database_that_is_no_file_is_refused(tmp_path: Path, db: str) -> None:
    with pytest.raises(ConfigError, match="name a SQLite file"):
        resolved(tmp_path, Options(db=db))


@pytest.mark.parametrize(("url", "path"), [("sqlite:///x.db", "x.db"), ("sqlite:////tmp/y.db", "/tmp/y.db")])
def test_a_sqlite_url_is_a_path(tmp_path: Path, url: str, path: str) -> None:
    assert resolved(tmp_path, Options(db=url)).db == str(tmp_path / path)


def test_a_configuration_found_by_searching_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "brabeion.toml"
    file.write_text('db = "x.db"\n')
    file.chmod(0o666)

    with pytest.raises(UntrustedPathError, match=r"may be written by everybody.*--config"):
        resolved(tmp_path)
    assert resolved(tmp_path, Options(config="brabeion.toml")).file == str(file)


def test_the_command_refuses_what_it_found_and_cannot_trust(project: Project) -> None:
    project.badge(POINTS)
    (project.directory / "badges").chmod(0o777)
    fired = ("fire", "points_awarded", "--state", '{"user": "a", "points": 9000}')

    refused = project.run(*fired)

    assert refused.status == 78
    assert str(project.directory / "badges") in refused.err
    assert "--badges" in refused.err
    assert not project.db.exists()
    assert "earned points" in project.ok(*fired, "--badges", "badges").out


def test_options_go_before_or_after_the_command(project: Project) -> None:
    project.simple_badge("return None", slug="here")
    project.simple_badge("return None", slug="there", name="../other/there.py")
    db = project.directory / "elsewhere.db"

    before = project.ok(
        "--db", db, "--badges", "badges", "fire", "it_happened", "--user", "a", "--badges", "other", "--json"
    )

    assert [result["badge"] for result in before.json["results"]] == ["here", "there"]
    assert db.exists()
    after = project.ok("queue", "--db", "wrong.db", "list", "--db", db)
    assert after.err == "no tasks\n"


@pytest.mark.parametrize("option", ["--db", "--badges"])
def test_an_empty_option_reaches_the_check(project: Project, option: str) -> None:
    project.badge(POINTS)

    assert project.run("fire", "points_awarded", "--user", "a", option, "").status == 78


def test_check_shows_what_was_resolved_and_from_where(project: Project) -> None:
    project.badge(POINTS)
    project.write("brabeion.toml", 'db = "brabeion.db"\nretry_delay = 7\n')
    project.fire("points_awarded", {"points": 1})

    settings = project.ok("check", "--json", env={"BRABEION_BADGES": "badges"}).json["settings"]

    file = str(project.directory / "brabeion.toml")
    assert settings["config"] == {"value": file, "from": "found by searching"}
    assert settings["db"] == {"value": str(project.db), "from": file}
    assert settings["badges"] == [{"value": str(project.directory / "badges"), "from": "BRABEION_BADGES"}]
    assert settings["retry_delay"] == {"value": "7", "from": file}
    assert settings["max_attempts"] == {"value": "5", "from": "the default"}
