"""`forecourt keys`: the station's signing key."""

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_of

app = typer.Typer(no_args_is_help=True, help="The station's signing key.")


@app.command()
def init(config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """Make the station's key in the state directory and print its public half for headquarters."""
    from agent.app import STATION_KEY
    from sync.keys import SigningKey, write_key

    state_dir = settings_of(config, json_output=json_output).station.state_dir
    key = SigningKey.generate()
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        refused = write_key(state_dir / STATION_KEY, key)
    except OSError as error:
        fail(
            Exit.REFUSED,
            "STATE_DIR",
            f"{state_dir}: {error.strerror}; check owner and mode",
            json_output=json_output,
        )
    if refused is not None:
        fail(Exit.REFUSED, refused.reason, f"{refused.detail}; {refused.remedy}", json_output=json_output)
    _print(key.public.text, json_output=json_output)


@app.command()
def show(config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """Print the station's public key."""
    from agent.app import station_key
    from sync.refusal import Refusal

    key = station_key(settings_of(config, json_output=json_output))
    if isinstance(key, Refusal):
        fail(Exit.REFUSED, key.reason, f"{key.detail}; {key.remedy}", json_output=json_output)
    _print(key.public.text, json_output=json_output)


def _print(public_key: str, *, json_output: bool) -> None:
    if json_output:
        as_json({"ok": True, "public_key": public_key})
    else:
        typer.echo(public_key)
