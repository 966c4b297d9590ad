"""Runs commands in forks of one process that has loaded everything: five times as quick as starting Python for each.

A command gets what a shell would give it: its arguments, directory, environment, stdin, stdout, stderr, and a process
of its own. Only the start of the interpreter is left out, and so the environment may not ask for another interpreter
(`fits`). `Project.start` starts Python for each command.
"""

from __future__ import annotations

import array
import atexit
import functools
import gc
import importlib
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

#: Prefixes of the variables that Python reads when it starts.
READ_AT_START = ("PYTHON", "LC_", "LANG")


class Completed(NamedTuple):
    """What a command did. `status` is negative where a signal ended it."""

    status: int
    out: bytes
    err: bytes


# The side of the tests


class CommandServer:
    """The process that forks, and the socket through which it is asked to."""

    def __init__(self) -> None:
        self._read_at_start = _read_at_start(os.environ)
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether Python would start in that environment as the server did."""
        return _read_at_start(env) == self._read_at_start

    def run(
        self, arguments: Sequence[str], directory: Path, env: Mapping[str, str], stdin: bytes, timeout: float
    ) -> Completed:
        """Run `brabeion` with these arguments to its end. Raises TimeoutError when it takes longer."""
        request = json.dumps([list(arguments), str(directory), dict(env)]).encode()
        ours, theirs = socket.socketpair()
        pipes = [os.pipe() for _ in range(3)]
        (in_end, to_stdin), (from_stdout, out_end), (from_stderr, err_end) = pipes
        given = [in_end, out_end, err_end, theirs.fileno()]
        try:
            with self._lock:
                _send_descriptors(self._socket, given)
        finally:
            theirs.close()
            for end in given[:3]:
                os.close(end)
        with ours:
            ours.sendall(request)
            ours.shutdown(socket.SHUT_WR)
            ours.settimeout(timeout)
            out, err = _communicate(to_stdin, stdin, [from_stdout, from_stderr], time.monotonic() + timeout)
            status = ours.recv(16)
        assert status, "the command server has died"
        return Completed(int(status), out, err)

    def close(self) -> None:
        self._socket.close()
        self._process.communicate()


@functools.cache
def server() -> CommandServer:
    """The server of this process; it is started when it is first asked for."""
    started = CommandServer()
    atexit.register(started.close)
    return started


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_START)}


def _send_descriptors(to: socket.socket, descriptors: Sequence[int]) -> None:
    to.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


def _communicate(to_stdin: int, stdin: bytes, outputs: Sequence[int], deadline: float) -> list[bytes]:
    """Write stdin and read the outputs until they end; all descriptors are closed then."""
    found: dict[int, list[bytes]] = {output: [] for output in outputs}
    left = memoryview(stdin)
    os.set_blocking(to_stdin, False)
    with selectors.DefaultSelector() as selector:
        for output in outputs:
            selector.register(output, selectors.EVENT_READ)
        selector.register(to_stdin, selectors.EVENT_WRITE)
        try:
            while selector.get_map():
                ready = selector.select(deadline - time.monotonic())
                if time.monotonic() > deadline:
                    raise TimeoutError("the command takes too long")
                for key, _ in ready:
                    if key.fd == to_stdin:
                        left = _written(to_stdin, left)
                        is_over = not left
                    else:
                        found[key.fd].append(os.read(key.fd, 1 << 16))
                        is_over = not found[key.fd][-1]
                    if is_over:
                        selector.unregister(key.fd)
                        os.close(key.fd)
        finally:
            for fd in [*selector.get_map()]:
                os.close(fd)
    return [b"".join(found[output]) for output in outputs]


def _written(to: int, data: memoryview) -> memoryview:
    """What is left of the data after writing what fits; nothing where nobody reads it."""
    try:
        return data[os.write(to, data[: 1 << 16]) :] if data else data
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return data[:0]


# The side of the server. Nothing of the tests is imported there.


def serve(control: socket.socket) -> None:
    """Fork for each request, until the other end of the socket is closed."""
    _load_everything()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 4)
        if not message:
            return
        if not os.fork():
            control.close()
            _attend(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            pass


def _load_everything() -> None:
    from brabeion_cli.cli import app

    for module in set(app.COMMANDS.values()):
        importlib.import_module(f"brabeion_cli.cli.commands.{module}")
    package = Path(app.__file__).parents[1]
    for path in sorted(package.glob("*/*.py")):
        importlib.import_module(f"brabeion_cli.{path.parent.name}.{path.stem}".removesuffix(".__init__"))
    gc.collect()
    gc.freeze()


def _attend(descriptors: Sequence[int]) -> NoReturn:
    """In a child of the server: start the command in a child of its own, and say how it ended."""
    answer = socket.socket(fileno=descriptors[3])
    with answer.makefile("rb") as request:
        arguments, directory, env = json.load(request)
    child = os.fork()
    if not child:
        _be_the_command(descriptors[:3], arguments, directory, env)
    for descriptor in descriptors[:3]:
        os.close(descriptor)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    answer.sendall(str(status).encode())
    os._exit(0)


def _be_the_command(streams: Sequence[int], arguments: list[str], directory: str, env: dict[str, str]) -> NoReturn:
    """What `python -m brabeion_cli` does after it has started."""
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 256)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(env)
        time.tzset()
        sys.path.insert(0, os.getcwd())
        sys.argv = ["brabeion", *arguments]
        from brabeion_cli.cli import run

        run()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    del sys.path[0]  # the directory of this file
    serve(socket.socket(fileno=int(sys.argv[1])))
