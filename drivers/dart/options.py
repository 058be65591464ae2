"""What a site can set for one side of a DART pump: `[line.device.options]` of station.toml."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["listen", "master"]

SILENCE_MS = 3_000


class DartOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Field(
        default="listen",
        description="`listen`: a controller polls these pumps, and we say nothing. `master` (experimental): "
        "nobody else polls them; we only read, which is of use where a pump sells by itself, or on a bench",
    )
    nozzles: tuple[Annotated[int, Field(ge=1, le=9)], ...] = Field(
        default=(1,),
        min_length=1,
        max_length=9,
        description="logical nozzles of this side; a single one is known even where the pump does not say it",
    )
    totals_follow: bool = Field(
        default=True,
        description="listen: the controller reads totals after a fuelling, which is reported when they pass "
        "by, at the latest when its display goes; false: reported at once, without totalizer",
    )
    reply_ms: int = Field(
        default=90,
        ge=20,
        le=500,
        description="listen: what begins later than this after a poll is the controller's, not the answer",
    )
    volume_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the volume")
    amount_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the amount")
    price_decimals: int = Field(default=2, ge=0, le=4, description="decimals of the unit price")
    totalizer_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the totals")
    minor_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the currency's minor unit")
    poll_ms: int = Field(default=200, ge=50, le=2_000, description="master: rest between two rounds of polls")
    answer_ms: int = Field(default=120, ge=25, le=2_000, description="master: how long to wait for an answer")
    gap_ms: int = Field(default=5, ge=1, le=100, description="master: quiet time before an acknowledgement")
