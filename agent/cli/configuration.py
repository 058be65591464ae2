"""`forecourt config`: what this station is told, checked as the service would check it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_of

if TYPE_CHECKING:
    from agent.app import Parts
    from config.settings import Settings

app = typer.Typer(no_args_is_help=True, help="This station's settings.")

UNSEEN_KEY = "credential_key_k1 is not visible here; as a systemd credential only the service sees it"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that keeps the service from starting."""

    code: str
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Examined:
    """`settings` None: they do not load. `parts` None: `troubles` says why. `notes`: what cannot be seen."""

    settings: "Settings | None"
    parts: "Parts | None"
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()


def examine(path: Path) -> Examined:
    """Load the settings and put the station's parts together as far as the secrets here allow."""
    from pydantic import SecretBytes

    from agent.app import StartRefused, prepare
    from config.load import load_settings
    from config.refusal import ConfigRefused

    notes: tuple[str, ...] = ()
    settings = load_settings(path, secrets_needed=True)
    if isinstance(settings, ConfigRefused) and [p.code for p in settings.problems] == ["SECRET_MISSING"]:
        without = load_settings(path)
        if not isinstance(without, ConfigRefused) and without.credential_key_k1_file is None:
            stand_in = {"credential_key_k1": SecretBytes(bytes(32))}
            settings, notes = without.model_copy(update=stand_in), (UNSEEN_KEY,)
    if isinstance(settings, ConfigRefused):
        troubles = (Trouble(p.code, _place(p.source, p.key, p.reason), p.remedy) for p in settings.problems)
        return Examined(None, None, tuple(troubles))
    parts = prepare(settings)
    if isinstance(parts, StartRefused):
        text, _, remedy = parts.text.rpartition("; ")
        return Examined(settings, None, (Trouble(parts.code, text, remedy),), notes)
    return Examined(settings, parts, (), notes)


def _place(source: str, key: str, reason: str) -> str:
    return f"{source}: {key}: {reason}" if key else f"{source}: {reason}"


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """Read the settings as the service would; one line per mistake."""
    examined = examine(config)
    if json_output:
        troubles = [{"code": t.code, "text": t.text, "remedy": t.remedy} for t in examined.troubles]
        as_json({"ok": not troubles, "problems": troubles, "notes": list(examined.notes)})
    else:
        for trouble in examined.troubles:
            typer.echo(f"{trouble.text}; {trouble.remedy} [{trouble.code}]")
        for note in examined.notes:
            typer.echo(f"note: {note}")
    if examined.troubles:
        raise typer.Exit(Exit.REFUSED)
    if not json_output:
        typer.echo(f"{config} is fine: {_counted(examined)}")


def _counted(examined: Examined) -> str:
    assert examined.settings is not None
    devices = sum(len(line.device) for line in examined.settings.line)
    lines, points = len(examined.settings.line), len(examined.settings.point)
    return f"lines {lines}, devices {devices}, fuelling points {points}"


@app.command()
def show(config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """The settings in force: file, credentials and environment together. Secrets are never shown."""
    from config.describe import shown

    values = shown(settings_of(config, json_output=json_output))
    if json_output:
        as_json({"ok": True, "settings": values})
        return
    for key, value in _flat("", values):
        typer.echo(f"{key} = {value}")


def _flat(path: str, value: object) -> list[tuple[str, object]]:
    """Dotted paths, list entries counted from 1 as in every message about settings."""
    if isinstance(value, dict) and value:
        return [entry for key, inner in value.items() for entry in _flat(f"{path}{key}.", inner)]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [entry for i, inner in enumerate(value, 1) for entry in _flat(f"{path}{i}.", inner)]
    return [(path.rstrip("."), "-" if value is None else value)]


@app.command()
def example() -> None:
    """A complete station.toml to start from."""
    from config.describe import example_toml

    typer.echo(example_toml(), nl=False)
