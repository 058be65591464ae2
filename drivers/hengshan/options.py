"""What a site can set for one fuelling point of a Hengshan dispenser: `[line.device.options]`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["listen", "master"]

SILENCE_MS = 4_000


class HengshanOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Field(
        default="listen",
        description="`listen`: a controller polls these dispensers, and we say nothing. `master` "
        "(experimental): nobody else polls them; sales are read and confirmed, but lifts and the flow are "
        "not seen: the question for them carries the time of day and would set the dispenser's clock",
    )
    volume_decimals: int = Field(default=2, ge=0, le=3, description="decimals of volumes")
    amount_decimals: int = Field(default=2, ge=0, le=3, description="decimals of amounts")
    price_decimals: int = Field(default=2, ge=0, le=4, description="decimals of unit prices")
    totalizer_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the volume total")
    wraps_at: int = Field(
        default=2**32,
        ge=10**6,
        le=2**32,
        description="the count at which the volume total begins again with 0, in its own steps",
    )
    minor_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the currency's minor unit")
    look_back_count: int = Field(
        default=10,
        ge=0,
        le=1_000,
        description="master: so many sales before the newest are read again after a start, in case they "
        "were sold and confirmed while we were away; those that are booked already count once",
    )
    poll_ms: int = Field(default=300, ge=100, le=2_000, description="master: time between two looks")
    answer_ms: int = Field(default=300, ge=50, le=2_000, description="master: how long to wait for an answer")
    gap_ms: int = Field(
        default=100, ge=10, le=500, description="master: quiet time between an answer and the next question"
    )
