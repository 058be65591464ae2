"""What every recorded value of the points model has in common: frozen, strict, integers JSON can carry."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8259, section 6)."""
MOST_MINOR: Final = 10**12
"""The most points of one sale, minor units: sums over millions of sales stay inside 64 bits."""

Natural = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Positive = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Minute = Annotated[int, Field(ge=0, le=1439)]
"""Minute of a day: 0 is 00:00, 1439 is 23:59."""
Name = Annotated[str, Field(min_length=1, max_length=64)]
"""A product, tier, tender or cohort: an opaque word of the programme or the POS."""


class Value(BaseModel):
    """A frozen value. Strict: a float, a bool or a text is never taken for an integer, nor an unknown key."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
