"""What most commands need first: the station's settings, its socket, or a look into its database."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.render import fail

if TYPE_CHECKING:
    from agent.store.reading import Connection
    from config.settings import Settings

DEFAULT_CONFIG = Path("/etc/forecourt/station.toml")
ANSWER_WITHIN_S = 30.0

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The station's settings.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object for machines.")]


def settings_of(path: Path, *, secrets_needed: bool = False) -> "Settings":
    """The settings, or the command ends with one line per problem."""
    from config.load import load_settings
    from config.refusal import ConfigRefused

    settings = load_settings(path, secrets_needed=secrets_needed)
    if isinstance(settings, ConfigRefused):
        for line in settings.lines:
            typer.echo(line, err=True)
        raise typer.Exit(Exit.REFUSED)
    return settings


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
    parsed = json.loads(answer) if answer else None
    return parsed if isinstance(parsed, dict) else None


def database_of(settings: "Settings") -> "Connection":
    """A read-only look into the database: beside the running agent, or at rest."""
    from agent.store import reading

    path = settings.station.state_dir / "station.db"
    running = ask(settings.station.control_socket, {"verb": "status"}) is not None
    try:
        return reading.connect(path, agent_runs=running)
    except reading.NoDatabase as error:
        fail(Exit.STORE, "NO_DATABASE", f"{error}; the agent makes it at its first start")


def _read_all(client: socket.socket) -> bytes:
    parts = []
    while part := client.recv(65536):
        parts.append(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)
