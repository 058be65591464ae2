"""Where a scan looks: every way to open one port, and which drivers' devices could live there."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.cli.device_choice import Chosen, character_of, chosen, is_tcp
from agent.cli.typed import Mistyped
from drivers import catalogue
from drivers.driver import Wiring

_TRANSPORTS = {True: ("tcp",), False: ("serial", "rtu")}
"""What drivers that know several forms call the one on TCP, and the one on a wire."""


@dataclass(frozen=True, slots=True)
class Place:
    """One way to open the port, and who could live there."""

    device: str
    wiring: Wiring
    tenants: tuple[Chosen, ...]

    @property
    def shown(self) -> str:
        if is_tcp(self.device):
            return self.device
        return f"{self.wiring.baud} {character_of(self.wiring)}"


def usable() -> list[Chosen]:
    """Every listed driver that can be opened without being told options."""
    found = []
    for name in catalogue.names():
        try:
            found.append(chosen(name, {}))
        except Mistyped:
            continue
    return found


def places(port: str, tenants: Sequence[Chosen]) -> list[Place]:
    """Every way to open `port`, the likeliest first; for `socket://host` every port that drivers know."""
    fitting = [_in_form(each, tcp=is_tcp(port)) for each in tenants]
    return _of_tcp(port, fitting) if is_tcp(port) else _of_wire(port, fitting)


def _of_wire(port: str, tenants: Sequence[Chosen]) -> list[Place]:
    depth = max((len(each.driver.wirings) for each in tenants), default=0)
    ranked = [
        each.driver.wirings[rank]
        for rank in range(depth)
        for each in tenants
        if rank < len(each.driver.wirings)
    ]
    return [
        Place(port, wiring, tuple(each for each in tenants if wiring in each.driver.wirings))
        for wiring in dict.fromkeys(ranked)
    ]


def _of_tcp(port: str, tenants: Sequence[Chosen]) -> list[Place]:
    if port.removeprefix("socket://").rpartition(":")[2].isdigit():
        return [Place(port, Wiring(), tuple(tenants))]
    numbers = dict.fromkeys(number for each in tenants for number in each.driver.tcp_ports)
    return [
        Place(
            f"{port.rstrip(':')}:{number}",
            Wiring(),
            tuple(each for each in tenants if number in each.driver.tcp_ports),
        )
        for number in numbers
    ]


def _in_form(tenant: Chosen, *, tcp: bool) -> Chosen:
    """The same driver with the `transport` that such a port carries, unless that was said."""
    if "transport" in tenant.typed or "transport" not in tenant.driver.options.model_fields:
        return tenant
    for form in _TRANSPORTS[tcp]:
        try:
            return chosen(tenant.driver.name, {**tenant.typed, "transport": form}, tenant.address)
        except Mistyped:
            continue
    return tenant
