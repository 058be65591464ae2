"""Start me a broker: for the demo and the tests, on loopback, remembering nothing.

Two brokers stand behind one interface. `mosquitto` is the reference; `iotcore` is a wheel (extra
`demo`) that needs no system package. Neither keeps anything on disk: nothing of ours may depend on
a broker's memory. A broker counts as up when it answers a real MQTT 5 CONNECT with a CONNACK; an
open port is not enough (iotcore's default listener takes the connection and then says nothing to an
MQTT 5 client, [tried]).

A mosquitto outlives a caller that is killed; an iotcore ends with its caller, whose pipe it reads.
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

Kind = Literal["mosquitto", "iotcore"]

PAYLOAD_LIMIT = 262_144
"""Bytes of one MQTT payload that both brokers are told to carry."""

_HOST = "127.0.0.1"
_TRIES = 200
_PAUSE_S = 0.05
_STOP_S = 5.0

_CONNECT = bytes.fromhex("10 12 0004 4d515454 05 02 000a 00 0005") + b"probe"
"""MQTT 5.0, 3.1: clean start, keep-alive 10 s, no properties, client id "probe"."""
_DISCONNECT = b"\xe0\x00"
_CONNACK = 0x20

_MOSQUITTO_CONF = """\
listener {port} {host}
allow_anonymous true
persistence false
max_packet_size {packet}
set_tcp_nodelay true
"""

_GUARDED_CONF = """\
user {user}
include_dir {folder}
"""
"""The sample says nothing of the user; mosquitto as root would otherwise give up its view of the folder."""

SAMPLES = Path(__file__).parent / "samples"

_IOTCORE_CONF = """\
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 16777216
max_segment_count = 10

[v5.1]
name = "v5"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = {packet}
max_inflight_count = 100
dynamic_filters = true
"""

_IOTCORE_CHILD = """\
import logging, os, sys, threading
from iotcore import Broker
def end_with_parent():
    while os.read(0, 64):
        pass
    os._exit(0)
logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
threading.Thread(target=end_with_parent, daemon=True).start()
Broker(config_path=sys.argv[1]).run_forever()
"""


class BrokerError(Exception):
    """A broker could not be started; the text says why and what to do."""


def start_broker(kind: Kind | Literal["auto"], directory: Path) -> "Broker":
    """A broker on a free loopback port, answering; its configuration and log go to `directory`.

    "auto" takes mosquitto where it is installed, else iotcore. Raises `BrokerError` when the kind
    is not installed or does not answer within ten seconds.
    """
    chosen = _best_installed() if kind == "auto" else kind
    directory.mkdir(parents=True, exist_ok=True)
    return Broker(chosen, directory, _free_port())


def start_guarded_broker(directory: Path, more: str = "") -> "Broker":
    """A mosquitto on a free loopback port with samples/mosquitto.conf and samples/acl as they are shipped.

    `directory` holds ca.pem, revoked.pem, broker.pem and broker.key. `more` is added to the
    configuration: a limit that a test wants to reach. Raises `BrokerError` as `start_broker` does.
    """
    port = _free_port()
    sample = (SAMPLES / "mosquitto.conf").read_text()
    for name, value in (("@ADDRESS@", _HOST), ("@PORT@", str(port)), ("@FOLDER@", str(directory))):
        sample = sample.replace(name, value)
    (directory / "guarded").mkdir(exist_ok=True)
    (directory / "guarded" / "mosquitto.conf").write_text(sample + more)
    shutil.copy(SAMPLES / "acl", directory / "acl")
    (directory / "acl").chmod(0o600)
    return Broker("mosquitto", directory, port, guarded=True)


class Broker:
    """One broker process of ours. Use as a context manager, or call `stop`."""

    def __init__(self, kind: Kind, directory: Path, port: int, *, guarded: bool = False) -> None:
        self.kind: Kind = kind
        self.url = f"{'mqtts' if guarded else 'mqtt'}://{_HOST}:{port}"
        self._port = port
        self._answers = accepts_connections if guarded else answers_mqtt5
        self._log = directory / f"{kind}.log"
        self._config = directory / ("mosquitto.conf" if kind == "mosquitto" else "iotcore.toml")
        if guarded:
            text = _GUARDED_CONF.format(user=getpass.getuser(), folder=directory / "guarded")
        else:
            template = _MOSQUITTO_CONF if kind == "mosquitto" else _IOTCORE_CONF
            text = template.format(port=port, host=_HOST, packet=PAYLOAD_LIMIT + 1024)
        self._config.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    @property
    def pid(self) -> int | None:
        """The broker's process, None while it is down."""
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """End it by SIGTERM, by SIGKILL after five seconds. Fine to call twice."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reap()

    def kill(self) -> None:
        """End it by SIGKILL, as a power cut would."""
        if self._process is None:
            return
        self._process.kill()
        self._reap()

    def restart(self) -> None:
        """Up again on the same port, with nothing remembered; stopped first if it runs."""
        self.stop()
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                _command(self.kind, self._config),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._config.parent,
            )
        for _ in range(_TRIES):
            if self._process.poll() is not None:
                break
            if self._answers(_HOST, self._port):
                return
            time.sleep(_PAUSE_S)
        self.kill()
        last = self._log.read_text(errors="replace").strip().splitlines()[-3:]
        raise BrokerError(
            f"{self.kind} on port {self._port} does not answer; {self._log}: {' | '.join(last)}"
        )

    def _reap(self) -> None:
        assert self._process is not None
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        self._process = None


def answers_mqtt5(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether something there accepts an MQTT 5 connection: CONNACK with reason Success."""
    try:
        with socket.create_connection((host, port), timeout_s) as wire:
            wire.sendall(_CONNECT)
            head = wire.recv(4, socket.MSG_WAITALL)
            wire.sendall(_DISCONNECT)
    except OSError:
        return False
    return len(head) == 4 and head[0] == _CONNACK and head[3] == 0


def accepts_connections(host: str, port: int) -> bool:
    """All that a guarded broker shows without a certificate. mosquitto listens once it has read all."""
    try:
        socket.create_connection((host, port), 1.0).close()
    except OSError:
        return False
    return True


def _best_installed() -> Kind:
    return "mosquitto" if _mosquitto() else "iotcore"


def _mosquitto() -> str | None:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    return shutil.which("mosquitto", path=path)


def _command(kind: Kind, config: Path) -> list[str]:
    if kind == "mosquitto":
        program = _mosquitto()
        if program is None:
            raise BrokerError("mosquitto is not installed; install it (apt install mosquitto) or use iotcore")
        return [program, "-c", str(config)]
    if find_spec("iotcore") is None:
        raise BrokerError("iotcore is not installed; install the extra 'demo', or mosquitto")
    return [sys.executable, "-I", "-c", _IOTCORE_CHILD, str(config)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
