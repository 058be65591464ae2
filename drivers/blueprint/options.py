"""What a site can set for one blueprint device."""

from pydantic import BaseModel, ConfigDict, Field


class BlueprintOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    poll_ms: int = Field(default=250, ge=50, le=1_000, description="time between two questions")
    answer_ms: int = Field(default=300, ge=50, le=500, description="how long to wait for an answer")
