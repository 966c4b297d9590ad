"""R16: nothing lost, nothing doubled: whatever happens in whatever order, a store holds what a plain model says.

Other cases each time, for as long as one likes: pytest -m soak tests/whole/test_model.py
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from brabeion_cli.database import backup, integrity
from brabeion_cli.domain import events, timestamps
from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.engine import manual_awards
from brabeion_cli.engine.event_processor import EventProcessor
from brabeion_cli.engine.session import Session
from brabeion_cli.errors import EventError, NoSuchAwardError, NoSuchTaskError
from brabeion_cli.queue import completion, worker
from brabeion_cli.queue.messages import Batch, Evaluated, NotStarted, StopFlag
from brabeion_cli.replay.messages import ReplayReport, ReplayRequest
from brabeion_cli.replay.walk import Replay
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.store import task_admin, task_queue
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store, open_store
from brabeion_cli.store.task_queue import ClaimedTask
from tests.support.moments import NOW
from tests.whole.model import KINDS, USERS, Event, Key, Model, registry_of

LEASE, MAX_ATTEMPTS, RETRY_DELAY = 60.0, 2, 30.0

NUMBERS = st.integers(0, 6)
FLAGS = st.booleans()
PICKS = st.integers(0, 99)  # which of what there is
FIRED = st.tuples(
    st.sampled_from("ab"), st.sampled_from(USERS), NUMBERS, st.booleans(), st.sampled_from([0, 0, 0, 1, 3, 3600])
)
BATCHES = st.lists(FIRED, min_size=3, max_size=8)
JUMPS = st.sampled_from([1, 31, 3600, -1, -7200])


class Held(NamedTuple):
    """A task that a worker was given, and its answer; by now another worker may hold it."""

    task: ClaimedTask
    answer: Evaluated | Failure
    keys: list[Key]  # what the model says of it


class StoreBesideModel(RuleBasedStateMachine):
    """A store in a file, and all that may happen to it. `ended` counts runs, with events in order and without."""

    ended: ClassVar[Counter[bool]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.registry = registry_of(self.model)
        self.catalogue = Catalogue.of(self.registry)
        self.now = NOW
        self.held: list[Held] = []
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "store.db")
        self.store = open_store(str(self.path), create=True)
        self.in_order = True  # no event is recorded after one with a later moment
        self.replays = False  # somebody replays, while tasks are still in the queue
        self.meddling = False  # a person gives and revokes awards, and drops tasks
        self.calm = 0  # steps since the badges were broken or mended, or the process died

    @initialize(in_order=FLAGS, meddling=FLAGS, replays=FLAGS, broken=FLAGS, batch=BATCHES)
    def begin(self, in_order: bool, meddling: bool, replays: bool, broken: bool, batch: list[Any]) -> None:
        self.in_order, self.meddling, self.replays, self.model.broken = in_order, meddling, replays, broken
        self.ingest(batch, 0)

    # Events

    @rule(fired=FIRED)
    def fire(self, fired: Any) -> None:
        self.record(self.store, [self.new(*fired)])

    @rule(batch=BATCHES, again=PICKS)
    def ingest(self, batch: list[Any], again: int) -> None:
        made = []
        for fired in batch:
            made.append(self.new(*fired, ahead=len(made)))
        known = self.with_id()
        self.record(self.store, [*made, *known[again % len(known) :][:2]] if known else made)

    def new(self, name: str, user: str, n: int, has_id: bool, ago: int, ahead: int = 0) -> Event:
        """An event of some seconds ago; where they come in order, it happened no earlier than those before it."""
        number = len(self.model.events) + ahead + 1
        at = timestamps.moment(self.now - timedelta(seconds=ago))
        if self.in_order:
            at = max([timestamps.moment(self.now), *(event.at for event in self.model.events)])
        return Event(number, name, user, at, f"id {number}" if has_id else None, n)

    def with_id(self) -> list[Event]:
        return [event for event in self.model.events if event.id is not None]

    def record(self, store: Store, batch: list[Event]) -> None:
        """As one transaction; the model records what is new."""
        with Guard(5) as guard, store.transaction():
            engine = EventProcessor(Session(self.registry, store, guard))
            for event in batch:
                assert engine.record(self.made(event), self.now).duplicate == (event in self.model.events)
                if event not in self.model.events and store is self.store:
                    self.model.record(event, self.now)

    def made(self, event: Event, **other: Any) -> events.Event:
        fields = {"user": event.user, "at": event.at, "id": event.id, **other}
        return events.make(event.name, {"n": fields.pop("n", event.n)}, now=self.now, max_bytes=1000, **fields)

    @precondition(lambda self: self.with_id())
    @rule(pick=PICKS, other=st.sampled_from([{"n": 9}, {"user": "eve"}, {"at": "2000-01-01"}]))
    def fire_other_content(self, pick: int, other: Any) -> None:
        event = self.made(of(self.with_id(), pick), **other)
        with pytest.raises(EventError, match="is taken by"), Guard(5) as guard, self.store.transaction():
            EventProcessor(Session(self.registry, self.store, guard)).record(event, self.now)

    @precondition(lambda self: self.with_id())
    @rule(pick=PICKS)
    def fire_again(self, pick: int) -> None:
        self.record(self.store, [of(self.with_id(), pick)])

    # The queue

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        found = task_queue.claim(self.store, limit, LEASE, MAX_ATTEMPTS, self.now)
        assert ([task.number for task in found.tasks], sorted(found.died)) == self.model.claim(
            limit, LEASE, MAX_ATTEMPTS, self.now
        )
        for task in found.tasks:
            self.model.tasks[task.number].token = task.token
        self.judge(found.tasks)

    @rule(limit=st.integers(1, 3))
    def leases_run_out(self, limit: int) -> None:
        """And other workers claim what they were for."""
        self.now += timedelta(seconds=LEASE + 1)
        self.claim(limit)

    @rule(rounds=st.integers(1, 3))
    def work(self, rounds: int) -> None:
        """As a worker does that nothing happens to."""
        for _ in range(rounds):
            before = len(self.held)
            self.claim(2)
            for held in self.held[before:]:
                self.settle(held)

    def judge(self, tasks: list[ClaimedTask]) -> None:
        """As a batch: tasks of users to whom an earlier one granted something have to wait."""
        granted: set[str] = set()
        with Guard(5) as guard:
            session = Session(self.registry, self.store, guard)
            answers = list(worker.answers(Batch(tasks, float("inf")), StopFlag(), session))
        for task, answer in zip(tasks, answers, strict=True):
            known = self.model.tasks[task.number]
            assert isinstance(answer, NotStarted) == (known.case.user in granted)
            if isinstance(answer, NotStarted):
                self.given_back(task)
                continue
            self.held.append(self.compared(task, answer))
            granted.update(user for user, *_ in self.held[-1].keys)

    def compared(self, task: ClaimedTask, answer: Evaluated | Failure) -> Held:
        known = self.model.tasks[task.number]
        try:
            keys = self.model.ask(known.kind, known.case, frozen=known.frozen)
        except ValueError:
            assert isinstance(answer, Failure)
            return Held(task, answer, [])
        assert isinstance(answer, Evaluated)
        assert [grant.identity for grant in answer.grants] == keys
        return Held(task, answer, keys)

    @precondition(lambda self: self.held)
    @rule(pick=PICKS)
    def finish_or_fail(self, pick: int) -> None:
        """Also by a worker that has done so before."""
        self.settle(of(self.held, pick))

    def lost(self) -> list[Held]:
        """What workers do for which it is too late, as others do it now."""
        ours = self.model.holds
        return [held for held in self.held if held.task.number in self.model.tasks and not ours(*held.task[:2])]

    @precondition(lambda self: self.lost())
    @rule(pick=PICKS)
    def come_back_late(self, pick: int) -> None:
        self.settle(of(self.lost(), pick))

    def settle(self, held: Held) -> None:
        """What a worker does with its answer; where it has lost its lease, that is nothing."""
        task, answer, keys = held
        is_ours = self.model.holds(task.number, task.token)
        if isinstance(answer, Evaluated):
            (report,) = completion.finish(self.store, [(task, answer.grants)], self.catalogue, self.now)
            assert isinstance(report, completion.TaskDone) == is_ours
            new = report.new if isinstance(report, completion.TaskDone) else []
            assert [award.grant[:5] for award in new] == [key for key in keys if is_ours and self.model.lacks(key)]
            if is_ours:
                self.model.finish(task.number, keys, self.now)
            return
        setback = task_queue.fail(self.store, task, answer, MAX_ATTEMPTS, RETRY_DELAY, self.now)
        assert (setback is not None) == is_ours
        if setback is not None:
            assert (setback.due_at is None) == (task.attempts >= MAX_ATTEMPTS)
            assert setback.due_at is None or self.is_later(setback.due_at, RETRY_DELAY * 2 ** (task.attempts - 1))
            self.model.put_off(task.number, setback.due_at)

    def is_later(self, due_at: str, seconds: float) -> bool:
        later = (timestamps.parse_moment(due_at) - self.now).total_seconds()
        return seconds <= later <= seconds * 1.25

    @precondition(lambda self: self.held)
    @rule(pick=PICKS)
    def give_back(self, pick: int) -> None:
        self.given_back(of(self.held, pick).task)

    def given_back(self, task: ClaimedTask) -> None:
        task_queue.give_back(self.store, [task])
        if self.model.holds(task.number, task.token):
            known = self.model.tasks[task.number]
            known.token, known.due_at, known.attempts = None, task.due_at, known.attempts - 1

    def dead(self) -> list[int]:
        return [number for number, task in self.model.tasks.items() if task.due_at is None]

    @precondition(lambda self: self.dead())
    @rule()
    def retry_the_dead(self) -> None:
        dead = self.dead()
        assert task_admin.retry(self.store, None, self.now) == dead
        self.retried(dead)

    @precondition(lambda self: self.model.tasks)
    @rule(pick=PICKS)
    def retry(self, pick: int) -> None:
        number = of(sorted(self.model.tasks), pick)
        task = self.model.tasks[number]
        if task.token and (task.due_at or "") > timestamps.moment(self.now):
            with pytest.raises(NoSuchTaskError, match="is running"):
                task_admin.retry(self.store, [number], self.now)
        else:
            task_admin.retry(self.store, [number], self.now)
            self.retried([number])

    def retried(self, numbers: list[int]) -> None:
        for task in map(self.model.tasks.__getitem__, numbers):
            task.attempts, task.token, task.due_at = 0, None, timestamps.moment(self.now)

    @precondition(lambda self: self.meddling and self.model.tasks)
    @rule(pick=PICKS)
    def drop(self, pick: int) -> None:
        number = of(sorted(self.model.tasks), pick)
        assert task_admin.drop(self.store, [number]) == [number]
        del self.model.tasks[number]

    # People

    @precondition(lambda self: self.meddling)
    @rule(
        user=st.sampled_from(USERS), slug=st.sampled_from(["climber", "medal", "late_counted", "keyed"]),
        level=st.integers(1, 3), key=st.sampled_from(["", "1"]),
    )  # fmt: skip
    def award_by_hand(self, user: str, slug: str, level: int, key: str) -> None:
        badge, level = manual_awards.registered(Catalogue.of(self.registry), slug), min(level, KINDS[slug].levels)
        by = {"by": "eve", "reason": "quiz"}
        manual_awards.give(self.store, badge, user, level, key or None, now=self.now, **by)
        self.model.give(user, KINDS[slug], level, key, self.now, given_by="eve", reason="quiz")

    @precondition(lambda self: self.meddling)
    @rule(user=st.sampled_from(USERS), slug=st.sampled_from([*KINDS]), level=st.sampled_from([None, 1, 2]))
    def revoke(self, user: str, slug: str, level: int | None) -> None:
        keys = [key for key in self.model.awards if key[:2] == (user, slug) and level in (None, key[2])]
        by = {"by": "eve", "reason": "void"}
        if not keys:
            with pytest.raises(NoSuchAwardError):
                manual_awards.revoke(self.store, user, slug, level, None, now=self.now, **by)
            return
        held = {key for key in keys if self.model.awards[key].revoked_at is None}
        rows = manual_awards.revoke(self.store, user, slug, level, None, now=self.now, **by)
        assert {grant.identity for grant in rows} == held
        self.model.revoke(keys, "eve", self.now)

    # Replay

    @precondition(lambda self: self.replays)
    @rule(prune=FLAGS, dry_run=FLAGS, broken=FLAGS)
    def replay(self, prune: bool, dry_run: bool, broken: bool) -> None:
        self.model.broken, broken_before = broken, self.model.broken
        before = rows(self.store)
        foreseen = self.replayed(self.store, prune=prune, dry_run=True)
        assert rows(self.store) == before
        if not dry_run:
            assert self.replayed(self.store, prune=prune) == foreseen
            self.model.replay(self.now, prune=prune)
        self.model.broken = broken_before

    def replayed(self, store: Store, **options: Any) -> ReplayReport:
        with Guard(5) as guard:
            request = ReplayRequest(EventRange(), None, self.now, **options)
            result = Replay(Session(self.registry, store, guard), request).run(lambda checkpoint: None)
        store.close()  # its temporary tables go
        return result

    # The world

    @rule(seconds=JUMPS)
    def clock(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.calm > 4)
    @rule()
    def break_or_mend(self) -> None:
        self.calm = 0
        self.model.broken = not self.model.broken

    @precondition(lambda self: self.calm > 4)
    @rule(what=st.sampled_from(["fire", "claim", "finish", "give"]), fired=FIRED, pick=PICKS)
    def crash(self, what: str, fired: Any, pick: int) -> None:
        """In the middle of a transaction; the workers are gone, too, and so are their tokens."""
        self.calm = 0
        lost = open_store(str(self.path))
        lost.transaction().__enter__()
        if what == "fire":
            self.record(lost, [self.new(*fired)])
        elif what == "claim":
            task_queue.claim(lost, 2, LEASE, MAX_ATTEMPTS, self.now)
        elif what == "finish" and self.held:
            task, answer, _ = of(self.held, pick)
            grants = answer.grants if isinstance(answer, Evaluated) else []
            completion.finish(lost, [(task, grants)], self.catalogue, self.now)
        else:
            badge = manual_awards.registered(Catalogue.of(self.registry), "medal")
            manual_awards.give(lost, badge, "ann", 1, None, by="eve", reason="quiz", now=self.now)
        lost.database.raw().close()
        self.store.close()
        self.store = open_store(str(self.path))
        self.held = []

    # What holds at every moment

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        self.calm += 1
        assert rows(self.store) == expected(self.model)

    @invariant()
    def every_award_has_its_event_or_its_giver(self) -> None:
        assert self.store.database.execute_sql(
            "SELECT count(*) FROM awards LEFT JOIN events ON number = event_number "
            "WHERE number IS NULL AND (given_by IS NULL OR reason IS NULL)"
        ).fetchone() == (0,)

    @invariant()
    def no_task_is_tried_too_often(self) -> None:
        query = f"SELECT count(*) FROM tasks WHERE attempts > {MAX_ATTEMPTS}"
        assert self.store.database.execute_sql(query).fetchone() == (0,)

    # What holds at the end

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.reckon()
        finally:
            self.store.close()
            self.folder.cleanup()

    def reckon(self) -> None:
        """Mend the badges, drain the queue, and compare what was awarded with what a replay gives from nothing."""
        self.model.broken = False
        due = [timestamps.parse_moment(task.due_at) for task in self.model.tasks.values() if task.due_at]
        self.now = max([self.now, *due])
        while self.model.tasks:
            self.now += timedelta(seconds=LEASE)
            self.retry_the_dead()
            self.work(1)
        self.the_store_holds_what_the_model_holds()
        assert list(integrity.problems(self.store.database)) == []
        from_nothing = self.replayed_from_nothing()
        if self.in_order:
            assert [key for key, award in self.model.awards.items() if award.revoked_by == "replay"] == []
            if self.meddling:  # what was dropped may be missing
                self.replay(prune=False, dry_run=False, broken=False)
            self.compare(from_nothing)
        self.ended[self.in_order] += 1

    def replayed_from_nothing(self) -> Model:
        path = str(self.path.with_name("again.db"))
        backup.backup(self.store.database, self.store.path, path)
        again = Model(self.model.events)
        again.replay(self.now)
        with open_store(path) as store:
            store.database.execute_sql("DELETE FROM awards")
            self.replayed(store)
            assert rows(store) == expected(again)
        return again

    def compare(self, from_nothing: Model) -> None:
        by_hand = {key for key, award in self.model.awards.items() if award.event is None}
        # What is held by hand is not earned, and so no badge that listens to awards hears of it.
        unheard = {(user, "collector", 1, f"{slug} {level} {key}", 0) for user, slug, level, key, _ in by_hand}
        earned, due = (
            {key: (award.at, award.event) for key, award in model.awards.items() if key not in by_hand | unheard}
            for model in (self.model, from_nothing)
        )
        assert earned.keys() == due.keys()
        assert all(due[key] <= earned[key] for key in due)
        if not self.meddling and not self.replays:  # which leaves what stands where it is
            assert earned == due


def of(what: list[Any], pick: int) -> Any:
    return what[pick % len(what)]


def rows(store: Store) -> tuple[Any, ...]:
    """What the store holds, as `expected` has it."""
    select = store.database.execute_sql
    award = (
        'SELECT "user", badge, level, "key", occasion, awarded_at, event_number, position, given_by, reason, '
        "revoked_at, revoked_by FROM awards"
    )
    task = (
        "SELECT number, badge, event_number, award, state IS NOT NULL, error IS NOT NULL, due_at, attempts, token "
        "FROM tasks"
    )
    event = "SELECT number, name, \"user\", at, id, json_extract(state, '$.n') FROM events ORDER BY number"
    return (
        {row[:5]: row[5:] for row in select(award).fetchall()},
        {row[0]: (*row[1:3], row[3] and told(row[3]), *row[4:]) for row in select(task).fetchall()},
        [Event(*row) for row in select(event).fetchall()],
    )


def told(award: str) -> tuple[Any, ...]:
    """Which award a task is about."""
    fields = json.loads(award)
    state = json.loads(fields["text"])
    return fields["user"], state["badge"], state["level"], state["key"] or ""


def expected(model: Model) -> tuple[Any, ...]:
    return (
        {key: dataclasses.astuple(award) for key, award in model.awards.items()},
        {
            number: (
                task.kind.slug, task.case.event.number, task.case.award and task.case.award[:4],
                task.frozen, task.failed, task.due_at, task.attempts, task.token,
            )
            for number, task in model.tasks.items()
        },
        model.events,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("runs", "steps"), [pytest.param(12, 20, id="quick"), pytest.param(60, 40, id="long", marks=pytest.mark.long)]
)
def test_nothing_is_lost_and_nothing_doubled(runs: int, steps: int) -> None:
    StoreBesideModel.ended.clear()
    run(
        StoreBesideModel,
        settings=settings(max_examples=runs, stateful_step_count=steps, deadline=None, derandomize=True),
    )

    assert min(StoreBesideModel.ended[True], StoreBesideModel.ended[False]) >= runs / 12


@pytest.mark.soak
def test_nothing_is_lost_and_nothing_doubled_by_other_steps_each_time() -> None:
    run(StoreBesideModel, settings=settings(max_examples=3000, stateful_step_count=80, deadline=None, print_blob=True))
