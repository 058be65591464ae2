"""Unit: does the station tell HQ of every row about a member, of no other, and nothing of what is in it?"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.store.holdings import STATEMENTS
from agent.store.reading import connect
from tests.unit.agent.earning import Station, fill, items, stations
from tests.unit.agent.told_by_hq import adjust, order
from tests.world import BASIC, GOLD

SINCE_NEVER = 0
WITHOUT_A_MEMBER = {
    "revocation": "hashes that name nobody",
    "ledger_entry": "counted by its postings",
    "lot_move": "counted by its lots",
}


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def test_what_is_held_is_counted(station: Station) -> None:
    world = station()
    began_ms = world.at_ms
    fill(world, "R-1")
    world.wait(60)
    assert adjust(world, 500) == ""
    fill(world, "R-2", credential=GOLD)
    assert order(world, "member.holding.ask", {"member": "m-basic"}, id="hq-7") == ""
    [told] = items(world, "member.holding")
    held = {what: (rows, since_ms) for what, rows, since_ms in told.pop("held")}
    assert told == {"asked_by": "hq-7", "member": "m-basic", "as_of_ms": world.at_ms}
    [(snapshot_ms,)] = world.rows("SELECT as_of_ms FROM member WHERE member = 'm-basic'")
    assert held["member"] == held["credential"] == (1, snapshot_ms)
    assert held["lot"] == (2, SINCE_NEVER)
    assert held["adjustment"] == (1, began_ms + 60_000)
    assert {held[what] for what in ("award", "binding", "pos_sale")} == {(1, began_ms)}
    [(entries,)] = world.rows("SELECT count(*) FROM posting WHERE account LIKE 'member:m-basic:%'")
    assert held["posting"] == (entries, began_ms)
    kept = [json.loads(body) for (body,) in world.rows("SELECT body FROM outbox")]
    others = [item for item in kept if item.get("member") == "m-basic" and item["kind"] != "member.holding"]
    assert held["outbox"] == (len(others), began_ms)


def test_nothing_in_the_answer_is_a_credential(station: Station) -> None:
    world = station()
    fill(world)
    order(world, "member.holding.ask", {"member": "m-basic"})
    [(body,)] = world.rows("SELECT body FROM outbox WHERE kind = 'member.holding'")
    assert world.hash(BASIC).encode() not in body
    assert BASIC.value.encode() not in body


def test_who_is_gone_is_still_in_the_books(station: Station) -> None:
    world = station()
    fill(world)
    [(base,)] = world.rows("SELECT max(version) FROM snapshot")
    gone = {"base": base, "version": base + 1, "issued_at_ms": world.at_ms, "gone": ["m-basic"]}
    assert order(world, "member.delta", gone) == ""
    order(world, "member.holding.ask", {"member": "m-basic"})
    [told] = items(world, "member.holding")
    held = {what for what, *_ in told["held"]}
    assert {"award", "lot", "posting"} <= held
    assert held.isdisjoint({"member", "credential", "bucket"})


def test_of_a_stranger_nothing_is_held(station: Station) -> None:
    world = station()
    fill(world)
    assert order(world, "member.holding.ask", {"member": "m-bas"}) == ""
    assert items(world, "member.holding")[0]["held"] == []


def test_no_table_is_forgotten(station: Station) -> None:
    """Whoever adds a table that names members, credentials or accounts adds its statement."""
    schema = station().rows("SELECT name, sql FROM sqlite_schema WHERE type = 'table'")
    naming = {
        str(name)
        for name, sql in schema
        if re.search(r"^\s*(member|credential|account)\s+TEXT", str(sql), re.MULTILINE)
    }
    assert len(naming) > 12
    assert naming - set(STATEMENTS) - set(WITHOUT_A_MEMBER) == set()


def test_no_statement_reads_through_the_books(station: Station) -> None:
    """A station of ten years must not wait for it; members, coupons, orders and notices are few."""
    world = station()
    read = set()
    with closing(connect(world.path)) as reader:
        for statement in STATEMENTS.values():
            wanted = dict.fromkeys(re.findall(r":(\w+)", statement), "")
            read |= {step for *_, step in reader.execute(f"EXPLAIN QUERY PLAN {statement}", wanted)}
    few = ("adjustment", "credential", "coupon", "notice", "rights_grant", "outbox")
    through = {step for step in read if step.startswith("SCAN")}
    assert through <= {f"SCAN {table}" for table in few} | {"SCAN binding USING INDEX binding_waiting"}
