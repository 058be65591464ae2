"""Every pump driver that can be made to sell, in each of its ways: as master and as listener, by each map."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from drivers import catalogue
from drivers.driver import Driver

PRICE_MILLI = 7_850
_RING = {"map": "ring-buffer", "transport": "tcp", "poll_ms": 250}
_LAST = {"map": "compac-c5000", "transport": "rtu"}
_COUNTER = {
    "map": "pulse-counter",
    "transport": "rtu",
    "unit_price_milli": PRICE_MILLI,
    "pulses_per_litre_milli": 100_000,
    "flow_stopped_ms": 3_000,
}
_COUNTS, _BESIDE = "counter", "beside"
_OPTIONS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "ifsf": {"alone": {"clears": True}, _BESIDE: {}},
    "modbus": {"ring": _RING, "last": _LAST, _COUNTS: _COUNTER},
    "unipump": {"alone": {"closes": True}, _BESIDE: {}},
}
"""Where options decide what a driver can promise, and what its ways are called then. Beside another program,
which lets go of each sale, we are no better than a listener."""


@dataclass(frozen=True, slots=True)
class Way:
    """One driver with the options that make it one of its kinds. `given` is what a site would write."""

    name: str
    driver: Driver
    given: Mapping[str, object]

    @property
    def options(self) -> Any:
        return self.driver.options.model_validate(dict(self.given))

    @property
    def listens(self) -> bool:
        return self.driver.listens(self.options)

    @property
    def counts(self) -> bool:
        """Whether the device knows no sales, only what flowed (class C)."""
        return self.name.endswith(_COUNTS)

    @property
    def keeps(self) -> bool:
        """Whether the device still has its last sale for us when we come back."""
        return not (self.listens or self.counts or self.name.endswith(_BESIDE))

    @property
    def on_tcp(self) -> bool:
        return self.given.get("transport") == "tcp"


def ways() -> Iterator[Way]:
    for driver in catalogue.all():
        if driver.sell is None or driver.hand_over is None:
            continue
        mode = driver.options.model_fields.get("mode")
        modes = {chosen: {"mode": chosen} for chosen in get_args(mode.annotation)} if mode else {"": {}}
        for kind, given in _OPTIONS.get(driver.name, modes).items():
            yield Way("_".join(filter(None, (driver.name, kind))), driver, given)


def finished(name: str) -> Callable[[Any], int]:
    """What moves in this driver's simulated device when a nozzle is hung up."""
    return _FINISHED[name]


def _points(device: Any) -> list[Any]:
    """The fuelling points of a simulated dispenser, or of the wire that a listener hears."""
    return list(getattr(device, "points", {0: device}).values())


def _sum_of_totals(pumps: Any) -> int:
    return sum(sum(pump.totals.values()) for pump in pumps.values())


_FINISHED: Mapping[str, Callable[[Any], int]] = {
    "azt2": lambda device: sum(each.ended_count for each in getattr(device, "pumps", {0: device}).values()),
    "cn_tax_port": lambda device: len(device.sold),
    "companytec": lambda device: len(device.concentrator.sold),
    "dart": lambda device: _sum_of_totals(
        {point: each.pump for point, each in getattr(device, "pumps", {0: device}).items()}
    ),
    "gilbarco": lambda device: _sum_of_totals(getattr(device.pumps, "pumps", device.pumps)),
    "hengshan": lambda device: sum(each.dispenser.total_cl for each in _points(device)),
    "ifsf": lambda device: len(device.sold),
    "modbus": lambda device: len(device.truth),
    "unipump": lambda device: len(device.sold),
    "zhengxing": lambda device: sum(each.volume_total_count for each in _points(device)),
}
