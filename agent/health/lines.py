"""The lines: from the running agent's word, else by opening each port and listening with its driver.

While the agent runs nobody else may open its ports. When it does not, each port gets about two
seconds with the driver's own session on the one loop there is. Whatever a device reports then is
answered with "not now", so that it keeps it for the agent.

Who is asked and does not answer has failed. A register may be off, and on a line on which we only listen
whoever asks there may be: then quiet is worth a look and no more.
"""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.health.findings import Finding, Part, doubt, failure, fine
from drivers.events import Answer, DeviceBack, DriverEvent, Monotonic, Outcome
from drivers.line import Line
from drivers.ports import Port, PortRefused
from drivers.session import Session

LISTEN_MS = 2_000
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Wire:
    """One line to try. `addresses` are its devices'; a POS (`is_pos`) may have nothing to say, and where the
    session never speaks (`listens`) somebody else must."""

    name: str
    port: str
    open_port: Callable[[], Port]
    session: Session
    addresses: tuple[str, ...]
    is_pos: bool
    listens: bool


def from_status(
    lines: Sequence[Mapping[str, Any]], pos_lines: frozenset[str], listening_lines: frozenset[str]
) -> list[Finding]:
    """`lines` as the running agent's status has them."""
    return [
        _of_status(line, is_pos=line["name"] in pos_lines, listens=line["name"] in listening_lines)
        for line in lines
    ]


def _of_status(line: Mapping[str, Any], *, is_pos: bool, listens: bool) -> Finding:
    name = f"line {line['name']}"
    if not line["port_open"]:
        return _refused(name, line["trouble"] or "the port is not open (yet)")
    if line["silent_addresses"]:
        return _silent(name, line["silent_addresses"], is_pos=is_pos, listens=listens)
    if line["heard_ago_ms"] is None:
        code = "POS_QUIET" if is_pos else "NOT_HEARD_YET"
        return doubt(Part.DEVICE, name, code, "the port is open, nothing sensible is heard")
    if (quality := line["quality"]) is not None and quality["is_worse"]:
        return doubt(Part.DEVICE, name, "LINE_QUALITY", quality["told"])
    heard = line["counters"].get("HEARD", 0)
    return fine(Part.DEVICE, name, f"heard {line['heard_ago_ms']} ms ago, {heard} frames since the start")


def _silent(name: str, addresses: Sequence[str], *, is_pos: bool, listens: bool) -> Finding:
    who = ", ".join(addresses)
    if is_pos:
        return doubt(Part.DEVICE, name, "POS_QUIET", "the port is open, the POS says nothing")
    if listens:
        return doubt(Part.DEVICE, name, "WIRE_QUIET", f"the port is open, device {who} is not heard")
    return failure(Part.DEVICE, name, "DEVICE_SILENT", f"device {who} does not answer the agent")


def _refused(name: str, trouble: str) -> Finding:
    """`trouble` is the text of a `PortRefused` ("CODE: device: why; remedy") or of a `PortGone`."""
    code, colon, rest = trouble.partition(": ")
    evidence, semicolon, remedy = rest.rpartition("; ")
    if colon and semicolon and code.startswith("PORT_"):
        return failure(Part.DEVICE, name, code, evidence, remedy)
    return failure(Part.DEVICE, name, "PORT_CLOSED", trouble)


@dataclass
class _Trial:
    """One wire on its own thread; `answered` are the addresses that spoke."""

    wire: Wire
    line: Line | None = None
    thread: threading.Thread | None = None
    refusal: PortRefused | None = None
    answered: set[str] = field(default_factory=set)


def by_listening(
    wires: Sequence[Wire], clock: Callable[[], Monotonic], rng: random.Random, limit_ms: int = LISTEN_MS
) -> list[Finding]:
    """Open every port at once and ask; returns after `limit_ms`, or as soon as all have answered."""
    stop, pause = threading.Event(), threading.Event()
    trials = [_begin(wire, clock, rng, stop) for wire in wires]
    until = clock() + limit_ms
    while clock() < until and not all(_is_known(trial) for trial in trials):
        pause.wait(_LOOK_EVERY_S)
    findings = [_judge(trial) for trial in trials]
    stop.set()
    for trial in trials:
        if trial.line is not None and trial.thread is not None:
            trial.line.wake()
            trial.thread.join(timeout=5)
            trial.line.close()
    return findings


def _begin(wire: Wire, clock: Callable[[], Monotonic], rng: random.Random, stop: threading.Event) -> _Trial:
    trial = _Trial(wire)
    try:
        opened = [wire.open_port()]
    except PortRefused as refusal:
        trial.refusal = refusal
        return trial

    def port() -> Port:
        return opened.pop() if opened else wire.open_port()

    def report(event: DriverEvent, _: Monotonic) -> Answer:
        if isinstance(event, DeviceBack):
            trial.answered.add(event.address)
        return Answer(Outcome.UNAVAILABLE, durable=False)

    trial.line = Line(wire.name, port, wire.session, report, clock, rng)
    trial.thread = threading.Thread(target=trial.line.run, args=(stop,), name=f"doctor:{wire.name}")
    trial.thread.start()
    return trial


def _is_known(trial: _Trial) -> bool:
    return trial.refusal is not None or trial.answered >= set(trial.wire.addresses)


def _judge(trial: _Trial) -> Finding:
    wire, name = trial.wire, f"line {trial.wire.name}"
    if (refusal := trial.refusal) is not None:
        return _refused(name, str(refusal))
    assert trial.line is not None
    if (status := trial.line.status()).trouble:
        return _refused(name, status.trouble)
    missing = [address for address in wire.addresses if address not in trial.answered]
    if missing and wire.is_pos:
        return doubt(Part.DEVICE, name, "POS_QUIET", f"{wire.port} is open, the POS said nothing")
    if missing and wire.listens:
        evidence = f"{wire.port} is open, device {', '.join(missing)} was not heard"
        return doubt(Part.DEVICE, name, "WIRE_QUIET", evidence)
    if missing:
        evidence = f"{wire.port} is open, device {', '.join(missing)} did not answer"
        return failure(Part.DEVICE, name, "DEVICE_SILENT", evidence)
    return fine(Part.DEVICE, name, f"{wire.port}: every device answered")
