"""The ends of the road as processes of their own, for the figures of the drain: each prints one JSON line.

python -m tests.bench.roadworks hq URL              answers hello, acks every batch at once; ends with stdin
python -m tests.bench.roadworks courier URL DB      the agent's till and courier, until HQ has every row
python -m tests.bench.roadworks paho URL FILE       paho alone, QoS 1: the messages in FILE, as many in flight
"""

import json
import random
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from paho.mqtt.client import Client, MQTTProtocolVersion
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

from agent.clock import Instant, SystemClock
from agent.handlers.apply_ack import apply_ack
from agent.handlers.site import Site
from agent.store import reading
from agent.store.database import Store
from agent.store.outbox import LEDGER, OutboxReader
from agent.till import Till
from sync import topics, wire
from sync.connection import CourierLoop, Taken
from sync.envelope import GENESIS, Envelope, decode_head, encode_head, open_
from sync.keys import SigningKey
from sync.mqtt import Arrived, Closed, Link, Opened, Outgoing, _publish_properties
from sync.outbox import STREAMS
from sync.speech import Vitals
from sync.steps import Pace
from sync.tls import BrokerAddress, TlsFiles, parse_broker
from tests.bench.rig import serving, site

STATION_KEY = SigningKey(b"S" * 32)
HQ_KEY = SigningKey(b"H" * 32)
PATIENCE_S = 1_200


def hq(url: str) -> None:
    link = Link(_address(url), None, "hq", 30)
    link.open()
    ends = dict.fromkeys(STREAMS, (0, encode_head(GENESIS)))
    threading.Thread(target=lambda: (sys.stdin.read(), link.close(with_will=False)), daemon=True).start()
    while not isinstance(event := link.next_event(1), Closed):
        if isinstance(event, Opened):
            link.subscribe(topics.HQ_UP, topics.HQ_RPC)
            _say({"ready": True})
        elif isinstance(event, Arrived):
            link.publish(_answer(event, ends))
            link.accept(event)


def _answer(message: Arrived, ends: dict[str, tuple[int, str]]) -> Outgoing:
    where = topics.parse(message.topic)
    assert where is not None
    now_ms = time.time_ns() // 1_000_000
    if where.branch == "up":
        batch = open_(message.payload, lambda station: STATION_KEY.public.verify)
        assert isinstance(batch, Envelope), batch
        stream = batch.header.stream
        if batch.header.first_seq == ends[stream][0] + 1:
            ends[stream] = (batch.last_seq, encode_head(batch.head_after))
        seq, head = ends[stream]
        ack = wire.Ack(station=where.station, epoch=1, stream=stream, seq=seq, head=head, hq_time_ms=now_ms)
        return Outgoing(topics.ack(where.station), wire.sign_ack(ack, HQ_KEY.sign))
    ask = wire.open_hello_ask(message.payload, lambda station: STATION_KEY.public.verify)
    assert isinstance(ask, wire.HelloAsk), ask
    marks = [{"stream": name, "seq": seq, "head": head} for name, (seq, head) in ends.items()]
    reply = wire.HelloReply(
        station=ask.station,
        epoch=1,
        nonce=ask.nonce,
        highest_epoch=1,
        streams=tuple(wire.StreamMark.model_validate(mark) for mark in marks),
        hq_time_ms=now_ms,
    )
    return Outgoing(
        topics.down_rpc(ask.station),
        wire.sign_hello_reply(reply, HQ_KEY.sign),
        correlation=message.correlation,
        expiry_s=60,
    )


def courier(url: str, database: Path) -> None:
    """Time and memory from when the courier starts until HQ's last ack is on the disk."""
    here, clock, stop = site(), SystemClock(), threading.Event()
    till = Till(lambda: _opened(database, here, clock), clock, lambda store: None, _broken)
    with serving(till):
        assert till.opened.wait(20)
        outbox = OutboxReader(reading.connect(database))
        last_seq = outbox.last_seq(LEDGER)
        done = threading.Event()

        def submit_ack(ack: wire.Ack) -> None:
            till.submit(lambda tx, at: apply_ack(ack.stream, ack.seq, decode_head(ack.head), tx, at))
            if (ack.stream, ack.seq) == (LEDGER, last_seq):
                done.set()

        loop = CourierLoop(
            station=here.station,
            outbox=outbox,
            key=STATION_KEY,
            hq_keys=lambda: [HQ_KEY.public],
            brokers=[_address(url)],
            tls=TlsFiles(),
            rng=random.Random(1),
            clock=clock.monotonic_ms,
            wall_ms=clock.wall_ms,
            vitals=lambda: Vitals("0", "SYNCED"),
            submit_ack=submit_ack,
            on_down=lambda topic, payload: Taken(),
            stop=stop,
        )
        thread = threading.Thread(target=loop.run)
        before_kib, cpu_s, began = _memory_kib("VmRSS"), time.process_time(), time.perf_counter()
        thread.start()
        ended = _in_time(done, thread)
        took_s = time.perf_counter() - began
        figures = {
            "seconds": took_s,
            "processor_s": time.process_time() - cpu_s,
            "items": last_seq,
            "grown_kib": _memory_kib("VmHWM") - before_kib,
            "payload_bytes": loop.status().payload_bytes,
            "refused": dict(loop.status().refused),
        }
        stop.set()
        thread.join()
    assert ended, figures
    _say(figures)


def _in_time(done: threading.Event, thread: threading.Thread) -> bool:
    """False at once where the thread that should bring it about has died."""
    until_s = time.monotonic() + PATIENCE_S
    while thread.is_alive() and time.monotonic() < until_s:
        if done.wait(0.5):
            return True
    return False


def _opened(database: Path, here: Site, clock: SystemClock) -> Store:
    return Store.open(database, here.station, here.programme, Instant(clock.wall_ms()))


def _broken(error: BaseException) -> None:
    raise error


def paho(url: str, file: Path) -> None:
    """What a program that trusts the broker would do: publish, and count the PUBACKs. Nobody listens."""
    messages = messages_in(file)
    properties: Properties = _publish_properties(
        Outgoing("", b"", content_type="application/vnd.forecourt+zlib")
    )
    confirmed, done, ready = 0, threading.Event(), threading.Event()

    def on_publish(*_: object) -> None:
        nonlocal confirmed
        confirmed += 1
        if confirmed == len(messages):
            done.set()

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(Pace().window)
    client.on_publish = on_publish
    client.on_connect = lambda *_: ready.set()
    address = _address(url)
    client.connect(address.host, address.port)
    client.loop_start()
    assert ready.wait(10)
    cpu_s, began = time.process_time(), time.perf_counter()
    for message in messages:
        client.publish("raw/fs/v1/cn-0042/up/ledger", message, qos=1, properties=properties)
    assert done.wait(PATIENCE_S)
    _say({"seconds": time.perf_counter() - began, "processor_s": time.process_time() - cpu_s})
    client.disconnect()
    client.loop_stop()


def write_messages(file: Path, messages: Iterable[bytes]) -> None:
    """Each behind its length, four bytes."""
    with file.open("wb") as out:
        for message in messages:
            out.write(len(message).to_bytes(4) + message)


def messages_in(file: Path) -> list[bytes]:
    raw, at, found = file.read_bytes(), 0, []
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4])
        found.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _memory_kib(name: str) -> int:
    """Not of `getrusage`: what that calls the most begins with the most of whoever started us."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(f"{name}:"))


def _address(url: str) -> BrokerAddress:
    address = parse_broker(url)
    assert isinstance(address, BrokerAddress), address
    return address


def _say(figures: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["hq", url]:
            hq(url)
        case ["courier", url, database]:
            courier(url, Path(database))
        case ["paho", url, file]:
            paho(url, Path(file))
        case _:
            sys.exit(__doc__)
