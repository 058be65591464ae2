"""Stations, a broker without persistence and HQ's workers, killed by chance and started again. For tests."""

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import IO

import sqlalchemy as sa

from sync.broker import start_broker
from sync.envelope import GENESIS, next_head
from sync.hq.store import HqStore, Mark
from sync.hq.store.member_tables import member_account
from sync.hq.store.tables import item, waiting
from sync.outbox import LEDGER, STREAMS
from tests.integration.hq.road import ROOT
from tests.integration.hq.storm_parts import notes_in, station_key
from tests.integration.hq.storm_rows import ONE_IN, fill, points, rows, rows_of_all

STATION, HQ, BROKER = "station", "hq", "broker"
_STALLED_S = 60.0
_AT_ONCE = 5_000


class Part:
    """One process of the storm, in as many lives as it takes; the next one is loaded before it is needed."""

    def __init__(self, directory: Path, role: str, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self.past: Counter[str] = Counter()
        """What the lives that are over had counted."""
        self.marks: Counter[str] = Counter()
        """The highest watermark of each stream that any life has noted."""
        self._directory, self._role, self._arguments = directory, role, arguments
        self._lives = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._next = self._load()

    def start(self) -> None:
        self._lives, self._process = self._lives + 1, self._next
        _input_of(self._process).write(b"\n")
        self._next = self._load()

    def kill(self) -> None:
        """SIGKILL. Nobody but us may have ended it."""
        process = self._process
        assert process is not None
        assert process.poll() is None, self._log.read_text()[-3_000:]
        process.kill()
        self._bury(process)

    def end(self) -> None:
        """Its input is closed; it leaves."""
        self._next.kill()
        for process in (self._next, self._process):
            if process is None:
                continue
            _input_of(process).close()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._process:
            self._bury(self._process)

    def look(self) -> Counter[str]:
        """What the life that runs has counted."""
        now = notes_in(self._notes)
        self.marks |= Counter({stream: now.pop(stream, 0) for stream in STREAMS})
        return now

    @property
    def counted(self) -> Counter[str]:
        """In all lives."""
        return self.past + (self.look() if self._process else Counter())

    @property
    def _notes(self) -> Path:
        return self._directory / f"{self.name}.{self._lives}"

    @property
    def _log(self) -> Path:
        return self._directory / f"{self.name}.log"

    def _load(self) -> "subprocess.Popen[bytes]":
        notes = self._directory / f"{self.name}.{self._lives + 1}"
        command = [sys.executable, "-m", "tests.integration.hq.storm_parts", self._role, self.name]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*command, *self._arguments, str(notes)],
                bufsize=0,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def _bury(self, process: "subprocess.Popen[bytes]") -> None:
        process.wait()
        _input_of(process).close()
        self.past += self.look()
        self._process = None


def _input_of(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


class Storm:
    """`stations` with `ledger_rows` each in their outboxes, `workers` on `hq_url`, and a mosquitto."""

    def __init__(
        self,
        directory: Path,
        hq_url: str,
        ledger_rows: int,
        *,
        stations: int = 1,
        workers: int = 2,
        role: str = "station",
    ) -> None:
        self.directory, self.ledger_rows = directory, ledger_rows
        self.kills: Counter[str] = Counter()
        self.took_s = 0.0
        names = [f"cn-{n:04}" for n in range(1, stations + 1)]
        self.store = HqStore(hq_url)
        self._engine = sa.create_engine(hq_url)
        for name in names:
            fill(self.database(name), name, ledger_rows)
            assert self.store.add_station(name, station_key(name).public.raw, 0)
        self.broker = start_broker("mosquitto", directory / "broker")
        self.workers = [
            Part(directory, HQ, f"hq-{n}", [self.broker.url, hq_url]) for n in range(1, workers + 1)
        ]
        self.stations = [
            Part(directory, role, name, [self.broker.url, str(self.database(name))]) for name in names
        ]

    def database(self, name: str) -> Path:
        return self.directory / f"{name}.db"

    # ---- what happens

    def start(self) -> None:
        self._began_s = time.monotonic()
        for part in (*self.workers, *self.stations):
            part.start()

    def close(self) -> None:
        for part in (*self.stations, *self.workers):
            part.end()
        self.broker.stop()
        self._engine.dispose()
        self.store.close()

    def rage(self, kills: int, chance: Random, whom: Sequence[str]) -> None:
        """So many SIGKILLs, spread over the way of the rows; each strikes at any moment of its share."""
        share = len(self.stations) * self.ledger_rows // (kills + 1)
        victims = [whom[number % len(whom)] for number in range(kills)]
        chance.shuffle(victims)
        for number, victim in enumerate(victims):
            self.until_acknowledged(number * share + chance.randrange(share))
            time.sleep(chance.uniform(0, 0.05))
            self.strike(victim, chance)

    def strike(self, whom: str, chance: Random) -> None:
        self.kills[whom] += 1
        if whom == BROKER:
            self.broker.kill()
            self.broker.restart()
            return
        part = chance.choice(self.workers if whom == HQ else self.stations)
        part.kill()
        part.start()

    def until_acknowledged(self, ledger_rows: int) -> None:
        self._until(lambda: self.acknowledged() >= ledger_rows)

    def until_drained(self) -> None:
        """Every station has HQ's word for everything."""
        self.until_acknowledged(len(self.stations) * (self.ledger_rows // 2 * 2))
        beside = self.ledger_rows // ONE_IN
        self._until(lambda: all(part.marks[stream] >= beside for part in self.stations for stream in STREAMS))
        self.took_s = time.monotonic() - self._began_s

    def acknowledged(self) -> int:
        """Ledger rows that the stations take for delivered."""
        for part in self.stations:
            part.look()
        return sum(part.marks[LEDGER] for part in self.stations)

    def _until(self, holds: Callable[[], bool]) -> None:
        """Fails when nothing moves any more; how fast it moves is not asked."""
        marks, moved_s = self.acknowledged(), time.monotonic()
        while not holds():
            if (now := self.acknowledged()) > marks:
                marks, moved_s = now, time.monotonic()
            assert time.monotonic() < moved_s + _STALLED_S, self.figures()
            time.sleep(0.02)

    # ---- what is there

    def differences(self) -> list[str]:
        """Everything in which HQ's books are not the stations', row for row and byte for byte."""
        found = [one for part in self.stations for one in self._differences(part.name)]
        with self._engine.connect() as connection:
            a = member_account.c
            held = dict(connection.execute(sa.select(a.member, a.balance_minor)).all())  # type: ignore[arg-type]
        each = points(self.ledger_rows)
        if held != {member: len(self.stations) * minor for member, minor in each.items()}:
            found.append("the members' balances are not the sum of their awards")
        return found

    def _differences(self, name: str) -> Iterator[str]:
        marks, ours = self.store.chains(name).marks(1), _watermarks(self.database(name))
        if marks != ours:
            yield f"{name}: HQ stands at {marks}, the station at {ours}"
        for stream in STREAMS:
            head, expected = GENESIS, rows(name, stream, self.ledger_rows)
            for seq, (row, held) in enumerate(zip_longest(expected, self._held(name, stream)), 1):
                if row is None or held != (seq, row.kind, "ok", 1, row.body):
                    yield f"{name}: {stream} {seq}: HQ holds {held}, the station wrote {row}"
                    break
                head = next_head(head, row.body)
            else:
                if marks[stream].head != head:
                    yield f"{name}: {stream}: HQ's head is not that of the rows"
            yield from self._kept_otherwise(name, stream)
        report = self.store.reconcile(name)
        assert report is not None
        given = (report.items("award"), report.minor("award"), report.imbalances)
        if given != (self.ledger_rows // 2, points(self.ledger_rows).total(), 0):
            yield f"{name}: awards, points and unbalanced accounts are {given}"

    def _held(self, name: str, stream: str) -> Iterator[tuple[object, ...]]:
        i = item.c
        query = sa.select(i.seq, i.kind, i.verdict, i.counted, i.body)
        query = query.where(i.station == name, i.epoch == 1, i.stream == stream).order_by(i.seq)
        after_seq = 0
        with self._engine.connect() as connection:
            while some := connection.execute(query.where(i.seq > after_seq).limit(_AT_ONCE)).all():
                yield from map(tuple, some)
                after_seq = some[-1].seq

    def _kept_otherwise(self, name: str, stream: str) -> Iterator[str]:
        """Rows that the station still keeps, against what it wrote."""
        query = "SELECT seq, body FROM outbox WHERE stream = ?"
        with closing(sqlite3.connect(self.database(name))) as connection:
            kept = dict(connection.execute(query, (stream,)).fetchall())
        for seq, row in enumerate(rows(name, stream, self.ledger_rows), 1):
            if kept.pop(seq, row.body) != row.body:
                yield f"{name}: {stream} {seq}: the station keeps other bytes"
        if kept:
            yield f"{name}: {stream}: the station keeps rows that it never wrote"

    def nowhere(self, name: str) -> int:
        """Ledger rows that neither the station has any more nor HQ ever got."""
        with closing(sqlite3.connect(self.database(name))) as connection:
            query = "SELECT seq FROM outbox WHERE stream = ?"
            somewhere = {int(row[0]) for row in connection.execute(query, (LEDGER,))}
        with self._engine.connect() as connection:
            for table in (item, waiting):
                c = table.c
                query_hq = sa.select(c.seq).where(c.station == name, c.stream == LEDGER)
                somewhere.update(connection.scalars(query_hq))
        return self.ledger_rows // 2 * 2 - len(somewhere)

    def figures(self) -> str:
        """For the reader of a run."""
        sent = sum((part.counted for part in self.stations), Counter[str]())
        heard = sum((part.counted for part in self.workers), Counter[str]())
        rows_in_all = len(self.stations) * rows_of_all(self.ledger_rows)
        alarms = {line.code: line.count for line in self.store.alarms()}
        speed = (
            f"in {self.took_s:.0f} s, {rows_in_all / self.took_s:,.0f} rows/s"
            if self.took_s
            else "not drained"
        )
        return (
            f"{rows_in_all:,} rows {speed}; {self.kills.total()} SIGKILLs {dict(self.kills)}; "
            f"sent again {max(0, sent['sent'] - rows_in_all):,}, pruned meanwhile {sent['pruned']:,}; "
            f"at HQ: duplicates {heard['DUPLICATES']:,}, ahead of a gap {heard['WAITING']:,}, "
            f"batches {heard['BATCHES']:,}, hellos {heard['HELLOS']:,}, alarms {alarms}; "
            f"stations: { {k: v for k, v in sent.items() if k not in ('sent', 'pruned')} }"
        )


def _watermarks(database: Path) -> dict[str, Mark]:
    with closing(sqlite3.connect(database)) as connection:
        marks = connection.execute("SELECT stream, seq, head FROM watermark")
        return {stream: Mark(seq, head) for stream, seq, head in marks}
