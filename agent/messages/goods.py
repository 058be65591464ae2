"""Things that run out at a station: gifts in the shop, leased codes, parcels. Stream `service`."""

from typing import Literal

from agent.messages.bodies import Body, Wall, Word
from agent.messages.words import Id
from agent.points.values import Natural, Positive


class StockLevel(Body):
    """A gift's stock passed its low mark, was filled up or ran out (S-037)."""

    kind: Literal["stock.level"]
    reward: Word
    left: Natural
    reserved: Natural = 0
    low: Natural = 0
    state: Literal["FILLED", "LOW", "OUT"]
    at_ms: Wall


class StockSurge(Body):
    """A reward is asked for far more often than usual: this hour against the usual one (S-037)."""

    kind: Literal["stock.surge"]
    id: Id
    reward: Word
    requests: Positive
    usual_requests: Natural
    left: Natural
    at_ms: Wall


class PoolLevel(Body):
    """A leased pool of codes at its low mark, empty, or given back (S-042)."""

    kind: Literal["pool.level"]
    pool: Id
    version: Positive
    used: Natural
    returned: Natural
    voided: Natural = 0
    left: Natural
    state: Literal["LOW", "OUT", "RETURNED"]
    at_ms: Wall


class PickupScan(Body):
    """A parcel came in or went out, where the station is a pick-up point (S-040)."""

    kind: Literal["pickup.scan"]
    parcel: Id
    direction: Literal["in", "out"]
    redemption: Word = ""
    attendant: Word = ""
    at_ms: Wall
