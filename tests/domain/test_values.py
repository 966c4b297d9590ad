"""Strict JSON, frozen states, events: what goes in comes out, or is refused by name."""

from __future__ import annotations

import datetime
import functools
import uuid
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brabeion_cli.domain import events, serializer, strict_json
from brabeion_cli.errors import EventError
from tests.support.lengths import holds_for
from tests.support.moments import NOW
from tests.support.texts import TEXT

SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=10)
ZONES = st.sampled_from(
    [None, datetime.timezone.utc, ZoneInfo("Europe/Paris"), datetime.timezone(datetime.timedelta(hours=-3))]
)
RICH = st.recursive(
    SCALARS
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times(timezones=st.sampled_from([None, datetime.timezone.utc]))
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids(),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT | st.just("$type"), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@given(PLAIN)
def test_json_comes_back_as_it_went(value: Any) -> None:
    assert strict_json.parse(strict_json.compact(value)) == value


def test_canonical_text_tells_values_apart_that_python_finds_equal() -> None:
    assert strict_json.canonical({"b": 1, "a": 2}) == strict_json.canonical({"a": 2, "b": 1})
    assert len({strict_json.canonical(value) for value in (1, 1.0, True)}) == 3


@holds_for(st.dictionaries(TEXT, RICH), quick=40, long=100)
def test_a_frozen_state_comes_back_as_it_was(state: dict[str, Any]) -> None:
    restored_state = serializer.decode(serializer.encode(state))

    assert restored_state == state
    assert _types(restored_state) == _types(state)


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _types(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value), *map(_types, value)]
    return type(value), getattr(value, "tzinfo", None), getattr(value, "fold", None)


def test_a_repeated_hour_keeps_its_fold_and_zone() -> None:
    moment = datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris"))

    restored_state = serializer.decode(serializer.encode({"at": moment}))["at"]

    assert (restored_state.tzinfo, restored_state.fold, restored_state.utcoffset()) == (
        moment.tzinfo,
        1,
        moment.utcoffset(),
    )


class Loose(str):
    pass


class Zone(datetime.tzinfo):
    def utcoffset(self, moment: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "freeze() must return a mapping, not None"),
        ([1], "must return a mapping"),
        ({"x": {1, 2}}, "state['x'] is a set"),
        ({"x": [b"bytes"]}, "state['x'][0] is a bytes"),
        ({"x": {"y": object()}}, "state['x']['y'] is a object"),
        ({"x": float("nan")}, "state['x'] is nan"),
        ({"x": {1: 2}}, "state['x'] has the key 1, which is not text"),
        ({"x": "\ud800"}, "state['x'] contains a lone surrogate"),
        ({"x": Loose("a")}, "state['x'] is a Loose"),
        ({"x": datetime.datetime(2026, 1, 1, tzinfo=Zone())}, "which cannot be stored; use zoneinfo"),
        ({"x": functools.reduce(lambda inner, _: (inner,), range(120), ())}, "nested deeper than 200"),
        ({"x": 10**5000}, "digits"),
    ],
)
def test_what_cannot_be_frozen_is_named(state: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        serializer.encode(state)
    assert message in str(caught.value)


def test_a_state_that_contains_itself_cannot_be_frozen() -> None:
    state: dict[str, Any] = {}
    state["me"] = state

    with pytest.raises(ValueError, match="contains itself"):
        serializer.encode(state)


def make(name: object = "it_happened", state: object = None, **fields: Any) -> events.Event:
    return events.make(name, state, **{"user": "alice", "now": NOW, "max_bytes": 1000, **fields})


def test_an_event_is_brought_into_its_recorded_form() -> None:
    event = make(state={"user": 7, "points": 1, "text": "é"}, user=None, at="2026-11-22 19:19+01:00", id=12)

    assert event == events.Event(
        name="it_happened",
        user="7",
        at="2026-11-22T18:19:00.000000Z",
        dated=True,
        id="12",
        state={"points": 1, "text": "é"},
        state_json='{"points":1,"text":"é"}',
    )


def test_an_event_without_a_time_happens_now() -> None:
    event = make()

    assert (event.at, event.dated, event.id) == ("2026-11-22T18:19:00.000000Z", False, None)


@pytest.mark.parametrize(
    ("given_at", "at"),
    [
        ("2026-11-22", "2026-11-22T00:00:00.000000Z"),
        ("2026-11-22T18:19:00.5Z", "2026-11-22T18:19:00.500000Z"),
        ("20261122T181900", "2026-11-22T18:19:00.000000Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00.000000Z"),
        (datetime.datetime(2026, 1, 2, 3), "2026-01-02T03:00:00.000000Z"),
    ],
)
def test_times_are_iso_8601_and_utc_without_a_zone(given_at: object, at: str) -> None:
    assert make(at=given_at).at == at


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "the event's name is empty"),
        ({"name": 7}, "the event's name is a number; it must be text"),
        ({"name": "x" * 256}, "has 256 characters; at most 255"),
        ({"user": None}, "no user; give one, or a user in the state"),
        ({"user": ""}, "user is empty"),
        ({"user": True}, "user is a boolean"),
        ({"user": 1.5}, "user is a number; it must be text"),
        ({"user": "x" * 256}, "user has 256 characters"),
        ({"user": "a\0b"}, "user contains NUL"),
        ({"user": "\udcff"}, "user contains a lone surrogate"),
        ({"user": 10**300}, "user has 301 characters"),
        ({"user": 10**5000}, "user is a number with too many digits"),
        ({"state": {"user": "bob"}}, "user is 'alice', but the state says 'bob'"),
        ({"state": []}, "the state is an array; it must be a JSON object"),
        ({"state": "x"}, "the state is text"),
        ({"state": {"history": 1}}, "'history', which is reserved"),
        ({"state": {"force_timestamp": 1}}, "'force_timestamp', which is reserved"),
        ({"state": {"self": 1}}, "'self', which is reserved"),
        ({"state": {"x": "y" * 1000}}, "the state has 1,008 bytes; at most 1,000"),
        ({"at": "yesterday"}, "at is 'yesterday'; write ISO 8601"),
        ({"at": 5}, "at is a number; write ISO 8601"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "outside the years 1 to 9999"),
        ({"at": ""}, "at is ''"),
        ({"id": ""}, "id is empty"),
        ({"id": []}, "id is an array"),
    ],
)
def test_what_cannot_be_recorded_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(EventError) as caught:
        make(**fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\xff", "not UTF-8 at byte 1"),
        (b"[]", "the line is an array"),
        (b'{"user": "a"}', "no event"),
        (b'{"event": null, "user": "a"}', "no event"),
        (b'{"event": "e"}', "no user"),
        (b'{"event": "e", "usr": "a"}', "unknown key 'usr' (did you mean 'user'?)"),
        (b'{"event": "e", "user": "a", "state": [1]}', "the state is an array"),
    ],
)
def test_what_is_no_line_of_an_event_is_named(line: bytes, message: str) -> None:
    with pytest.raises(EventError) as caught:
        events.from_line(line, now=NOW, max_bytes=1000)
    assert message in str(caught.value)


def test_a_line_needs_only_event_and_user() -> None:
    for line in (b'{"event": "e", "user": 5}', b'{"event": "e", "user": "5", "state": null, "at": null, "id": null}'):
        assert events.from_line(line, now=NOW, max_bytes=1000) == make("e", user="5")


def test_a_python_state_is_what_json_would_give_back() -> None:
    assert events.plain_json({"a": (1, 2), "b": {"c": None}}) == {"a": [1, 2], "b": {"c": None}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (datetime.datetime(2026, 1, 1), r"state\.x is a datetime; pass text or numbers"),
        (Decimal(1), "Decimal"),
        (uuid.UUID(int=1), "UUID"),
        ({1: 2}, "the key 1, which is not text"),
        (float("inf"), "inf, which is not JSON"),
        ("\ud800", "lone surrogate"),
        ("\0", "NUL"),
        ([10**5000], "digits"),
    ],
)
def test_a_python_state_that_is_no_json_is_named(value: object, message: str) -> None:
    with pytest.raises(EventError, match=message):
        events.plain_json({"x": value})
