"""Seeded bad messages for HQ, and what HQ must hold after each of them. For tests.

Three stations: `mine` sends a chain of real and of nonsensical items, all of them signed, which must be kept
in order; `lost` signs headers that lead nowhere, so nothing of it may ever be linked; `other` says nothing.
What nobody signed is made of messages that HQ has taken, so a change that changes nothing is a repetition.
"""

import base64
import gc
import json
import random
import time
import zlib
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from agent.messages.judge import MODELS, judge_with
from sync import topics, wire
from sync.dictionary import DICTIONARY
from sync.envelope import GENESIS, MAX_INFLATED_BYTES, decode_head, encode_head, next_head
from sync.hq.judging import MALFORMED
from sync.hq.store.tables import item, waiting
from sync.keys import SigningKey
from tests.bench.sales import demo_bundle, items
from tests.unit.hq.stand import HQ_KEY, Hq, Station, seal

ROOT = Path(__file__).parents[3]
EXAMPLES: dict[str, dict[str, Any]] = json.loads((ROOT / "agent/messages/examples.json").read_text())["up"]
CONTEXT = b"forecourt/envelope/1\n"
SEED = 20261122
MOST_MS = 100.0
"""Of the processor, for one message."""
MOST_GROWTH_KIB = 30 * 1024
SALES = 5_000
DEEP = 8_000
BOMB = zlib.compress(bytes(50_000_000), 9)
FULL = zlib.compress(b"[" * (MAX_INFLATED_BYTES - 1))
ODD: tuple[object, ...] = (
    *(None, True, -1, 0, 1.5, 1e308, float("nan"), 2**53, 2**63, -(2**64), 10**400),
    *("", "\ud800", "\x00", "\u202e名字\u0300" * 20, "9" * 5_000, "A" * 300, "A===", "ok'; --", "‮"),
    *([], {}, [[]], {"": None}, [1] * 500, [{"kind": "award"}], {"kind": {"kind": "kind"}}),
)
BODIES = (
    *(b"", b"{}", b"[]", b"null", b'"', b"\xff\xfe", b"\x00", b"NaN", b'{"kind":"award"}', b'{"kind":1}'),
    *(b"[" * DEEP, b'{"a":' * DEEP, b'{"kind":"award","minor":' + b"9" * 20_000 + b"}"),
    *(b'{"kind":"fuelling","kind":"award"}', b'{"kind":"__class__"}', b'{"kind":"\\ud800"}'),
)


@dataclass
class Course:
    """What a run came to; times are of the processor, for one message."""

    worst_ms: float
    worst_of: str
    p50_ms: float
    mutations: Counter[str]


class FuzzedRoad:
    """HQ on the database `where`, and everything that may be said to it."""

    def __init__(self, where: Path | str, seed: int) -> None:
        self.chance = random.Random(seed)
        self.mine, self.lost, self.other = (
            Station("cn-0001"),
            Station("cn-0002", b"L"),
            Station("cn-0003", b"O"),
        )
        bundle = demo_bundle()
        judge = judge_with({(bundle.bundle, bundle.version): bundle})
        self.hq = Hq(where, self.mine, self.lost, self.other, judge=judge)
        self._spare_the_disk()
        self.seq, self.head = 0, GENESIS
        self._sales = list(items(SALES))
        self._taken: list[tuple[str, bytes]] = []
        self._say(self._next, Counter())

    def close(self) -> None:
        self.hq.store.close()

    def _spare_the_disk(self) -> None:
        """Nobody cuts the power here, and most messages cost HQ a commit of its own."""
        engine = self.hq.store._engine
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", lambda one, _: one.execute("PRAGMA synchronous=OFF"))
            engine.dispose()

    def run(self, messages: int) -> Course:
        kinds: tuple[Callable[[], tuple[str, bytes]], ...] = (
            *(self._next, self._next, self._flipped, self._cut, self._stuffed, self._edited, self._bomb),
            *(
                self._forged,
                self._misplaced,
                self._headed,
                self._headed,
                self._counted,
                self._hello,
                self._state,
            ),
        )
        mutations, times_ms = Counter[str](), []
        worst_ms, worst_of = 0.0, ""
        for _ in range(messages):
            kind = self.chance.choice(kinds)
            took_ms = self._say(kind, mutations)
            times_ms.append(took_ms)
            if took_ms > worst_ms:
                worst_ms, worst_of = took_ms, kind.__name__
        return Course(worst_ms, worst_of, sorted(times_ms)[len(times_ms) // 2], mutations)

    def _say(self, kind: Callable[[], tuple[str, bytes]], mutations: Counter[str]) -> float:
        """One message; HQ's word for `mine` must be where our own chain is."""
        topic, payload = kind()
        mutations[kind.__name__] += 1
        began = time.process_time_ns()
        replies = self.hq.receiver.handle(topic, payload)
        took_ms = (time.process_time_ns() - began) / 1e6
        for reply in replies:
            if reply.topic == topics.ack(self.mine.name):
                ack = wire.open_ack(reply.payload, [HQ_KEY.public.verify])
                assert isinstance(ack, wire.Ack)
                assert (ack.seq, decode_head(ack.head)) == (self.seq, self.head), kind.__name__
        if kind == self._next:
            assert replies, "what is signed and continues the chain is always taken"
        return took_ms

    # ---- what is signed and continues the chain

    def _next(self) -> tuple[str, bytes]:
        bodies = self._sale() if self.chance.random() < 0.3 else []
        bodies += [self._body() for _ in range(self.chance.choice((1, 1, 2, 5)))]
        payload = seal(self.mine, self.seq + 1, bodies, self.head)
        for body in bodies:
            self.head = next_head(self.head, body)
        self.seq += len(bodies)
        message = (topics.up(self.mine.name, "ledger"), payload)
        self._taken = [*self._taken[-20:], message]
        return message

    def _sale(self) -> list[bytes]:
        """A fuelling and its award at their place, with the right points or with others."""
        n = self.chance.randrange(SALES)
        fact, award = self._sales[2 * n], json.loads(self._sales[2 * n + 1])
        award["of"] = self.seq + 1
        if self.chance.random() < 0.3:
            award["minor"] = self.chance.choice((1, 100, 10**11, 10**13))
        return [fact, json.dumps(award).encode()]

    def _body(self) -> bytes:
        draw = self.chance.random()
        if draw < 0.2:
            return self.chance.choice(self._sales)
        if draw < 0.3:
            return self.chance.choice(BODIES)
        if draw < 0.4:
            return self._torn(self.chance.choice(self._sales)).replace(b"\n", b"?")
        said = json.loads(json.dumps(EXAMPLES[self.chance.choice(list(EXAMPLES))]))
        for _ in range(self.chance.choice((0, 1, 1, 3))):
            self._spoil(said)
        text = json.dumps(said, ensure_ascii=self.chance.random() < 0.5)
        return text.encode("utf-8", "surrogatepass").replace(b"\n", b"?")

    def _spoil(self, said: Any) -> None:
        """One value, at any depth, is replaced, added or taken away."""
        place = said
        while isinstance(place, dict | list) and place:
            name = self.chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if isinstance(place[name], dict | list) and self.chance.random() < 0.7:
                place = place[name]
                continue
            draw = self.chance.random()
            if draw < 0.15:
                del place[name]
            elif draw < 0.25 and isinstance(place, dict):
                place["beside"] = deepcopy(self.chance.choice(ODD))
            else:
                place[name] = deepcopy(self.chance.choice(ODD))
            return

    # ---- what nobody signed

    def _old(self) -> tuple[str, bytes]:
        return self.chance.choice(self._taken)

    def _torn(self, raw: bytes) -> bytes:
        torn = bytearray(raw)
        for _ in range(self.chance.randint(1, 4)):
            torn[self.chance.randrange(len(torn))] ^= 1 << self.chance.randrange(8)
        return bytes(torn)

    def _flipped(self) -> tuple[str, bytes]:
        """Bits of the payload, or of the text in it."""
        topic, payload = self._old()
        if self.chance.random() < 0.5:
            return topic, self._torn(payload)
        return topic, _packed(self._torn(_unpacked(payload)))

    def _cut(self) -> tuple[str, bytes]:
        topic, payload = self._old()
        first, last = sorted(self.chance.randrange(len(payload) + 1) for _ in range(2))
        return topic, self.chance.choice((payload[:last], payload[first:], payload[:first] + payload[last:]))

    def _stuffed(self) -> tuple[str, bytes]:
        topic, payload = self._old()
        place = self.chance.randrange(len(payload) + 1)
        more = self.chance.randbytes(self.chance.choice((1, 10, 1_000)))
        return topic, payload[:place] + more + payload[place:]

    def _edited(self) -> tuple[str, bytes]:
        """Lines of the text doubled, dropped, exchanged: all under the old signature."""
        topic, payload = self._old()
        lines = _unpacked(payload).split(b"\n")
        at = self.chance.randrange(len(lines))
        what = self.chance.randrange(4)
        if what == 0:
            del lines[at]
        elif what == 1:
            lines.insert(at, lines[self.chance.randrange(len(lines))])
        elif what == 2:
            self.chance.shuffle(lines)
        else:
            lines[at] = self.chance.choice(BODIES)
        return topic, _packed(b"\n".join(lines))

    def _bomb(self) -> tuple[str, bytes]:
        topic, _ = self._old()
        return topic, self.chance.choice(
            (BOMB, FULL, bytes(MAX_INFLATED_BYTES), bytes(MAX_INFLATED_BYTES + 1))
        )

    def _forged(self) -> tuple[str, bytes]:
        """The next rows of `mine`, under somebody else's signature."""
        body = self.chance.choice(self._sales)
        header = _header(self.mine.name, self.seq + 1, 1, encode_head(self.head))
        return topics.up(self.mine.name, "ledger"), _signed([header, body], self.other.key)

    def _misplaced(self) -> tuple[str, bytes]:
        """A good message of `mine` under a topic that is not its own."""
        _, payload = self._old()
        where = [topics.up(self.other.name, "ledger"), topics.up(self.mine.name, "urgent")]
        where += [topics.up("nobody", "ledger"), f"fs/v1/{self.mine.name}/up/xx", "fs/v1", "", "\x00/名/#"]
        where += [topics.rpc(self.mine.name, topics.HELLO), f"fs/v1/{self.mine.name}/state"]
        where += [topics.rpc(self.mine.name, topics.REDEMPTION_AUTHORISE)]
        where += [topics.rpc(self.mine.name, topics.MEMBER_LOOKUP), topics.ack(self.mine.name)]
        return self.chance.choice(where), payload

    # ---- what is signed, and leads nowhere

    def _headed(self) -> tuple[str, bytes]:
        """Headers of `lost` with odd and extreme values; its first row never comes."""
        header = json.loads(_header(self.lost.name, 2, 1, encode_head(bytes(32))))
        for _ in range(self.chance.choice((1, 1, 2))):
            name = self.chance.choice([*header, "beside"])
            extreme = (2, 100, 101, 4_999, 5_001, 2**31 - 1, 2**53 - 1, "ledger", "urgent", 1)
            header[name] = self.chance.choice((*ODD, *extreme))
        if header.get("first_seq") in (0, 1, True):
            header["first_seq"] = 2
        line = json.dumps(header).encode("utf-8", "surrogatepass")
        if self.chance.random() < 0.1:
            line = self.chance.choice(BODIES)
        return topics.up(self.lost.name, "ledger"), _signed([line, self._body()], self.lost.key)

    def _counted(self) -> tuple[str, bytes]:
        """`mine` signs another number of lines than it says; its next rows, too."""
        lines = [self._body() for _ in range(self.chance.choice((0, 1, 3, 101)))]
        count = self.chance.choice([n for n in (0, 1, 2, 100, 101, 10**9) if n != len(lines) or n > 100])
        header = _header(self.mine.name, self.seq + 1, count, encode_head(self.head))
        return topics.up(self.mine.name, "ledger"), _signed([header, *lines], self.mine.key)

    def _hello(self) -> tuple[str, bytes]:
        """Questions that `lost` signs with odd values, and torn ones of `mine`."""
        ask = wire.HelloAsk(station=self.lost.name, epoch=1, nonce="a" * 32, agent_version="1", streams=())
        signed = wire.sign_hello_ask(ask, self.lost.key.sign)
        return topics.rpc(self.lost.name, topics.HELLO), self._respoken(signed, ask.model_dump(mode="json"))

    def _state(self) -> tuple[str, bytes]:
        topic = f"fs/v1/{self.lost.name}/state"
        return topic, self._respoken(b"{}\n" + b"A" * 88, {"station": self.lost.name, "epoch": 1})

    def _respoken(self, signed: bytes, said: dict[str, Any]) -> bytes:
        """Changed under the old signature, torn, or nonsense."""
        draw = self.chance.random()
        if draw < 0.4:
            return self._torn(signed)
        if draw < 0.5:
            return self.chance.choice(BODIES)
        self._spoil(said)
        signature = signed.rpartition(b"\n")[2]
        return json.dumps(said).encode("utf-8", "surrogatepass") + b"\n" + signature

    # ---- what HQ holds then

    def check(self) -> Counter[str]:
        """All that was signed, in order, and nothing else; counted is only what can be read. By verdict."""
        verdicts, head, seq = Counter[str](), GENESIS, 0
        i = item.c
        with self.hq.store._engine.connect() as connection:
            query = sa.select(i.station, i.stream, i.seq, i.kind, i.verdict, i.counted, i.body)
            rows = connection.execution_options(yield_per=1_000).execute(query.order_by(i.seq))
            for station, stream, number, kind, verdict, counted, body in rows:
                seq += 1
                assert (station, stream, number) == (self.mine.name, "ledger", seq)
                head = next_head(head, body)
                verdicts[verdict] += 1
                assert (not counted) == (verdict in (MALFORMED, "duplicate", "entity_conflict"))
                if counted:
                    MODELS[kind].model_validate_json(body)
            waits = sa.select(waiting.c.station).distinct()
            assert set(connection.scalars(waits)) <= {self.lost.name}
        assert (seq, head) == (self.seq, self.head)
        assert self.hq.store.chains(self.mine.name).marks(1)["ledger"].head == head
        lost = self.hq.store.chains(self.lost.name).marks(1)
        assert all(mark.seq == 0 for mark in lost.values())
        assert {line.station for line in self.hq.store.alarms()} <= {
            "",
            self.mine.name,
            self.lost.name,
            "cn-0003",
        }
        with self.hq.store.read() as tx:
            assert tx.members.imbalances() == []
        return verdicts


def _header(station: str, first_seq: int, count: int, head: str) -> bytes:
    said = {"v": 1, "station": station, "epoch": 1, "stream": "ledger", "first_seq": first_seq}
    return json.dumps(said | {"count": count, "head_before": head}).encode()


def _signed(lines: list[bytes], key: SigningKey) -> bytes:
    signed = b"\n".join(lines) + b"\n"
    return _packed(signed + base64.b64encode(key.sign(CONTEXT + signed)))


def _packed(text: bytes) -> bytes:
    deflater = zlib.compressobj(zdict=DICTIONARY)
    return deflater.compress(text) + deflater.flush()


def _unpacked(payload: bytes) -> bytes:
    return zlib.decompressobj(zdict=DICTIONARY).decompress(payload)


def fuzz(road: FuzzedRoad, messages: int) -> None:
    """The first tenth fills caches; memory is compared from there on. What pytest holds is not HQ's."""
    road.run(messages // 10)
    gc.collect()
    gc.freeze()
    before_kib = _memory_kib()
    course = road.run(messages)
    gc.unfreeze()
    grown_kib = _memory_kib() - before_kib
    verdicts, refused = road.check(), road.hq.receiver.counters()
    print(  # noqa: T201  for the reader of a run
        f"{messages:,} messages: worst {course.worst_ms:.1f} ms ({course.worst_of}), "
        f"half under {course.p50_ms:.2f} ms, grown {grown_kib} KiB; {dict(verdicts)}; {dict(refused)}"
    )
    assert course.worst_ms < MOST_MS
    assert grown_kib < MOST_GROWTH_KIB
    assert set(verdicts) >= {"ok", "malformed", "mismatch", "duplicate", "entity_conflict"}
    named = {"NOT_ZLIB", "TOO_LARGE", "MALFORMED", "COUNT_MISMATCH", "BAD_SIGNATURE", "UNKNOWN_TOPIC"}
    assert set(refused) >= named | {"WRONG_TOPIC", "TOO_FAR_AHEAD"}


def _memory_kib() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
