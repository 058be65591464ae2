"""A station that sells while something keeps killing its agent; used by the kill tests and the storm."""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.cli.demo.cashier import Cashier
from agent.cli.demo.forecourt import Forecourt
from agent.cli.demo.reconcile import Reconciliation, books_of_hq, books_of_station, reconcile
from agent.cli.demo.stage import Plan, Stage
from agent.cli.demo.visits import MEMBERS
from agent.clock import SystemClock
from agent.messages.snapshot import Member
from agent.store import integrity, reading

BUNDLE = Path(__file__).parents[2] / "config/samples/demo-cn.bundle.toml"
PRICE_MILLI = 7850


@dataclass
class Station:
    """Forecourt, stage and cashier of one test, in `directory`. Close it."""

    directory: Path
    broker: str = "auto"

    def __post_init__(self) -> None:
        clock = SystemClock()
        self.forecourt = Forecourt(self.directory / "devices", clock.monotonic_ms)
        plan = Plan("storm-1", "demo-cn", "Asia/Shanghai", self.forecourt.wiring, BUNDLE.read_bytes())
        self.stage = Stage(self.directory, plan, clock.wall_ms, self.broker)
        self.stage.plan = Plan(
            plan.station, plan.programme, plan.timezone, plan.wiring, plan.bundle, tuple(self._members())
        )
        self.cashier = Cashier(self.forecourt.pos, clock.monotonic_ms)
        self.sold = 0

    def _members(self) -> Iterator[tuple[Member, tuple[str, ...]]]:
        for member, tier, credential in MEMBERS:
            hashed = self.stage.credential_key.hash(credential)
            yield Member(member=member, tier=tier), (hashed,)

    def sell(self, rng: random.Random) -> None:
        """One fuelling at the concentrator, ended at once, and its payment queued at the POS."""
        self.sold += 1
        nozzle, point = rng.choice((("08", "3"), ("09", "4")))
        volume_ml = 1_000 + 10 * self.sold
        amount_fen = (volume_ml * PRICE_MILLI + 5_000) // 10_000
        self.forecourt.concentrator.act(
            lambda device: device.sell(nozzle, volume_ml, amount_fen, PRICE_MILLI)
        )
        credential = rng.choice(MEMBERS)[2]
        sale_id = f"s{self.sold:05d}"
        self.forecourt.pos.act(lambda pos: pos.pay(sale_id, point, amount_fen, "cash", (), credential))

    def settle(self, within_s: float) -> Reconciliation:
        """Wait until the POS is answered and HQ has everything, then compare all three."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and not self._is_quiet():
            time.sleep(0.05)
        drained = self.stage.drain(max(1.0, deadline - time.monotonic()))
        connection = reading.connect(self.stage.database)
        station, findings = books_of_station(connection), integrity.verify(connection)
        connection.close()
        assert findings == []
        return reconcile(
            self.forecourt.sold(),
            self.cashier.baskets,
            station,
            books_of_hq(self.stage.hq_url, self.stage.plan.station),
            waits_ms=(),
            kills=self.stage.kills,
            offline_s=0,
            bytes_up=self.stage.relay.bytes_up,
            broker=self.stage.broker.kind,
            drained=drained,
        )

    def _is_quiet(self) -> bool:
        if self.forecourt.pos.act(lambda pos: pos.unanswered):
            return False
        connection = reading.connect(self.stage.database)
        booked = reading.books(connection)["facts"]
        connection.close()
        return booked >= len(self.forecourt.sold())

    def close(self) -> None:
        self.stage.close()
        self.forecourt.close()


def kill_while_selling(station: Station, kills: int, seed: int) -> None:
    """`kills` lives of the agent, each ended by SIGKILL somewhere between two sales a few ms apart."""
    rng = random.Random(seed)
    stop = threading.Event()

    def customers() -> None:
        while not stop.wait(rng.uniform(0.02, 0.15)):
            station.sell(rng)

    selling = threading.Thread(target=customers)
    selling.start()
    for _ in range(kills):
        time.sleep(rng.uniform(0.05, 0.6))
        station.stage.kill("agent")
        station.stage.start_agent()
    stop.set()
    selling.join()
