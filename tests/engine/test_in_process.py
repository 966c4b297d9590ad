"""`badges.possibly_award_badge`, in an application."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import Any

import pytest

import brabeion_cli
from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded
from brabeion_cli.engine import in_process
from brabeion_cli.errors import BadgeLoadError, EventError, NoDatabaseError
from brabeion_cli.project import registry
from brabeion_cli.project.registry import Registry
from brabeion_cli.signals import badge_awarded
from tests.support.badge_texts import POINTS
from tests.support.project import Project


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "_loaded", set())


def register(**attributes: Any) -> None:
    def award(self: Badge, **state: Any) -> BadgeAwarded:
        return BadgeAwarded()

    fields = {"slug": "mine", "levels": ["One"], "events": ["it_happened"], "award": award}
    badges.register(type("Mine", (Badge,), fields | attributes))


def test_it_does_what_fire_does(project: Project) -> None:
    project.badge(POINTS)

    (first,) = badges.possibly_award_badge("points_awarded", user="alice", points=8000)
    (again,) = badges.possibly_award_badge("points_awarded", user="alice", points=8000)

    assert (first.badge, first.outcome, first.user, first.level, first.level_name) == (
        "points",
        "awarded",
        "alice",
        2,
        "Silver",
    )
    assert again.outcome == "held"
    assert project.ok("list", "--json").json[0]["user"] == "alice"


def test_badges_of_the_application_need_no_directory(project: Project) -> None:
    (project.directory / "badges").rmdir()
    register()

    assert [outcome.outcome for outcome in badges.possibly_award_badge("it_happened", user=7)] == ["awarded"]


def test_both_kinds_of_badges_are_asked(project: Project) -> None:
    project.simple_badge("return None", slug="theirs")
    register()

    outcomes = badges.possibly_award_badge("it_happened", user="a")

    assert [(outcome.badge, outcome.outcome) for outcome in outcomes] == [("mine", "awarded"), ("theirs", "none")]


def test_force_timestamp_dates_event_and_award(project: Project) -> None:
    register()

    badges.possibly_award_badge("it_happened", user="a", force_timestamp=datetime(2020, 1, 2, tzinfo=timezone.utc))

    assert project.sql("SELECT awarded_at FROM awards") == [("2020-01-02T00:00:00.000000Z",)]


def test_the_configuration_names_the_store(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    for name in ("one.db", "two.db"):
        monkeypatch.setenv("BRABEION_DB", name)
        assert badges.possibly_award_badge("it_happened", user="a")[0].outcome == "awarded"
    assert (project.directory / "two.db").exists()


def test_errors_are_ours_and_nothing_is_recorded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    with pytest.raises(EventError, match="no user"):
        badges.possibly_award_badge("it_happened")
    with pytest.raises(EventError, match=r"state\.when is a datetime"):
        badges.possibly_award_badge("it_happened", user="a", when=datetime.now(timezone.utc))
    with pytest.raises(EventError, match=r"at is .*write ISO 8601"):
        badges.possibly_award_badge("it_happened", user="a", force_timestamp="5 o'clock")
    assert not project.db.exists()
    monkeypatch.setenv("BRABEION_DB", "nowhere/x.db")
    with pytest.raises(NoDatabaseError):
        badges.possibly_award_badge("it_happened", user="a")


def test_a_broken_badge_module_stops_it_until_it_is_mended(project: Project) -> None:
    project.badge(POINTS)
    broken = project.badge("1/0", "odd.py")
    for _ in range(2):
        with pytest.raises(BadgeLoadError, match="a mistake in a badge module"):
            badges.possibly_award_badge("points_awarded", user="a", points=6000)
    broken.unlink()
    assert badges.possibly_award_badge("points_awarded", user="a", points=6000)[0].outcome == "awarded"


def test_threads_may_fire_at_once(project: Project) -> None:
    register(multiple=True)
    failures: list[BaseException] = []

    def fire() -> None:
        try:
            for _ in range(10):
                badges.possibly_award_badge("it_happened", user="a")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=fire) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert project.sql("SELECT count(*) FROM awards") == [(40,)]


def test_a_receiver_may_fire_further_events(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(badge_awarded, "_receivers", [])
    register()
    register(slug="collector", events=["badge_collected"])

    @badge_awarded.connect
    def collect(sender: Badge, badge_award: Any, **kwargs: Any) -> None:
        if sender.slug == "mine":
            badges.possibly_award_badge("badge_collected", user=badge_award.user)

    badges.possibly_award_badge("it_happened", user="a")

    assert project.sql("SELECT badge FROM awards ORDER BY 1") == [("collector",), ("mine",)]


def test_what_badges_print_stays_off_stdout(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    register(award=lambda self, **state: print("hello"))

    badges.possibly_award_badge("it_happened", user="a")

    assert capsys.readouterr() == ("", "hello\n")


def test_an_event_nobody_listens_to_is_said(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    register()

    assert list(badges.possibly_award_badge("it_happend", user="a", event="any name will do")) == []
    assert "no badge listens to 'it_happend' (did you mean 'it_happened'?)" in capsys.readouterr().err


def test_another_registry_has_no_store() -> None:
    with pytest.raises(NotImplementedError, match=r"brabeion_cli\.badges"):
        Registry().possibly_award_badge("it_happened", user="a")


def test_the_package_offers_what_badge_modules_import() -> None:
    assert brabeion_cli.badges is registry.badges
