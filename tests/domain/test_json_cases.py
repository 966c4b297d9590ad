"""What is JSON and what is not: one rule for the state of `fire` and for the lines of `ingest`, on every Python.

The cases are those written here, and the parsing cases of JSONTestSuite (github.com/nst/JSONTestSuite) where they lie
beside the project: y_ must be accepted, n_ must be refused, i_ is for us to decide, as in `DECIDED`. Each is the value
of the state's field v.

NDJSON ends a line at each newline: a case with newlines is as many lines, none of which is a document. Where only
blanks are meant by them (no y_ case has another kind), it is sent as one line, too.
"""

from __future__ import annotations

import json
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from brabeion_cli.cli.commands import fire
from brabeion_cli.domain import events
from brabeion_cli.errors import EventError
from tests.support.moments import NOW
from tests.support.project import Project

LIMIT = 1024 * 1024  # max_state_bytes
SUITE = Path(__file__).parents[3] / "shared" / "json" / "JSONTestSuite-test_parsing.tar.xz"
BOM = b"\xef\xbb\xbf"

RANGE, SURROGATE, UTF8 = "is out of range", "contains a lone surrogate", "not UTF-8 at byte"
NO_JSON, NUL, DEEP = "not JSON: ", "contains NUL (U+0000)", "nested deeper than 200 levels"


class Refused(NamedTuple):
    """What must be refused, for this reason."""

    reason: str


#: What the suite leaves to the parser, and the two cases in which we are stricter. A value is what is recorded.
DECIDED: dict[str, Any] = {
    "i_number_double_huge_neg_exp": [0.0],
    "i_number_huge_exp": Refused(RANGE),
    "i_number_neg_int_huge_exp": Refused(RANGE),
    "i_number_pos_double_huge_exp": Refused(RANGE),
    "i_number_real_neg_overflow": Refused(RANGE),
    "i_number_real_pos_overflow": Refused(RANGE),
    "i_number_real_underflow": [0.0],
    "i_number_too_big_neg_int": [-123123123123123123123123123123],
    "i_number_too_big_pos_int": [100000000000000000000],
    "i_number_very_big_negative_int": [-237462374673276894279832749832423479823246327846],
    "i_object_key_lone_2nd_surrogate": Refused(SURROGATE),
    "i_string_1st_surrogate_but_2nd_missing": Refused(SURROGATE),
    "i_string_1st_valid_surrogate_2nd_invalid": Refused(SURROGATE),
    "i_string_incomplete_surrogate_and_escape_valid": Refused(SURROGATE),
    "i_string_incomplete_surrogate_pair": Refused(SURROGATE),
    "i_string_incomplete_surrogates_escape_valid": Refused(SURROGATE),
    "i_string_invalid_lonely_surrogate": Refused(SURROGATE),
    "i_string_invalid_surrogate": Refused(SURROGATE),
    "i_string_inverted_surrogates_U+1D11E": Refused(SURROGATE),
    "i_string_lone_second_surrogate": Refused(SURROGATE),
    "i_string_UTF8_surrogate_U+D800": Refused(UTF8),
    "i_string_UTF-8_invalid_sequence": Refused(UTF8),
    "i_string_invalid_utf-8": Refused(UTF8),
    "i_string_iso_latin_1": Refused(UTF8),
    "i_string_lone_utf8_continuation_byte": Refused(UTF8),
    "i_string_not_in_unicode_range": Refused(UTF8),
    "i_string_overlong_sequence_2_bytes": Refused(UTF8),
    "i_string_overlong_sequence_6_bytes": Refused(UTF8),
    "i_string_overlong_sequence_6_bytes_null": Refused(UTF8),
    "i_string_truncated-utf-8": Refused(UTF8),
    "i_string_UTF-16LE_with_BOM": Refused(UTF8),
    "i_string_utf16BE_no_BOM": Refused(UTF8),
    "i_string_utf16LE_no_BOM": Refused(UTF8),
    "i_structure_500_nested_arrays": Refused(DEEP),
    "i_structure_UTF-8_BOM_empty_object": Refused(NO_JSON),  # passed over only where the state, or the stream, begins
    "y_object_escaped_null_in_key": Refused(NUL),
    "y_string_null_escape": Refused(NUL),
}

ARRAYS, OBJECTS, MIXED = ("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")


def nested(levels: int, brackets: tuple[str, str]) -> bytes:
    """So many levels around a 1."""
    pairs, rest = divmod(levels, 2 if brackets is MIXED else 1)
    outer = ARRAYS if rest else ("", "")
    return (outer[0] + brackets[0] * pairs + "1" + brackets[1] * pairs + outer[1]).encode()


def filling(size: int) -> bytes:
    """A text with which the state {"v": text} has so many bytes."""
    return b'"' + b"x" * (size - len('{"v":""}')) + b'"'


#: What is not in the suite, or is wanted at its exact limit.
WRITTEN: dict[str, tuple[bytes, Any]] = {
    "NaN": (b"NaN", Refused("NaN is not JSON")),
    "Infinity": (b"[Infinity]", Refused("Infinity is not JSON")),
    "-Infinity": (b'{"a": -Infinity}', Refused("-Infinity is not JSON")),
    "1e999": (b"1e999", Refused("the number 1e999 is out of range")),
    "-1e999": (b"[-1e999]", Refused("the number -1e999 is out of range")),
    "the largest double": (b"1.7976931348623157e308", 1.7976931348623157e308),
    "underflow": (b"-1e-999", -0.0),
    "equal keys": (b'{"a": 1, "\\u0061": 2}', {"a": 2}),
    "a lone surrogate, escaped": (b'"\\ud83d"', Refused("v contains a lone surrogate")),
    "a lone surrogate, raw": (b'"\xed\xa0\xbd"', Refused(UTF8)),
    "a pair of surrogates, raw": (b'"\xed\xa0\xbd\xed\xb8\x80"', Refused(UTF8)),
    "a pair of surrogates, escaped": (b'"\\ud83d\\ude00"', "\U0001f600"),
    "a lone surrogate in a key": (b'{"a": {"\\ud800": 1}}', Refused("v.a contains a lone surrogate")),
    "NUL, escaped": (b'[1, "a\\u0000b"]', Refused("v[1] contains NUL")),
    "NUL, raw": (b'"a\0b"', Refused("not JSON: Invalid control character")),
    "NUL in a key": (b'{"\\u0000": 1}', Refused("v contains NUL")),
    "NUL that is none": (b'"\\\\u0000"', "\\u0000"),
    "a control character, escaped": (b'"\\u001b[31m\\u007f"', "\x1b[31m\x7f"),
    "a control character, raw": (b'"\x1b"', Refused("not JSON: Invalid control character")),
    "a byte order mark before a value": (BOM + b"1", Refused(NO_JSON)),
    "a byte order mark in a text": (b'"' + BOM + b'"', "\ufeff"),
    "4,300 digits": (b"9" * 4300, int("9" * 4300)),
    "-4,300 digits": (b"-" + b"9" * 4300, -int("9" * 4300)),
    "4,301 digits": (b"1" + b"0" * 4300, Refused("a number has 4,301 digits; at most 4,300")),
    "-4,301 digits": (b"[-1" + b"0" * 4300 + b"]", Refused("a number has 4,301 digits; at most 4,300")),
    "5,000 digits": (b"9" * 5000, Refused("a number has 5,000 digits; at most 4,300")),
    "5,000 digits after the point": (b"0." + b"9" * 5000, 1.0),
    "5,000 digits of an exponent": (b"1e" + b"9" * 5000, Refused(RANGE)),
    "5,000 digits of a negative exponent": (b"1e-" + b"9" * 5000, 0.0),
    "brackets in a text": (b'["' + b"[" * 500 + b'\\"{"]', ["[" * 500 + '"{']),
    "100,000 arrays": (b"[" * 100_000, Refused(DEEP)),
    "100,000 objects": (b'{"a":' * 100_000, Refused(DEEP)),
    "100,000 of both": (b'[{"a":' * 100_000, Refused(DEEP)),
    "a state of the longest": (filling(LIMIT), filling(LIMIT)[1:-1].decode()),
    "a state of one byte more": (filling(LIMIT + 1), Refused("the state has 1,048,577 bytes; at most 1,048,576")),
    "a long state, escaped": (b'"' + b"\\u00e9" * (LIMIT // 2 - 4) + b'"', "é" * (LIMIT // 2 - 4)),
    "a long key": (b'{"' + b"k" * 500_000 + b'": 1}', {"k" * 500_000: 1}),
    "a long key above what is wrong": (
        b'{"' + b"k" * 500_000 + b'": "\\ud800"}',
        Refused(f"v.{'k' * 40} contains a lone"),
    ),
    "too long a key": (b'{"' + b"k" * LIMIT + b'": 1}', Refused("the state has 1,048,588 bytes")),
    "two bytes, overlong": (b'"\xc0\xaf"', Refused(UTF8)),
    "three bytes, overlong": (b'"\xe0\x80\xaf"', Refused(UTF8)),
    "four bytes, overlong": (b'"\xf0\x80\x80\xaf"', Refused(UTF8)),
    "NUL, overlong": (b'"\xc0\x80"', Refused(UTF8)),
    "beyond U+10FFFF": (b'"\xf4\x90\x80\x80"', Refused(UTF8)),
    "cut": (b'"\xe2\x82"', Refused(UTF8)),
    "half of it": (b'"\x80"', Refused(UTF8)),
    "nothing": (b"", Refused("not JSON: Expecting value")),
    "a comma too many": (b'{"a": 1,}', Refused(NO_JSON)),
    "single quotes": (b"{'a': 1}", Refused(NO_JSON)),
    "a tab": (b'"\t"', Refused("not JSON: Invalid control character")),
    "more than one": (b"[1] 2", Refused(NO_JSON)),
    "-0": (b"-0", 0),
    "other blanks": (b"\xc2\xa01", Refused(NO_JSON)),
    "other digits": ("１".encode(), Refused(NO_JSON)),
}
for name, kind in (("arrays", ARRAYS), ("objects", OBJECTS), ("of both", MIXED)):
    WRITTEN[f"200 {name}"] = (nested(199, kind), json.loads(nested(199, kind)))  # the state is the first of them
    WRITTEN[f"201 {name}"] = (nested(200, kind), Refused(DEEP))


def suite() -> Iterator[tuple[str, bytes]]:
    """Name and text of the cases of JSONTestSuite."""
    with tarfile.open(SUITE) as archive:
        for member in archive:
            if member.name.endswith(".json"):
                file = archive.extractfile(member)
                assert file is not None
                yield Path(member.name).stem, file.read()


def expected_of(name: str, text: bytes) -> Any:
    if name in DECIDED:
        return DECIDED[name]
    return json.loads(text) if name.startswith("y_") else Refused("")


needs_suite = pytest.mark.skipif(
    not SUITE.is_file(), reason=f"no cases of JSONTestSuite in {SUITE.parent.parent.name}/json beside the project"
)


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> list[tuple[str, bytes, Any]]:
    if request.param == "written":
        return [(name, text, expected) for name, (text, expected) in WRITTEN.items()]
    return [(name, text, expected_of(name, text)) for name, text in suite()]


BOTH = pytest.mark.parametrize("cases", ["written", pytest.param("suite", marks=needs_suite)], indirect=True)


def as_line(name: str, text: bytes) -> bytes:
    return b'{"event": "case", "user": "%b", "state": {"v": %b}}' % (name.encode(), text)


def of_line(line: bytes) -> events.Event:
    return events.from_line(line, now=NOW, max_bytes=LIMIT)


def of_state(text: bytes, path: Path) -> events.Event:
    """What `fire --state @FILE` makes of it."""
    path.write_bytes(text)
    state = events.parse_json(fire._state_text(f"@{path}", LIMIT))
    return events.make("case", state, user="alice", now=NOW, max_bytes=LIMIT)


def answer(make: Callable[[], events.Event]) -> Any:
    """What is recorded as v, or why nothing is."""
    try:
        event = make()
    except EventError as error:
        return Refused(str(error))
    assert json.loads(event.state_json) == event.state
    return event.state["v"]


def fits(found: Any, expected: Any) -> bool:
    if isinstance(expected, Refused):
        return isinstance(found, Refused) and expected.reason in found.reason
    return repr(found) == repr(expected)  # 1 is not 1.0, and 0.0 not -0.0


@needs_suite
def test_every_case_that_is_left_to_us_is_decided() -> None:
    names = [name for name, _ in suite()]

    assert {name for name in names if name.startswith("i_")} == {name for name in DECIDED if name.startswith("i_")}
    assert len(names) == 318


@BOTH
def test_a_state_and_a_line_are_judged_alike(cases: list[tuple[str, bytes, Any]], tmp_path: Path) -> None:
    for name, text, expected in cases:
        found = answer(lambda text=text: of_state(b'{"v": ' + text + b"}", tmp_path / "state.json"))
        assert fits(found, expected), (name, str(found)[:200])
        told = answer(lambda text=text: of_line(as_line("alice", text)))
        assert fits(told, expected), (name, str(told)[:200])


@needs_suite
def test_what_is_json_but_no_object_is_refused_as_a_state_by_what_it_is(tmp_path: Path) -> None:
    kinds = {list: "an array", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    for name, text in suite():
        if name == "i_structure_UTF-8_BOM_empty_object":
            expected: Any = {}
        elif isinstance(value := expected_of(name, text), (Refused, dict)):
            expected = value
        else:  # null is as good as no state, here and in a line
            expected = {} if value is None else Refused(f"the state is {kinds[type(value)]}; it must be a JSON object")
        try:
            found: Any = of_state(text, tmp_path / "state.json").state
        except EventError as error:
            found = Refused(str(error))
        assert fits(found, expected), (name, str(found)[:200])


#: Whole lines, and why they are refused; None where they are recorded, "" where they are passed over.
LINES: list[tuple[bytes, str | None]] = [
    (BOM + b'{"event": "case", "user": "after a mark"}', NO_JSON + "it begins with a byte order mark"),
    (b'{"event": "no", "event": "case", "user": "the last of equal keys"}', None),
    (b'{"event": "case", "user": "CRLF"}\r', None),
    (b"", ""),
    (b" \t \r", ""),
    (b"\x0c", NO_JSON),
    (b"\xc2\xa0", NO_JSON),
    (b"\0", NO_JSON),
    (b"nonsense\r", NO_JSON),
    (b" \t[1] ", "the line is an array"),
    (b"null", "the line is null"),
    (b'{"event": "case", "user": "a"} {"event": "case", "user": "b"}', NO_JSON + "Extra data"),
    (b'{"event": "case", "user": "\\u0000"}', "the text at user contains NUL"),
    (b'{"event": "case\\udfff", "user": "a"}', "the text at event contains a lone surrogate"),
    (b'{"event": "case", "user": "a", "id": "\xff"}', "not UTF-8 at byte 39"),
    (b'{"event": "case", "user": ' + b"9" * 4301 + b"}", "a number has 4,301 digits"),
    (b'{"event": "case", "user": "a", "' + b"k" * 100_000 + b'": 1}', "unknown key 'kkkk"),
    (b'{"event": "case"}', "no user"),
    (b'{"event": "case", "user": "a", "state": 5}', "the state is a number; it must be a JSON object"),
    (as_line("a", filling(10_000_000)), "the line has 10,000,042 bytes; at most 8,454,144 are read"),
    ('{"event": "case", "user": "UTF-16"}'.encode("utf-16"), "not UTF-8 at byte 1"),
    ('{"event": "case", "user": "UTF-16"}'.encode("utf-16-le"), NO_JSON),
    (b'{"event": "case", "user": "the last line, cut', NO_JSON + "Unterminated string"),
]
GOOD = b'{"event": "fine", "user": "good"}'


def stream_of(cases: list[tuple[str, bytes, Any]], more: list[tuple[bytes, str | None]]) -> list[tuple[bytes, Any]]:
    """Lines with what must become of them: a value of v, `Refused`, None, or "" where they are passed over."""
    lines: list[tuple[bytes, Any]] = []
    for name, text, expected in cases:
        whole, to = as_line(name, text), expected if isinstance(expected, Refused) else [expected]
        if b"\n" in text:
            lines += [(piece, Refused("") if piece.strip(b" \t\r") else "") for piece in whole.split(b"\n")]
        if b"\n" not in text or to != Refused(""):
            lines.append((whole.replace(b"\n", b" "), to))
        lines.append((GOOD, None))
    return lines + [(line, Refused(reason) if reason else reason) for line, reason in more]


@BOTH
def test_a_stream_goes_on_after_each_line_that_is_refused(
    project: Project, cases: list[tuple[str, bytes, Any]]
) -> None:
    lines = stream_of(cases, LINES)
    refused = {number: (line, to) for number, (line, to) in enumerate(lines, 1) if isinstance(to, Refused)}
    recorded = [to[0] if to else None for _, to in lines if to is None or isinstance(to, list)]

    result = project.run("ingest", "--json", "--rejects", "rejects", stdin=b"\n".join(line for line, _ in lines))

    counts = result.json
    assert (result.status, counts["rejected"], counts["recorded"]) == (1, len(refused), len(recorded))
    assert (project.directory / "rejects").read_bytes() == b"".join(line + b"\n" for line, _ in refused.values())
    told = {int(number): reason for number, reason in re.findall("^Error: line ([0-9]+): (.*)$", result.err, re.M)}
    assert set(told) == set(refused)
    assert [told[number] for number, (_, to) in refused.items() if not fits(Refused(told[number]), to)] == []
    states = [json.loads(text) for (text,) in project.sql("SELECT state FROM events ORDER BY number")]
    assert [repr(state.get("v")) for state in states] == list(map(repr, recorded))


def test_a_byte_order_mark_begins_a_stream_and_is_kept_with_what_is_refused(project: Project) -> None:
    bad = BOM + b'{"event": "case", "user": NaN}'

    first = project.run("ingest", "--json", "--rejects", "rejects", stdin=bad + b"\n" + GOOD)
    kept = (project.directory / "rejects").read_bytes()
    again = project.run("ingest", "--json", stdin=kept.replace(b"NaN", b'"mended"'))

    assert (first.json["rejected"], kept) == (1, bad + b"\n")
    assert (again.status, again.json["recorded"]) == (0, 1)
    assert project.sql('SELECT "user" FROM events') == [("good",), ("mended",)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"NaN", "NaN is not JSON"),
        (b"[1]", "the state is an array; it must be a JSON object"),
        (b'{"v":' + b"[" * 100_000, DEEP),
        (b'{"v":' + filling(10_000_000) + b"}", "more than 8,454,144 bytes of state; 1,048,576 are recorded"),
        (BOM + BOM + b"{}", NO_JSON + "it begins with a byte order mark"),
    ],
)
def test_a_state_that_is_refused_is_not_recorded(project: Project, text: bytes, message: str) -> None:
    result = project.run("fire", "case", "--user", "a", "--state", "-", stdin=text)

    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert not project.db.exists()


SLOW = {
    "brackets": b"[[]" * 2_000_000,
    "many arrays": b"[" + b"[]," * 300_000 + b"1]",
    "texts that never end": b'"' + b'\\"[' * 2_000_000,
    "a long key above many values": b'{"' + b"k" * 500_000 + b'": ["\xc3\xa9"' + b",null" * 100_000 + b"]}",
    "long keys above many values": (b'{"' + b"k" * 1000 + b'":') * 198
    + b'["\xc3\xa9"'
    + b",1" * 90_000
    + b"]"
    + b"}" * 198,
    "digits": b"9" * 8_000_000,
    "digits after the point": b"0." + b"9" * 8_000_000,
}


def cost(line: bytes) -> float:
    """Seconds of the processor."""
    began = time.process_time()
    answer(lambda: of_line(line))
    return time.process_time() - began


@pytest.fixture(scope="module")
def cost_of_an_ordinary_line() -> float:
    """As long as those that are made to be slow."""
    return cost(as_line("a", b"[" + b'"x",' * 2_000_000 + b"1]"))


@pytest.mark.parametrize("name", SLOW)
def test_nothing_takes_long(name: str, cost_of_an_ordinary_line: float) -> None:
    assert cost(as_line("a", SLOW[name])) < 20 * cost_of_an_ordinary_line


def test_the_limits_are_ours_and_not_those_of_this_python(project: Project) -> None:
    lines = b"\n".join(as_line("a", text) for text in (b"9" * 4301, nested(200, ARRAYS), b"9" * 4300))

    result = project.run("ingest", "--json", stdin=lines, env={"PYTHONINTMAXSTRDIGITS": "0"})

    assert (result.json["recorded"], result.json["rejected"]) == (1, 2)


def test_the_deepest_state_goes_all_the_way(project: Project) -> None:
    """Recorded, frozen, judged, explained: also where each level costs more than one of Python's frames."""
    project.simple_badge("return BadgeAwarded(key=len(str(state['v'])))", slug="later", async_=True)
    project.simple_badge("return None", slug="never")
    lines = b"\n".join(as_line("alice", nested(199, kind)) for kind in (ARRAYS, OBJECTS, MIXED))
    project.ok("ingest", stdin=lines.replace(b'"case"', b'"it_happened"'))
    project.ok("process-queue")

    keys = {row["key"] for row in project.ok("list", "--json").json}
    assert keys == {str(len(str(json.loads(nested(199, kind))))) for kind in (ARRAYS, OBJECTS, MIXED)}
    explained = project.ok("explain", "--user", "alice", "--badge", "never", "--json").json
    assert explained["events"][0]["last"]["state"] == {"v": json.loads(nested(199, MIXED))}
    assert project.ok("replay", "--json").json["errors"] == 0
