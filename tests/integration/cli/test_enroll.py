"""Integration: does a station get its certificate by the commands alone, and nothing that does not fit?

The last test walks the whole way: authority, broker, station and headquarters by `forecourt` only, then a
connection to a real broker with the files that came out.
"""

import json
import os
import stat
from pathlib import Path

import pytest

from sync.broker import start_guarded_broker
from sync.certificates import Identity, read_identity
from sync.mqtt import Link, Opened
from sync.refusal import Refusal
from sync.tls import TlsFiles, client_context
from tests.integration.cli.small_station import forecourt
from tests.integration.sync.guarded import HOST, next_of
from tests.integration.sync.stage import address_of
from tests.unit.config.samples import STATION_TOML, station_file

STATION = "station-0042"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    text = STATION_TOML.replace(
        'timezone = "Asia/Shanghai"', f'timezone = "Asia/Shanghai"\nstate_dir = "{state}"'
    )
    return station_file(tmp_path, text)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """An authority and headquarters' database that knows the station."""
    folder = tmp_path / "ca"
    assert forecourt("hq", "ca", "init", "--folder", str(folder)).returncode == 0
    return folder


def _db(config: Path) -> str:
    return f"sqlite:///{config.parent}/hq.db"


def _enroll(config: Path, *options: str) -> tuple[int, dict[str, str]]:
    shown = forecourt("enroll", "--json", "--config", str(config), *options)
    return shown.returncode, json.loads(shown.stdout.splitlines()[0])


def _sign(config: Path, chain: Path, request: Path, *options: str) -> tuple[int, Path]:
    out = config.parent / "answer.pem"
    shown = forecourt(
        "hq",
        "ca",
        "sign",
        str(request),
        "--folder",
        str(chain),
        "--db",
        _db(config),
        "--out",
        str(out),
        *options,
    )
    return shown.returncode, out


def _asked(config: Path) -> Path:
    request = config.parent / "request.pem"
    code, told = _enroll(config, "--out", str(request))
    assert code == 0
    added = forecourt("hq", "station", "add", STATION, "--key", told["public_key"], "--db", _db(config))
    assert added.returncode == 0
    return request


def test_the_keys_are_made_here_and_only_public_halves_are_said(config: Path) -> None:
    code, told = _enroll(config)
    assert code == 0
    assert told["station"] == STATION
    assert told["request"].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    state = config.parent / "state"
    assert {path.name for path in state.iterdir()} == {"station.key", "tls.next.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}
    key = (state / "tls.next.key").read_text()
    assert "PRIVATE KEY" in key
    assert "PRIVATE KEY" not in told["request"]
    again = _enroll(config)[1]
    assert again["public_key"] == told["public_key"]
    assert (state / "tls.next.key").read_text() == key, "asking twice is asking once"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_with_sudo_the_files_belong_to_the_service(config: Path, chain: Path) -> None:
    state = config.parent / "state"
    state.mkdir()
    os.chown(state, 12_345, 12_345)
    _, out = _sign(config, chain, _asked(config))
    assert _enroll(config, "--certificate", str(out))[0] == 0
    assert {path.name: path.stat().st_uid for path in state.iterdir()} == {
        "station.key": 12_345,
        "tls.next.pem": 12_345,
    }


def test_people_can_copy_the_request_from_the_screen(config: Path) -> None:
    shown = forecourt("enroll", "--config", str(config))
    assert shown.returncode == 0
    first, second, *request = shown.stdout.splitlines()
    assert first.split() == ["station", STATION]
    assert second.startswith("public key  ")
    assert request[0] == "-----BEGIN CERTIFICATE REQUEST-----"
    assert request[-1] == "-----END CERTIFICATE REQUEST-----"


def test_an_unknown_station_is_not_signed(config: Path, chain: Path) -> None:
    request = _asked(config)
    request.with_name("hq.db").unlink()
    other = forecourt("hq", "station", "add", "station-0043", "--key", "A" * 43, "--db", _db(config))
    assert other.returncode == 0
    code, out = _sign(config, chain, request)
    assert code == 1
    assert not out.exists()


def test_only_the_answer_to_our_own_request_is_taken(config: Path, chain: Path, tmp_path: Path) -> None:
    code, told = _enroll(config, "--certificate", str(chain / "ca.pem"))
    assert (code, told["reason"]) == (1, "CERTIFICATE_NOT_ASKED")
    _, out = _sign(config, chain, _asked(config))
    code, told = _enroll(config, "--certificate", str(chain / "ca.pem"))
    assert (code, told["reason"]) == (1, "CERTIFICATE_OTHER_STATION")
    (config.parent / "state" / "tls.next.key").unlink()
    _enroll(config)
    code, told = _enroll(config, "--certificate", str(out))
    assert (code, told["reason"]) == (1, "KEY_MISMATCH")
    assert not (config.parent / "state" / "tls.next.pem").exists()


def test_an_answer_of_another_authority_is_refused_where_one_is_named(
    config: Path, chain: Path, tmp_path: Path
) -> None:
    assert forecourt("hq", "ca", "init", "--folder", str(tmp_path / "other")).returncode == 0
    _, out = _sign(config, chain, _asked(config))
    other = str(tmp_path / "other" / "ca.pem")
    code, told = _enroll(config, "--certificate", str(out), "--authority", other)
    assert (code, told["reason"]) == (1, "CERTIFICATE_UNTRUSTED")
    code, _ = _enroll(config, "--certificate", str(out), "--authority", str(chain / "ca.pem"))
    assert code == 0


def test_a_configured_certificate_is_left_alone(config: Path) -> None:
    text = config.read_text().replace("[hq]", f'[hq]\ncert_file = "{config}"\nkey_file = "{config}"')
    code, told = _enroll(station_file(config.parent, text))
    assert (code, told["reason"]) == (1, "CERTIFICATE_CONFIGURED")
    assert not (config.parent / "state").exists()


def test_an_authority_is_never_replaced_and_signs_only_where_there_is_one(config: Path, chain: Path) -> None:
    key = (chain / "ca.key").read_bytes()
    again = forecourt("hq", "ca", "init", "--folder", str(chain))
    assert (again.returncode, (chain / "ca.key").read_bytes()) == (1, key)
    assert stat.S_IMODE((chain / "ca.key").stat().st_mode) == 0o600
    assert forecourt("hq", "ca", "broker", HOST, "--folder", str(config.parent / "none")).returncode == 1
    assert forecourt("hq", "ca", "revoke", "station-9999", "--folder", str(chain)).returncode == 1


def test_from_nothing_to_a_connection_and_back(config: Path, chain: Path) -> None:
    assert forecourt("hq", "ca", "broker", HOST, "--folder", str(chain)).returncode == 0
    assert forecourt("hq", "ca", "headquarters", "--folder", str(chain)).returncode == 0
    code, out = _sign(config, chain, _asked(config), "--days", "90")
    assert code == 0
    code, _ = _enroll(config, "--certificate", str(out))
    assert code == 0
    own = config.parent / "state" / "tls.next.pem"
    identity = read_identity(own.read_bytes())
    assert isinstance(identity, Identity)
    assert identity.station == STATION
    with start_guarded_broker(chain) as broker:
        for files in (
            TlsFiles(chain / "ca.pem", own),
            TlsFiles(chain / "ca.pem", chain / "hq.pem", chain / "hq.key"),
        ):
            assert _opens(broker.url, files)
        assert forecourt("hq", "ca", "revoke", STATION, "--folder", str(chain)).returncode == 0
        broker.restart()
        assert not _opens(broker.url, TlsFiles(chain / "ca.pem", own))


def _opens(url: str, files: TlsFiles) -> bool:
    context = client_context(files)
    assert not isinstance(context, Refusal)
    link = Link(address_of(url), context, "one", 10)
    link.open()
    try:
        return isinstance(next_of(link), Opened)
    finally:
        link.close(with_will=False)
