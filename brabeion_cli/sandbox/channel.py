"""The child's end of the pipes between a child and its parent."""

from __future__ import annotations

import faulthandler
import os
import pickle
import struct
from typing import Any

HEADER = struct.Struct(">Q")
CLOSED_DESCRIPTORS = 71  # the exit status of a child that finds its pipe closed under it


class Channel:
    """The child's end: requests come in, answers go out."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers = requests, answers

    def receive(self) -> Any:
        """The next request. Raises `EOFError` when the parent has closed its end, or is no more."""
        (size,) = HEADER.unpack(_read(self._requests, HEADER.size))
        return pickle.loads(_read(self._requests, size))

    def send(self, answer: Any) -> None:
        """Send an answer, or one of several."""
        _write(self._answers, answer)

    def end_after(self, seconds: float | None) -> None:
        """End this process after so many seconds, wherever it hangs; None takes that back.

        The parent does so much earlier; this is for a child whose parent was killed. It works where no signal is
        handled, in the midst of C code.
        """
        if seconds is None:
            faulthandler.cancel_dump_traceback_later()
        else:
            faulthandler.dump_traceback_later(seconds, exit=True, file=2)  # badge code may have closed sys.stderr

    def require_open(self) -> None:
        """End the process where code that it ran has closed descriptors which were not its own."""
        try:
            os.get_inheritable(self._answers)  # the cheapest of what fails for one that is closed
        except OSError:
            os._exit(CLOSED_DESCRIPTORS)


def packed(message: Any) -> memoryview:
    """A message as it goes through a pipe: its length, then its pickle."""
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
