"""What a site can set for one Companytec concentrator: `[line.device.options]` of station.toml."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Tags = Literal["short", "tag", "attendant_and_client"]


class CompanytecOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: Tags = Field(
        default="tag",
        description="which record is read: `short` without tag and, because its question has no check "
        "value, only for old firmware; `tag` with the tag that released the nozzle; "
        "`attendant_and_client` with both, the client's is the member's",
    )
    poll_ms: int = Field(default=250, ge=50, le=5_000, description="time between two rounds of questions")
    answer_ms: int = Field(default=500, ge=100, le=2_000, description="how long to wait for an answer")
    gap_ms: int = Field(default=20, ge=1, le=500, description="quiet time after the step command")
    read_twice: bool = Field(
        default=True, description="report a record only if two readings agree (the check value has 8 bits)"
    )
    amount_decimals: int | None = Field(
        default=None, ge=0, le=3, description="decimals of the total, instead of the record's own code"
    )
    volume_decimals: int | None = Field(
        default=None, ge=0, le=3, description="decimals of the volume, instead of the record's own code"
    )
    price_decimals: int | None = Field(
        default=None, ge=0, le=3, description="decimals of the unit price, instead of the record's own code"
    )
    totalizer_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the totalizer")
    minor_decimals: int = Field(default=2, ge=0, le=3, description="decimals of the currency's minor unit")
