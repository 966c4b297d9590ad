"""A writer of its own process: fires through `possibly_award_badge`, and says how long each call took.

    python -m tests.faults.writer NUMBER TIMES PAUSE

An id is written to `acknowledged-NUMBER` after its call has returned. TIMES 0 means until there is a file `stop`.
Prints JSON: {"refused": [...], "seconds": [...]}.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path

from brabeion_cli import badges
from brabeion_cli.errors import BrabeionError

USERS = 50


def main(number: int, times: int, pause: float) -> None:
    refused, seconds = [], []
    with open(f"acknowledged-{number}", "a", buffering=1) as acknowledged:
        for turn in range(times) if times else itertools.count():
            if not times and Path("stop").exists():
                break
            state = {"points": (turn * 7919 + number * 104729) % 12000, "writer": number, "turn": turn}
            started = time.monotonic()
            try:
                badges.possibly_award_badge("points_awarded", user=f"user{turn % USERS}", **state)
                acknowledged.write(f"{number}/{turn}\n")
            except BrabeionError as error:
                refused.append(str(error))
            seconds.append(time.monotonic() - started)
            time.sleep(pause)
    print(json.dumps({"refused": refused, "seconds": seconds}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
