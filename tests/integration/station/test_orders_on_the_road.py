"""Integration: does an order reach the books within 90 s, once, whatever is lost or repeated on its way?"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import topics
from sync.keys import SigningKey
from sync.trust import KeyEntry, KeyList, sign_keys
from tests.integration.station.headquarters import PROGRAMME, STATION, Scene, scene, until

HARMLESS = {"what": "redemptions", "until_ms": 0, "reason": "over"}
MOST_MS = 90_000


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path / "scene") as found:
        yield found


def slowest_ms(stage: Scene) -> int:
    """The longest propagation, by what HQ was told of it."""
    return max(item["at_ms"] - item["issued_at_ms"] for item in stage.hq.heard("applied"))


def test_orders_are_obeyed_as_they_come(stage: Scene) -> None:
    for _ in range(30):
        last = stage.hq.issue("pause", HARMLESS)
    until(lambda: stage.hq.verdict(last) == "", "all of them to be obeyed")
    assert [item["seq"] for item in stage.hq.heard("applied")] == list(range(1, 31))
    print(f"30 orders, the slowest after {slowest_ms(stage)} ms")  # noqa: T201  the figure for the reader of a run
    assert slowest_ms(stage) < 10_000


def test_an_order_that_was_lost_is_asked_for_within_the_minute(stage: Scene) -> None:
    """Nothing tells the station that there was one, until it asks HQ as it does twice a minute."""
    asked = len(stage.hq.asks)
    stage.hq.drops = True
    lost = stage.hq.issue("pause", HARMLESS)
    stage.station.clock.pass_time(45_000)
    until(lambda: len(stage.hq.asks) > asked, "the question")
    until(lambda: stage.station.status()["orders"]["behind"] == 1, "it to be missed")
    stage.hq.drops = False
    stage.station.clock.pass_time(45_000)
    until(lambda: stage.hq.verdict(lost) == "", "it to be obeyed")


def test_a_gap_is_asked_for_at_once(stage: Scene) -> None:
    stage.hq.drops = True
    lost = stage.hq.issue("pause", HARMLESS)
    stage.hq.drops = False
    last = stage.hq.issue("pause", HARMLESS)
    until(lambda: stage.hq.verdict(last) == "", "both to be obeyed", within_s=10)
    assert stage.hq.verdict(lost) == ""
    assert slowest_ms(stage) < MOST_MS


def test_what_was_issued_while_the_station_was_away_comes_in_order_and_once(stage: Scene) -> None:
    stage.hq.issue("pause", HARMLESS)
    until(lambda: len(stage.hq.heard("applied")) == 1, "the first")
    for _ in range(3):
        stage.station.stop()
        for _ in range(5):
            stage.hq.issue("pause", HARMLESS)
        stage.station.start()
        until(lambda: len(stage.hq.heard("applied")) == len(stage.hq.issued), "the others")
    assert [item["seq"] for item in stage.hq.heard("applied")] == list(range(1, 17))
    assert stage.station.rows("SELECT count(*), max(down_seq) FROM down_item") == [(16, 16)]
    assert all(ask.down_seq <= 16 for ask in stage.hq.asks)


def test_a_rotated_key_signs_acks_and_answers_without_a_restart(stage: Scene) -> None:
    old, new = stage.hq.key, SigningKey.generate()
    entries = (
        KeyEntry(key=old.public.text, roles=("documents",)),
        KeyEntry(key=new.public.text, roles=("ack", "down")),
    )
    listed = KeyList(schema="keys/1", programme=PROGRAMME, version=2, issued_at_ms=0, keys=entries)
    stage.hq.key_lists.append(sign_keys(listed, old))
    stage.hq.say(topics.down_keys(STATION), stage.hq.key_lists[0])
    until(lambda: stage.station.status()["orders"]["keys_version"] == 2, "the list")
    order_by_the_old = stage.hq.issue("pause", HARMLESS)
    until(lambda: stage.station.road["refused"].get("DOWN_UNTRUSTED") == 1, "the old key to be refused")
    assert stage.hq.verdict(order_by_the_old) is None
    stage.hq.issued.clear()
    stage.hq.key, stage.hq.signers = new, [new]
    by_the_new = stage.hq.issue("pause", HARMLESS)
    until(lambda: stage.hq.verdict(by_the_new) == "", "the new key to be obeyed", within_s=40)
    assert "BAD_SIGNATURE" not in "".join(stage.station.road["trouble"])


def test_the_technician_sees_orders_and_how_old_the_word_of_headquarters_is(stage: Scene) -> None:
    stage.hq.issue("pause", HARMLESS)
    refused = stage.hq.issue("coffee", {})
    until(lambda: stage.hq.verdict(refused) == "UNKNOWN_KIND", "both to be answered")
    orders = json.loads(forecourt(stage, "down", "list", "--json"))["orders"]
    assert [(o["down_seq"], o["kind"], o["verdict"]) for o in orders] == [
        (2, "coffee", "UNKNOWN_KIND"),
        (1, "pause", ""),
    ]
    lines = forecourt(stage, "down", "list").splitlines()
    assert "UNKNOWN_KIND" in lines[1]
    assert "obeyed" in lines[2]
    assert "2 consumed; keys of version 1; answered" in forecourt(stage, "status")
    stage.hq.mute = True
    stage.station.clock.pass_time(MOST_MS + 1_000)
    assert "STALE" in forecourt(stage, "status")


def forecourt(stage: Scene, *arguments: str) -> str:
    """What the command prints; `status` ends with 1, for the dispenser of this station is not there."""
    command = [sys.executable, "-m", "agent.cli", *arguments]
    config = str(stage.station.folder / "station.toml")
    done = subprocess.run([*command, "--config", config], capture_output=True, check=False, text=True)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout
