"""Definitions: what a badge class may be, and every mistake told at once."""

from __future__ import annotations

from typing import Any

import pytest

from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail
from brabeion_cli.errors import BadgeLoadError
from brabeion_cli.project.registry import Registry
from brabeion_cli.project.validation import definition_mistakes


def award(self: Badge, **state: Any) -> BadgeAwarded | None:
    return BadgeAwarded()


def define(**attributes: Any) -> type[Badge]:
    good = {"slug": "good", "levels": ["One"], "events": ["it_happened"], "award": award}
    return type("Defined", (Badge,), {name: value for name, value in (good | attributes).items() if value is not ...})


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"slug": "a"},
        {"slug": "0-9_z"},
        {"slug": "x" * 100},
        {"levels": ("Bronze", BadgeDetail("Silver", "shiny"))},
        {"events": ("one", "two")},
        {"multiple": True},
        {"levels": ["a", "b"], "cumulative": True, "async_": True},
    ],
)
def test_a_good_definition_has_no_mistakes(attributes: dict[str, Any]) -> None:
    assert definition_mistakes(define(**attributes)) == []


@pytest.mark.parametrize(
    ("attributes", "attribute", "text"),
    [
        ({"slug": ...}, "slug", "has no slug"),
        ({"slug": ""}, "slug", "slug is ''"),
        ({"slug": "Upper"}, "slug", "'Upper'"),
        ({"slug": "-dash-first"}, "slug", "1 to 100"),
        ({"slug": "x" * 101}, "slug", "1 to 100"),
        ({"slug": "a\n"}, "slug", "1 to 100"),
        ({"slug": 7}, "slug", "slug is 7"),
        ({"levels": ...}, "levels", "has no levels"),
        ({"levels": []}, "levels", "empty"),
        ({"levels": "Gold"}, "levels", "'Gold'"),
        ({"levels": BadgeDetail("Gold")}, "levels", "must be a list"),
        ({"levels": ["Gold", 3]}, "levels", "level 2 is 3"),
        ({"levels": [BadgeDetail("")]}, "levels", "level 1"),
        ({"levels": [BadgeDetail("a", image=object())]}, "levels", "its description and image must be text"),
        ({"events": ...}, "events", "has no events"),
        ({"events": []}, "events", "empty"),
        ({"events": "it_happened"}, "events", "'it_happened'"),
        ({"events": ["fine", ""]}, "events", "event ''"),
        ({"asks": "post_edited"}, "asks", "'post_edited'; it must be a list of event names"),
        ({"asks": ["fine", None]}, "asks", "event None"),
        ({"multiple": 1}, "multiple", "True or False"),
        ({"async_": "yes"}, "async_", "True or False"),
        ({"cumulative": None}, "cumulative", "True or False"),
        ({"multiple": True, "levels": ["a", "b"]}, "multiple", "exactly one level"),
        ({"async": True}, "async", "async_"),
        ({"award": ...}, "award", "has no award"),
        ({"award": lambda self, state: None}, "award", "**state"),
        ({"freeze": lambda self: None}, "freeze", "**state"),
    ],
)
def test_each_mistake_is_named(attributes: dict[str, Any], attribute: str, text: str) -> None:
    (mistake,) = definition_mistakes(define(**attributes))

    assert mistake.attribute == attribute
    assert text in mistake.text


def test_all_mistakes_are_told_at_once() -> None:
    wrong = define(slug="Not This", levels=[], events=..., award=...)

    assert [mistake.attribute for mistake in definition_mistakes(wrong)] == ["slug", "levels", "events", "award"]


def test_an_award_that_is_async_def_or_yields_is_a_mistake() -> None:
    async def later(self: Badge, **state: Any) -> None: ...

    def yields(self: Badge, **state: Any) -> Any:
        yield BadgeAwarded()

    assert "async def" in definition_mistakes(define(award=later))[0].text
    assert "yields" in definition_mistakes(define(award=yields))[0].text


@pytest.mark.parametrize("thing", [None, "points", 7, object, Badge.__init__, define()()])
def test_only_badge_classes_can_be_registered(registry: Registry, thing: Any) -> None:
    with pytest.raises(
        BadgeLoadError, match=r"test_definitions\.py:\d+: (object: )?register\(\) takes a subclass of Badge"
    ):
        registry.register(thing)


def test_register_tells_file_and_line_of_each_attribute(registry: Registry) -> None:
    class Odd(Badge):
        slug = "ODD"
        levels: list[str] = []
        events = ["it_happened"]

        def award(self, **state: Any) -> None: ...

    with pytest.raises(BadgeLoadError) as caught:
        registry.register(Odd)

    first, second = str(caught.value).splitlines()
    assert "Odd: slug is 'ODD'" in first
    assert "Odd: levels is empty" in second
    lines = [int(line.split(":")[1]) for line in (first, second)]
    assert lines[1] == lines[0] + 1
    assert len(registry) == 0


def test_register_returns_the_class_and_keeps_its_levels_as_written(registry: Registry) -> None:
    badge = define(levels=["Bronze", BadgeDetail("Silver", "shiny", "s.png")])
    before = list(badge.levels)

    assert registry.register(badge) is badge
    assert badge.levels == before
    made = registry.get("good")
    assert made is not None
    assert made.detail(1) == BadgeDetail("Bronze", None, None)
    assert made.detail(2) == BadgeDetail("Silver", "shiny", "s.png")


def test_a_slug_is_taken_once(registry: Registry) -> None:
    registry.register(define())

    with pytest.raises(BadgeLoadError, match="slug 'good' is taken by Defined"):
        registry.register(define())


def test_a_badge_that_cannot_be_made_is_a_mistake(registry: Registry) -> None:
    def broken(self: Badge) -> None:
        raise RuntimeError("no such thing")

    with pytest.raises(BadgeLoadError, match="cannot be created: RuntimeError: no such thing"):
        registry.register(define(__init__=broken))


def test_the_registry_answers_by_slug_and_event_in_order(registry: Registry) -> None:
    registry.register(define(slug="b", events=["x", "y", "x"]))
    registry.register(define(slug="a", events=["y"]))

    assert [badge.slug for badge in registry] == registry.slugs == ["b", "a"]
    assert [badge.slug for badge in registry.listening_to("y")] == ["b", "a"]
    assert [badge.slug for badge in registry.listening_to("x")] == ["b"]
    assert list(registry.listening_to("z")) == []
    assert registry.event_names == ["x", "y"]


def test_several_answers_are_one() -> None:
    first, second = BadgeAwarded(key="a"), BadgeAwarded(key="b")

    assert BadgeAwarded.several([]) is None
    assert BadgeAwarded.several([first]) == first
    assert BadgeAwarded.several(iter([first, second])) == BadgeAwarded(key="a", also=(second,))
