"""A small station with real processes for the tests of the command line: one concentrator, one register."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from typer.testing import CliRunner

from agent.cli import main
from agent.cli.demo.stage import Plan, Stage
from agent.cli.station import ask
from agent.clock import SystemClock
from agent.messages.snapshot import Member
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Answer, BasketLine, Credential, CredentialKind
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.simulator import PosSimulator
from drivers.stage import SimulatorOnPty
from tests.house.sources import ROOT

CARD = Credential(CredentialKind.CARD, "CARD-0001")
CLOCK = SystemClock()
WITHIN_S = 20.0

WIRING = """\
[[line]]
name = "island-1"
driver = "companytec"
port = "{cbc}"
pty = true
  [[line.device]]
  key = "cbc"
  address = "1"

[[line]]
name = "till"
driver = "pos_link"
port = "{pos}"
pty = true
  [[line.device]]
  key = "till-1"
  address = "till-1"
  options = {{ register_id = "till-1" }}

[[point]]
id = "1"
  [[point.nozzle]]
  device = "cbc"
  nozzle = "08"
  product = "petrol-92"
"""


@dataclass(frozen=True)
class Shown:
    """What a command printed and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def forecourt(*arguments: str, **environment: str) -> Shown:
    """The command in this process: a start of Python for each would take most of the tests' time."""
    ended = CliRunner().invoke(main, arguments, env=environment)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return Shown(ended.exit_code, ended.stdout, ended.stderr)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.01)


class SmallStation:
    """Opened with one sale in every state: awarded and partly refunded, waiting, and a basket of nobody."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.cbc = SimulatorOnPty(CompanytecSimulator(), CLOCK.monotonic_ms, directory / "cbc")
        pos = PosSimulator(PosLinkOptions(register_id="till-1"))
        self.pos = SimulatorOnPty(pos, CLOCK.monotonic_ms, directory / "pos")
        wiring = WIRING.format(cbc=self.cbc.path, pos=self.pos.path)
        bundle = (ROOT / "config" / "samples" / "demo-cn.bundle.toml").read_bytes()
        plan = Plan("st-cli", "demo-cn", "Asia/Shanghai", wiring, bundle)
        self.stage = Stage(directory, plan, CLOCK.wall_ms)
        hashed = self.stage.credential_key.hash(CARD)
        assert hashed is not None
        member = Member(member="m-0001", tier="basic", balance_minor=50_000)
        self.stage.plan = replace(plan, members=((member, (hashed,)),))

    def open(self) -> None:
        self.stage.open()
        self.cbc.act(lambda device: device.sell("08", 50_000, 39_250, 7_850))
        until(lambda: self.facts() == 1, "the fuelling")
        self._answer(self.pos.act(lambda pos: pos.pay("S1", "1", 39_250, "cash", (), CARD)))
        self._answer(self.pos.act(lambda pos: pos.refund("R1", "S1", 19_625)))
        self._answer(self.pos.act(lambda pos: pos.pay("S2", "1", 10_000, "cash", (), CARD)))
        water = (BasketLine("water", 2_000, 600),)
        self._answer(self.pos.act(lambda pos: pos.pay("S3", None, 0, "cash", water)))
        assert self.stage.drain(WITHIN_S)

    def close(self) -> None:
        self.stage.close()
        self.cbc.close()
        self.pos.close()

    def run(self, *arguments: str) -> Shown:
        """A command that takes --config."""
        return forecourt(*arguments, "--config", str(self.stage.config))

    @property
    def agent_runs(self) -> bool:
        return ask(self.stage.socket, {"verb": "status"}) is not None

    def start_agent(self) -> None:
        """If it does not run; back when it is online and both lines have been heard."""
        if not self.agent_runs:
            self.stage.start_agent()
        for line in ("island-1", "till"):
            self.wait_for_line(line, port_open=True)
        until(lambda: self.stage.status()["mode"] == "ONLINE", "the road to headquarters")

    def wait_for_line(self, name: str, *, port_open: bool) -> None:
        def holds() -> bool:
            lines = self.stage.status()["lines"]
            assert isinstance(lines, list)
            line = next(line for line in lines if line["name"] == name)
            return line["port_open"] is port_open and (line["heard_ago_ms"] is not None or not port_open)

        until(holds, f"line {name}")

    def facts(self) -> int:
        return int(str(self.stage.status()["facts"]))

    def _answer(self, number: int) -> Answer:
        until(lambda: self.pos.act(lambda pos: number in pos.told), "an answer of the agent")
        return self.pos.act(lambda pos: pos.told[number].answer)
