"""What station.toml says about one POS on the loyalty link."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class PosLinkOptions(BaseModel):
    """`[line.device.options]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    register_id: Annotated[str, StringConstraints(min_length=1, max_length=20)] = Field(
        description="the id that the POS says in HELLO; two POS of one station must differ in it"
    )
    encoding: Literal["gb18030", "utf-8"] = Field(
        default="gb18030", description="the letters of every text field on this line"
    )
