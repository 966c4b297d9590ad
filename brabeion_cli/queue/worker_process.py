"""A worker's process as the dispatcher sees it: start it, send requests, receive answers, end it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.project.config import Config
from brabeion_cli.queue import worker
from brabeion_cli.queue.messages import Batch, StopFlag
from brabeion_cli.runtime.badge_process import BadgesLoaded, Notify
from brabeion_cli.sandbox import process
from brabeion_cli.sandbox.process import ChildDiedError, ChildOverranError, ChildProcess
from brabeion_cli.sandbox.supervisor import await_ready


class WorkerProcess:
    """A worker's process. It may die and be started again. `loaded` is what it said about the badges."""

    def __init__(self, config: Config, stop: StopFlag) -> None:
        self._config, self._stop = config, stop
        self._child: ChildProcess | None = None
        self._deadline = 0.0
        self._seconds = config.task_timeout  # for the next answer
        self.loaded = BadgesLoaded(Catalogue(), 0, [])

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._child is not None

    def fileno(self) -> int:
        """For `select`: readable if an answer waits or the process has died."""
        assert self._child is not None
        return self._child.fileno()

    def start(self, stopped: Callable[[], bool]) -> bool:
        """Fork if there is no process, and wait until it has loaded the badges. No database may be open.

        Returns False if `stopped()` is true before that. Raises `BadgeLoadError`, `ConfigError`, `LostProcessError`.
        """
        if self._child is None:
            self._child = ChildProcess(partial(worker.run_worker, self._config, self._stop))
            loaded = await_ready(self._child, stopped)
            if loaded is None:
                return False
            self.loaded = loaded
        return True

    def send(self, request: Batch | Notify) -> None:
        """Send a request to the running process."""
        assert self._child is not None
        self._seconds = self._config.task_timeout * (self.loaded.receivers if isinstance(request, Notify) else 1)
        self._extend_deadline()
        self._child.send(request)

    def receive(self) -> Any:
        """The next answer; a `Failure` if the process died or took too long; None if the answer is still to come."""
        assert self._child is not None
        try:
            answer = self._child.receive(0)
        except ChildDiedError as death:
            self._child = None
            return Failure(str(death))
        except ChildOverranError:
            if time.monotonic() < self._deadline:
                return None
            self.close()
            return Failure(f"TimeoutError: no answer within {self._seconds:g} s; its process was killed")
        self._extend_deadline()
        return answer

    def close(self) -> None:
        """Kill the process."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _extend_deadline(self) -> None:
        self._deadline = time.monotonic() + self._seconds + process.GRACE
