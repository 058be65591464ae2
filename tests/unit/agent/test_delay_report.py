"""Unit: is HQ told, once, of a long time without it, and does the slip say that confirmation waits?"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.handlers.delay_report import end_darkness
from agent.handlers.site import Limits
from tests.world import BASIC, GOLD, World

HOUR_MS = 3_600_000


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "station.db").stock()


def reports(world: World) -> list[dict[str, object]]:
    found = world.rows("SELECT body FROM outbox WHERE kind = 'delay.report' ORDER BY seq")
    return [json.loads(body) for (body,) in found]


def sell(world: World, sale: str, credential: object) -> int:
    fuelling = world.fuel()
    answer = world.pay(sale, fuelling.amount_fen, credential=credential)  # type: ignore[arg-type]
    assert answer.points_minor
    return answer.points_minor


def begin(world: World) -> int:
    world.run(lambda tx, at: tx.darkness.begin(at.wall_ms))
    return world.at_ms


def end(world: World) -> None:
    world.run(lambda tx, at: end_darkness(tx, world.site, at))


def test_a_long_spell_is_told_with_what_had_to_wait(world: World) -> None:
    sell(world, "before", GOLD)
    world.at_ms += 60_000
    began_ms = begin(world)
    world.at_ms += HOUR_MS // 2
    minor = sell(world, "S1", GOLD) + sell(world, "S2", GOLD) + sell(world, "S3", BASIC)
    world.at_ms += HOUR_MS // 2
    end(world)
    [seqs] = world.rows(
        "SELECT min(stream_seq), max(stream_seq) FROM award WHERE settled_at_ms > ?", began_ms
    )
    assert reports(world) == [
        {
            "kind": "delay.report",
            "dark_from_ms": began_ms,
            "dark_until_ms": began_ms + HOUR_MS,
            "first_seq": seqs[0],
            "last_seq": seqs[1],
            "awards": 3,
            "members": 2,
            "minor": minor,
            "at_ms": began_ms + HOUR_MS,
        }
    ]


def test_a_spell_is_told_once_also_after_a_restart(world: World) -> None:
    begin(world)
    world.at_ms += 2 * HOUR_MS
    end(world)
    end(world)
    assert len(reports(world)) == 1
    assert reports(world)[0].get("awards", 0) == 0
    world.at_ms += 1
    begin(world)
    world.at_ms += HOUR_MS
    end(world)
    assert [report["dark_until_ms"] for report in reports(world)] == [world.at_ms - HOUR_MS - 1, world.at_ms]


def test_a_short_spell_is_not_worth_a_word(world: World) -> None:
    begin(world)
    world.at_ms += HOUR_MS - 1
    end(world)
    assert reports(world) == []
    assert world.rows("SELECT count(*) FROM dark_spell WHERE ended_at_ms IS NULL") == [(0,)]


def test_the_slip_says_so_once_something_has_waited_long(world: World) -> None:
    def slip(sale: str) -> str:
        fuelling = world.fuel()
        return "\n".join(world.pay(sale, fuelling.amount_fen, credential=GOLD).slip)

    world.site = replace(world.site, limits=Limits(delayed_after_ms=HOUR_MS))
    assert "to be confirmed" in slip("S1")
    world.at_ms += HOUR_MS - 1
    assert "to be confirmed" in slip("S2")
    world.at_ms += 1
    assert "confirmation delayed" in slip("S3")
    acknowledge(world)
    assert "to be confirmed" in slip("S4")


def acknowledge(world: World) -> None:
    """Headquarters has everything up to now."""
    from agent.handlers.apply_ack import apply_ack

    [(seq, head)] = world.rows(
        "SELECT seq, head FROM outbox WHERE stream = 'ledger' ORDER BY seq DESC LIMIT 1"
    )
    world.run(lambda tx, at: apply_ack("ledger", seq, head, tx, at))
