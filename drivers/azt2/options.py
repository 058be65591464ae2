"""What a site can set for one AZT 2.0 channel: `[line.device.options]` of station.toml."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["listen", "master"]

SILENCE_MS = 4_000


class AztOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Field(
        default="listen",
        description="`listen`: a control system polls these pumps, and we say nothing. `master`: nobody else "
        "polls them; we read and confirm, and never authorise",
    )
    volume_digits: int = Field(default=5, ge=4, le=8, description="width of the volume in sale data")
    amount_digits: int = Field(default=7, ge=4, le=10, description="width of the amount in sale data")
    price_digits: int = Field(default=4, ge=3, le=8, description="width of the unit price in sale data")
    volume_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the volume")
    amount_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the amount")
    price_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the unit price")
    totalizer_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the totals' volume")
    minor_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the currency's minor unit")
    numbers: bool = Field(
        default=True, description="master: ask for the transaction number; many pumps do not know it"
    )
    poll_ms: int = Field(default=300, ge=50, le=2_000, description="master: time between two looks")
    answer_ms: int = Field(
        default=600, ge=100, le=2_000, description="master: how long to wait for an answer"
    )
    gap_ms: int = Field(
        default=30, ge=5, le=500, description="master: quiet time between an answer and the next question"
    )
    totals_follow: bool = Field(
        default=True,
        description="listen: the control system reads totals after a fuelling, which is reported when they "
        "pass by, at the latest when the next one begins; false: reported when it is confirmed",
    )
    reply_ms: int = Field(
        default=120,
        ge=20,
        le=500,
        description="listen: an answer that begins later than this after its question belongs to another one",
    )
