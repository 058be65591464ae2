"""What station.toml says about a tapped receipt printer, and about the receipts of this site."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from drivers.escpos_tap.patterns import Pattern


class EscposTapOptions(BaseModel):
    """`[line.device.options]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    register_id: Annotated[str, StringConstraints(min_length=1, max_length=20)] = Field(
        description="the register's id, where no pattern finds it on the receipt"
    )
    patterns: tuple[Pattern, ...] = Field(
        min_length=1,
        max_length=24,
        description="regular expressions, tried on each line in this order until one is found in it; their "
        "named groups say what it tells: sale, date, register, total, fuel, pump, tender, paid, change, "
        "product, quantity, amount, refund_of, refund_date, ignore",
    )
    form: Literal["second_printer", "pass_through"] = Field(
        default="second_printer",
        description="second_printer: the POS prints to us, and we answer its questions; "
        "pass_through: we sit in the printer's cable and only listen",
    )
    encoding: Literal[
        "gb18030", "utf-8", "big5", "shift_jis", "cp437", "cp850", "cp866", "cp1251", "cp1252"
    ] = Field(default="gb18030", description="the letters of the receipts")
    decimals: int = Field(
        default=2, ge=0, le=2, description="digits after the point in amounts; fen are hundredths"
    )
    total: Literal["items", "unchecked"] = Field(
        default="items",
        description="what a total must be: the sum of products and fuel, or anything, where not all is shown",
    )
    points: dict[str, str] = Field(
        default={},
        max_length=64,
        description="what the receipt calls a pump or nozzle, and which fuelling point it is, if they differ",
    )
    quiet_end_ms: int = Field(
        default=0,
        ge=0,
        le=60_000,
        description="a receipt also ends after so much silence (no cutter); 0: only at a cut",
    )

    @model_validator(mode="after")
    def _has_what_a_sale_needs(self) -> Self:
        found = " ".join(self.patterns)
        for group in ("sale", "total"):
            if f"(?P<{group}>" not in found:
                raise ValueError(f"no pattern finds the {group}: (?P<{group}>...)")
        if ("(?P<fuel>" in found) != ("(?P<pump>" in found):
            raise ValueError("fuel and pump are found both or neither")
        if "(?P<refund_date>" in found and "(?P<date>" not in found:
            raise ValueError("a refund_date names a sale only where a date is part of its id")
        return self
