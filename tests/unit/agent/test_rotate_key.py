"""Unit: is the signing key changed only when headquarters has the new one, and is never one lost?"""

import base64
import errno
import json
import os
from pathlib import Path

import pytest

from agent.app.station_keys import NEXT_KEY, StationKeys
from agent.handlers.apply_ack import apply_ack
from agent.handlers.rotate_key import finish_rotation, proof_text, rotate_key
from sync.hq.heard import proves
from sync.keys import PublicKey, SigningKey, read_key, write_key
from sync.outbox import URGENT
from tests.world import World

STATION = "station-0042"


@pytest.fixture
def ring(tmp_path: Path) -> StationKeys:
    assert write_key(tmp_path / "station.key", SigningKey.generate()) is None
    return StationKeys(tmp_path, is_ours=True)


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Books without rules and members."""
    return World(tmp_path_factory.mktemp("books") / "station.db")


def _told(world: World) -> list[dict[str, str]]:
    rows = world.rows("SELECT body FROM outbox WHERE stream = 'urgent' AND kind = 'station.key' ORDER BY seq")
    return [json.loads(bytes(body)) for (body,) in rows]


def _rotate(world: World, ring: StationKeys) -> str:
    return world.run(lambda tx, at: rotate_key("down-7", ring, STATION, tx, at)).reason


def _finish(world: World, ring: StationKeys) -> SigningKey | None:
    return world.run(lambda tx, at: finish_rotation(ring, STATION, tx, at))


def _acknowledge(world: World) -> None:
    [(seq, head)] = world.rows(
        "SELECT seq, head FROM outbox WHERE stream = 'urgent' ORDER BY seq DESC LIMIT 1"
    )
    assert isinstance(seq, int)
    assert isinstance(head, bytes)
    assert world.run(lambda tx, at: apply_ack(URGENT, seq, head, tx, at)) == ""


def _key(tmp_path: Path) -> SigningKey:
    key = read_key(tmp_path / "station.key")
    assert isinstance(key, SigningKey)
    return key


def test_headquarters_is_told_and_the_new_key_proves_itself(world: World, ring: StationKeys) -> None:
    assert _rotate(world, ring) == ""
    [item] = _told(world)
    following = ring.next_key()
    assert following is not None
    assert (item["key"], item["command"]) == (following.public.text, "down-7")
    key = PublicKey.from_text(item["key"])
    assert isinstance(key, PublicKey)
    assert key.verify(proof_text(STATION, item["key"]), base64.b64decode(item["proof"]))
    assert proves(STATION, key, base64.b64decode(item["proof"])), "headquarters' own reading of it"
    assert not key.verify(proof_text("station-0043", item["key"]), base64.b64decode(item["proof"]))


def test_the_old_key_signs_until_headquarters_has_the_new_one(
    world: World, ring: StationKeys, tmp_path: Path
) -> None:
    old = _key(tmp_path).public
    _rotate(world, ring)
    assert _finish(world, ring) is None
    assert _key(tmp_path).public == old
    _acknowledge(world)
    following = _finish(world, ring)
    assert following is not None
    assert _key(tmp_path).public == following.public != old
    assert not (tmp_path / NEXT_KEY).exists()
    assert _finish(world, ring) is None


def test_told_twice_it_is_the_same_next_key(world: World, ring: StationKeys) -> None:
    _rotate(world, ring)
    _rotate(world, ring)
    first, second = _told(world)
    assert first["key"] == second["key"]


def test_a_copy_of_the_database_from_before_tells_headquarters_again(world: World, ring: StationKeys) -> None:
    following = ring.make_next()
    assert _finish(world, ring) is None
    assert [item["key"] for item in _told(world)] == [following.public.text]
    _acknowledge(world)
    assert _finish(world, ring) is not None


def test_a_key_file_that_a_crash_left_torn_is_made_anew(
    world: World, ring: StationKeys, tmp_path: Path
) -> None:
    (tmp_path / NEXT_KEY).touch(mode=0o600)
    assert _rotate(world, ring) == ""
    assert ring.next_key() is not None


def test_a_credential_of_the_service_is_not_ours_to_change(world: World, tmp_path: Path) -> None:
    ring = StationKeys(tmp_path, is_ours=False)
    assert _rotate(world, ring) == "KEY_IS_CREDENTIAL"
    assert _told(world) == []
    assert list(tmp_path.glob("*.next")) == []


def test_a_full_disk_refuses_and_ends_nothing(
    world: World, ring: StationKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        assert _rotate(world, ring) == "KEY_NOT_STORED"
    assert _told(world) == []
    assert _rotate(world, ring) == ""
    _acknowledge(world)
    old = _key(tmp_path).public
    with monkeypatch.context() as disk:
        disk.setattr(os, "replace", full)
        assert _finish(world, ring) is None
    assert _key(tmp_path).public == old
    assert _finish(world, ring) is not None
