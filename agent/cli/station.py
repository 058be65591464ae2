"""What most commands need first: the station's settings, its socket, or a look into its database."""

import json
import os
import socket
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail

if TYPE_CHECKING:
    from agent.store.reading import Connection
    from config.settings import Settings

DEFAULT_CONFIG = Path("/etc/forecourt/station.toml")
DEFAULT_SOCKET = "/run/forecourt/control.sock"
"""The default of `station.control_socket`; a test compares."""
ANSWER_WITHIN_S = 30.0

_SOCKET_VARIABLE = "FORECOURT_STATION__CONTROL_SOCKET"

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The station's settings.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object for machines.")]


def settings_of(path: Path, *, secrets_needed: bool = False, json_output: bool = False) -> "Settings":
    """The settings, or the command ends with one line per problem."""
    from config.load import load_settings
    from config.refusal import ConfigRefused

    settings = load_settings(path, secrets_needed=secrets_needed)
    if isinstance(settings, ConfigRefused):
        if json_output:
            as_json({"ok": False, "reason": settings.problems[0].code, "text": "\n".join(settings.lines)})
        for line in settings.lines:
            typer.echo(line, err=True)
        raise typer.Exit(Exit.REFUSED)
    return settings


def socket_of(path: Path, *, json_output: bool = False) -> Path:
    """Where the agent answers, without loading everything that checks settings: `status` must be quick.

    Says the same as `settings_of(path).station.control_socket` and leaves every case that is not
    plain to it (a test compares).
    """
    if (overlaid := os.environ.get(_SOCKET_VARIABLE)) is not None and os.path.isabs(overlaid):
        return Path(overlaid)
    others = any(name.upper().startswith("FORECOURT_STATION") for name in os.environ)
    if not others and "CREDENTIALS_DIRECTORY" not in os.environ:
        try:
            station = tomllib.loads(path.read_text(encoding="utf-8-sig"))["station"]
            written = station.get("control_socket", DEFAULT_SOCKET)
        except (OSError, ValueError, KeyError, AttributeError):
            written = None
        if isinstance(written, str) and os.path.isabs(written):
            return Path(written)
    return settings_of(path, json_output=json_output).station.control_socket


def ask(socket_path: Path, request: Mapping[str, object]) -> dict[str, object] | None:
    """The running agent's answer, or None if no agent listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(ANSWER_WITHIN_S)
        try:
            client.connect(str(socket_path))
            client.sendall(json.dumps(request).encode() + b"\n")
            answer = _read_all(client)
        except PermissionError:
            fail(Exit.REFUSED, "SOCKET_FORBIDDEN", f"{socket_path}: join the group forecourt, or use sudo")
        except OSError:
            return None
    try:
        parsed = json.loads(answer)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def database_path(settings: "Settings") -> Path:
    return settings.station.state_dir / "station.db"


@contextmanager
def database_of(settings: "Settings", *, json_output: bool = False) -> Iterator["Connection"]:
    """A read-only look into the database, beside the running agent or at rest, all at one moment.

    The command ends with exit code 4 if there is no database, or it cannot be read.
    """
    from agent.store import reading

    path = database_path(settings)
    running = ask(settings.station.control_socket, {"verb": "status"}) is not None
    try:
        with reading.look(path, agent_runs=running) as connection:
            yield connection
    except reading.NoDatabase as error:
        code, text = trouble_with(path, error)
        fail(Exit.STORE, code, text, json_output=json_output)


def trouble_with(path: Path, error: Exception) -> tuple[str, str]:
    """Why the database at `path` could not be read: a code, and a sentence with what to do."""
    try:
        path.stat()
    except FileNotFoundError:
        return "DATABASE_MISSING", f"there is no {path}; the agent makes it at its first start"
    except OSError as denied:
        return "DATABASE_FORBIDDEN", f"{path}: {denied.strerror}; join the group forecourt, or use sudo"
    return (
        "DATABASE_UNREADABLE",
        f"{error}; use sudo; if that does not help: `forecourt store verify`",
    )


def _read_all(client: socket.socket) -> bytes:
    parts = []
    while part := client.recv(65536):
        parts.append(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)
