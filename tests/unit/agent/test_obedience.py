"""Unit: what of HQ's messages reaches the till, whose keys count when, and how often is junk told?"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.app.loading import load
from agent.app.obedience import SAME_AGAIN_MS, Obedience
from agent.app.trusted import TrustedKeys
from agent.app.turned_away import TOLD_EVERY_MS
from agent.messages.down import Resend
from agent.store.integrity import verify
from agent.store.outbox import LEDGER
from agent.till import TillUnavailable
from drivers.events import Monotonic
from sync import topics
from sync.connection import Taken
from sync.down import sign_down
from sync.keys import SigningKey
from sync.refusal import Refusal
from sync.signing import BUNDLE_TYPE, MEMBERS_TYPE, sign_document
from sync.trust import KeyEntry, KeyList, Role, Trust, pinned, sign_keys
from tests.integration.agent.tills import StillClock
from tests.unit.agent.orders import order
from tests.world import BUNDLE, World

HQ, SECOND, THIRD, STRANGER = (SigningKey(bytes([n]) * 32) for n in range(1, 5))
EVERY: tuple[Role, ...] = ("ack", "down", "documents")
ITEMS, KEYS, RULES = (
    topics.down_items("station-0042"),
    topics.down_keys("station-0042"),
    topics.bundle("demo-cn"),
)
HARMLESS = {"what": "redemptions", "until_ms": 0, "reason": "over"}


def keys_document(version: int, keys: dict[SigningKey, tuple[Role, ...]], *signers: SigningKey) -> bytes:
    entries = tuple(KeyEntry(key=key.public.text, roles=roles) for key, roles in keys.items())
    listed = KeyList(schema="keys/1", programme="demo-cn", version=version, issued_at_ms=0, keys=entries)
    return sign_keys(listed, *signers)


def pins() -> Trust:
    return pinned([HQ.public], 1, 1)


class PassingClock(StillClock):
    now = 0

    def monotonic_ms(self) -> Monotonic:
        return Monotonic(self.now)


@dataclass
class Desk:
    """Obedience on a real store; the till counts, and refuses while a test says so."""

    world: World
    refusal: str = ""
    submitted: int = 0
    resent: list[Resend] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock: Any = PassingClock(self.world.at_ms)
        self.keys = TrustedKeys(pins(), "demo-cn")
        nothing: Any = None
        me: Any = self
        self.obedience = Obedience(
            *(self.world.path, me, self.world.site, self.keys, nothing, nothing, self.clock, lambda: None),
            {Resend: self.resent.append},
        )

    def submit(self, verb: Callable[..., Any]) -> Any:
        if self.refusal:
            raise TillUnavailable(self.refusal)
        self.submitted += 1
        return self.world.run(verb)

    def say(self, topic: str, message: bytes) -> Taken:
        return self.obedience.on_down(topic, message)

    def told(self) -> list[tuple[str, int]]:
        """(code, count) of what HQ was told it said in vain."""
        rows = self.world.rows("SELECT body FROM outbox WHERE kind = 'down.refused' ORDER BY seq")
        items = [json.loads(body) for (body,) in rows]
        return [(item["code"], item.get("count", 1)) for item in items]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    world = World(tmp_path / "station.db")
    with closing(world.store):
        yield Desk(world)
        assert verify(world.store._connection) == []


def test_junk_replays_and_gaps_cost_no_transaction_each(desk: Desk) -> None:
    first = sign_down(order(1, kind="pause", body=HARMLESS), HQ)
    assert desk.say(ITEMS, first) == Taken()
    assert desk.submitted == 1
    for _ in range(50):
        assert desk.say(ITEMS, first) == Taken()
        assert desk.say(ITEMS, sign_down(order(3, kind="pause", body=HARMLESS), HQ)) == Taken(
            "DOWN_GAP", True
        )
    assert desk.submitted == 1
    for _ in range(50):
        assert desk.say(ITEMS, b"junk") == Taken("DOWN_MALFORMED")
        assert desk.say(ITEMS, sign_down(order(2), STRANGER)) == Taken("DOWN_UNTRUSTED")
        assert desk.say(ITEMS, sign_down(order(1, kind="coffee"), HQ)) == Taken("DOWN_REPLAYED")
    assert desk.submitted == 1 + 3
    assert desk.told() == [("DOWN_MALFORMED", 1), ("DOWN_UNTRUSTED", 1), ("DOWN_REPLAYED", 1)]


def test_of_one_reason_hq_hears_at_once_and_then_once_an_hour_how_often(desk: Desk) -> None:
    for _ in range(5):
        desk.say(ITEMS, b"junk")
    desk.clock.now += TOLD_EVERY_MS - 1
    desk.obedience.turned_away.tell_due(desk.clock.now)
    assert desk.told() == [("DOWN_MALFORMED", 1)]
    desk.clock.now += 1
    desk.obedience.turned_away.tell_due(desk.clock.now)
    desk.clock.now += TOLD_EVERY_MS
    desk.obedience.turned_away.tell_due(desk.clock.now)
    assert desk.told() == [("DOWN_MALFORMED", 1), ("DOWN_MALFORMED", 4)]
    assert desk.world.alarms() == {("DOWN_MALFORMED", "from headquarters"): 5}


def test_what_the_till_cannot_take_now_stays_counted_and_is_asked_for_again(desk: Desk) -> None:
    desk.refusal = "DISK_FULL"
    first = sign_down(order(1, kind="pause", body=HARMLESS), HQ)
    assert desk.say(ITEMS, first) == Taken("DOWN_DISK_FULL", ask_again=True)
    assert desk.say(ITEMS, b"junk") == Taken("DOWN_MALFORMED")
    desk.refusal = ""
    desk.obedience.turned_away.tell_due(desk.clock.now)
    assert desk.told() == [("DOWN_MALFORMED", 1)]
    assert desk.say(ITEMS, first) == Taken()


def test_what_is_done_outside_the_books_is_done_once_and_after_the_commit(desk: Desk) -> None:
    desk.world.run(lambda tx, at: tx.outbox.put(LEDGER, "x", b"x", at.wall_ms))
    given = sign_down(order(1, kind="resend", body={"stream": "ledger", "from_seq": 1}), HQ)
    for _ in range(3):
        assert desk.say(ITEMS, given) == Taken()
    assert desk.resent == [Resend(stream="ledger", from_seq=1)]


def test_rules_for_everybody_are_taken_once_an_hour_and_others_are_left_alone(desk: Desk) -> None:
    document = sign_document(BUNDLE_TYPE, BUNDLE.read_bytes(), HQ)
    for _ in range(5):
        assert desk.say(RULES, document) == Taken()
    assert desk.submitted == 1
    assert desk.world.count("bundle") == 1
    desk.clock.now += SAME_AGAIN_MS
    assert desk.say(RULES, document) == Taken()
    assert desk.submitted == 2
    assert desk.say(topics.bundle("another"), b"junk") == Taken()
    assert desk.say(RULES, sign_document(MEMBERS_TYPE, b"{}", HQ)) == Taken("DOCUMENT_TYPE")
    assert desk.say("fs/v1/station-0042/down/coffee", b"") == Taken("DOWN_IGNORED")


def test_an_order_may_carry_a_document_that_other_keys_sign(desk: Desk) -> None:
    roles: dict[SigningKey, tuple[Role, ...]] = {HQ: ("ack", "down"), SECOND: ("documents",)}
    assert desk.say(KEYS, keys_document(2, roles, HQ, SECOND)) == Taken()

    def carried(seq: int, signer: SigningKey) -> bytes:
        inner = base64.b64encode(sign_document(BUNDLE_TYPE, BUNDLE.read_bytes(), signer)).decode()
        return sign_down(order(seq, kind="document", body={"document": inner}), HQ)

    assert desk.say(ITEMS, carried(1, HQ)) == Taken("DOCUMENT_UNTRUSTED")
    assert desk.world.count("bundle") == 0
    assert desk.say(ITEMS, carried(2, SECOND)) == Taken()
    assert desk.world.count("bundle") == 1
    assert desk.say(ITEMS, sign_down(order(3, kind="pause", body=HARMLESS), SECOND)) == Taken(
        "DOWN_UNTRUSTED"
    )


def test_a_rotation_counts_at_once_and_after_the_next_start(desk: Desk) -> None:
    second = keys_document(2, {HQ: ("documents",), SECOND: EVERY}, HQ)
    third = keys_document(3, {THIRD: EVERY}, SECOND, THIRD)
    assert desk.say(KEYS, third) == Taken("DOCUMENT_UNTRUSTED")
    assert desk.say(KEYS, second) == Taken()
    assert desk.keys.of("ack") == (SECOND.public,)
    assert desk.say(KEYS, keys_document(4, {THIRD: EVERY}, SECOND, THIRD)) == Taken(
        "KEYS_GAP", ask_again=True
    )
    assert desk.say(KEYS, third) == Taken()
    assert desk.say(KEYS, third) == Taken()
    assert desk.keys.now.version == 3
    assert desk.say(ITEMS, sign_down(order(1, kind="pause", body=HARMLESS), HQ)) == Taken("DOWN_UNTRUSTED")
    assert desk.say(ITEMS, sign_down(order(1, kind="pause", body=HARMLESS), THIRD)) == Taken()
    again = TrustedKeys(pins(), "demo-cn")
    assert again.restore(desk.world.path) == ""
    assert (again.now.version, again.of("down")) == (3, (THIRD.public,))


def test_a_list_that_could_not_be_kept_does_not_count(desk: Desk) -> None:
    desk.refusal = "DISK_FULL"
    second = keys_document(2, {SECOND: EVERY}, HQ, SECOND)
    assert desk.say(KEYS, second) == Taken("DOWN_DISK_FULL", ask_again=True)
    assert desk.keys.of("down") == (HQ.public,)
    desk.refusal = ""
    assert desk.say(KEYS, second) == Taken()
    assert desk.keys.of("down") == (SECOND.public,)


def test_other_pinned_keys_end_the_old_lists_and_begin_new_ones(desk: Desk) -> None:
    """Somebody came to the station and pinned another key: what descended from the former ones is over."""
    desk.say(KEYS, keys_document(2, {SECOND: EVERY}, HQ, SECOND))
    desk.say(KEYS, keys_document(3, {THIRD: EVERY}, SECOND, THIRD))
    anew = TrustedKeys(pinned([STRANGER.public], 1, 1), "demo-cn")
    assert anew.restore(desk.world.path) == "TRUST_BROKEN"
    assert (anew.now.version, anew.of("down")) == (1, (STRANGER.public,))
    me: Any = desk
    assert anew.take(keys_document(2, {HQ: EVERY}, STRANGER, HQ), me) is None
    later = TrustedKeys(pinned([STRANGER.public], 1, 1), "demo-cn")
    assert later.restore(desk.world.path) == ""
    assert later.now.version == 2
    assert desk.world.count("trust") == 1


def test_a_list_of_keys_can_be_loaded_by_hand(desk: Desk) -> None:
    me: Any = desk

    def loaded(document: bytes) -> object:
        request = {"document": base64.b64encode(document).decode()}
        return load(request, desk.world.site, me, desk.keys)["reason"]

    second = keys_document(2, {HQ: ("documents",), SECOND: EVERY}, HQ, SECOND)
    assert loaded(keys_document(2, {SECOND: EVERY}, STRANGER, SECOND)) == "DOCUMENT_UNTRUSTED"
    assert loaded(second) == ""
    assert loaded(second) == ""
    assert desk.keys.now.version == 2
    assert loaded(keys_document(4, {SECOND: EVERY}, SECOND)) == "KEYS_GAP"
    desk.refusal = "DISK_FULL"
    assert loaded(keys_document(3, {SECOND: EVERY}, SECOND)) == "DISK_FULL"
    assert isinstance(desk.keys.open_document(b"", (BUNDLE_TYPE,)), Refusal)
