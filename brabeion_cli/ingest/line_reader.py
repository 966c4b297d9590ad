"""Splits a stream of bytes into blocks of lines as they come: from a file or a pipe, plain or gzip."""

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
GZIP = b"\x1f"  # the first byte of gzip; no JSON starts with it
BOM = b"\xef\xbb\xbf"
BLANKS = b" \t\r"  # blanks in JSON; a line has no newline in it


class Block(NamedTuple):
    """Complete lines as they came, with newlines between them.

    `number` is the number of the first line, counted from 1. `whole` is False if that line was cut at 64 MiB.
    """

    number: int
    data: bytes
    whole: bool = True

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Number and text of each line that is not blank."""
        for number, data in enumerate(self.data.split(b"\n"), self.number):
            if data.strip(BLANKS):
                yield number, data

    def after(self, number: int) -> Block:
        """The block without its lines up to that number."""
        settled = number - self.number + 1
        return self if settled < 1 else Block(number + 1, self.data.split(b"\n", settled)[settled])


class Input:
    """What `ingest` reads: a path, or `-` for stdin.

    `size` and `position` count bytes as they are stored, still zipped. `mark` is the byte order mark before the first
    line, empty if there is none.
    """

    def __init__(self, path: str) -> None:
        self.name = "stdin" if path == "-" else path
        self.mark = b""
        try:
            raw = _unbuffered_stdin() if path == "-" else open(path, "rb", buffering=0)
            self._stream = io.BufferedReader(raw, CHUNK)
            self._zipped = self._stream.peek(1)[:1] == GZIP
        except OSError as error:
            raise FileProblemError(f"cannot read {path}: {error.strerror}") from error

    @property
    def size(self) -> int | None:
        """The file's size; None for a pipe or an empty file."""
        try:
            return os.fstat(self._stream.fileno()).st_size or None
        except io.UnsupportedOperation:
            return None

    def is_file(self, path: str) -> bool:
        """Whether `path` is the file being read."""
        try:
            return os.path.samestat(os.fstat(self._stream.fileno()), os.stat(path))
        except OSError:
            return False

    @property
    def position(self) -> int:
        """How many bytes have been read; 0 for a pipe."""
        return self._stream.tell() if self._stream.seekable() else 0

    def blocks(self) -> Iterator[Block]:
        """All lines. What has come is yielded at once, without waiting for more.

        Raises `FileProblemError` if the rest of the input cannot be read.
        """
        number, rest, whole = 1, bytearray(), True
        try:
            for chunk in _unzipped(self._stream) if self._zipped else iter(partial(self._stream.read1, CHUNK), b""):
                end = chunk.rfind(b"\n")
                if end >= 0:
                    begin = 0 if whole else chunk.find(b"\n")
                    block = self._block(number, bytes(rest) + chunk[begin:end], whole)
                    yield block
                    number += block.data.count(b"\n") + 1
                    rest, whole = bytearray(chunk[end + 1 :]), True
                elif whole:
                    rest += chunk
                    whole = len(rest) <= MAX_LINE
                    del rest[MAX_LINE:]
        except (EOFError, zlib.error, OSError) as error:
            raise FileProblemError(f"{self.name} cannot be read after line {number - 1}: {error}") from error
        if rest:
            yield self._block(number, bytes(rest), whole)

    def _block(self, number: int, data: bytes, whole: bool) -> Block:
        if number == 1 and data.startswith(BOM):
            self.mark = BOM
        return Block(number, data[len(self.mark) :] if number == 1 else data, whole)


def _unzipped(stream: io.BufferedReader) -> Iterator[bytes]:
    """The bytes inside gzip, one member or several, as they come. `gzip.GzipFile` waits until its buffer is full."""
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
        os.set_blocking(raw.fileno(), True)  # otherwise "nothing yet" would look like the end
    return raw
