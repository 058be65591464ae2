"""`forecourt hq export`: hand what headquarters has booked to another system, each row at least once."""

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.hq_database import DbOption, open_store, refused
from agent.cli.render import fail

if TYPE_CHECKING:
    from sync.hq.export import Exporter, Sink

_LOOK_EVERY_S = 1


def export(
    db: DbOption,
    consumer: Annotated[str, typer.Option("--as", help="Who fetches: each has cursors of its own.")],
    follow: Annotated[
        bool, typer.Option(help="Go on with what is booked from now on, until SIGTERM.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option(help="Append to this file, on disk before the cursor moves.")
    ] = None,
    webhook: Annotated[str, typer.Option(help="POST to this https:// address.")] = "",
    webhook_key: Annotated[
        Path | None, typer.Option(help="File with the shared key that signs every POST (HMAC-SHA256).")
    ] = None,
) -> None:
    """Lines of JSON, in order per station, epoch and stream; the next run goes on where this one ended."""
    from sync.hq.export import Exporter, FileSink, StreamSink

    if to is not None and webhook:
        fail(Exit.USAGE, "ONE_TARGET", "write --to or --webhook, not both")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    store = open_store(db)
    try:
        sink: Sink = StreamSink(sys.stdout)
        if webhook:
            sink = _webhook(webhook, webhook_key, stopped)
        elif to is not None:
            sink = FileSink(to)
        _run(Exporter(store, consumer, sink, stopped.is_set), stopped, follow=follow)
    except OSError as error:
        fail(Exit.REFUSED, "EXPORT_FILE", f"{to}: {error.strerror}")
    finally:
        store.close()


def _run(exporter: "Exporter", stopped: threading.Event, *, follow: bool) -> None:
    from sync.refusal import Refusal

    rows = 0
    while True:
        handed = exporter.run()
        if isinstance(handed, Refusal):
            refused(handed, Exit.HQ)
        rows += handed
        if not follow or stopped.wait(_LOOK_EVERY_S):
            break
    typer.echo(f"{rows} rows", err=True)


def _webhook(url: str, key: Path | None, stopped: threading.Event) -> "Sink":
    from agent.identity import jitter_source
    from sync.hq.webhook import LEAST_KEY_BYTES, Webhook, parse_target
    from sync.refusal import Refusal

    target = parse_target(url)
    if isinstance(target, Refusal):
        refused(target, Exit.USAGE)
    if key is None:
        fail(Exit.USAGE, "WEBHOOK_KEY", "name the file of the shared key: --webhook-key FILE")
    try:
        secret = key.read_bytes().strip()
    except OSError as error:
        fail(Exit.REFUSED, "WEBHOOK_KEY", f"{key}: {error.strerror}")
    if len(secret) < LEAST_KEY_BYTES:
        fail(Exit.REFUSED, "WEBHOOK_KEY", f"{key}: fewer than {LEAST_KEY_BYTES} bytes can be guessed")

    def say(text: str) -> None:
        typer.echo(f"not taken, trying again: {text}", err=True)

    def sleep(seconds: float) -> None:
        stopped.wait(seconds)

    return Webhook(target, secret, jitter_source(), sleep, stopped.is_set, say)
