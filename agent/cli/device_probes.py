"""What is wrong with a port, and what to do about it: the probes of `forecourt device doctor`.

Each finding has evidence; what is not fine has a code and the remedy of `REMEDIES`.
"""

import grp
import os
import pwd
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from agent.cli.device_choice import GONE, Chosen, by_id, is_pty, is_tcp
from agent.cli.device_frames import FrameReader, Quality, pause_ms, with_frame
from agent.cli.device_kernel import LineCounters, holders, line_counters, speed
from agent.cli.device_wire import Clock, ask, hear, without_echo
from agent.health.findings import Finding, Level, Part, doubt, failure, fine
from drivers.ports import THROUGH, Port, PortGone, PortRefused, PortSpec, open_port
from drivers.views import NOISE, Check

REMEDIES = MappingProxyType(
    {
        "PORT_UNKNOWN": "plug the converter in; `ls -l /dev/serial/by-id/` shows which there are",
        "PORT_NO_DEVICE": "name a serial port: this is a file",
        "PORT_NAME_MOVES": "use the name under /dev/serial/by-id/: the number changes with the plugs",
        "PORT_NOT_OURS": "`sudo usermod -aG GROUP USER` with the names given here, then log in again",
        "PORT_NO_GROUP": 'begin with `sudo`; for good: a udev rule with GROUP="dialout", MODE="0660"',
        "PORT_HELD": "stop that program; the agent: `systemctl stop forecourt`",
        "SPEED_REFUSED": "take another converter (FTDI, CP210x): this one cannot do that speed",
        "ERRORS_OF_THE_WIRE": "framing or parity errors: try the other speeds and characters (`--baud`, "
        "`--character`, `device scan`); if none helps: ground, shield, termination",
        "BREAKS_HEARD": "the wire rests at the wrong level: swap A and B (RS-485); is it RS-232 at all, "
        "or TTL or a current loop?",
        "NOTHING_HEARD": "if a device wants to be asked: --driver and --ask; if it should speak: swap RX and "
        "TX (RS-232: crossed cable), swap A and B (RS-485), connect ground, switch the device on",
        "ONLY_ZEROES": "the wire rests at the wrong level, or the speed here is far too high: swap A and B "
        "(RS-485), connect ground, then try a lower --baud",
        "ONLY_ONES": "noise on an open wire, or the speed here is far too low: check A, B and termination, "
        "then try a higher --baud",
        "NEVER_RIGHT": "another speed or parity (`device scan` tries all), or another protocol",
        "SOME_WRONG": "a poor wire: ground, shield, termination, length; then `device watch` for an hour",
        "SOMEBODY_SPEAKS": "nothing was asked: watch it without asking (`device watch`)",
        "ECHO_HEARD": "set `echo = true` on this line in the settings",
        "DEVICE_SILENT": "check its power and address; swap RX and TX, or A and B; then `device scan`",
        "ANSWER_STRANGE": "something answers, and not in this protocol or at this speed: `device scan`",
        "NOTHING_TO_ASK": "set up like this the driver only listens, or waits to be asked: `device watch`",
    }
)
"""By the code of a finding. Ports that do not open bring their remedy with them."""

_ROOT = 0
_ODD_SHARE = 80
"""Hundredths of the bytes that make a pattern."""


def pattern(data: bytes) -> tuple[str, str, str]:
    """Code, evidence and remedy for bytes that nobody explains."""
    counts = Counter(data)
    low, high = counts[0x00] + counts[0x80], counts[0xFF] + counts[0xFE] + counts[0xFC]
    evidence = f"{data[:24].hex(' ')}{' ...' if len(data) > 24 else ''}"
    if 100 * low >= _ODD_SHARE * len(data):
        code = "ONLY_ZEROES"
    elif 100 * high >= _ODD_SHARE * len(data):
        code = "ONLY_ONES"
    else:
        code = "NEVER_RIGHT"
    return code, evidence, REMEDIES[code]


def examine(
    spec: PortSpec, chosen: Chosen | None, clock: Clock, *, listen_ms: int, may_ask: bool
) -> Iterator[Finding]:
    """One look at a port, first without opening it. With `may_ask` it is asked, last, and if it is quiet."""
    for path in () if "://" in spec.device else spec.device.split(THROUGH):
        before = list(_unopened(path))
        yield from before
        if any(finding.level is Level.FAIL for finding in before):
            return
    yield from _open_and_hear(spec, chosen, clock, listen_ms, may_ask=may_ask)


def _unopened(path: str) -> Iterator[Finding]:
    there = _is_there(path)
    yield there
    if not there.code:
        yield from (_name(path), _permission(path), _held(path))


def _is_there(path: str) -> Finding:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        others = ", ".join(_ports_here()) or "none"
        return _failure("device", "PORT_UNKNOWN", f"{path}: {error.strerror}; serial ports here: {others}")
    if not stat.S_ISCHR(mode):
        return _failure("device", "PORT_NO_DEVICE", path)
    kind = " (a pseudo-terminal: a simulator, not a wire)" if is_pty(path) else ""
    return fine(Part.DEVICE, "device", f"{os.path.realpath(path)}{kind}")


def _ports_here() -> list[str]:
    named = sorted(map(str, Path("/dev/serial/by-id").glob("*")))
    return named or sorted(str(path) for kind in ("ttyUSB*", "ttyACM*") for path in Path("/dev").glob(kind))


def _name(path: str) -> Finding:
    steady = by_id(path)
    if Path(path).name.startswith(("ttyUSB", "ttyACM")) and steady != path:
        return _doubt("name", "PORT_NAME_MOVES", f"{path} is also {steady}")
    return fine(Part.DEVICE, "name", steady)


def _permission(path: str) -> Finding:
    entry = os.stat(path)
    mode, group = stat.filemode(entry.st_mode), _group(entry.st_gid)
    if os.access(path, os.R_OK | os.W_OK):
        return fine(Part.DEVICE, "permission", f"{mode}, group {group}: this user may read and write")
    may = stat.S_IRGRP | stat.S_IWGRP
    if entry.st_mode & may != may or entry.st_gid == _ROOT:
        return _failure(
            "permission", "PORT_NO_GROUP", f"{mode}, group {group}: no group but root's may use it"
        )
    return _failure("permission", "PORT_NOT_OURS", f"{mode}: GROUP is {group}, USER is {_user()}")


def _user() -> str:
    """Who logged in, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _held(path: str) -> Finding:
    """A pseudo-terminal is always held by who simulates the device: that is no rival."""
    found = [] if is_pty(path) else holders(path)
    if found:
        return _failure(
            "held by", "PORT_HELD", ", ".join(f"{each.name} (process {each.process_id})" for each in found)
        )
    return fine(Part.DEVICE, "held by", "nobody, as far as this user may look (root sees all)")


def _open_and_hear(
    spec: PortSpec, chosen: Chosen | None, clock: Clock, listen_ms: int, *, may_ask: bool
) -> Iterator[Finding]:
    try:
        port = open_port(spec)
    except PortRefused as refusal:
        evidence = f"{refusal.device}: {refusal.reason}"
        yield failure(Part.DEVICE, "open", refusal.code, evidence, refusal.remedy)
        return
    with closing(port):
        yield from _settings_in_force(spec, port)
        before = line_counters(port.fileno())
        try:
            heard = hear(port, clock, listen_ms)
            yield from _errors(before, line_counters(port.fileno()))
            yield _heard(heard, chosen, spec, asks=may_ask)
            if may_ask and chosen is not None:
                yield from _asked(port, chosen, clock, heard)
        except PortGone as gone:
            yield failure(Part.DEVICE, "open", "PORT_GONE", str(gone), GONE[is_tcp(spec.device)])


def _settings_in_force(spec: PortSpec, port: Port) -> Iterator[Finding]:
    character = f"{spec.bytesize}{spec.parity[0].upper()}{spec.stopbits}"
    if "://" in spec.device:
        takes = f"{spec.device} takes the connection" if is_tcp(spec.device) else spec.device
        yield fine(Part.DEVICE, "open", takes)
        return
    real = speed(port.fileno())
    yield fine(Part.DEVICE, "open", f"at {spec.baud} {character}")
    if real is None or is_pty(spec.device):
        return
    if abs(real - spec.baud) * 100 > 2 * spec.baud:
        yield _failure("speed", "SPEED_REFUSED", f"{spec.baud} was asked for, {real} is in force")
    else:
        yield fine(Part.DEVICE, "speed", f"{real} in force")


def _errors(before: LineCounters | None, after: LineCounters | None) -> Iterator[Finding]:
    if before is None or after is None:
        yield fine(Part.DEVICE, "errors", "this kind of port counts none")
        return
    seen = after.since(before)
    of_wire = f"{seen.framing_errors} framing, {seen.parity_errors} parity"
    evidence = f"{of_wire}, {seen.overruns} overruns, {seen.breaks} breaks"
    if seen.breaks > 2:
        yield _failure("errors", "BREAKS_HEARD", evidence)
    elif seen.framing_errors or seen.parity_errors:
        yield _failure("errors", "ERRORS_OF_THE_WIRE", evidence)
    else:
        yield fine(Part.DEVICE, "errors", evidence)


def _heard(data: bytes, chosen: Chosen | None, spec: PortSpec, *, asks: bool) -> Finding:
    if not data:
        if asks and (chosen is None or not chosen.listens):
            return fine(Part.DEVICE, "heard", "nothing before we ask, as it should be")
        return _doubt("heard", "NOTHING_HEARD", "no byte")
    if chosen is None:
        code, evidence, remedy = pattern(data)
        if code == "NEVER_RIGHT":
            return fine(Part.DEVICE, "heard", f"{len(data)} bytes: {evidence}; --driver says what they mean")
        return failure(Part.DEVICE, "heard", code, evidence, remedy)
    quality = _quality(data, chosen, spec)
    evidence = (
        f"{len(data)} bytes, {quality.right_frames} frames right and {quality.wrong_frames} wrong, "
        f"{100 * quality.explained_bytes // len(data)} % explained by {chosen.driver.name}"
    )
    if not quality.right_frames and 2 * quality.explained_bytes < len(data):
        code, shown, remedy = pattern(data)
        return failure(Part.DEVICE, "heard", code, f"{evidence}: {shown}", remedy)
    if quality.wrong_frames:
        return _doubt("heard", "SOME_WRONG", evidence)
    return fine(Part.DEVICE, "heard", evidence)


def _quality(data: bytes, chosen: Chosen, spec: PortSpec) -> Quality:
    reader = FrameReader(lambda each: chosen.driver.explain(each, chosen.options), pause_ms(spec.baud))
    quality = Quality()
    for frame in [*reader.feed(data, 0, None), *reader.flush()]:
        quality = with_frame(quality, frame)
    return quality


_ANSWER_MS = 1_000


def _asked(port: Port, chosen: Chosen, clock: Clock, heard: bytes) -> Iterator[Finding]:
    questions = chosen.driver.asks(chosen.address, chosen.options)
    if not questions:
        yield _doubt("answer", "NOTHING_TO_ASK", f"{chosen.driver.name} has no question")
        return
    if heard:
        yield _failure("answer", "SOMEBODY_SPEAKS", f"{len(heard)} bytes came before we said anything")
        return
    said = questions[0]
    answer, has_echo = without_echo(said.data, ask(port, clock, said.data, _ANSWER_MS))
    if has_echo:
        yield _doubt("echo", "ECHO_HEARD", "the question came back before the answer")
    else:
        yield fine(Part.DEVICE, "echo", "none")
    yield _answered(chosen, said.title, answer)


def _answered(chosen: Chosen, title: str, answer: bytes) -> Finding:
    asked = f'"{title}" at address {chosen.address}'
    if not answer:
        return _failure("answer", "DEVICE_SILENT", f"{asked}: nothing came")
    views = chosen.driver.explain(answer, chosen.options)
    told = [v for v in views if v.title != NOISE and v.check is not Check.WRONG and v.sender != "host"]
    if not told:
        return _failure("answer", "ANSWER_STRANGE", f"{asked}: {answer[:24].hex(' ')}")
    return fine(Part.DEVICE, "answer", f"{asked}: {told[0].title}")


def _failure(name: str, code: str, evidence: str) -> Finding:
    return failure(Part.DEVICE, name, code, evidence, REMEDIES[code])


def _doubt(name: str, code: str, evidence: str) -> Finding:
    return doubt(Part.DEVICE, name, code, evidence, REMEDIES[code])
