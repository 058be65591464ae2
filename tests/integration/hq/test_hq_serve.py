"""Integration: does the program `forecourt hq serve` deliver, certify and show its figures?"""

import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.authority_folder import AuthorityFolder
from sync.broker import Broker, start_broker
from sync.hq.publisher import Order, Publisher
from sync.hq.store import HqStore
from sync.keys import SigningKey, write_key
from sync.refusal import Refusal
from tests.integration.hq.obedient import Obedient, wall_ms
from tests.integration.hq.road import ROOT, wait_until
from tests.unit.hq.down_stand import DOWN_KEY, HOUR_MS
from tests.unit.hq.stand import HQ_KEY, NOW_MS, Station


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with start_broker("mosquitto", tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HqStore]:
    store = HqStore(f"sqlite:///{tmp_path}/hq.db")
    yield store
    store.close()


def serve(tmp_path: Path, url: str, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "agent.cli", "hq", "serve", "--db", f"sqlite:///{tmp_path}/hq.db"]
    command += ["--broker", url, "--key", str(tmp_path / "ack.key"), *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def figures(port: int) -> dict[str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_it_delivers_and_its_figures_follow(tmp_path: Path, broker: Broker, store: HqStore) -> None:
    station = Station()
    store.add_station(station.name, station.key.public.raw, NOW_MS)
    assert write_key(tmp_path / "ack.key", HQ_KEY) is None
    assert write_key(tmp_path / "down.key", SigningKey(b"D" * 32)) is None
    assert isinstance(AuthorityFolder.create(tmp_path / "ca", "tests", NOW_MS), AuthorityFolder)
    port = free_port()
    answering = ("--down-key", str(tmp_path / "down.key"), "--ca-folder", str(tmp_path / "ca"))
    process = serve(tmp_path, broker.url, "--metrics-port", str(port), *answering)
    assert process.stdout is not None
    assert "HQ ready" in process.stdout.readline()
    obedient = Obedient(station, broker.url)
    try:
        order = Order("rotate", {}, wall_ms() + HOUR_MS, "turn")
        assert not isinstance(Publisher(store, [DOWN_KEY], wall_ms).issue([station.name], order), Refusal)
        wait_until(lambda: [down.id for down in obedient.obeyed] == ["turn"])
        wait_until(lambda: figures(port)["forecourt_hq_hellos_total"] != "0.0")
        assert int(float(figures(port)["forecourt_hq_message_seconds_count"])) > 0
    finally:
        obedient.close()
        process.terminate()
        _, told = process.communicate(timeout=10)
    assert process.returncode == 0, told
    with pytest.raises(OSError, match="refused"):
        figures(port)


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [
        (("--ca-folder", "nowhere"), 2, "KEYS_MISSING"),
        (("--ca-folder", "nowhere", "--down-key", "{ack}"), 5, "AUTHORITY_MISSING"),
        (("--metrics-port", "{taken}"), 5, "METRICS_PORT"),
    ],
)
def test_what_it_lacks_it_says_at_once(tmp_path: Path, more: tuple[str, ...], code: int, reason: str) -> None:
    assert write_key(tmp_path / "ack.key", SigningKey(b"D" * 32)) is None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places = {"ack": str(tmp_path / "ack.key"), "taken": str(taken.getsockname()[1])}
        arguments = [word.format(**places) for word in more]
        _, told = (process := serve(tmp_path, "mqtt://127.0.0.1:1", *arguments)).communicate(timeout=30)
    assert (process.returncode, told.split(":")[0]) == (code, reason), told
