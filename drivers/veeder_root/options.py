"""What a site can set for one tank gauge: `[line.device.options]` of station.toml."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

SILENCE_MS = 30_000
LONGEST_ANSWER_MS = 15_000
"""An answer that still goes on after this is none."""
_NEXT_ANSWER_MS = 2_000
"""For the one after it."""

UnitSystem = Literal["metric", "us"]


class VeederRootOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    poll_s: int = Field(
        default=10,
        ge=1,
        le=12,
        description="time between two questions; there are five, so every fifth one reads the tanks",
    )
    answer_ms: int = Field(
        default=2_000, ge=200, le=10_000, description="silence within an answer after which it is given up"
    )
    gap_ms: int = Field(default=100, ge=0, le=2_000, description="quiet time before a question is repeated")
    units: UnitSystem = Field(
        default="metric",
        description="what the console is set to, for it does not say: `metric` is litres, millimetres and "
        "degrees Celsius, `us` gallons, inches and degrees Fahrenheit",
    )
    security_code: Annotated[SecretStr, Field(min_length=6, max_length=6)] | None = Field(
        default=None, description="secret: the console's security code for this port, if it is switched on"
    )

    @field_validator("security_code")
    @classmethod
    def _printable(cls, code: SecretStr | None) -> SecretStr | None:
        if code is not None and not all(" " <= character <= "~" for character in code.get_secret_value()):
            raise ValueError("six printable ASCII characters")
        return code

    @model_validator(mode="after")
    def _one_lost_answer_is_no_silence(self) -> Self:
        lost_ms = 1_000 * self.poll_s + LONGEST_ANSWER_MS + self.answer_ms
        if lost_ms > SILENCE_MS - _NEXT_ANSWER_MS:
            raise ValueError("poll_s and answer_ms are too long together: one lost answer would be a silence")
        return self

    def code(self) -> str:
        """What goes between SOH and the function: the security code, or nothing."""
        return "" if self.security_code is None else self.security_code.get_secret_value()
