"""Unit: how often does HQ ask its database for a batch, a hello and a state, and does it ask for little?"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sync import topics, wire
from tests.unit.hq.stand import HQ_KEY, Hq, Station, award, fuelling

Asked = list[tuple[str, Any]]


@pytest.fixture
def station() -> Station:
    station = Station()
    for n in range(1, 21, 2):
        station.write(fuelling(f"f{n}"), award(f"a{n}", of=n))
    return station


@pytest.fixture
def hq(tmp_path: Path, station: Station) -> Iterator[Hq]:
    hq = Hq(tmp_path / "hq.db", station)
    yield hq
    hq.store.close()


@contextmanager
def questions() -> Iterator[Asked]:
    """What every engine is asked meanwhile, beside the begin of a transaction: (SQL, parameters)."""
    asked: Asked = []

    def ask(_conn: object, _cursor: object, sql: str, parameters: Any, _context: object, many: bool) -> None:
        if not sql.startswith("BEGIN"):
            asked.append((sql, parameters[0] if many else parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", ask)
    try:
        yield asked
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", ask)


def plans(path: Path, asked: Asked) -> Iterator[str]:
    """How SQLite goes about each, a line for each table."""
    with closing(sqlite3.connect(path)) as file:
        for sql, parameters in asked:
            for *_, line in file.execute(f"EXPLAIN QUERY PLAN {sql}", parameters):
                yield line


def state(online: bool) -> wire.State:
    return wire.State(
        station="cn-0001", epoch=1, online=online, since_ms=1, agent_version="1", clock_quality="SYNCED"
    )


def say(hq: Hq, *lines: bytes) -> None:
    for line in lines:
        assert hq.receiver.handle(topics.state("cn-0001"), line) == []


def states(hq: Hq) -> Sequence[bool]:
    return [wire.State.model_validate_json(line.state or b"").online for line in hq.store.stations()]


def test_no_question_of_a_batch_looks_through_what_grows(hq: Hq, station: Station, tmp_path: Path) -> None:
    hq.take(station, station.seal(1, 2))
    with questions() as asked:
        hq.take(station, station.seal(3, 4))
        hq.take(station, station.seal(9, 12))
        hq.take(station, station.seal(4, 8))
    asked = [(sql, parameters) for sql, parameters in asked if "sqlite_" not in sql]
    seen = list(plans(tmp_path / "hq.db", asked))
    grows = ("item", "waiting", "member_account", "member_station")
    looks = [line for line in seen if line.split()[1] in grows]
    assert any("entity_id=?" in line for line in looks)
    assert all(line.startswith("SEARCH") for line in looks)
    assert not [line for line in looks if line.split()[1] == "item" and "(station=?)" in line]


def test_a_batch_in_its_order_asks_eight_questions_however_long_it_is(hq: Hq, station: Station) -> None:
    """Key, lock, chains, entities; the items, two accounts of their members, the watermark."""
    hq.take(station, station.seal(1, 2))
    for first, last in ((3, 4), (5, 20)):
        with questions() as asked:
            assert hq.take(station, station.seal(first, last)) is not None
        assert len(asked) == 8


def test_batches_in_one_run_look_their_stations_key_up_once(hq: Hq, station: Station) -> None:
    run = [(topics.up(station.name, "ledger"), station.seal(n, n + 1)) for n in range(1, 21, 2)]
    with questions() as asked:
        assert all(hq.receiver.handle_all(run))
    assert sum("public_key" in sql for sql, _ in asked) == 1


def test_a_hello_of_a_station_that_is_up_to_date_asks_four_questions(hq: Hq, station: Station) -> None:
    hq.take(station, station.seal(1, 20))
    with questions() as asked:
        assert hq.hello(station) is not None
    assert len(asked) == 4


def test_a_state_that_is_kept_already_costs_a_new_worker_nothing(
    hq: Hq, station: Station, tmp_path: Path
) -> None:
    up, down = (wire.sign_state(state(online), station.key.sign) for online in (True, False))
    say(hq, up, down)
    starting = Hq(tmp_path / "hq.db", station)
    with questions() as asked:
        say(starting, down)
    assert len(asked) == 1, "all that is kept, once"
    with questions() as asked:
        say(starting, down, down)
    assert asked == []
    say(starting, up)
    assert states(hq) == [True]
    say(starting, down, up)
    assert states(hq) == [True]
    starting.store.close()


def test_a_forged_state_is_not_remembered(hq: Hq, station: Station) -> None:
    say(hq, wire.sign_state(state(True), station.key.sign))
    forged = wire.sign_state(state(False), HQ_KEY.sign)
    say(hq, forged, forged)
    assert hq.alarms(station) == {"BAD_SIGNATURE": 2}
    say(hq, wire.sign_state(state(False), station.key.sign))
    assert states(hq) == [False]
