"""Integration: is sync/README.md enough to be a station's HQ, in another language and with none of our code?

`consumer.mjs` (node, the package `mqtt`) subscribes, verifies, keeps chains of heads, acknowledges, answers
hello and sends a signed down item. The other end is a real courier over a real outbox on a real broker.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sync
from agent.cli.contract import examples
from agent.messages.down import KINDS
from agent.messages.items import ITEMS
from sync import topics
from sync.broker import Broker, start_broker
from sync.down import Down, open_down
from sync.envelope import Header, encode_head, seal
from sync.keys import SigningKey
from sync.mqtt import Link, Opened, Outgoing
from sync.outbox import STREAMS
from sync.tls import TlsFiles
from tests.integration.sync.sqlite_outbox import SqliteOutbox
from tests.integration.sync.stage import Station, address_of, until
from tests.simulation.sync.storm import STATION

HERE = Path(__file__).parent
MODULES = HERE.parents[2] / ".venv" / "contract"
STATION_KEY, HQ_KEY = SigningKey(bytes(range(32))), SigningKey(bytes(range(32, 64)))


class Consumer:
    """What the other program has printed, one JSON value a line."""

    def __init__(self, printed: Path) -> None:
        self._printed = printed

    @property
    def said(self) -> list[object]:
        lines = self._printed.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with start_broker("mosquitto", tmp_path / "broker") as started:
        yield started


@contextmanager
def consumer(broker: Broker, folder: Path) -> Iterator[Consumer]:
    node = shutil.which("node")
    assert node, "node is missing: apt-get install nodejs npm"
    assert (MODULES / "node_modules" / "mqtt").is_dir(), (
        "the package mqtt is missing: `make .venv/.contract` installs it"
    )
    dictionary = Path(sync.__file__).parent / "dictionary-1.txt"
    command = [node, str(HERE / "consumer.mjs"), broker.url, HQ_KEY.secret_text, STATION_KEY.public.text]
    printed, errors = folder / "said", folder / "errors"
    with printed.open("wb") as out, errors.open("wb") as err:
        running = subprocess.Popen(
            [*command, str(dictionary)], cwd=MODULES, stdin=subprocess.PIPE, stdout=out, stderr=err
        )
    try:
        until(lambda: running.poll() is not None or "ready" in Consumer(printed).said)
        assert running.poll() is None, errors.read_text()
        yield Consumer(printed)
    finally:
        running.communicate(timeout=10)
    assert running.returncode == 0, errors.read_text()


def test_a_station_is_drained_by_a_stranger(broker: Broker, tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "station.db")
    written: dict[str, list[str]] = {stream: [] for stream in STREAMS}
    for _ in range(3):
        for kind, item in ITEMS.items():
            outbox.put(item.stream, item.model.model_validate_json(_example(kind)).encoded())
            written[item.stream].append(kind)
    with (
        consumer(broker, tmp_path) as hq,
        Station([broker.url], STATION_KEY, HQ_KEY, outbox, TlsFiles()) as station,  # type: ignore[arg-type]
    ):
        until(lambda: station.drained)
        for stream in STREAMS:
            ends = [ack.seq for ack in station.acks if ack.stream == stream]
            assert max(ends) == outbox.last_seq(stream) == len(written[stream])
        outbox.put("ledger", ITEMS["draw"].model.model_validate_json(_example("draw")).encoded())
        written["ledger"].append("draw")
        station.loop.wake()
        until(lambda: station.drained)
        until(lambda: bool(station.down))
    said = [what for what in hq.said if isinstance(what, dict)]
    assert not [what for what in said if "refused" in what]
    for stream in STREAMS:
        booked = [(what["seq"], what["kind"]) for what in said if what["stream"] == stream]
        assert booked == list(enumerate(written[stream], start=1))
    _is_obeyed(*station.down[0])
    outbox.close()


def test_the_stranger_believes_nothing_unsigned(broker: Broker, tmp_path: Path) -> None:
    """The same row is refused from a forger and on another topic, and then booked."""
    item = ITEMS["draw"].model.model_validate_json(_example("draw")).encoded()
    header = Header(
        station=STATION, epoch=1, stream="ledger", first_seq=1, count=1, head_before=encode_head(bytes(32))
    )
    with consumer(broker, tmp_path) as hq:
        forger = Link(address_of(broker.url), None, "forger", 10)
        forger.open()
        until(lambda: isinstance(forger.next_event(0.05), Opened))
        for stream, key in (
            ("ledger", SigningKey(bytes(32))),
            ("urgent", STATION_KEY),
            ("ledger", STATION_KEY),
        ):
            forger.publish(Outgoing(topics.up(STATION, stream), seal(header, [item], key.sign)))
        until(lambda: len(hq.said) == 4)
        forger.close(with_will=False)
    refused = [{"refused": "BAD_SIGNATURE"}, {"refused": "WRONG_TOPIC"}]
    assert hq.said == ["ready", *refused, {"stream": "ledger", "seq": 1, "kind": "draw"}]


def test_what_it_imports_is_pinned_by_hashes_and_names_no_registry() -> None:
    locked = (HERE / "package-lock.json").read_text()
    packages = {name: package for name, package in json.loads(locked)["packages"].items() if name}
    assert packages["node_modules/mqtt"]["version"] == "5.16.0"
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert "://" not in locked


def _example(kind: str) -> str:
    return json.dumps(examples()[f"up.{kind}"])


def _is_obeyed(topic: str, payload: bytes) -> None:
    """A down item that the stranger made is what ours would make."""
    assert topic == topics.down_items(STATION)
    item = open_down(payload, [HQ_KEY.public], 1)
    assert isinstance(item, Down)
    assert (item.station, item.down_seq, item.kind) == (STATION, 1, "pause")
    KINDS[item.kind].model_validate_json(item.body_json)
