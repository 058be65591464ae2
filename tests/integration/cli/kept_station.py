"""A station at rest with a week of known sales: the real handlers and store on a clock moved by hand.

For commands that read what was kept. No process runs, and every number follows from the story below.
"""

from dataclasses import dataclass
from pathlib import Path

from agent.store.heads import HeadsFile
from drivers.events import BasketLine
from tests.integration.cli.small_station import Shown, forecourt
from tests.world import BASIC, GOLD, World

SETTINGS = """\
[station]
id = "station-0042"
programme = "demo-cn"
timezone = "Asia/Shanghai"
state_dir = "{state}"
control_socket = "{state}/control.sock"

[hq]
brokers = ["mqtts://mqtt.example.org:8883"]
public_keys = {{ hq-1 = "replace-me-with-the-public-key-of-HQ-------" }}

[[line]]
name = "island-1"
driver = "companytec"
port = "/dev/ttyS1"
  [[line.device]]
  key = "cbc"
  address = "0"

[[point]]
id = "1"
  [[point.nozzle]]
  device = "cbc"
  nozzle = "08"
  product = "petrol-92"
"""
DEARER = 8200
SAME_FEN = 39_250
"""50.00 L at 7.85, and 47.87 L at 8.20."""


@dataclass(frozen=True)
class Kept:
    """The settings of the station, to be looked at by commands."""

    config: Path

    def run(self, *arguments: str) -> Shown:
        return forecourt(*arguments, "--config", str(self.config))


def kept_station(directory: Path) -> Kept:
    """Wednesday 2026-07-08 to Friday 2026-07-10, all days but the last closed.

    S1 gold 50 L of 92 for 392.50 → 120, half refunded by R1: 60 taken back. S2 basic, the same amount
    at a dearer price → 95. S3 paid with a fleet card → 0. S4 nobody's. S5 waits for its fuelling.
    S6 a test draw. S7 a basket, nobody's. Then 5 L that no record carries, before an unpaid 10 L.
    Thursday: S8 gold 50 L of 95: x1.2 x1.2 x3 = 432.
    """
    state = directory / "state"
    state.mkdir(parents=True)
    config = directory / "station.toml"
    config.write_text(SETTINGS.format(state=state), encoding="utf-8")
    world = World(state / "station.db").stock()
    _wednesday(world)
    world.pass_days(1)
    world.fuel(50_000, "09")
    world.pay("S8", SAME_FEN, credential=GOLD)
    world.pass_days(1)
    with HeadsFile(state / "station.heads") as heads:
        heads.write(world.store.heads())
    world.store.close()
    return Kept(config)


def lapsed_station(directory: Path) -> Kept:
    """One sale of m-gold's on 2026-07-08; its 120 points lapsed after 2028-01-31; then it was refunded."""
    state = directory / "state"
    state.mkdir(parents=True)
    config = directory / "station.toml"
    config.write_text(SETTINGS.format(state=state), encoding="utf-8")
    world = World(state / "station.db").stock()
    world.fuel(50_000)
    world.pay("S1", SAME_FEN, credential=GOLD)
    world.pass_days(580)
    world.refund("R1", "S1", SAME_FEN)
    world.store.close()
    return Kept(config)


def _wednesday(world: World) -> None:
    world.fuel(50_000)
    world.pay("S1", SAME_FEN, credential=GOLD)
    world.refund("R1", "S1", SAME_FEN // 2)
    world.wait(600)
    world.fuel(47_870, amount_fen=SAME_FEN, unit_price_milli=DEARER)
    world.pay("S2", SAME_FEN, credential=BASIC)
    world.wait(600)
    world.fuel(20_000)
    world.pay("S3", 15_700, credential=GOLD, tender="fleet-card")
    world.wait(600)
    world.fuel(30_000)
    world.pay("S4", 23_550)
    world.wait(600)
    world.pay("S5", 9_999, credential=BASIC)
    world.fuel(1_000)
    world.pay("S6", 785, tender="test")
    world.pay("S7", 0, point=None, lines=(BasketLine("drinks", 2_000, 600),))
    world.wait(600)
    world.totalizer_ml["08"] += 5_000
    world.fuel(10_000)
