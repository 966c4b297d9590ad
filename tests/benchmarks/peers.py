"""Other people's programs that do the same, in a virtual environment of their own: `.benchmarks/peers`.

They are installed from PyPI when they are first needed. Where they cannot be, what needs them is left out.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.measure import ROOT

FOLDER = ROOT / ".benchmarks" / "peers"
#: Django 3.2 is the newest that pinax-badges 3.0.0 can be imported with.
REQUIREMENTS = ("pinax-badges==3.0.0", "Django==3.2.25", "huey==3.5.4", "sqlite-utils==4.2.1")


class NoPeersError(Exception):
    """The peers cannot be installed; the text says why."""


def executable(name: str) -> str:
    """The path of a program of the environment."""
    return str(FOLDER / "bin" / name)


def install() -> None:
    """Make the environment where it is not there. Raises `NoPeersError`."""
    done = FOLDER / "requirements.txt"
    wanted = "\n".join(REQUIREMENTS)
    if done.exists() and done.read_text() == wanted:
        return
    print(f"installing {', '.join(REQUIREMENTS)} in {FOLDER}", file=sys.stderr)
    _call(sys.executable, "-m", "venv", "--clear", FOLDER)
    _call(FOLDER / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS)
    done.write_text(wanted)


def _call(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        raise NoPeersError(f"{Path(command[0]).name} failed: {reason}") from error
