"""`replay` in the command's own process: a child process walks the journal, and starts again if a badge ends it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from functools import partial

from brabeion_cli.project.config import Config
from brabeion_cli.replay import worker
from brabeion_cli.replay.messages import Checkpoint, ReplayReport, ReplayRequest, StartedAgain
from brabeion_cli.runtime.badge_process import BadgeProcess
from brabeion_cli.runtime.messages import Notified
from brabeion_cli.sandbox.quarantine import Quarantine
from brabeion_cli.sandbox.supervisor import BadgeDiedError, Supervisor

Answer = Checkpoint | StartedAgain | Notified | ReplayReport


def replay(config: Config, request: ReplayRequest, *, notify: bool = False) -> Generator[Answer, None, None]:
    """Replay. Iterate to the end: the `ReplayReport` comes last. With `notify` receivers are called.

    If a badge ends the child, the walk starts again. Recorded awards stay, and are not awarded again.
    """
    supervisor, quarantine = Supervisor(partial(worker.replay_journal, config)), Quarantine()
    with contextlib.ExitStack() as stack:
        stack.callback(supervisor.close)
        # Receivers run in a process of their own with no database open, because they may fire events.
        receivers = stack.enter_context(BadgeProcess(config, config.task_timeout)) if notify else None
        while True:
            supervisor.start()
            supervisor.send(request._replace(exclusions=quarantine.exclusions))
            try:
                while not isinstance(answer := supervisor.answer(), ReplayReport):
                    yield answer
                    if receivers is not None and (failures := receivers.notify(answer.awards)):
                        yield Notified(failures)
                yield answer
                return
            except BadgeDiedError as death:
                quarantine.add(death)
                yield StartedAgain()
