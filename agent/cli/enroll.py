"""`forecourt enroll`: the station's keys are made here, and only their public halves leave."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_of

if TYPE_CHECKING:
    from config.settings import Settings
    from sync.refusal import Refusal


def enroll(
    certificate: Annotated[
        Path | None, typer.Option(help="What headquarters answered: checked, and put into use.")
    ] = None,
    authority: Annotated[
        Path | None, typer.Option(help="The certificate must descend from one of these (PEM).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the request there and not to the screen.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: JsonOption = False,
) -> None:
    """Make this station's keys and the request for its certificate; then take the certificate in."""
    settings = settings_of(config, json_output=json_output)
    if settings.hq.cert_file is not None:
        text = f"{settings.hq.cert_file} is used; take hq.cert_file and hq.key_file out to use an own one"
        fail(Exit.REFUSED, "CERTIFICATE_CONFIGURED", text, json_output=json_output)
    try:
        if certificate is None:
            _ask(settings, out, json_output=json_output)
        else:
            _take(settings, certificate, authority, json_output=json_output)
    except OSError as error:
        text = f"{error.filename}: {error.strerror}; check owner and mode"
        fail(Exit.REFUSED, "FILE_UNREADABLE", text, json_output=json_output)


def _ask(settings: "Settings", out: Path | None, *, json_output: bool) -> None:
    """The same key as long as its certificate has not come, so asking twice does no harm."""
    from agent.app.certificate_files import CertificateFiles
    from agent.clock import SystemClock
    from sync.certificates import make_request
    from sync.refusal import Refusal

    settings.station.state_dir.mkdir(parents=True, exist_ok=True)
    public_key = _public_key(settings, json_output=json_output)
    key = CertificateFiles(settings.station.state_dir).key_to_ask_for(SystemClock().wall_ms())
    _give_to_service(settings.station.state_dir)
    request = make_request(key, settings.station.id)
    if isinstance(request, Refusal):
        _fail(request, json_output=json_output)
    text = request.decode("ascii")
    if out is not None:
        out.write_text(text)
    if json_output:
        as_json({"ok": True, "station": settings.station.id, "public_key": public_key, "request": text})
        return
    typer.echo(f"station     {settings.station.id}\npublic key  {public_key}")
    typer.echo(text if out is None else f"request     {out}", nl=out is not None)


def _public_key(settings: "Settings", *, json_output: bool) -> str:
    from agent.app import STATION_KEY, station_key
    from sync.keys import SigningKey, write_key
    from sync.refusal import Refusal

    path = settings.station.state_dir / STATION_KEY
    if settings.station_key is None and not path.exists():
        write_key(path, SigningKey.generate())
    key = station_key(settings)
    if isinstance(key, Refusal):
        _fail(key, json_output=json_output)
    return key.public.text


def _take(settings: "Settings", certificate: Path, authority: Path | None, *, json_output: bool) -> None:
    from agent.app.certificate_files import CertificateFiles
    from agent.clock import ClockQuality, SystemClock
    from sync.certificates import check_identity, descends_from, moment
    from sync.refusal import Refusal

    clock = SystemClock()
    files = CertificateFiles(settings.station.state_dir)
    chain, key = certificate.read_bytes(), files.pending_key()
    if key is None:
        asked = Refusal(
            "CERTIFICATE_NOT_ASKED", "no request of this station is open", "run `forecourt enroll`"
        )
        _fail(asked, json_output=json_output)
    is_sure = clock.quality(0) is ClockQuality.SYNCED
    found = check_identity(chain, key, settings.station.id, clock.wall_ms(), clock_is_sure=is_sure)
    if isinstance(found, Refusal):
        _fail(found, json_output=json_output)
    if authority is not None and not descends_from(chain, authority.read_bytes()):
        other = Refusal("CERTIFICATE_UNTRUSTED", f"it does not descend from {authority}", "ask who signed it")
        _fail(other, json_output=json_output)
    files.put_on_trial(chain, clock.wall_ms())
    _give_to_service(settings.station.state_dir)
    if json_output:
        as_json({"ok": True, "station": found.station, "ends_ms": found.ends_ms})
    else:
        typer.echo(f"{found.station} may connect until {moment(found.ends_ms):%Y-%m-%d}")


def _give_to_service(state_dir: Path) -> None:
    """With sudo: what was made belongs to whom the folder belongs to, else the service could not read it."""
    if os.geteuid() != 0:
        return
    owner = state_dir.stat()
    for path in (*state_dir.glob("tls.*"), *state_dir.glob("station.key")):
        os.chown(path, owner.st_uid, owner.st_gid)


def _fail(refusal: "Refusal", *, json_output: bool) -> NoReturn:
    fail(Exit.REFUSED, refusal.reason, f"{refusal.detail}; {refusal.remedy}", json_output=json_output)
