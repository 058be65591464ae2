"""`forecourt hq publish`: tell stations something, signed and numbered; running workers send it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import hq_orders
from agent.cli.exits import Exit
from agent.cli.hq_database import DbOption, down_keys, open_store, refused, signing_keys
from agent.cli.hq_orders import BadOrder
from agent.cli.render import as_json, fail, table
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from sync.hq.publisher import Issued, Order, Publisher
    from sync.hq.store import HqStore
    from sync.refusal import Refusal

WORDS = (*hq_orders.DOCUMENTS, *hq_orders.KIND_OF)


def publish(
    what: Annotated[str, typer.Argument(metavar="WHAT", help=f"One of: {', '.join(WORDS)}.")],
    db: DbOption,
    key: Annotated[list[Path], typer.Option(help="A key of the role down; repeat for a threshold.")],
    file: Annotated[
        Path | None, typer.Argument(help="JSON or TOML; - is standard input; rotate needs none.")
    ] = None,
    station: Annotated[list[str] | None, typer.Option(help="To this station; repeat.")] = None,
    all_stations: Annotated[bool, typer.Option("--all", help="To every station that is known.")] = False,
    for_: Annotated[str, typer.Option("--for", help="How long it may be obeyed: PT2H, P7D …")] = "P7D",
    id_: Annotated[
        str, typer.Option("--id", help="Our name for it: the same again is not issued twice.")
    ] = "",
    documents_key: Annotated[
        list[Path] | None, typer.Option(help="A key for documents, where the file is not signed yet; repeat.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Tell stations something: it is checked, signed, numbered, and sent by the running workers."""
    from agent.clock import SystemClock
    from sync.hq.publisher import Order, Publisher
    from sync.refusal import Refusal

    if what not in WORDS:
        help_ = f"{what}: one of {', '.join(WORDS)}; loans, freezes and tiers are `forecourt hq member`'s"
        fail(Exit.USAGE, "BAD_WORD", help_, json_output=json_output)
    if bool(station) == all_stations:
        fail(Exit.USAGE, "NO_STATION", "write --station NAME, or --all", json_output=json_output)
    clock = SystemClock()
    store = open_store(db)
    try:
        keys = down_keys(store, key, json_output=json_output)
        until_ms = clock.wall_ms() + hq_orders.duration_ms(for_)
        names = station or [line.station for line in store.stations()]
        content = _content(file, json_output=json_output)
        publisher = Publisher(store, keys, clock.wall_ms)
        if what in hq_orders.DOCUMENTS:
            signers = signing_keys(documents_key or [], json_output=json_output)
            signed = hq_orders.document_of(what, content, signers)
            order = Order("document", hq_orders.document_body(signed.document), until_ms, id_)
            issued, told = _document(store, publisher, names, signed, order), signed.members
        else:
            is_toml = file is not None and file.suffix == ".toml"
            body = hq_orders.body_of(what, content, is_toml=is_toml)
            issued = publisher.issue(names, Order(hq_orders.KIND_OF[what], body, until_ms, id_))
            told = hq_orders.members_of(what, body)
        if not isinstance(issued, Refusal):
            _keep_who_knows(store, names, told, clock.wall_ms())
    except BadOrder as bad:
        fail(Exit.REFUSED, bad.code, str(bad), json_output=json_output)
    finally:
        store.close()
    if isinstance(issued, Refusal):
        refused(issued, json_output=json_output)
    _tell(issued, json_output=json_output)


def _document(
    store: "HqStore", publisher: "Publisher", names: list[str], signed: hq_orders.SignedFile, order: "Order"
) -> "list[Issued] | Refusal":
    """Put its version on record, then issue it; rules are kept at the broker for all stations too."""
    from agent.clock import SystemClock
    from sync.hq import editions

    if signed.station and names != [signed.station]:
        raise BadOrder("OTHER_STATION", f"it is for {signed.station} alone: write --station {signed.station}")
    if signed.edition is not None:
        kept = signed.document if signed.programme else None
        with store.write() as tx:
            refusal = editions.publish(tx, signed.edition, kept, SystemClock().wall_ms(), signed.programme)
        if refusal:
            return refusal
    return publisher.issue(names, order)


def _keep_who_knows(store: "HqStore", stations: list[str], members: tuple[str, ...], at_ms: int) -> None:
    """What is decided about a member later goes to every station that was told of them."""
    if not members:
        return
    for station in stations:
        with store.write() as tx:
            tx.lock(station)
            tx.members.know(station, members, at_ms)


def _content(file: Path | None, *, json_output: bool) -> bytes:
    if file is None:
        return b""
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        fail(Exit.REFUSED, "FILE_UNREADABLE", f"{file}: {error.strerror}", json_output=json_output)


def _tell(issued: "list[Issued]", *, json_output: bool) -> None:
    if json_output:
        as_json(
            {
                "ok": True,
                "issued": [
                    {"station": one.station, "down_seq": one.down_seq, "id": one.id, "new": one.is_new}
                    for one in issued
                ],
            }
        )
        return
    rows = [
        (one.station, one.down_seq, one.id, "issued" if one.is_new else "was issued before") for one in issued
    ]
    table(("station", "number", "id", ""), rows)
