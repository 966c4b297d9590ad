"""Pages of a store are damaged at random; `db verify` has to notice."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from brabeion_cli.database import backup, integrity
from brabeion_cli.domain.events import make
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.errors import BrabeionError
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store, open_store

PAGE = 4096
SECTOR = 512
EVENTS = 3000
BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)
NAMES = ("points_awarded", "question_posted", "answer_accepted", "comment_posted", "page_viewed")
WORDS = [
    "the",
    "of",
    "a",
    "badge",
    "question",
    "answer",
    "über",
    "why",
    "how",
    "naïve",
    "日本",
    "points",
    "edit",
    "tag",
    "review",
    "vote",
    "house",
]

FOUND, MISSED, HARMLESS = "found", "missed", "harmless"


class StoreFile(NamedTuple):
    """The pages of a store, and of copies of it that were made before; those are shorter."""

    pages: list[bytes]
    past: list[list[bytes]]


#: What a kind of damage makes of a page, None where there is nothing to damage. It may change a second page in place.
Damage = Callable[[random.Random, StoreFile, int], bytes | None]


def random_page(rng: random.Random, file: StoreFile, number: int) -> bytes | None:
    return rng.randbytes(PAGE)


def zeros(rng: random.Random, file: StoreFile, number: int) -> bytes | None:
    return bytes(PAGE)


def torn_sector(rng: random.Random, file: StoreFile, number: int) -> bytes | None:
    """One sector did not reach the disk: it is as it was before, or empty where the page was not there."""
    page, start = file.pages[number], rng.randrange(0, PAGE, SECTOR)
    past = rng.choice(file.past)
    before = past[number] if number < len(past) else bytes(PAGE)
    return page[:start] + before[start : start + SECTOR] + page[start + SECTOR :]


def random_span(rng: random.Random, file: StoreFile, number: int) -> bytes | None:
    page, length = file.pages[number], rng.randint(16, 64)
    start = rng.randint(0, PAGE - length)
    return page[:start] + rng.randbytes(length) + page[start + length :]


def flipped_bit(rng: random.Random, file: StoreFile, number: int) -> bytes | None:
    page, place = bytearray(file.pages[number]), rng.randrange(PAGE)
    page[place] ^= 1 << rng.randrange(8)
    return bytes(page)


def swapped_pages(rng: random.Random, file: StoreFile, number: int) -> bytes | None:
    other = rng.randrange(len(file.pages))
    page, file.pages[other] = file.pages[other], file.pages[number]
    return page


def lost_write(rng: random.Random, file: StoreFile, number: int) -> bytes | None:
    """The page is as it was in one of the copies."""
    past = rng.choice(file.past)
    return past[number] if number < len(past) else None


KINDS: Mapping[str, Damage] = {
    "random page": random_page,
    "zeros": zeros,
    "torn sector": torn_sector,
    "random span": random_span,
    "flipped bit": flipped_bit,
    "swapped pages": swapped_pages,
    "lost write": lost_write,
}


def corrupt_and_verify(folder: Path, rng: random.Random, times: int) -> dict[str, Counter[str]]:
    """Damage `times` copies of a store; for each kind of damage how often it was found, missed, or
    harmless, which means that all rows read as before (bytes that nothing uses).

    Raises `AssertionError` where verifying changes the file or leaves another one, and whatever verifying raises that
    no command would turn into a message.
    """
    file = build(folder, rng)
    figures = {kind: Counter[str]() for kind in KINDS}
    damaged = folder / "damaged.db"
    rows = content(folder / "store.db")
    for _ in range(times):
        kind = rng.choice(list(KINDS))
        damaged.write_bytes(b"".join(damage(KINDS[kind], rng, file)))
        figures[kind][outcome(damaged, rows)] += 1
    return figures


def damage(kind: Damage, rng: random.Random, file: StoreFile) -> list[bytes]:
    """The pages, with damage that makes a difference."""
    while True:
        copy = StoreFile(list(file.pages), file.past)
        number = rng.randrange(len(file.pages))
        page = kind(rng, copy, number)
        if page is not None and page != file.pages[number]:
            copy.pages[number] = page
            return copy.pages


def outcome(damaged: Path, rows: object) -> str:
    before = damaged.read_bytes()
    noticed = verify(damaged)
    assert damaged.read_bytes() == before, "verifying wrote to the file"
    assert sorted(path.name for path in damaged.parent.glob("damaged.db*")) == ["damaged.db"]
    if noticed:
        return FOUND
    return HARMLESS if content(damaged) == rows else MISSED


def verify(path: Path) -> bool:
    """Whether `brabeion db verify` would complain."""
    try:
        with open_store(str(path)) as store:
            return bool(list(integrity.problems(store.database)))
    except BrabeionError:
        return True


def rate(figures: Mapping[str, Counter[str]]) -> float:
    """The share that was found of the damage that was not harmless."""
    total = sum(figures.values(), Counter[str]())
    return total[FOUND] / (total[FOUND] + total[MISSED])


def content(path: Path) -> object:
    """All rows of all tables, as bytes; the error where they cannot be read."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        tables = ("events", "awards", "tasks", "sqlite_sequence", "sqlite_master")
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
    except sqlite3.Error as error:
        return str(error)
    finally:
        connection.close()


# The store


def build(folder: Path, rng: random.Random, events: int = EVENTS) -> StoreFile:
    """A store with all that there can be in one, checkpointed; and copies from half-way, near the end and just before
    the end.
    """
    past = []
    with open_store(str(folder / "growing.db"), create=True) as store:
        for number in range(1, events + 1):
            if number in (events // 2, events - events // 10, events - 1):
                past.append(copied(store, folder / "past.db"))
            with store.transaction():
                add_event(store, rng, number)
            if number % 10 == 0:
                work(store, rng, number)
        pages = copied(store, folder / "store.db")
    return StoreFile(pages, past)


def copied(store: Store, path: Path) -> list[bytes]:
    backup.backup(store.database, store.path, str(path), overwrite=True)
    data = path.read_bytes()
    return [data[start : start + PAGE] for start in range(0, len(data), PAGE)]


def at(number: int) -> datetime:
    return BEGINNING + timedelta(minutes=7 * number)


def add_event(store: Store, rng: random.Random, number: int) -> None:
    """An event of anybody's, seldom late or long, and now and then an award and a task for it."""
    late = timedelta(days=rng.randint(1, 30)) if rng.random() < 0.03 else timedelta()
    state = {"points": rng.randint(1, 20000), "post": rng.randint(1, 10**6), "own": rng.random() < 0.5}
    state["title"] = " ".join(rng.choices(WORDS, k=1500 if rng.random() < 0.005 else rng.randint(0, 12)))  # type: ignore[assignment]
    user = f"user-{int(rng.paretovariate(0.7)) % 200}"
    event = make(
        rng.choice(NAMES), state, user=user, at=at(number) - late, now=at(number), max_bytes=2**20,
        id=f"order-{number}" if rng.random() < 0.7 else None,
    )  # fmt: skip
    assert store.events.add(event) == number
    entry = JournalEntry(number, event.name, user, event.at, event.id, event.state_json)
    if rng.random() < 0.15:
        store.awards.add(Grant(user, f"badge_{rng.randrange(20)}", rng.randint(1, 3)), event.at, number)
    if rng.random() < 0.05:
        store.awards.add(Grant(user, "per-post", 1, str(state["post"])), event.at, number)
        store.awards.add(Grant(user, "each-time", 1, "", number), event.at, number)
    if rng.random() < 0.1:
        frozen = json.dumps(state, ensure_ascii=False, separators=(",", ":")) if rng.random() < 0.5 else None
        task_queue.defer(store, f"slow_{rng.randrange(5)}", entry, frozen, at(number))


def work(store: Store, rng: random.Random, number: int) -> None:
    """Tasks are claimed, finished, put off and given up; a person gives an award and takes one."""
    for task in task_queue.claim(store, 1, 60, 3, at(number)).tasks:
        if rng.random() < 0.3:
            failure = Failure("ValueError: no such post", "slow.py:17")
            task_queue.fail(store, task, failure, rng.choice((1, 3)), 30, at(number))
        elif rng.random() < 0.9:
            with store.transaction():
                assert task_queue.finish(store, [task])
    with store.transaction():
        reason = " ".join(rng.choices(WORDS, k=5))
        store.awards.add(Grant(f"user-{number % 200}", "by-hand", 1), moment(at(number)), None, "root", reason)
        store.database.execute_sql(
            'UPDATE awards SET revoked_at = ?, revoked_by = ?, revoked_because = ? WHERE ("user", badge) IN '
            '(SELECT "user", badge FROM awards WHERE revoked_at IS NULL AND event_number = ?)',
            (moment(at(number)), "root", reason, rng.randint(1, number)),
        )
