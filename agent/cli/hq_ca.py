"""`forecourt hq ca`: a small certificate authority for tests and short chains of stations."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.render import fail

if TYPE_CHECKING:
    from sync.authority_folder import AuthorityFolder

app = typer.Typer(
    no_args_is_help=True, help="A small certificate authority, where the chain has none of its own."
)

FolderOption = Annotated[Path, typer.Option("--folder", help="Where its files are; keep ca.key to yourself.")]


@app.command()
def init(
    folder: FolderOption,
    name: Annotated[str, typer.Option(help="What it is called in its certificate.")] = "forecourt stations",
) -> None:
    """Make a new authority: its key, its certificate, and an empty list of what was taken back."""
    from agent.clock import SystemClock
    from sync.authority_folder import AuthorityFolder

    _or_fail(AuthorityFolder.create(folder, name, SystemClock().wall_ms()))
    typer.echo(f"made {folder}/ca.pem; stations and broker get this file, and never ca.key")


@app.command()
def broker(
    hosts: Annotated[list[str], typer.Argument(help="Names and addresses by which stations reach it.")],
    folder: FolderOption,
) -> None:
    """Make the broker's key and certificate (broker.key, broker.pem)."""
    from agent.clock import SystemClock

    _open(folder).issue_broker(hosts, SystemClock().wall_ms())
    typer.echo(f"made {folder}/broker.pem for {', '.join(hosts)}")


@app.command()
def headquarters(folder: FolderOption) -> None:
    """Make headquarters' own key and certificate as a client of the broker (hq.key, hq.pem)."""
    from agent.clock import SystemClock

    _open(folder).issue_hq(SystemClock().wall_ms())
    typer.echo(
        f"made {folder}/hq.pem; `forecourt hq serve --cert {folder}/hq.pem --cert-key {folder}/hq.key`"
    )


@app.command()
def sign(
    request: Annotated[Path, typer.Argument(help="What `forecourt enroll` wrote.", dir_okay=False)],
    folder: FolderOption,
    db: Annotated[str, typer.Option("--db", help="Headquarters' database: it knows the stations.")],
    out: Annotated[Path | None, typer.Option(help="Write it there and not to the screen.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is valid.")] = 365,
) -> None:
    """Sign a known station's request; `forecourt enroll --certificate` takes the answer."""
    from agent.cli.hq_database import open_store
    from agent.clock import SystemClock

    opened, store = _open(folder), open_store(db)
    try:
        known = store.public_key
        signed = opened.sign(
            _read(request), lambda station: known(station) is not None, SystemClock().wall_ms(), days
        )
    finally:
        store.close()
    if not isinstance(signed, bytes):
        fail(Exit.REFUSED, signed.reason, f"{signed.detail}; {signed.remedy}")
    if out is None:
        typer.echo(signed.decode("ascii"), nl=False)
    else:
        out.write_bytes(signed)
        typer.echo(f"wrote {out}")


@app.command()
def revoke(
    station: Annotated[str, typer.Argument(metavar="STATION")],
    folder: FolderOption,
) -> None:
    """Take back all certificates of a station; then restart the broker, which reads revoked.pem."""
    from agent.clock import SystemClock

    count = _open(folder).revoke(station, SystemClock().wall_ms())
    if not count:
        fail(Exit.REFUSED, "CERTIFICATE_NOT_ISSUED", f"none was signed here for {station}; see issued/")
    typer.echo(f"took back {count} of {station}; restart the broker with {folder}/revoked.pem")


def _open(folder: Path) -> "AuthorityFolder":
    from sync.authority_folder import AuthorityFolder

    return _or_fail(AuthorityFolder.open(folder))


def _or_fail(found: object) -> "AuthorityFolder":
    from sync.authority_folder import AuthorityFolder
    from sync.refusal import Refusal

    if isinstance(found, Refusal):
        fail(Exit.REFUSED, found.reason, f"{found.detail}; {found.remedy}")
    assert isinstance(found, AuthorityFolder)
    return found


def _read(path: Path) -> bytes:
    from sync.certificates import MOST_PEM_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MOST_PEM_BYTES)
    except OSError as error:
        fail(Exit.REFUSED, "FILE_UNREADABLE", f"{path}: {error.strerror}")
