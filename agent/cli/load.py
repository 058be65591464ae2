"""`forecourt load`: hand what headquarters signed (rules, members, coupons, keys) to the running agent."""

import base64
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, ask, settings_of


def load(
    file: Annotated[
        Path, typer.Argument(help="A document signed by headquarters.", exists=True, dir_okay=False)
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: JsonOption = False,
) -> None:
    """Adopt what headquarters signed: rules, the word on their rollout, members, coupons, its own keys."""
    settings = settings_of(config, json_output=json_output)
    document = base64.b64encode(file.read_bytes()).decode()
    answer = ask(settings.station.control_socket, {"verb": "load", "document": document})
    if answer is None:
        fail(
            Exit.REFUSED,
            "AGENT_NOT_RUNNING",
            "start it with `systemctl start forecourt`",
            json_output=json_output,
        )
    if not answer["ok"]:
        fail(Exit.REFUSED, str(answer["reason"]), str(answer["text"]), json_output=json_output)
    as_json(answer) if json_output else typer.echo(str(answer["text"]))
