"""A running station whose wires, devices and visitors can be made odd, for the tests of bad input."""

import base64
import json
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.cli.demo.cashier import Cashier
from agent.cli.demo.forecourt import Sold
from agent.cli.demo.reconcile import books_of_hq
from agent.cli.demo.stage import Plan, Stage
from agent.cli.demo.visits import MEMBERS
from agent.clock import SystemClock
from agent.messages.snapshot import Member
from agent.store import integrity, reading
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Answer, Monotonic
from drivers.modbus.options import ModbusOptions
from drivers.modbus.simulator import ModbusSimulator
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.simulator import PosSimulator
from drivers.session import Simulator
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from sync.mqtt import Closed, Link, LinkEvent, Opened, Outgoing, Published
from sync.signing import sign_document
from sync.tls import BrokerAddress, parse_broker

BUNDLE = Path(__file__).parents[3] / "config/samples/demo-cn.bundle.toml"
REGISTER = "till-1"
PRICE_MILLI = 7850
FIRST_CBC_NUMBER, FIRST_RING_NUMBER = 9_997, 65_533
"""Both wrap after a few sales."""
SIGNS_OF_DEATH = ("WORKER_DIED", "STORE_BROKEN", "Traceback", "hq_disconnected")

Pieces = Iterable[tuple[int, bytes]]
Mangle = Callable[[bytes], Pieces]
"""What becomes of one write of the device: (milliseconds later, bytes) in order."""


class OddWire:
    """A simulator on a wire that mangles what the device says and carries what nobody said."""

    def __init__(self, device: Simulator) -> None:
        self.device = device
        self.mangles: deque[Mangle] = deque()
        self._pieces: deque[tuple[Monotonic, bytes]] = deque()
        self._said = b""

    def __getattr__(self, name: str) -> object:
        return getattr(self.device, name)

    def say(self, data: bytes) -> None:
        """Bytes on the wire besides the device's."""
        self._said += data

    def receive(self, data: bytes, now: Monotonic) -> None:
        self.device.receive(data, now)

    def handle_timer(self, now: Monotonic) -> None:
        self.device.handle_timer(now)

    def next_timer(self) -> Monotonic | None:
        timers = [self.device.next_timer(), self._pieces[0][0] if self._pieces else None]
        return Monotonic(0) if self._said else min((t for t in timers if t is not None), default=None)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        said = self.device.bytes_to_send(now)
        if said:
            pieces = self.mangles.popleft()(said) if self.mangles else ((0, said),)
            self._pieces.extend((Monotonic(now + later_ms), piece) for later_ms, piece in pieces)
        due, self._said = self._said, b""
        while self._pieces and self._pieces[0][0] <= now:
            due += self._pieces.popleft()[1]
        return due


class OddStation:
    """Broker, HQ and agent as processes; points 1 (ring, TCP), 2 (last sale, RTU), 3 to 5 (Companytec).

    No rule meets what point 5 sells, for its tank was filled with something else after the rules had
    come (rules with such a hole are refused); nozzle 0B of the concentrator is in no configuration.
    """

    def __init__(self, directory: Path) -> None:
        clock = SystemClock()
        self._clock = clock.monotonic_ms
        ring = ModbusSimulator("1", ModbusOptions(map="ring-buffer", transport="tcp"))
        ring.start_numbers_at(FIRST_RING_NUMBER)
        last = ModbusSimulator("2", ModbusOptions(map="compac-c5000", transport="rtu"))
        cbc = CompanytecSimulator()
        cbc.concentrator.write = cbc.read = FIRST_CBC_NUMBER
        pos = PosSimulator(PosLinkOptions(register_id=REGISTER))
        self.ring = SimulatorOnTcp(OddWire(ring), self._clock)
        self.last = SimulatorOnPty(OddWire(last), self._clock, directory / "rtu")
        self.cbc = SimulatorOnPty(OddWire(cbc), self._clock, directory / "cbc")
        self.pos = SimulatorOnPty(OddWire(pos), self._clock, directory / "pos")
        self.cashier = Cashier(self.pos, self._clock)  # type: ignore[arg-type]  # an OddWire hands on every verb
        wiring = _WIRING.format(
            tcp=self.ring.device, rtu=self.last.path, cbc=self.cbc.path, pos=self.pos.path, register=REGISTER
        )
        plan = Plan("odd-1", "demo-cn", "Asia/Shanghai", wiring, BUNDLE.read_bytes(), language="en")
        self.stage = Stage(directory, plan, clock.wall_ms)
        members = tuple(
            (Member(member=name, tier=tier), (self.stage.credential_key.hash(card) or "",))
            for name, tier, card in MEMBERS
        )
        self.stage.plan = replace(plan, members=members)
        self._sales = 0
        self._agent_pid = self._hq_pid = 0

    def open(self) -> None:
        self.stage.open()
        self.stage.end("agent")
        settings = self.stage.config.read_text()
        self.stage.config.write_text(settings.replace(_BEFORE, _HYDROGEN))
        self.stage.start_agent()
        self._agent_pid, self._hq_pid = self.stage.pid("agent"), self.stage.pid("hq")

    def close(self) -> None:
        self.stage.close()
        for device in (self.ring, self.last, self.cbc, self.pos):
            device.close()

    def calm_wires(self) -> None:
        """Nothing is mangled any more."""
        for device in (self.ring, self.last, self.cbc, self.pos):
            device.act(lambda wire: wire.mangles.clear())

    # Selling.

    def _next_sale(self) -> tuple[int, int]:
        """Volume and amount that no other sale has."""
        self._sales += 1
        volume_ml = 10_000 + 20 * self._sales
        return volume_ml, (volume_ml * PRICE_MILLI + 5_000) // 10_000

    def sell(
        self, where: str, *, off_fen: int = 0, meter_stands: bool = False, tag: str | None = None
    ) -> int:
        """One ended fuelling at "ring", "last" or a nozzle of the concentrator; its amount in fen.

        `off_fen` is added to what volume × price says. `meter_stands`: the totalizer stays where it was.
        """
        volume_ml, amount_fen = self._next_sale()
        amount_fen += off_fen

        def at_modbus(device: ModbusSimulator) -> None:
            if meter_stands:
                fen = sum(sale.amount_fen for sale in device.truth)
                device.start_totals_at(device.truth[-1].total_after_ml - volume_ml, fen - amount_fen)
            device.sell(volume_ml, amount_fen, PRICE_MILLI, self._clock())

        def at_concentrator(device: CompanytecSimulator) -> None:
            if meter_stands:
                device.concentrator.totals_ml[where] -= volume_ml
            device.sell(where, volume_ml, amount_fen, PRICE_MILLI, tag)

        if where in ("ring", "last"):
            (self.ring if where == "ring" else self.last).act(at_modbus)
        else:
            self.cbc.act(at_concentrator)
        return amount_fen

    def sell_everywhere(self) -> None:
        """One sale of each device, booked before this returns."""
        for where in ("ring", "last", "08"):
            self.sell(where)
        self.wait_until_booked()

    def sold(self) -> list[Sold]:
        """Every fuelling that ended at a device."""
        modbus = [
            Sold(key, sale.volume_ml, sale.amount_fen)
            for key, device in (("disp-1", self.ring), ("disp-2", self.last))
            for sale in device.act(lambda device: list(device.truth))
        ]
        records = self.cbc.act(lambda device: list(device.concentrator.sold))
        return modbus + [Sold("cbc", record.volume_ml, record.amount_fen) for record in records]

    def wait_until_booked(self) -> None:
        """Every fuelling and basket is a fact, and every device knows that we have its records."""
        expected = len(self.sold()) + self.cashier.baskets
        until(lambda: self.stage.status()["facts"] == expected, f"{expected} facts")
        until(lambda: self.backlog() == 0, "the devices to be told")

    def facts(self, columns: str, device_key: str, kind: str = "fuelling") -> list[tuple[Any, ...]]:
        """These columns of a device's facts, in the order in which they were booked."""
        where = f"device_key = '{device_key}' AND kind = '{kind}'"
        return self.rows(f"SELECT {columns} FROM fact WHERE {where} ORDER BY stream_seq")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What stands in the station's database."""
        with reading.look(self.stage.database) as connection:
            return [tuple(row.values()) for row in reading.query(connection, sql)]

    def next_seq(self) -> int:
        """The row of the ledger stream that is not written yet."""
        assert self.stage.drain(20)
        [(seq,)] = self.rows("SELECT max(seq) + 1 FROM outbox WHERE stream = 'ledger'")
        return int(seq)

    def backlog(self) -> int:
        """Records that a device still keeps for us."""
        ring = self.ring.act(lambda device: len(device.truth) - len(device.released()))
        return ring + self.cbc.act(lambda device: device.concentrator.write - device.read)

    # What is seen of it.

    def shown(self) -> dict[str, Any]:
        """`forecourt status --json`."""
        return _forecourt("status", "--json", "--config", str(self.stage.config))

    @contextmanager
    def seen_in_status(self, growth: Mapping[str, int]) -> Iterator[None]:
        """What happens in the block makes these figures of `status` grow by exactly so much.

        A line's figures (`line …`) by at least so much: they may still lag behind what was before.
        """
        before = figures(self.stage.status())
        yield

        def grown(shown: Mapping[str, Any]) -> dict[str, int]:
            now = figures(shown)
            return {name: now[name] - before[name] for name in growth}

        def fits(shown: Mapping[str, Any]) -> bool:
            return all(
                times >= growth[name] if name.startswith("line ") else times == growth[name]
                for name, times in grown(shown).items()
            )

        until(lambda: fits(self.stage.status()), lambda: f"{growth}, saw {grown(self.stage.status())}")
        assert fits(self.shown())

    @contextmanager
    def seen_at_hq(self, exactly: Mapping[str, int]) -> Iterator[None]:
        """What happens in the block is counted so often at headquarters: `CODE station` or `CODE `."""
        before = self._hq_alarms()
        yield

        def grown() -> dict[str, int]:
            now = self._hq_alarms()
            return {name: now[name] - before[name] for name in {*now, *exactly} if now[name] != before[name]}

        until(lambda: grown() == exactly, lambda: f"{exactly}, saw {grown()}")

    def hq_sums(self) -> dict[str, Any]:
        """`forecourt hq reconcile --json`."""
        return _forecourt("hq", "reconcile", self.stage.plan.station, "--json", "--db", self.stage.hq_url)

    def pos_answer(self, verb: Callable[[PosSimulator], int]) -> Answer:
        """What the POS is answered at once to a request."""
        number = self.pos.act(verb)  # type: ignore[arg-type]  # an OddWire hands on every verb
        until(lambda: self.pos.act(lambda pos: number in pos.told), f"the answer to message {number}")
        return self.pos.act(lambda pos: pos.told[number].answer)

    def _hq_alarms(self) -> Counter[str]:
        shown = _forecourt("hq", "status", "--json", "--db", self.stage.hq_url)
        return Counter({f"{alarm['code']} {alarm['station']}": alarm["count"] for alarm in shown["alarms"]})

    def is_unharmed(self) -> None:
        """The same processes run, no part of them died, and all three books have every sale once."""
        assert self.stage.status()["pid"] == self.stage.pid("agent") == self._agent_pid
        assert self.stage.pid("hq") == self._hq_pid
        for name in ("agent", "hq"):
            said = (self.stage.directory / f"{name}.log").read_text(errors="replace")
            assert [sign for sign in SIGNS_OF_DEATH if sign in said] == [], said[-3000:]
        self.wait_until_booked()
        assert self.stage.drain(20)
        connection = reading.connect(self.stage.database)
        station, findings = reading.books(connection), integrity.verify(connection)
        connection.close()
        assert findings == []
        hq = books_of_hq(self.stage.hq_url, self.stage.plan.station)
        assert Counter(hq.fuellings) == Counter(self.sold())
        assert hq.facts == station["facts"] == len(self.sold()) + self.cashier.baskets
        assert (hq.awards, hq.points_minor) == (station["awards"], station["points_minor"])
        assert hq.mismatches == 0

    # Messages that nobody sent, and keys to sign some of them.

    def hq_sign(self, data: bytes) -> bytes:
        return self.stage._hq_key.sign(data)

    def station_sign(self, data: bytes) -> bytes:
        return self.stage._station_key.sign(data)

    def hq_document(self, kind: str, payload: bytes) -> bytes:
        return sign_document(kind, payload, self.stage._hq_key)

    def load(self, document: bytes) -> dict[str, Any]:
        """What `forecourt load` asks on the control socket, and the answer."""
        request = {"verb": "load", "document": base64.b64encode(document).decode()}
        return self.on_the_socket(json.dumps(request).encode() + b"\n")

    def on_the_socket(self, line: bytes) -> dict[str, Any]:
        """Any bytes on the control socket, and the answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(20)
            client.connect(str(self.stage.socket))
            client.sendall(line)
            with client.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        return answer

    def publish(self, topic: str, payload: bytes, correlation: bytes = b"") -> bool:
        """A stranger at the broker with the right to write anywhere; False if the broker threw it out."""
        assert self.stage.broker is not None
        address = parse_broker(self.stage.broker.url)
        assert isinstance(address, BrokerAddress)
        link = Link(address, None, "stranger", 30)
        link.open()
        assert isinstance(_heard(link, Opened), Opened)
        link.publish(Outgoing(topic, payload, correlation=correlation))
        end = _heard(link, Published)
        link.close(with_will=False)
        return isinstance(end, Published)


def _heard(link: Link, kind: type[LinkEvent]) -> LinkEvent:
    """The next event of this kind, or the end."""
    deadline = time.monotonic() + 10
    while not isinstance(event := link.next_event(0.1), kind | Closed):
        assert time.monotonic() < deadline, f"no {kind.__name__}"
    return event


@contextmanager
def odd_station(directory: Path) -> Iterator[OddStation]:
    """Open, with one sale of each device already booked; closed at the end."""
    station = OddStation(directory)
    try:
        station.open()
        station.sell_everywhere()
        yield station
    finally:
        station.close()


def figures(shown: Mapping[str, Any]) -> Counter[str]:
    """Everything that `status` counts, by a name that tests can write: `alarm CODE subject`,
    `line NAME CODE`, `road CODE`, `socket CODE`."""
    found: Counter[str] = Counter()
    for alarm in shown["alarms"]:  # type: ignore[attr-defined]
        found[f"alarm {alarm['code']} {alarm['subject']}"] += alarm["times"]
    for line in shown["lines"]:  # type: ignore[attr-defined]
        found.update({f"line {line['name']} {code}": times for code, times in line["counters"].items()})
    found.update({f"road {code}": times for code, times in shown["road"]["refused"].items()})  # type: ignore[index]
    found.update({f"socket {code}": times for code, times in shown["control_refused"].items()})  # type: ignore[attr-defined]
    return found


def until(holds: Callable[[], bool], what: str | Callable[[], str], within_s: float = 60.0) -> None:
    """Wait until it holds, or fail saying what was waited for."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what if isinstance(what, str) else what()}"
        time.sleep(0.03)


def _forecourt(*arguments: str) -> dict[str, Any]:
    """A reading command, as somebody at the station or at headquarters types it."""
    done = subprocess.run([sys.executable, "-m", "agent.cli", *arguments], capture_output=True, check=False)
    shown: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return shown


_WIRING = """\
[[line]]
name = "island-1"
driver = "modbus"
port = "{tcp}"
  [[line.device]]
  key = "disp-1"
  address = "1"
  options = {{ map = "ring-buffer", transport = "tcp" }}

[[line]]
name = "island-2"
driver = "modbus"
port = "{rtu}"
pty = true
  [[line.device]]
  key = "disp-2"
  address = "2"
  options = {{ map = "compac-c5000", transport = "rtu" }}

[[line]]
name = "island-3"
driver = "companytec"
port = "{cbc}"
pty = true
  [[line.device]]
  key = "cbc"
  address = "0"

[[line]]
name = "pos"
driver = "pos_link"
port = "{pos}"
pty = true
  [[line.device]]
  key = "{register}"
  address = "{register}"
  options = {{ register_id = "{register}" }}

[[point]]
id = "1"
nozzle = [{{ device = "disp-1", nozzle = "1", product = "petrol-92" }}]

[[point]]
id = "2"
nozzle = [{{ device = "disp-2", nozzle = "1", product = "petrol-95" }}]

[[point]]
id = "3"
nozzle = [{{ device = "cbc", nozzle = "08", product = "diesel-0" }}]

[[point]]
id = "4"
nozzle = [{{ device = "cbc", nozzle = "09", product = "petrol-98" }}]

[[point]]
id = "5"
nozzle = [{{ device = "cbc", nozzle = "0A", product = "petrol-92" }}]
"""
_BEFORE = 'nozzle = "0A", product = "petrol-92"'
_HYDROGEN = 'nozzle = "0A", product = "hydrogen"'
