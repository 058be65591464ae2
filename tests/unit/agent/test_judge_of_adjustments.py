"""Unit: does HQ come to the same sum from the items as the station's ledger, and see what cannot be right?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.messages.judge import judge_with
from agent.points.rules import Bundle, parse_bundle
from sync.hq.judging import MALFORMED, MISMATCH, OK, Booked, ItemContext
from tests.unit.agent.earning import ONE_MONTH, Station, at, fill, redeem, rules, stations
from tests.unit.agent.told_by_hq import adjust, correct
from tests.world import World


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def judged(world: World, **changes: Any) -> list[Booked]:
    """Every item of the ledger stream; `changes` are made in those of the kind `adjusted`."""
    parsed = parse_bundle(rules(42, *ONE_MONTH))
    assert isinstance(parsed, Bundle)
    judge = judge_with({(parsed.bundle, parsed.version): parsed})
    rows = world.rows("SELECT seq, kind, body FROM outbox WHERE stream = 'ledger' ORDER BY seq")
    held = {("ledger", seq): (kind, bytes(body)) for seq, kind, body in rows}
    booked = []
    for (stream, seq), (kind, body) in held.items():
        if kind == "adjusted" and changes:
            body = json.dumps(json.loads(body) | changes).encode()
        context = ItemContext(world.site.station, 1, stream, seq, lambda s, n: held.get((s, n)))
        booked.append(judge(context, kind, body))
    return booked


def fact(world: World) -> str:
    return str(json.loads(world.rows("SELECT body FROM outbox WHERE kind = 'fuelling'")[0][0])["id"])


def test_the_sum_of_the_items_is_what_the_member_has(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    correct(world, -1_000, fact(world), borne_by="member")
    correct(world, -500, fact(world))
    correct(world, 300, fact(world))
    adjust(world, 4_000, lapses_on="2026-07-20")
    adjust(world, -13_500)
    adjust(world, 2_000, lapses_on="2026-07-20")
    at(world, "2026-08-09T10:00:00")
    booked = judged(world)
    assert {one.verdict for one in booked} == {OK}
    [(held_minor,)] = world.rows("SELECT sum(minor) FROM account WHERE account LIKE 'member:m-basic:%'")
    assert sum(one.minor for one in booked if one.member == "m-basic") == held_minor


def test_a_correction_of_what_had_lapsed_takes_nothing_twice(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    redeem(world, 4_000)
    at(world, "2026-08-09T10:00:00")
    assert correct(world, -7_000, fact(world), borne_by="member") == ""
    adjusted = next(one for one in judged(world) if one.entity_id == "order-1")
    assert adjusted.minor == -1_000


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"minor": 0}, MISMATCH),
        ({"minor": -10_001}, MISMATCH),
        ({"borne_minor": 1}, MISMATCH),
        ({"repaid_minor": 1}, MISMATCH),
        ({"lapsed_minor": 1_001}, MISMATCH),
        ({"of": 1}, MALFORMED),
        ({"member": "m-gold"}, MALFORMED),
        ({"cause": "adjust"}, MISMATCH),
    ],
)
def test_what_cannot_be_right(station: Station, changes: dict[str, Any], verdict: str) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    correct(world, -1_000, fact(world), borne_by="member")
    assert judged(world, **changes)[-1].verdict == verdict
