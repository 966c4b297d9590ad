"""What `ingest` asks of SQLite for an event: a cost that no clock blurs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from brabeion_cli.base import Badge, BadgeAwarded
from brabeion_cli.engine.session import Session
from brabeion_cli.ingest import recorder
from brabeion_cli.ingest.line_reader import Block
from brabeion_cli.ingest.messages import BlockRequest
from brabeion_cli.ingest.recorder import Recorder
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.sandbox.quarantine import Exclusions
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.store.store import Store
from tests.support.event_lines import points_line

USERS, EVENTS, LEVELS = 10, 3000, 2


class Points(Badge):
    slug = "points"
    levels = ["Bronze", "Silver"]
    events = ["points_awarded"]

    def award(self, **state: Any) -> BadgeAwarded | None:
        level = min(state["points"] // 1000, LEVELS)
        return BadgeAwarded(level) if level else None


@pytest.fixture
def channel() -> Iterator[Channel]:
    ends = os.pipe(), os.pipe()
    yield Channel(ends[0][0], ends[1][1])
    for end in (*ends[0], *ends[1]):
        os.close(end)


def block(first: int) -> Block:
    """So many events, each later than the one before."""
    moments = (f"2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z" for n in range(first, first + EVENTS))
    lines = (
        points_line(n, user=f"u{n % USERS}", at=at, state={"points": n - first})
        for n, at in enumerate(moments, first)
    )  # fmt: skip
    return Block(1, "".join(lines).encode())


def test_an_event_is_one_statement_and_a_transaction_has_hundreds(
    registry: Registry, store: Store, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "LOCK_SECONDS", 1000.0)  # the transactions end where the lines do
    registry.register(Points)
    statements: list[str] = []
    store.database.raw().set_trace_callback(statements.append)
    scoreboard = Scoreboard()
    with Guard(5, scoreboard) as guard:
        session = Session(registry, store, guard)
        recording = Recorder(Config(store.path, (), None, {}), session, scoreboard, channel)
        recording.answer(BlockRequest(block(0), Exclusions(), False))
        first, statements[:] = kinds(statements), []
        recording.answer(BlockRequest(block(EVENTS), Exclusions(), False))
        second = kinds(statements)

    # Each user's first event and each new award take a question or two; what is known afterwards takes none.
    transactions = {"BEGIN IMMEDIATE": 6, "PRAGMA data_version": 6, "COMMIT": 6}
    assert first == transactions | {
        "INSERT INTO events": EVENTS,
        "INSERT INTO awards": USERS * LEVELS,
        "SELECT at": USERS,
    }
    assert second == {"BEGIN IMMEDIATE": 3, "PRAGMA data_version": 3, "COMMIT": 3, "INSERT INTO events": EVENTS}


def kinds(statements: list[str]) -> Counter[str]:
    """How many statements of each kind. One that sets off triggers is traced again for each of them, with its values:
    no two events and no two awards have the same.
    """
    inserts = {text for text in statements if text.startswith("INSERT")}
    others = [text for text in statements if text not in inserts]
    return Counter(" ".join(text.split()[: 3 if text in inserts else 2]) for text in [*inserts, *others])
