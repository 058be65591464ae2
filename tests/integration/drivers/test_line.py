"""Integration: does the line keep its promises on real descriptors (ports, backoff, notices, latency)?"""

import errno
import os
import random
import socket
import termios
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.session import BlueprintSession
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Monotonic, Notice, Outcome
from drivers.line import BACKOFF_LIMIT_MS, INBOX_LIMIT, Line
from drivers.ports import Port, PortGone, PortRefused, PortSpec, open_port
from drivers.stage import SimulatorOnPty
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until

NOTICE = Notice("r1", "sale-1", "1", 120, 500, 0, True, "积分 120")


class Mute:
    """A session that only remembers what the line does to it."""

    def __init__(self) -> None:
        self.received = b""
        self.received_at: list[Monotonic] = []
        self.notices: list[Notice] = []
        self.to_send: list[bytes] = []
        self.disconnections = 0

    def receive(self, data: bytes, now: Monotonic) -> None:
        self.received += data
        self.received_at.append(now)

    def next_event(self) -> DriverEvent | None:
        return None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        raise AssertionError("no event was reported")

    def tell(self, notice: Notice, now: Monotonic) -> None:
        self.notices.append(notice)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return self.to_send.pop(0) if self.to_send else b""

    def next_timer(self) -> Monotonic | None:
        return None

    def handle_timer(self, now: Monotonic) -> None:
        raise AssertionError("no timer was asked for")

    def awaiting(self) -> bool:
        return False

    def disconnected(self, now: Monotonic) -> None:
        self.disconnections += 1

    def counters(self) -> Mapping[str, int]:
        return Counter({"HEARD": len(self.received)})


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    yield master, os.ttyname(slave)
    for descriptor in (master, slave):
        os.close(descriptor)


def test_bytes_cross_in_both_directions_and_notices_wake_the_line(pty: tuple[int, str]) -> None:
    master, path = pty
    session = Mute()
    with running(path, session, Ledger()) as line:
        wait_until(lambda: line.status().port_open)
        os.write(master, b"\x00\xff\x11\x13\r\n")
        wait_until(lambda: session.received == b"\x00\xff\x11\x13\r\n")
        session.to_send += [b"one", b"two"]
        posted_at = monotonic_ms()
        assert line.post(NOTICE)
        wait_until(lambda: session.notices == [NOTICE])
        assert monotonic_ms() - posted_at < 500, "the self-pipe did not wake the line"
        heard = b""
        while len(heard) < 6:
            heard += os.read(master, 16)
        assert heard == b"onetwo"
        wait_until(lambda: line.status().last_valid_heard_ms == session.received_at[-1])
        assert line.status().counters["HEARD"] == 6


def test_a_full_inbox_drops_and_counts() -> None:
    session = Mute()
    line = Line("full", _never, session, Ledger().report, monotonic_ms, random.Random(1))
    assert [line.post(NOTICE) for _ in range(INBOX_LIMIT + 3)].count(False) == 3
    line.close()


def _never() -> Port:
    raise PortRefused("PORT_MISSING", "/dev/none", "no such file", "plug it in")


def test_a_missing_port_is_tried_again_with_bounded_backoff_while_silence_is_noticed(tmp_path: Path) -> None:
    ledger = Ledger()
    link = tmp_path / "by-id-blueprint"
    session = BlueprintSession("1", BlueprintOptions())
    with running(str(link), session, ledger) as line:
        wait_until(lambda: "PORT_MISSING" in line.status().trouble)
        wait_until(lambda: any(isinstance(event, DeviceSilent) for event in ledger.events))
        wait_until(lambda: line.status().silent_addresses == ("1",))
        tries = line.status().counters["PORT_MISSING"]
        assert 3 <= tries <= 12, "100 ms, doubled each time, in about 3 s"
        ticked = line.ticked
        assert ticked is not None
        assert monotonic_ms() - ticked < 1_500
        stage = SimulatorOnPty(BlueprintSimulator(), monotonic_ms, link=link)
        try:
            wait_until(lambda: DeviceBack("1") in ledger.events, BACKOFF_LIMIT_MS / 1_000 + 5)
            wait_until(lambda: line.status().silent_addresses == ())
        finally:
            stage.close()


def test_a_dead_port_does_not_make_the_line_spin(pty: tuple[int, str]) -> None:
    """Each turn of the loop reads the clock a few times: count them over a second of a gone port."""
    reads = 0

    def counting_clock() -> Monotonic:
        nonlocal reads
        reads += 1
        return monotonic_ms()

    stop = threading.Event()
    line = Line(
        "gone",
        _never,
        BlueprintSession("1", BlueprintOptions()),
        Ledger().report,
        counting_clock,
        random.Random(1),
    )
    thread = threading.Thread(target=line.run, args=(stop,))
    thread.start()
    stop.wait(1.0)
    stop.set()
    line.wake()
    thread.join(5)
    line.close()
    assert reads < 600


def test_what_cannot_be_opened_is_refused_with_code_and_remedy(pty: tuple[int, str], tmp_path: Path) -> None:
    _, path = pty
    with socket.create_server(("127.0.0.1", 0)) as server:
        free_port = server.getsockname()[1]
    held = open_port(PortSpec(path, pty=True))
    refusals = {}
    for spec in (
        PortSpec(str(tmp_path / "none")),
        PortSpec(path, pty=True),
        PortSpec(f"socket://127.0.0.1:{free_port}"),
        PortSpec("socket://nowhere"),
    ):
        with pytest.raises(PortRefused) as refused:
            open_port(spec)
        refusals[refused.value.code] = refused.value.remedy
    held.close()
    held.close()
    assert set(refusals) == {"PORT_MISSING", "PORT_BUSY", "PORT_UNREACHABLE", "PORT_SETTINGS"}
    assert all(refusals.values())


def test_even_parity_is_left_out_on_a_pseudo_terminal_only_when_told(
    pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels differ: Linux refuses PARENB on a pseudo-terminal with EINVAL, sandboxes may not."""
    _, path = pty
    honest = termios.tcsetattr

    def refusing(descriptor: int, when: int, settings: Any) -> None:
        if settings[2] & termios.PARENB:
            raise termios.error(errno.EINVAL, "Invalid argument")
        honest(descriptor, when, settings)

    monkeypatch.setattr(termios, "tcsetattr", refusing)
    with pytest.raises(PortRefused) as refused:
        open_port(PortSpec(path, parity="even"))
    assert refused.value.code == "PORT_SETTINGS"
    assert "pty = true" in refused.value.remedy
    open_port(PortSpec(path, parity="even", pty=True)).close()


def test_an_unplugged_port_is_gone_at_once_on_read_and_write() -> None:
    master, slave = os.openpty()
    port = open_port(PortSpec(os.ttyname(slave), pty=True))
    assert port.read() == b""
    os.close(slave)
    os.close(master)
    with pytest.raises(PortGone):
        port.read()
    with pytest.raises(PortGone):
        port.write(b"x")
    port.close()


def test_a_closed_connection_is_gone_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = open_port(PortSpec(f"socket://127.0.0.1:{server.getsockname()[1]}"))
        link, _ = server.accept()
        link.sendall(b"hello")
        wait_until(lambda: port.read() == b"hello")
        link.close()
        with pytest.raises(PortGone, match="end of file"):
            wait_until(lambda: port.read() != b"")
        port.close()


def test_a_port_that_takes_no_bytes_is_given_up(pty: tuple[int, str]) -> None:
    _, path = pty
    session = Mute()
    session.to_send = [bytes(1_000_000)]
    with running(path, session, Ledger()) as line:
        wait_until(lambda: line.status().counters.get("PORT_GONE", 0) == 1)
        assert "takes no bytes" in line.status().trouble
    assert session.disconnections == 1


def test_from_the_last_byte_to_the_report_no_wait_is_added(pty: tuple[int, str]) -> None:
    class Echo(Mute):
        """Every byte is an event, reported in the turn that follows."""

        def __init__(self) -> None:
            super().__init__()
            self.events: list[DriverEvent] = []

        def receive(self, data: bytes, now: Monotonic) -> None:
            self.events += [DeviceBack(str(byte)) for byte in data]

        def next_event(self) -> DriverEvent | None:
            return self.events.pop(0) if self.events else None

        def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
            assert answer == Answer(Outcome.DONE, durable=False)

    master, path = pty
    ledger, latencies_ms = Ledger(), []
    with running(path, Echo(), ledger) as line:
        wait_until(lambda: line.status().port_open)
        for number in range(50):
            written_at = monotonic_ms()
            os.write(master, bytes([number]))
            wait_until(lambda number=number: len(ledger.events) == number + 1)  # type: ignore[misc]
            latencies_ms.append(monotonic_ms() - written_at)
    assert sorted(latencies_ms)[25] <= 20, "the median, on a busy machine"
