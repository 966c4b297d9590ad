"""The quick suite on each CPython, with the newest and with the oldest dependencies that pyproject.toml allows.

pipx run nox                    # all
pipx run nox -s "tests-3.13(newest)"
pipx run nox -t oldest -- tests/store
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13", "3.14")

nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # a session without its Python is skipped, and nox says so


@nox.session(python=PYTHONS, venv_backend="venv")
@nox.parametrize(
    "dependencies",
    [nox.param("newest", id="newest", tags=["newest"]), nox.param("oldest", id="oldest", tags=["oldest"])],
)
def tests(session: nox.Session, dependencies: str) -> None:
    """Run the quick suite, or what is given after `--`."""
    constraints = Path(session.create_tmp(), "constraints.txt").resolve()
    constraints.write_text("\n".join(lower_bounds()) if dependencies == "oldest" else "")
    session.install("--editable", ".[dev]", "--constraint", str(constraints))
    session.run("pytest", *session.posargs)


def lower_bounds() -> list[str]:
    """`name==version` for each requirement that names the oldest version that it allows, also of the dev extra."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    bounds = (re.fullmatch(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)", requirement) for requirement in requirements)
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound]
