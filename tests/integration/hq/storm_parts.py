"""The ends of the road as processes that can be killed.

Each begins with the first line of its standard input and ends with its end.

    python -m tests.integration.hq.storm_parts ROLE NAME BROKER DATABASE NOTES

- `station`: till, courier and pruning, by the agent's own parts
- `trusting`: that, but a PUBACK is taken for delivery
- `hq`: one worker with the real judge

NOTES is a file with the newest figures of the process as JSON, there also when the process was killed.
"""

import json
import os
import random
import select
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from agent.clock import Instant, SystemClock
from agent.handlers.apply_ack import apply_ack, prune
from agent.messages.judge import judge_with
from agent.store import reading
from agent.store.database import Store, Transaction
from agent.store.outbox import OutboxReader, Watermark
from agent.till import Till
from sync import wire
from sync.connection import CourierLoop, LinkPace, Taken
from sync.envelope import decode_head
from sync.hq.judging import Judge
from sync.hq.receiver import Receiver, Reply
from sync.hq.server import HqServer
from sync.hq.store import HqStore
from sync.keys import PublicKey, SigningKey
from sync.outbox import STREAMS, OutboxRow
from sync.refusal import Refusal
from sync.speech import Vitals
from sync.steps import Batch, Fetch, Pace
from sync.tls import BrokerAddress, TlsFiles, parse_broker
from tests.bench.rig import serving
from tests.bench.sales import demo_bundle

HQ_KEY = SigningKey(b"H" * 32)
PACE = Pace(puback_ms=4_000, silence_ms=600, ask_again_ms=50, ask_max_ms=1_500, quiet_ms=2_000)
LINK_PACE = LinkPace(connect_ms=2_000, backoff_ms=50, backoff_max_ms=300, keepalive_s=3)
_NOTES_BYTES = 2_000
_LOOK_S = 0.05


def station_key(name: str) -> SigningKey:
    return SigningKey(name.encode().ljust(32, b"."))


class Notes:
    """The operating system keeps what was written here, whatever becomes of the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def write(self, figures: Mapping[str, int]) -> None:
        os.pwrite(self._file, json.dumps(figures).encode().ljust(_NOTES_BYTES), 0)


def notes_in(path: Path) -> Counter[str]:
    """The newest figures; none before the process wrote any."""
    text = path.read_text().strip() if path.exists() else ""
    return Counter(json.loads(text) if text else {})


def station(name: str, url: str, database: Path, notes: Notes, *, trusting: bool) -> None:
    """What the agent does with its outbox, by the agent's own parts."""
    clock, stop = SystemClock(), threading.Event()
    till = Till(lambda: _opened(database, name, clock), clock, lambda store: None, _broken)

    def submit_ack(ack: wire.Ack) -> None:
        till.submit(lambda tx, at: apply_ack(ack.stream, ack.seq, decode_head(ack.head), tx, at))

    with serving(till):
        assert till.opened.wait(20)
        loop = CourierLoop(
            station=name,
            outbox=OutboxReader(reading.connect(database)),
            key=station_key(name),
            hq_keys=lambda: [HQ_KEY.public],
            brokers=[_address(url)],
            tls=TlsFiles(),
            rng=random.Random(),
            clock=clock.monotonic_ms,
            wall_ms=clock.wall_ms,
            vitals=lambda: Vitals("0", "SYNCED"),
            submit_ack=submit_ack,
            on_down=lambda topic, payload: Taken(),
            stop=stop,
            pace=PACE,
            link_pace=LINK_PACE,
        )
        if trusting:
            _Trusting(loop, till)
        courier = threading.Thread(target=loop.run)
        courier.start()
        watching, pruned = OutboxReader(reading.connect(database)), 0
        while not _is_alone(_LOOK_S):
            pruned += sum(till.submit(partial(prune, stream, 0)) for stream in STREAMS)
            marks = {stream: watching.watermark(stream) for stream in STREAMS}
            status = loop.status()
            notes.write({**status.refused, **marks, "sent": status.items, "pruned": pruned})
        stop.set()
        courier.join()


class _Trusting:
    """What others do: a row is over as soon as the broker confirms its message. Everything else is ours."""

    def __init__(self, loop: CourierLoop, till: Till) -> None:
        self._courier, self._till = loop._courier, till
        self._take_batch, self._take_confirmed = self._courier.batch, self._courier.published
        self._on_the_way: dict[int, Batch] = {}
        self._courier.batch = self._batch  # type: ignore[method-assign]
        self._courier.published = self._published  # type: ignore[method-assign]

    def _batch(self, fetch: Fetch, rows: Sequence[OutboxRow], *rest: object) -> Batch | Refusal:
        batch: Batch | Refusal = self._take_batch(fetch, rows, *rest)  # type: ignore[arg-type]
        if isinstance(batch, Batch):
            self._on_the_way[batch.ref] = batch
        return batch

    def _published(self, ref: int, code: int, now: int) -> None:
        self._take_confirmed(ref, code, now)
        batch = self._on_the_way.pop(ref, None)
        if batch is not None and code == 0:
            last_seq = batch.first_seq + len(batch.bodies) - 1
            self._courier._lanes[batch.stream].advance(last_seq, now)
            self._till.submit(partial(_raise, batch.stream, last_seq))


def _raise(stream: str, seq: int, tx: Transaction, at: Instant) -> None:
    head = tx.outbox.head_at(stream, seq)
    if head is not None and seq > tx.outbox.watermark(stream).seq:
        tx.outbox.raise_watermark(stream, Watermark(seq, head, at.wall_ms))


class _Noting(Receiver):
    """Writes down what it counted after each round."""

    def __init__(self, store: HqStore, judge: Judge, clock: SystemClock, notes: Notes) -> None:
        super().__init__(store, judge, HQ_KEY.sign, lambda raw: PublicKey(raw).verify, clock.wall_ms)
        self._notes = notes

    def handle_all(self, messages: Sequence[tuple[str, bytes]]) -> list[list[Reply]]:
        replies = super().handle_all(messages)
        self._notes.write(self.counters())
        return replies


def hq(url: str, database: str, notes: Notes) -> None:
    clock, bundle = SystemClock(), demo_bundle()
    judge = judge_with({(bundle.bundle, bundle.version): bundle})
    receiver = _Noting(HqStore(database), judge, clock, notes)
    server = HqServer(receiver, _address(url), TlsFiles(), random.Random(), clock.monotonic_ms, _say)
    threading.Thread(target=lambda: (_is_alone(None), server.stop()), daemon=True).start()
    refusal = server.serve()
    assert refusal is None, refusal


def _is_alone(within_s: float | None) -> bool:
    """Whoever started us has closed our input, or is dead."""
    ready, _, _ = select.select([sys.stdin], [], [], within_s)
    return bool(ready)


def _opened(database: Path, name: str, clock: SystemClock) -> Store:
    return Store.open(database, name, "demo-cn", Instant(clock.wall_ms()))


def _broken(error: BaseException) -> None:
    raise error


def _address(url: str) -> BrokerAddress:
    address = parse_broker(url)
    assert isinstance(address, BrokerAddress), address
    return address


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    role, name, url, database, noted = sys.argv[1:]
    if os.read(0, 1) != b"\n":
        sys.exit()
    if role == "hq":
        hq(url, database, Notes(Path(noted)))
    else:
        station(name, url, Path(database), Notes(Path(noted)), trusting=role == "trusting")
