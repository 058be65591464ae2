"""What stands in for a totalizer that was not heard, in the raw digits by which a fuelling is known.

The last totals heard do not tell two fuellings of a round preset apart, and a count of them would begin again
when the agent does: two sales with one id, of which the second earns nothing. No clock of ours may be in an
id, so it is made of what the pump itself has said since we began.
"""

import zlib


class StandIn:
    """`hear` everything that the pump says, states and running figures too: the more, the surer it is
    another one for each fuelling. Only for a fuelling that cannot be told of a second time."""

    def __init__(self) -> None:
        self._check_value = 0

    def hear(self, said: bytes) -> None:
        self._check_value = zlib.crc32(said, self._check_value)

    def digits(self, last_heard: str) -> str:
        """The last totals heard, "" if none ever were; "+"; and eight hexadecimal digits."""
        return f"{last_heard}+{self._check_value:08x}"
