"""HQ's orders for the tests of the verbs: numbered, within their term, obeyed as the station obeys them."""

import hashlib

from agent.handlers.obey import obey
from agent.handlers.obey_kinds import BOOKS
from sync.down import Down
from tests.world import World

HOUR_MS = 3_600_000


def order(world: World, kind: str, body: dict[str, object], id: str = "") -> str:
    """HQ tells the station; returns the verdict, "" where it took effect."""

    def take(tx, at):  # type: ignore[no-untyped-def]  # a till verb
        seq = tx.down.last_seq() + 1
        down = Down(
            station=world.site.station,
            down_seq=seq,
            id=id or f"order-{seq}",
            kind=kind,
            issued_at_ms=at.wall_ms,
            not_after_ms=at.wall_ms + HOUR_MS,
            body=body,
        )
        sha256 = hashlib.sha256(down.model_dump_json().encode()).digest()
        obeyed = obey(down, sha256, tx, world.site, at.wall_ms, at, BOOKS)
        assert obeyed.consumed
        return obeyed.reason

    return str(world.run(take))


def adjust(world: World, minor: int, member: str = "m-basic", **changes: object) -> str:
    return order(world, "adjust", {"member": member, "minor": minor, "reason": "goodwill"} | changes)


def correct(world: World, minor: int, fact: str, **changes: object) -> str:
    return order(world, "correction", {"fact": fact, "minor": minor, "reason": "wrong-rate"} | changes)
