"""What a site can set for one line of Gilbarco pumps: `[line.device.options]` of station.toml."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["listen", "master"]

SILENCE_MS = 5_000
"""Sixteen pumps that are asked every 200 ms each take 3.2 s a round."""


class GilbarcoOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Field(
        default="listen",
        description="`listen`: a controller polls these pumps, and we say nothing. `master` (experimental): "
        "nobody else polls them; we only read, which is of use where a pump sells by itself, or on a bench",
    )
    pumps: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(
        default=(1,), min_length=1, max_length=16, description="pumps of this line that are ours to report"
    )
    totals_follow: bool = Field(
        default=True,
        description="listen: the controller reads totals after a fuelling, which is reported when they pass "
        "by, at the latest when its display goes; false: reported at once, without totalizer",
    )
    volume_decimals: int = Field(default=3, ge=0, le=3, description="decimals of the volume")
    amount_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the amount")
    price_decimals: int = Field(default=3, ge=0, le=4, description="decimals of the unit price")
    totalizer_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the totals")
    minor_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the currency's minor unit")
    poll_ms: int = Field(default=200, ge=50, le=2_000, description="master: time between looks at one pump")
    answer_ms: int = Field(
        default=150, ge=70, le=2_000, description="master: how long to wait for an answer, or its next word"
    )
    gap_ms: int = Field(default=5, ge=5, le=100, description="master: quiet time between messages")
