"""Badge code that misbehaves hurts only itself: sync and deferred."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.processes import has_ended, wait_until
from tests.support.project import Project

HOSTILE = {
    "raises": ("raise ValueError('no')", "ValueError: no"),
    "exits": ("sys.exit(0)", "SystemExit: 0"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "ends-its-process": ("os._exit(0)", "its process ended with exit status 0"),
    "kills-its-process": ("os.kill(os.getpid(), 9)", "its process was killed by SIGKILL (signal 9)"),
    "segfaults": ("ctypes.string_at(0)", "its process was killed by SIGSEGV (signal 11)"),
    "ends-and-leaves-a-child": ("if os.fork(): os._exit(3)\ntime.sleep(600)", "its process ended with exit status 3"),
    "hangs": ("time.sleep(600)", "TimeoutError: no answer within 0.5 s"),
    "hangs-behind-except": (
        "while True:\n    try:\n        time.sleep(600)\n    except BaseException:\n        pass",
        "TimeoutError: no answer within 0.5 s",
    ),
    "hangs-in-c": ("sum(range(10**12))", "TimeoutError: no answer within 0.5 s"),
    "ignores-signals": (
        "for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGINT):\n    signal.signal(number, signal.SIG_IGN)\n"
        "time.sleep(600)",
        "TimeoutError: no answer within 0.5 s",
    ),
    "closes-descriptors": ("os.closerange(3, 64)", "it closed file descriptors that were not its own"),
    "recurses": ("return self.award(**state)", "RecursionError"),
    "answers-nonsense": ("return {'level': 1}", "it must return BadgeAwarded"),
    "answers-with-a-repr-that-raises": (
        "class Odd:\n    def __repr__(self): raise ValueError('no')\nreturn Odd()",
        "ValueError: no",
    ),
    "answers-with-a-repr-that-hangs": (
        "class Odd:\n    def __repr__(self): time.sleep(600)\nreturn Odd()",
        "TimeoutError: no answer within 0.5 s",
    ),
    "raises-what-hangs-when-shown": (
        "class Odd(Exception):\n    def __str__(self): time.sleep(600)\nraise Odd",
        "TimeoutError: no answer within 0.5 s",
    ),
    "raises-a-lone-surrogate": ("raise ValueError('\\ud800')", "ValueError: \\ud800"),
    "gets-a-real-time-signal": ("os.kill(os.getpid(), signal.SIGRTMIN + 5)", "killed by a real-time signal"),
    "hogs-memory": ("held = []\nwhile True: held.append(bytearray(1 << 24))", "MemoryError: it asked for more memory"),
    "opens-the-database": (
        "import sqlite3\nsqlite3.connect('brabeion.db').execute('BEGIN IMMEDIATE')\nreturn BadgeAwarded()",
        "PermissionError: a badge may not open brabeion's own database",
    ),
    "opens-the-database-by-an-address": (
        "import sqlite3\nsqlite3.connect('file:./brabeion.db?mode=rw', uri=True)",
        "PermissionError: a badge may not open brabeion's own database",
    ),
    "fires": (
        "badges.possibly_award_badge('it_happened', user='x')",
        "possibly_award_badge('it_happened') was called inside award()",
    ),
}


#: Those of one kind: it takes the supervisor three seconds to kill them. The quick suite has one of each kind.
ALIKE = ("hangs-behind-except", "ignores-signals")
KINDS = [pytest.param(kind, marks=pytest.mark.long) if kind in ALIKE else kind for kind in HOSTILE]


@pytest.fixture
def impatient(project: Project) -> Project:
    project.write("brabeion.toml", "award_timeout = 0.5\ntask_timeout = 0.5\nbadge_memory = 128\n")
    return project


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_sync_badge_hurts_only_itself(impatient: Project, kind: str) -> None:
    body, message = HOSTILE[kind]
    impatient.simple_badge("return BadgeAwarded()", slug="before", name="a.py")
    impatient.simple_badge(body, slug="hostile", name="m.py")
    impatient.simple_badge("return BadgeAwarded()", slug="later", name="z.py")

    result = impatient.fire()

    assert result.status == 1, result
    before, hostile, later = result.json["results"]
    assert (before["outcome"], hostile["outcome"], later["outcome"]) == ("awarded", "error", "awarded")
    assert message in hostile["error"]
    assert impatient.sql("SELECT number, badge FROM tasks") == [(hostile["task"], "hostile")]
    assert impatient.sql("SELECT count(*) FROM events") == [(1,)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_deferred_badge_hurts_only_itself(impatient: Project, kind: str) -> None:
    body, message = HOSTILE[kind]
    impatient.simple_badge("return BadgeAwarded()", slug="before", name="a.py", async_=True)
    impatient.simple_badge(body, slug="hostile", name="m.py", async_=True)
    impatient.simple_badge("return BadgeAwarded()", slug="later", name="z.py", async_=True)
    impatient.fire()

    result = impatient.run("process-queue", "--json")  # which ends long before a badge that hangs would

    assert (result.status, result.json["done"], result.json["awarded"], result.json["retried"]) == (1, 2, 2, 1), result
    assert message in result.err
    assert message in impatient.sql("SELECT error FROM tasks")[0][0]


@pytest.mark.parametrize("deferred", [False, True])
def test_what_badge_code_prints_goes_to_stderr(impatient: Project, deferred: bool) -> None:
    impatient.write("brabeion.toml", "")
    impatient.simple_badge(
        "for _ in range(50): print('x' * 1_000_000)\nos.write(1, b'raw')\nos.system('echo shell')", async_=deferred
    )

    fired = impatient.fire()
    result = impatient.run("process-queue", "--json") if deferred else fired

    assert (fired.status, result.status) == (0, 0)
    assert isinstance(result.json, dict)
    assert result.err.count("x") >= 50_000_000
    assert "raw" in result.err
    assert "shell" in result.err


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("fork", ["os.fork()", "import ctypes\nctypes.CDLL(None).fork()"], ids=["python", "c"])
def test_a_forked_child_that_comes_back_does_not_go_on_as_us(impatient: Project, fork: str, deferred: bool) -> None:
    impatient.simple_badge(f"{fork}\nreturn BadgeAwarded(key=state['k'])", async_=deferred)
    for key in range(3):
        assert impatient.fire(state={"k": key}).status == 0
    assert not deferred or impatient.ok("process-queue", "--json").json["done"] == 3

    assert impatient.sql('SELECT "key" FROM awards ORDER BY 1') == [("0",), ("1",), ("2",)]


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("closing", ["sys.stdout.close(); sys.stderr.close()", "sys.stdout = sys.stderr = None"])
def test_badge_code_that_closes_stderr_hurts_nobody(
    project: Project, closing: str, asked: bool, deferred: bool
) -> None:
    if asked:
        project.simple_badge(f"import sys; {closing}\nreturn BadgeAwarded()", async_=deferred)
    else:
        project.badge(f"import sys\n{closing}", "a.py")
        project.simple_badge("return BadgeAwarded()", async_=deferred)

    two = "".join(f'{{"event": "it_happened", "user": "{user}"}}\n' for user in ("alice", "bob"))
    assert project.ok("ingest", "--json", stdin=two).json["recorded"] == 2
    assert project.ok("process-queue", "--json").json["done"] == (2 if deferred else 0)
    assert project.ok("replay", "--json").json["events"] == 2
    assert project.ok("explain", "--user", "bob", "--badge", "one").status == 0
    assert project.sql('SELECT "user" FROM awards ORDER BY 1') == [("alice",), ("bob",)]


@pytest.mark.parametrize("closing", ["sys.stdout.close()", "sys.stderr.close()", "sys.stdout.detach()"])
def test_what_a_badge_file_closes_is_there_for_check(project: Project, closing: str) -> None:
    project.badge(f"import sys\n{closing}", "a.py")
    project.simple_badge("return None")
    project.fire()

    result = project.run("check")

    assert result.status == 0
    assert "all is well: 1 badges" in result.out
    assert result.err == "" or result.err.startswith("Warning: this Python uses SQLite")
    project.badge("slug = 1 / 0", "b.py")
    assert "b.py:1: ZeroDivisionError" in project.run("check").err


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("fork", ["os.fork()", "if not os.fork(): raise ValueError"])
def test_a_child_that_a_badge_file_forked_does_not_go_on_as_us(project: Project, fork: str, deferred: bool) -> None:
    project.badge(f"import os\n{fork}", "forks.py")
    project.simple_badge("return BadgeAwarded()", async_=deferred)

    assert project.fire().status == 0
    assert project.ok("ingest", "--json", stdin='{"event": "it_happened", "user": "bob"}').json["recorded"] == 1
    assert project.ok("process-queue", "--json").json["done"] == (2 if deferred else 0)
    assert project.ok("replay", "--json").json["events"] == 2
    assert project.ok("check", "--json").json["badges"] == 1
    assert project.sql('SELECT "user" FROM awards ORDER BY 1') == [("alice",), ("bob",)]


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        "child = os.fork()\nif not child:\n    time.sleep(600)\nopen('child', 'w').write(str(child))",
        "import subprocess\nchild = subprocess.Popen(['sleep', '600'], start_new_session=True, stderr=-3)\n"
        "open('child', 'w').write(str(child.pid))",
    ],
    ids=["of-its-session", "in-a-session-of-its-own"],
)
def test_children_left_behind_are_ended(impatient: Project, body: str, deferred: bool) -> None:
    impatient.simple_badge(body, async_=deferred)
    for command in ("fire it_happened --user a", "process-queue"):
        # Not a pipe, which the child would hold open.
        nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        impatient.start(*command.split(), **nothing).wait()

    child = int((impatient.directory / "child").read_text())
    wait_until(lambda: has_ended(child))


@pytest.mark.parametrize("deferred", [False, True])
def test_enumerations_in_an_answer_are_the_values_that_they_are(impatient: Project, deferred: bool) -> None:
    impatient.simple_badge(
        "import enum\n"
        "class Level(enum.IntEnum):\n    FIRST = 1\n"
        "class Key(enum.StrEnum):\n    K = 'k'\n"
        "return BadgeAwarded(Level.FIRST, Key.K, Level.FIRST)",
        async_=deferred,
    )

    assert impatient.fire().status == 0
    assert impatient.run("process-queue").status == 0
    assert impatient.sql('SELECT "user", level, "key" FROM awards') == [("k", 1, "1")]


def test_a_freeze_that_answers_a_hostile_mapping_is_an_error(impatient: Project) -> None:
    path = impatient.simple_badge("return None", async_=True)
    path.write_text(path.read_text() + (
        "    def freeze(self, **state):\n"
        "        class Odd(dict):\n            def items(self): raise RuntimeError('no items')\n"
        "        return Odd(state)\n"
    ))  # fmt: skip

    assert impatient.fire().json["results"][0]["error"] == "RuntimeError: no items"


def test_ingest_outlives_a_badge_that_ends_the_process(impatient: Project) -> None:
    impatient.simple_badge("if state['n'] in (3, 700): os._exit(1)\nreturn BadgeAwarded()")
    lines = "".join(f'{{"event": "it_happened", "user": "u{n}", "state": {{"n": {n}}}}}\n' for n in range(1000))

    result = impatient.run("ingest", "--json", stdin=lines)

    counts = result.json
    assert (counts["lines"], counts["recorded"], counts["awarded"], counts["errors"]) == (1000, 1000, 998, 2)
    for number in (4, 701):
        assert f"line {number}: badge one failed: its process ended with exit status 1" in result.err
    assert impatient.sql('SELECT count(*), count(DISTINCT "user") FROM events') == [(1000, 1000)]


def test_a_badge_that_ends_the_process_again_and_again_is_not_asked_any_more(impatient: Project) -> None:
    impatient.simple_badge("os._exit(1)")
    lines = '{"event": "it_happened", "user": "u"}\n' * 50

    result = impatient.run("ingest", "--json", stdin=lines)

    assert (result.json["recorded"], result.json["errors"]) == (50, 50)
    assert "not asked: it ended its process 3 times in this run" in result.err
    assert "badge one failed 50 times in all" in result.err


RECEIVER = """
    import os, sys, time
    from brabeion_cli.signals import badge_awarded

    @badge_awarded.connect
    def receive(sender, badge_award, **kwargs):
        print("heard of", sender.slug, badge_award.user, badge_award.level_name)
        {body}
"""


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise RuntimeError('no mail')", "receiver receive of badge_awarded failed: RuntimeError: no mail"),
        ("os._exit(0)", "did not return: its process ended with exit status 0"),
        ("time.sleep(600)", "receiver receive of badge_awarded failed: TimeoutError"),
    ],
)
def test_a_receiver_that_fails_is_reported_and_hurts_nothing(
    impatient: Project, body: str, message: str, deferred: bool
) -> None:
    impatient.simple_badge("return BadgeAwarded()", async_=deferred)
    impatient.badge(RECEIVER.format(body=body), "receiver.py")

    result = impatient.fire()
    if deferred:
        result = impatient.run("process-queue", "--json")

    assert result.status == 0
    assert "heard of one alice One" in result.err
    assert message in result.err
    assert impatient.sql("SELECT count(*) FROM awards") == [(1,)]


@pytest.mark.parametrize("deferred", [False, True])
def test_a_receiver_may_fire_into_the_store_of_its_command(impatient: Project, deferred: bool) -> None:
    impatient.simple_badge("return BadgeAwarded()", async_=deferred)
    impatient.simple_badge("return BadgeAwarded()", slug="collector", events=["collected"])
    source = impatient.directory / "badges/receiver.py"
    source.write_text(
        "from brabeion_cli import badges\nfrom brabeion_cli.signals import badge_awarded\n\n"
        "@badge_awarded.connect\ndef receive(sender, badge_award, **kwargs):\n"
        "    if sender.slug == 'one':\n        badges.possibly_award_badge('collected', user=badge_award.user)\n"
    )

    for command in ("fire it_happened --user alice", "process-queue"):
        result = impatient.ok(*command.split(), "--db", "other.db", "--badges", "badges")
        assert "failed" not in result.err

    impatient.db = impatient.directory / "other.db"
    assert impatient.sql("SELECT badge FROM awards ORDER BY 1") == [("collector",), ("one",)]
    assert not (impatient.directory / "brabeion.db").exists()


def test_awards_by_hand_are_announced(impatient: Project) -> None:
    impatient.simple_badge("return None")
    impatient.badge(RECEIVER.format(body="pass"), "receiver.py")
    impatient.fire()

    for heard in (True, False):
        given = impatient.ok("award", "--user", "bob", "--badge", "one", "--reason", "x", "--json")
        assert ("heard of one bob One" in given.err) is heard
        assert given.json["results"][0]["outcome"] == ("awarded" if heard else "held")


def test_receivers_hear_of_each_award_once(impatient: Project) -> None:
    impatient.simple_badge("return BadgeAwarded()")
    impatient.badge(RECEIVER.format(body="pass"), "receiver.py")

    lines = "".join(f'{{"event": "it_happened", "user": "u{n % 3}"}}\n' for n in range(9))
    result = impatient.ok("ingest", stdin=lines)

    assert sorted(line for line in result.err.splitlines() if "heard" in line) == [
        f"heard of one u{n} One" for n in range(3)
    ]


def test_runners_leave_nothing_open_behind(impatient: Project) -> None:
    impatient.simple_badge("return BadgeAwarded(key=len(os.listdir('/dev/fd')))", async_=True)
    if not os.path.isdir("/dev/fd"):
        pytest.skip("no /dev/fd here")
    impatient.ok("ingest", stdin='{"event": "it_happened", "user": "u"}\n' * 60)
    impatient.ok("process-queue")

    counts = {int(key) for (key,) in impatient.sql('SELECT DISTINCT "key" FROM awards')}
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("deferred", [False, True])
def test_a_badge_may_read_the_database_by_itself(impatient: Project, deferred: bool) -> None:
    impatient.simple_badge(
        "import sqlite3\ncount = sqlite3.connect('file:brabeion.db?mode=ro', uri=True)\n"
        "return BadgeAwarded(key=count.execute('SELECT count(*) FROM sqlite_master').fetchone()[0])",
        async_=deferred,
    )  # fmt: skip

    assert impatient.fire().status == 0
    assert impatient.run("process-queue").status == 0
    assert impatient.sql("SELECT count(*) FROM awards") == [(1,)]


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc here")
@pytest.mark.parametrize("command", ["ingest", "process-queue"])
def test_memory_does_not_grow_from_event_to_event(impatient: Project, command: str) -> None:
    body = (
        "pages = lambda pid: int(open(f'/proc/{pid}/statm').read().split()[1])\n"
        "if state['n'] % 100 == 0: return BadgeAwarded(key=f\"{state['n']} {pages('self')} {pages(os.getppid())}\")"
    )
    impatient.simple_badge(body, async_=command == "process-queue")
    lines = "".join(f'{{"event": "it_happened", "user": "u{n}", "state": {{"n": {n}}}}}\n' for n in range(601))

    impatient.ok("ingest", stdin=lines)
    impatient.ok("process-queue")

    keys = [key.split() for (key,) in impatient.sql('SELECT "key" FROM awards')]
    pages = {int(n): (int(own), int(parents)) for n, own, parents in keys}
    mebibyte = 1024 * 1024 // os.sysconf("SC_PAGE_SIZE")
    for before, after in zip(pages[100], pages[600], strict=True):
        assert after - before < 2 * mebibyte
