"""Tasks that do nothing, for huey's consumer; the last one ends it."""

import os
import signal

from huey import SqliteHuey

huey = SqliteHuey("huey_queue", filename="huey.db")


@huey.task()
def nothing(event, last):
    if last:
        os.kill(os.getpid(), signal.SIGINT)


def fill(count):
    """Put so many in."""
    for number in range(count):
        nothing(number, number == count - 1)
