"""Unit: is every kind of bad settings one clear line with source, key, reason and remedy?"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from config.load import load_settings
from config.refusal import ConfigRefused, Problem
from tests.unit.config.samples import KEY_HEX, SECOND_LINE, STATION_TOML, station_file


def _only_problem(path: Path, secrets_needed: bool = False) -> Problem:
    refused = load_settings(path, secrets_needed=secrets_needed)
    assert isinstance(refused, ConfigRefused)
    assert len(refused.lines) == 1, refused.lines
    assert "\n" not in refused.lines[0]
    problem = refused.problems[0]
    assert problem.reason
    assert problem.remedy
    assert re.fullmatch(r"[A-Z_]+", problem.code)
    assert refused.lines[0].startswith(problem.source)
    return problem


def _in(old: str, new: str) -> Callable[[], str]:
    assert old in STATION_TOML
    return lambda: STATION_TOML.replace(old, new, 1)


def _after(header: str, line: str) -> Callable[[], str]:
    return _in(header + "\n", f"{header}\n{line}\n")


def _before(line: str) -> Callable[[], str]:
    return lambda: f"{line}\n{STATION_TOML}"


def _plus(text: str) -> Callable[[], str]:
    return lambda: STATION_TOML + text


def _tapped(port: str, tap: str) -> Callable[[], str]:
    return _in('"/dev/ttyS1"', f'"{port}"\ntap = "{tap}"')


KEY = "replace-me-with-the-public-key-of-HQ-------"
BROKER = '"mqtts://mqtt.example.org:8883"'

BAD_FILES: list[tuple[str, Callable[[], str], str, str]] = [
    ("unknown key at the top", _before('langage = "zh"'), "KEY_UNKNOWN", "langage"),
    ("unknown key in a table", _after("[hq]", "keepalive = 3"), "KEY_UNKNOWN", "hq.keepalive"),
    ("unknown key in a list", _after("[[line]]", "speed = 9600"), "KEY_UNKNOWN", "line.1.speed"),
    ("unknown table", _plus("[cloud]\nurl = 1\n"), "KEY_UNKNOWN", "cloud"),
    ("missing key", _in('id = "station-0042"\n', ""), "KEY_MISSING", "station.id"),
    ("missing key in a list", _in('address = "1"\n', ""), "KEY_MISSING", "line.1.device.1.address"),
    ("text for a number", _after("[hq]", 'window = "20"'), "TYPE_WRONG", "hq.window"),
    ("fraction for a number", _after("[hq]", "window = 20.0"), "TYPE_WRONG", "hq.window"),
    ("truth for a number", _after("[hq]", "window = true"), "TYPE_WRONG", "hq.window"),
    ("number for a text", _in('nozzle = "1"', "nozzle = 1"), "TYPE_WRONG", "point.1.nozzle.1.nozzle"),
    ("number for a truth", _after("[[line]]", "pty = 1"), "TYPE_WRONG", "line.1.pty"),
    ("date for a text", _in('"station-0042"', "2026-01-01"), "TYPE_WRONG", "station.id"),
    ("table for a list", _in("[[point]]\n", "[point]\n"), "TYPE_WRONG", "point"),
    ("text for a list", _in(f"[{BROKER}]", BROKER), "TYPE_WRONG", "hq.brokers"),
    ("text for a table", _before('store = "big"'), "TYPE_WRONG", "store"),
    ("no broker", _in(f"[{BROKER}]", "[]"), "VALUE_WRONG", "hq.brokers"),
    ("not a choice", _before('language = "fr"'), "VALUE_WRONG", "language"),
    ("too small", _after("[hq]", "window = 0"), "VALUE_WRONG", "hq.window"),
    ("too big", _after("[hq]", "window = 1001"), "VALUE_WRONG", "hq.window"),
    ("id with a topic level", _in('"station-0042"', '"cn/42"'), "VALUE_WRONG", "station.id"),
    ("id with a dot", _in('"station-0042"', '"station.42"'), "VALUE_WRONG", "station.id"),
    ("id too long for a topic", _in('"station-0042"', f'"{"s" * 33}"'), "VALUE_WRONG", "station.id"),
    ("id of all stations", _in('"station-0042"', '"all"'), "VALUE_WRONG", "station.id"),
    ("time zone nobody knows", _in("Asia/Shanghai", "Asia/Atlantis"), "VALUE_WRONG", "station.timezone"),
    ("time zone outside", _in("Asia/Shanghai", "../../etc/passwd"), "VALUE_WRONG", "station.timezone"),
    ("folder of time zones", _in("Asia/Shanghai", "Asia"), "VALUE_WRONG", "station.timezone"),
    ("relative path", _after("[station]", 'state_dir = "var"'), "VALUE_WRONG", "station.state_dir"),
    (
        "socket path too long",
        _after("[station]", f'control_socket = "/{"s" * 107}"'),
        "VALUE_WRONG",
        "station.control_socket",
    ),
    ("broker without port", _in(":8883", ""), "VALUE_WRONG", "hq.brokers.1"),
    ("broker of another protocol", _in("mqtts:", "https:"), "VALUE_WRONG", "hq.brokers.1"),
    ("broker port too big", _in(":8883", ":88830"), "VALUE_WRONG", "hq.brokers.1"),
    ("password in a broker", _in("mqtts://", "mqtts://user:secret@"), "VALUE_WRONG", "hq.brokers.1"),
    ("key too short", _in(KEY, KEY[:-1]), "VALUE_WRONG", "hq.public_keys.hq-1"),
    ("name of a key", _in("hq-1 =", '"hq 1" ='), "VALUE_WRONG", "hq.public_keys.hq 1"),
    ("port without folder", _in("/dev/ttyS1", "ttyS1"), "VALUE_WRONG", "line.1.port"),
    ("network port without port", _in("/dev/ttyS1", "socket://h"), "VALUE_WRONG", "line.1.port"),
    ("road to nobody", _in("/dev/ttyS1", "ifsf://192.168.1.5:3500"), "VALUE_WRONG", "line.1.port"),
    ("road without port", _in("/dev/ttyS1", "ifsf://192.168.1.5?device=1"), "VALUE_WRONG", "line.1.port"),
    ("road by name", _in("/dev/ttyS1", "ifsf://station:3500?device=1"), "VALUE_WRONG", "line.1.port"),
    ("road from anywhere", _in("/dev/ttyS1", "ifsf://0.0.0.0:3500?device=1"), "VALUE_WRONG", "line.1.port"),
    (
        "road with a folder",
        _in("/dev/ttyS1", "ifsf://192.168.1.5:3500/?device=1"),
        "VALUE_WRONG",
        "line.1.port",
    ),
    (
        "road with a strange word",
        _in("/dev/ttyS1", "ifsf://192.168.1.5:3500?device=1&lna=1"),
        "VALUE_WRONG",
        "line.1.port",
    ),
    (
        "road with two devices",
        _in("/dev/ttyS1", "ifsf://192.168.1.5:3500?device=1&device=2"),
        "VALUE_WRONG",
        "line.1.port",
    ),
    ("empty text", _in('product = "92"', 'product = " "'), "VALUE_WRONG", "point.1.nozzle.1.product"),
    ("plain text to another machine", _in("mqtts:", "mqtt:"), "COMBINATION_IMPOSSIBLE", "hq.brokers.1"),
    (
        "plain text to a name",
        _in("mqtts://mqtt", "mqtt://localhost"),
        "COMBINATION_IMPOSSIBLE",
        "hq.brokers.1",
    ),
    (
        "secret in the file",
        _before(f'credential_key_k1 = "{KEY_HEX}"'),
        "SECRET_IN_FILE",
        "credential_key_k1",
    ),
    ("same broker", _in(BROKER, f"{BROKER}, {BROKER}"), "COMBINATION_IMPOSSIBLE", "hq.brokers.2"),
    ("more signatures than keys", _after("[hq]", "threshold = 2"), "COMBINATION_IMPOSSIBLE", "hq.threshold"),
    (
        "one key under two names",
        _in(f'hq-1 = "{KEY}" }}', f'hq-1 = "{KEY}", hq-2 = "{KEY}" }}\nthreshold = 2'),
        "COMBINATION_IMPOSSIBLE",
        "hq.threshold",
    ),
    (
        "certificate alone",
        _after("[hq]", 'cert_file = "/dev/null"'),
        "COMBINATION_IMPOSSIBLE",
        "hq.cert_file",
    ),
    ("key alone", _after("[hq]", 'key_file = "/dev/null"'), "COMBINATION_IMPOSSIBLE", "hq.key_file"),
    (
        "CA without TLS",
        _in(f"[{BROKER}]", '["mqtt://localhost:1883"]\nca_file = "/dev/null"'),
        "COMBINATION_IMPOSSIBLE",
        "hq.ca_file",
    ),
    ("CA that is not there", _after("[hq]", 'ca_file = "/nowhere/ca.pem"'), "FILE_MISSING", "hq.ca_file"),
    (
        "same line name",
        _plus(SECOND_LINE.replace("island-2", "island-1")),
        "COMBINATION_IMPOSSIBLE",
        "line.2.name",
    ),
    ("region with a space", _after("[station]", 'region = "53 01"'), "VALUE_WRONG", "station.region"),
    (
        "tender longer than the link's field",
        _plus(f'[binding]\ntest_tenders = ["{"t" * 21}"]\n'),
        "VALUE_WRONG",
        "binding.test_tenders.1",
    ),
    ("no fill at all", _plus("[binding]\nlargest_fill_l = 0\n"), "VALUE_WRONG", "binding.largest_fill_l"),
    ("no fill a day", _plus("[binding]\nfills_a_day = 0\n"), "VALUE_WRONG", "binding.fills_a_day"),
    (
        "one tender for both kinds of draw",
        _plus('[binding]\nreturn_tenders = ["tank", "test"]\n'),
        "COMBINATION_IMPOSSIBLE",
        "binding.return_tenders.2",
    ),
    ("same port", _plus(SECOND_LINE.replace("ttyS2", "ttyS1")), "COMBINATION_IMPOSSIBLE", "line.2.port"),
    (
        "same device key on two lines",
        _plus(SECOND_LINE.replace("dispenser-2", "dispenser-1")),
        "COMBINATION_IMPOSSIBLE",
        "line.2.device.1.key",
    ),
    (
        "same address on one line",
        _plus(SECOND_LINE + '[[line.device]]\nkey = "dispenser-3"\naddress = "1"\n'),
        "COMBINATION_IMPOSSIBLE",
        "line.2.device.2.address",
    ),
    (
        "pseudo-terminal on a network port",
        _in('"/dev/ttyS1"', '"socket://10.0.0.7:502"\npty = true'),
        "COMBINATION_IMPOSSIBLE",
        "line.1.pty",
    ),
    (
        "a second line where a line between POS and printer is",
        lambda: _in('"/dev/ttyS1"', '"/dev/ttyS1 -> /dev/ttyS2"')() + SECOND_LINE,
        "COMBINATION_IMPOSSIBLE",
        "line.2.port",
    ),
    ("tap on its own port", _tapped("/dev/ttyS1", "/dev/ttyS1"), "COMBINATION_IMPOSSIBLE", "line.1.tap"),
    (
        "tap on another line's port",
        lambda: _tapped("/dev/ttyS1", "/dev/ttyS2")() + SECOND_LINE,
        "COMBINATION_IMPOSSIBLE",
        "line.2.port",
    ),
    (
        "tap on another line's tap",
        lambda: (
            _tapped("/dev/ttyS1", "/dev/ttyS3")()
            + SECOND_LINE.replace('ttyS2"', 'ttyS2"\ntap = "/dev/ttyS3"')
        ),
        "COMBINATION_IMPOSSIBLE",
        "line.2.tap",
    ),
    (
        "tap beside datagrams",
        _tapped("udp://230.0.0.1:14001", "/dev/ttyS2"),
        "COMBINATION_IMPOSSIBLE",
        "line.1.tap",
    ),
    (
        "tap that is datagrams",
        _tapped("/dev/ttyS1", "udp://230.0.0.1:14001"),
        "COMBINATION_IMPOSSIBLE",
        "line.1.tap",
    ),
    (
        "tap beside a line between POS and printer",
        _tapped("/dev/ttyS1 -> /dev/ttyS2", "/dev/ttyS3"),
        "COMBINATION_IMPOSSIBLE",
        "line.1.tap",
    ),
    (
        "nozzle of no device",
        _in('device = "dispenser-1"', 'device = "dispenser-9"'),
        "COMBINATION_IMPOSSIBLE",
        "point.1.nozzle.1.device",
    ),
    (
        "two points with one nozzle",
        _plus(STATION_TOML[STATION_TOML.index("[[point]]") :].replace('id = "1"', 'id = "2"')),
        "COMBINATION_IMPOSSIBLE",
        "point.2.nozzle.1",
    ),
    (
        "two points with one id",
        _plus(STATION_TOML[STATION_TOML.index("[[point]]") :].replace('nozzle = "1"', 'nozzle = "2"')),
        "COMBINATION_IMPOSSIBLE",
        "point.2.id",
    ),
    ("not TOML", _plus("this is not TOML\n"), "FILE_NOT_TOML", ""),
    ("key twice", _after("[hq]", "window = 1\nwindow = 2"), "FILE_NOT_TOML", ""),
]


@pytest.mark.parametrize(
    ("text", "code", "key"), [bad[1:] for bad in BAD_FILES], ids=[bad[0] for bad in BAD_FILES]
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: Callable[[], str], code: str, key: str) -> None:
    path = station_file(tmp_path, text())
    problem = _only_problem(path)
    assert (problem.code, problem.key, problem.source) == (code, key, str(path))
    assert KEY_HEX not in str(problem)
    assert "secret@" not in str(problem)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = STATION_TOML.replace("[hq]", '[hq]\nwindow = "x"\nkeepalive = 1').replace("Asia/", "Azia/")
    refused = load_settings(station_file(tmp_path, text))
    assert isinstance(refused, ConfigRefused)
    assert {p.key for p in refused.problems} == {"hq.window", "hq.keepalive", "station.timezone"}


def test_a_slip_of_the_pen_is_recognised(tmp_path: Path) -> None:
    path = station_file(tmp_path, STATION_TOML.replace("[hq]", "[hq]\nkeepalive = 3"))
    assert _only_problem(path).remedy == "did you mean `keepalive_s`?"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert _only_problem(tmp_path / "nowhere.toml").code == "FILE_MISSING"
    assert _only_problem(tmp_path).code == "FILE_UNREADABLE"
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9\n")
    assert _only_problem(latin).code == "FILE_NOT_TOML"


@pytest.mark.parametrize(
    ("name", "value", "code", "source"),
    [
        ("FORECOURT_LANGAUGE", "en", "KEY_UNKNOWN", "variable FORECOURT_LANGAUGE"),
        ("FORECOURT_HQ__WINDOWS", "2", "KEY_UNKNOWN", "variable FORECOURT_HQ__WINDOWS"),
        ("FORECOURT_", "2", "KEY_UNKNOWN", "variable FORECOURT_"),
        ("FORECOURT_HQ__WINDOW", "many", "TYPE_WRONG", "variable FORECOURT_HQ__WINDOW"),
        ("FORECOURT_HQ__WINDOW", "", "TYPE_WRONG", "variable FORECOURT_HQ__WINDOW"),
        ("FORECOURT_HQ__BROKERS", "[", "VALUE_WRONG", "environment"),
        (
            "FORECOURT_HQ__BROKERS",
            '["mqtt://h:1"]',
            "COMBINATION_IMPOSSIBLE",
            "variable FORECOURT_HQ__BROKERS",
        ),
        ("FORECOURT_LINE__0__PORT", "/dev/x", "TYPE_WRONG", "variable FORECOURT_LINE__0__PORT"),
        ("FORECOURT_CREDENTIAL_KEY_K1", "opensesame", "VALUE_WRONG", "variable FORECOURT_CREDENTIAL_KEY_K1"),
    ],
)
def test_a_bad_variable_is_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: str, source: str
) -> None:
    monkeypatch.setenv(name, value)
    problem = _only_problem(station_file(tmp_path))
    assert (problem.code, problem.source) == (code, source)
    assert "opensesame" not in str(problem)


@pytest.mark.parametrize(
    ("name", "content", "code", "source"),
    [
        ("credential_key_kl", KEY_HEX.encode(), "KEY_UNKNOWN", "credential credential_key_kl"),
        ("credential_key_k1", KEY_HEX[1:].encode(), "VALUE_WRONG", "credential credential_key_k1"),
        ("credential_key_k1", b"\xff" * 32, "VALUE_WRONG", "credentials"),
        ("hq__window", b"0", "VALUE_WRONG", "credential hq__window"),
    ],
)
def test_a_bad_credential_is_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, code: str, source: str
) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / name).write_bytes(content)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    problem = _only_problem(station_file(tmp_path))
    assert (problem.code, problem.source) == (code, source)
    assert KEY_HEX[1:] not in str(problem)


def test_a_credentials_directory_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "nowhere"))
    assert _only_problem(station_file(tmp_path)).source == "credentials"


def test_the_key_given_twice_or_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = station_file(tmp_path, f'credential_key_k1_file = "{tmp_path}/k1"\n' + STATION_TOML)
    assert _only_problem(path, secrets_needed=True).code == "SECRET_MISSING"
    (tmp_path / "k1").write_text(KEY_HEX[2:])
    problem = _only_problem(path, secrets_needed=True)
    assert (problem.code, problem.key) == ("SECRET_MISSING", "credential_key_k1_file")
    assert KEY_HEX[2:] not in str(problem)
    monkeypatch.setenv("FORECOURT_CREDENTIAL_KEY_K1", KEY_HEX)
    assert _only_problem(path, secrets_needed=True).code == "COMBINATION_IMPOSSIBLE"


@pytest.mark.parametrize(
    ("port", "tap"), [("/dev/ttyS1", "/dev/ttyS2"), ("socket://10.0.0.7:4001", "socket://10.0.0.7:4002")]
)
def test_a_tap_on_a_device_of_its_own_is_taken(tmp_path: Path, port: str, tap: str) -> None:
    settings = load_settings(station_file(tmp_path, _tapped(port, tap)()))
    assert not isinstance(settings, ConfigRefused)
    assert (settings.line[0].port, settings.line[0].tap) == (port, tap)
