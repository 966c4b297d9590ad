"""The child's end of the pipes between a child process and its parent process."""

from __future__ import annotations

import faulthandler
import os
import pickle
import struct
from typing import Any

HEADER = struct.Struct(">Q")
CLOSED_DESCRIPTORS = 71  # the exit status of a child whose pipe was closed by code that it ran


class Channel:
    """Receives requests from the parent process, and sends answers."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers = requests, answers

    def receive(self) -> Any:
        """Wait for the next request. Raises `EOFError` if the parent process has closed its end, or has ended."""
        (size,) = HEADER.unpack(_read(self._requests, HEADER.size))
        return pickle.loads(_read(self._requests, size))

    def send(self, answer: Any) -> None:
        """Send an answer. A request may have several."""
        _write(self._answers, answer)

    def end_after(self, seconds: float | None) -> None:
        """End this process after `seconds`, wherever it hangs. None cancels this.

        It is for a child whose parent process was killed; else the parent ends the child much earlier. It also works
        inside C code, where Python handles no signals.
        """
        if seconds is None:
            faulthandler.cancel_dump_traceback_later()
        else:
            faulthandler.dump_traceback_later(seconds, exit=True, file=2)  # badge code may have closed sys.stderr

    def require_open(self) -> None:
        """End the process if badge code has closed file descriptors that were not its own."""
        try:
            os.get_inheritable(self._answers)  # the cheapest call that fails if it is closed
        except OSError:
            os._exit(CLOSED_DESCRIPTORS)


def packed(message: Any) -> memoryview:
    """Return a message in the form that goes through a pipe: its length, then its pickle."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return memoryview(HEADER.pack(len(data)) + data)


def _write(fd: int, message: Any) -> None:
    rest = packed(message)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _read(fd: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        received = os.read(fd, min(size - len(data), 1 << 20))
        if not received:
            raise EOFError
        data += received
    return bytes(data)
