"""A line of every driver in simulated time, with a tape beside it: what `device record` would write."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agent.cli.device_choice import Chosen, chosen
from agent.cli.device_frames import Frame, FrameReader, pause_ms
from agent.cli.device_line import NOT_NOW
from agent.cli.device_record import header_of, recorded
from drivers.escpos_tap.simulator import PATTERNS
from drivers.events import DriverEvent, Monotonic
from drivers.replay import End, Recording, load_recording, write_chunk, write_header

STEP_MS = 5
LASTS_MS = 15_000
SETTINGS: dict[str, dict[str, Any]] = {
    "azt2": {},
    "azt2/master": {"mode": "master"},
    "cn_tax_port": {},
    "companytec": {},
    "companytec/identified": {"record": "identified"},
    "companytec/horustech": {"protocol": "horustech"},
    "dart": {},
    "dart/master": {"mode": "master"},
    "escpos_tap": {"register_id": "1", "patterns": list(PATTERNS)},
    "escpos_tap/through": {"register_id": "1", "patterns": list(PATTERNS), "form": "pass_through"},
    "gilbarco": {},
    "gilbarco/master": {"mode": "master"},
    "hengshan": {},
    "hengshan/master": {"mode": "master"},
    "ifsf": {},
    "ifsf/serial": {"transport": "serial"},
    "modbus": {"map": "ring-buffer", "transport": "rtu"},
    "modbus/tcp": {"map": "ring-buffer", "transport": "tcp"},
    "pos_link": {"register_id": "till-1"},
    "unipump": {},
    "veeder_root": {"security_code": "770631"},
    "verifone_journal": {},
    "zhengxing": {},
    "zhengxing/master": {"mode": "master"},
}
"""By the driver's name, with a word behind it where one set-up is not enough."""


def set_up(name: str) -> Chosen:
    return chosen(name.partition("/")[0], SETTINGS[name])


Act = Callable[[Any, Monotonic], object]
"""What the device (or the cashier) does; it is done when the tape has run for a second."""


@dataclass
class Tape:
    """`passed` is everything that crossed the wire, `lines` what a recording of it holds."""

    who: Chosen
    act: Act
    events: list[DriverEvent] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    passed: bytes = b""

    def __post_init__(self) -> None:
        driver, options = self.who.driver, self.who.options
        wiring = driver.wirings[0]
        self._session = driver.open_session(self.who.address, options)
        self._simulator = driver.open_simulator(self.who.address, options)
        self._reader = FrameReader(lambda data: driver.explain(data, options), pause_ms(wiring.baud))
        self.lines.append(write_header(header_of(self.who, wiring, asked=not self.who.listens)))

    def run(self, lasts_ms: int = LASTS_MS) -> "Tape":
        for at in range(0, lasts_ms, STEP_MS):
            now = Monotonic(at)
            if at == 1_000:
                self.act(self._simulator, now)
            self._turn(now)
        self._keep(self._reader.flush())
        return self

    def recording(self) -> Recording:
        return load_recording(f"{line}\n" for line in self.lines)

    def _turn(self, now: Monotonic) -> None:
        self._keep(self._reader.tick(now))
        for side in (self._session, self._simulator):
            if (timer := side.next_timer()) is not None and timer <= now:
                side.handle_timer(now)
        while (event := self._session.next_event()) is not None:
            self.events.append(event)
            self._session.confirm(event, NOT_NOW, now)
        while said := self._session.bytes_to_send(now):
            self.passes(said, "host", now)
            self._simulator.receive(said, now)
        while said := self._simulator.bytes_to_send(now):
            self.passes(said, None if self.who.listens else "device", now)
            self._session.receive(said, now)

    def passes(self, data: bytes, end: End | None, now: Monotonic) -> None:
        self.passed += data
        self._keep(self._reader.feed(data, now, end))

    def _keep(self, frames: Iterable[Frame]) -> None:
        redact = self.who.driver.redact
        hide = None if redact is None else partial(_redacted, redact, self.who.options)
        self.lines += [write_chunk(recorded(frame, hide)) for frame in frames]


def _redacted(redact: Callable[[bytes, Any], bytes], options: Any, data: bytes) -> bytes:
    return redact(data, options)
