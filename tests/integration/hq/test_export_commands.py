"""Integration: does another system get every booked row, through failures of its own and SIGKILLs of ours?"""

import hashlib
import hmac
import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sync.hq.export import BATCH, Exporter
from sync.hq.webhook import Webhook, parse_target
from sync.refusal import Refusal
from tests.integration.hq.road import ROOT, wait_until
from tests.unit.hq.stand import Hq, Station, fuelling

KEY = b"a shared key of the test"
ROWS = 2_400


class Gateway:
    """Another system's end: keeps each parcel once by its key, and answers what it is told to."""

    def __init__(self) -> None:
        self.parcels: dict[str, bytes] = {}
        self.order: list[str] = []
        self.repeats = 0
        self.forged = 0
        self.hung = 0
        self.answers: list[int | str] = []
        self._released = threading.Event()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                gateway.take(self)

            def log_message(self, *words: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/rows?from=hq"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        name = request.headers["Idempotency-Key"]
        expected = hmac.digest(KEY, name.encode() + b"\n" + body, "sha256").hex()
        self.forged += request.headers["Forecourt-Signature"] != f"sha256={expected}"
        answer = self.answers.pop(0) if self.answers else 204
        if answer in (204, "die after taking", "hang after taking"):
            self.repeats += name in self.parcels
            assert self.parcels.setdefault(name, body) == body
            if name not in self.order:
                self.order.append(name)
        if answer == "hang after taking":
            self.hung += 1
            self._released.wait(30)
        if isinstance(answer, str):
            request.connection.close()
            request.close_connection = True
            return
        request.send_response(answer)
        request.send_header("Location", "http://127.0.0.1:1/")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def seqs(self) -> list[int]:
        lines = (line for name in self.order for line in self.parcels[name].splitlines())
        return [json.loads(line)["seq"] for line in lines]

    def close(self) -> None:
        self._released.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture
def hq(tmp_path: Path) -> Iterator[Hq]:
    station = Station()
    station.write(*(fuelling(f"f{n}") for n in range(ROWS)))
    hq = Hq(tmp_path / "hq.db", station)
    for first in range(1, ROWS, 100):
        hq.take(station, station.seal(first, first + 99))
    yield hq
    hq.store.close()


class Pauses:
    """Counts the pauses instead of making them."""

    def __init__(self) -> None:
        self.taken_s: list[float] = []
        self.said: list[str] = []

    def webhook(self, url: str) -> Webhook:
        target = parse_target(url)
        assert not isinstance(target, Refusal)
        return Webhook(
            target,
            KEY,
            random.Random(1),
            self.taken_s.append,
            lambda: len(self.taken_s) > 50,
            self.said.append,
        )


def test_what_fails_is_sent_again_until_it_is_taken_and_counts_once(hq: Hq, gateway: Gateway) -> None:
    pauses = Pauses()
    gateway.answers = [500, "die before taking", 429, "die after taking", 503, 204, 408]
    assert Exporter(hq.store, "erp", pauses.webhook(gateway.url), lambda: False).run() == ROWS
    assert gateway.seqs() == list(range(1, ROWS + 1))
    assert (gateway.repeats, gateway.forged) == (1, 0)
    assert len(pauses.taken_s) == len(pauses.said) == 6
    assert max(pauses.taken_s) <= 16
    assert len(gateway.order) == -(-ROWS // BATCH)
    assert gateway.order[0] == hashlib.sha256(f"erp/cn-0001/1/ledger/1-{BATCH}".encode()).hexdigest()


@pytest.mark.parametrize("answer", [301, 400, 401, 410])
def test_what_will_never_be_taken_stops_the_export_and_moves_nothing(
    hq: Hq, gateway: Gateway, answer: int
) -> None:
    gateway.answers = [204, answer]
    refusal = Exporter(hq.store, "erp", Pauses().webhook(gateway.url), lambda: False).run()
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, str(answer) in refusal.detail) == ("WEBHOOK_REFUSED", True)
    assert Exporter(hq.store, "erp", Pauses().webhook(gateway.url), lambda: False).run() == ROWS - BATCH
    assert gateway.seqs() == list(range(1, ROWS + 1))


def test_nobody_at_home_is_tried_until_stopped(hq: Hq) -> None:
    pauses = Pauses()
    gone = Gateway()
    gone.close()
    refusal = Exporter(hq.store, "erp", pauses.webhook(gone.url), lambda: False).run()
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "WEBHOOK_STOPPED"
    assert max(pauses.taken_s) <= 60
    assert any(pause > 16 for pause in pauses.taken_s), "the cap has grown"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://gateway.example/rows", "WEBHOOK_PLAIN"),
        ("ftp://127.0.0.1/", "WEBHOOK_URL"),
        ("https://user:secret@gateway.example/", "WEBHOOK_URL"),
        ("https:///rows", "WEBHOOK_URL"),
        ("http://127.0.0.1:notaport/", "WEBHOOK_URL"),
    ],
)
def test_addresses_that_are_refused(url: str, reason: str) -> None:
    refusal = parse_target(url)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason


def export(database: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "agent.cli", "hq", "export", "--db", f"sqlite:///{database}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def kill_after(process: "subprocess.Popen[bytes]", condition: Callable[[], bool]) -> bool:
    """SIGKILL as soon as the condition holds; whether it was still at work."""
    wait_until(lambda: condition() or process.poll() is not None)
    at_work = process.poll() is None
    process.kill()
    process.communicate()
    return at_work


def test_sigkills_of_the_exporter_lose_no_row_of_its_file(hq: Hq, tmp_path: Path) -> None:
    target, database = tmp_path / "rows.jsonl", tmp_path / "hq.db"
    target.touch()
    interrupted = 0
    for _ in range(4):
        before = target.stat().st_size
        process = export(database, "--as", "bi", "--to", str(target))
        interrupted += kill_after(process, lambda before=before: target.stat().st_size > before)
    assert interrupted >= 2
    code, _, told = ended(export(database, "--as", "bi", "--to", str(target)))
    assert code == 0, told
    seqs = [json.loads(line)["seq"] for line in target.read_bytes().splitlines()]
    assert sorted(set(seqs)) == list(range(1, ROWS + 1))
    first_times = list(dict.fromkeys(seqs))
    assert first_times == sorted(first_times), "without the repeated ones, the order is the chain's"


def test_sigkills_between_post_and_cursor_repeat_parcels_under_their_keys(
    hq: Hq, gateway: Gateway, tmp_path: Path
) -> None:
    key = tmp_path / "webhook.key"
    key.write_bytes(KEY + b"\n")
    arguments = ("--as", "erp", "--webhook", gateway.url, "--webhook-key", str(key))
    interrupted = 0
    for kill in range(1, 4):
        gateway.answers = ["hang after taking"]
        process = export(tmp_path / "hq.db", *arguments)
        interrupted += kill_after(process, lambda kill=kill: gateway.hung == kill)
    assert interrupted == 3
    code, _, told = ended(export(tmp_path / "hq.db", *arguments))
    assert code == 0, told
    assert gateway.seqs() == list(range(1, ROWS + 1))
    assert (gateway.repeats, gateway.forged) == (3, 0)


def test_following_hands_on_what_is_booked_later_and_ends_on_sigterm(tmp_path: Path) -> None:
    station = Station()
    station.write(*(fuelling(f"f{n}") for n in range(4)))
    hq = Hq(tmp_path / "hq.db", station)
    hq.take(station, station.seal(1, 2))
    process = export(tmp_path / "hq.db", "--as", "bi", "--follow")
    assert process.stdout is not None
    rows: list[Any] = [json.loads(process.stdout.readline()) for _ in range(2)]
    hq.take(station, station.seal(3, 4))
    rows += [json.loads(process.stdout.readline()) for _ in range(2)]
    process.terminate()
    code, rest, told = ended(process)
    hq.store.close()
    assert (code, rest, told) == (0, "", "4 rows\n")
    assert [row["seq"] for row in rows] == [1, 2, 3, 4]


def test_a_webhook_wants_a_key_that_cannot_be_guessed(hq: Hq, gateway: Gateway, tmp_path: Path) -> None:
    key = tmp_path / "webhook.key"
    key.write_bytes(b"short")
    webhook = ("--as", "erp", "--webhook", gateway.url)
    code, _, told = ended(export(tmp_path / "hq.db", *webhook, "--webhook-key", str(key)))
    assert (code, told.split(":")[0]) == (1, "WEBHOOK_KEY")
    code, _, told = ended(export(tmp_path / "hq.db", *webhook))
    assert (code, told.split(":")[0]) == (2, "WEBHOOK_KEY")
    assert gateway.order == []
