"""What a site can set for one display."""

from pydantic import BaseModel, ConfigDict, Field


class TallylineOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    poll_ms: int = Field(default=300, ge=50, le=1_000, description="time between two looks at the display")
    answer_ms: int = Field(default=250, ge=100, le=500, description="how long to wait for an answer")
    quiet_ms: int = Field(default=500, ge=0, le=1_000, description="silence after an unanswered question")
