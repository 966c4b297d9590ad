"""Asks a badge about one entry of the journal: its state, its history, its answer."""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from brabeion_cli import locations
from brabeion_cli.base import Badge
from brabeion_cli.domain import award_rules, serializer
from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.timeline import AsOf, JournalEntry
from brabeion_cli.engine.history import History
from brabeion_cli.engine.journal import Journal
from brabeion_cli.sandbox.guard import BadgeFailedError

T = TypeVar("T")

CONTAINERS = frozenset((dict, list))  # in a state; nothing else that JSON knows can be changed


class Ask(Protocol):
    """Runs a piece of work that calls a badge, as `Guard.call` does. Raises `BadgeFailedError`."""

    def __call__(self, badge: Badge, work: Callable[[], T], /) -> T:
        """What `work()` returns."""


class EvaluationContext:
    """An entry, with all that badges are told when they are asked about it.

    With `hindsight` they see what was recorded after it, too, as far as it is dated before it.
    """

    def __init__(
        self, entry: JournalEntry, journal: Journal, *, state: dict[str, Any] | None = None, hindsight: bool = False
    ) -> None:
        self.entry = entry
        self.history = History(journal, entry.user, entry, AsOf.of(entry, hindsight=True) if hindsight else None)
        fields: dict[str, Any] = json.loads(entry.state_json) if state is None else state
        self._state = {**fields, "user": entry.user, "history": self.history}
        self._copies = [] if _is_flat(entry.state_json) else _copies(fields)

    @property
    def occasion(self) -> int:
        """What makes an award for it another one than for any other entry."""
        return award_rules.occasion_of(self.entry.number, self.entry.position)

    def state(self) -> dict[str, Any]:
        """What one badge is told, for a call with `**`: that makes it a dictionary of the badge's own."""
        for name, copy in self._copies:
            self._state[name] = copy()
        return self._state

    def thawed(self, frozen: str) -> dict[str, Any]:
        """The state that the badge's `freeze()` returned."""
        return {**serializer.decode(frozen), "user": self.entry.user, "history": self.history}


def _is_flat(text: str) -> bool:
    """Whether a state's JSON has nothing in it that badges could share and change; at a glance, and rather not."""
    return text.find("{", 1) < 0 and "[" not in text


def _copies(state: dict[str, Any]) -> list[tuple[str, Callable[[], Any]]]:
    """The fields that badges could share and change, each with what makes another copy of its value."""
    return [(name, _copier(value)) for name, value in state.items() if type(value) in CONTAINERS]


def _copier(value: Any) -> Callable[[], Any]:
    within = value if type(value) is list else value.values()
    if CONTAINERS.isdisjoint(map(type, within)):
        copy: Callable[[], Any] = value.copy
        return copy
    return partial(marshal.loads, marshal.dumps(value))  # the quickest way to copy what is nested deeper


def frozen_state(badge: Badge, context: EvaluationContext, ask: Ask) -> str:
    """The JSON of what the badge's `freeze()` returns. Raises `BadgeFailedError`."""
    state = context.state()

    def kept() -> str:
        # Encoded under guard, too: what it returns may have methods of its own.
        answer = badge.freeze(**state)
        if isinstance(answer, Mapping):
            answer = {key: value for key, value in answer.items() if key not in ("user", "history")}
        return serializer.encode(answer)

    return ask(badge, kept)


def evaluate(badge: Badge, context: EvaluationContext, ask: Ask, frozen: str | None = None) -> list[Grant]:
    """Ask the badge; the grants behind its answer. Raises `BadgeFailedError`.

    A deferred badge is told what its `freeze()` returned: `frozen`, or where that is None, what it returns now.
    """
    if frozen is None and badge.async_:
        frozen = frozen_state(badge, context, ask)
    state = context.state() if frozen is None else context.thawed(frozen)

    def grants_of_answer() -> list[Grant]:
        answer = badge.award(**state)
        if answer is None:
            return []
        return award_rules.from_answer(badge, answer, context.entry.user, context.occasion)

    try:
        return ask(badge, grants_of_answer)
    except BadgeFailedError as error:
        if isinstance(error.__cause__, award_rules.WrongAnswerError):
            where = locations.short(locations.of_class(type(badge), "award"))
            raise BadgeFailedError(error.failure._replace(error=str(error.__cause__), where=where)) from error.__cause__
        raise
