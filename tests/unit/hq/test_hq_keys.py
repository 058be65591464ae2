"""Unit: does a rotation of HQ's keys lead stations on, and never anybody else?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import topics
from sync.hq.keys import Keys, Wish, history, make_keys, programme_of, read_keys, record_pinned, rotate
from sync.keys import SigningKey
from sync.refusal import Refusal
from sync.trust import ROLES, Trust, advance, pinned
from tests.unit.hq.down_stand import Headquarters
from tests.unit.hq.stand import NOW_MS, Station

WISH = Wish("demo-cn", down_threshold=1, documents_threshold=1, overlap=True)


def keys(seed: int) -> Keys:
    return {role: (SigningKey(bytes([seed + n]) * 32),) for n, role in enumerate(ROLES)}


def publics(of: Keys) -> list[str]:
    return sorted(key.public.text for of_role in of.values() for key in of_role)


@pytest.fixture
def station() -> Station:
    return Station()


@pytest.fixture
def hq(tmp_path: Path, station: Station) -> Iterator[Headquarters]:
    hq = Headquarters(tmp_path / "hq.db", station)
    assert record_pinned(hq.store, keys(1), WISH, NOW_MS)
    yield hq
    hq.store.close()


def follow(trust: Trust, hq: Headquarters, station: Station) -> Trust:
    """What the station comes to trust after a hello, as it says which list it has."""
    replies = hq.hello(station, keys_version=trust.version)
    topics_of = [reply.topic for reply in replies]
    lists = [reply.payload for reply in replies if reply.topic == topics.down_keys(station.name)]
    assert topics_of[: len(lists)] == [topics.down_keys(station.name)] * len(lists), "before the reply"
    for document in lists:
        following = advance(trust, document, "demo-cn")
        assert isinstance(following, Trust), following
        trust = following
    return trust


def test_a_station_that_missed_two_lists_takes_them_one_after_the_other(
    hq: Headquarters, station: Station
) -> None:
    assert isinstance(rotate(hq.store, keys(1), keys(11), WISH, NOW_MS), bytes)
    assert isinstance(rotate(hq.store, keys(11), keys(21), WISH, NOW_MS), bytes)
    first = pinned([key.public for of in keys(1).values() for key in of], 1, 1)
    trust = follow(first, hq, station)
    assert trust.version == 3
    for role, (new,) in keys(21).items():
        assert set(trust.keys[role]) == {new.public, keys(11)[role][0].public}
    assert follow(trust, hq, station) == trust
    versions = history(hq.store)
    assert not isinstance(versions, Refusal)
    assert [one.version for one in versions] == [1, 2, 3]
    assert versions[-1] == trust


def test_without_overlap_the_old_keys_are_out(hq: Headquarters) -> None:
    alone = Wish("demo-cn", 1, 1, overlap=False)
    assert isinstance(rotate(hq.store, keys(1), {"down": keys(11)["down"]}, alone, NOW_MS), bytes)
    versions = history(hq.store)
    assert not isinstance(versions, Refusal)
    assert versions[-1].keys["down"] == (keys(11)["down"][0].public,)
    assert versions[-1].keys["ack"] == (keys(1)["ack"][0].public,), "a role without a new key keeps its own"


def test_nobody_else_can_begin_a_list(hq: Headquarters) -> None:
    refusal = rotate(hq.store, keys(61), keys(71), WISH, NOW_MS)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "DOCUMENT_UNTRUSTED"
    versions = history(hq.store)
    assert not isinstance(versions, Refusal)
    assert len(versions) == 1


def test_a_list_that_would_lock_hq_out_is_not_made(hq: Headquarters) -> None:
    refusal = rotate(hq.store, keys(1), keys(11), Wish("demo-cn", 1, 3, overlap=True), NOW_MS)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "ROTATION_ROLES"


def test_a_threshold_wants_that_many_keys_of_both_lists(hq: Headquarters) -> None:
    two = {**keys(11), "documents": (SigningKey(b"x" * 32), SigningKey(b"y" * 32))}
    assert isinstance(rotate(hq.store, keys(1), two, Wish("demo-cn", 1, 2, overlap=False), NOW_MS), bytes)
    one_of_them = {**two, "documents": two["documents"][:1]}
    refusal = rotate(hq.store, one_of_them, keys(21), Wish("demo-cn", 1, 1, overlap=False), NOW_MS)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "DOCUMENT_UNTRUSTED"


def test_before_the_first_keys_nothing_is_rotated(tmp_path: Path) -> None:
    hq = Headquarters(tmp_path / "other.db")
    refusal = rotate(hq.store, keys(1), keys(11), WISH, NOW_MS)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "KEYS_NOT_BEGUN"
    assert programme_of(hq.store) == ""
    hq.store.close()


def test_what_is_pinned_is_recorded_once(hq: Headquarters) -> None:
    assert not record_pinned(hq.store, keys(11), WISH, NOW_MS)
    assert programme_of(hq.store) == "demo-cn"
    versions = history(hq.store)
    assert not isinstance(versions, Refusal)
    assert sorted(key.text for key in versions[0].keys["ack"]) == publics(keys(1))


def test_key_files_are_by_role_private_and_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert make_keys(folder, {"ack": 1, "documents": 2}) is None
    found = read_keys(folder)
    assert not isinstance(found, Refusal)
    assert {role: len(of) for role, of in found.items()} == {"ack": 1, "documents": 2}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    again = make_keys(folder, {"ack": 1})
    assert again is not None
    assert again.reason == "KEY_EXISTS"
    (folder / "ack.key").chmod(0o644)
    exposed = read_keys(folder)
    assert isinstance(exposed, Refusal)
    assert exposed.reason == "KEY_EXPOSED"
    missing = read_keys(tmp_path / "nowhere")
    assert isinstance(missing, Refusal)
    assert missing.reason == "KEY_MISSING"
