"""A stream of bytes → its lines, as they come: from a file, a pipe, plain or gzip."""

from __future__ import annotations

import io
import os
import sys
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from brabeion_cli.errors import FileProblemError

CHUNK = 256 * 1024
MAX_LINE = 64 * 1024 * 1024
GZIP = b"\x1f"  # the first byte, which no JSON begins with
BOM = b"\xef\xbb\xbf"
BLANKS = b" \t\r"  # what JSON takes for blank; a line has no newline in it


class Line(NamedTuple):
    """One line, counted from 1, as it came but for its newline. `whole` is False where it was cut at 64 MiB."""

    number: int
    data: bytes
    whole: bool = True

    @property
    def text(self) -> bytes:
        """What it says: a byte order mark at the start of the stream is none of it."""
        return self.data.removeprefix(BOM) if self.number == 1 else self.data

    @property
    def blank(self) -> bool:
        """Whether there is nothing on it."""
        return not self.text.strip(BLANKS)


class Input:
    """What `ingest` reads: a path, or `-` for stdin. `size` and `position` count its bytes as they lie there."""

    def __init__(self, path: str) -> None:
        self.name = "stdin" if path == "-" else path
        try:
            raw = _unbuffered_stdin() if path == "-" else open(path, "rb", buffering=0)
            self._stream = io.BufferedReader(raw, CHUNK)
            self._zipped = self._stream.peek(1)[:1] == GZIP
        except OSError as error:
            raise FileProblemError(f"cannot read {path}: {error.strerror}") from error

    @property
    def size(self) -> int | None:
        """The file's size, or None for a pipe."""
        try:
            return os.fstat(self._stream.fileno()).st_size or None
        except io.UnsupportedOperation:
            return None

    def is_file(self, path: str) -> bool:
        """Whether that path is what is being read."""
        try:
            return os.path.samestat(os.fstat(self._stream.fileno()), os.stat(path))
        except OSError:
            return False

    @property
    def position(self) -> int:
        """How far it has been read."""
        return self._stream.tell() if self._stream.seekable() else 0

    def batches(self) -> Iterator[list[Line]]:
        """Non-empty lists of lines; what has come is given on at once, without waiting for more.

        Blank lines are passed over (but counted). Raises `FileProblemError` where the input cannot be read on.
        """
        number, rest, cut = 0, bytearray(), False
        try:
            for chunk in _unzipped(self._stream) if self._zipped else iter(partial(self._stream.read1, CHUNK), b""):
                rest += chunk
                if b"\n" in chunk:
                    *complete, tail = bytes(rest).split(b"\n")
                    rest = bytearray(tail)
                    first = Line(number + 1, complete[0][:MAX_LINE], not cut)
                    others = enumerate(complete[1:], number + 2)
                    batch = [] if first.blank else [first]
                    batch += [Line(index, data) for index, data in others if data.strip(BLANKS)]
                    number += len(complete)
                    cut = False
                    if batch:
                        yield batch
                if len(rest) > MAX_LINE:
                    del rest[MAX_LINE:]
                    cut = True
        except (EOFError, zlib.error, OSError) as error:
            raise FileProblemError(f"{self.name} cannot be read after line {number}: {error}") from error
        last = Line(number + 1, bytes(rest), not cut)
        if not last.blank:
            yield [last]


def _unzipped(stream: io.BufferedReader) -> Iterator[bytes]:
    """The bytes inside gzip, one member or several, as they come (`gzip.GzipFile` waits until its buffer is full)."""
    member, begun = zlib.decompressobj(wbits=31), False
    while chunk := stream.read1(CHUNK):
        while chunk:
            begun = True
            yield member.decompress(chunk, CHUNK)
            chunk = member.unconsumed_tail
            if member.eof:
                chunk = member.unused_data.lstrip(b"\0")
                member, begun = zlib.decompressobj(wbits=31), False
    if begun:
        raise EOFError("the archive ends in the middle")


def _unbuffered_stdin() -> Any:
    if sys.stdin is None:  # closed by the caller
        return open(os.devnull, "rb", buffering=0)
    raw = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    if isinstance(raw, io.FileIO):
        os.set_blocking(raw.fileno(), True)  # else "nothing yet" would read like the end
    return raw
