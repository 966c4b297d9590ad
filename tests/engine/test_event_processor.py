"""Award rules: an event → outcomes, against a real store."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail
from brabeion_cli.domain import award_rules, events
from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.outcomes import Failure, Outcome, Recorded
from brabeion_cli.engine.event_processor import Engine
from brabeion_cli.engine.notifications import announce
from brabeion_cli.errors import EventError
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.signals import badge_awarded
from brabeion_cli.store.store import Store
from tests.conftest import NOW

Answer = Callable[[dict[str, Any]], object]


class Site:
    """A registry and a store, and events that are fired at them."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self.registry, self.store = registry, store

    def badge(self, answer: Answer, slug: str = "one", **attributes: Any) -> None:
        def award(self: Badge, **state: Any) -> Any:
            return answer(state)

        fields = {"slug": slug, "levels": ["One"], "events": ["e"], "award": award}
        self.registry.register(type("Made", (Badge,), fields | attributes))

    def fire(self, user: str = "alice", doomed: dict[str, Failure] | None = None, **state: Any) -> Recorded:
        fields = {name: state.pop(name) for name in ("id", "at") if name in state}
        event = events.make("e", state, user=user, now=NOW, max_bytes=10_000, **fields)
        with Guard(0.5) as guard, self.store.transaction():
            return Engine(self.registry, self.store, guard).record(event, NOW, doomed)

    def outcomes(self, **state: Any) -> list[tuple[str, int | None]]:
        return [(outcome.outcome, outcome.level) for outcome in self.fire(**state).outcomes]

    def awards(self) -> list[Any]:
        return self.store.database.execute_sql(
            'SELECT "user", badge, level, "key" FROM awards ORDER BY 1, 2, 3, 4'
        ).fetchall()


@pytest.fixture
def site(registry: Registry, store: Store) -> Site:
    return Site(registry, store)


def test_an_award_knows_its_event_and_moment(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded())

    recorded = site.fire(at="2020-01-02T03:04:05Z")

    assert recorded.outcomes == [Outcome("one", "awarded", "alice", 1, "One", None)]
    rows = site.store.database.execute_sql("SELECT awarded_at, event_number, given_by FROM awards").fetchall()
    assert rows == [("2020-01-02T03:04:05.000000Z", 1, None)]


def test_once_is_once_for_each_user_and_level(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded(level=state["n"]), levels=["a", "b", "c"])

    assert [site.outcomes(n=n) for n in (2, 2, 1, 3, 1)] == [
        [("awarded", 2)],
        [("held", 2)],
        [("awarded", 1)],
        [("awarded", 3)],
        [("held", 1)],
    ]
    assert site.outcomes(user="bob", n=2) == [("awarded", 2)]


def test_a_multiple_badge_is_awarded_by_every_event(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded(), multiple=True)

    assert [site.outcomes() for _ in range(3)] == [[("awarded", 1)]] * 3
    assert len(site.awards()) == 3


@pytest.mark.parametrize("multiple", [False, True])
def test_a_key_makes_it_once_per_key(site: Site, multiple: bool) -> None:
    site.badge(lambda state: BadgeAwarded(key=state["post"]), multiple=multiple)

    assert [site.outcomes(post=post)[0][0] for post in (1, "1", 2, "1")] == ["awarded", "held", "awarded", "held"]


def test_a_cumulative_badge_grants_the_lower_levels_lowest_first(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded(level=state["n"], key="k"), levels=["a", "b", "c"], cumulative=True)

    assert site.outcomes(n=2) == [("awarded", 1), ("awarded", 2)]
    assert site.outcomes(n=3) == [("awarded", 3)]
    assert site.outcomes(n=2) == [("held", 2)]


def test_a_cumulative_badge_does_not_give_back_a_revoked_level(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded(level=state["n"]), levels=["a", "b"], cumulative=True)
    site.fire(n=1)
    site.store.database.execute_sql("UPDATE awards SET revoked_at = 'now', revoked_by = 'bob'")

    assert site.outcomes(n=2) == [("awarded", 2)]
    assert site.outcomes(n=1) == [("revoked", 1)]


def test_an_award_may_go_to_somebody_else(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded(user=state["to"]))

    assert site.fire(to=42).outcomes[0].user == "42"
    assert site.awards() == [("42", "one", 1, "")]


def test_several_awards_come_from_one_event(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded.several(BadgeAwarded(key=tag) for tag in state["tags"]))

    recorded = site.fire(tags=["a", "b", "a"])

    assert [(outcome.outcome, outcome.key) for outcome in recorded.outcomes] == [("awarded", "a"), ("awarded", "b")]
    assert site.outcomes(tags=[]) == [("none", None)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (True, "answered True (bool)"),
        ("gold", "answered 'gold' (str); it must return BadgeAwarded(…) or None"),
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
        (BadgeAwarded(also=(None,)), "with None in also"),
    ],
)
def test_a_wrong_answer_is_an_error_that_names_the_badge(site: Site, answer: object, message: str) -> None:
    site.badge(lambda state: answer)
    site.badge(lambda state: BadgeAwarded(), slug="other")

    wrong, fine = site.fire().outcomes

    assert (wrong.outcome, wrong.badge, fine.outcome) == ("error", "one", "awarded")
    assert message in str(wrong.error)
    assert "'one'" in str(wrong.error)


def test_a_level_is_needed_where_there_are_several(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded(), levels=["a", "b"])

    assert "no level: badge 'one' has 2" in str(site.fire().outcomes[0].error)


def test_a_badge_that_raises_loses_neither_the_event_nor_the_others(site: Site) -> None:
    site.badge(lambda state: state["missing"], slug="odd")
    site.badge(lambda state: BadgeAwarded(), slug="fine")

    odd, fine = site.fire().outcomes

    assert (odd.outcome, odd.error, fine.outcome) == ("error", "KeyError: 'missing'", "awarded")
    assert str(odd.where).startswith("test_event_processor.py:")
    rows = site.store.database.execute_sql("SELECT number, badge, state, attempts, error FROM tasks").fetchall()
    assert rows == [(odd.task, "odd", None, 0, "KeyError: 'missing'")]


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), RecursionError("deep"), MemoryError()])
def test_whatever_a_badge_raises_is_its_own(site: Site, error: BaseException) -> None:
    def raise_it(state: dict[str, Any]) -> None:
        raise error

    site.badge(raise_it)

    assert str(site.fire().outcomes[0].error).startswith(type(error).__name__)


def test_a_badge_that_takes_too_long_is_stopped(site: Site) -> None:
    def hang(state: dict[str, Any]) -> None:
        while True:
            try:
                sum(range(10_000))
            except Exception:
                continue

    site.badge(hang)

    assert site.fire().outcomes[0].error == "TimeoutError: no answer within 0.5 s"


def test_an_exception_whose_text_raises_is_described(site: Site) -> None:
    class NastyError(Exception):
        def __str__(self) -> str:
            raise ValueError

    def raise_it(state: dict[str, Any]) -> None:
        raise NastyError

    site.badge(raise_it)

    assert site.fire().outcomes[0].error == "NastyError: (its text raises ValueError)"


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, [{"a": 1}], {"a": [1]}, {"a": {"b": [1, [2]]}}, [[]], {}, 1])
def test_each_badge_gets_a_copy_of_its_own(site: Site, value: Any) -> None:
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

    site.badge(spoil, slug="first")
    site.badge(spoil, slug="second")

    assert [outcome.outcome for outcome in site.fire(value=value, n=1).outcomes] == ["awarded", "awarded"]
    assert site.store.database.execute_sql("SELECT state FROM events").fetchone() == (
        f'{{"value":{text.replace(" ", "")},"n":1}}',
    )


def test_a_deferred_badge_is_frozen_and_queued(site: Site) -> None:
    def freeze(self: Badge, **state: Any) -> dict[str, Any]:
        return {"seen": (state["n"], state["user"])}

    site.badge(lambda state: BadgeAwarded(), async_=True, freeze=freeze)

    (outcome,) = site.fire(n=5).outcomes

    assert outcome == Outcome("one", "queued", task=1)
    rows = site.store.database.execute_sql("SELECT state FROM tasks").fetchall()
    assert rows == [('{"seen":{"$type":"tuple","value":[5,"alice"]}}',)]
    assert site.awards() == []


def test_a_freeze_that_fails_is_an_error_and_tried_again(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded(), async_=True, freeze=lambda self, **state: {"x": object()})

    (outcome,) = site.fire().outcomes

    assert (outcome.outcome, outcome.task) == ("error", 1)
    assert "state['x'] is a object, which cannot be stored" in str(outcome.error)


def test_the_same_id_with_the_same_content_is_a_duplicate(site: Site) -> None:
    site.badge(lambda state: BadgeAwarded(), multiple=True)
    first = site.fire(id="a", at="2020-01-01", x=1, y=[2])

    again = site.fire(id="a", y=[2], x=1)

    assert (again.duplicate, again.outcomes) == (True, [])
    assert again.event.at == first.event.at
    assert len(site.awards()) == 1


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
def test_the_same_id_with_other_content_is_an_error(site: Site, change: dict[str, Any], what: str) -> None:
    site.fire(id="a", at="2020-01-01", x=1)

    with pytest.raises(EventError, match=f"id 'a' is taken by an event with {what}"):
        site.fire(**{"id": "a", "at": "2020-01-01", "x": 1, **change})


def test_a_doomed_badge_is_not_asked(site: Site) -> None:
    site.badge(lambda state: pytest.fail("asked"), slug="killer")
    site.badge(lambda state: BadgeAwarded(), slug="fine")

    killer, fine = site.fire(doomed={"killer": Failure("its process was killed")}).outcomes

    assert (killer.outcome, killer.error, fine.outcome) == ("error", "its process was killed", "awarded")


def test_outcomes_as_json_have_the_fields_of_their_kind() -> None:
    awarded = Outcome("b", "awarded", "u", 1, "One", "k")

    assert awarded.as_json() == {
        "badge": "b", "outcome": "awarded", "user": "u", "level": 1, "level_name": "One", "key": "k",
    }  # fmt: skip
    assert Outcome("b", "none").as_json() == {"badge": "b", "outcome": "none"}
    assert Outcome("b", "queued", task=3).as_json() == {"badge": "b", "outcome": "queued", "task": 3}
    assert set(Outcome("b", "error", task=3, error="E").as_json()) == {"badge", "outcome", "error", "where", "task"}


def test_grants_are_in_order_and_without_repeats(registry: Registry) -> None:
    def award(self: Badge, **state: Any) -> None: ...

    badge = type(
        "B", (Badge,), {"slug": "b", "levels": ["x", "y"], "events": ["e"], "award": award, "cumulative": True}
    )()
    answer = BadgeAwarded(2, key="a", also=(BadgeAwarded(1, key="b"), BadgeAwarded(2, key="a")))

    assert award_rules.from_answer(badge, answer, "u", 9) == [
        Grant("u", "b", 1, "a", implied=True),
        Grant("u", "b", 2, "a"),
        Grant("u", "b", 1, "b"),
    ]


def test_receivers_hear_of_new_awards_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    signal = badge_awarded
    monkeypatch.setattr(signal, "_receivers", [])

    @signal.connect
    def remember(sender: Badge, badge_award: Any, **kwargs: Any) -> None:
        heard.append((sender, badge_award))

    @signal.connect
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("no mail today")

    site.badge(lambda state: BadgeAwarded(key="k"), levels=[BadgeDetail("Gold", "shiny", "g.svg")])
    with Guard(1) as guard:
        failures = [announce(site.registry, guard, site.fire().awards) for _ in range(2)]

    ((sender, award),) = heard
    assert sender is site.registry.get("one")
    assert (award.user, award.slug, award.level, award.name, award.key) == ("alice", "one", 1, "Gold", "k")
    assert (award.description, award.image, award.awarded_at, award.event) == ("shiny", "g.svg", NOW, 1)
    assert "broken of badge_awarded failed: RuntimeError: no mail today" in failures[0][0]
    assert failures[1] == []
