"""What brabeion costs, measured beside what else one might use, alternating, in one run.

    .venv/bin/python -m tests.benchmarks                    all, some minutes
    .venv/bin/python -m tests.benchmarks ingest start-up    some
    .venv/bin/python -m tests.benchmarks --quick            whether it works, a minute
    .venv/bin/python -m tests.benchmarks --full             at the sizes of the goals, hours

It reports, and never fails on a time. docs/performance.md says what each figure means.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.benchmarks import history, ingest, lists, many, memory, peers, queue, replay, start_up, table
from tests.benchmarks.measure import BRABEION, Row, Settings

SUBJECTS: dict[str, Callable[[Settings], Iterator[Row]]] = {
    "ingest": ingest.measure,
    "many": many.measure,
    "start-up": start_up.measure,
    "queue": queue.measure,
    "history": history.measure,
    "lists": lists.measure,
    "replay": replay.measure,
    "memory": memory.measure,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(SUBJECTS)}; default all")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="tiny sizes, to see whether it works")
    size.add_argument("--full", action="store_true", help="the sizes of the goals: 1,000,000 events and more")
    parser.add_argument("--events", type=int, metavar="N", help="events to ingest; default 100,000")
    parser.add_argument("--runs", type=int, metavar="N", help="rounds of each comparison; default 5")
    parser.add_argument("--no-peers", action="store_true", help="leave out what needs other people's programs")
    parser.add_argument("--no-instructions", action="store_true", help="do not count instructions, which takes long")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table in a page, between its two marks")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in SUBJECTS]:
        parser.error(f"nothing is called {unknown[0]!r}; there are {', '.join(SUBJECTS)}")
    return given


def measured(names: Sequence[str], settings: Settings) -> Iterator[Row]:
    """The rows of some subjects; without those that need other programs, where these cannot be installed."""
    if settings.peers:
        try:
            peers.install()
        except peers.NoPeersError as error:
            print(f"left out what needs other programs: {error}", file=sys.stderr)
            settings = settings._replace(peers=False)
    for name in names:
        print(f"measuring {name}", file=sys.stderr)
        folder = settings.folder / name
        folder.mkdir()
        yield from SUBJECTS[name](settings._replace(folder=folder))


def main() -> None:
    given = arguments()
    if not Path(BRABEION).exists():
        sys.exit(f"{BRABEION} is not there: install brabeion in this environment, as CONTRIBUTING.md says")
    sizes = {"events": 500, "runs": 2} if given.quick else {"events": 1_000_000} if given.full else {}
    chosen = {name: value for name, value in (("events", given.events), ("runs", given.runs)) if value is not None}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            Path(folder), quick=given.quick, full=given.full, peers=not given.no_peers,
            instructions=not given.no_instructions, **{**sizes, **chosen},
        )  # fmt: skip
        rows = []
        for row in measured(given.names or [*SUBJECTS], settings):
            rows.append(row)
            if not given.markdown:
                print(table.line(row), flush=True)
    if given.markdown:
        print(table.markdown(rows, settings))
    if given.write is not None:
        table.write(given.write, rows, settings)


if __name__ == "__main__":
    main()
