"""What station.toml says about a Verifone journal feed."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class VerifoneJournalOptions(BaseModel):
    """`[line.device.options]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dialect: Literal["journal", "ruby"] = Field(
        default="journal",
        description="journal: every line begins with date, time and register (Topaz, Sapphire, Commander); "
        "ruby: the older receipt text without them",
    )
    registers: tuple[str, ...] = Field(
        default=(),
        max_length=16,
        description="only these registers are believed, as the journal writes them; empty: all",
    )
    decimals: int = Field(
        default=2,
        ge=0,
        le=2,
        description="digits after the point in the journal's amounts; fen are hundredths",
    )
    total: Literal["items", "items_and_tax", "unchecked"] = Field(
        default="items",
        description="what a TOTAL must be: the sum of its lines; the sum and a tax that no line shows; "
        "anything, where price reductions are not printed (then a lost line cannot be noticed)",
    )
    tax_limit_bp: int = Field(
        default=1_500,
        ge=0,
        le=5_000,
        description="with items_and_tax: the most that the tax may be, in hundredths of a percent",
    )
