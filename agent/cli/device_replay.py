"""`forecourt device replay`: a recording again, as frames, and what the driver would have reported of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.device_choice import AddressOption, Chosen, SetOption, choose, chosen
from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.cli.device_frames import Frame, Quality
    from drivers.events import DriverEvent
    from drivers.replay import Recording

FileArgument = Annotated[Path, typer.Argument(help="What `device record` wrote.")]
OtherDriverOption = Annotated[
    str, typer.Option("--driver", "--protocol", "-d", help="Another driver than the recording names.")
]


def replay(
    file: FileArgument,
    driver: OtherDriverOption = "",
    address: AddressOption = "",
    option: SetOption = None,
    json_output: JsonOption = False,
) -> None:
    """Play a recording into its driver: every frame, and what would have been reported.

    The till of the replay says "not now" as when it was recorded; a record that is therefore read again is
    shown once. Nothing is sent anywhere.
    """
    from agent.cli.device_line import NOT_NOW
    from drivers.replay import play

    recording = _read(file, json_output=json_output)
    who = _chosen(recording, driver, address, option, json_output=json_output)
    session = who.driver.open_session(who.address, who.options)
    played = play(recording.chunks, session, lambda event: NOT_NOW, hears_host=who.listens)
    events = list(dict.fromkeys(played.events))
    frames = list(frames_of(recording, who))
    quality = quality_of(frames)
    if json_output:
        from agent.cli.device_show import plain_event, plain_frame, plain_quality

        told = {"driver": who.driver.name, "torn": recording.is_torn, "asked": _was_asked(recording, who)}
        told["frames"] = [plain_frame(each) for each in frames]
        reported = {"events": [plain_event(each) for each in events], "counters": dict(session.counters())}
        as_json({"ok": True, **told, **reported, "quality": plain_quality(quality)})
        return
    _print(who, recording, frames, events, quality)


def _was_asked(recording: "Recording", who: Chosen) -> bool:
    """False where a driver that asks meets what was only heard: answers to the questions of somebody else."""
    return who.listens or recording.header is None or recording.header.asked


def frames_of(recording: "Recording", who: Chosen) -> "Iterator[Frame]":
    """The frames of a recording, also of one whose chunks are pieces of frames."""
    from agent.cli.device_frames import FrameReader, pause_ms

    baud = recording.header.baud if recording.header else who.driver.wirings[0].baud
    reader = FrameReader(lambda data: who.driver.explain(data, who.options), pause_ms(baud))
    for chunk in recording.chunks:
        if chunk.data:
            yield from reader.feed(chunk.data, chunk.at_ms, chunk.end)
        else:
            yield from reader.flush()
    yield from reader.flush()


def quality_of(frames: "list[Frame]") -> "Quality":
    from agent.cli.device_frames import Quality, with_frame

    quality = Quality()
    for frame in frames:
        quality = with_frame(quality, frame)
    return quality


def _read(path: Path, *, json_output: bool) -> "Recording":
    from drivers.replay import LONGEST_LINE, RecordingRefused, load_recording

    try:
        with path.open(encoding="ascii") as file:
            return load_recording(iter(lambda: file.readline(LONGEST_LINE + 1), ""))
    except OSError as error:
        fail(Exit.REFUSED, "FILE_FAILED", f"{path}: {error.strerror}", json_output=json_output)
    except UnicodeDecodeError:
        text = f"{path}: there is more in it than a recording's plain text"
        fail(Exit.REFUSED, "NOT_A_RECORDING", text, json_output=json_output)
    except RecordingRefused as error:
        fail(Exit.REFUSED, "NOT_A_RECORDING", f"{path}: {error}", json_output=json_output)


def _chosen(
    recording: "Recording", driver: str, address: str, pairs: list[str] | None, *, json_output: bool
) -> Chosen:
    """As the command says, else as the header says."""
    from agent.cli.typed import Mistyped

    header = recording.header
    if driver or pairs:
        name = driver or (header.driver if header else "")
        return choose(name, pairs, address or (header.address if header else ""), json_output=json_output)
    if header is None:
        text = "the recording does not say whose it is: name it with --driver"
        fail(Exit.USAGE, "NO_DRIVER", text, json_output=json_output)
    try:
        return chosen(header.driver, dict(header.options), address or header.address)
    except Mistyped as error:
        fail(Exit.REFUSED, error.code, str(error), json_output=json_output)


def _print(
    who: Chosen,
    recording: "Recording",
    frames: "list[Frame]",
    events: "list[DriverEvent]",
    quality: "Quality",
) -> None:
    from agent.cli.device_show import event_line, frame_lines, quality_line

    for frame in frames:
        for line in frame_lines(frame):
            typer.echo(line)
    if left_out := sum(chunk.left_out_bytes for chunk in recording.chunks):
        typer.echo(f"{left_out} bytes of torn frames were not recorded")
    if recording.is_torn:
        typer.echo("the last line is torn, as after a power cut: it is left out")
    typer.echo(quality_line(quality))
    if not _was_asked(recording, who):
        typer.echo(
            "\nit was only listened to (no --ask), and this driver asks: what it makes of somebody else's"
        )
        typer.echo("answers is no proof. --option mode=listen, where the driver has it, plays what was heard")
    typer.echo(
        f"\n{who.driver.name} would have reported:" if events else f"\n{who.driver.name} reports nothing"
    )
    for event in events:
        typer.echo(f"  {event_line(event)}")
