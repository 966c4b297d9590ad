"""`process-queue` and `queue`: run and manage deferred tasks."""

from __future__ import annotations

import contextlib
import signal
from collections import Counter
from collections.abc import Iterator
from types import FrameType

import click

from brabeion_cli.cli import options, output
from brabeion_cli.domain.outcomes import OutcomeKind, failure_text
from brabeion_cli.project.config import Config
from brabeion_cli.queue.completion import LeaseLost, TaskDone, TaskFailed
from brabeion_cli.queue.dispatcher import Dispatcher, ReceiversFailed, Report, WorkersDied
from brabeion_cli.store import task_admin
from brabeion_cli.store.store import open_store

COUNTS = ("done", "awarded", "retried", "dead", "remaining")


@click.command("process-queue")
@click.option("--limit", type=options.COUNT, metavar="N", help="Run at most N tasks.")
@click.option("--max-time", type=options.SECONDS, metavar="SECONDS", help="Start no task after that time.")
@click.option("--workers", type=options.Number(int, 1, 64), default=1, metavar="N", help="Run N tasks at once (1).")
@options.as_json
@options.everywhere
def process_queue_command(limit: int | None, max_time: float | None, workers: int, as_json: bool) -> int:
    """Run the deferred badges that are due. Made for cron: prints nothing if there is nothing to do.

    \b
        * * * * *  brabeion process-queue --max-time 50 --config /srv/site/brabeion.toml
    """
    config = options.resolve()
    counts: Counter[str] = Counter()
    with open_store(config.db) as store:
        dispatcher = Dispatcher(config, store, now=options.now, workers=workers, limit=limit, max_time=max_time)
        with (
            _stopping(dispatcher) as stopped,
            output.progress("process-queue", task_admin.waiting(store)) as meter,
            contextlib.closing(dispatcher.run()) as results,
        ):
            for report in results:
                _count(counts, report)
                _tell(report, config)
                meter(counts["done"] + counts["dead"], f"{counts['done']:,} done, {counts['retried']:,} put off")
        counts["remaining"] = task_admin.waiting(store)
    if as_json:
        click.echo(output.json_text({name: counts[name] for name in COUNTS}))
    elif any(counts[name] for name in COUNTS if name != "remaining"):
        click.echo(", ".join(f"{counts[name]:,} {name}" for name in COUNTS))
    if stopped:
        return 128 + stopped[0]
    return 1 if counts["retried"] or counts["dead"] or counts["endless"] else 0


@contextlib.contextmanager
def _stopping(dispatcher: Dispatcher) -> Iterator[list[int]]:
    """SIGTERM and Ctrl-C end the run after the current tasks; the second ends it at once. Yields those that came."""
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        dispatcher.stop()

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield came
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _count(counts: Counter[str], report: Report) -> None:
    if isinstance(report, TaskDone):
        counts["done"] += 1
        counts["awarded"] += sum(each.outcome is OutcomeKind.AWARDED for each in report.entered)
        counts["endless"] += report.endless is not None
    elif isinstance(report, WorkersDied) or (isinstance(report, TaskFailed) and report.due_at is None):
        counts["dead"] += 1
    elif isinstance(report, TaskFailed):
        counts["retried"] += 1


def _tell(report: Report, config: Config) -> None:
    if isinstance(report, TaskFailed):
        task = report.task
        then = (
            f"next try at {report.due_at}"
            if report.due_at
            else f"dead; `brabeion queue retry {task.number}` runs it again"
        )
        options.complain(
            f"task {task.number} ({task.slug}, {task.user}): {failure_text(report.failure)}; "
            f"attempt {task.attempts} of {config.max_attempts}, {then}"
        )
    elif isinstance(report, TaskDone) and report.endless:
        options.complain(f"task {report.task.number} ({report.task.slug}, {report.task.user}): {report.endless}")
    elif isinstance(report, WorkersDied):
        options.complain(f"task {report.number}: its worker died each time; dead after {config.max_attempts} attempts")
    elif isinstance(report, LeaseLost):
        options.notice(
            f"task {report.task.number}: its lease ran out, or it was dropped or returned to the queue; "
            "this worker recorded nothing"
        )
    elif isinstance(report, ReceiversFailed):
        for failure in report.failures:
            options.notice(failure)


@click.group("queue")
@options.everywhere
def queue_command() -> None:
    """List, retry and drop deferred tasks.

    \b
        brabeion queue list --dead
    """


@queue_command.command("list")
@click.option("--badge", help="Only that badge's tasks.")
@click.option("--dead", is_flag=True, help="Only tasks that were given up after too many attempts.")
@click.option("--limit", type=options.COUNT, metavar="N", help="At most N tasks.")
@options.as_json
@options.everywhere
def list_command(badge: str | None, dead: bool, limit: int | None, as_json: bool) -> None:
    """Show waiting, running and dead tasks, with the last error of each.

    \b
        brabeion queue list
    """
    with open_store(options.resolve().db) as store:
        rows = list(task_admin.queue(store, options.now(), badge=badge, dead=dead, limit=limit))
    if as_json:
        click.echo(output.json_text(rows))
        return
    columns = ("task", "badge", "user", "event", "status", "attempts", "due", "error")
    cells = [
        (
            row["task"], row["badge"], row["user"], row["event"]["name"], row["status"], row["attempts"], row["due_at"],
            row["error"] and row["error"] + (f" ({row['where']})" if row["where"] else ""),
        )
        for row in rows
    ]  # fmt: skip
    if cells:
        output.table(columns, cells, numbers=("task", "attempts"))
    else:
        options.notice("no tasks")


@queue_command.command("retry")
@click.argument("tasks", type=options.COUNT, nargs=-1, metavar="[TASK]...")
@click.option("--all", "all_dead", is_flag=True, help="All dead tasks.")
@options.as_json
@options.everywhere
def retry_command(tasks: tuple[int, ...], all_dead: bool, as_json: bool) -> None:
    """Make tasks due now, and reset their attempts.

    \b
        brabeion queue retry --all
    """
    with open_store(options.resolve().db) as store:
        numbers = task_admin.retry(store, _chosen(tasks, all_dead), options.now())
    _tell_numbers("retried", numbers, as_json)


@queue_command.command("drop")
@click.argument("tasks", type=options.COUNT, nargs=-1, metavar="[TASK]...")
@click.option("--all", "all_dead", is_flag=True, help="All dead tasks.")
@options.as_json
@options.everywhere
def drop_command(tasks: tuple[int, ...], all_dead: bool, as_json: bool) -> None:
    """Drop tasks for good. Their events stay recorded.

    \b
        brabeion queue drop 12
    """
    with open_store(options.resolve().db) as store:
        numbers = task_admin.drop(store, _chosen(tasks, all_dead))
    _tell_numbers("dropped", numbers, as_json)


def _chosen(tasks: tuple[int, ...], all_dead: bool) -> tuple[int, ...] | None:
    if bool(tasks) == all_dead:
        raise click.UsageError("give the numbers of tasks, or --all for all dead ones")
    return None if all_dead else tasks


def _tell_numbers(verb: str, numbers: list[int], as_json: bool) -> None:
    if as_json:
        click.echo(output.json_text({verb: numbers}))
    else:
        click.echo(f"{verb} {len(numbers)}" + (f": {', '.join(map(str, numbers))}" if numbers else ""))
