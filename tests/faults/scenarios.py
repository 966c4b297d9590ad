"""All scenarios, with how many times the suite does each, and how many times a full run."""

from __future__ import annotations

from tests.faults import killing, opening, working, writing
from tests.faults.scenario import Scenario

SCENARIOS = [
    Scenario("R1", "16 writers through the API", writing.sixteen_writers, 20, 1000),
    Scenario("R1b", "16 commands at a time under xargs", writing.sixteen_commands, 2, 25),
    Scenario("R2", "kill -9 of `fire`", killing.killed_fires, 25, 1000),
    Scenario("R3", "kill -9 of 4 workers", working.killed_workers, 20, 1000),
    Scenario("R4", "workers stopped past their lease", working.stopped_workers, 4, 60),
    Scenario("R5", "`ingest` killed and started again", killing.killed_ingests, 5, 50),
    Scenario("R6a", "16 processes on a missing file", opening.first_fires, 2, 30),
    Scenario("R6b", "8 migrators at once", opening.migrators, 2, 30),
    Scenario("R6c", "killed in mid-migration", opening.killed_migrations, 10, 300),
    Scenario("R13", "SIGTERM and SIGINT", killing.ended_by_signals, 6, 100),
    Scenario("R14", "single writers beside `ingest`", writing.singles_beside_a_stream, 4000, 100_000),
    Scenario("R15", "`db backup` under 4 writers", writing.backups_under_writers, 2, 8),
]
