"""`forecourt hq`: the reference headquarters end, for integrators, tests and the demo."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import hq_ca, hq_export, hq_keys, hq_members, hq_publish, hq_stations
from agent.cli.exits import Exit
from agent.cli.hq_database import DbOption, down_keys, open_store, refused
from agent.cli.render import as_json, fail, pairs, span, table
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.points.rules import Bundle
    from sync.hq.certifying import Certifier
    from sync.hq.metrics import HqMetrics
    from sync.hq.receiver import Receiver
    from sync.hq.report import Reconciliation
    from sync.hq.store import HqStore
    from sync.keys import SigningKey

app = typer.Typer(
    no_args_is_help=True, help="The reference headquarters: receives, recomputes, acknowledges."
)
station = typer.Typer(no_args_is_help=True, help="Which stations headquarters knows.")
app.add_typer(station, name="station")
app.add_typer(hq_ca.app, name="ca")
app.add_typer(hq_keys.app, name="keys")
app.add_typer(hq_members.app, name="member")
app.command("publish")(hq_publish.publish)
app.command("export")(hq_export.export)
app.command("stations")(hq_stations.stations)
app.command("lag")(hq_stations.lag)


@app.command()
def serve(
    db: DbOption,
    broker: Annotated[str, typer.Option(help="mqtts://host:8883, or mqtt:// on this machine.")],
    key: Annotated[Path, typer.Option(help="Headquarters' signing key; made if there is none.")],
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="A rule bundle (TOML) stations may use beside those that are published; repeat."),
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="CA of the broker.")] = None,
    cert: Annotated[Path | None, typer.Option(help="Our client certificate.")] = None,
    cert_key: Annotated[Path | None, typer.Option(help="Its private key.")] = None,
    down_key: Annotated[
        list[Path] | None, typer.Option(help="A key of the role down, to answer with items; repeat.")
    ] = None,
    ca_folder: Annotated[
        Path | None, typer.Option(help="Our authority, to answer stations that ask for a certificate.")
    ] = None,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Figures for Prometheus on 127.0.0.1; 0 for none.")
    ] = 0,
) -> None:
    """Receive what stations send, until SIGTERM. Start as many workers as wanted."""
    from agent.cli.hq_rules import PublishedRules
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
        refused(address, Exit.HQ)
    clock, rng = SystemClock(), jitter_source()
    given = {(parsed.bundle, parsed.version): parsed for parsed in map(_bundle, bundle or [])}
    store = open_store(db, create=True)
    rules = PublishedRules(given, store.published_rules, clock.monotonic_ms)
    receiver = Receiver(
        store,
        judge_with(rules),
        _signing_key(key).sign,
        lambda raw: PublicKey(raw).verify,
        clock.wall_ms,
        _certifier(store, ca_folder, down_key or [], clock.wall_ms),
    )
    metrics = _metrics(store, receiver) if metrics_port else None
    observe = metrics.observe if metrics else _ignore
    files = TlsFiles(ca, cert, cert_key)
    server = HqServer(receiver, address, files, rng, clock.monotonic_ms, typer.echo, observe)
    server.stop_on_signals()
    end_metrics = _listen(metrics, metrics_port) if metrics else None
    try:
        refusal = server.serve()
    finally:
        if end_metrics:
            end_metrics()
        store.close()
    if refusal is not None:
        refused(refusal, Exit.HQ)


@app.command()
def status(db: DbOption, json_output: JsonOption = False) -> None:
    """What headquarters holds: stations, watermarks, alarms, and what is on its way to stations."""
    from agent.clock import SystemClock
    from sync.hq.view import lags, stations_online

    store = open_store(db)
    now = SystemClock().wall_ms()
    stations, standings, alarms = store.stations(), store.standings(), store.alarms()
    behind = [lag for lag in lags(store, now) if lag.waiting]
    store.close()
    online = stations_online(stations)
    on_their_way = sum(lag.waiting for lag in behind)
    stale = [lag.station for lag in behind if lag.is_stale]
    if json_output:
        as_json(
            {
                "ok": not alarms,
                "stations": [line.station for line in stations],
                "online": online,
                "down": {"waiting": on_their_way, "stale": stale},
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
    typer.echo(f"{len(stations)} stations, {online} online; {on_their_way} items on their way to them")
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
    store = open_store(db)
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
    is_sound = sums["mismatches"] == sums["imbalances"] == 0
    as_json({"ok": is_sound, **sums}) if json_output else pairs(sums)
    if not is_sound:
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
        "imbalances": held.imbalances,
        "alarms": sum(alarm.count for alarm in held.alarms),
    }


@station.command("add")
def station_add(
    station_id: Annotated[str, typer.Argument(metavar="STATION")],
    key: Annotated[str, typer.Option(help="Its public key, as `forecourt keys show` prints it.")],
    db: DbOption,
    replace: Annotated[
        bool, typer.Option(help="In the place of the key that is known: the station has this one now.")
    ] = False,
) -> None:
    """Let headquarters know a station and its public key."""
    from agent.clock import SystemClock
    from sync.keys import PublicKey
    from sync.refusal import Refusal

    public_key = PublicKey.from_text(key)
    if isinstance(public_key, Refusal):
        fail(Exit.REFUSED, public_key.reason, f"{public_key.detail}; {public_key.remedy}")
    store = open_store(db, create=True)
    added = replace and store.replace_key(station_id, public_key.raw)
    added = added or store.add_station(station_id, public_key.raw, SystemClock().wall_ms())
    store.close()
    if not added:
        fail(Exit.REFUSED, "STATION_KNOWN", f"{station_id} is known already, with another key; see --replace")
    typer.echo(f"{station_id} is known")


@station.command("list")
def station_list(db: DbOption, json_output: JsonOption = False) -> None:
    """The stations headquarters knows."""
    from sync.keys import PublicKey

    store = open_store(db)
    known = {line.station: PublicKey(line.public_key).text for line in store.stations()}
    store.close()
    if json_output:
        as_json({"ok": True, "stations": known})
    else:
        table(("station", "public key"), list(known.items()))


def _certifier(
    store: "HqStore", folder: Path | None, paths: list[Path], wall_ms: Callable[[], int]
) -> "Certifier | None":
    """Who answers questions for a certificate; nobody without an authority."""
    from sync.authority_folder import AuthorityFolder
    from sync.hq.certifying import Certifier
    from sync.hq.publisher import Publisher
    from sync.refusal import Refusal

    if folder is None:
        return None
    if not paths:
        fail(Exit.USAGE, "KEYS_MISSING", "--ca-folder needs --down-key: the answer is a signed item")
    authority = AuthorityFolder.open(folder)
    if isinstance(authority, Refusal):
        refused(authority, Exit.HQ)
    return Certifier(authority, Publisher(store, down_keys(store, paths), wall_ms), wall_ms)


def _metrics(store: "HqStore", receiver: "Receiver") -> "HqMetrics":
    try:
        from sync.hq.metrics import HqMetrics
    except ModuleNotFoundError as error:
        fail(Exit.HQ, "EXTRA_MISSING", f"{error.name} is not installed: pip install 'forecourt-agent[hq]'")
    return HqMetrics(store, receiver.counters)


def _listen(metrics: "HqMetrics", port: int) -> Callable[[], None]:
    try:
        return metrics.serve(port)
    except OSError as error:
        fail(Exit.HQ, "METRICS_PORT", f"127.0.0.1:{port}: {error.strerror}")


def _ignore(took_ms: int) -> None:
    """Nobody wants to know how long a message took."""


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
