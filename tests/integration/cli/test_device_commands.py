"""Integration: do the commands for the cabinet tell the truth of real pseudo-terminals and TCP?"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cli import device_doctor, device_probes, device_scan, device_search, device_totals, device_watch
from agent.cli.device_choice import Chosen
from agent.cli.device_line import Mute
from agent.cli.device_search import Found, Search, Sureness, places
from agent.clock import SystemClock
from drivers import blueprint, catalogue, ports
from drivers.blueprint import codec
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.driver import Ask, Driver, Wiring
from drivers.events import Monotonic
from drivers.ports import Port, PortRefused, PortSpec
from drivers.replay import load_recording
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from tests.house.sources import ROOT
from tests.integration.cli.small_station import Shown, forecourt

CLOCK = SystemClock()
READ, NOTHING = codec.encode(codec.READ), codec.encode(codec.NOTHING)
SALE = codec.encode_sale(codec.Sale("0007", "01", "003012", "023644", "0785", "0000123456"))


class Wire:
    """The other end of a pseudo-terminal: says `talk` every few milliseconds, hears everything.

    `answer` is what it says to what it hears; `echo` gives back what was said, before the answer.
    """

    def __init__(
        self, talk: bytes = b"", answer: Callable[[bytes], bytes] = lambda said: b"", *, echo: bool = False
    ) -> None:
        self.talk, self.heard = talk, b""
        self._answer, self._echo = answer, echo
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        os.write(self._wake, b"\0")
        self._thread.join()
        for descriptor in (self._master, self._slave, self._stop, self._wake):
            os.close(descriptor)

    def _run(self) -> None:
        while True:
            readable, _, _ = select.select([self._master, self._stop], [], [], 0.02)
            if self._stop in readable:
                return
            if self._master in readable:
                said = os.read(self._master, 4_096)
                self.heard += said
                self._say((said if self._echo else b"") + self._answer(said))
            self._say(self.talk)

    def _say(self, data: bytes) -> None:
        """Nobody may be there to read: a full terminal takes nothing more."""
        if data and select.select([], [self._master], [], 0)[1]:
            os.write(self._master, data)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, shorter: nobody at these wires takes a second to answer."""
    for module in (device_scan, device_watch, device_doctor):
        monkeypatch.setattr(module, "_SECOND_MS", 400)
    monkeypatch.setattr(device_watch, "_QUIET_MS", 300)
    monkeypatch.setattr(device_totals, "_ANSWER_MS", 300)
    monkeypatch.setattr(device_probes, "_ANSWER_MS", 300)


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    made: list[Wire] = []

    def make(*arguments: Any, **options: Any) -> Wire:
        made.append(Wire(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def pump() -> Iterator[SimulatorOnPty[BlueprintSimulator]]:
    stage = SimulatorOnPty(BlueprintSimulator(), CLOCK.monotonic_ms)
    stage.act(lambda device: device.sell("01", 3_012, 23_644, 785))
    yield stage
    stage.close()


@pytest.fixture
def as_driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Driver]:
    """Blueprint with other fields, under its own name."""
    find = catalogue.find

    def change(**fields: Any) -> Driver:
        driver = replace(blueprint.DRIVER, **fields)
        monkeypatch.setattr(catalogue, "find", lambda name: driver if name == "blueprint" else find(name))
        return driver

    return change


def _device(*arguments: str, **environment: str) -> Shown:
    return forecourt("device", *arguments, **environment)


def _json(*arguments: str) -> tuple[int, dict[str, Any]]:
    shown = _device(*arguments, "--json")
    return shown.returncode, json.loads(shown.stdout)


# scan


def test_scan_finds_a_device_on_a_quiet_line_and_keeps_its_record(
    pump: SimulatorOnPty[BlueprintSimulator],
) -> None:
    code, told = _json("scan", pump.path, "--driver", "blueprint", "--listen", "1")
    (found,) = told["candidates"]
    assert (code, told["ok"], told["asked_count"], told["overheard_bytes"]) == (0, True, 3, 0)
    assert (found["driver"], found["sureness"], found["address"]) == ("blueprint", "sure", "1")
    assert (found["right_frames"], found["wrong_frames"], found["baud"], found["character"]) == (
        3,
        0,
        9_600,
        "8N1",
    )
    assert f'port = "{pump.path}"' in found["settings"]
    assert pump.act(lambda device: device.released) == []


def test_scan_says_nothing_where_it_hears_something(wire: Callable[..., Wire]) -> None:
    busy = wire(READ + SALE)
    shown = _device("scan", busy.path, "--driver", "blueprint", "--listen", "3")
    assert busy.heard == b""
    assert shown.returncode == 0
    assert "somebody speaks here already: listened only" in shown.stdout
    assert "SURE    blueprint" in shown.stdout
    assert "a second master breaks the line" in shown.stdout


def test_scan_says_nothing_on_noise_either(wire: Callable[..., Wire]) -> None:
    noisy = wire(b"\x00\x00\x80")
    shown = _device("scan", noisy.path, "--driver", "blueprint", "--listen", "3")
    assert noisy.heard == b""
    assert shown.returncode == 3
    assert "ONLY_ZEROES: " in shown.stdout
    assert "swap A and B" in shown.stdout


def test_scan_of_a_dead_line_says_so(wire: Callable[..., Wire]) -> None:
    dead = wire()
    shown = _device("scan", dead.path, "--driver", "blueprint", "--listen", "1")
    assert shown.returncode == 3
    assert dead.heard == READ
    assert "NOBODY_ANSWERED: nothing was heard, 1 questions without an answer" in shown.stdout


def _search(path: str, driver: Driver, *, listen_ms: int = 100) -> Found:
    tenant = Chosen(driver, driver.options(), driver.addresses[0], {})
    return Search(places(path, [tenant]), "", CLOCK.monotonic_ms, listen_ms, None).run()


def test_whoever_begins_to_speak_while_we_ask_ends_the_asking(wire: Callable[..., Wire]) -> None:
    """Three addresses, and the first question wakes somebody who goes on unasked."""

    def awake(said: bytes) -> bytes:
        late.talk = b"what?"
        return b"what?"

    late = wire(b"", awake)
    found = _search(late.path, replace(blueprint.DRIVER, addresses=("1", "2", "3")))
    assert late.heard == READ
    assert found.overheard.startswith(b"what?")
    assert found.candidates == ()


def test_what_was_answered_before_somebody_spoke_is_kept(wire: Callable[..., Wire]) -> None:
    def answer(said: bytes) -> bytes:
        crowded.talk = NOTHING
        return SALE

    crowded = wire(b"", answer)
    found = _search(crowded.path, replace(blueprint.DRIVER, addresses=("1", "2", "3")))
    assert crowded.heard == READ
    assert found.overheard.startswith(NOTHING[:1])
    assert {each.question for each in found.candidates} == {"oldest sale", ""}


def test_a_wiring_that_the_port_cannot_do_is_skipped(
    wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_port(spec: PortSpec) -> Port:
        if spec.baud == 5_787:
            raise PortRefused("PORT_SETTINGS", spec.device, "no such speed", "take another converter")
        return ports.open_port(spec)

    monkeypatch.setattr(device_search, "open_port", open_port)
    line = wire(b"", lambda said: SALE)
    odd, usual = Wiring(5_787, 8, "even"), Wiring(9_600)
    found = _search(line.path, replace(blueprint.DRIVER, wirings=(odd, usual)))
    assert [each.place.wiring for each in found.candidates] == [usual]
    with pytest.raises(PortRefused):
        _search(line.path, replace(blueprint.DRIVER, wirings=(odd,)))


def test_every_address_of_the_wiring_that_answers_is_named(wire: Callable[..., Wire]) -> None:
    """Two of three dispensers answer, at the second wiring only."""

    def asks(address: str, options: Any) -> tuple[Ask, ...]:
        return (Ask("are you there", codec.encode(f"K,000{address}")),)

    def answer(said: bytes) -> bytes:
        return said if said in (codec.encode("K,0001"), codec.encode("K,0003")) else b""

    line = wire(b"", lambda said: SALE if answer(said) else b"")
    driver = replace(blueprint.DRIVER, addresses=("1", "2", "3"), asks=asks)
    found = _search(line.path, driver)
    assert [each.address for each in found.candidates] == ["1", "3"]
    assert {each.sureness for each in found.candidates} == {Sureness.SURE}
    told = device_scan.settings_of(found.candidates[0], found.candidates)
    assert (told.count("[[line.device]]"), told.count("[[line]]"), 'address = "3"' in told) == (2, 1, True)


def test_other_wirings_are_tried_until_one_is_answered(wire: Callable[..., Wire]) -> None:
    driver = replace(blueprint.DRIVER, wirings=(Wiring(19_200), Wiring(9_600), Wiring(2_400)))
    asked: list[bytes] = []

    def answer(said: bytes) -> bytes:
        asked.append(said)
        return SALE if len(asked) > 1 else b""

    found = _search(wire(b"", answer).path, driver)
    assert found.candidates[0].place.wiring == Wiring(9_600)
    assert asked == [READ] * 4


def test_an_echo_is_no_answer_and_is_told(wire: Callable[..., Wire]) -> None:
    lonely = _search(wire(echo=True).path, blueprint.DRIVER)
    assert (lonely.candidates, lonely.strange) == ((), b"")
    (answered,) = _search(wire(b"", lambda said: SALE, echo=True).path, blueprint.DRIVER).candidates
    assert (answered.has_echo, answered.right_frames) == (True, 3)
    assert "echo = true" in device_scan.settings_of(answered)


def test_scan_on_tcp_with_and_without_a_port(as_driver: Callable[..., Driver]) -> None:
    stage = SimulatorOnTcp(BlueprintSimulator(), CLOCK.monotonic_ms)
    try:
        code, told = _json("scan", stage.device, "--driver", "blueprint", "--listen", "1")
        assert (code, told["candidates"][0]["port"]) == (0, stage.device)
        host, _, number = stage.device.rpartition(":")
        refused = _device("scan", host, "--driver", "blueprint")
        assert (refused.returncode, refused.stderr.split(":")[0]) == (2, "NO_TCP_PORT")
        as_driver(tcp_ports=(int(number),))
        code, told = _json("scan", host, "--driver", "blueprint", "--listen", "1")
        assert (code, told["candidates"][0]["port"]) == (0, stage.device)
    finally:
        stage.close()


# watch, totals


def test_watch_shows_both_ends_and_says_nothing(wire: Callable[..., Wire]) -> None:
    busy = wire(READ + SALE)
    shown = _device("watch", busy.path, "--driver", "blueprint", "--seconds", "1")
    assert shown.returncode == 0
    assert busy.heard == b""
    assert "  host    right  read the oldest sale" in shown.stdout
    assert "53 2c 30 30 30 37 2c 30 31 2c 30 30 33 30 31 32  number" in shown.stdout
    assert "volume      003012      30120 ml" in shown.stdout
    assert " 0 wrong by their check value" in shown.stdout


def test_watch_that_asks_reads_and_never_acknowledges(pump: SimulatorOnPty[BlueprintSimulator]) -> None:
    shown = _device("watch", pump.path, "--driver", "blueprint", "--ask", "--seconds", "1", "--json")
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
    shown = _device(command[0], busy.path, "--driver", "blueprint", *command[1:])
    assert (shown.returncode, shown.stderr.split(":")[0]) == (3, "SOMEBODY_SPEAKS")
    assert busy.heard == b""


def test_a_driver_that_only_listens_is_not_asked_to_ask(
    wire: Callable[..., Wire], as_driver: Callable[..., Driver]
) -> None:
    as_driver(listens=lambda options: True, open_session=lambda address, options: Mute())
    busy = wire(NOTHING)
    shown = _device("watch", busy.path, "--driver", "blueprint", "--ask", "--seconds", "1")
    assert (shown.returncode, busy.heard) == (0, b"")
    assert "no sale waits" in shown.stdout


def test_totals_shows_digits_and_meaning(pump: SimulatorOnPty[BlueprintSimulator]) -> None:
    code, told = _json("totals", pump.path, "--driver", "blueprint")
    assert (code, told["ok"], told["address"]) == (0, True, "1")
    (asked,) = told["totals"]
    details = asked["views"][0]["details"]
    assert {"name": "totalizer", "raw": "0000003012", "meaning": "30120 ml"} in details
    assert "totalizer   0000003012  30120 ml" in _device("totals", pump.path, "-d", "blueprint").stdout


def test_totals_without_an_answer_or_a_question(
    wire: Callable[..., Wire], as_driver: Callable[..., Driver]
) -> None:
    dead = wire()
    shown = _device("totals", dead.path, "--driver", "blueprint")
    assert (shown.returncode, shown.stderr.split(":")[0]) == (3, "NO_ANSWER")
    assert dead.heard == READ * 3
    as_driver(asks=lambda address, options: (Ask("are you there", READ),))
    shown = _device("totals", dead.path, "--driver", "blueprint")
    assert (shown.returncode, shown.stderr.split(":")[0]) == (1, "NO_TOTALS")


# record, replay


def test_a_recording_is_made_and_played(pump: SimulatorOnPty[BlueprintSimulator], tmp_path: Path) -> None:
    file = tmp_path / "pump.jsonl"
    arguments = ("--driver", "blueprint", "--ask", "--seconds", "1", "--option", "poll_ms=200")
    code, told = _json("record", pump.path, "-o", str(file), *arguments)
    assert (code, told["ok"], told["full"], told["left_out_bytes"]) == (0, True, False, 0)
    assert told["written_bytes"] == file.stat().st_size
    header = load_recording(file.read_text().splitlines()).header
    assert header is not None
    assert (header.driver, header.options, header.asked) == ("blueprint", {"poll_ms": 200}, True)
    assert pump.path not in file.read_text()
    code, played = _json("replay", str(file))
    assert code == 0
    assert [event["event"] for event in played["events"]] == ["DeviceBack", "Fuelling"]
    assert played["events"][1]["volume_ml"] == 30_120
    assert played["counters"]["NOT_DURABLE"] >= 2
    assert {frame["title"] for frame in played["frames"]} == {"read the oldest sale", "sale"}
    shown = _device("replay", str(file)).stdout
    assert "blueprint would have reported:" in shown
    assert "fuelling number 1 of 1, nozzle 01: 30.12 L, 236.44 at 7850 milli, totalizer 30120 ml" in shown


def test_what_names_a_person_is_replaced_or_left_out(
    wire: Callable[..., Wire], as_driver: Callable[..., Driver], tmp_path: Path
) -> None:
    hidden = codec.encode_sale(codec.Sale("0000", "00", "000000", "000000", "0000", "0000000000"))
    as_driver(redact=lambda data, options: hidden if data == SALE else data)
    file, busy = tmp_path / "wire.jsonl", wire(SALE + b"tag 4711" + READ)
    code, told = _json("record", busy.path, "-d", "blueprint", "-o", str(file), "--seconds", "1")
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
        shown = _device(*arguments)
        assert (shown.returncode, shown.stderr.split(":")[0]) == (code, reason)
    assert file.read_text() == "no recording\n"
    file.write_text('{"at_ms": 1, "from": "device", "hex": "00"}\n')
    assert _device("replay", str(file)).stderr.startswith("NO_DRIVER: ")
    assert "blueprint reports nothing" in _device("replay", str(file), "--driver", "blueprint").stdout


# doctor


def test_doctor_of_a_port_that_is_well(pump: SimulatorOnPty[BlueprintSimulator]) -> None:
    code, told = _json("doctor", pump.path, "-d", "blueprint", "--ask", "--listen", "1")
    assert (code, told["ok"]) == (0, True)
    found = {finding["name"]: finding for finding in told["findings"]}
    assert list(found) == [
        "device", "name", "permission", "held by", "open", "errors", "heard", "echo", "answer"
    ]  # fmt: skip
    assert {finding["level"] for finding in found.values()} == {"ok"}
    assert found["answer"]["evidence"] == '"oldest sale" at address 1: sale'
    assert pump.act(lambda device: device.released) == []


@pytest.mark.parametrize(
    ("talk", "answer", "echo", "asks", "code", "level"),
    [
        (b"", b"", False, True, "DEVICE_SILENT", "fail"),
        (b"", b"?!", False, True, "ANSWER_STRANGE", "fail"),
        (b"", SALE, True, True, "ECHO_HEARD", "warn"),
        (READ, b"", False, True, "SOMEBODY_SPEAKS", "fail"),
        (b"\xff\xfe", b"", False, False, "ONLY_ONES", "fail"),
        (b"what is this", b"", False, False, "NEVER_RIGHT", "fail"),
        (b"", b"", False, False, "NOTHING_HEARD", "warn"),
        (SALE + b"\n" + SALE.replace(b"30", b"31"), b"", False, False, "SOME_WRONG", "warn"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isupper() else "",
)
def test_doctor_names_the_fault(
    wire: Callable[..., Wire], talk: bytes, answer: bytes, echo: bool, asks: bool, code: str, level: str
) -> None:
    line = wire(talk, lambda said: answer, echo=echo)
    arguments = ["doctor", line.path, "-d", "blueprint", "--listen", "1", *(["--ask"] if asks else [])]
    exit_code, told = _json(*arguments)
    found = {finding["code"]: finding for finding in told["findings"]}
    assert found[code]["level"] == level
    assert found[code]["remedy"]
    assert exit_code == (3 if any(f["level"] == "fail" for f in told["findings"]) else 0)
    assert line.heard == (READ if asks and not talk else b"")


def test_doctor_shows_remedies_to_people(tmp_path: Path) -> None:
    shown = _device("doctor", str(tmp_path / "ttyUSB9"))
    assert shown.returncode == 3
    assert "FAIL  device      PORT_UNKNOWN: " in shown.stdout
    assert "-> plug the converter in" in shown.stdout


# explain


def test_explain_takes_bytes_apart_and_calls_noise_noise() -> None:
    code, told = _json("explain", SALE.hex(" "), "--protocol", "blueprint")
    assert (code, told["ok"], told["driver"]) == (0, True, "blueprint")
    assert {"name": "amount", "raw": "023644", "meaning": "23644 fen"} in told["views"][0]["details"]
    split = _device("explain", *SALE.hex(" ").split(), "-d", "blueprint")
    assert split.returncode == 0
    assert "sale  (said by the device, check value right, 45 bytes)" in split.stdout
    wrong = _device("explain", SALE.replace(b"30", b"31").hex(":"), "-d", "blueprint")
    assert (wrong.returncode, "check value WRONG" in wrong.stdout) == (1, True)
    noise = _device("explain", "0xDE,0xAD", "-d", "blueprint")
    assert (noise.returncode, "no byte belongs to a frame of blueprint" in noise.stdout) == (1, True)


def test_explain_reads_standard_input() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "agent.cli", "device", "explain", "-d", "blueprint", "-"],
        cwd=ROOT,
        input=READ.hex("\n"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("read the oldest sale  (said by the host, check value right, 7 bytes)")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["explain", "5g", "-d", "blueprint"], 2, "BAD_HEX"),
        (["explain", "", "-d", "blueprint"], 2, "BAD_HEX"),
        (["explain", "00", "-d", "nothing"], 2, "UNKNOWN_DRIVER"),
        (["explain", "00", "-d", "blueprint", "--option", "speed=1"], 2, "DRIVER_OPTION"),
        (["explain", "00", "--option", "speed=1"], 2, "NO_DRIVER"),
        (["scan", "/dev/null", "--option", "speed=1"], 2, "NO_DRIVER"),
        (["scan", "/dev/no-such-port", "-d", "blueprint"], 3, "PORT_MISSING"),
        (["watch", "/dev/no-such-port", "-d", "blueprint"], 3, "PORT_MISSING"),
        (["watch", "/dev/null", "-d", "blueprint", "--character", "9N1"], 2, "BAD_CHARACTER"),
        (["totals", "socket://127.0.0.1:1", "-d", "blueprint"], 3, "PORT_UNREACHABLE"),
        (["doctor", "/dev/null", "--ask"], 2, "NO_DRIVER"),
    ],
)
def test_a_command_that_cannot_be_done(arguments: list[str], code: int, reason: str) -> None:
    shown = _device(*arguments)
    assert (shown.returncode, shown.stderr.split(":")[0]) == (code, reason)
    assert json.loads(_device(*arguments, "--json").stdout)["reason"] == reason


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
    shown = _device("watch", pump.path, "-d", "blueprint", "--ask", "--seconds", "4")
    pull.join()
    assert shown.returncode == 0
    assert "\nPORT: " in shown.stdout
    assert "sale" in shown.stdout
    assert "PORT_GONE 1" in shown.stdout
