"""The real headquarters and the real station: `hq serve` workers, broker and agent as processes. For tests.

Headquarters is worked with its own commands alone. The dispenser and the register are simulated.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.cli.station import ask
from agent.clock import SystemClock
from agent.handlers.credentials import CredentialKey
from agent.messages.snapshot import Member, Snapshot
from agent.store import integrity, reading
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Answer, Credential, CredentialKind
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.simulator import PosSimulator
from drivers.stage import SimulatorOnPty
from sync.broker import Broker, start_broker, start_guarded_broker
from sync.keys import SigningKey, write_key
from tests.house.sources import ROOT
from tests.integration.cli.small_station import WIRING, forecourt

STATION, PROGRAMME = "cn-0007", "demo-cn"
RULES = (ROOT / "config" / "samples" / "demo-cn.bundle.toml").read_text()
PRICE_MILLI = 7_850
CLOCK = SystemClock()
PROPAGATION_S = 90.0
"""What a word of headquarters may take (sync.md 4)."""
SETTLED_FRAMES, SEEN_FRAMES = 16, 8
"""After so many frames the concentrator's last records were read again, which is done first of all; and in so
many more it has said several times that fuel flows, so that the end counts as seen."""


def until(holds: Callable[[], object], what: str, within_s: float = PROPAGATION_S) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)


def card(number: int) -> Credential:
    return Credential(CredentialKind.CARD, f"CARD-{number:04d}")


class BothEnds:
    """Nothing runs at first. `close` ends what was started. `guarded`: mTLS as the samples have it."""

    def __init__(self, folder: Path, *, guarded: bool = False) -> None:
        self.folder, self.guarded = folder, guarded
        folder.mkdir(parents=True, exist_ok=True)
        self.state = folder / "state"
        self.state.mkdir(mode=0o750)
        self.db, self.keys, self.ca = f"sqlite:///{folder}/hq.db", folder / "keys", folder / "ca"
        self.config, self._socket = folder / "station.toml", folder / "control.sock"
        self.station_key = SigningKey.generate()
        write_key(self.state / "station.key", self.station_key)
        self._credential_key = CredentialKey(SigningKey.generate().seed)
        self.cbc = SimulatorOnPty(CompanytecSimulator(), CLOCK.monotonic_ms, folder / "cbc")
        register = PosSimulator(PosLinkOptions(register_id="till-1"))
        self.pos = SimulatorOnPty(register, CLOCK.monotonic_ms, folder / "pos")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.sold = 0
        pins = self.hq("keys", "init", str(self.keys), "--programme", PROGRAMME)["public_keys"]
        self.broker = self._start_broker()
        self._write_config(pins)
        self.hq("station", "add", STATION, "--key", self.station_key.public.text, shows_json=False)

    # ---- processes -----------------------------------------------------------------------------

    def start_hq(self, workers: int = 1, *more: str) -> None:
        for number in range(1, workers + 1):
            self._start(f"hq-{number}", ["hq", "serve", *self._serving(), *more])
        for number in range(1, workers + 1):
            name = f"hq-{number}"
            until(lambda name=name: b"HQ ready" in self._said(name), f"{name} to be ready", 30)  # type: ignore[misc]

    def start_agent(self) -> None:
        self._start("agent", ["run", "--config", str(self.config)])
        until(lambda: ask(self._socket, {"verb": "status"}) is not None, "the agent to answer", 30)

    def end(self, name: str, *, kill: bool = False) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def end_hq(self, *, kill: bool = False) -> None:
        for name in [name for name in self.processes if name.startswith("hq-")]:
            self.end(name, kill=kill)

    def close(self) -> None:
        for name in [*self.processes]:
            self.end(name)
        self.broker.stop()
        self.cbc.close()
        self.pos.close()

    # ---- headquarters --------------------------------------------------------------------------

    def hq(self, *arguments: str, shows_json: bool = True) -> dict[str, Any]:
        """A command of headquarters that must succeed; what it shows."""
        more = ["--json"] if shows_json else []
        shown = forecourt("hq", *arguments, "--db", self.db, *more)
        assert shown.returncode == 0, (arguments, shown)
        return dict(json.loads(shown.stdout)) if shows_json else {}

    def publish(self, what: str, body: Mapping[str, object] | str | None, *more: str) -> dict[str, Any]:
        """Issue it to the station; the line of what was issued."""
        file = []
        if body is not None:
            is_toml = isinstance(body, str)
            path = self.folder / f"order.{'toml' if is_toml else 'json'}"
            path.write_text(body if isinstance(body, str) else json.dumps(body))
            file = [str(path)]
        signed = (
            ["--documents-key", str(self.keys / "documents.key")] if what in ("bundle", "members") else []
        )
        to = ["--station", STATION, "--key", str(self.keys / "down.key")]
        return dict(self.hq("publish", what, *file, *to, *signed, *more)["issued"][0])

    def publish_rules(self, text: str = RULES) -> dict[str, Any]:
        return self.publish("bundle", text)

    def publish_members(self, version: int, *members: Member) -> dict[str, Any]:
        """Each with the card of their number: m-0001 has CARD-0001."""
        told = Snapshot(
            schema="members/1",
            station=STATION,
            programme=PROGRAMME,
            version=version,
            issued_at_ms=CLOCK.wall_ms(),
            members=tuple(self.with_card(member) for member in members),
        )
        return self.publish("members", json.loads(told.model_dump_json(by_alias=True)))

    def with_card(self, member: Member) -> Member:
        hashed = self._credential_key.hash(card(int(member.member.removeprefix("m-"))))
        assert hashed is not None
        return member.model_copy(update={"credentials": (hashed,)})

    def decided(self, word: str, member: str, *more: str) -> None:
        """A decision of `hq member`, obeyed."""
        refused = self.lag()["refused"]
        told = self.hq("member", word, member, *more, "--key", str(self.keys / "down.key"))
        assert [one["station"] for one in told["issued"]] == [STATION]
        self.is_obeyed()
        assert self.lag()["refused"] == refused, (word, self.verdicts())

    def lag(self) -> dict[str, Any]:
        return dict(self.hq("lag")["stations"][0])

    def is_obeyed(self, within_s: float = PROPAGATION_S) -> None:
        """Everything that was issued was answered; none of it is late."""

        def is_answered() -> bool:
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not ended, self._said(ended[0])[-2000:].decode()
            return bool(self.lag()["waiting"] == 0)

        until(is_answered, "the station to answer", within_s)
        assert self.lag()["stale"] is False

    def obeyed(self, what: str, body: Mapping[str, object] | str | None, *more: str) -> None:
        """Publish, and wait until the station took it as it was meant."""
        issued, refused = self.publish(what, body, *more), self.lag()["refused"]
        self.is_obeyed()
        assert self.lag()["refused"] == refused, (what, issued, self.verdicts())

    def alarms(self) -> dict[str, tuple[int, str]]:
        """HQ's, of this station: how often, and the last detail."""
        return {
            a["code"]: (a["count"], a["detail"])
            for a in self.hq("status")["alarms"]
            if a["station"] == STATION
        }

    def held(self, member: str) -> int:
        """The member's balance over all stations."""
        return int(self.hq("member", "show", member)["balance_minor"])

    def verdicts(self) -> list[tuple[str, str]]:
        """(id, verdict) of what the station consumed, in order."""
        return [(row[0], row[1]) for row in self.rows("SELECT id, verdict FROM down_item ORDER BY down_seq")]

    # ---- the station ---------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        answer = ask(self._socket, {"verb": "status"})
        assert answer is not None, self._said("agent")[-2000:]
        return dict(answer)

    def member(self, name: str) -> dict[str, Any]:
        shown = forecourt("member", "show", name, "--json", "--config", str(self.config))
        assert shown.returncode == 0, shown
        return dict(json.loads(shown.stdout))

    def own(self, member: str) -> int:
        return int(self.member(member)["balance"]["minor"])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with reading.look(self.state / "station.db") as connection:
            return [tuple(row.values()) for row in reading.query(connection, sql)]

    def alarms_here(self) -> set[str]:
        return {code for (code,) in self.rows("SELECT DISTINCT code FROM alarm")}

    def sell(self, number: int, volume_ml: int) -> Answer:
        """One fuelling of the member with this card, paid at once; what the register showed."""
        self.sold += 1
        sale = f"S{self.sold:04d}"
        amount_fen = (volume_ml * PRICE_MILLI + 5_000) // 10_000
        before = len(self.rows("SELECT 1 FROM fact"))
        heard = self._heard_from_pumps()
        self.cbc.act(lambda device: device.begin("08"))
        seen = max(heard, SETTLED_FRAMES) + SEEN_FRAMES
        until(lambda: self._heard_from_pumps() >= seen, "the flow to be seen")
        self.cbc.act(lambda device: device.sell("08", volume_ml, amount_fen, PRICE_MILLI))
        until(lambda: len(self.rows("SELECT 1 FROM fact")) > before, "the fuelling", 30)
        return self._answer(
            self.pos.act(lambda pos: pos.pay(sale, "1", amount_fen, "cash", (), card(number)))
        )

    def _heard_from_pumps(self) -> int:
        """Valid frames of the concentrator since the agent's start."""
        lines = {line["name"]: line["counters"] for line in self.status()["lines"]}
        return int(lines["island-1"].get("HEARD", 0))

    def refund(self, sale: str, amount_fen: int) -> Answer:
        return self._answer(self.pos.act(lambda pos: pos.refund(f"R-{sale}", sale, amount_fen)))

    def drain(self) -> None:
        """Headquarters has every row."""

        def waiting() -> int:
            return sum(int(queue["waiting"]) for queue in self.status()["queues"])

        until(lambda: waiting() == 0, "the rows to be acknowledged")

    def agree(self, *members: str) -> None:
        """Books of both ends, exactly, and each sound in itself."""
        self.drain()
        for member in members:
            assert self.held(member) == self.own(member), member
        sums = self.hq("reconcile", STATION)
        assert sums["mismatches"] == sums["imbalances"] == 0
        with reading.look(self.state / "station.db") as connection:
            assert integrity.verify(connection) == []

    def enroll(self, days: int) -> None:
        """Key and certificate of the station, by the commands of both ends."""
        request, answer = self.folder / "request.pem", self.folder / "certificate.pem"
        own = ("--config", str(self.config))
        assert forecourt("enroll", "--out", str(request), *own).returncode == 0
        sign = ("ca", "sign", str(request), "--folder", str(self.ca), "--out", str(answer))
        self.hq(*sign, "--days", str(days), shows_json=False)
        taken = forecourt(
            "enroll", "--certificate", str(answer), "--authority", str(self.ca / "ca.pem"), *own
        )
        assert taken.returncode == 0, taken

    # ---- inside --------------------------------------------------------------------------------

    def _answer(self, number: int) -> Answer:
        until(lambda: self.pos.act(lambda pos: number in pos.told), "the register to be answered", 30)
        return self.pos.act(lambda pos: pos.told[number].answer)

    def _start_broker(self) -> Broker:
        if not self.guarded:
            return start_broker("mosquitto", self.folder / "broker")
        for step in (("init",), ("broker", "127.0.0.1"), ("headquarters",)):
            shown = forecourt("hq", "ca", *step, "--folder", str(self.ca))
            assert shown.returncode == 0, shown
        shutil.copytree(self.ca, self.folder / "broker")
        return start_guarded_broker(self.folder / "broker")

    def _serving(self) -> list[str]:
        options = ["--db", self.db, "--broker", self.broker.url, "--key", str(self.keys / "ack.key")]
        if self.guarded:
            hq = {"--ca": "ca.pem", "--cert": "hq.pem", "--cert-key": "hq.key"}
            options += [word for option, name in hq.items() for word in (option, str(self.ca / name))]
        return options

    def _write_config(self, pins: Mapping[str, str]) -> None:
        secret = self.folder / "credential_key_k1"
        secret.write_text(urlsafe_b64encode(self._credential_key.secret).decode().rstrip("="))
        secret.chmod(0o600)
        named = ", ".join(f'{name} = "{key}"' for name, key in pins.items())
        self.config.write_text(
            _CONFIG.format(
                secret=secret,
                station=STATION,
                programme=PROGRAMME,
                state=self.state,
                socket=self._socket,
                broker=self.broker.url,
                pins=named,
                ca=f'ca_file = "{self.ca}/ca.pem"' if self.guarded else "",
                wiring=WIRING.format(cbc=self.cbc.path, pos=self.pos.path),
            )
        )

    def _start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            log.write(b"--- start\n")
            log.flush()
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "agent.cli", *command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _said(self, name: str) -> bytes:
        return (self.folder / f"{name}.log").read_bytes().rpartition(b"--- start\n")[2]


_CONFIG = """\
language = "en"
credential_key_k1_file = "{secret}"

[station]
id = "{station}"
programme = "{programme}"
timezone = "Asia/Shanghai"
state_dir = "{state}"
control_socket = "{socket}"

[hq]
brokers = ["{broker}"]
public_keys = {{ {pins} }}
{ca}

{wiring}
"""
