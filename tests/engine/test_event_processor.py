"""Award rules: an event → outcomes, against a real store."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail
from brabeion_cli.domain import events, grants
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import Failure, Outcome, OutcomeKind, RecordedEvent
from brabeion_cli.engine.event_processor import EventProcessor
from brabeion_cli.engine.notifications import notify
from brabeion_cli.engine.session import Session
from brabeion_cli.errors import EventError
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.signals import badge_awarded
from brabeion_cli.store.store import Store
from tests.support.moments import NOW

Answer = Callable[[dict[str, Any]], object]


class RecordingEngine:
    """A registry and a store, and events that are fired at them."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self.registry, self.store = registry, store

    def badge(self, answer: Answer, slug: str = "one", **attributes: Any) -> None:
        def award(self: Badge, **state: Any) -> Any:
            return answer(state)

        fields = {"slug": slug, "levels": ["One"], "events": ["e"], "award": award}
        self.registry.register(type("Made", (Badge,), fields | attributes))

    def fire(self, user: str = "alice", excluded: dict[str, Failure] | None = None, **state: Any) -> RecordedEvent:
        fields = {name: state.pop(name) for name in ("id", "at") if name in state}
        event = events.make("e", state, user=user, now=NOW, max_bytes=10_000, **fields)
        with Guard(0.5) as guard, self.store.transaction():
            guard.excluded = excluded or {}
            return EventProcessor(Session(self.registry, self.store, guard)).record(event, NOW)

    def outcomes(self, **state: Any) -> list[tuple[str, int | None]]:
        return [(outcome.outcome, outcome.level) for outcome in self.fire(**state).outcomes]

    def awards(self) -> list[Any]:
        return self.store.database.execute_sql(
            'SELECT "user", badge, level, "key" FROM awards ORDER BY 1, 2, 3, 4'
        ).fetchall()


@pytest.fixture
def engine(registry: Registry, store: Store) -> RecordingEngine:
    return RecordingEngine(registry, store)


def test_an_award_knows_its_event_and_moment(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded())

    recorded = engine.fire(at="2020-01-02T03:04:05Z")

    assert recorded.outcomes == [Outcome("one", OutcomeKind.AWARDED, "alice", 1, "One", None)]
    rows = engine.store.database.execute_sql("SELECT awarded_at, event_number, given_by FROM awards").fetchall()
    assert rows == [("2020-01-02T03:04:05.000000Z", 1, None)]


def test_once_is_once_for_each_user_and_level(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded(level=state["n"]), levels=["a", "b", "c"])

    assert [engine.outcomes(n=n) for n in (2, 2, 1, 3, 1)] == [
        [("awarded", 2)],
        [("held", 2)],
        [("awarded", 1)],
        [("awarded", 3)],
        [("held", 1)],
    ]
    assert engine.outcomes(user="bob", n=2) == [("awarded", 2)]


def test_a_multiple_badge_is_awarded_by_every_event(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded(), multiple=True)

    assert [engine.outcomes() for _ in range(3)] == [[("awarded", 1)]] * 3
    assert len(engine.awards()) == 3


@pytest.mark.parametrize("multiple", [False, True])
def test_a_key_makes_it_once_per_key(engine: RecordingEngine, multiple: bool) -> None:
    engine.badge(lambda state: BadgeAwarded(key=state["post"]), multiple=multiple)

    assert [engine.outcomes(post=post)[0][0] for post in (1, "1", 2, "1")] == ["awarded", "held", "awarded", "held"]


def test_a_cumulative_badge_grants_the_lower_levels_lowest_first(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded(level=state["n"], key="k"), levels=["a", "b", "c"], cumulative=True)

    assert engine.outcomes(n=2) == [("awarded", 1), ("awarded", 2)]
    assert engine.outcomes(n=3) == [("awarded", 3)]
    assert engine.outcomes(n=2) == [("held", 2)]


def test_a_cumulative_badge_does_not_give_back_a_revoked_level(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded(level=state["n"]), levels=["a", "b"], cumulative=True)
    engine.fire(n=1)
    engine.store.database.execute_sql("UPDATE awards SET revoked_at = 'now', revoked_by = 'bob'")

    assert engine.outcomes(n=2) == [("awarded", 2)]
    assert engine.outcomes(n=1) == [("revoked", 1)]


def test_an_award_may_go_to_somebody_else(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded(user=state["to"]))

    assert engine.fire(to=42).outcomes[0].user == "42"
    assert engine.awards() == [("42", "one", 1, "")]


def test_several_awards_come_from_one_event(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded.several(BadgeAwarded(key=tag) for tag in state["tags"]))

    recorded = engine.fire(tags=["a", "b", "a"])

    assert [(outcome.outcome, outcome.key) for outcome in recorded.outcomes] == [("awarded", "a"), ("awarded", "b")]
    assert engine.outcomes(tags=[]) == [("none", None)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (True, "returned True (bool)"),
        ("gold", "returned 'gold' (str); it must return BadgeAwarded(…) or None"),
        (BadgeAwarded, "it must return BadgeAwarded"),
        ((1, None, None), "(tuple)"),
        ([BadgeAwarded()], "(list)"),
        (BadgeAwarded(level=0), "level is 0; badge 'one' has one level"),
        (BadgeAwarded(level=2), "level is 2"),
        (BadgeAwarded(level=True), "level is True"),
        (BadgeAwarded(level="1"), "level is '1'"),
        (BadgeAwarded(user=""), "the awarded user is empty"),
        (BadgeAwarded(user=1.5), "the awarded user is a number"),
        (BadgeAwarded(key=""), "key is empty"),
        (BadgeAwarded(key=["x"]), "key is an array"),
        (BadgeAwarded(key="x" * 256), "key has 256 characters"),
        (BadgeAwarded(also="ab"), "also='ab'"),
        (BadgeAwarded(also=(None,)), "returned None in also"),
    ],
)
def test_a_wrong_answer_is_an_error_that_names_the_badge(engine: RecordingEngine, answer: object, message: str) -> None:
    engine.badge(lambda state: answer)
    engine.badge(lambda state: BadgeAwarded(), slug="other")

    wrong, fine = engine.fire().outcomes

    assert (wrong.outcome, wrong.badge, fine.outcome) == ("error", "one", "awarded")
    assert message in str(wrong.error)
    assert "'one'" in str(wrong.error)


def test_a_level_is_needed_where_there_are_several(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded(), levels=["a", "b"])

    assert "no level: badge 'one' has 2" in str(engine.fire().outcomes[0].error)


def test_a_badge_that_raises_loses_neither_the_event_nor_the_others(engine: RecordingEngine) -> None:
    engine.badge(lambda state: state["missing"], slug="odd")
    engine.badge(lambda state: BadgeAwarded(), slug="fine")

    odd, fine = engine.fire().outcomes

    assert (odd.outcome, odd.error, fine.outcome) == ("error", "KeyError: 'missing'", "awarded")
    assert str(odd.where).startswith("test_event_processor.py:")
    rows = engine.store.database.execute_sql("SELECT number, badge, state, attempts, error FROM tasks").fetchall()
    assert rows == [(odd.task, "odd", None, 0, "KeyError: 'missing'")]


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), RecursionError("deep"), MemoryError()])
def test_whatever_a_badge_raises_is_its_own(engine: RecordingEngine, error: BaseException) -> None:
    def raise_it(state: dict[str, Any]) -> None:
        raise error

    engine.badge(raise_it)

    assert str(engine.fire().outcomes[0].error).startswith(type(error).__name__)


def test_a_badge_that_takes_too_long_is_stopped(engine: RecordingEngine) -> None:
    def hang(state: dict[str, Any]) -> None:
        while True:
            try:
                sum(range(10_000))
            except Exception:
                continue

    engine.badge(hang)

    assert engine.fire().outcomes[0].error == "TimeoutError: no answer within 0.5 s"


def test_an_exception_whose_text_raises_is_described(engine: RecordingEngine) -> None:
    class NastyError(Exception):
        def __str__(self) -> str:
            raise ValueError

    def raise_it(state: dict[str, Any]) -> None:
        raise NastyError

    engine.badge(raise_it)

    assert engine.fire().outcomes[0].error == "NastyError: (its text raises ValueError)"


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, [{"a": 1}], {"a": [1]}, {"a": {"b": [1, [2]]}}, [[]], {}, 1])
def test_each_badge_gets_a_copy_of_its_own(engine: RecordingEngine, value: Any) -> None:
    text = json.dumps(value)

    def spoil(state: dict[str, Any]) -> BadgeAwarded:
        assert state.pop("history").user == "alice"
        assert state == {"user": "alice", "value": json.loads(text), "n": 1}
        spoil_all(state)
        return BadgeAwarded()

    def spoil_all(part: Any) -> None:
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            spoil_all(inner)
        if isinstance(part, (dict, list)):
            part.clear()

    engine.badge(spoil, slug="first")
    engine.badge(spoil, slug="second")

    assert [outcome.outcome for outcome in engine.fire(value=value, n=1).outcomes] == ["awarded", "awarded"]
    assert engine.store.database.execute_sql("SELECT state FROM events").fetchone() == (
        f'{{"value":{text.replace(" ", "")},"n":1}}',
    )


def test_a_deferred_badge_is_frozen_and_queued(engine: RecordingEngine) -> None:
    def freeze(self: Badge, **state: Any) -> dict[str, Any]:
        return {"seen": (state["n"], state["user"])}

    engine.badge(lambda state: BadgeAwarded(), async_=True, freeze=freeze)

    (outcome,) = engine.fire(n=5).outcomes

    assert outcome == Outcome("one", OutcomeKind.QUEUED, task=1)
    rows = engine.store.database.execute_sql("SELECT state FROM tasks").fetchall()
    assert rows == [('{"seen":{"$type":"tuple","value":[5,"alice"]}}',)]
    assert engine.awards() == []


def test_a_freeze_that_fails_is_an_error_and_tried_again(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded(), async_=True, freeze=lambda self, **state: {"x": object()})

    (outcome,) = engine.fire().outcomes

    assert (outcome.outcome, outcome.task) == ("error", 1)
    assert "state['x'] is a object, which cannot be stored" in str(outcome.error)


def test_the_same_id_with_the_same_content_is_a_duplicate(engine: RecordingEngine) -> None:
    engine.badge(lambda state: BadgeAwarded(), multiple=True)
    first = engine.fire(id="a", at="2020-01-01", x=1, y=[2])

    again = engine.fire(id="a", y=[2], x=1)

    assert (again.duplicate, again.outcomes) == (True, [])
    assert again.event.at == first.event.at
    assert len(engine.awards()) == 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"user": "bob"}, "another user"),
        ({"x": 2}, "another state"),
        ({"x": 1.0}, "another state"),
        ({"at": "2021-01-01"}, "another at"),
        ({"x": 2, "user": "bob"}, "another user and state"),
    ],
)
def test_the_same_id_with_other_content_is_an_error(engine: RecordingEngine, change: dict[str, Any], what: str) -> None:
    engine.fire(id="a", at="2020-01-01", x=1)

    with pytest.raises(EventError, match=f"id 'a' is taken by an event with {what}"):
        engine.fire(**{"id": "a", "at": "2020-01-01", "x": 1, **change})


def test_an_excluded_badge_is_not_asked(engine: RecordingEngine) -> None:
    engine.badge(lambda state: pytest.fail("asked"), slug="killer")
    engine.badge(lambda state: BadgeAwarded(), slug="fine")

    killer, fine = engine.fire(excluded={"killer": Failure("its process was killed")}).outcomes

    assert (killer.outcome, killer.error, fine.outcome) == ("error", "its process was killed", "awarded")


def test_outcomes_as_json_have_the_fields_of_their_kind() -> None:
    awarded = Outcome("b", OutcomeKind.AWARDED, "u", 1, "One", "k")

    assert awarded.as_json() == {
        "badge": "b", "outcome": "awarded", "user": "u", "level": 1, "level_name": "One", "key": "k",
    }  # fmt: skip
    assert Outcome("b", OutcomeKind.NONE).as_json() == {"badge": "b", "outcome": "none"}
    assert Outcome("b", OutcomeKind.QUEUED, task=3).as_json() == {"badge": "b", "outcome": "queued", "task": 3}
    assert set(Outcome("b", OutcomeKind.ERROR, task=3, error="E").as_json()) == {
        "badge",
        "outcome",
        "error",
        "where",
        "task",
    }


def test_grants_are_in_order_and_without_repeats(registry: Registry) -> None:
    def award(self: Badge, **state: Any) -> None: ...

    badge = type(
        "B", (Badge,), {"slug": "b", "levels": ["x", "y"], "events": ["e"], "award": award, "cumulative": True}
    )()
    answer = BadgeAwarded(2, key="a", also=(BadgeAwarded(1, key="b"), BadgeAwarded(2, key="a")))

    assert grants.grants_from_answer(badge, answer, "u", 9) == [
        Grant("u", "b", 1, "a", implied=True),
        Grant("u", "b", 2, "a"),
        Grant("u", "b", 1, "b"),
    ]


def test_receivers_hear_of_new_awards_only(engine: RecordingEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    signal = badge_awarded
    monkeypatch.setattr(signal, "_receivers", [])

    @signal.connect
    def remember(sender: Badge, badge_award: Any, **kwargs: Any) -> None:
        heard.append((sender, badge_award))

    @signal.connect
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("no mail today")

    engine.badge(lambda state: BadgeAwarded(key="k"), levels=[BadgeDetail("Gold", "shiny", "g.svg")])
    with Guard(1) as guard:
        failures = [notify(engine.registry, guard, engine.fire().awards) for _ in range(2)]

    ((sender, award),) = heard
    assert sender is engine.registry.get("one")
    assert (award.user, award.slug, award.level, award.name, award.key) == ("alice", "one", 1, "Gold", "k")
    assert (award.description, award.image, award.awarded_at, award.event) == ("shiny", "g.svg", NOW, 1)
    assert "broken of badge_awarded failed: RuntimeError: no mail today" in failures[0][0]
    assert failures[1] == []


def test_an_award_that_is_answered_twice_is_told_once(engine: RecordingEngine) -> None:
    engine.badge(
        lambda state: BadgeAwarded.several([BadgeAwarded(level=2), BadgeAwarded(level=1)]),
        levels=["One", "Two"], cumulative=True,
    )  # fmt: skip

    assert engine.outcomes() == [("awarded", 1), ("awarded", 2)]
    assert engine.outcomes() == [("held", 1), ("held", 2)]
