"""A child process that answers requests over a pipe. Its parent process survives whatever the child does."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from brabeion_cli.errors import LostProcessError
from brabeion_cli.sandbox.channel import CLOSED_DESCRIPTORS, HEADER, Channel, packed
from brabeion_cli.sandbox.limits import OUT_OF_MEMORY

HANDLED = (signal.SIGINT, signal.SIGTERM)
GRACE = 2.0  # seconds from a badge's time-out until its process is killed
POLL_INTERVAL = 0.2  # seconds between two checks whether a silent child is still alive


START_TIMEOUT = 120.0  # seconds that a child may take to load the badges and to open the database


class ChildDiedError(Exception):
    """The child ended, or closed its pipe, before it answered. The text says how."""


class ChildOverranError(Exception):
    """The child did not answer in time."""


class ChildProcess:
    """A child process. It is forked at once, runs `serve(channel)`, and ends. Raises `LostProcessError` if it cannot.

    It has its own session, so that what it starts can be killed with it, and Ctrl-C reaches only the parent process.
    Its stdin is empty. What it prints goes to stderr. Fork it while no database is open.
    """

    _parents_ends: set[int] = set()

    def __init__(self, serve: Callable[[Channel], None]) -> None:
        try:
            requests, self._requests = os.pipe()
            self._answers, answers = os.pipe()
        except OSError as error:
            raise LostProcessError(f"cannot start a process: {error.strerror}. Try again") from error
        _flush()
        # A signal that comes before the child sets its own handlers would unwind the parent's code in the child.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            self.pid = _fork()
            if self.pid == 0:
                for end in (*self._parents_ends, self._requests, self._answers):
                    os.close(end)
                _run(serve, Channel(requests, answers))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(requests)
        os.close(answers)
        self._parents_ends.update((self._requests, self._answers))
        self._buffer = bytearray()
        self._death: str | None = None

    def fileno(self) -> int:
        """Return a descriptor for `select`. It is readable if there is an answer, or if the child has died."""
        return self._answers

    def send(self, request: Any) -> None:
        """Send a request. If the child has died, this returns, and `receive` raises."""
        rest = packed(request)
        os.set_blocking(self._requests, False)
        while rest:
            if select.select([], [self._requests], [], POLL_INTERVAL)[1]:
                try:
                    rest = rest[os.write(self._requests, rest) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    return
            elif self._has_ended():  # but something that it started holds the pipe open
                return

    def receive(self, seconds: float | None = None) -> Any:
        """Wait for the next answer. Raises `ChildDiedError`, or `ChildOverranError` after `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while (message := self._take_message()) is None:
            rest = POLL_INTERVAL if deadline is None else min(POLL_INTERVAL, deadline - time.monotonic())
            if select.select([self._answers], [], [], max(rest, 0))[0]:
                received = os.read(self._answers, 1 << 16)
                if not received:
                    raise ChildDiedError(self.end())
                self._buffer += received
            elif self._has_ended() and not select.select([self._answers], [], [], 0)[0]:
                raise ChildDiedError(self.end())  # but something that it started holds the pipe open
            elif deadline is not None and time.monotonic() >= deadline:
                raise ChildOverranError
        try:
            return pickle.loads(message)
        except Exception as error:
            self.kill()
            raise ChildDiedError(f"its answer cannot be read: {type(error).__name__}: {error}") from error

    def end(self) -> str:
        """Let an idle child end, kill a busy one, and kill all that it started. Return how it ended."""
        if self._requests in self._parents_ends:
            started = _descendants(self.pid)
            for fd in (self._requests, self._answers):
                self._parents_ends.discard(fd)
                os.close(fd)
            ended = self._has_ended(patience=POLL_INTERVAL)
            self._kill_group()
            for pid in started:  # they may have their own session
                _kill(os.kill, pid)
            if not ended:
                os.waitpid(self.pid, 0)
                self._death = "it closed its pipe and went on"
        return self._death or ""

    def kill(self) -> None:
        """Kill the child at once, and all that it started."""
        started = _descendants(self.pid)
        self._kill_group()
        for pid in started:
            _kill(os.kill, pid)
        self.end()

    def _take_message(self) -> bytes | None:
        """The pickle of the next answer, None if it is not complete yet."""
        if len(self._buffer) < HEADER.size:
            return None
        (size,) = HEADER.unpack_from(self._buffer)
        stop = HEADER.size + size
        if len(self._buffer) < stop:
            return None
        data = bytes(self._buffer[HEADER.size : stop])
        del self._buffer[:stop]
        return data

    def _has_ended(self, patience: float = 0) -> bool:
        deadline = time.monotonic() + patience
        while self._death is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._death = _cause(status)
            elif time.monotonic() >= deadline:
                return False
            else:
                time.sleep(0.0005)
        return True

    def _kill_group(self) -> None:
        _kill(os.killpg, self.pid)


def _kill(how: Callable[[int, int], None], pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        how(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """Return the child processes of a process, and theirs. Empty if the system does not list them (Linux does)."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [*map(int, file.read().split())]
    except OSError:
        return []
    return [*children, *(below for child in children for below in _descendants(child))]


def _fork() -> int:
    try:
        return os.fork()
    except OSError as error:
        raise LostProcessError(f"cannot start a process: {error.strerror}. Try again") from error


def _run(serve: Callable[[Channel], None], channel: Channel) -> None:
    """Run the child process and end it. Never returns to the code that forked it."""
    status = 70
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        sys.stdin = open(os.devnull)
        sys.stdout = sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
        serve(channel)
        status = 0
    except (EOFError, BrokenPipeError):
        status = 0  # the parent process has ended, or has closed its end
    except BaseException as error:
        import traceback

        if isinstance(error, OSError) and error.errno == errno.EBADF:
            status = CLOSED_DESCRIPTORS
        else:
            traceback.print_exc()
    finally:
        try:
            _flush()
        finally:
            os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _cause(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        names = {entry.value: entry.name for entry in signal.Signals}
        return f"its process was killed by {names.get(number, 'a real-time signal')} (signal {number})"
    if os.WEXITSTATUS(status) == CLOSED_DESCRIPTORS:
        return "it closed file descriptors that were not its own"
    if os.WEXITSTATUS(status) == OUT_OF_MEMORY:
        return "MemoryError: it asked for more memory than it may have (badge_memory in brabeion.toml)"
    return f"its process ended with exit status {os.waitstatus_to_exitcode(status)}"
