"""Ctrl-C and SIGTERM end a command, wherever they come."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SWALLOWED = """
import signal, sys, time, weakref
from brabeion_cli.cli import interruption

class Thing: pass

def callback(reference):
    signal.raise_signal(number)
    [None for _ in range(100)]  # the handler runs here, and Python swallows what it raises

number = int(sys.argv[1])
signal.signal(number, interruption.handle_signal)
with interruption.resending_lost_signals():
    thing = Thing()
    reference = weakref.ref(thing, callback)
    del thing
    print("went on", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_python_swallows_is_sent_again(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED, str(int(number))], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.stdout.strip() == "went on"
    if number == signal.SIGTERM:
        assert done.returncode == 128 + number
    else:
        assert "interruption.Interrupted" in done.stderr  # which a command catches
    assert "Exception ignored" not in done.stderr
