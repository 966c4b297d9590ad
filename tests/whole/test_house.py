"""The house: what each package shows, where SQL, clocks and printing may stand, and what start-up loads.

Which package may import which is a contract in pyproject.toml; `lint-imports` checks it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.badge_texts import POINTS
from tests.support.project import Project

PACKAGE = Path(__file__).parents[2] / "brabeion_cli"

#: The modules of each package that other packages import. The others are its own business.
SHOWN = {
    "domain": "catalogue events grants lookups outcomes serializer strict_json suggestions timeline timestamps",
    "project": "config loader registry scaffold",
    "sandbox": "channel guard limits process quarantine scoreboard supervisor",
    "database": "backup connection integrity late_counts migrations models schema",
    "store": (
        "award_changes award_log event_log event_range reconciliation reports retention store task_admin task_queue "
        "users"
    ),
    "engine": "awarding evaluation event_processor history in_process journal manual_awards notifications session",
    "runtime": "badge_process bootstrap messages",
    "ingest": "client line_reader messages",
    "queue": "completion dispatcher",
    "replay": "client messages",
    "queries": "check client explanation",
    "cli": "",
}
ENTRY_POINTS = {"brabeion_cli/__init__.py", "brabeion_cli/__main__.py"}  # they open the doors

#: Where time is read: the command line, the API, and where a child's work begins. All else is told `now`.
CLOCKS = {"cli/options.py", "engine/in_process.py", "ingest/recorder.py"}
#: Who may print: the command line; and the API, which has nobody to hand a notice to.
COMMANDS = {f"cli/commands/{path.name}" for path in PACKAGE.glob("cli/commands/*.py")}
PRINTERS = {"cli/options.py", "cli/output.py", "engine/in_process.py", *COMMANDS} - {"cli/commands/__init__.py"}
#: Who may end the process: the command, and what keeps badge code from going on as us.
ENDING = {
    "cli/__init__.py", "project/loader.py", "sandbox/channel.py", "sandbox/guard.py", "sandbox/limits.py",
    "sandbox/process.py",
}  # fmt: skip

SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|PRAGMA|VACUUM|BEGIN|WITH)\s")


def paths() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imports(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "brabeion_cli":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = (PACKAGE.parent / (inner.replace(".", "/") + ".py")).exists()
                yield inner if is_module else str(node.module)


def test_arrows_run_one_way_and_in_no_circle() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=PACKAGE.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout


def test_packages_show_what_the_table_says() -> None:
    shown: dict[str, set[str]] = defaultdict(set)
    for path in paths():
        package = name_of(path).split("/")[0]
        for module in imports(path):
            other, _, inner = module.removeprefix("brabeion_cli.").partition(".")
            if inner and other != package and f"brabeion_cli/{name_of(path)}" not in ENTRY_POINTS:
                shown[other].add(inner)

    assert {package: shown[package] for package in SHOWN} == {name: set(text.split()) for name, text in SHOWN.items()}


def test_the_documentation_names_files_that_are_there() -> None:
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", text))

    assert [name for name in named if not (PACKAGE / name).exists() and not (PACKAGE.parent / name).exists()] == []
    assert [package for package in SHOWN if f"`{package}/`" not in text] == []


def test_no_test_module_imports_another_one() -> None:
    for path in Path(__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tests":
                parts = {*(node.module or "").split("."), *(alias.name for alias in node.names)}
                assert "conftest" not in parts, path
                assert not any(part.startswith("test_") for part in parts), path  # tests/support/ has what is shared


def test_packages_do_not_run_code_when_they_are_imported() -> None:
    for path in PACKAGE.glob("*/**/__init__.py"):
        assert not path.read_text() or name_of(path) == "cli/__init__.py"


def test_nobody_reaches_into_the_private_names_of_others() -> None:
    found = []
    for path in paths():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                found += [f"{name_of(path)}: {alias.name}" for alias in node.names if re.match("_[a-z]", alias.name)]
            elif isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
                owner = node.value
                of_self = isinstance(owner, ast.Name) and owner.id in ("self", "cls", "os", "sys", "signal")
                of_own = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super"
                if not (of_self or of_own or node.attr in ("_replace", "_asdict", "_make")):
                    found.append(f"{name_of(path)}: {ast.unparse(node)}")

    assert found == []


def test_sql_stands_in_the_database_and_the_store() -> None:
    found = []
    for path in paths():
        if name_of(path).split("/")[0] in ("database", "store"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
                found.append(f"{name_of(path)}: {node.value:.40}")
            elif isinstance(node, ast.Attribute) and node.attr in ("execute_sql", "execute", "pragma", "raw"):
                found.append(f"{name_of(path)}: {ast.unparse(node)}")

    assert found == []


def calls(path: Path) -> Iterator[str]:
    """What a file calls, as it is written: `datetime.now`, `print`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (r"(datetime|date)\.(now|today|utcnow)|time\.time", CLOCKS),
        (r"print|click\.echo", PRINTERS),
        (r"os\._exit", ENDING),
        (r"sys\.exit|SystemExit", {"cli/app.py"}),
    ],
)
def test_clocks_printing_and_exits_stand_where_the_table_says(pattern: str, allowed: set[str]) -> None:
    assert {name_of(path) for path in paths() if any(re.fullmatch(pattern, call) for call in calls(path))} == allowed


def test_the_house_stays_easy_to_walk_through() -> None:
    lines = sorted(len(path.read_text().splitlines()) for path in paths() if path.stat().st_size)

    assert len(list(PACKAGE.glob("*.py"))) <= 8
    assert max(lines) <= 250
    assert lines[len(lines) // 2] <= 110


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
    base cli cli.app cli.commands cli.commands.fire cli.interruption cli.options cli.output domain
    domain.events domain.grants domain.outcomes domain.strict_json domain.suggestions domain.timestamps
    errors ingest ingest.client ingest.messages project project.config project.trust runtime runtime.messages
    sandbox sandbox.channel sandbox.limits sandbox.process sandbox.quarantine sandbox.scoreboard
    sandbox.supervisor
"""
#: What its child has loaded besides, when it asks a badge.
CHILD = """
    database database.connection database.late_counts database.migrations database.schema domain.lookups
    domain.serializer domain.timeline engine engine.awarding engine.evaluation engine.event_processor
    engine.history engine.in_process engine.journal engine.notifications engine.session engine.write_cache
    ingest.recorder ingest.transaction_report locations project.compat project.loader project.registry
    project.validation runtime.bootstrap sandbox.guard signals store store.award_log store.event_log store.store
    store.task_queue
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
