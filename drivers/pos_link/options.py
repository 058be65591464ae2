"""What station.toml says about one POS on the loyalty link."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints


class PosLinkOptions(BaseModel):
    """`[line.device.options]`. `register_id` is the id that the POS says in HELLO, 1 to 20 characters;
    two POS of one station must differ in it. `encoding` is that of every text field on this line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    register_id: Annotated[str, StringConstraints(min_length=1, max_length=20)]
    encoding: Literal["gb18030", "utf-8"] = "gb18030"
