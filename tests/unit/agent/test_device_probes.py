"""Unit: does `device doctor` see what is wrong with a port, and does the search weigh its evidence?"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from agent.cli import device_kernel, device_probes
from agent.cli.device_candidates import Candidate, Sureness
from agent.cli.device_choice import by_id, chosen, spec_of, wiring_of
from agent.cli.device_kernel import Holder, LineCounters, holders
from agent.cli.device_places import Place, places, usable
from agent.cli.device_probes import REMEDIES, pattern
from agent.clock import SystemClock
from agent.health.findings import Finding, Level
from drivers.driver import Wiring

BLUEPRINT = chosen("blueprint", {})
WIRE = Wiring(9_600, 8, "even", 1)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bytes(40), "ONLY_ZEROES"),
        (b"\x00" * 35 + b"\x55" * 5, "ONLY_ZEROES"),
        (b"\xff" * 30 + b"\xfe\xfc\xff", "ONLY_ONES"),
        (random.Random(1).randbytes(100), "NEVER_RIGHT"),
    ],
)
def test_bytes_that_nobody_explains_have_a_likely_cause(data: bytes, code: str) -> None:
    found, evidence, remedy = pattern(data)
    assert (found, remedy) == (code, REMEDIES[code])
    assert evidence.startswith(data[:4].hex(" "))


def test_errors_that_the_kernel_counted_since_are_told() -> None:
    before = LineCounters(5, 0, 5, 1)

    def told(after: LineCounters | None) -> tuple[Level, str]:
        (finding,) = device_probes._errors(before, after)
        return finding.level, finding.code

    assert told(LineCounters(5, 0, 5, 1)) == (Level.OK, "")
    assert told(LineCounters(6, 0, 5, 1)) == (Level.FAIL, "ERRORS_OF_THE_WIRE")
    assert told(LineCounters(5, 0, 9, 1)) == (Level.FAIL, "ERRORS_OF_THE_WIRE")
    assert told(LineCounters(5, 0, 5, 9)) == (Level.FAIL, "BREAKS_HEARD")
    assert told(None) == (Level.OK, "")


def test_counters_are_read_as_the_kernel_lays_them_out(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [11, 12, 13, 14, 15, 16, 3, 4, 5, 6, 7, *[0] * 9]
    packed = b"".join(word.to_bytes(4, "little") for word in words)
    monkeypatch.setattr(device_kernel.fcntl, "ioctl", lambda *_: packed)
    assert device_kernel.line_counters(0) == LineCounters(3, 4 + 7, 5, 6)


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    yield slave, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_pseudo_terminal_counts_nothing_and_has_a_speed(terminal: tuple[int, str]) -> None:
    assert device_kernel.line_counters(terminal[0]) is None
    assert device_kernel.speed(terminal[0]) == 38_400


def test_who_holds_a_port_is_found_and_we_are_not_named(tmp_path: Path) -> None:
    port = tmp_path / "tty"
    port.touch()
    for pid, name in ((os.getpid(), "pytest"), (4_321, "minicom"), (99, "idle")):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
    for pid in (os.getpid(), 4_321):
        (tmp_path / str(pid) / "fd" / "3").symlink_to(port)
    assert holders(str(port), tmp_path) == [Holder(4_321, "minicom")]


def test_the_name_that_does_not_move_is_found(tmp_path: Path) -> None:
    port, named = tmp_path / "ttyUSB3", tmp_path / "by-id" / "usb-maker-if00"
    port.touch()
    named.parent.mkdir()
    named.symlink_to(port)
    assert by_id(str(port), named.parent) == str(named)
    assert by_id("/dev/null", named.parent) == "/dev/null"
    assert by_id(str(port), tmp_path / "nothing") == str(port)


def _examined(port: str) -> dict[str, Finding]:
    spec = spec_of(port, Wiring(), listen_only=True)
    found = device_probes.examine(spec, None, SystemClock().monotonic_ms, listen_ms=20, may_ask=False)
    return {finding.name: finding for finding in found}


def test_what_is_no_port_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert _examined(str(tmp_path / "file"))["device"].code == "PORT_NO_DEVICE"
    gone = _examined(str(tmp_path / "gone"))
    assert list(gone) == ["device"]
    assert gone["device"].code == "PORT_UNKNOWN"
    assert gone["device"].remedy == REMEDIES["PORT_UNKNOWN"]


def test_a_port_that_is_held_or_forbidden_is_not_opened(
    monkeypatch: pytest.MonkeyPatch, terminal: tuple[int, str]
) -> None:
    monkeypatch.setattr(device_probes, "is_pty", lambda _: False)
    monkeypatch.setattr(device_probes, "holders", lambda _: [Holder(77, "minicom")])
    monkeypatch.setattr(device_probes.os, "access", lambda *_: False)
    found = _examined(terminal[1])
    assert "open" not in found
    assert found["held by"].code == "PORT_HELD"
    assert "minicom (process 77)" in found["held by"].evidence
    assert found["permission"].code in ("PORT_NOT_OURS", "PORT_NO_GROUP")


def test_a_name_that_moves_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_probes, "by_id", lambda _: "/dev/serial/by-id/usb-maker-if00")
    finding = device_probes._name("/dev/ttyUSB0")
    assert (finding.level, finding.code) == (Level.WARN, "PORT_NAME_MOVES")
    assert device_probes._name("/dev/serial/by-id/usb-maker-if00").level is Level.OK


def test_wirings_are_written_as_technicians_write_them() -> None:
    assert wiring_of(Wiring(), 0, "7e2") == Wiring(9_600, 7, "even", 2)
    assert wiring_of(WIRE, 2_400, "") == Wiring(2_400, 8, "even", 1)
    with pytest.raises(typer.Exit):
        wiring_of(WIRE, 0, "8X1")


def test_every_wiring_is_tried_once_and_tcp_ports_as_drivers_know_them() -> None:
    ways = places("/dev/ttyUSB0", [BLUEPRINT, BLUEPRINT])
    assert [place.wiring for place in ways] == [Wiring()]
    assert places("socket://10.0.0.9", [BLUEPRINT]) == []
    assert [place.device for place in places("socket://10.0.0.9:4001", [BLUEPRINT])] == [
        "socket://10.0.0.9:4001"
    ]


def _candidate(
    right_frames: int, wrong_frames: int, explained: int, *, unchecked: int = 0, asked: bool = False
) -> Candidate:
    place = Place("/dev/ttyUSB0", Wiring(), (BLUEPRINT,))
    question = "are you there" if asked else ""
    frames = right_frames + wrong_frames + unchecked
    return Candidate(BLUEPRINT, place, frames, right_frames, wrong_frames, explained, 100, "1", question)


def test_sureness_needs_several_frames_and_more_without_a_question() -> None:
    assert _candidate(3, 0, 95, asked=True).sureness is Sureness.SURE
    assert _candidate(3, 0, 95).sureness is Sureness.LIKELY
    assert _candidate(5, 0, 95).sureness is Sureness.SURE
    assert _candidate(5, 0, 89).sureness is Sureness.LIKELY
    assert _candidate(5, 1, 99).sureness is Sureness.LIKELY
    assert _candidate(1, 0, 20).sureness is Sureness.GUESS
    assert _candidate(1, 3, 90).sureness is Sureness.GUESS
    assert _candidate(0, 0, 90).sureness is Sureness.GUESS


def test_frames_without_a_check_value_are_likely_at_most() -> None:
    """IFSF and Modbus over TCP leave the check to TCP; a single byte that any byte could be says nothing."""
    assert _candidate(0, 0, 100, unchecked=3, asked=True).sureness is Sureness.LIKELY
    assert _candidate(0, 0, 100, unchecked=12, asked=True).sureness is Sureness.LIKELY
    assert _candidate(0, 0, 100, unchecked=13, asked=True).sureness is Sureness.GUESS
    assert _candidate(0, 0, 100, unchecked=2, asked=True).sureness is Sureness.GUESS
    assert _candidate(0, 0, 99, unchecked=3, asked=True).sureness is Sureness.GUESS
    assert _candidate(0, 0, 100, unchecked=4).sureness is Sureness.GUESS
    assert _candidate(0, 0, 100, unchecked=5).sureness is Sureness.LIKELY


@pytest.mark.parametrize(("port", "form"), [("/dev/ttyUSB0", "serial"), ("socket://10.0.0.9:3500", "tcp")])
def test_who_has_a_form_for_each_road_is_looked_for_in_the_one_of_the_port(port: str, form: str) -> None:
    tenants = {each.driver.name: each for place in places(port, usable()) for each in place.tenants}
    assert tenants["ifsf"].options.transport == form
    typed = chosen("modbus", {"map": "ring-buffer", "transport": "rtu"})
    assert places("socket://10.0.0.9:502", [typed])[0].tenants == (typed,), "what was said stays"


@pytest.mark.parametrize(
    ("mode", "gid", "code"),
    [(0o20660, 20, "PORT_NOT_OURS"), (0o20600, 20, "PORT_NO_GROUP"), (0o20660, 0, "PORT_NO_GROUP")],
)
def test_nobody_is_told_to_join_a_group_that_may_not_use_the_port_either(
    monkeypatch: pytest.MonkeyPatch, mode: int, gid: int, code: str
) -> None:
    monkeypatch.setattr(device_probes.os, "access", lambda *_: False)
    monkeypatch.setattr(
        device_probes.os, "stat", lambda _: os.stat_result((mode, 0, 0, 1, 0, gid, 0, 0, 0, 0))
    )
    assert device_probes._permission("/dev/ttyUSB0").code == code
