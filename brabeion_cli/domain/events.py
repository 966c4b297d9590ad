"""`Event`: what happened, checked and in the form in which it is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from brabeion_cli.domain import strict_json
from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.errors import EventError

MAX_NAME = 255
RESERVED = ("history", "force_timestamp", "self")  # "self" would clash with award(self, **state)
BADGE_AWARDED = "badge_awarded"  # the name of the event that every award is
LINE_KEYS = ("event", "user", "at", "id", "state")
_RESERVED, _LINE_KEYS = frozenset(RESERVED), frozenset(LINE_KEYS)


class Event(NamedTuple):
    """A checked event. The journal stores the first five fields.

    `at` is UTC text such as `2026-11-22T18:19:00.123456Z`, so that text order is time order. `dated` is true if the
    caller gave it. `id` is the caller's key, or None. `state` does not contain `user`. `state_json` is its JSON.
    """

    name: str
    user: str
    at: str
    id: str | None
    state_json: str
    state: dict[str, Any]
    dated: bool


def make(
    name: object,
    state: object,
    *,
    user: object = None,
    at: object = None,
    id: object = None,
    now: datetime,
    max_bytes: int,
) -> Event:
    """Check what a caller gave, and make the event of it.

    The state may contain the user instead. Without `at` the event happens `now`. `max_bytes` is the longest state that
    is accepted, as JSON in UTF-8. Raises `EventError`, which names the field and says what to do.
    """
    state = _checked_state(state)
    inner_user = state.pop("user", None)
    who = text_or_number(inner_user if user is None else user, "user")
    if inner_user is not None and user is not None and text_or_number(inner_user, "user") != who:
        raise EventError(f"user is {who!r}, but the state says {inner_user!r:.80}; give it once")
    if name == BADGE_AWARDED:
        raise EventError(
            f"{BADGE_AWARDED} is the event that stands for an award, and cannot be fired; choose another name"
        )
    state_json = strict_json.compact(state)
    if 4 * len(state_json) > max_bytes and (size := len(state_json.encode())) > max_bytes:
        raise EventError(f"the state has {size:,} bytes; at most {max_bytes:,} are recorded (max_state_bytes)")
    return Event(
        _text(name, "the event's name"),
        who,
        moment(now if at is None else at),
        None if id is None else text_or_number(id, "id"),
        state_json,
        state,
        at is not None,
    )


def _checked_state(state: object) -> dict[str, Any]:
    if state is None:
        return {}
    if not isinstance(state, dict):
        raise EventError(f"the state is {strict_json.kind_name(state)}; it must be a JSON object")
    if not _RESERVED.isdisjoint(state):
        reserved = next(key for key in RESERVED if key in state)
        raise EventError(f"the state has a key {reserved!r}, which is reserved; give it another name")
    return dict(state)


def from_line(line: bytes, *, now: datetime, max_bytes: int) -> Event:
    """Make the event of one NDJSON line. See `make`. Raises `EventError`."""
    if len(line) > max_bytes and len(line) > (longest := longest_text(max_bytes)):
        raise EventError(f"the line has {len(line):,} bytes; at most {longest:,} are read (max_state_bytes)")
    try:
        fields = strict_json.parse(line.decode(), around=1)
    except strict_json.StrictJSONError as error:
        raise EventError(str(error)) from None
    except UnicodeDecodeError as error:
        raise EventError(f"not UTF-8 at byte {error.start + 1}") from None
    if not isinstance(fields, dict):
        raise EventError(
            f'the line is {strict_json.kind_name(fields)}; it must be an object: {{"event": …, "user": …}}'
        )
    if not fields.keys() <= _LINE_KEYS:
        unknown = [key for key in fields if key not in LINE_KEYS]
        near = near_matches(unknown[0], LINE_KEYS)
        raise EventError(f"unknown key {unknown[0]!r:.80}{near}; a line has {', '.join(LINE_KEYS)}")
    name, user, at, key, state = map(fields.get, LINE_KEYS)
    if name is None:
        raise EventError("no event: the line needs an event and a user")
    return make(name, state, user=user, at=at, id=key, now=now, max_bytes=max_bytes)


def longest_text(max_bytes: int) -> int:
    """Return how many bytes of JSON to read for a state of `max_bytes`: escapes take six times the space."""
    return 8 * max_bytes + 64 * 1024


def parse_json(text: str) -> Any:
    """Parse strict JSON. Raises `EventError` instead of `StrictJSONError`."""
    try:
        return strict_json.parse(text)
    except strict_json.StrictJSONError as error:
        raise EventError(str(error)) from None


def text_or_number(value: object, what: str) -> str:
    """Check a user, an id or a key, and return it as text. `what` is its name in messages.

    It must be text of 1 to 255 characters, or an integer, which becomes decimal text. Raises `EventError`.
    """
    if type(value) is str and value.isprintable() and 0 < len(value) <= MAX_NAME:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            value = str(int(value))
        except ValueError:
            raise EventError(f"{what} is a number with too many digits; at most {MAX_NAME}") from None
    return _text(value, what)


def _text(value: object, what: str) -> str:
    if type(value) is str and value.isprintable() and 0 < len(value) <= MAX_NAME:
        return value
    if value is None:
        raise EventError(f"no {what}" + ("; give one, or a user in the state" if what == "user" else ""))
    if not isinstance(value, str):
        raise EventError(f"{what} is {strict_json.kind_name(value)}; it must be text")
    if not value:
        raise EventError(f"{what} is empty")
    if len(value) > MAX_NAME:
        raise EventError(f"{what} has {len(value):,} characters; at most {MAX_NAME}")
    try:
        strict_json.check_string(value, what)
    except strict_json.StrictJSONError as error:
        raise EventError(str(error)) from None
    return str.__str__(value)  # a member of a text enum becomes plain text


def plain_json(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of a Python caller as JSON gives it back: tuples become lists.

    Raises `EventError` for values that are not JSON.
    """
    try:
        _require_plain(dict(state), "state")
    except RecursionError:
        raise EventError("the state is nested too deep, or contains itself") from None
    try:
        text = strict_json.compact(dict(state))
    except ValueError as error:  # an integer of more than 4,300 digits
        raise EventError(f"the state is not JSON: {error}") from None
    copy: dict[str, Any] = parse_json(text)
    return copy


def _require_plain(value: object, path: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise EventError(f"{path} has the key {key!r:.80}, which is not text")
            _require_plain(inner, f"{path}.{key[: strict_json.SHOWN]}")
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _require_plain(inner, f"{path}[{index}]")
    elif isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise EventError(f"{path} is {value}, which is not JSON; leave it out, or pass None")
    elif not (value is None or isinstance(value, (str, int, float))):
        raise EventError(f"{path} is a {type(value).__name__}; pass text or numbers (a datetime as isoformat())")
