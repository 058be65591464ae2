"""`forecourt hq`: the reference headquarters end, for integrators, tests and the demo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail, pairs, span, table
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.points.rules import Bundle
    from sync.hq.report import Reconciliation
    from sync.hq.store import HqStore
    from sync.keys import SigningKey

app = typer.Typer(
    no_args_is_help=True, help="The reference headquarters: receives, recomputes, acknowledges."
)
station = typer.Typer(no_args_is_help=True, help="Which stations headquarters knows.")
app.add_typer(station, name="station")

DbOption = Annotated[
    str, typer.Option("--db", help="Database URL, e.g. sqlite:////var/lib/forecourt-hq/hq.db.")
]


@app.command()
def serve(
    db: DbOption,
    broker: Annotated[str, typer.Option(help="mqtts://host:8883, or mqtt:// on this machine.")],
    key: Annotated[Path, typer.Option(help="Headquarters' signing key; made if there is none.")],
    bundle: Annotated[
        list[Path] | None, typer.Option(help="A rule bundle (TOML) stations may use; repeat.")
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="CA of the broker.")] = None,
    cert: Annotated[Path | None, typer.Option(help="Our client certificate.")] = None,
    cert_key: Annotated[Path | None, typer.Option(help="Its private key.")] = None,
) -> None:
    """Receive what stations send, until SIGTERM. Start as many workers as wanted."""
    from agent.clock import SystemClock
    from agent.identity import jitter_source
    from agent.messages.judge import judge_with
    from sync.hq.receiver import Receiver
    from sync.hq.server import HqServer
    from sync.keys import PublicKey
    from sync.refusal import Refusal
    from sync.tls import TlsFiles, parse_broker

    address = parse_broker(broker)
    if isinstance(address, Refusal):
        fail(Exit.HQ, address.reason, f"{address.detail}; {address.remedy}")
    clock, rng = SystemClock(), jitter_source()
    bundles = {(parsed.bundle, parsed.version): parsed for parsed in map(_bundle, bundle or [])}
    store = _store(db, create=True)
    receiver = Receiver(
        store,
        judge_with(bundles),
        _signing_key(key).sign,
        lambda raw: PublicKey(raw).verify,
        clock.wall_ms,
    )
    server = HqServer(receiver, address, TlsFiles(ca, cert, cert_key), rng, clock.monotonic_ms, typer.echo)
    server.stop_on_signals()
    try:
        refused = server.serve()
    finally:
        store.close()
    if refused is not None:
        fail(Exit.HQ, refused.reason, f"{refused.detail}; {refused.remedy}")


@app.command()
def status(db: DbOption, json_output: JsonOption = False) -> None:
    """What headquarters holds: stations, watermarks, alarms."""
    from agent.clock import SystemClock

    store = _store(db)
    now = SystemClock().wall_ms()
    stations, standings, alarms = store.stations(), store.standings(), store.alarms()
    store.close()
    if json_output:
        as_json(
            {
                "ok": not alarms,
                "stations": [line.station for line in stations],
                "streams": [
                    {"station": s.station, "epoch": s.epoch, "stream": s.stream, "watermark": s.watermark}
                    | {"waiting": s.waiting, "age_ms": now - s.at_ms}
                    for s in standings
                ],
                "alarms": [
                    {"station": a.station, "code": a.code, "count": a.count, "detail": a.detail}
                    for a in alarms
                ],
            }
        )
        return
    rows = [(s.station, s.epoch, s.stream, s.watermark, s.waiting, span(now - s.at_ms)) for s in standings]
    typer.echo(f"{len(stations)} stations")
    table(("station", "epoch", "stream", "watermark", "ahead", "last"), rows)
    if alarms:
        table(
            ("station", "alarm", "times", "detail"), [(a.station, a.code, a.count, a.detail) for a in alarms]
        )


@app.command()
def reconcile(
    station_id: Annotated[str, typer.Argument(metavar="STATION")],
    db: DbOption,
    json_output: JsonOption = False,
) -> None:
    """Facts, awards and points headquarters holds of one station, to compare with the station's own."""
    store = _store(db)
    held = store.reconcile(station_id)
    store.close()
    if held is None:
        fail(
            Exit.HQ,
            "UNKNOWN_STATION",
            f"add it with `forecourt hq station add {station_id}`",
            json_output=json_output,
        )
    sums = reconciliation(held)
    as_json({"ok": sums["mismatches"] == 0, **sums}) if json_output else pairs(sums)
    if sums["mismatches"]:
        raise typer.Exit(Exit.REFUSED)


def reconciliation(held: "Reconciliation") -> dict[str, int]:
    """The figures that must equal the station's."""
    from sync.hq.judging import MISMATCH

    return {
        "facts": held.items("fuelling", "basket"),
        "gaps": held.items("gap"),
        "awards": held.items("award"),
        "claims": held.items("claim"),
        "refunds": held.items("refund"),
        "points_minor": held.minor("award", "refund"),
        "mismatches": held.verdicts(MISMATCH),
        "alarms": sum(alarm.count for alarm in held.alarms),
    }


@station.command("add")
def station_add(
    station_id: Annotated[str, typer.Argument(metavar="STATION")],
    key: Annotated[str, typer.Option(help="Its public key, as `forecourt keys show` prints it.")],
    db: DbOption,
) -> None:
    """Let headquarters know a station and its public key."""
    from agent.clock import SystemClock
    from sync.keys import PublicKey
    from sync.refusal import Refusal

    public_key = PublicKey.from_text(key)
    if isinstance(public_key, Refusal):
        fail(Exit.REFUSED, public_key.reason, f"{public_key.detail}; {public_key.remedy}")
    store = _store(db, create=True)
    added = store.add_station(station_id, public_key.raw, SystemClock().wall_ms())
    store.close()
    if not added:
        fail(Exit.REFUSED, "STATION_KNOWN", f"{station_id} is known already, with another key")
    typer.echo(f"{station_id} is known")


@station.command("list")
def station_list(db: DbOption, json_output: JsonOption = False) -> None:
    """The stations headquarters knows."""
    from sync.keys import PublicKey

    store = _store(db)
    known = {line.station: PublicKey(line.public_key).text for line in store.stations()}
    store.close()
    if json_output:
        as_json({"ok": True, "stations": known})
    else:
        table(("station", "public key"), list(known.items()))


def _store(db: str, *, create: bool = False) -> "HqStore":
    try:
        from sync.hq.store import HqStore
    except ModuleNotFoundError as error:
        fail(Exit.HQ, "EXTRA_MISSING", f"{error.name} is not installed: pip install 'forecourt-agent[hq]'")
    from sync.hq.store import HqStoreError

    try:
        return HqStore(db, create=create)
    except HqStoreError as error:
        fail(Exit.HQ, "HQ_DATABASE", str(error))


def _bundle(path: Path) -> "Bundle":
    from agent.points.rules import BundleRefused, parse_bundle

    try:
        parsed = parse_bundle(path.read_bytes())
    except OSError as error:
        fail(Exit.HQ, "BUNDLE_FILE", f"{path}: {error.strerror}")
    if isinstance(parsed, BundleRefused):
        fail(Exit.HQ, parsed.reason, f"{path}: {parsed.where}: {parsed.remedy}")
    return parsed


def _signing_key(path: Path) -> "SigningKey":
    from sync.keys import SigningKey, read_key, write_key
    from sync.refusal import Refusal

    if not path.exists():
        made = SigningKey.generate()
        write_key(path, made)
        typer.echo(f"made {path}; public key {made.public.text}")
    key = read_key(path)
    if isinstance(key, Refusal):
        fail(Exit.HQ, key.reason, f"{key.detail}; {key.remedy}")
    return key
