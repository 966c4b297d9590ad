"""JSON as RFC 8259 has it, and no more: what Python's reader lets through and other readers choke on is refused."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

#: Arrays and objects inside one another. Python's own limit differs from version to version.
MAX_DEPTH = 200

SURROGATE = re.compile("[\ud800-\udfff]")
_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class StrictJSONError(ValueError):
    """The text is refused; the message says what it is and where."""


def parse(text: str) -> Any:
    """The value of a JSON text. Raises `StrictJSONError` for NaN, Infinity, numbers out of range, lone surrogates,
    NUL, nesting deeper than `MAX_DEPTH` and whatever else is no JSON. Of equal keys the last one counts.
    """
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise StrictJSONError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except StrictJSONError:
        raise
    except ValueError as error:  # int() refuses more than 4,300 digits
        raise StrictJSONError(f"a number is too long: {error}".partition(";")[0]) from None
    except RecursionError:
        raise StrictJSONError("nested too deep") from None
    if "\\u" in text or not text.isascii():
        _check_text(value, "")
    return value


def compact(value: Any) -> str:
    """The shortest JSON text of a value."""
    return _encoder.encode(value)


def canonical(value: Any) -> str:
    """`compact` with sorted keys: equal exactly where two values are equal and of the same types."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def check_string(text: str, what: str) -> None:
    """Raise `StrictJSONError` where a string holds what cannot be stored or sent on: a lone surrogate or NUL."""
    if "\0" in text:
        raise StrictJSONError(f"{what} contains NUL (U+0000)")
    if not text.isascii() and SURROGATE.search(text):
        raise StrictJSONError(f"{what} contains a lone surrogate (it is not valid Unicode)")


def _check_text(value: Any, path: str) -> None:
    if isinstance(value, str):
        check_string(value, f"the text at {path}" if path else "the text")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_string(key, f"a key at {path}" if path else "a key")
            _check_text(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_text(inner, f"{path}[{index}]")


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        token = match[0]
        if token in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise StrictJSONError(f"nested deeper than {MAX_DEPTH} levels")
        elif token in "]}":
            depth -= 1


def _refuse_constant(name: str) -> NoReturn:
    raise StrictJSONError(f"{name} is not JSON; leave the field out, or write null")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise StrictJSONError(f"the number {digits:.40} is out of range")
    return value


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
