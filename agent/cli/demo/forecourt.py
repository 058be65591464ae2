"""The simulated forecourt: two Modbus dispensers, a concentrator with two points, and a POS.

They speak on real sockets and pseudo-terminals; the agent reads them with its production drivers.
What they sold is the truth that the reconciliation starts from.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Monotonic
from drivers.modbus.options import ModbusOptions
from drivers.modbus.simulator import ModbusSimulator
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.simulator import PosSimulator
from drivers.stage import SimulatorOnPty, SimulatorOnTcp

REGISTER = "till-1"
FLOWS_S = 0.7
"""Long enough that a poll sees fuel flow, as it would for minutes at a real pump."""


@dataclass(frozen=True, slots=True)
class Sold:
    """One fuelling as the device knows it."""

    device_key: str
    volume_ml: int
    amount_fen: int


class Pump(Protocol):
    """A fuelling point that can sell. `fuel` returns when the nozzle is hung up."""

    point: str

    def fuel(self, volume_ml: int, amount_fen: int, price_milli: int) -> None: ...


class _ModbusPump:
    def __init__(
        self,
        point: str,
        stage: "SimulatorOnPty[ModbusSimulator] | SimulatorOnTcp[ModbusSimulator]",
        clock: Callable[[], Monotonic],
    ) -> None:
        self.point = point
        self._stage = stage
        self._clock = clock

    def fuel(self, volume_ml: int, amount_fen: int, price_milli: int) -> None:
        lasts_ms = int(FLOWS_S * 1000)
        self._stage.act(
            lambda device: device.sell(volume_ml, amount_fen, price_milli, self._clock(), lasts_ms)
        )
        time.sleep(FLOWS_S)


class _ConcentratorPump:
    def __init__(self, point: str, nozzle: str, stage: SimulatorOnPty[CompanytecSimulator]) -> None:
        self.point = point
        self._nozzle = nozzle
        self._stage = stage

    def fuel(self, volume_ml: int, amount_fen: int, price_milli: int) -> None:
        self._stage.act(lambda device: device.begin(self._nozzle))
        time.sleep(FLOWS_S)
        self._stage.act(lambda device: device.sell(self._nozzle, volume_ml, amount_fen, price_milli))


class Forecourt:
    """`wiring` goes into station.toml; `pumps` in the order of their points 1 to 4."""

    def __init__(self, directory: Path, clock: Callable[[], Monotonic]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        tcp = ModbusSimulator("1", ModbusOptions(map="ring-buffer", transport="tcp"))
        rtu = ModbusSimulator("2", ModbusOptions(map="compac-c5000", transport="rtu"))
        self._tcp = SimulatorOnTcp(tcp, clock)
        self._rtu = SimulatorOnPty(rtu, clock, directory / "rtu")
        self.concentrator = SimulatorOnPty(CompanytecSimulator(), clock, directory / "cbc")
        self.pos = SimulatorOnPty(
            PosSimulator(PosLinkOptions(register_id=REGISTER)), clock, directory / "pos"
        )
        self.pumps: tuple[Pump, ...] = (
            _ModbusPump("1", self._tcp, clock),
            _ModbusPump("2", self._rtu, clock),
            _ConcentratorPump("3", "08", self.concentrator),
            _ConcentratorPump("4", "09", self.concentrator),
        )

    @property
    def wiring(self) -> str:
        return _WIRING.format(
            tcp=self._tcp.device,
            rtu=self._rtu.path,
            cbc=self.concentrator.path,
            pos=self.pos.path,
            register=REGISTER,
        )

    def sold(self) -> list[Sold]:
        """Every fuelling that ended at a device."""
        modbus = [
            Sold(key, sale.volume_ml, sale.amount_fen)
            for key, stage in (("disp-1", self._tcp), ("disp-2", self._rtu))
            for sale in stage.act(lambda device: list(device.truth))
        ]
        records = self.concentrator.act(lambda device: list(device.concentrator.sold))
        return modbus + [Sold("cbc", record.volume_ml, record.amount_fen) for record in records]

    def close(self) -> None:
        for stage in (self._tcp, self._rtu, self.concentrator, self.pos):
            stage.close()


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
  [[point.nozzle]]
  device = "disp-1"
  nozzle = "1"
  product = "petrol-92"

[[point]]
id = "2"
  [[point.nozzle]]
  device = "disp-2"
  nozzle = "1"
  product = "petrol-95"

[[point]]
id = "3"
  [[point.nozzle]]
  device = "cbc"
  nozzle = "08"
  product = "diesel-0"

[[point]]
id = "4"
  [[point.nozzle]]
  device = "cbc"
  nozzle = "09"
  product = "petrol-98"
"""
