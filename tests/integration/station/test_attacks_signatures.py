"""Integration: does each attack on HQ's signatures fail, by name, on a real broker with a running agent?

One test per row of the attack table. In each: the reason code, the alarm at the station, that nothing
changed, and that HQ was told; and afterwards the next honest order is obeyed.
"""

import base64
import json
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync import topics
from sync.down import sign_down
from sync.keys import SigningKey
from sync.mqtt import Link, Opened, Outgoing, Published
from sync.signing import BUNDLE_TYPE, DOWN_TYPE, sign_document
from sync.trust import KeyEntry, KeyList, sign_keys
from tests.integration.station.headquarters import (
    PROGRAMME,
    STATION,
    Scene,
    address_of,
    scene,
    stranger_says,
    until,
    wait_for,
)
from tests.unit.agent.stations import bundle_bytes

ITEMS, KEYS, RULES = topics.down_items(STATION), topics.down_keys(STATION), topics.bundle(PROGRAMME)
STRANGER = SigningKey(b"s" * 32)
HARMLESS = {"what": "redemptions", "until_ms": 0, "reason": "over"}
"""The body of an order that changes no books: redemptions are taken."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path / "scene") as found:
        yield found


def rules(version: int) -> bytes:
    return bundle_bytes(("version = 42", f"version = {version}"))


def everything_goes_on(stage: Scene) -> None:
    """The next honest order is obeyed, and HQ is told so."""
    down = stage.hq.issue("pause", HARMLESS)
    until(lambda: stage.hq.verdict(down) == "", "the honest order to be obeyed")
    assert stage.station.status()["orders"]["behind"] == 0


def told(stage: Scene, code: str) -> Callable[[], bool]:
    return lambda: any(item["code"] == code for item in stage.hq.heard("down.refused"))


def attacked(stage: Scene, topic: str, messages: list[bytes], code: str) -> None:
    """Say all of it: every message is refused by this code, once told, and nothing changes."""
    before = stage.station.untouched()
    counted = stage.station.road["refused"].get(code, 0)
    link = Link(address_of(stage.broker.url), None, "stranger", 30)
    link.open()
    wait_for(link, Opened)
    for message in messages:
        link.publish(Outgoing(topic, message))
        wait_for(link, Published)
    link.close(with_will=False)
    until(
        lambda: stage.station.road["refused"].get(code, 0) == counted + len(messages),
        f"{len(messages)} times {code}",
    )
    until(told(stage, code), f"HQ to hear of {code}")
    assert stage.station.alarms()[code] >= 1
    assert stage.station.untouched() == before


def adopt_rules(stage: Scene, version: int) -> bytes:
    """HQ issues rules of this version to everybody, retained."""
    document = sign_document(BUNDLE_TYPE, rules(version), stage.hq.key)
    stage.hq.say(RULES, document, retain=True)
    until(lambda: (version,) in stage.station.rows("SELECT version FROM bundle"), f"rules {version}")
    return document


def tampered(document: bytes) -> Iterator[bytes]:
    """Each byte of payload and signature, flipped."""
    envelope = json.loads(document)
    for place, name in ((envelope, "payload"), (envelope["signatures"][0], "sig")):
        whole = base64.b64decode(place[name])
        for at in range(len(whole)):
            torn = bytearray(whole)
            torn[at] ^= 0x40
            place[name] = base64.b64encode(torn).decode()
            yield json.dumps(envelope).encode()
        place[name] = base64.b64encode(whole).decode()


def test_unsigned_tampered_or_signed_by_a_stranger(stage: Scene) -> None:
    honest = stage.hq.order("pause", HARMLESS)
    document = sign_down(honest, stage.hq.key)
    unsigned = json.loads(document) | {"signatures": []}
    forged = [*tampered(document), json.dumps(unsigned).encode(), sign_down(honest, STRANGER)]
    assert len(forged) > 200
    attacked(stage, ITEMS, forged, "DOWN_UNTRUSTED")
    attacked(stage, ITEMS, [sign_document("text/plain", b"{}", stage.hq.key)], "DOWN_TYPE")
    attacked(stage, RULES, [sign_document(BUNDLE_TYPE, rules(43), STRANGER)], "DOCUMENT_UNTRUSTED")
    [item] = [item for item in stage.hq.heard("down.refused") if item["code"] == "DOWN_UNTRUSTED"]
    assert item.get("count", 1) == 1, "told at once; the others within the hour"
    everything_goes_on(stage)


def test_rollback_to_older_rules_and_of_the_whole_disk(stage: Scene) -> None:
    adopt_rules(stage, 43)
    old = sign_document(BUNDLE_TYPE, rules(42), stage.hq.key)
    attacked(stage, RULES, [old], "BUNDLE_ROLLBACK")
    everything_goes_on(stage)
    stage.station.stop()
    shutil.copytree(stage.station.state, stage.station.folder / "yesterday")
    stage.station.start()
    newest = base64.b64encode(sign_document(BUNDLE_TYPE, rules(44), stage.hq.key)).decode()
    down = stage.hq.issue("document", {"document": newest})
    until(lambda: stage.hq.verdict(down) == "", "rules 44")
    stage.station.stop()
    for file in (stage.station.folder / "yesterday").glob("station.db*"):
        shutil.copy(file, stage.station.state / file.name)
    stage.station.start()
    until(lambda: (44,) in stage.station.rows("SELECT version FROM bundle"), "HQ to bring rules 44 again")
    attacked(stage, RULES, [sign_document(BUNDLE_TYPE, rules(41), stage.hq.key)], "BUNDLE_ROLLBACK")
    everything_goes_on(stage)


def test_freeze_in_which_only_old_words_of_headquarters_come(stage: Scene) -> None:
    everything_goes_on(stage)
    before = stage.station.untouched()
    stage.hq.mute = True
    reply, ack = stage.hq.replies[-1], stage.hq.acks[-1]
    stage.station.clock.pass_time(91_000)
    for _ in range(3):
        stranger_says(stage.broker, topics.down_rpc(STATION), reply, b"hello:" + b"0" * 32)
        stranger_says(stage.broker, topics.ack(STATION), ack)
    until(lambda: stage.station.road["refused"].get("HELLO_STALE") == 3, "the old answers to be refused")
    orders = stage.station.status()["orders"]
    assert orders["stale"]
    assert orders["answer_age_ms"] > 90_000
    assert stage.station.untouched() == before
    stage.hq.mute = False
    until(lambda: not stage.station.status()["orders"]["stale"], "a new answer")
    everything_goes_on(stage)


def test_mix_and_match_of_members_of_one_day_with_rules_of_another(stage: Scene) -> None:
    adopt_rules(stage, 43)
    snapshot = {"schema": "members/1", "station": STATION, "programme": PROGRAMME, "version": 7}
    members = json.dumps(snapshot | {"issued_at_ms": stage.hq.wall_ms(), "members": []}).encode()
    signed = sign_document("application/vnd.forecourt.members+json", members, stage.hq.key)
    down = stage.hq.issue("document", {"document": base64.b64encode(signed).decode()})
    until(lambda: stage.hq.verdict(down) == "", "the members")
    before = stage.station.rows("SELECT * FROM member ORDER BY 1")
    delta = {"base": 7, "version": 8, "issued_at_ms": stage.hq.wall_ms(), "rules_from": 44, "members": []}
    mixed = stage.hq.issue("member.delta", delta)
    until(lambda: stage.hq.verdict(mixed) == "RULES_MISSING", "the delta to be refused")
    assert stage.station.alarms()["RULES_MISSING"] == 1
    assert stage.station.rows("SELECT * FROM member ORDER BY 1") == before
    everything_goes_on(stage)


def test_fast_forward_of_versions_and_numbers_burns_none(stage: Scene) -> None:
    adopt_rules(stage, 43)
    far = [sign_document(BUNDLE_TYPE, rules(2**31), stage.hq.key)]
    attacked(stage, RULES, far, "VERSION_JUMP")
    beyond = [sign_document(BUNDLE_TYPE, rules(2**63), stage.hq.key)]
    attacked(stage, RULES, beyond, "BAD_VALUE")
    listed = KeyList(
        schema="keys/1",
        programme=PROGRAMME,
        version=2**31 - 1,
        issued_at_ms=0,
        keys=(KeyEntry(key=stage.hq.key.public.text, roles=("ack", "down", "documents")),),
    )
    attacked(stage, KEYS, [sign_keys(listed, stage.hq.key)], "KEYS_GAP")
    ahead = stage.hq.order("pause", HARMLESS, down_seq=2**53 - 1)
    asked = len(stage.hq.asks)
    stage.hq.say(ITEMS, sign_down(ahead, stage.hq.key))
    until(lambda: stage.station.road["refused"].get("DOWN_GAP") == 1, "the number to be refused")
    until(lambda: len(stage.hq.asks) > asked, "HQ to be asked where it stands", within_s=10)
    assert stage.station.rows("SELECT version FROM bundle") == [(43,)]
    adopt_rules(stage, 44)
    everything_goes_on(stage)


def test_endless_data_and_bombs_are_cut_at_their_limit(stage: Scene) -> None:
    used_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    attacked(stage, ITEMS, [bytes(200_000)] * 20, "DOWN_TOO_LARGE")
    deep = [b"[" * 100_000, b'{"a":' * 25_000, b"9" * 120_000, b'"' + b"\\u0000" * 20_000]
    attacked(stage, ITEMS, deep, "DOWN_MALFORMED")
    attacked(stage, ITEMS, [sign_document(DOWN_TYPE, b"[" * 80_000, stage.hq.key)], "DOWN_MALFORMED")
    attacked(stage, RULES, [sign_document(BUNDLE_TYPE, b"a = " + b"[" * 90_000, stage.hq.key)], "TOML_SYNTAX")
    link = Link(address_of(stage.broker.url), None, "endless", 30)
    link.open()
    wait_for(link, Opened)
    link.publish(Outgoing(ITEMS, bytes(50_000_000)))
    until(lambda: link.ended, "the broker to throw 50 MB out")
    link.close(with_will=False)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used_kib < 200_000  # the 50 MB were ours
    everything_goes_on(stage)


def test_an_order_for_another_station(stage: Scene) -> None:
    foreign = stage.hq.order("pause", HARMLESS, station="cn-0008")
    attacked(stage, ITEMS, [sign_down(foreign, stage.hq.key)] * 3, "OTHER_STATION")
    [item] = stage.hq.heard("down.refused")
    assert (item["seq"], item["id"]) == (1, "o-1")
    everything_goes_on(stage)


def test_a_replayed_order_is_refused_once_and_for_ever(stage: Scene) -> None:
    first = stage.hq.issue("pause", HARMLESS | {"until_ms": stage.hq.wall_ms() + 3_600_000})
    late = stage.hq.issue("pause", HARMLESS, not_after_ms=stage.hq.wall_ms() - 1)
    until(lambda: stage.hq.verdict(late) == "DOWN_EXPIRED", "the late one to be refused")
    replayed = [sign_down(first, stage.hq.key), sign_down(late, stage.hq.key)]
    other = stage.hq.order("pause", HARMLESS, down_seq=first.down_seq, id="o-other")

    def replay() -> None:
        before = stage.station.untouched()
        until(lambda: len(stage.hq.heard("applied")) == len(stage.hq.issued), "HQ to hear of every order")
        applied = len(stage.hq.issued)
        for document in replayed:
            stranger_says(stage.broker, ITEMS, document)
        everything_goes_on(stage)
        assert stage.station.untouched()[:-1] == before[:-1]
        assert len(stage.hq.heard("applied")) == applied + 1
        assert stage.hq.verdict(first) == ""

    replay()
    attacked(stage, ITEMS, [sign_down(other, stage.hq.key)] * 2, "DOWN_REPLAYED")
    stage.station.stop()
    shutil.copytree(stage.station.state, stage.station.folder / "yesterday")
    stage.station.start()
    replay()
    stage.station.stop()
    for file in (stage.station.folder / "yesterday").glob("station.db*"):
        shutil.copy(file, stage.station.state / file.name)
    stage.station.start()
    until(lambda: stage.station.status()["orders"]["behind"] == 0, "the station to have caught up")
    replay()


def test_a_document_cut_anywhere_is_old_or_new_and_never_mixed(stage: Scene) -> None:
    adopt_rules(stage, 43)
    whole = sign_document(BUNDLE_TYPE, rules(44), stage.hq.key)
    parts = [whole[: len(whole) * part // 64] for part in range(64)]
    attacked(stage, RULES, parts, "DOCUMENT_MALFORMED")
    assert stage.station.rows("SELECT version FROM bundle") == [(43,)]
    adopt_rules(stage, 44)
    everything_goes_on(stage)


def test_one_stolen_key_of_two_and_the_rotation_after_it(tmp_path: Path) -> None:
    """Two keys must sign. The list of keys changes three times while the station is away."""
    with scene(tmp_path / "scene", down_threshold=2, threshold=2, others=1) as stage:
        stolen, second = stage.hq.signers
        attacked(stage, ITEMS, [sign_down(stage.hq.order("pause", HARMLESS), stolen)], "DOWN_UNTRUSTED")
        twice = json.loads(sign_down(stage.hq.order("pause", HARMLESS), stolen))
        twice["signatures"] *= 2
        attacked(stage, ITEMS, [json.dumps(twice).encode()], "DOWN_MALFORMED")
        everything_goes_on(stage)
        stage.station.stop()
        before, following = [stolen, second], [SigningKey.generate() for _ in range(4)]
        for version in (2, 3, 4):
            now = [following[version - 2], following[version - 1]] if version > 2 else [second, following[0]]
            entries = tuple(KeyEntry(key=key.public.text, roles=("ack", "down", "documents")) for key in now)
            listed = KeyList(
                schema="keys/1",
                programme=PROGRAMME,
                version=version,
                issued_at_ms=0,
                keys=entries,
                down_threshold=2,
                documents_threshold=2,
            )
            stage.hq.key_lists.append(sign_keys(listed, *dict.fromkeys([*before, *now])))
            before = now
        stage.hq.mute = True
        stage.station.start(wait=False)
        until(lambda: stage.station.road.get("mode") == "asking", "the station to ask")
        alone = KeyList(
            schema="keys/1",
            programme=PROGRAMME,
            version=2,
            issued_at_ms=0,
            keys=(KeyEntry(key=stolen.public.text, roles=("ack", "down", "documents")),),
        )
        stranger_says(stage.broker, KEYS, sign_keys(alone, stolen))
        stage.hq.mute = False
        stage.hq.key, stage.hq.signers = before[0], before
        until(lambda: stage.station.status()["orders"]["keys_version"] == 4, "three lists of keys", 40)
        until(lambda: stage.station.road["mode"] == "online", "HQ's new key to be believed", 40)
        until(told(stage, "DOCUMENT_UNTRUSTED"), "HQ to hear of the thief's list")
        everything_goes_on(stage)
        attacked(
            stage, ITEMS, [sign_down(stage.hq.order("pause", HARMLESS), stolen, second)], "DOWN_UNTRUSTED"
        )
        stage.station.stop()
        stage.station.start()
        assert stage.station.status()["orders"]["keys_version"] == 4
        everything_goes_on(stage)


def test_two_different_documents_of_one_version_are_told_apart(stage: Scene) -> None:
    """The station keeps the first, and tells HQ the hash of what it took: HQ sees who signed two."""
    adopt_rules(stage, 43)
    other = bundle_bytes(("version = 42", "version = 43"), ("\n[[ruleset]]", "\n\n[[ruleset]]"))
    attacked(stage, RULES, [sign_document(BUNDLE_TYPE, other, stage.hq.key)], "BUNDLE_CONFLICT")
    [taken] = stage.hq.heard("adopted")
    [(held,)] = stage.station.rows("SELECT lower(hex(sha256)) FROM bundle")
    assert taken["sha256"] == held
    [refused] = stage.hq.heard("down.refused")
    assert refused["code"] == "BUNDLE_CONFLICT"
    everything_goes_on(stage)
