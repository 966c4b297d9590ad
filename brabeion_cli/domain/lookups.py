"""Finds fields of a recorded state by name, and compares them as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MISSING = object()


def find(state: Any, name: str) -> Any:
    """Return the field of that name, or `MISSING`.

    `post__owner` is the field `owner` of the object `post`, unless there is a field `post__owner`. `tags__0` is the
    first element of the array `tags`.
    """
    if isinstance(state, dict):
        if name in state:
            return state[name]
        outer, separator, inner = name.partition("__")
        while separator:
            if outer in state and (found := find(state[outer], inner)) is not MISSING:
                return found
            more, separator, inner = inner.partition("__")
            outer = f"{outer}__{more}"
    elif isinstance(state, list):
        index, separator, inner = name.partition("__")
        if index.isdecimal() and len(index) < 10 and int(index) < len(state):
            return find(state[int(index)], inner) if separator else state[int(index)]
    return MISSING


def matches(state: Any, where: Mapping[str, Any]) -> bool:
    """Whether every field in `where` exists and has the given value. A function is called with the field instead.

    For example:

        {"post__owner": "7", "score": lambda score: score >= 10}
    """
    return all(_fits(find(state, name), wanted) for name, wanted in where.items())


def _fits(found: Any, wanted: Any) -> bool:
    if found is MISSING:
        return False
    return bool(wanted(found)) if callable(wanted) else equal_json(found, wanted)


def equal_json(found: Any, wanted: Any) -> bool:
    """Whether two values are equal as JSON. 1 equals 1.0, but not true; 7 does not equal "7". A tuple is an array."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, list):
        return (
            isinstance(wanted, (list, tuple))
            and len(found) == len(wanted)
            and all(equal_json(one, other) for one, other in zip(found, wanted, strict=True))
        )
    if isinstance(found, dict):
        return (
            isinstance(wanted, Mapping)
            and found.keys() == wanted.keys()
            and all(equal_json(value, wanted[key]) for key, value in found.items())
        )
    return bool(found == wanted)
