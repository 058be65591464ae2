"""`forecourt hq keys`: headquarters' own keys, by role, and how stations learn of the next ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.hq_database import DbOption, open_store, refused
from agent.cli.render import as_json, fail, table
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from sync.hq.keys import Keys
    from sync.hq.store import HqStore
    from sync.keys import PublicKey
    from sync.trust import Role, Trust

app = typer.Typer(no_args_is_help=True, help="Headquarters' own keys: made, listed, rotated.")

FolderArgument = Annotated[
    Path, typer.Argument(help="Key files: ack.key, down.key, documents.key, down-2.key …")
]


@app.command()
def init(
    folder: FolderArgument,
    db: DbOption,
    programme: Annotated[str, typer.Option(help="The programme that these keys speak for.")],
    down: Annotated[int, typer.Option(min=1, max=8, help="How many keys for commands and deltas.")] = 1,
    documents: Annotated[int, typer.Option(min=1, max=8, help="How many keys for documents.")] = 1,
    down_threshold: Annotated[int, typer.Option(min=1, max=8, help="How many must sign an item.")] = 1,
    documents_threshold: Annotated[
        int, typer.Option(min=1, max=8, help="How many must sign a document.")
    ] = 1,
    json_output: JsonOption = False,
) -> None:
    """Make the first keys and print what stations pin in station.toml."""
    from agent.clock import SystemClock
    from sync.hq.keys import Wish, record_pinned

    wish = Wish(programme, down_threshold, documents_threshold, overlap=True)
    _make(folder, {"ack": 1, "down": down, "documents": documents}, json_output=json_output)
    keys = _read(folder, json_output=json_output)
    store = open_store(db, create=True)
    recorded = record_pinned(store, keys, wish, SystemClock().wall_ms())
    store.close()
    if not recorded:
        fail(
            Exit.REFUSED,
            "KEYS_BEGUN",
            "this database has its first keys already; use `forecourt hq keys rotate`",
            json_output=json_output,
        )
    named = _by_name(keys)
    if json_output:
        as_json({"ok": True, "public_keys": named})
        return
    typer.echo("pin these in every station's [hq]:")
    typer.echo("public_keys = { " + ", ".join(f'{name} = "{key}"' for name, key in named.items()) + " }")


@app.command("list")
def list_(db: DbOption, json_output: JsonOption = False) -> None:
    """Every list of keys that stations were given, the first one being what they pin."""
    versions = _history(db, json_output=json_output)
    if json_output:
        as_json({"ok": True, "versions": [_told(trust) for trust in versions]})
        return
    rows = [
        (trust.version, key.text, key.key_id, ", ".join(roles))
        for trust in versions
        for key, roles in _roles(trust).items()
    ]
    table(("version", "public key", "id", "signs"), rows)


@app.command()
def rotate(
    folder: FolderArgument,
    new_folder: Annotated[Path, typer.Argument(help="The new key files; made where a role has none.")],
    db: DbOption,
    role: Annotated[
        list[str] | None, typer.Option(help="Only this role: ack, down or documents; repeat.")
    ] = None,
    overlap: Annotated[bool, typer.Option(help="The present keys stay valid beside the new ones.")] = True,
    down_threshold: Annotated[int, typer.Option(min=1, max=8, help="How many must sign an item.")] = 1,
    documents_threshold: Annotated[
        int, typer.Option(min=1, max=8, help="How many must sign a document.")
    ] = 1,
    json_output: JsonOption = False,
) -> None:
    """Tell stations of new keys: a list signed by the keys before it and by its own.

    Without overlap every item that a station has not dealt with is signed again.
    """
    from agent.clock import SystemClock
    from sync.hq.keys import Wish, programme_of
    from sync.hq.keys import rotate as rotate_keys
    from sync.refusal import Refusal

    now_ms = SystemClock().wall_ms()
    old = _read(folder, json_output=json_output)
    new = _new(new_folder, role or ["ack", "down", "documents"], old, json_output=json_output)
    store = open_store(db)
    try:
        programme = programme_of(store)
        wish = Wish(programme, down_threshold, documents_threshold, overlap)
        document = rotate_keys(store, old, new, wish, now_ms)
        if isinstance(document, Refusal):
            refused(document, json_output=json_output)
        again = 0 if overlap else _sign_again(store, new, old)
        version = store_version(store)
    finally:
        store.close()
    text = f"version {version} goes to every station at its next hello"
    if json_output:
        as_json({"ok": True, "version": version, "signed_again": again})
    else:
        typer.echo(text + (f"; {again} items were signed again" if again else ""))


@app.command()
def export(
    db: DbOption,
    to: Annotated[Path, typer.Option(help="The file; `forecourt load` takes it at a station.")],
    version: Annotated[int | None, typer.Option(min=2, help="Which list; the newest without it.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Write a list of keys to a file, for a station without a link."""
    store = open_store(db)
    with store.read() as asked:
        lists = dict(asked.documents.key_lists(1))
    store.close()
    wanted = version or max(lists, default=0)
    if wanted not in lists:
        fail(
            Exit.REFUSED,
            "KEYS_UNKNOWN",
            "no such list; see `forecourt hq keys list`",
            json_output=json_output,
        )
    to.write_bytes(lists[wanted])
    as_json({"ok": True, "version": wanted}) if json_output else typer.echo(f"version {wanted} is in {to}")


def store_version(store: "HqStore") -> int:
    """The version of the newest list."""
    with store.read() as asked:
        return asked.documents.key_lists()[-1][0]


def _make(folder: Path, how_many: "dict[Role, int]", *, json_output: bool) -> None:
    from sync.hq.keys import make_keys

    try:
        refusal = make_keys(folder, how_many)
    except OSError as error:
        fail(Exit.REFUSED, "KEY_FOLDER", f"{folder}: {error.strerror}", json_output=json_output)
    if refusal:
        refused(refusal, json_output=json_output)


def _read(folder: Path, *, json_output: bool) -> "Keys":
    from sync.hq.keys import read_keys
    from sync.refusal import Refusal

    keys = read_keys(folder)
    if isinstance(keys, Refusal):
        refused(keys, json_output=json_output)
    return keys


def _new(folder: Path, roles: list[str], old: "Keys", *, json_output: bool) -> "Keys":
    """The new folder's keys; a role without one gets as many as it had."""
    from sync.hq.keys import read_keys
    from sync.refusal import Refusal
    from sync.trust import ROLES

    if unknown := set(roles) - set(ROLES):
        fail(Exit.USAGE, "BAD_ROLE", f"{', '.join(unknown)}: ack, down or documents", json_output=json_output)
    present = read_keys(folder)
    there = {} if isinstance(present, Refusal) else present
    missing = {role: len(old.get(role, (None,))) for role in ROLES if role in roles and role not in there}
    _make(folder, missing, json_output=json_output)
    return _read(folder, json_output=json_output)


def _sign_again(store: "HqStore", new: "Keys", old: "Keys") -> int:
    from agent.clock import SystemClock
    from sync.hq.publisher import Publisher

    publisher = Publisher(store, new.get("down") or old["down"], SystemClock().wall_ms)
    return sum(publisher.sign_again(line.station) for line in store.stations())


def _history(db: str, *, json_output: bool) -> "list[Trust]":
    """Every version; empty where no key was made yet."""
    from sync.hq.keys import NOT_BEGUN, history
    from sync.refusal import Refusal

    store = open_store(db)
    versions = history(store)
    store.close()
    if not isinstance(versions, Refusal):
        return versions
    if versions.reason != NOT_BEGUN:
        refused(versions, json_output=json_output)
    return []


def _by_name(keys: "Keys") -> dict[str, str]:
    return {
        f"hq-{role}" if n == 1 else f"hq-{role}-{n}": key.public.text
        for role, of_role in keys.items()
        for n, key in enumerate(of_role, 1)
    }


def _roles(trust: "Trust") -> "dict[PublicKey, list[str]]":
    """Which roles each key has, in the order of the roles."""
    found: dict[PublicKey, list[str]] = {}
    for role, keys in trust.keys.items():
        for key in keys:
            found.setdefault(key, []).append(role)
    return found


def _told(trust: "Trust") -> dict[str, object]:
    return {
        "version": trust.version,
        "keys": {role: [key.text for key in keys] for role, keys in trust.keys.items()},
        "down_threshold": trust.down_threshold,
        "documents_threshold": trust.documents_threshold,
    }
