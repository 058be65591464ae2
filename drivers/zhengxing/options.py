"""What a site can set for one Zhengxing dispenser: `[line.device.options]` of station.toml."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["listen", "master"]

SILENCE_MS = 3_000


class ZhengxingOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Field(
        default="listen",
        description="`listen`: a controller polls this dispenser, and we say nothing. `master` "
        "(experimental): nobody else polls it; we read its sales and acknowledge them, and never authorise: "
        "of use where it sells by itself, or on a bench",
    )
    addresses: tuple[Annotated[int, Field(ge=1, le=99)], ...] = Field(
        default=(),
        max_length=16,
        description="numbers of this dispenser's fuelling points on the line; not set: the one that is the "
        "device's address. Each is reported as the nozzle of its number",
    )
    unsteady_bytes: tuple[Annotated[int, Field(ge=4, le=34)], ...] = Field(
        default=(),
        max_length=28,
        description="places in a sale's reply, counted from 0 at FC, that differ from reading to reading of "
        "one sale (master counts `RECORD_VARIES`): they are left out of its identity",
    )
    volume_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the volume")
    amount_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the amount")
    price_decimals: int = Field(default=2, ge=0, le=4, description="decimals of the unit price")
    totalizer_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the volume total")
    minor_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the currency's minor unit")
    poll_ms: int = Field(default=300, ge=50, le=2_000, description="master: rest between two rounds of polls")
    answer_ms: int = Field(default=300, ge=50, le=2_000, description="master: how long to wait for an answer")
    gap_ms: int = Field(default=100, ge=5, le=500, description="master: quiet time between two questions")
