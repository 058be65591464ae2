"""Unit: does systemd hear what the service says, and does the service live without systemd?"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.notify import Notifier, notifier_from


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = f"forecourt-notify-{os.getpid()}"
    address = str(tmp_path / name) if request.param == "path" else f"@{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + address[1:] if address.startswith("@") else address)
        systemd.settimeout(5)
        yield address, systemd


def test_every_message_arrives_as_one_datagram(heard: tuple[str, socket.socket]) -> None:
    address, systemd = heard
    notifier = Notifier(address)
    said = []
    for sent in (
        notifier.ready("4 lines"),
        notifier.watchdog(),
        notifier.status("two\nlines"),
        notifier.stopping(),
    ):
        assert sent
        said.append(systemd.recv(4096).decode())
    assert said == ["READY=1\nSTATUS=4 lines", "WATCHDOG=1", "STATUS=two lines", "STOPPING=1"]


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    assert not notifier_from({}).ready("by hand")
    assert not Notifier(str(tmp_path / "nobody")).watchdog()


def test_a_full_socket_does_not_hold_the_service_up(heard: tuple[str, socket.socket]) -> None:
    notifier = Notifier(heard[0])
    sent = [notifier.watchdog() for _ in range(5000)]
    assert sent[0]
    assert not sent[-1]


def test_the_watchdog_time_is_for_this_process_only() -> None:
    assert notifier_from({}).watchdog_ms is None
    assert notifier_from({"WATCHDOG_USEC": "30000000"}).watchdog_ms == 30_000
    mine = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert notifier_from(mine).watchdog_ms == 30_000
    assert notifier_from(mine | {"WATCHDOG_PID": "1"}).watchdog_ms is None
