"""`forecourt device watch`: what passes on a line, as frames, live."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.device_choice import (
    AddressOption,
    BaudOption,
    CharacterOption,
    Chosen,
    DriverOption,
    EchoOption,
    PortArgument,
    SecondsOption,
    SetOption,
    TapOption,
    choose,
    opened,
    spec_of,
    told,
    wiring_of,
)
from agent.cli.exits import Exit
from agent.cli.render import fail
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.cli.device_frames import Frame
    from agent.cli.device_line import Listening, Reported
    from drivers.driver import Wiring
    from drivers.ports import PortSpec

AskOption = Annotated[
    bool, typer.Option("--ask", help="Let the driver ask; nothing it hears is ever acknowledged.")
]
_LOOK_MS = 50
_QUIET_MS = 1_000
"""Listened before anything is said."""
_SECOND_MS = 1_000


def watch(
    port: PortArgument,
    driver: DriverOption,
    address: AddressOption = "",
    option: SetOption = None,
    ask: AskOption = False,
    seconds: SecondsOption = 0,
    baud: BaudOption = 0,
    character: CharacterOption = "",
    tap: TapOption = "",
    echo: EchoOption = False,
    json_output: JsonOption = False,
) -> None:
    """Show every frame that passes, both senders, and at the end how good the line is.

    Nothing is ever said, unless --ask: then the driver asks as in the agent, and its till answers "not now"
    to everything. With --json one object a line: frames and events as they come, the quality last.
    """
    chosen = choose(driver, option, address, json_output=json_output)
    wiring = wiring_of(chosen.driver.wirings[0], baud, character, json_output=json_output)
    shown = _Shown(json_output=json_output)
    with listening(port, chosen, wiring, ask=ask, tap=tap, echo=echo, json_output=json_output) as line:
        for item in passing(line, chosen, pause_of(wiring), seconds):
            shown.show(item)
    shown.end(line)


@contextmanager
def listening(
    port: str, chosen: Chosen, wiring: "Wiring", *, ask: bool, tap: str, echo: bool, json_output: bool
) -> "Iterator[Listening]":
    """The line, opened. It ends the command with exit code 3 if the port is refused, or if the driver was to
    ask where somebody else speaks."""
    from agent.cli.device_line import Listening, Mute
    from agent.clock import SystemClock
    from agent.identity import jitter_source
    from drivers.ports import PortRefused

    speaks = ask and not chosen.listens
    spec = spec_of(port, wiring, listen_only=not speaks, tap=tap, echo=echo, json_output=json_output)
    if speaks and not chosen.driver.is_pos:
        refuse_company(spec, json_output=json_output)
    understands = speaks or chosen.listens
    session = chosen.driver.open_session(chosen.address, chosen.options) if understands else Mute()
    try:
        line = Listening(spec, session, SystemClock().monotonic_ms, jitter_source())
    except PortRefused as refusal:
        fail(Exit.DEVICE, refusal.code, told(refusal), json_output=json_output)
    try:
        yield line
    finally:
        line.close()


def refuse_company(spec: "PortSpec", *, json_output: bool) -> None:
    """End the command if anything is heard before we speak: a second master breaks the line."""
    from dataclasses import replace

    from agent.cli.device_wire import hear
    from agent.clock import SystemClock

    if spec.device.startswith("ifsf:"):
        return  # connections of our own: there is no company on them
    with opened(replace(spec, listen_only=True), json_output=json_output) as port:
        if hear(port, SystemClock().monotonic_ms, _QUIET_MS, 1):
            text = f"{spec.device}: somebody else speaks here, so nothing was said; watch it without --ask"
            fail(Exit.DEVICE, "SOMEBODY_SPEAKS", text, json_output=json_output)


def pause_of(wiring: "Wiring") -> int:
    from agent.cli.device_frames import pause_ms

    return pause_ms(wiring.baud)


def passing(
    line: "Listening", chosen: Chosen, pause: int, seconds: int
) -> "Iterator[Frame | Reported | str]":
    """Frames, events and troubles of the port as they come, until the time is over or Ctrl-C."""
    from agent.cli.device_frames import FrameReader
    from agent.cli.device_line import Reported, until_stopped

    reader = FrameReader(lambda data: chosen.driver.explain(data, chosen.options), pause)
    trouble = ""
    with until_stopped() as stop:
        while not stop.is_set() and not (seconds and line.now_ms() >= seconds * _SECOND_MS):
            for item in line.passing(_LOOK_MS):
                if isinstance(item, Reported):
                    yield from reader.tick(item.at_ms + pause)  # its frame goes before it
                    yield item
                else:
                    yield from reader.feed(item.data, item.at_ms, item.end)
            yield from reader.tick(line.now_ms())
            if line.trouble != trouble:
                trouble = line.trouble
                yield trouble or "the port is open again"
    yield from reader.flush()


class _Shown:
    """Each line at once, also into a pipe."""

    def __init__(self, *, json_output: bool) -> None:
        from agent.cli.device_frames import Quality

        self._json = json_output
        self.quality = Quality()

    def show(self, item: "Frame | Reported | str") -> None:
        from agent.cli.device_frames import Frame, with_frame
        from agent.cli.device_show import event_line, frame_lines, plain_event, plain_frame

        if isinstance(item, Frame):
            self.quality = with_frame(self.quality, item)
            self._say(plain_frame(item), *frame_lines(item))
        elif isinstance(item, str):
            self._say({"trouble": item}, f"PORT: {item}")
        else:
            self._say({"at_ms": item.at_ms, **plain_event(item.event)}, f"  >> {event_line(item.event)}")

    def end(self, line: "Listening") -> None:
        from agent.cli.device_frames import with_time
        from agent.cli.device_show import plain_quality, quality_line

        self.quality = with_time(self.quality, line.now_ms())
        counters = line.counters()
        told = "counted: " + ", ".join(f"{name} {count}" for name, count in sorted(counters.items()))
        values = {"ok": True, "quality": plain_quality(self.quality), "counters": counters}
        self._say(values, quality_line(self.quality), told)

    def _say(self, values: dict[str, Any], *lines: str) -> None:
        for text in [json.dumps(values, ensure_ascii=False)] if self._json else lines:
            typer.echo(text)
        sys.stdout.flush()
