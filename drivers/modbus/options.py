"""What station.toml says about one Modbus device: `[line.device.options]`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from drivers.modbus.map_files import load_map
from drivers.modbus.maps import Decimals, PollMs, RegisterMap, with_decimals
from drivers.modbus.registers import WordOrder


class ModbusOptions(BaseModel):
    """`map` is a shipped map's name or the path of a site's own `.toml`.

    None means: as the map says. `answer_ms` is how long the device may think before it answers;
    the time on the wire at `baud` is added (RTU only, `baud` must be the port's). Word order and
    decimals are site settings of many devices: wrong ones show as amounts that do not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    map: str
    transport: Literal["tcp", "rtu"]
    word_order: Annotated[WordOrder | None, Field(strict=False)] = None
    poll_ms: PollMs | None = None
    answer_ms: Annotated[int, Field(ge=20, le=1000)] = 300
    baud: Annotated[int, Field(ge=300, le=1_000_000)] = 9600
    volume_decimals: Decimals | None = None
    amount_decimals: Decimals | None = None
    price_decimals: Decimals | None = None
    total_decimals: Decimals | None = None
    total_amount_decimals: Decimals | None = None

    _register_map: RegisterMap = PrivateAttr()

    @model_validator(mode="after")
    def _read_map(self) -> Self:
        # Once, here: a file that changes under a running session must not change what registers mean.
        found = with_decimals(
            load_map(self.map),
            volume=self.volume_decimals,
            amount=self.amount_decimals,
            unit_price=self.price_decimals,
            total=self.total_decimals,
            total_amount=self.total_amount_decimals,
        )
        chosen = {"word_order": self.word_order, "poll_ms": self.poll_ms}
        known = {key: value for key, value in chosen.items() if value is not None}
        self._register_map = found.model_copy(update=known)
        return self

    def register_map(self) -> RegisterMap:
        """The map with this site's settings in it."""
        return self._register_map
