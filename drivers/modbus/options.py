"""What station.toml says about one Modbus device: `[line.device.options]`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from drivers.modbus.map_files import load_map
from drivers.modbus.map_parts import Decimals, PollMs
from drivers.modbus.maps import CounterMap, FlowStoppedMs, GaugeMap, RegisterMap, with_decimals
from drivers.modbus.registers import WordOrder

FULL_AFTER_L = 100_000
"""Some days of a busy hose: what passes while nobody reads must show as litres, and not go round in them."""


class ModbusOptions(BaseModel):
    """What None means stands in the description; mostly: as the map says. Word order and decimals are site
    settings of many devices: wrong ones show as amounts that do not fit."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    map: Annotated[str, Field(description="a shipped map's name, or the path of the site's own .toml")]
    transport: Annotated[Literal["tcp", "rtu"], Field(description="how frames are packed")]
    word_order: Annotated[
        WordOrder | None, Field(strict=False, description="which word of a long number comes first")
    ] = None
    poll_ms: Annotated[PollMs | None, Field(description="how often the device is asked")] = None
    answer_ms: Annotated[
        int, Field(ge=20, le=1000, description="thinking time of the device; time on the wire is added")
    ] = 300
    baud: Annotated[int, Field(ge=300, le=1_000_000, description="the port's own baud (RTU only)")] = 9600
    volume_decimals: Decimals | None = None
    amount_decimals: Decimals | None = None
    price_decimals: Decimals | None = None
    total_decimals: Decimals | None = None
    total_amount_decimals: Decimals | None = None
    pulses_per_litre_milli: Annotated[
        int | None,
        Field(
            ge=1,
            le=10_000_000,
            description="K factor of a counter: 98.5 pulses a litre are 98500; where it is changed, the "
            "device needs another `key`, because its totals are other litres then",
        ),
    ] = None
    unit_price_milli: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="price behind a counter; None: amounts are 0, PRICE_UNKNOWN"),
    ] = None
    flow_stopped_ms: Annotated[
        FlowStoppedMs | None, Field(description="a counter that stood still so long ends its fuelling")
    ] = None

    tanks: Annotated[int | None, Field(ge=1, le=64, description="how many tanks the gauge has")] = None

    _register_map: RegisterMap = PrivateAttr()

    @model_validator(mode="after")
    def _read_map(self) -> Self:
        # Once, here: a file that changes under a running session must not change what registers mean.
        found = with_decimals(load_map(self.map), self._decimals())
        self._check_counter(found)
        chosen = {
            "word_order": self.word_order,
            "poll_ms": self.poll_ms,
            "flow_stopped_ms": self.flow_stopped_ms,
        }
        known = {key: value for key, value in chosen.items() if value is not None}
        self._register_map = self._with_tanks(found.model_copy(update=known))
        return self

    def _decimals(self) -> dict[str, int]:
        """By the map's names for them, as far as they are set."""
        given = {
            "volume": self.volume_decimals,
            "amount": self.amount_decimals,
            "unit_price": self.price_decimals,
            "total_volume": self.total_decimals,
            "total_amount": self.total_amount_decimals,
        }
        return {role: decimals for role, decimals in given.items() if decimals is not None}

    def _with_tanks(self, found: RegisterMap) -> RegisterMap:
        if self.tanks is None:
            return found
        if not isinstance(found, GaugeMap) or self.tanks > found.tanks:
            raise ValueError(f"map {self.map!r} has no {self.tanks} tanks")
        return found.model_copy(update={"tanks": self.tanks})

    def _check_counter(self, found: RegisterMap) -> None:
        if isinstance(found, CounterMap):
            if self.pulses_per_litre_milli is None:
                raise ValueError(f"map {self.map!r} counts pulses: pulses_per_litre_milli is needed")
            full_l = found.roles.pulses.modulus * 1_000 // self.pulses_per_litre_milli
            if full_l < FULL_AFTER_L:
                raise ValueError(
                    f"a counter that is full after {full_l} l: too soon to tell this from one that began anew"
                )
            if 4 * (self.poll_ms or found.poll_ms) > (self.flow_stopped_ms or found.flow_stopped_ms):
                raise ValueError("flow_stopped_ms must be at least four times poll_ms")
        elif {self.pulses_per_litre_milli, self.unit_price_milli, self.flow_stopped_ms} != {None}:
            raise ValueError(
                f"map {self.map!r} counts no pulses: pulses_per_litre_milli, unit_price_milli and "
                "flow_stopped_ms mean nothing to it"
            )

    def register_map(self) -> RegisterMap:
        """The map with this site's settings in it."""
        return self._register_map
