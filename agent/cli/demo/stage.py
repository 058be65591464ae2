"""A whole station and its headquarters on this machine: real processes, real ports, a throw-away folder.

The demo plays on it, and so do the tests that kill things: agent and HQ are the commands that
production starts, each its own process; broker and cable are ours to break.
"""

import json
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agent.cli.demo.relay import Relay
from agent.cli.station import ask
from agent.handlers.credentials import CredentialKey
from agent.messages.snapshot import Member, Snapshot
from agent.store import reading
from sync.broker import Broker, start_broker
from sync.keys import SigningKey, write_key
from sync.signing import BUNDLE_TYPE, MEMBERS_TYPE, sign_document

START_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.02


class StageError(Exception):
    """Something on the stage did not come up, or did not happen in time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is particular to one station: `wiring` is the [[line]] and [[point]] part of station.toml."""

    station: str
    programme: str
    timezone: str
    wiring: str
    bundle: bytes
    members: tuple[tuple[Member, tuple[str, ...]], ...] = ()
    language: str = "zh"


class Stage:
    """`open` starts broker, HQ and agent and loads bundle and members; `close` ends all of them."""

    def __init__(self, directory: Path, plan: Plan, wall_ms: Callable[[], int], broker: str = "auto") -> None:
        self.directory = directory
        self.plan = plan
        self.credential_key = CredentialKey(SigningKey.generate().seed)  # any 32 secret bytes
        self.kills = 0
        self._wall_ms = wall_ms
        self._broker_kind = broker
        self._hq_key = SigningKey.generate()
        self._station_key = SigningKey.generate()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        self.broker: Broker | None = None
        self.relay: Relay | None = None

    @property
    def config(self) -> Path:
        return self.directory / "station.toml"

    @property
    def database(self) -> Path:
        return self.directory / "state" / "station.db"

    @property
    def document(self) -> Path:
        """What was loaded last, as it was signed."""
        return self.directory / "document.dsse"

    @property
    def socket(self) -> Path:
        return self.directory / "control.sock"

    @property
    def hq_url(self) -> str:
        return f"sqlite:///{self.directory / 'hq.db'}"

    def open(self, *, with_hq: bool = True) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.broker = start_broker(self._broker_kind, self.directory / "broker")  # type: ignore[arg-type]  # a CLI choice
        self.relay = Relay(self.broker.url)
        self._write_files()
        if with_hq:
            self.start_hq()
        else:
            self.relay.cut()
        self.start_agent()
        self.load(sign_document(BUNDLE_TYPE, self.plan.bundle, self._hq_key))
        self.load(sign_document(MEMBERS_TYPE, self._snapshot(), self._hq_key))

    def close(self) -> None:
        for name in [*self._processes]:
            self.end(name)
        if self.relay is not None:
            self.relay.close()
        if self.broker is not None:
            self.broker.stop()
        for log in self._logs:
            log.close()

    def start_hq(self) -> None:
        assert self.broker is not None
        command = ["hq", "serve", "--db", self.hq_url, "--broker", self.broker.url]
        command += ["--key", str(self.directory / "hq.key"), "--bundle", str(self.directory / "rules.toml")]
        self._start("hq", command)
        self._wait("headquarters to subscribe", lambda: b"HQ ready" in self._said("hq"), "hq")

    def start_agent(self) -> None:
        self._start("agent", ["run", "--config", str(self.config)])
        self._wait("the agent to answer", lambda: ask(self.socket, {"verb": "status"}) is not None, "agent")

    def kill(self, name: str) -> None:
        """SIGKILL: no farewell, no flush."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.kills += 1

    def end(self, name: str) -> None:
        """SIGTERM, and SIGKILL if that is not enough."""
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def load(self, document: bytes) -> None:
        self.document.write_bytes(document)
        done = subprocess.run(
            [*_FORECOURT, "load", str(self.document), "--config", str(self.config)],
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise StageError(f"load: {done.stderr.decode().strip()}")

    def status(self) -> dict[str, object]:
        answer = ask(self.socket, {"verb": "status"})
        if answer is None:
            raise StageError(f"the agent does not answer; its log is {self.directory / 'agent.log'}")
        return answer

    def waiting_for_hq(self) -> int:
        """Rows of the ledger stream that HQ has not acknowledged, from the database itself."""
        connection = reading.connect(self.database)
        try:
            queues = reading.summary(connection, self._wall_ms())["queues"]
        finally:
            connection.close()
        assert isinstance(queues, list)
        return sum(int(queue["waiting"]) for queue in queues)

    def drain(self, within_s: float) -> bool:
        """True when HQ has acknowledged every row."""
        deadline_ms = self._wall_ms() + int(within_s * 1000)
        while self._wall_ms() < deadline_ms:
            if self.waiting_for_hq() == 0:
                return True
            time.sleep(_LOOK_EVERY_S)
        return False

    def order(self, *arguments: str) -> int:
        """A command of headquarters that tells the station something, until it is obeyed; milliseconds."""
        began_ms = self._wall_ms()
        told = self._run_hq(*arguments, "--key", str(self.directory / "hq.key"), "--json")
        number = json.loads(told)["issued"][0]["down_seq"]

        def is_consumed() -> bool:
            orders = self.status()["orders"]
            assert isinstance(orders, dict)
            return int(orders["seq"]) >= int(number)

        self._wait(f"order {number} to be obeyed", is_consumed, "agent")
        return self._wall_ms() - began_ms

    def _write_files(self) -> None:
        state = self.directory / "state"
        state.mkdir(mode=0o750, exist_ok=True)
        write_key(state / "station.key", self._station_key)
        write_key(self.directory / "hq.key", self._hq_key)
        secret = self.directory / "credential_key_k1"
        secret.write_text(urlsafe_b64encode(self.credential_key.secret).decode().rstrip("="))
        secret.chmod(0o600)
        (self.directory / "rules.toml").write_bytes(self.plan.bundle)
        assert self.relay is not None
        self.config.write_text(
            _CONFIG.format(
                language=self.plan.language,
                secret=json.dumps(str(secret)),
                station=self.plan.station,
                programme=self.plan.programme,
                timezone=self.plan.timezone,
                state=json.dumps(str(state)),
                socket=json.dumps(str(self.socket)),
                broker=self.relay.url,
                key=self._hq_key.public.text,
                wiring=self.plan.wiring,
            )
        )
        self._run_hq("station", "add", self.plan.station, "--key", self._station_key.public.text)

    def _run_hq(self, *arguments: str) -> bytes:
        command = [*_FORECOURT, "hq", *arguments, "--db", self.hq_url]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise StageError(f"hq {arguments[0]}: {done.stderr.decode().strip()}")
        return done.stdout

    def _snapshot(self) -> bytes:
        members = tuple(
            member.model_copy(update={"credentials": credentials})
            for member, credentials in self.plan.members
        )
        snapshot = Snapshot(
            schema="members/1",
            station=self.plan.station,
            programme=self.plan.programme,
            version=1,
            issued_at_ms=self._wall_ms(),
            members=members,
        )
        return snapshot.model_dump_json(by_alias=True).encode()

    def _start(self, name: str, command: list[str]) -> None:
        log = (self.directory / f"{name}.log").open("ab")
        self._logs.append(log)
        log.write(b"--- start\n")
        log.flush()
        self._processes[name] = subprocess.Popen(
            [*_FORECOURT, *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )

    def _said(self, name: str) -> bytes:
        """What the process said since its last start."""
        return (self.directory / f"{name}.log").read_bytes().rpartition(b"--- start\n")[2]

    def _wait(self, what: str, holds: Callable[[], bool], name: str) -> None:
        deadline_ms = self._wall_ms() + int(START_WITHIN_S * 1000)
        while not holds():
            died = self._processes[name].poll() is not None
            if died or self._wall_ms() > deadline_ms:
                tail = self._said(name).decode(errors="replace")[-2000:]
                raise StageError(f"waited for {what}; the {name} {'ended' if died else 'is late'}:\n{tail}")
            time.sleep(_LOOK_EVERY_S)


_FORECOURT = (sys.executable, "-m", "agent.cli")

_CONFIG = """\
language = "{language}"
credential_key_k1_file = {secret}

[station]
id = "{station}"
programme = "{programme}"
timezone = "{timezone}"
state_dir = {state}
control_socket = {socket}

[hq]
brokers = ["{broker}"]
public_keys = {{ demo = "{key}" }}

{wiring}
"""
