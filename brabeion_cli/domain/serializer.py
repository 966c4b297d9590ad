"""Stores what `freeze()` returned as text in the queue, and restores it, with values that JSON does not have.

Such a value is tagged: `{"$type": "datetime", "value": "2026-11-22T18:19:00"}`. If an author's mapping has a key
`$type`, it is wrapped: `{"$type": "dict", "value": {…}}`.
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from brabeion_cli.domain import strict_json
from brabeion_cli.domain.timestamps import Days

TAG = "$type"


def encode(state: object) -> str:
    """Return a frozen state as text. Raises `TypeError` or `ValueError`, naming the field that cannot be stored."""
    if not isinstance(state, Mapping):
        raise TypeError(f"freeze() must return a mapping, not {state!r:.80} ({type(state).__name__})")
    try:
        text = strict_json.compact(_encode(dict(state), "state"))
        strict_json.parse(text)  # refuse what decode() could not read: nested too deep, or a number that is too long
        return text
    except RecursionError:
        raise ValueError("the state is nested too deep, or contains itself") from None


def decode(text: str) -> dict[str, Any]:
    """Return the state that `encode` stored."""
    state: dict[str, Any] = _decode(strict_json.parse(text))
    return state


def _encode(value: Any, path: str) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int):
        return value
    if kind is Days:
        return int(value)
    if kind is str:
        strict_json.check_string(value, path)
        return value
    if kind is float:
        if not math.isfinite(value):
            raise ValueError(f"{path} is {value}, which cannot be stored")
        return value
    if kind is list:
        return [_encode(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    if isinstance(value, Mapping):
        return _encode_mapping(value, path)
    if kind is tuple:
        return {TAG: "tuple", "value": _encode(list(value), path)}
    if kind in _ENCODERS:
        return {TAG: kind.__name__, **_ENCODERS[kind](value)}
    raise TypeError(f"{path} is a {kind.__qualname__}, which cannot be stored; freeze() must return plain values")


def _encode_mapping(value: Mapping[Any, Any], path: str) -> dict[str, Any]:
    encoded = {}
    for key, inner in value.items():
        if type(key) is not str:
            raise TypeError(f"{path} has the key {key!r:.80}, which is not text")
        strict_json.check_string(key, f"a key of {path}")
        encoded[key] = _encode(inner, f"{path}[{key[: strict_json.SHOWN]!r}]")
    return {TAG: "dict", "value": encoded} if TAG in encoded else encoded


def _encode_moment(value: datetime.datetime | datetime.time) -> dict[str, Any]:
    encoded: dict[str, Any] = {"value": value.isoformat(), "fold": value.fold}
    zone = value.tzinfo
    if zone is None or type(zone) is datetime.timezone:
        return encoded
    from zoneinfo import ZoneInfo

    if type(zone) is ZoneInfo and zone.key:
        return encoded | {"value": value.replace(tzinfo=None).isoformat(), "zone": zone.key}
    raise TypeError(f"a time has the zone {zone!r:.80}, which cannot be stored; use zoneinfo or a fixed offset")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    tag = value.get(TAG)
    if tag == "dict":
        return {key: _decode(inner) for key, inner in value["value"].items()}
    if tag == "tuple":
        return tuple(_decode(value["value"]))
    if tag is not None:
        return _DECODERS[tag](value)
    return {key: _decode(inner) for key, inner in value.items()}


def _decode_moment(encoded: dict[str, Any], kind: Any) -> Any:
    value = kind.fromisoformat(encoded["value"]).replace(fold=encoded["fold"])
    if "zone" not in encoded:
        return value
    from zoneinfo import ZoneInfo

    return value.replace(tzinfo=ZoneInfo(encoded["zone"]))


_ENCODERS: dict[type, Any] = {
    datetime.datetime: _encode_moment,
    datetime.time: _encode_moment,
    datetime.date: lambda day: {"value": day.isoformat()},
    datetime.timedelta: lambda span: {"value": [span.days, span.seconds, span.microseconds]},
    Decimal: lambda number: {"value": str(number)},
    uuid.UUID: lambda number: {"value": str(number)},
}
_DECODERS: dict[str, Any] = {
    "datetime": lambda encoded: _decode_moment(encoded, datetime.datetime),
    "time": lambda encoded: _decode_moment(encoded, datetime.time),
    "date": lambda encoded: datetime.date.fromisoformat(encoded["value"]),
    "timedelta": lambda encoded: datetime.timedelta(*encoded["value"]),
    "Decimal": lambda encoded: Decimal(encoded["value"]),
    "UUID": lambda encoded: uuid.UUID(encoded["value"]),
}
