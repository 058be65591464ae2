"""What a site can set for one PTS controller: `[line.device.options]` of station.toml."""

from pydantic import BaseModel, ConfigDict, Field

SILENCE_MS = 4_000
"""More than the slowest options need for two looks, with one answer lost and waited out."""


class UnipumpOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    point_count: int = Field(
        default=1, ge=1, le=16, description="fuelling points of this controller: 1 to this"
    )
    closes: bool = Field(
        default=False,
        description="close a transaction once it is stored; only where no other program closes it: whoever "
        "authorises normally does, and would lose a sale that we closed first. If nobody closes, a point "
        "begins no other fuelling",
    )
    totals: bool = Field(
        default=True,
        description="read the totalizer after each fuelling; without it a sale of the same number, volume, "
        "price and amount a hundred sales later counts as the same one",
    )
    poll_ms: int = Field(default=200, ge=50, le=1_000, description="time between two looks at one point")
    answer_ms: int = Field(default=300, ge=50, le=1_000, description="how long to wait for an answer")
    gap_ms: int = Field(default=10, ge=0, le=500, description="quiet time between an answer and a question")
    totals_ms: int = Field(
        default=5_000, ge=200, le=30_000, description="how long the controller may take to fetch a totalizer"
    )
    volume_decimals: int = Field(default=2, ge=0, le=3, description="decimals of volumes")
    amount_decimals: int = Field(default=2, ge=0, le=3, description="decimals of amounts")
    price_decimals: int = Field(default=2, ge=0, le=3, description="decimals of unit prices")
    totalizer_decimals: int = Field(default=2, ge=0, le=3, description="decimals of totalizers")
    minor_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the currency's minor unit")
