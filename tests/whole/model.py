"""What a store must hold, as plain dictionaries: what engine, queue and replay promise, written a second time.

Badges answer by the same functions here and there, but what they are told of the past is counted here without an index.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from brabeion_cli.base import Badge, BadgeAwarded
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.project.registry import Registry

USERS = ("ann", "bob")
OTHER = dict(zip(USERS, reversed(USERS), strict=True))

Key = tuple[str, str, int, str, int]
"""user, badge, level, key, occasion: what is awarded once."""


class Asked(NamedTuple):
    """What a badge is told: the event's user and number, a way to count, and the award that it is about, if any."""

    user: str
    n: int
    count: Callable[[str, str], int]
    broken: bool
    about: tuple[str, int, str] | None


class Kind(NamedTuple):
    """A badge; `answer` and `freeze` raise where they are broken."""

    slug: str
    events: Sequence[str]
    answer: Callable[[Asked], Iterable[BadgeAwarded]]
    levels: int = 1
    multiple: bool = False
    cumulative: bool = False
    async_: bool = False
    freeze: Callable[[Asked], object] = lambda asked: None


def raises_at(*numbers: int) -> Callable[[Asked], None]:
    def check(asked: Asked) -> None:
        if asked.broken and asked.n in numbers:
            raise ValueError("broken")

    return check


def by_number(asked: Asked) -> list[BadgeAwarded]:
    return [BadgeAwarded(asked.n // 2)] if asked.n >= 2 else []


def by_count(*names: str) -> Callable[[Asked], list[BadgeAwarded]]:
    def answer(asked: Asked) -> list[BadgeAwarded]:
        count = sum(asked.count(asked.user, name) for name in names)
        return [BadgeAwarded(level) for level, least in ((3, 7), (2, 4), (1, 2)) if count >= least][:1]

    return answer


def what_is_seen(asked: Asked) -> list[BadgeAwarded]:
    return [BadgeAwarded(key=f"{asked.count(asked.user, 'a')} {asked.count(OTHER[asked.user], 'b')}")]


def failing(check: Callable[[Asked], None], answer: Callable[[Asked], Any]) -> Callable[[Asked], Any]:
    def checked(asked: Asked) -> Any:
        check(asked)
        return answer(asked)

    return checked


def about_an_award(asked: Asked) -> list[BadgeAwarded]:
    assert asked.about is not None
    slug, level, key = asked.about
    return [BadgeAwarded(key=f"{slug} {level} {key}")] if slug != "collector" else []


KINDS = {
    kind.slug: kind
    for kind in (
        Kind("level", "a", by_number, 3),
        Kind("climber", "b", by_number, 3, cumulative=True),
        Kind("keyed", "ab", lambda asked: [BadgeAwarded(key=f"{asked.n % 3}"), BadgeAwarded(key=f"{asked.n % 2}")]),
        Kind("medal", "b", lambda asked: [BadgeAwarded()] if asked.n % 2 else [], multiple=True),
        Kind("gift", "a", lambda asked: [BadgeAwarded(user=OTHER[asked.user])] if asked.n == 1 else []),
        Kind("counted", "ab", by_count("a", "b"), 3),
        Kind("probe", "a", what_is_seen),
        Kind("odd", "a", failing(raises_at(0, 4), lambda asked: [BadgeAwarded(key=asked.n)])),
        Kind("odd_medal", "b", failing(raises_at(1, 2), lambda asked: [BadgeAwarded()]), multiple=True),
        Kind("late_counted", "a", by_count("a"), 3, cumulative=True, async_=True),
        Kind("late_probe", "b", what_is_seen, async_=True),
        Kind(
            "late_odd", "ab", failing(raises_at(3), lambda asked: [BadgeAwarded()]),
            async_=True, freeze=raises_at(5),
        ),
        Kind("collector", ("badge_awarded",), about_an_award),
    )
}  # fmt: skip


def registry_of(model: Model) -> Registry:
    """The badges for the engine; they are broken while the model is."""
    registry = Registry()
    for kind in KINDS.values():
        registry.register(_badge(kind, model))
    return registry


def _badge(kind: Kind, model: Model) -> type[Badge]:
    def told(state: dict[str, Any]) -> Asked:
        about = (state["badge"], state["level"], state["key"] or "") if "badge" in state else None
        count = lambda user, name: state["history"].of(user).count(name)  # noqa: E731
        return Asked(state["user"], state.get("n", 0), count, model.broken, about)

    def award(self: Badge, **state: Any) -> BadgeAwarded | None:
        return BadgeAwarded.several(kind.answer(told(state)))

    def freeze(self: Badge, **state: Any) -> dict[str, Any]:
        kind.freeze(told(state))
        return state

    fields = {
        "slug": kind.slug, "levels": ["One", "Two", "Three"][: kind.levels], "events": list(kind.events),
        "multiple": kind.multiple, "cumulative": kind.cumulative, "async_": kind.async_,
        "award": award, "freeze": freeze,
    }  # fmt: skip
    return type("Made", (Badge,), fields)


class Event(NamedTuple):
    """An event of the journal; without `dated` its moment is when it was fired."""

    number: int
    name: str
    user: str
    at: str
    id: str | None
    n: int


class Case(NamedTuple):
    """What a badge is asked about: an event, or an award that it earned."""

    event: Event
    award: Key | None = None

    @property
    def name(self) -> str:
        return self.event.name if self.award is None else "badge_awarded"

    @property
    def user(self) -> str:
        return self.event.user if self.award is None else self.award[0]

    @property
    def listeners(self) -> list[Kind]:
        return [kind for kind in KINDS.values() if self.name in kind.events]


@dataclass
class Award:
    """What is on record of an award."""

    at: str
    event: int | None
    position: int
    given_by: str | None = None
    reason: str | None = None
    revoked_at: str | None = None
    revoked_by: str | None = None


@dataclass
class Task:
    """An evaluation in the queue; `frozen` tells whether `freeze()` has answered."""

    kind: Kind
    case: Case
    frozen: bool
    failed: bool
    due_at: str | None
    attempts: int = 0
    token: str | None = None


@dataclass
class Model:
    """A store, and whether the badges that can fail do."""

    events: list[Event] = field(default_factory=list)
    awards: dict[Key, Award] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    last_task: int = 0
    broken: bool = False

    # What badges answer

    def asked(self, case: Case, *, hindsight: bool = False) -> Asked:
        """What is told to a badge that is asked about the case: the journal as of it, or with hindsight."""
        event = case.event

        def count(user: str, name: str) -> int:
            return sum(
                (each.user, each.name) == (user, name)
                and (each.at, each.number) <= (event.at, event.number)
                and (hindsight or each.number <= event.number)
                for each in self.events
            )

        if case.award is None:
            return Asked(case.user, event.n, count, self.broken, None)
        return Asked(case.user, 0, count, self.broken, case.award[1:4])

    def ask(self, kind: Kind, case: Case, *, hindsight: bool = False, frozen: bool = False) -> list[Key]:
        """The awards that a badge gives. Raises `ValueError` where it fails."""
        asked = self.asked(case, hindsight=hindsight)
        if kind.async_ and not frozen:
            kind.freeze(asked)
        keys: list[Key] = []
        for awarded in kind.answer(asked):
            key = "" if awarded.key is None else str(awarded.key)
            keys += levels(kind, awarded.level or 1, str(awarded.user or case.user), key, case.event.number)
        return list(dict.fromkeys(keys))

    # Events

    def record(self, event: Event, now: datetime) -> None:
        self.events.append(event)
        cases = [Case(event)]
        for case in cases:
            for kind in case.listeners:
                try:
                    if kind.async_:
                        kind.freeze(self.asked(case))
                        self.defer(kind, case, now, frozen=True)
                    else:
                        cases += [Case(event, key) for key in self.enter(self.ask(kind, case), event.at, event.number)]
                except ValueError:
                    self.defer(kind, case, now, failed=True)

    def enter(self, keys: Iterable[Key], at: str, event: int | None, *, belated: bool = False, **by: str) -> list[Key]:
        """Enter awards; those that are new, or dated back."""
        entered = []
        for key in keys:
            held = self.awards.get(key)
            if held is None or self.lacks(key):
                self.awards[key] = Award(at, event, self.next_position(event), **by)
            elif (
                belated and event is not None and held.event is not None
                and held.event > event and held.at >= at and held.revoked_by is None
            ):  # fmt: skip
                held.at, held.event, held.position = at, event, self.next_position(event)
            else:
                continue
            entered.append(key)
        return entered

    def lacks(self, key: Key) -> bool:
        """Whether the award was never given, or was taken back by a replay."""
        return key not in self.awards or self.awards[key].revoked_by == "replay"

    def next_position(self, event: int | None) -> int:
        if event is None:
            return 0
        return 1 + max((award.position for award in self.awards.values() if award.event == event), default=0)

    # The queue

    def defer(self, kind: Kind, case: Case, now: datetime, *, frozen: bool = False, failed: bool = False) -> None:
        self.last_task += 1
        self.tasks[self.last_task] = Task(kind, case, frozen, failed, moment(now))

    def claim(self, limit: int, lease: float, max_attempts: int, now: datetime) -> tuple[list[int], list[int]]:
        """The numbers of the tasks that a worker gets, and of those that it finds to have killed their workers."""
        died = [
            number
            for number, task in self.tasks.items()
            if task.token and is_due(task, now) and task.attempts >= max_attempts
        ]
        for number in died:
            self.put_off(number, None)
        busy = {task.case.user for task in self.tasks.values() if task.token and not is_due(task, now)}
        chosen: list[int] = []
        for number, task in sorted(self.tasks.items(), key=lambda each: (each[1].due_at or "", each[0])):
            if not is_due(task, now) or task.case.user in busy:
                continue
            if task.attempts == 0 or not chosen:
                chosen.append(number)
            if task.attempts > 0 or len(chosen) == limit:
                break
        for task in map(self.tasks.__getitem__, chosen):
            task.attempts += 1
            task.due_at, task.token = moment(now + timedelta(seconds=lease)), "to be told"
        return chosen, died

    def holds(self, number: int, token: str) -> bool:
        """Whether a worker's lease is still its own."""
        return number in self.tasks and self.tasks[number].token == token

    def finish(self, number: int, keys: list[Key], now: datetime) -> None:
        case = self.tasks.pop(number).case
        for key in self.enter(keys, case.event.at, case.event.number, belated=True):
            for kind in Case(case.event, key).listeners:
                self.defer(kind, Case(case.event, key), now)

    def put_off(self, number: int, due_at: str | None) -> None:
        """After a failure; None: for good."""
        task = self.tasks[number]
        task.token, task.due_at, task.failed = None, due_at, True

    # By hand

    def give(self, user: str, kind: Kind, level: int, key: str, now: datetime, **by: str) -> None:
        lowest = min([0, *(held[4] for held in self.awards if held[:2] == (user, kind.slug))])
        self.enter(levels(kind, level, user, key, lowest - 1), moment(now), None, **by)

    def revoke(self, keys: Iterable[Key], by: str, now: datetime) -> None:
        for key in keys:
            if self.awards[key].revoked_at is None:
                self.awards[key].revoked_at, self.awards[key].revoked_by = moment(now), by

    # Replay

    def replay(self, now: datetime, *, prune: bool = False) -> None:
        """Award what is missing; with `prune` revoke what no event earns."""
        foreseen = self.apart() if prune else self
        granted, failed = foreseen.walk()
        while prune and (stale := foreseen.stale(granted, failed)):
            foreseen.revoke(stale, "replay", now)
            granted, more = foreseen.walk()
            failed |= more
        lost = [key for key, award in foreseen.awards.items() if award.revoked_by == "replay" and key in self.awards]
        self.revoke(lost, "replay", now)
        won = [
            (award.at, award.event, award.position, key)
            for key, award in foreseen.awards.items()
            if award.event is not None and award.revoked_at is None
        ]
        for at, event, _, key in sorted(won):
            self.enter([key], at, event)

    def apart(self) -> Model:
        """A copy with awards of its own."""
        foreseen = copy.copy(self)
        foreseen.awards = {key: copy.copy(award) for key, award in self.awards.items()}
        return foreseen

    def walk(self) -> tuple[set[Key], set[str]]:
        """Judge the journal in its order; what it gives, and the badges that failed."""
        granted: set[Key] = set()
        failed: set[str] = set()
        for event in sorted(self.events, key=lambda each: (each.at, each.number)):
            seen: set[Key] = set()
            cases = [Case(event)]
            for case in cases:
                earned: dict[Key, int] = {}
                for kind in case.listeners:
                    try:
                        keys = self.ask(kind, case, hindsight=True)
                    except ValueError:
                        failed.add(kind.slug)
                        keys = [key for key in self.awards if key[1] == kind.slug and not self.lacks(key)]
                    else:
                        granted.update(keys)
                        self.enter(keys, event.at, event.number)
                    earned |= {key: self.awards[key].position for key in keys if self.awards[key].event == event.number}
                cases += [Case(event, key) for key in sorted(earned, key=earned.__getitem__) if key not in seen]
                seen |= earned.keys()
        return granted, failed

    def stale(self, granted: set[Key], failed: set[str]) -> list[Key]:
        """Awards that an event earned once, and none earns now."""
        return [
            key
            for key, award in self.awards.items()
            if award.event is not None and award.revoked_at is None and key not in granted and key[1] not in failed
        ]


def levels(kind: Kind, level: int, user: str, key: str, occasion: int) -> list[Key]:
    """What goes with a level: for a cumulative badge the lower ones."""
    occasion = occasion if kind.multiple and not key else 0
    return [(user, kind.slug, each, key, occasion) for each in range(1 if kind.cumulative else level, level + 1)]


def is_due(task: Task, now: datetime) -> bool:
    return task.due_at is not None and task.due_at <= moment(now)
