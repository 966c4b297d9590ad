"""The house: which module may import which, and what start-up loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import POINTS, Project

PACKAGE = Path(__file__).parents[1] / "brabeion_cli"

#: Which modules of ours a module may import; `cli` stands for each module of the folder. docs/architecture.md explains.
ARROWS = {
    "entries": "",
    "late_counts": "",
    "recorded": "entries late_counts",
    "fields": "",
    "errors": "",
    "source": "",
    "strictjson": "",
    "signals": "",
    "migrations": "late_counts",
    "models": "sqlite",
    "channel": "",
    "watch": "",
    "children": "channel confinement errors",
    "render": "",
    "trust": "errors",
    "base": "",
    "definition": "base days",
    "scaffold": "errors",
    "lines": "errors",
    "sqlite": "confinement errors",
    "frozen": "days strictjson",
    "confinement": "",
    "isolation": "base confinement source",
    "config": "days errors trust",
    "events": "errors strictjson",
    "awarded": "entries events",
    "journal": "awarded entries events recorded",
    "stretch": "entries events",
    "days": "errors events",
    "history": "base days entries events fields journal",
    "registry": "base definition errors source",
    "alias": "",
    "loader": "alias config errors registry source trust",
    "grants": "base errors events",
    "judging": "base entries frozen grants history isolation journal source",
    "outcomes": "base entries events grants isolation",
    "store": "awarded events grants recorded sqlite",
    "opening": "errors migrations sqlite store",
    "serving": "channel children config confinement errors isolation loader opening registry store watch",
    "ledger": "awarded base events grants outcomes store stretch",
    "advance": "base entries events history isolation journal judging registry source store",
    "deferred": "entries errors events isolation store",
    "engine": (
        "base deferred entering entries errors events grants isolation journal judging known outcomes registry store "
        "strictjson"
    ),
    "steps": "entries isolation outcomes store",
    "replay": (
        "awarded base entering entries events grants isolation journal judging ledger outcomes registry steps store "
        "stretch watch"
    ),
    "startup": "channel children config confinement errors loader",
    "supervision": "channel children errors isolation startup watch",
    "messages": "events isolation lines outcomes",
    "recorder": (
        "announcing application base channel config engine entries errors events grants isolation lines messages "
        "outcomes registry serving signals sqlite store watch"
    ),
    "intake": "channel config errors events isolation lines messages recorder supervision watch",
    "runner": (
        "announcing application channel children config confinement deferred errors events grants isolation journal "
        "judging loader messages outcomes registry signals sqlite"
    ),
    "replaying": (
        "channel children config errors events isolation messages outcomes registry replay runner serving startup "
        "steps store stretch supervision watch"
    ),
    "settlement": "config deferred entering entries grants isolation outcomes runner store",
    "slot": "children deferred isolation messages runner settlement",
    "worker": "children config deferred runner settlement slot startup store",
    "reports": "base errors events models registry",
    "explanation": "base entries errors events grants isolation journal judging registry reports store stretch",
    "inquiry": "advance base channel config explanation isolation registry serving store supervision watch",
    "manual": "awarded base entering errors events grants models outcomes registry store",
    "soundness": "events late_counts migrations store strictjson",
    "maintenance": "errors late_counts migrations opening soundness sqlite store",
    "health": "events store",
    "check": "base config errors health loader maintenance migrations opening registry source startup",
    "retention": "deferred errors events late_counts recorded registry store stretch strictjson",
    "application": "announcing config engine errors events isolation loader opening outcomes registry",
    "__init__": "application base registry",
    "__main__": "cli",
    "announcing": "base events isolation outcomes registry signals",
    "entering": "awarded entries events grants outcomes store",
    "known": "events grants recorded store",
}


def imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "brabeion_cli":
            names = [f"brabeion_cli.{alias.name}" for alias in node.names if alias.name != "__version__"]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("brabeion_cli.")}
    return found


def test_every_module_has_its_place() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(ARROWS)


def test_the_documentation_names_every_module() -> None:
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text()

    assert [module for module in ARROWS if f"`{module}`" not in text and not module.startswith("__")] == []


@pytest.mark.parametrize("module", ARROWS)
def test_arrows_are_the_ones_of_the_table(module: str) -> None:
    assert imports(PACKAGE / f"{module}.py") == set(ARROWS[module].split())


def test_there_are_no_cycles() -> None:
    placed: set[str] = {"cli"}
    rest = {module: set(arrows.split()) for module, arrows in ARROWS.items()}
    while rest:
        free = {module for module, arrows in rest.items() if arrows <= placed}
        assert free, f"a cycle among {sorted(rest)}"
        placed |= free
        rest = {module: arrows for module, arrows in rest.items() if module not in free}


def test_nothing_below_the_command_line_knows_it() -> None:
    for path in PACKAGE.glob("*.py"):
        text = path.read_text()
        assert "import click" not in text
        assert "import rich" not in text
        assert "from rich" not in text or path.stem == "render"


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
    alias base channel children cli cli.fire cli.group cli.options config confinement definition errors events grants
    intake isolation loader messages outcomes registry render source startup strictjson supervision trust watch
"""
#: What its child has loaded besides, when it asks a badge.
CHILD = """
    announcing application awarded days deferred engine entering entries fields frozen history journal judging known
    late_counts migrations opening recorded recorder serving signals sqlite store
"""
#: What both may load of the standard library, besides that which click and peewee load.
STANDARD = (
    "_compat_pickle _heapq _pickle faulthandler gc heapq importlib._abc importlib.util mmap pickle resource signal"
)

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
