"""`ingest`: record a stream of events."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterable
from typing import BinaryIO

import click

from brabeion_cli.cli import options, output
from brabeion_cli.cli.failure_counts import FailureCounts
from brabeion_cli.domain.outcomes import failure_text
from brabeion_cli.errors import FileProblemError
from brabeion_cli.ingest.client import IngestClient
from brabeion_cli.ingest.line_reader import Input
from brabeion_cli.ingest.messages import CommittedLines
from brabeion_cli.runtime.messages import Notified

COUNTS = ("lines", "recorded", "duplicates", "rejected", "awarded", "queued", "errors")


@click.command("ingest")
@click.argument("file", type=options.PATH, default="-")
@click.option("--rejects", type=options.PATH, metavar="FILE", help="Write refused lines to FILE, unchanged.")
@click.option("--stop-on-error", is_flag=True, help="Stop at the first line that is refused or that a badge fails for.")
@options.as_json
@options.everywhere
def ingest_command(file: str, rejects: str | None, stop_on_error: bool, as_json: bool) -> int:
    """Record a stream of events: NDJSON from FILE (also .gz) or stdin.

    A line is {"event", "user", "at", "id", "state"}; only event and a user are needed.

    \b
        echo '{"event": "points_awarded", "user": "bob", "state": {"points": 5001}}' | brabeion ingest
    """
    config = options.resolve()
    if file == "-" and sys.stdin is not None and sys.stdin.isatty():
        options.notice("reading events from the terminal, one JSON object per line; end with Ctrl-D")
    source = Input(file)
    counts: Counter[str] = Counter()
    teller = _Teller()
    kept = _Rejects(rejects, source, config.db) if rejects else None
    try:
        with (
            output.progress("ingest", source.size) as meter,
            contextlib.closing(IngestClient(config, lambda: options.notice(f"created {config.db}"))) as client,
        ):

            def take(results: Iterable[CommittedLines | Notified]) -> None:
                for result in results:
                    if isinstance(result, CommittedLines):
                        counts.update(result.counts)
                        if kept is not None:
                            kept.write(result)
                        meter(source.position, f"{counts['lines']:,} lines")
                    teller.tell(result)

            client.start()  # reports what is wrong with badges or database before the first line
            try:
                take(client.ingest(source.blocks(), stop_on_error=stop_on_error))
            except (KeyboardInterrupt, SystemExit):
                take(client.pending_answers())
                raise
    except FileProblemError as error:
        if not counts["recorded"]:
            raise
        options.complain(f"{error}. What came before is recorded")
        return 1
    finally:  # also if it was cut short: what was counted is on disk
        _summary(counts, as_json, teller)
    return 1 if counts["rejected"] or counts["errors"] else 0


class _Rejects:
    """The file of refused lines.

    It is opened once the first lines are settled, so that a run which fails before that leaves an old file alone.
    """

    def __init__(self, path: str, source: Input, db: str) -> None:
        self._path, self._source = path, source
        self._file: BinaryIO | None = None
        if source.is_file(path) or (os.path.exists(path) and os.path.exists(db) and os.path.samefile(path, db)):
            raise FileProblemError(f"--rejects {path} is the input or the database itself; name another file")

    def write(self, result: CommittedLines) -> None:
        """Write the refused lines of a transaction, as they came."""
        try:
            if self._file is None:
                self._file = open(self._path, "wb", buffering=0)
            for line in result.rejected:
                self._file.write((self._source.mark if line.number == 1 else b"") + line.data + b"\n")
        except OSError as error:
            raise FileProblemError(f"cannot write the rejects to {self._path}: {error.strerror}") from error


def _summary(counts: Counter[str], as_json: bool, teller: _Teller) -> None:
    """Print what was done."""
    teller.sum_up()
    if as_json:
        click.echo(output.json_text({name: counts[name] for name in COUNTS}))
    else:
        numbers = {name: f"{counts[name]:,}" for name in COUNTS}
        click.echo(
            "{lines} lines: {recorded} recorded, {duplicates} duplicates, {rejected} rejected; "
            "{awarded} awarded, {queued} queued, {errors} errors".format(**numbers)
        )


class _Teller:
    """Reports on stderr what an operator has to know while a stream goes by."""

    def __init__(self) -> None:
        self._failures = FailureCounts()
        self._unheard: Counter[str] = Counter()

    def tell(self, result: CommittedLines | Notified) -> None:
        if isinstance(result, Notified):
            for text in result.failures:
                options.notice(text)
            return
        for line in result.rejected:
            options.complain(f"line {line.number}: {line.reason}")
        for failed in result.failed:
            why = failure_text(failed.failure) + ("" if failed.task is None else "; queued for another try")
            self._failures.tell(failed.slug, f"line {failed.line}: badge {failed.slug} failed: {why}")
        self._unheard.update(result.unheard)

    def sum_up(self) -> None:
        self._failures.sum_up("`brabeion queue list` shows each")
        for event, count in self._unheard.items():
            options.notice(f"no badge listens to {event!r} ({count:,} recorded)")
