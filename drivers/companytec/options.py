"""What a site can set for one Companytec concentrator: `[line.device.options]` of station.toml."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SILENCE_MS = 5_000

Protocol = Literal["cbc", "horustech"]
Record = Literal["auto", "short", "identified", "dual", "paf1", "paf2", "paf_extended", "plain", "extended"]
_BOTH: frozenset[Record] = frozenset({"auto"})
_FORMS: dict[Protocol, frozenset[Record]] = {
    "cbc": _BOTH | {"short", "identified", "dual", "paf1", "paf2", "paf_extended"},
    "horustech": _BOTH | {"plain", "extended"},
}


class CompanytecOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Protocol = Field(
        default="cbc",
        description="the frame: `cbc` in parentheses, or `horustech` beginning with `>`; a Horustech speaks "
        "the one that was switched on in it",
    )
    record: Record | None = Field(
        default=None,
        description="which record is read; not set: `identified` for cbc, `auto` for horustech. cbc: "
        "`identified` with the tag that released the nozzle; `dual` with the attendant's and the client's; "
        "`paf1` the same with year and both totalizers; `paf2` with seconds; `paf_extended` paf1, and eight "
        "digits where six are too few; `auto` paf_extended, then paf1, then identified, as far as the "
        "firmware answers; `short` without tag and, because its question has no check value, only for old "
        "firmware. horustech: `plain`; `extended` with eight digits and seconds; `auto`",
    )
    unknown_tags: Literal["leave", "count", "present"] = Field(
        default="leave",
        description="cards shown without a sale, in the concentrator's own list: `leave` them to the "
        "station's system, `count` them and take them off the list, or `present` them: who shows a card at "
        "the pump is then the member of the next fuelling there",
    )
    nozzles: tuple[Annotated[str, Field(pattern="^[0-9A-F]{2}$")], ...] = Field(
        default=("04", "08"),
        max_length=64,
        description="nozzle codes whose totals `forecourt device scan` may ask for: two hex digits (cbc) or "
        "two decimal digits (horustech)",
    )
    ring_records: int = Field(
        default=10_000,
        ge=1_000,
        le=1_000_000,
        description="records in the memory of the concentrator; cbc always has 10,000",
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

    @model_validator(mode="after")
    def _form_suits_protocol(self) -> Self:
        if self.form not in _FORMS[self.protocol]:
            raise ValueError(f"record {self.form!r} is no form of {self.protocol}")
        if self.protocol == "cbc" and self.ring_records != 10_000:
            raise ValueError("ring_records can be set for horustech only")
        return self

    @property
    def form(self) -> Record:
        """`record`, or what holds where it is not set."""
        return self.record or ("identified" if self.protocol == "cbc" else "auto")
