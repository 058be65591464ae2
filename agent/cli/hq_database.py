"""What the commands of headquarters share: its database, its key files, and how they end when refused."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agent.cli.exits import Exit
from agent.cli.render import fail

if TYPE_CHECKING:
    from sync.hq.store import HqStore
    from sync.keys import SigningKey
    from sync.refusal import Refusal

DbOption = Annotated[
    str, typer.Option("--db", help="Database URL, e.g. sqlite:////var/lib/forecourt-hq/hq.db.")
]


def open_store(db: str, *, create: bool = False) -> "HqStore":
    """Headquarters' database, or the command ends."""
    try:
        from sync.hq.store import HqStore, HqStoreError
    except ModuleNotFoundError as error:
        fail(Exit.HQ, "EXTRA_MISSING", f"{error.name} is not installed: pip install 'forecourt-agent[hq]'")
    try:
        return HqStore(db, create=create)
    except HqStoreError as error:
        fail(Exit.HQ, "HQ_DATABASE", str(error))


def signing_keys(paths: list[Path], *, json_output: bool = False) -> "list[SigningKey]":
    """The keys of these files, or the command ends."""
    from sync.keys import read_key
    from sync.refusal import Refusal

    keys = []
    for path in paths:
        key = read_key(path)
        if isinstance(key, Refusal):
            refused(key, json_output=json_output)
        keys.append(key)
    return keys


def down_keys(store: "HqStore", paths: list[Path], *, json_output: bool = False) -> "list[SigningKey]":
    """The keys of these files, or the command ends: enough of them that stations believe.

    An item that stations do not believe would stand in the way of every later one. Where no first keys were
    recorded by `forecourt hq keys init`, nobody here knows what stations believe.
    """
    from sync.hq.keys import NOT_BEGUN, history
    from sync.refusal import Refusal

    keys, versions = signing_keys(paths, json_output=json_output), history(store)
    if isinstance(versions, Refusal):
        if versions.reason == NOT_BEGUN:
            return keys
        refused(versions, json_output=json_output)
    trust = versions[-1]
    counted = len({key.public for key in keys} & set(trust.keys["down"]))
    if counted < trust.down_threshold:
        text = f"{counted} of these count for items by version {trust.version} of the keys"
        fail(
            Exit.REFUSED,
            "KEYS_TOO_FEW",
            f"{text}, {trust.down_threshold} must; see `forecourt hq keys list`",
            json_output=json_output,
        )
    return keys


def refused(refusal: "Refusal", code: Exit = Exit.REFUSED, *, json_output: bool = False) -> NoReturn:
    """End the command with the refusal's reason, what was found, and what to do."""
    text = "; ".join(part for part in (refusal.detail, refusal.remedy) if part)
    fail(code, refusal.reason, text, json_output=json_output)
