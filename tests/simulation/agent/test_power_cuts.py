"""Simulation: is a sale that was answered still there, once, wherever the power is cut?

The real till, handlers and store run fifty sales and the days after them once on a recorded disk. Then
the power is cut at every fifth operation of that recording (with `-m storm` at the others, too) and at
random ones, with what was not synced torn and lost by chance; the station is opened again on what is
left, and everything that may be repeated is said again.

A state of the tables is said again once, however many cuts lead to it: saying it again depends
on the rows alone, and whether the file under them is sound is asked of every cut.

A failing cut ends with the line that repeats it alone.
"""

import hashlib
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.clock import ClockQuality, Instant
from agent.handlers.told import Told
from agent.messages import ids
from agent.store.database import Store, StoreBroken, StoreMismatch
from agent.store.heads import LEDGER_CUT, Heads
from agent.store.integrity import verify
from agent.store.migrations import SchemaError
from agent.till import Till, _Request
from drivers.events import Fuelling, Monotonic, Outcome, SaleRefunded
from tests.simulation.agent.power import Files, Platter, Recorder, load_apsw, register
from tests.simulation.agent.script import SITE, Group, Said, Step, script
from tests.world import WEDNESDAY_MS

SEED = 20260708
RANDOM_CUTS = 300
STORM_CUTS = 50_000
CONTROL_CUTS = 300
_HERE = "tests/simulation/agent/test_power_cuts.py"
_SMALL_WAL = "PRAGMA wal_autocheckpoint=64"
"""Pages: many checkpoints in a short script, so that cuts fall into them too."""


def show(figures: str) -> None:
    sys.stdout.write(f"\n{figures}\n")


def memory_folder() -> str | None:
    """Files that only pretend to survive a cut need no real disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.at_ms = WEDNESDAY_MS

    def wall_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> Monotonic:
        return Monotonic(0)

    def quality(self, floor_ms: int) -> ClockQuality:
        return ClockQuality.SYNCED


class Station:
    """The till's own commit, called without its thread: which verbs share one would otherwise be a race."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._clock = Clock()
        self._till = Till(lambda: store, self._clock, lambda store: None, lambda error: None)
        self._till._floor_ms = store.newest_at_ms()

    @property
    def connection(self) -> sqlite3.Connection:
        return self.store._connection

    def hear(self, group: Group) -> list[Said]:
        """Answers, after the commit."""
        self._clock.at_ms = group.at_ms
        requests = [_Request(step.verb) for step in group.steps]
        self._till._commit(self.store, requests)  # type: ignore[arg-type]  # invariant, as in Till
        assert not any(request.refusal for request in requests)
        return [request.answer for request in requests]

    def hear_again(self, groups: list[Group], answered: int) -> None:
        """Everything that anybody would say again: all but cards and nozzles that were answered."""
        for number, group in enumerate(groups):
            steps = tuple(step for step in group.steps if step.repeated or number >= answered)
            if steps:
                self.hear(Group(group.at_ms, steps))


@contextmanager
def opened(path: Path, connect: Callable[[Path], sqlite3.Connection]) -> Iterator[Station]:
    store = Store.open(path, SITE.station, SITE.programme, Instant(WEDNESDAY_MS), connect=connect)
    with closing(store):
        yield Station(store)


Tables = list[tuple[str, list[tuple[object, ...]]]]


@dataclass
class Recording:
    """One uncut run. `answered_at[n]`: operations done when group n had been answered."""

    groups: list[Group]
    recorder: Recorder
    answers: list[list[tuple[Step, Said]]] = field(default_factory=list)
    answered_at: list[int] = field(default_factory=list)
    states: list[bytes] = field(default_factory=list)
    heads: list[Heads] = field(default_factory=list)
    """What was written to the heads file after the commit of each group."""
    final: Tables = field(default_factory=list)

    def answered(self, operations: int) -> int:
        return sum(done <= operations for done in self.answered_at)

    def heads_kept(self, answered: int, chance: random.Random) -> list[Heads]:
        """What a cut leaves of the heads file, which is not synced: what was written last, or earlier."""
        written = self.heads[:answered]
        return [written[-1], chance.choice(written)] if written else []


def record(name: str, pragma: str = "") -> Recording:
    apsw, recorder = load_apsw(), Recorder()
    vfs = register(apsw, recorder, name)
    recording = Recording(script(), recorder)
    folder = Path(tempfile.mkdtemp(dir=memory_folder()))

    def connect(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{path}?vfs={name}", uri=True, isolation_level=None)
        connection.execute(_SMALL_WAL)
        return connection

    try:
        with opened(folder / "station.db", connect) as station:
            station.connection.execute(pragma)
            recording.states.append(digest(station.connection))
            for group in recording.groups:
                answers = station.hear(group)
                recording.answers.append(list(zip(group.steps, answers, strict=True)))
                recording.answered_at.append(len(recorder.operations))
                recording.states.append(digest(station.connection))
                recording.heads.append(station.store.heads())
            recording.final = ledger(station.connection)
    finally:
        shutil.rmtree(folder)
        del vfs
    return recording


_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"


def rows(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


def digest(connection: sqlite3.Connection) -> bytes:
    """One hash of every row of every table."""
    tables = [name for (name,) in connection.execute(_TABLES)]
    return hashlib.sha256(repr([(name, rows(connection, name)) for name in tables]).encode()).digest()


_APART = {
    "watermark": "SELECT stream, seq, head FROM watermark",
    "presentation": "SELECT DISTINCT point, credential, fact_id FROM presentation",
    "outbox": "SELECT * FROM outbox WHERE stream = 'ledger'",
    "guard": "SELECT version, sales, declined, mismatched, crashes, since_seq FROM guard",
    "notice": "SELECT notice_id, member, code, minor, at_ms, shown_at_ms IS NULL FROM notice",
}


def ledger(connection: sqlite3.Connection) -> Tables:
    """Everything but how often somebody was refused, a card was shown, an ack was heard, how far awards
    were computed again, and at which of two answers a member was told the news."""
    tables = [name for (name,) in connection.execute(_TABLES) if name != "alarm"]
    queries = {name: _APART.get(name, f"SELECT * FROM {name}") for name in tables}
    return [
        (name, connection.execute(f"{query} ORDER BY 1, 2").fetchall()) for name, query in queries.items()
    ]


def missing(connection: sqlite3.Connection, answers: list[list[tuple[Step, Said]]]) -> list[str]:
    """What was answered and is not there exactly once: facts, awards, refunds."""

    def count(sql: str, *parameters: object) -> int:
        return int(connection.execute(sql, parameters).fetchone()[0])

    found = []
    for step, said in (pair for group in answers for pair in group):
        if not isinstance(said, Told) or said.answer.outcome is Outcome.REFUSED:
            continue
        answer, event = said.answer, step.event
        fact_id = ids.from_text(answer.fact_id) if answer.fact_id else None
        if fact_id and count("SELECT count(*) FROM fact WHERE fact_id = ?", fact_id) != 1:
            found.append(f"fact {answer.fact_id}")
        if isinstance(event, SaleRefunded):
            if count("SELECT count(*) FROM refund WHERE refund_id = ?", event.refund_id) != 1:
                found.append(f"refund {event.refund_id}")
        elif answer.points_minor is not None:
            sql = "SELECT count(*) FROM award WHERE fact_id = ? AND minor = ?"
            if count(sql, fact_id, answer.points_minor) != 1:
                found.append(f"award of {answer.fact_id}")
    return found


@contextmanager
def booted(files: Files) -> Iterator[Station]:
    """The next boot: what the cut left, in a folder of its own, on the ordinary VFS."""
    folder = Path(tempfile.mkdtemp(dir=memory_folder()))
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        with opened(folder / "station.db", _plain) as station:
            yield station
    finally:
        shutil.rmtree(folder)


def _plain(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def cuts(
    recording: Recording, wanted: list[tuple[int, int]], *, lies: bool = False
) -> Iterator[tuple[int, int, Files]]:
    """(operations done, seed, files left) for each wanted (operations, seed), in order."""
    platter, done = Platter(lies=lies), 0
    for operations, seed in sorted(wanted):
        while done < operations:
            platter.take(recording.recorder.operations[done])
            done += 1
        yield operations, seed, platter.after_cut(random.Random(f"{operations}:{seed}"))


def random_cuts(recording: Recording, number: int) -> list[tuple[int, int]]:
    chance = random.Random(SEED)
    last = len(recording.recorder.operations)
    return [(chance.randint(1, last), chance.getrandbits(32)) for _ in range(number)]


def survive(recording: Recording, wanted: list[tuple[int, int]]) -> int:
    """Cut, boot, compare, say everything again; returns how many different states were met."""
    said_again: set[tuple[bytes, int]] = set()
    for operations, seed, files in cuts(recording, wanted):
        try:
            _survive_one(recording, operations, files, said_again)
        except (AssertionError, StoreBroken, StoreMismatch, SchemaError) as error:
            error.add_note(f"repeat: FORECOURT_CUT={operations}:{seed} pytest {_HERE} -k one_cut")
            raise
    return len(said_again)


def _survive_one(
    recording: Recording, operations: int, files: Files, said_again: set[tuple[bytes, int]]
) -> None:
    answered = recording.answered(operations)
    with booted(files) as station:
        assert station.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert missing(station.connection, recording.answers[:answered]) == []
        for kept in recording.heads_kept(answered, random.Random(operations)):
            assert station.store.compare(kept) == "", "an honest disk has all that the heads file saw"
        state = digest(station.connection)
        assert state in recording.states[answered : answered + 2], "neither before nor after the open group"
        if (state, answered) in said_again:
            return
        said_again.add((state, answered))
        assert verify(station.connection) == []
        station.hear_again(recording.groups, answered)
        assert verify(station.connection) == []
        assert ledger(station.connection) == recording.final


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record("power")


def test_the_disk_saw_everything(recording: Recording) -> None:
    recorder = recording.recorder
    assert recorder.count("write") > 1_000
    assert recorder.count("sync") > len(recording.groups)
    assert {o.file for o in recorder.operations if o.kind == "write"} >= {"station.db", "station.db-wal"}
    synced = [o.file for o in recorder.operations if o.kind == "sync"]
    assert synced.count("station.db") >= 5, "too few checkpoints to cut into"
    show(f"{len(recording.groups)} commits, {len(recorder.operations)} operations")


def test_the_script_is_what_it_says(recording: Recording) -> None:
    final = dict(recording.final)
    tables = {name: len(found) for name, found in final.items()}
    fuellings = {s.event.raw for g in recording.groups for s in g.steps if isinstance(s.event, Fuelling)}
    assert len(fuellings) == 55  # one for every sale but five baskets, two for ten of them
    assert tables["fact"] == len(fuellings) + 5 + 5  # at each basket the meter moved without a record: a gap
    assert tables["award"] > 30
    assert tables["refund"] == 15
    assert tables["outbox"] < tables["fact"], "pruning has left the rows of the last sales"
    assert (tables["daily_close"], tables["dark_spell"], tables["bundle"]) == (41, 1, 3)
    kinds = Counter(kind for _, kind, *_ in final["ledger_entry"])
    show(", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    assert min(kinds[kind] for kind in ("award", "activation", "expiry", "refund")) >= 5


def test_every_fifth_operation(recording: Recording) -> None:
    every_fifth = every_operation(recording)[::5]
    states = survive(recording, every_fifth)
    show(f"{len(every_fifth)} cuts at every fifth operation, {states} states said again")
    assert states >= len(recording.groups)


@pytest.mark.storm
def test_the_operations_between(recording: Recording) -> None:
    survive(recording, [cut for number, cut in enumerate(every_operation(recording)) if number % 5])


def every_operation(recording: Recording) -> list[tuple[int, int]]:
    return [(operations, SEED) for operations in range(1, len(recording.recorder.operations) + 1)]


def test_random_cuts(recording: Recording) -> None:
    states = survive(recording, random_cuts(recording, RANDOM_CUTS))
    show(f"{RANDOM_CUTS} random cuts, seed {SEED}, {states} states said again")


@pytest.mark.storm
def test_a_storm_of_cuts(recording: Recording) -> None:
    survive(recording, random_cuts(recording, STORM_CUTS))


@pytest.mark.skipif("FORECOURT_CUT" not in os.environ, reason="names one cut to repeat: operation:seed")
def test_one_cut(recording: Recording) -> None:
    operations, seed = os.environ["FORECOURT_CUT"].split(":")
    survive(recording, [(int(operations), int(seed))])


def losses(recording: Recording, *, lies: bool = False) -> int:
    """Cuts after which an answered sale is gone or the file is no database any more.

    If the heads file, on a better disk, has what was written last, it notices every one of them.
    """
    lost = 0
    for operations, _, files in cuts(recording, random_cuts(recording, CONTROL_CUTS), lies=lies):
        answered = recording.answered(operations)
        try:
            with booted(files) as station:
                if missing(station.connection, recording.answers[:answered]):
                    lost += 1
                    assert station.store.compare(recording.heads[answered - 1]) == LEDGER_CUT
        except (StoreBroken, StoreMismatch, SchemaError, sqlite3.DatabaseError):
            lost += 1
    return lost


def test_control_without_a_sync_at_commit_sales_are_lost() -> None:
    """The same cuts must be able to hurt: with synchronous=NORMAL they do."""
    lost = losses(record("power_normal", "PRAGMA synchronous=NORMAL"))
    show(f"synchronous=NORMAL: {lost} of {CONTROL_CUTS} cuts lost answered sales")
    assert lost > 0


def test_control_a_disk_that_lies_about_its_syncs_loses_sales(recording: Recording) -> None:
    lost = losses(recording, lies=True)
    show(f"a lying disk: {lost} of {CONTROL_CUTS} cuts lost answered sales")
    assert lost > 0
