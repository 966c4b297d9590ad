"""`check`: loads everything and collects all problems."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from brabeion_cli.database.integrity import schema_problems
from brabeion_cli.database.migrations import SCHEMA_VERSION
from brabeion_cli.errors import BrabeionError, StoreDamagedError
from brabeion_cli.project import config
from brabeion_cli.project.config import Config
from brabeion_cli.queries import health
from brabeion_cli.runtime.badge_process import BadgeProcess
from brabeion_cli.store.store import open_store


@dataclass
class CheckReport:
    """The settings, each as (name, value, origin); what was loaded; problems and warnings."""

    settings: list[tuple[str, str, str]]
    badges: int = 0
    schema: int | None = None
    problems: list[BrabeionError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """The highest exit status of the problems; 0 if there are none."""
        return max((problem.exit_status for problem in self.problems), default=0)

    def as_json(self) -> dict[str, Any]:
        """The documented JSON."""
        return {
            "ok": not self.problems,
            "settings": {name: [] for name, _, _ in self.settings}
            | {name: {"value": value, "from": origin} for name, value, origin in self.settings if name != "badges"}
            | {"badges": [{"value": v, "from": o} for name, v, o in self.settings if name == "badges"]},
            "badges": self.badges,
            "schema": self.schema,
            "problems": [str(problem) for problem in self.problems],
            "warnings": self.warnings,
        }


def check(settings: Config, now: datetime) -> CheckReport:
    """Load the badges and open the store of a configuration."""
    result = CheckReport(list(config.settings_table(settings)))
    try:
        with BadgeProcess(settings) as badges:
            result.badges = len(badges.loaded.catalogue)
            result.warnings += badges.loaded.unregistered
        if not result.badges:
            result.warnings.append("no badges are registered: events are recorded but earn nothing")
    except BrabeionError as error:
        result.problems.append(error)
    try:
        with open_store(settings.db) as store:
            result.schema = SCHEMA_VERSION
            damage = [StoreDamagedError(f"{settings.db}: {what}") for what in schema_problems(store.database)]
            result.problems += damage
            if not damage:
                result.warnings += health.warnings(store, _cron_line(settings), now)
    except BrabeionError as error:
        result.problems.append(error)
    return result


def _cron_line(settings: Config) -> str:
    """The crontab line that runs the queue of this configuration."""
    named = [("--config", settings.file)] if settings.file else []
    named += [("--db", settings.db)] if settings.origins["db"] != settings.file else []
    named += [("--badges", badges.path) for badges in settings.badges if badges.origin != settings.file]
    options = " ".join(f"{option} {shlex.quote(path)}" for option, path in named)
    line = f"* * * * *  brabeion {options} process-queue --max-time 50"
    return line.replace("%", r"\%")  # a bare % ends the command of a crontab line
