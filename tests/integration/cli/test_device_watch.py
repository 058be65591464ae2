"""Integration: do `device watch` and `totals` tell the truth of a wire, and leave it as it is?"""

import json
import os
import select
import threading
from collections.abc import Callable

import pytest

from agent.cli import device_wire
from agent.cli.device_line import Mute
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.driver import Ask, Driver
from drivers.events import Monotonic
from drivers.stage import SimulatorOnPty
from tests.integration.cli.device_wires import CLOCK, NOTHING, READ, SALE, Wire, as_json, device

pytestmark = pytest.mark.usefixtures("hurried")


def test_watch_shows_both_ends_and_says_nothing(wire: Callable[..., Wire]) -> None:
    busy = wire(READ + SALE)
    shown = device("watch", busy.path, "--driver", "blueprint", "--seconds", "1")
    assert shown.returncode == 0
    assert busy.heard == b""
    assert "  host    right  read the oldest sale" in shown.stdout
    assert "53 2c 30 30 30 37 2c 30 31 2c 30 30 33 30 31 32  number" in shown.stdout
    assert "volume      003012      30120 ml" in shown.stdout
    assert " 0 wrong by their check value" in shown.stdout


def test_watch_that_asks_reads_and_never_acknowledges(pump: SimulatorOnPty[BlueprintSimulator]) -> None:
    shown = device("watch", pump.path, "--driver", "blueprint", "--ask", "--seconds", "1", "--json")
    told = [json.loads(line) for line in shown.stdout.splitlines()]
    events = [each["event"] for each in told if "event" in each]
    assert events[0] == "DeviceBack"
    assert events.count("Fuelling") >= 2
    sale = next(each for each in told if each.get("title") == "sale")
    assert (sale["from"], sale["check"]) == ("device", "ok")
    assert {"name": "volume", "raw": "003012", "meaning": "30120 ml"} in sale["details"]
    first = next(number for number, each in enumerate(told) if each.get("event") == "Fuelling")
    assert "sale" in [each.get("title") for each in told[:first]]
    assert told[-1]["quality"]["wrong_frames"] == 0
    assert told[-1]["counters"]["NOT_DURABLE"] >= 2
    assert pump.act(lambda device: device.released) == []


@pytest.mark.parametrize("command", [["watch", "--ask", "--seconds", "1"], ["totals"]])
def test_nobody_is_asked_where_somebody_else_speaks(wire: Callable[..., Wire], command: list[str]) -> None:
    busy = wire(READ)
    shown = device(command[0], busy.path, "--driver", "blueprint", *command[1:])
    assert (shown.returncode, shown.stderr.split(":")[0]) == (3, "SOMEBODY_SPEAKS")
    assert busy.heard == b""


def test_a_driver_that_only_listens_is_not_asked_to_ask(
    wire: Callable[..., Wire], as_driver: Callable[..., Driver]
) -> None:
    as_driver(listens=lambda options: True, open_session=lambda address, options: Mute())
    busy = wire(NOTHING)
    shown = device("watch", busy.path, "--driver", "blueprint", "--ask", "--seconds", "1")
    assert (shown.returncode, busy.heard) == (0, b"")
    assert "no sale waits" in shown.stdout


def test_totals_shows_digits_and_meaning(pump: SimulatorOnPty[BlueprintSimulator]) -> None:
    code, told = as_json("totals", pump.path, "--driver", "blueprint")
    assert (code, told["ok"], told["address"]) == (0, True, "1")
    (asked,) = told["totals"]
    details = asked["views"][0]["details"]
    assert {"name": "totalizer", "raw": "0000003012", "meaning": "30120 ml"} in details
    assert "totalizer   0000003012  30120 ml" in device("totals", pump.path, "-d", "blueprint").stdout


def test_totals_without_an_answer_or_a_question(
    wire: Callable[..., Wire], as_driver: Callable[..., Driver]
) -> None:
    dead = wire()
    shown = device("totals", dead.path, "--driver", "blueprint")
    assert (shown.returncode, shown.stderr.split(":")[0]) == (3, "NO_ANSWER")
    assert dead.heard == READ * 3
    as_driver(asks=lambda address, options: (Ask("are you there", READ),))
    shown = device("totals", dead.path, "--driver", "blueprint")
    assert (shown.returncode, shown.stderr.split(":")[0]) == (1, "NO_TOTALS")


class _Attended:
    """A port that finds its device only while it is attended, as the road of IFSF does."""

    def __init__(self) -> None:
        self.attended = 0
        self._near, self._far = os.pipe()

    def fileno(self) -> int:
        return self._near

    def read(self) -> bytes:
        return os.read(self._near, 100)

    def write(self, data: bytes) -> int:
        return len(data)

    def close(self) -> None:
        os.close(self._near)
        os.close(self._far)

    def attend(self, now: Monotonic) -> None:
        self.attended += 1
        if self.attended == 3:
            os.write(self._far, b"found")


def test_a_port_that_does_something_by_the_clock_is_attended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_wire, "_ATTEND_MS", 20)
    for listen in (
        lambda port: device_wire.hear(port, CLOCK.monotonic_ms, 5_000, 1),
        lambda port: device_wire.ask(port, CLOCK.monotonic_ms, b"?", 5_000),
    ):
        port = _Attended()
        assert listen(port) == b"found"
        port.close()


def test_watch_tells_when_the_plug_is_pulled(
    pump: SimulatorOnPty[BlueprintSimulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    receive = BlueprintSimulator.receive

    def receive_and_tell(device: BlueprintSimulator, data: bytes, now: Monotonic) -> None:
        receive(device, data, now)
        asked.set()

    def pull_once_asked() -> None:
        asked.wait(20)
        select.select([], [], [], 0.1)
        pump.unplug()

    monkeypatch.setattr(BlueprintSimulator, "receive", receive_and_tell)
    pull = threading.Thread(target=pull_once_asked)
    pull.start()
    shown = device("watch", pump.path, "-d", "blueprint", "--ask", "--seconds", "4")
    pull.join()
    assert shown.returncode == 0
    assert "\nPORT: " in shown.stdout
    assert "sale" in shown.stdout
    assert "PORT_GONE 1" in shown.stdout
