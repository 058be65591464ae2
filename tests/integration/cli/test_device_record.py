"""Integration: is what `device record` writes what passed, and does `device replay` play it again?"""

import errno
import json
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli import device_record
from drivers.blueprint import codec
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.driver import Driver
from drivers.replay import load_recording
from drivers.stage import SimulatorOnPty
from tests.house.sources import ROOT
from tests.integration.cli.device_wires import CLOCK, READ, SALE, Wire, as_json, device

pytestmark = pytest.mark.usefixtures("hurried")


def test_a_recording_is_made_and_played(pump: SimulatorOnPty[BlueprintSimulator], tmp_path: Path) -> None:
    file = tmp_path / "pump.jsonl"
    arguments = ("--driver", "blueprint", "--ask", "--seconds", "1", "--option", "poll_ms=200")
    code, told = as_json("record", pump.path, "-o", str(file), *arguments)
    assert (code, told["ok"], told["full"], told["left_out_bytes"]) == (0, True, False, 0)
    assert told["written_bytes"] == file.stat().st_size
    header = load_recording(file.read_text().splitlines()).header
    assert header is not None
    assert (header.driver, header.options, header.asked) == ("blueprint", {"poll_ms": 200}, True)
    assert pump.path not in file.read_text()
    code, played = as_json("replay", str(file))
    assert code == 0
    assert [event["event"] for event in played["events"]] == ["DeviceBack", "Fuelling"]
    assert played["events"][1]["volume_ml"] == 30_120
    assert played["counters"]["NOT_DURABLE"] >= 2
    assert {frame["title"] for frame in played["frames"]} == {"read the oldest sale", "sale"}
    shown = device("replay", str(file)).stdout
    assert "blueprint would have reported:" in shown
    assert "fuelling number 1 of 1, nozzle 01: 30.12 L, 236.44 at 7850 milli, totalizer 30120 ml" in shown


def test_what_names_a_person_is_replaced_or_left_out(
    wire: Callable[..., Wire], as_driver: Callable[..., Driver], tmp_path: Path
) -> None:
    hidden = codec.encode_sale(codec.Sale("0000", "00", "000000", "000000", "0000", "0000000000"))
    as_driver(redact=lambda data, options: hidden if data == SALE else data)
    file, busy = tmp_path / "wire.jsonl", wire(SALE + b"tag 4711" + READ)
    code, told = as_json("record", busy.path, "-d", "blueprint", "-o", str(file), "--seconds", "1")
    assert (code, busy.heard) == (0, b"")
    recording = load_recording(file.read_text().splitlines())
    assert recording.header is not None
    assert (recording.header.redacted, recording.header.asked) == (True, False)
    assert {chunk.data for chunk in recording.chunks} <= {hidden, READ, b""}
    assert told["left_out_bytes"] == sum(chunk.left_out_bytes for chunk in recording.chunks) > 0
    assert {chunk.end for chunk in recording.chunks if chunk.data == hidden} == {"device"}


def test_ctrl_c_ends_a_recording_cleanly(pump: SimulatorOnPty[BlueprintSimulator], tmp_path: Path) -> None:
    file = tmp_path / "pump.jsonl"
    command = ["device", "record", pump.path, "-d", "blueprint", "--ask", "-o", str(file), "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "agent.cli", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as recording:
        try:
            deadline = CLOCK.monotonic_ms() + 20_000
            while not file.exists() or file.read_text().count("\n") < 4:
                assert CLOCK.monotonic_ms() < deadline
                select.select([], [], [], 0.02)
            recording.send_signal(signal.SIGINT)
            assert recording.wait(10) == 0
            assert recording.stdout is not None
            told = json.loads(recording.stdout.read())
        finally:
            recording.kill()
    assert told["ok"] is True
    assert len(load_recording(file.read_text().splitlines()).chunks) >= 3


def test_a_recording_that_is_none_and_a_file_that_is_there(
    pump: SimulatorOnPty[BlueprintSimulator], tmp_path: Path
) -> None:
    file = tmp_path / "old.jsonl"
    file.write_text("no recording\n")
    for arguments, code, reason in (
        (("record", pump.path, "-d", "blueprint", "-o", str(file)), 1, "FILE_EXISTS"),
        (("record", pump.path, "-d", "blueprint", "-o", str(tmp_path / "no" / "x")), 1, "FILE_FAILED"),
        (("replay", str(file)), 1, "NOT_A_RECORDING"),
        (("replay", str(tmp_path / "gone")), 1, "FILE_FAILED"),
    ):
        shown = device(*arguments)
        assert (shown.returncode, shown.stderr.split(":")[0]) == (code, reason)
    assert file.read_text() == "no recording\n"
    file.write_text('{"at_ms": 1, "from": "device", "hex": "00"}\n')
    assert device("replay", str(file)).stderr.startswith("NO_DRIVER: ")
    assert "blueprint reports nothing" in device("replay", str(file), "--driver", "blueprint").stdout


def test_a_disk_that_is_full_ends_a_recording_with_what_it_took(
    pump: SimulatorOnPty[BlueprintSimulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = device_record.Recorder._write

    def until_full(recorder: device_record.Recorder, text: str) -> None:
        if recorder.written_bytes > 500:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(recorder, text)

    monkeypatch.setattr(device_record.Recorder, "_write", until_full)
    file = tmp_path / "pump.jsonl"
    shown = device("record", pump.path, "-d", "blueprint", "--ask", "--seconds", "9", "-o", str(file))
    assert (shown.returncode, shown.stderr.strip()) == (1, f"FILE_FAILED: {file}: No space left on device")
    assert load_recording(file.read_text().splitlines(keepends=True)).chunks


def test_nobody_is_asked_for_a_recording_that_cannot_be_made(
    wire: Callable[..., Wire], tmp_path: Path
) -> None:
    dead, file = wire(), tmp_path / "there.jsonl"
    file.touch()
    shown = device("record", dead.path, "-d", "blueprint", "--ask", "-o", str(file))
    assert (shown.returncode, shown.stderr.split(":")[0], dead.heard) == (1, "FILE_EXISTS", b"")


def test_replay_says_what_is_torn_and_what_was_only_heard(wire: Callable[..., Wire], tmp_path: Path) -> None:
    file = tmp_path / "wire.jsonl"
    assert as_json("record", wire(SALE).path, "-d", "blueprint", "-o", str(file), "--seconds", "1")[0] == 0
    file.write_text(file.read_text()[:-9])
    code, told = as_json("replay", str(file))
    assert (code, told["torn"], told["asked"]) == (0, True, False)
    shown = device("replay", str(file)).stdout
    assert "the last line is torn" in shown
    assert "it was only listened to" in shown


def test_replay_ends_where_a_file_has_no_lines() -> None:
    assert device("replay", "/dev/zero").stderr.startswith("NOT_A_RECORDING: ")
