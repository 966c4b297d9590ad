"""Evaluates a badge for one entry of the journal: gives it state and history, and checks what it returns."""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from brabeion_cli import locations
from brabeion_cli.base import Badge
from brabeion_cli.domain import grants, serializer
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.timeline import AsOf, JournalEntry
from brabeion_cli.engine.history import History
from brabeion_cli.engine.journal import Journal
from brabeion_cli.sandbox.guard import BadgeFailedError

T = TypeVar("T")

CONTAINERS = frozenset((dict, list))  # the only JSON values that a badge could change


class Ask(Protocol):
    """Runs a function that calls a badge, as `Guard.call` does. Raises `BadgeFailedError`."""

    def __call__(self, badge: Badge, work: Callable[[], T], /) -> T:
        """Returns what `work()` returns."""


class EvaluationContext:
    """An entry of the journal, with the state and history that badges get when they are asked about it.

    With `hindsight`, badges also see entries that were recorded later but are dated before it.
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
        """Tells an award for this entry apart from the same award for another entry."""
        return grants.occasion_of(self.entry.number, self.entry.position)

    def state(self) -> dict[str, Any]:
        """The state for one badge. Pass it with `**`, so that the badge gets a dictionary of its own."""
        for name, copy in self._copies:
            self._state[name] = copy()
        return self._state

    def restored_state(self, frozen: str) -> dict[str, Any]:
        """The state for a badge whose `freeze()` returned `frozen` (JSON)."""
        return {**serializer.decode(frozen), "user": self.entry.user, "history": self.history}


def _is_flat(text: str) -> bool:
    """Whether a state's JSON surely has no object or array within, which badges could share and change."""
    return text.find("{", 1) < 0 and "[" not in text


def _copies(state: dict[str, Any]) -> list[tuple[str, Callable[[], Any]]]:
    """The fields that badges could share and change, each with a function that makes a new copy of its value."""
    return [(name, _copier(value)) for name, value in state.items() if type(value) in CONTAINERS]


def _copier(value: Any) -> Callable[[], Any]:
    within = value if type(value) is list else value.values()
    if CONTAINERS.isdisjoint(map(type, within)):
        copy: Callable[[], Any] = value.copy
        return copy
    return partial(marshal.loads, marshal.dumps(value))  # the fastest way to copy nested values


def frozen_state(badge: Badge, context: EvaluationContext, ask: Ask) -> str:
    """The JSON of what the badge's `freeze()` returns. Raises `BadgeFailedError`."""
    state = context.state()

    def kept() -> str:
        # The guard also covers the encoding, because what freeze() returns may have methods of its own.
        answer = badge.freeze(**state)
        if isinstance(answer, Mapping):
            answer = {key: value for key, value in answer.items() if key not in ("user", "history")}
        return serializer.encode(answer)

    return ask(badge, kept)


def evaluate(badge: Badge, context: EvaluationContext, ask: Ask, frozen: str | None = None) -> list[Grant]:
    """Ask the badge, and return the grants behind what it returns. Raises `BadgeFailedError`.

    A deferred badge gets what its `freeze()` returned: `frozen`, or if that is None, what it returns now.
    """
    if frozen is None and badge.async_:
        frozen = frozen_state(badge, context, ask)
    state = context.state() if frozen is None else context.restored_state(frozen)

    def grants_of_answer() -> list[Grant]:
        answer = badge.award(**state)
        if answer is None:
            return []
        return grants.grants_from_answer(badge, answer, context.entry.user, context.occasion)

    try:
        return ask(badge, grants_of_answer)
    except BadgeFailedError as error:
        if isinstance(error.__cause__, grants.InvalidAwardError):
            location = locations.of_class(type(badge), "award")
            where = None if location is None else location.short()
            raise BadgeFailedError(error.failure._replace(error=str(error.__cause__), where=where)) from error.__cause__
        raise
