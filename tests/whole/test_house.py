"""The house: which package may import which, where SQL, clocks and printing may stand, and what start-up loads."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.badge_texts import POINTS
from tests.support.project import Project

PACKAGE = Path(__file__).parents[2] / "brabeion_cli"

#: The packages, lowest first; "" is the top of the package. Each may import those before it, but for the rows below.
FLOORS = (
    "",
    "domain",
    "project",
    "sandbox",
    "database",
    "store",
    "engine",
    "ingest",
    "queue",
    "replay",
    "queries",
    "cli",
)
#: Packages that are side by side: none of a group may import another one of it.
SIDE_BY_SIDE = ({"project", "sandbox", "database"}, {"ingest", "queue", "replay", "queries"})
#: What a package may import of the lower ones, where that is less than all of them.
ONLY = {
    "domain": {""},
    "project": {"", "domain"},
    "sandbox": {"", "domain"},
    "database": {"", "domain"},
    "store": {"", "domain", "project", "database"},
}


def package_of(module: str) -> str:
    """`brabeion_cli.cli.commands.fire` → `cli`; a module at the top → ``."""
    parts = module.split(".")
    return parts[1] if (PACKAGE / parts[1]).is_dir() else ""


@functools.cache
def modules() -> list[str]:
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts) for path in paths)


def path_of(module: str) -> Path:
    return PACKAGE.parent / (module.replace(".", "/") + ".py")


def imports(module: str) -> Iterator[str]:
    """The modules of ours that a module imports, wherever in it the import stands."""
    known = set(modules())
    for node in ast.walk(ast.parse(path_of(module).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "brabeion_cli":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module or ""


@pytest.mark.parametrize("module", modules())
def test_arrows_run_one_way(module: str) -> None:
    package = package_of(module) if module.count(".") else ""
    if module in ("brabeion_cli.__main__", "brabeion_cli.__init__"):
        return  # the doors: they load what they hand out when it is asked for
    lower = ONLY.get(package, set(FLOORS[: FLOORS.index(package)]))
    beside = next((group for group in SIDE_BY_SIDE if package in group), set())
    allowed = {package} | (lower - beside) | ({"queue"} if module == "brabeion_cli.replay.client" else set())

    assert [name for name in imports(module) if package_of(name + ".") not in allowed] == []


def test_there_are_no_circles_inside_a_package() -> None:
    rest = {module: set(imports(module)) - {module} for module in modules() if not module.endswith("__init__")}
    placed: set[str] = {"brabeion_cli"}
    while rest:
        free = {module for module, arrows in rest.items() if not arrows & rest.keys()}
        assert free, f"a circle among {sorted(rest)}"
        placed |= free
        rest = {module: arrows for module, arrows in rest.items() if module not in free}


def test_no_test_module_imports_another_one() -> None:
    # What two of them need is in tests/support/.
    tests = Path(__file__).parents[1]
    for path in tests.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            whole = [f"{node.module}.{name}" for name in names] if isinstance(node, ast.ImportFrom) else names
            for name in whole:
                parts = name.split(".")
                assert parts[0] != "tests" or not any(part.startswith("test_") for part in parts), (path, name)
                assert parts[:2] != ["tests", "conftest"], (path, name)


def loaded(code: str, project: Project) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code + "\nimport sys; print(*sys.modules)"],
        cwd=project.directory, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_is_light(project: Project) -> None:
    names = loaded("import brabeion_cli", project)

    assert names - loaded("", project) == {"brabeion_cli", "__future__"}  # so that Ctrl-C is seen to at once
    assert "brabeion_cli.engine" not in loaded("from brabeion_cli import Badge, badges", project)


#: What `fire` has loaded at its end. A module more costs every user, and these tests a thousand times.
PARENT = """
    base cli cli.app cli.commands cli.commands.fire cli.options cli.output domain domain.award_rules domain.events
    domain.outcomes domain.strict_json domain.suggestions domain.timestamps engine engine.messages errors ingest
    ingest.client ingest.messages project project.config project.trust sandbox sandbox.channel sandbox.limits
    sandbox.process sandbox.scoreboard sandbox.supervisor
"""
#: What its child has loaded besides, when it asks a badge.
CHILD = """
    database database.connection database.late_counts database.migrations database.schema domain.lookups
    domain.serializer domain.timeline engine.awarding engine.bootstrap engine.evaluation engine.event_processor
    engine.history engine.in_process engine.notifications ingest.recorder locations project.compat project.loader
    project.registry project.validation sandbox.guard signals store store.award_log store.event_log store.journal
    store.store store.task_queue store.write_cache
"""
#: What both may load of the standard library, besides that which click and peewee load.
STANDARD = """
    __future__ _compat_pickle _heapq _pickle faulthandler gc heapq importlib._abc importlib.util mmap pickle resource
    signal
"""

FIRE = """
import sys
from brabeion_cli.cli import main
sys.argv = ["brabeion", "fire", "points_awarded", "--user", "a", "--state", '{"points": 8000}']
try:
    main()
except SystemExit as end:
    assert not end.code
"""


def test_fire_loads_only_what_it_needs(project: Project) -> None:
    listing = "import sys; open('child', 'w').write(' '.join(sys.modules))"
    project.badge(POINTS.replace('if state["points"] > 10000', f'{listing}\n            if state["points"] > 10000'))

    parent = loaded(FIRE, project)
    child = set((project.directory / "child").read_text().split())

    assert ours(parent) == set(PARENT.split())
    assert ours(child) == set(f"{PARENT} {CHILD}".split())
    assert "peewee" not in parent
    others = {name for name in parent | child if not name.startswith("brabeion")}
    assert others - loaded("import click, peewee", project) <= set(STANDARD.split())


def ours(names: set[str]) -> set[str]:
    return {name.removeprefix("brabeion_cli.") for name in names if name.startswith("brabeion_cli.")}
