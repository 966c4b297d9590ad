"""Fixtures. What else tests share is in `tests/support/`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brabeion_cli.project.registry import Registry, badges
from brabeion_cli.store.store import Store, open_store
from tests.support.badge_texts import POINTS
from tests.support.project import Project


@pytest.fixture(scope="session", autouse=True)
def _listens_to_ctrl_c() -> None:
    """A job in a script's background ignores Ctrl-C, and so would every command that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No configuration of the person who runs the tests; and modules are compiled once, not by each command."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("BRABEION_"):
                patch.delenv(name)
        if sys.dont_write_bytecode:  # they may not lie beside the source, so they lie where this run of the tests does
            base = tmp_path_factory.getbasetemp()
            compiled = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(compiled))
        yield


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No default database but one in the test's own directory, and no badges left behind."""
    monkeypatch.chdir(tmp_path)
    badges.clear()
    yield
    badges.clear()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without badges."""
    return Project(tmp_path)


@pytest.fixture
def points_project(project: Project) -> Project:
    """A project with the badge of the README."""
    project.badge(POINTS)
    return project


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db"), create=True) as opened:
        yield opened
