"""`brabeion` under valgrind, where all takes some fifty times as long: a transaction holds as many events as otherwise,
and children come to an end by themselves, because one that is killed leaves no count.
"""

import importlib
import sys

from brabeion_cli.cli import main
from brabeion_cli.sandbox import process

SLOWER = 50
HOLDING = {"ingest": "ingest.recorder", "replay": "replay.checkpoints"}  # no more than a command itself imports

for command, name in HOLDING.items():
    if command in sys.argv:
        module = importlib.import_module(f"brabeion_cli.{name}")
        assert module.LOCK_SECONDS
        module.LOCK_SECONDS *= SLOWER
assert process.POLL_INTERVAL
process.POLL_INTERVAL *= SLOWER
process.ChildProcess.kill = process.ChildProcess.end
main()
