"""What a site can set for one IFSF dispenser node: `[line.device.options]` of station.toml."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SILENCE_MS = 5_000
"""More than two looks of the slowest options and a lost answer, so that one lost answer is no silence."""
PointNo = Annotated[int, Field(ge=1, le=4)]


class IfsfOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    transport: Literal["tcp", "serial"] = Field(
        default="tcp",
        description="`tcp`: bare messages; `serial`: the Millennium wrapper with its sum and its turns",
    )
    own_node: int = Field(
        default=1,
        ge=1,
        le=127,
        description="our node in subnet 02; it must differ from that of another controller of the dispenser",
    )
    points: tuple[PointNo, ...] = Field(
        default=(1, 2),
        min_length=1,
        max_length=4,
        description="the node's fuelling points: 1 is database 21, 4 is database 24",
    )
    finds: Literal["list", "slots"] = Field(
        default="list",
        description="how unpaid sales are found: `list` asks for all of a point, `slots` for the two buffers "
        "of a point, as a Millennium console does",
    )
    clears: bool = Field(
        default=True,
        description="clear a sale when it is safe with us. false where a controller or POS clears: then we "
        "only read, and a sale is left for whoever is to be paid. If nobody clears, a point stops selling "
        "after its 2 to 15 unpaid sales",
    )
    additions: bool = Field(
        default=True,
        description="ask for date, time and totals of a sale (the Chinese additions CA to CD); false if the "
        "device does not know them, or gives them in one of its lists only",
    )
    offline: bool = Field(
        default=True,
        description="read, and with `clears` remove, what the device sold while no controller was there (C8)",
    )
    poll_ms: int = Field(
        default=500, ge=50, le=1_500, description="time between two looks at a point's state"
    )
    list_ms: int = Field(
        default=5_000,
        ge=500,
        le=60_000,
        description="time between two looks for unpaid sales when nothing says that there is one",
    )
    offline_ms: int = Field(
        default=60_000, ge=2_000, le=3_600_000, description="time between two looks for offline sales"
    )
    answer_ms: int = Field(default=1_000, ge=100, le=1_500, description="how long to wait for an answer")
    gap_ms: int = Field(default=10, ge=0, le=500, description="quiet time after an answer")
    volume_decimals: int = Field(
        default=2,
        ge=0,
        le=3,
        description="decimals that the meter counts in; the record has its own scale, with zeros behind",
    )
    amount_decimals: int = Field(default=2, ge=0, le=3, description="decimals that the money counts in")
    minor_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the currency's minor unit")
