"""What the device commands are told: driver, options, address, and how the port is set. Values, or an end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from agent.cli.exits import Exit
from agent.cli.render import fail

if TYPE_CHECKING:
    from pydantic import BaseModel

    from drivers.driver import Driver, Wiring
    from drivers.ports import Parity, Port, PortGone, PortRefused, PortSpec

PortArgument = Annotated[
    str, typer.Argument(help='A device file, best under /dev/serial/by-id/, or "socket://host:port".')
]
DriverOption = Annotated[
    str, typer.Option("--driver", "--protocol", "-d", help="Who understands it, see `device list`.")
]
AnyDriverOption = Annotated[
    str, typer.Option("--driver", "--protocol", "-d", help="Only this driver, see `device list`.")
]
AddressOption = Annotated[
    str, typer.Option(help="The device's address; its driver's likeliest if not given.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=VALUE",
        help="As in the options of a device in station.toml, such as mode=master or 'nozzles=[1,2]'; repeat.",
    ),
]
BaudOption = Annotated[int, typer.Option(min=0, help="Speed of a serial port; 0: as the driver says.")]
CharacterOption = Annotated[
    str, typer.Option("--character", metavar="8N1", help="Data bits, parity, stop bits; as the driver says.")
]
TapOption = Annotated[str, typer.Option(help="A second port, where the other direction is heard.")]
EchoOption = Annotated[bool, typer.Option("--echo", help="The converter hears what it says: take it out.")]
SecondsOption = Annotated[int, typer.Option(min=0, help="End after so many seconds; 0: with Ctrl-C.")]

GONE = {False: "check cable and converter", True: "is it the right port, and is nobody else connected?"}
"""What to do about a port that went away, by whether it is TCP."""
_PARITIES = {"N": "none", "E": "even", "O": "odd"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A driver with its options checked; `typed` is how they were given."""

    driver: "Driver"
    options: Any
    address: str
    typed: dict[str, Any]

    @property
    def listens(self) -> bool:
        return self.driver.listens(self.options)


def choose(name: str, pairs: list[str] | None, address: str = "", *, json_output: bool = False) -> Chosen:
    """The driver of this name, or the command ends with exit code 2."""
    from agent.cli.typed import Mistyped, driver_options

    try:
        typed = driver_options(pairs or [])
        return chosen(name, typed, address)
    except Mistyped as error:
        fail(Exit.USAGE, error.code, str(error), json_output=json_output)


def chosen(name: str, typed: dict[str, Any], address: str = "") -> Chosen:
    """Raises `Mistyped`."""
    from pydantic import ValidationError

    from agent.cli.typed import Mistyped
    from drivers import catalogue

    try:
        driver = catalogue.find(name)
    except catalogue.UnknownDriver as unknown:
        raise Mistyped("UNKNOWN_DRIVER", str(unknown)) from unknown
    try:
        typed, options = _validated(driver.options, typed)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "all"
        known = ", ".join(driver.options.model_fields)
        raise Mistyped("DRIVER_OPTION", f"--option {where}: {first['msg']}; {name} takes {known}") from error
    return Chosen(driver, options, _known(driver, address or driver.addresses[0], options), typed)


def _validated(model: "type[BaseModel]", typed: dict[str, Any]) -> "tuple[dict[str, Any], BaseModel]":
    """What was typed and what it means; digits are a text where the driver wants one. Raises pydantic's."""
    from pydantic import ValidationError

    try:
        return typed, model.model_validate(typed)
    except ValidationError as error:
        wrong = {each["loc"][0] for each in error.errors() if each["type"] == "string_type"}
        texts = {name: str(value) for name, value in typed.items() if name in wrong and type(value) is int}
        if not texts:
            raise
        return typed | texts, model.model_validate(typed | texts)


def _known(driver: "Driver", address: str, options: Any) -> str:
    """The address, if this driver can open it. Raises `Mistyped`."""
    from agent.cli.typed import Mistyped

    try:
        driver.open_session(address, options)
    except ValueError as error:
        raise Mistyped("DRIVER_ADDRESS", f"address {address}: {error}") from error
    return address


def as_listener(asked: Chosen) -> Chosen | None:
    """The same driver so that it never speaks (drivers/README.md: `mode = "listen"`), None if it cannot."""
    from agent.cli.typed import Mistyped

    if asked.listens:
        return asked
    try:
        quiet = chosen(asked.driver.name, {**asked.typed, "mode": "listen"}, asked.address)
    except Mistyped:
        return None
    return quiet if quiet.listens else None


def wiring_of(wiring: "Wiring", baud: int, character: str, *, json_output: bool = False) -> "Wiring":
    """The likeliest wiring, with what was said otherwise."""
    if character:
        bits, parity, stop = (*character.upper(), "", "")[:3]
        if len(character) != 3 or bits not in "78" or parity not in _PARITIES or stop not in "12":
            fail(
                Exit.USAGE, "BAD_CHARACTER", f"{character}: write it like 8N1 or 7E2", json_output=json_output
            )
        kind = cast("Parity", _PARITIES[parity])
        wiring = replace(wiring, bytesize=int(bits), parity=kind, stopbits=int(stop))
    return replace(wiring, baud=baud) if baud else wiring


def spec_of(
    port: str,
    wiring: "Wiring",
    *,
    listen_only: bool = False,
    tap: str = "",
    echo: bool = False,
    json_output: bool = False,
) -> "PortSpec":
    """Where and how to open; a pseudo-terminal is known by where its name leads. It ends the command with
    exit code 2 where somebody wants to speak and cannot."""
    from drivers.ports import PortSpec, only_hears

    if only_hears(port) and not listen_only:
        text = f"{port}: nothing can be said there; `forecourt device watch` without --ask hears it"
        fail(Exit.USAGE, "PORT_ONLY_HEARD", text, json_output=json_output)
    return PortSpec(
        device=port,
        baud=wiring.baud,
        bytesize=wiring.bytesize,
        parity=wiring.parity,
        stopbits=wiring.stopbits,
        pty=is_pty(port),
        listen_only=listen_only,
        tap=tap,
        echo=echo,
    )


def is_pty(port: str) -> bool:
    return os.path.realpath(port).startswith("/dev/pts/")


def is_tcp(port: str) -> bool:
    return port.startswith("socket://")


def character_of(wiring: "Wiring") -> str:
    """ "8N1"."""
    return f"{wiring.bytesize}{wiring.parity[0].upper()}{wiring.stopbits}"


def told(refusal: "PortRefused") -> str:
    """The refusal as a sentence with what to do."""
    more = {
        "PORT_BUSY": "; the agent: `systemctl stop forecourt`; else `forecourt device doctor` says who",
        "PORT_FORBIDDEN": "; at the cabinet: this command behind `sudo`",
    }
    return f"{refusal.device}: {refusal.remedy}{more.get(refusal.code, '')}"


def told_gone(port: str, gone: "PortGone") -> str:
    return f"{port}: {gone}; {GONE[is_tcp(port)]}"


@contextmanager
def opened(spec: "PortSpec", *, json_output: bool = False) -> "Iterator[Port]":
    """The open port; refused or gone, the command ends with exit code 3."""
    from drivers.ports import PortGone, PortRefused, open_port

    try:
        port = open_port(spec)
    except PortRefused as refusal:
        fail(Exit.DEVICE, refusal.code, told(refusal), json_output=json_output)
    try:
        yield port
    except PortGone as gone:
        fail(Exit.DEVICE, "PORT_GONE", told_gone(spec.device, gone), json_output=json_output)
    finally:
        port.close()


def by_id(port: str, folder: Path = Path("/dev/serial/by-id")) -> str:
    """The name of the same port that does not move when another one is plugged in; itself if it has none."""
    real = os.path.realpath(port)
    names = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((str(name) for name in names if os.path.realpath(name) == real), port)
