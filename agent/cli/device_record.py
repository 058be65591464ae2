"""`forecourt device record`: what passes on a line, into a file that may leave the station."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO

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
    wiring_of,
)
from agent.cli.device_watch import AskOption, listening, passing, pause_of
from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.cli.device_frames import Frame
    from drivers.driver import Wiring
    from drivers.replay import Chunk, Header

_MIB = 1 << 20

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", help="The file to write; it must not be there yet.")
]
LimitOption = Annotated[
    int, typer.Option("--limit-mib", min=1, max=1_024, help="End at this size of the file.")
]


def record(
    port: PortArgument,
    driver: DriverOption,
    output: OutputOption,
    address: AddressOption = "",
    option: SetOption = None,
    ask: AskOption = False,
    seconds: SecondsOption = 0,
    limit: LimitOption = 16,
    baud: BaudOption = 0,
    character: CharacterOption = "",
    tap: TapOption = "",
    echo: EchoOption = False,
    json_output: JsonOption = False,
) -> None:
    """Record what passes until Ctrl-C, the time or the size is over. `device replay` plays it.

    Cards and names are replaced in whole frames; where a driver knows such, a torn frame is told only by its
    length. The file names driver, options and speed, not the station. Nothing is said, unless --ask.
    """
    chosen = choose(driver, option, address, json_output=json_output)
    wiring = wiring_of(chosen.driver.wirings[0], baud, character, json_output=json_output)
    if output.exists():
        _refuse(output, json_output=json_output)  # before anybody is listened to, or asked
    with (
        listening(port, chosen, wiring, ask=ask, tap=tap, echo=echo, json_output=json_output) as line,
        _new_file(output, json_output=json_output) as file,
    ):
        recorder = Recorder(file, chosen, limit * _MIB)
        recorder.begin(header_of(chosen, wiring, asked=ask and not chosen.listens))
        _fill(recorder, passing(line, chosen, pause_of(wiring), seconds), limit * _MIB)
        lasted_ms = line.now_ms()
    _print(output, recorder, lasted_ms, json_output=json_output)


class Recorder:
    """Writes frames as chunks, at most `limit_bytes` of them; what may not be kept is not written."""

    def __init__(self, file: TextIO, chosen: Chosen, limit_bytes: int) -> None:
        from agent.cli.device_frames import Quality

        self._file = file
        self._chosen = chosen
        self._limit_bytes = limit_bytes
        self.written_bytes = 0
        self.left_out_bytes = 0
        self.is_full = False
        self.quality = Quality()

    def begin(self, header: "Header") -> None:
        from drivers.replay import write_header

        self._write(write_header(header))

    def take(self, frame: "Frame") -> None:
        from agent.cli.device_frames import with_frame
        from drivers.replay import write_chunk

        chunk = recorded(frame, self._redact)
        text = write_chunk(chunk)
        if self.written_bytes + len(text) + 1 > self._limit_bytes:
            self.is_full = True
            return
        self._write(text)
        self.left_out_bytes += chunk.left_out_bytes
        self.quality = with_frame(self.quality, frame)

    @property
    def _redact(self) -> Callable[[bytes], bytes] | None:
        redact = self._chosen.driver.redact
        return None if redact is None else lambda data: redact(data, self._chosen.options)

    def _write(self, text: str) -> None:
        """Each line at once: a power cut costs one frame."""
        self._file.write(text + "\n")
        self._file.flush()
        self.written_bytes += len(text) + 1


def recorded(frame: "Frame", redact: Callable[[bytes], bytes] | None) -> "Chunk":
    """The frame as it may be kept. Of bytes that are no whole frame only their number is told, if this
    driver's frames carry what names somebody, or if they hold a card: another driver's, by mistake."""
    from drivers.events import Monotonic
    from drivers.replay import Chunk
    from drivers.tripwire import holds_card
    from drivers.views import NOISE, Check

    view, at = frame.view, Monotonic(frame.at_ms)
    is_whole = view.title != NOISE and view.check is not Check.WRONG
    if not is_whole and (redact is not None or holds_card(view.data.decode("latin-1"))):
        return Chunk(at, frame.end, b"", len(view.data))
    return Chunk(at, frame.end, view.data if redact is None else redact(view.data))


def _fill(recorder: Recorder, items: "Iterator[Frame | object]", limit_bytes: int) -> None:
    from agent.cli.device_frames import Frame
    from agent.cli.progress import progress

    with progress() as step:
        for item in items:
            if isinstance(item, Frame):
                recorder.take(item)
            if recorder.is_full:
                return
            if step is not None:
                step("recording, Ctrl-C ends", recorder.written_bytes, limit_bytes)


@contextmanager
def _new_file(path: Path, *, json_output: bool) -> Iterator[TextIO]:
    """The open file. If it cannot be made or takes no more the command ends; what it took stays."""
    try:
        with path.open("x", encoding="ascii") as file:
            yield file
    except FileExistsError:
        _refuse(path, json_output=json_output)
    except OSError as error:
        fail(Exit.REFUSED, "FILE_FAILED", f"{path}: {error.strerror}", json_output=json_output)


def _refuse(path: Path, *, json_output: bool) -> NoReturn:
    text = f"{path} is there already; name another file"
    fail(Exit.REFUSED, "FILE_EXISTS", text, json_output=json_output)


def header_of(chosen: Chosen, wiring: "Wiring", *, asked: bool) -> "Header":
    """The first line of its recording, without the options that nobody is shown."""
    from config.describe import SECRET_OPTIONS
    from drivers.replay import Header

    return Header(
        chosen.driver.name,
        chosen.address,
        {name: value for name, value in chosen.typed.items() if name not in SECRET_OPTIONS},
        wiring.baud,
        wiring.bytesize,
        wiring.parity,
        wiring.stopbits,
        asked,
        chosen.driver.redact is not None,
    )


def _print(output: Path, recorder: Recorder, lasted_ms: int, *, json_output: bool) -> None:
    from agent.cli.device_frames import with_time
    from agent.cli.device_show import plain_quality, quality_line

    quality = with_time(recorder.quality, lasted_ms)
    if json_output:
        told = {"file": str(output), "written_bytes": recorder.written_bytes, "full": recorder.is_full}
        left = {"left_out_bytes": recorder.left_out_bytes, "quality": plain_quality(quality)}
        as_json({"ok": True, **told, **left})
        return
    typer.echo(f"{output}: {recorder.written_bytes} bytes" + (", full" if recorder.is_full else ""))
    typer.echo(quality_line(quality))
    if recorder.left_out_bytes:
        typer.echo(f"{recorder.left_out_bytes} bytes were in torn frames and are told only by their number")
