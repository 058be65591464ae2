"""What a site can set for one tax-control port: `[line.device.options]` of station.toml."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SILENCE_MS = 6_000


class TaxPortOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    guns: tuple[Annotated[int, Field(ge=0, le=255)], ...] = Field(
        default=(1,), min_length=1, max_length=8, description="gun numbers that this port answers for"
    )
    poll_ms: int = Field(
        default=1_000, ge=100, le=5_000, description="time between two looks at one gun: less than a fuelling"
    )
    answer_ms: int = Field(default=500, ge=50, le=2_000, description="how long to wait for an answer")
    gap_ms: int = Field(
        default=20, ge=5, le=500, description="quiet time between an answer and the next question"
    )
    volume_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the sale's volume")
    amount_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the sale's amount")
    price_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the unit price")
    totalizer_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the grand total's volume")
    minor_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the currency's minor unit")
