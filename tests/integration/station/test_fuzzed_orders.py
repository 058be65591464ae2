"""Integration: can any bytes on the topics of HQ's orders, keys and rules stop the station or change it?

Real signatures and a real store; the messages are mutations of valid ones by a seeded generator. Each valid
message was taken before, so that a mutation which leaves its meaning is a repetition.
"""

import base64
import json
import random
import resource
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.app.obedience import Obedience
from agent.app.trusted import TrustedKeys
from agent.store.integrity import verify
from sync import topics
from sync.down import sign_down
from sync.keys import SigningKey
from sync.signing import BUNDLE_TYPE, DOWN_TYPE, sign_document
from sync.trust import KeyEntry, KeyList, pinned, sign_keys
from tests.integration.agent.tills import StillClock
from tests.unit.agent.orders import order
from tests.world import BUNDLE, World

HQ = SigningKey(b"h" * 32)
SEED = 20261122
MOST_GROWTH_KIB = 30 * 1024
NEVER_CHANGED = ("down_item", "trust", "bundle", "ledger_entry", "member", "fact", "outbox")
Message = tuple[str, bytes]


def list_of_keys() -> bytes:
    entry = KeyEntry(key=HQ.public.text, roles=("ack", "down", "documents"))
    listed = KeyList(schema="keys/1", programme="demo-cn", version=2, issued_at_ms=0, keys=(entry,))
    return sign_keys(listed, HQ)


VALID: tuple[Message, ...] = (
    (topics.down_items("station-0042"), sign_down(order(1, kind="resend", body=json.loads("{}")), HQ)),
    (topics.down_keys("station-0042"), list_of_keys()),
    (topics.bundle("demo-cn"), sign_document(BUNDLE_TYPE, BUNDLE.read_bytes(), HQ)),
)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[tuple[World, Obedience]]:
    world = World(tmp_path / "station.db")
    keys = TrustedKeys(pinned([HQ.public], 1, 1), "demo-cn")
    till: Any = SimpleNamespace(submit=world.run)
    clock: Any = StillClock(world.at_ms)
    nothing: Any = None
    obedience = Obedience(world.path, till, world.site, keys, nothing, nothing, clock, lambda: None)
    with closing(world.store):
        for topic, message in VALID:
            obedience.on_down(topic, message)
        assert [world.count(table) for table in ("down_item", "trust", "bundle")] == [1, 1, 1]
        yield world, obedience


def flipped(message: bytes, chance: random.Random) -> bytes:
    torn = bytearray(message)
    for _ in range(chance.randint(1, 4)):
        torn[chance.randrange(len(torn))] ^= 1 << chance.randrange(8)
    return bytes(torn)


def cut(message: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randrange(len(message) + 1) for _ in range(2))
    return message[:last] if chance.random() < 0.5 else message[:first] + message[last:]


def stuffed(message: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(message) + 1)
    return message[:place] + chance.randbytes(chance.choice((1, 10, 1_000))) + message[place:]


ODD: tuple[object, ...] = (
    *(None, True, -1, 0, 1.5, 2**63, 10**400, "", "\ud800", "9" * 5_000, [], {}, [[]], {"": None}),
    *("-----", "A===", "\x00", "名字", [1] * 1_000),
)


def edited(message: bytes, chance: random.Random) -> bytes:
    """One value of the envelope replaced, doubled or taken away."""
    envelope = json.loads(message)
    place = chance.choice((envelope, envelope["signatures"][0]))
    name = chance.choice(list(place))
    what = chance.randrange(4)
    if what == 0:
        del place[name]
    elif what == 1:
        envelope["signatures"] *= chance.choice((0, 2, 50))
    else:
        place[name] = chance.choice(ODD)
    text = json.dumps(envelope)
    if chance.random() < 0.05:
        text = chance.choice(("[" * 100_000, '{"a":' * 50_000, "9" * 20_000, '"' + "\\ud800" * 9 + '"'))
    return text.encode("utf-8", "surrogatepass")


def repacked(message: bytes, chance: random.Random) -> bytes:
    """Another payload under the old signature."""
    envelope = json.loads(message)
    payload = flipped(base64.b64decode(envelope["payload"]), chance)
    envelope["payload"] = base64.b64encode(payload).decode()
    return json.dumps(envelope).encode()


def crossed(message: bytes, chance: random.Random) -> bytes:
    return chance.choice(VALID)[1]


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(flipped, cut, stuffed, edited, repacked, crossed),
)


def contents(world: World) -> list[object]:
    with closing(sqlite3.connect(f"file:{world.path}?mode=ro", uri=True)) as reader:
        return [
            reader.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in NEVER_CHANGED
            if table != "outbox"
        ]


def _fuzz(world: World, obedience: Obedience, number: int) -> None:
    chance, reasons = random.Random(SEED), Counter[str]()
    before, rows_before = contents(world), world.count("outbox")
    for _ in range(number // 20):  # what a library allocates once
        obedience.on_down(*VALID[0])
    used_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(number):
        topic, message = chance.choice(VALID)
        mutated = chance.choice(MUTATIONS)(message, chance)
        reasons[obedience.on_down(topic, mutated).reason] += 1
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used_kib
    assert contents(world) == before
    assert grown_kib < MOST_GROWTH_KIB
    refused = {reason for reason in reasons if reason}
    assert refused >= {"DOWN_MALFORMED", "DOWN_UNTRUSTED", "DOWN_TYPE", "DOCUMENT_MALFORMED", "DOCUMENT_TYPE"}
    assert world.count("outbox") - rows_before == len(refused), "each reason is told once within the hour"
    assert sum(reasons.values()) == number
    print(dict(reasons), f"{grown_kib} KiB")  # noqa: T201  the figures for the reader of a run
    assert verify(world.store._connection) == []


def test_a_hundred_thousand_mutations_change_nothing(station: tuple[World, Obedience]) -> None:
    _fuzz(*station, 100_000)


def test_payloads_that_headquarters_itself_signed_are_taken_or_refused(
    station: tuple[World, Obedience],
) -> None:
    """Its own mistakes: signed bytes that are no order, or orders with anything in them."""
    world, obedience = station
    chance, reasons = random.Random(SEED), Counter[str]()
    for _ in range(3_000):
        said = json.loads(
            order(world.count("down_item") + 1, body={"grant": "g", "epoch": 1}).model_dump_json()
        )
        name = chance.choice([*said, "body", "body"])
        said[name] = {"x": chance.choice(ODD)} if name == "body" else chance.choice(ODD)
        payload = json.dumps(said).encode()
        mutated = payload if chance.random() < 0.7 else flipped(payload, chance)
        taken = obedience.on_down(VALID[0][0], sign_document(DOWN_TYPE, mutated, HQ))
        reasons[taken.reason] += 1
    assert reasons["DOWN_MALFORMED"] > 1_000
    assert reasons["UNKNOWN_KIND"] + reasons["BODY_MALFORMED"] > 100
    assert world.count("ledger_entry") == 0
    assert verify(world.store._connection) == []
