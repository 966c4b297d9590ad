"""Strict JSON (RFC 8259). Refuses what Python's reader accepts and other readers do not."""

from __future__ import annotations

import json
import json.encoder
import math
import re
from array import array
from itertools import accumulate
from json.encoder import encode_basestring
from typing import Any, NoReturn

#: The deepest nesting of arrays and objects, and the most digits of an integer. Python's own limits depend on its
#: version and on environment variables.
MAX_DEPTH = 200
MAX_DIGITS = 4300

SHOWN = 40  # characters of a key in the path that a message shows

# Not compiled here, but when they are first used.
SURROGATE = "[\ud800-\udfff]"
_STRINGS = r'(?s)"(?:[^"\\]++|\\.)*+"?'
_STEPS = bytes.maketrans(b"[{]}", b"\1\1\xff\xff")  # read as signed bytes: +1 for an open bracket, -1 for a closed one
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


class StrictJSONError(ValueError):
    """The text is refused. The message says why and where."""


def parse(text: str, *, around: int = 0) -> Any:
    """Return the value of a JSON text. If an object has the same key twice, the last value counts.

    `around` is the number of outer levels that do not count as nesting: a line of `ingest` is an object around a state.
    Raises `StrictJSONError` for NaN, Infinity, numbers out of range, lone surrogates, NUL, nesting deeper than
    `MAX_DEPTH`, and everything else that is not JSON.
    """
    is_ascii = text.isascii()
    if not is_ascii and text.startswith("\ufeff"):
        raise StrictJSONError("not JSON: it begins with a byte order mark (U+FEFF)")
    deepest = MAX_DEPTH + around
    if len(text) > 2 * deepest and text.count("[") + text.count("{") > deepest and _depth(text) > deepest:
        raise StrictJSONError(f"nested deeper than {MAX_DEPTH} levels")
    try:
        value = _read(text)
    except json.JSONDecodeError as error:
        raise StrictJSONError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except StrictJSONError:
        raise
    except ValueError as error:  # from int(), if the environment allows it fewer digits
        raise StrictJSONError(f"a number is too long: {error}".partition(";")[0]) from None
    except RecursionError:
        raise StrictJSONError("nested too deep") from None
    if "\\u" in text or not (is_ascii or _is_unicode(text)):
        _check_text(value, "")
    return value


def compact(value: Any) -> str:
    """Return the shortest JSON text of a value."""
    return "".join(_encode(value, 0))


def canonical(value: Any) -> str:
    """Like `compact`, with sorted keys. Two texts are equal only if the values and their types are equal."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def check_string(text: str, what: str) -> None:
    """Raise `StrictJSONError` if a string contains what cannot be stored or sent: a lone surrogate or NUL."""
    if "\0" in text:
        raise StrictJSONError(f"{what} contains NUL (U+0000)")
    if not _is_unicode(text):
        raise StrictJSONError(f"{what} contains a lone surrogate (it is not valid Unicode)")


def _read(text: str) -> Any:
    if len(text) > MAX_DIGITS:
        return _decoder.decode(text)
    # In so short a text no number is too long. If no space is around the value, raw_decode() is enough, and faster.
    try:
        value, end = _short_decoder.raw_decode(text)
        if end == len(text):
            return value
    except json.JSONDecodeError:
        pass
    return _short_decoder.decode(text)


def _is_unicode(text: str) -> bool:
    """Whether the text has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_text(value: Any, path: str) -> None:
    if isinstance(value, str):
        check_string(value, f"the text at {path}" if path else "the text")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_string(key, f"a key at {path}" if path else "a key")
            step = key[:SHOWN]  # with a long key and many values, longer paths would take too long
            _check_text(inner, f"{path}.{step}" if path else step)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_text(inner, f"{path}[{index}]")


def _depth(text: str) -> int:
    """Return how many brackets are open at once, at most. Skips strings. The reader finds other errors."""
    brackets = re.sub(_STRINGS, "", text).encode("ascii", "ignore").translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0)


def _refuse_constant(name: str) -> NoReturn:
    raise StrictJSONError(f"{name} is not JSON; leave the field out, or write null")


def _refuse_value(value: object) -> NoReturn:
    raise TypeError(f"{value!r:.80} is no JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise StrictJSONError(f"the number {digits:.40} is out of range")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS and (count := len(digits.removeprefix("-"))) > MAX_DIGITS:
        raise StrictJSONError(f"a number has {count:,} digits; at most {MAX_DIGITS:,}")
    return int(digits)


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer)
_short_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
# The same as JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")), but made once. JSONEncoder makes
# one for each value, which takes 2 of the 50 microseconds of an event of `ingest`.
_encode = json.encoder.c_make_encoder(  # type: ignore[attr-defined]  # the stubs lack it
    None, _refuse_value, encode_basestring, None, ":", ",", False, False, False
)


def kind_name(value: object) -> str:
    """Return what a value is called in JSON: `an object`, `a number`."""
    names: dict[type, str] = {dict: "an object", list: "an array", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else f"a {type(value).__name__}")
