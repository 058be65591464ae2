"""The play itself: customers at four points while link, agent and HQ are taken away one after another."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from agent.cli.demo.cashier import Cashier
from agent.cli.demo.forecourt import Forecourt, Pump
from agent.cli.demo.reconcile import Reconciliation, books_of_hq, books_of_station, reconcile
from agent.cli.demo.stage import Plan, Stage
from agent.cli.demo.view import View
from agent.cli.demo.visits import MEMBERS, PRICES_MILLI, Manner, Visit, visits
from agent.clock import SystemClock
from agent.messages.snapshot import Member
from agent.points.explanation import points_text
from agent.store import reading

SCALE = 100
DRAIN_WITHIN_S = 30.0
PEN_DOWN_S = 1.2
"""Time in which a poll certainly has brought both fuellings of the ambiguous sale to the station."""

PROMOTED = MEMBERS[0][0]

# When things break, as shares of the time the customers take.
PROMOTE_AT = 0.08
CUT_AT, KILL_AGENT_AT, KILL_HQ_AT, MEND_AT, START_HQ_AT = 0.30, 0.45, 0.60, 0.72, 0.80


@dataclass(frozen=True, slots=True)
class Size:
    lasts_s: int
    seed: int
    sales: int


class Play:
    """`run` returns the reconciliation; the folder keeps logs and databases for who wants to look."""

    def __init__(self, directory: Path, size: Size, broker: str) -> None:
        self._size = size
        self._clock = SystemClock()
        self.forecourt = Forecourt(directory / "devices", self._clock.monotonic_ms)
        bundle = files("config").joinpath("samples/demo-cn.bundle.toml").read_bytes()
        plan = Plan("demo-0001", "demo-cn", "Asia/Shanghai", self.forecourt.wiring, bundle)
        self.stage = Stage(directory, plan, self._clock.wall_ms, broker)
        self.cashier = Cashier(self.forecourt.pos, self._clock.monotonic_ms)
        self._offline_since_ms: int | None = None
        self._offline_ms = 0

    def figures(self) -> dict[str, str]:
        """What the live view shows, straight from the devices and the database."""
        shown = {"sold": str(len(self.forecourt.sold()) + self.cashier.baskets)}
        if not self.stage.database.exists():
            return shown
        try:
            connection = reading.connect(self.stage.database)
            summary = reading.summary(connection, self._clock.wall_ms())
            connection.close()
        except reading.NoDatabase:
            return shown
        assert isinstance(summary["queues"], list)
        points = summary["points_minor"]
        assert isinstance(points, int)
        waiting = sum(int(queue["waiting"]) for queue in summary["queues"])
        return shown | {
            "booked": str(summary["facts"]),
            "awarded": str(summary["awards"]),
            "points": points_text(points, SCALE),
            "waiting for HQ": str(waiting),
            "link": "cut" if self._offline_since_ms is not None else "up",
            "kills": str(self.stage.kills),
        }

    def run(self, view: View) -> Reconciliation:
        view.say("starting broker, headquarters and agent")
        self.stage.plan = self._with_members(self.stage.plan)
        self.stage.open()
        assert self.stage.broker is not None
        view.say(f"up: {self.stage.broker.kind}, headquarters with SQLite, agent on 3 dispensers and a POS")
        customers = [
            threading.Thread(
                target=self._serve, args=(pump, self._visits_at(pump.point), view), name=pump.point
            )
            for pump in self.forecourt.pumps
        ]
        for customer in customers:
            customer.start()
        self._break_things(view)
        for customer in customers:
            customer.join()
        view.say("the last car has left; waiting until headquarters has everything")
        drained = self.stage.drain(DRAIN_WITHIN_S)
        return self._reconcile(drained)

    def close(self) -> None:
        self.stage.close()
        self.forecourt.close()

    def _with_members(self, plan: Plan) -> Plan:
        members = []
        for number, (member, tier, credential) in enumerate(MEMBERS):
            hashed = self.stage.credential_key.hash(credential)
            assert hashed is not None
            members.append((Member(member=member, tier=tier, balance_minor=number * 25_000), (hashed,)))
        return Plan(
            plan.station,
            plan.programme,
            plan.timezone,
            plan.wiring,
            plan.bundle,
            tuple(members),
            plan.language,
        )

    def _visits_at(self, point: str) -> list[Visit]:
        points = len(self.forecourt.pumps)
        share = self._size.sales // points + (int(point) <= self._size.sales % points)
        return visits(point, share, random.Random(f"{self._size.seed}/{point}"))

    def _serve(self, pump: Pump, plan: list[Visit], view: View) -> None:
        began = self._clock.monotonic_ms()
        for number, visit in enumerate(plan):
            due_ms = began + self._size.lasts_s * 1000 * number // max(1, len(plan))
            while (wait_ms := due_ms - self._clock.monotonic_ms()) > 0:
                time.sleep(min(0.2, wait_ms / 1000))
            view.say(f"point {pump.point}  {visit.manner.value:<40} {self._one(pump, visit)}")

    def _one(self, pump: Pump, visit: Visit) -> str:
        price_milli = PRICES_MILLI[pump.point]
        if visit.manner is Manner.BEFORE:
            self.cashier.present(pump.point, visit.credential)
        for _ in range(visit.fuellings):
            pump.fuel(visit.volume_ml, visit.amount_fen, price_milli)
        if visit.manner is Manner.AMBIGUOUS:
            return self._choose(pump, visit)
        with_card = visit.manner not in (Manner.BEFORE, Manner.NOBODY, Manner.LATE)
        credential = visit.credential if with_card else None
        point = None if visit.manner is Manner.SHOP_ONLY else pump.point
        fuel_fen = 0 if point is None else visit.amount_fen
        answer = self.cashier.pay(visit.pos_sale_id, point, fuel_fen, credential, visit.lines)
        if visit.manner is Manner.LATE:
            self.cashier.identify(visit.pos_sale_id, visit.credential)
        if visit.manner is Manner.REFUND:
            self.cashier.refund(f"r-{visit.pos_sale_id}", visit.pos_sale_id, visit.amount_fen // 3)
        return answer.text if answer else "no answer in time"

    def _choose(self, pump: Pump, visit: Visit) -> str:
        """Two cars, the same amount, one point: the cashier picks, the other sale then has one match."""
        time.sleep(PEN_DOWN_S)
        first = self.cashier.pay(visit.pos_sale_id, pump.point, visit.amount_fen, visit.credential)
        if first is None or not first.candidates:
            return first.text if first else "no answer in time"
        self.cashier.choose(visit.pos_sale_id, first.candidates[0].fact_id)
        self.cashier.pay(f"{visit.pos_sale_id}b", pump.point, visit.amount_fen, visit.credential)
        return first.text

    def _break_things(self, view: View) -> None:
        """Cut, kill, kill, mend, start: in step with the customers' time."""
        began = self._clock.monotonic_ms()
        steps: list[tuple[float, str, Callable[[], None]]] = [
            (PROMOTE_AT, f"headquarters gives {PROMOTED} another tier", lambda: self._promote(view)),
            (CUT_AT, "the link to headquarters is cut; the station goes on", self._cut),
            (KILL_AGENT_AT, "SIGKILL for the agent in the middle of a sale", self._kill_agent),
            (KILL_HQ_AT, "SIGKILL for headquarters", lambda: self.stage.kill("hq")),
            (MEND_AT, "the link is mended, but nobody is at headquarters", self._mend),
            (START_HQ_AT, "headquarters is back", self.stage.start_hq),
        ]
        for share, line, step in steps:
            while self._clock.monotonic_ms() - began < self._size.lasts_s * 1000 * share:
                time.sleep(0.02)
            view.say(f"--- {line}")
            step()

    def _promote(self, view: View) -> None:
        """By headquarters' own commands: the list of members as it was loaded, then a decision on one."""
        self.stage.order("publish", "members", str(self.stage.document), "--station", self.stage.plan.station)
        took_ms = self.stage.order("member", "set-tier", PROMOTED, "platinum", "--reason", "goodwill")
        view.say(
            f"    signed, numbered, obeyed at the pump {took_ms / 1000:.1f} s later: the next sale has it"
        )

    def _cut(self) -> None:
        assert self.stage.relay is not None
        self.stage.relay.cut()
        self._offline_since_ms = self._clock.monotonic_ms()

    def _mend(self) -> None:
        assert self.stage.relay is not None
        assert self._offline_since_ms is not None
        self.stage.relay.mend()
        self._offline_ms += self._clock.monotonic_ms() - self._offline_since_ms
        self._offline_since_ms = None

    def _kill_agent(self) -> None:
        """Right after a device has ended a sale that the agent cannot have booked yet."""
        before = len(self.forecourt.sold())
        deadline = self._clock.monotonic_ms() + 3_000
        while len(self.forecourt.sold()) == before and self._clock.monotonic_ms() < deadline:
            time.sleep(0.001)
        self.stage.kill("agent")
        self.stage.start_agent()

    def _reconcile(self, drained: bool) -> Reconciliation:
        connection = reading.connect(self.stage.database)
        station = books_of_station(connection)
        connection.close()
        assert self.stage.relay is not None
        assert self.stage.broker is not None
        return reconcile(
            self.forecourt.sold(),
            self.cashier.baskets,
            station,
            books_of_hq(self.stage.hq_url, self.stage.plan.station),
            waits_ms=self.cashier.waits_ms,
            kills=self.stage.kills,
            offline_s=self._offline_ms // 1000,
            bytes_up=self.stage.relay.bytes_up,
            broker=self.stage.broker.kind,
            drained=drained,
        )
